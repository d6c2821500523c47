//! The share of the channels that is kept free for logins: with two free slots, one of them is not for sale.
//!
//! A send cannot be called back: a login that finds every slot taken waits for the slowest network answer, which may be minutes.
//! So what is not a login never takes the last free slots. With one slot in all there is nothing to reserve: there a message of
//! several segments gives way after the one in the air.

/// Slots as they stand, of channels that would take a login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slots {
    /// All of them.
    pub all: u32,
    /// Those with nothing in the air.
    pub free: u32,
}

impl Slots {
    /// Whether what is not a login may take one of the free ones while `reserve` are kept. Never more is kept than leaves one for
    /// the others, so that an idle house always takes what comes.
    #[must_use]
    pub fn may_lend(self, reserve: u32) -> bool {
        self.free > reserve.min(self.all.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Slots;

    #[test]
    fn one_of_two_stays_free() {
        assert!(Slots { all: 2, free: 2 }.may_lend(1));
        assert!(!Slots { all: 2, free: 1 }.may_lend(1));
        assert!(Slots { all: 2, free: 1 }.may_lend(0), "without a reserve all are lent");
        assert!(Slots { all: 1, free: 1 }.may_lend(1), "one slot cannot be reserved");
    }

    proptest! {
        /// Whatever is asked for: others always get on when nothing is in the air, and leave what is reserved.
        #[test]
        fn others_get_on_and_leave_the_reserve(all in 1_u32..100, free in 0_u32..100, reserve in 0_u32..100) {
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
