//! Every order of messages keeps to every limit, and a refusal says which limit and until when.

use std::convert::Infallible;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// 2023-11-14 22:13:20 UTC.
const NOW: UnixMs = UnixMs(1_700_000_000_000);
const DAY: u64 = 86_400;

fn number(text: &str) -> Number {
    Number::parse(text, None).unwrap()
}

fn limits(minute: u32, hour: u32, day: u32) -> Limits {
    let some = |limit| Some(limit).filter(|limit| *limit > 0);
    Limits { per_minute: some(minute), per_hour: some(hour), per_day: some(day) }
}

/// A store: counters by day, kept as an engine keeps them.
#[derive(Default)]
struct Book(HashMap<(i64, Counter), Counts>);

impl Book {
    fn stands(&self, day: i64, counter: &Counter) -> Counts {
        self.0.get(&(day, counter.clone())).copied().unwrap_or_default()
    }

    /// One batch, all or none.
    fn accept(&mut self, now: UnixMs, bills: &[Bill]) -> Result<(), Over> {
        let tally = Tally::new(now, bills);
        let day = tally.day();
        if let Some((_, over)) = tally.over(|counter| Ok::<_, Infallible>(self.stands(day, counter))).unwrap()
        {
            return Err(over);
        }
        let minute = tally.minute();
        let added: Vec<_> = tally.added().map(|(counter, added)| (counter.clone(), added)).collect();
        for (counter, added) in added {
            let counts = self.0.entry((day, counter)).or_default();
            *counts = Counts {
                minute,
                in_minute: counts.within(Span::Minute, minute) + added,
                in_hour: counts.within(Span::Hour, minute) + added,
                in_day: counts.in_day + added,
            };
        }
        Ok(())
    }
}

fn budgets(dimension: Dimension, general: Limits, proven: Limits) -> Budgets {
    let mut all = Budgets { block_digits: 3, ..Budgets::default() };
    all.general[dimension as usize] = general;
    all.proven[dimension as usize] = proven;
    all
}

fn person(user: &str, proven: bool) -> Behind<'_> {
    Behind { user: Some(user), client: Some("vpn"), proven, conversions: None }
}

#[test]
fn without_limits_nothing_is_counted() {
    let to = number("+491701234567");
    let bill = Budgets::default().bill(&to, "c", &person("alice", true));
    assert_eq!(bill.charges, []);
    let off = Budgets { mode: Mode::Off, ..budgets(Dimension::Box, limits(1, 1, 1), limits(1, 1, 1)) };
    assert_eq!(off.bill(&to, "c", &person("alice", false)).charges, []);
}

#[test]
fn each_dimension_has_its_subject() {
    let mut all = Budgets { block_digits: 3, ..Budgets::default() };
    all.general = [limits(1, 0, 0); 7];
    let subjects = |to: &str, behind: &Behind<'_>| {
        let bill = all.bill(&number(to), "radius", behind);
        bill.charges.into_iter().map(|(counter, _)| (counter.dimension, counter.subject)).collect::<Vec<_>>()
    };
    let told = subjects("+491701234567", &person("alice", false));
    let expect =
        ["alice", "+491701234567", "+491701234", "49", "vpn", "radius", ""].map(str::to_owned).to_vec();
    assert_eq!(told, Dimension::ALL.into_iter().zip(expect).collect::<Vec<_>>());
    let told: Vec<_> =
        subjects("72267", &Behind::default()).into_iter().map(|(dimension, _)| dimension).collect();
    assert_eq!(
        told,
        [Dimension::Number, Dimension::Caller, Dimension::Box],
        "what is not known has no limit"
    );
    assert_eq!(all.bill(&number("+491701234567"), "radius", &person("alice", true)).charges, []);
}

#[test]
fn the_owner_is_not_used_up_by_who_knows_no_pin() {
    let all = budgets(Dimension::User, limits(0, 2, 0), limits(0, 2, 0));
    let to = number("+491701234567");
    let mut book = Book::default();
    let attack = [all.bill(&to, "portal", &person("alice", false))];
    let owner = [all.bill(&to, "portal", &person("alice", true))];
    assert_eq!((0..10).filter(|_| book.accept(NOW, &attack).is_ok()).count(), 2);
    assert_eq!((0..10).filter(|_| book.accept(NOW, &owner).is_ok()).count(), 2);
}

#[test]
fn the_limit_that_holds_longest_is_told() {
    let all = budgets(Dimension::Caller, limits(1, 1, 2), Limits::default());
    let to = number("+491701234567");
    let bill = [all.bill(&to, "script", &Behind::default())];
    let mut book = Book::default();
    book.accept(NOW, &bill).unwrap();
    let over = book.accept(NOW, &bill).unwrap_err();
    let Over::Limit { dimension: Dimension::Caller, span: Span::Hour, limit: 1, proven: false, .. } = over
    else {
        panic!("{over:?}")
    };
    // 22:13:20 until 23:00:00.
    assert_eq!(over.seconds(NOW), Some(46 * 60 + 40));
    assert_eq!(over.seconds(NOW.plus(Duration::from_millis(1))), Some(46 * 60 + 40), "rounded up");
    assert_eq!(over.to_string(), "the budget of this caller is spent: 1 per hour; see `[budget] caller`");
    let later = NOW.plus(Duration::from_secs(46 * 60 + 40));
    book.accept(later, &bill).unwrap();
    assert_eq!(book.accept(later, &bill).unwrap_err().seconds(later), Some(3_600), "the day is full too");
}

