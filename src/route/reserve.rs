//! The share of the channels that is kept free for logins: with two free slots, one of them is not for sale.
//!
//! A send cannot be called back: a login that finds every slot taken waits for the slowest network answer, which may be minutes.
//! So what is not a login never takes the last free slots. With one slot in all there is nothing to reserve: there a message of
//! several segments gives way after the one in the air.

use std::time::Duration;

/// A login does not notice so short a wait. Modems in a real network take seconds.
const QUICK: Duration = Duration::from_millis(100);

/// Whether what is in the air over a channel ends before a login would notice: by what its messages took in the mean, and as long as
/// this one is not overdue by that. Such a slot counts as free.
#[must_use]
pub fn is_quick(mean: Option<Duration>, age: Option<Duration>) -> bool {
    mean.is_some_and(|mean| mean < QUICK) && age.is_some_and(|age| age < QUICK * 2)
}

/// Slots as they stand, of channels that would take a login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slots {
    /// All of them.
    pub all: u32,
    /// Those with nothing in the air, or nothing that would be noticed.
    pub free: u32,
}

impl Slots {
    /// Whether what is not a login may take one of the free ones while `reserve` are kept. Never more is kept than leaves one for
    /// the others, so that an idle house always takes what comes.
    #[must_use]
    pub fn may_lend(self, reserve: u32) -> bool {
        self.all < 2 || self.free > reserve.min(self.all - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quick_line_is_in_nobodys_way_until_it_hangs() {
        let ms = |ms| Some(Duration::from_millis(ms));
        assert!(is_quick(ms(50), ms(40)));
        assert!(!is_quick(ms(50), ms(300)), "it hangs");
        assert!(!is_quick(ms(3_000), ms(40)));
        assert!(!is_quick(None, ms(40)), "nothing is known of it");
    }

    #[test]
    fn one_of_two_stays_free() {
        assert!(Slots { all: 2, free: 2 }.may_lend(1));
        assert!(!Slots { all: 2, free: 1 }.may_lend(1));
        assert!(Slots { all: 2, free: 1 }.may_lend(0), "without a reserve all are lent");
        assert!(Slots { all: 1, free: 1 }.may_lend(1), "one slot cannot be reserved");
        assert!(Slots { all: 0, free: 0 }.may_lend(1), "where no login could go there is nothing to keep");
    }

    proptest! {
        /// Whatever is asked for: others always get on when nothing is in the air, and leave what is reserved.
        #[test]
        fn others_get_on_and_leave_the_reserve(all in 2_u32..100, free in 0_u32..100, reserve in 0_u32..100) {
            let slots = Slots { all, free: free.min(all) };
            let idle = Slots { all, free: all };
            prop_assert!(idle.may_lend(reserve));
            if slots.may_lend(reserve) {
                prop_assert!(slots.free > reserve.min(all - 1));
            } else {
                prop_assert!(slots.free <= reserve);
            }
        }
    }
}