#[test]
fn a_batch_that_never_fits_is_told_so() {
    let all = budgets(Dimension::Box, limits(0, 3, 0), Limits::default());
    let bill = all.bill(&number("+491701234567"), "script", &Behind::default());
    let mut book = Book::default();
    book.accept(NOW, &vec![bill.clone(); 2]).unwrap();
    assert!(book.accept(NOW, &vec![bill.clone(); 3]).unwrap_err().until().is_some());
    assert_eq!(book.accept(NOW, &vec![bill.clone(); 4]).unwrap_err().until(), None);
    book.accept(NOW, &[bill]).unwrap();
}

#[test]
fn shadow_tells_and_lets_in() {
    let all = Budgets { mode: Mode::Shadow, ..budgets(Dimension::Box, limits(1, 0, 0), Limits::default()) };
    let bill = all.bill(&number("+491701234567"), "script", &Behind::default());
    let tally = Tally::new(NOW, [&bill, &bill]);
    let (counter, over) = tally.over(|_| Ok::<_, Infallible>(Counts::default())).unwrap().unwrap();
    assert_eq!((counter.dimension, over.dimension()), (Dimension::Box, "box"));
    assert!(tally.shadow());
    assert_eq!(tally.added().map(|(_, added)| added).collect::<Vec<_>>(), [2]);
}

#[test]
fn every_refusal_has_its_word() {
    for dimension in Dimension::ALL {
        assert!(Over::WORDS.contains(&dimension.as_str()));
    }
    let over = Over::Conversion { used: 0, submitted: 1, until: NOW };
    assert!(Over::WORDS.contains(&over.dimension()));
}

#[test]
fn debug_shows_no_number() {
    let all = budgets(Dimension::Number, limits(1, 0, 0), Limits::default());
    let bill = all.bill(&number("+491701234567"), "c", &Behind::default());
    assert!(!format!("{bill:?}").contains("1234"));
}

/// A message: seconds after the one before, who, where to, how many of it, with a PIN or without.
type Ask = (u64, u8, u8, usize, bool);

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let gap = prop_oneof![0..5_u64, 30..90_u64, 1_000..5_000_u64, 20_000..DAY];
    prop::collection::vec((gap, 0..3_u8, 0..4_u8, 1..4_usize, any::<bool>()), 1..60)
}

fn some_limits() -> impl Strategy<Value = Limits> {
    let one = || prop::option::of(1..8_u32);
    (one(), one(), one()).prop_map(|(per_minute, per_hour, per_day)| Limits { per_minute, per_hour, per_day })
}

/// How many messages of a counter were let in, by window.
type Seen = HashMap<(Counter, i64, i64), u32>;

fn window_of(span: Span, now: UnixMs) -> i64 {
    now.0.div_euclid(MINUTE).div_euclid(span.minutes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_window_takes_more_than_its_limit_and_no_refusal_is_idle(
        asks in asks(),
        general in prop::collection::vec(some_limits(), 7),
        proven in prop::collection::vec(some_limits(), 7),
    ) {
        let mut all = Budgets { block_digits: 2, ..Budgets::default() };
        all.general.copy_from_slice(&general);
        all.proven.copy_from_slice(&proven);
        let (mut book, mut seen, mut now) = (Book::default(), Seen::new(), NOW);
        for (gap, who, place, many, with_pin) in asks {
            now = now.plus(Duration::from_secs(gap));
            let user = format!("user{who}");
            let to = number(&format!("+49170123456{place}"));
            let behind = Behind { user: Some(&user), client: None, proven: with_pin, conversions: None };
            let bill = all.bill(&to, "caller", &behind);
            let batch = vec![bill.clone(); many];
            let fits = |seen: &Seen, at: UnixMs| bill.charges.iter().all(|(counter, limits)| {
                Span::ALL.into_iter().all(|span| {
                    let key = (counter.clone(), span.minutes(), window_of(span, at));
                    let taken = seen.get(&key).copied().unwrap_or(0) as usize;
                    limits.of(span).is_none_or(|limit| taken + many <= limit as usize)
                })
            });
            match book.accept(now, &batch) {
                Ok(()) => {
                    prop_assert!(fits(&seen, now), "over a limit");
                    for (counter, _) in &bill.charges {
                        for span in Span::ALL {
                            let key = (counter.clone(), span.minutes(), window_of(span, now));
                            *seen.entry(key).or_default() += u32::try_from(many).unwrap();
                        }
                    }
                }
                Err(over) => {
                    prop_assert!(!fits(&seen, now), "refused with room left");
                    let Over::Limit { dimension, proven, span, limit, until } = over.clone() else {
                        panic!("no brake here")
                    };
                    prop_assert_eq!(proven, with_pin);
                    let named = bill.charges.iter().find(|(counter, _)| counter.dimension == dimension).unwrap();
                    prop_assert_eq!(named.1.of(span), Some(limit));
                    match until {
                        Some(until) => {
                            prop_assert!(until > now);
                            let wait = Duration::from_secs(over.seconds(now).unwrap());
                            prop_assert!(fits(&seen, now.plus(wait)), "the wait is long enough");
                            prop_assert!(!fits(&seen, UnixMs(until.0 - 1)), "and not longer than it must be");
                        }
                        None => prop_assert!(many > limit as usize),
                    }
                }
            }
        }
    }
}
