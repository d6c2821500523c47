//! When a login goes once more over another channel: its report did not come although reports used to.
//!
//! A network takes a message and it never arrives; nobody is told. Where a channel has reported nearly every message to such
//! numbers, a missing report is news, and the person still waits. So the same text starts on the next channel while its challenge
//! lives. Where reports were never to be had, their absence says nothing and nothing is done.
//!
//! Pure: the time is an argument, and `K` names a message.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Judged by so many messages, and not before there were so many.
const WINDOW: usize = 50;
/// Of those so many must have been reported: 80 %.
const REPORTED: usize = WINDOW * 4 / 5;
/// No report is called late before this: networks and phones have slow moments.
const LEAST: Duration = Duration::from_secs(8);
/// The rest of the life is divided so: the second channel needs time, too.
const SHARE: u32 = 3;
/// Characters of a number that make a habit: the plus, the country and what follows it, for reports of one network are like another's.
const PREFIX: usize = 4;
/// Messages waited for at once; what is beyond is not watched. Each takes some hundred octets.
const WAITING_MAX: usize = 4096;
/// Habits kept; a house has a few channels and writes to a few countries.
const HABITS_MAX: usize = 1024;

/// What a channel did with reports for numbers that begin alike.
#[derive(Debug, Clone, Default)]
struct Habit(VecDeque<Option<Duration>>);

impl Habit {
    fn note(&mut self, after: Option<Duration>) {
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(after);
    }

    /// How long a report of a message with so much life left is waited for; `None` for ever.
    fn patience(&self, life: Duration) -> Option<Duration> {
        let mut reported: Vec<_> = self.0.iter().flatten().copied().collect();
        let most = life / SHARE;
        if self.0.len() < WINDOW || reported.len() < REPORTED || most < LEAST {
            return None;
        }
        reported.sort_unstable();
        let p95 = reported.get((reported.len() * 95).div_ceil(100).saturating_sub(1))?;
        Some((*p95).clamp(LEAST, most))
    }
}

/// A submitted message whose report has not come.
#[derive(Debug, Clone)]
struct Waiting {
    habit: HabitKey,
    since: Instant,
    /// When its patience ends, and after that when its life does.
    due: Instant,
    ends: Instant,
    /// Its patience has not ended yet, if it has any.
    patient: bool,
}

type HabitKey = (Arc<str>, Box<str>);

/// Submitted logins and the habits of the channels.
#[derive(Debug, Clone)]
pub struct Watch<K> {
    habits: HashMap<HabitKey, Habit>,
    waiting: HashMap<(K, Arc<str>), Waiting>,
    due: BTreeSet<(Instant, K, Arc<str>)>,
}

impl<K> Default for Watch<K> {
    fn default() -> Self {
        Self { habits: HashMap::new(), waiting: HashMap::new(), due: BTreeSet::new() }
    }
}

impl<K: Copy + Ord + std::hash::Hash> Watch<K> {
    /// A message to `to` was submitted over `channel`, with a report wanted and so much of its life left.
    pub fn submitted(&mut self, message: K, channel: &Arc<str>, to: &str, now: Instant, life: Duration) {
        let key = (message, Arc::clone(channel));
        let Some(ends) = now.checked_add(life).filter(|_| self.waiting.len() < WAITING_MAX) else { return };
        let habit = habit_key(channel, to);
        let fires =
            self.habits.get(&habit).and_then(|habit| habit.patience(life)).map(|patience| now + patience);
        let due = fires.unwrap_or(ends);
        let waiting = Waiting { habit, since: now, due, ends, patient: fires.is_some() };
        self.due.insert((due, message, Arc::clone(channel)));
        if let Some(before) = self.waiting.insert(key, waiting)
            && before.due != due
        {
            self.due.remove(&(before.due, message, Arc::clone(channel)));
        }
    }

    /// A report for it came over this channel.
    pub fn reported(&mut self, message: K, channel: &Arc<str>, now: Instant) {
        let Some(waiting) = self.waiting.remove(&(message, Arc::clone(channel))) else { return };
        self.due.remove(&(waiting.due, message, Arc::clone(channel)));
        self.learn(waiting.habit, Some(now.saturating_duration_since(waiting.since)));
    }

    /// Whether reports are waited for at all.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When [`Watch::late`] has something to tell.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(due, ..)| *due)
    }

    /// Messages whose patience has ended, with the channel over which they were submitted; each is told once.
    pub fn late(&mut self, now: Instant) -> Vec<(K, Arc<str>)> {
        let mut late = Vec::new();
        while let Some((_, message, channel)) = self.due.first().filter(|(due, ..)| *due <= now).cloned() {
            self.due.pop_first();
            let key = (message, channel);
            let Some(waiting) = self.waiting.get_mut(&key) else { continue };
            if waiting.patient {
                (waiting.patient, waiting.due) = (false, waiting.ends);
                self.due.insert((waiting.ends, key.0, Arc::clone(&key.1)));
                late.push(key);
            } else if let Some(waiting) = self.waiting.remove(&key) {
                // A report that comes after the challenge's end helps nobody.
                self.learn(waiting.habit, None);
            }
        }
        late
    }

    /// Asks to be told of a late message once more, because nothing could be done about it.
    pub fn again(&mut self, message: K, channel: &Arc<str>, at: Instant) {
        let key = (message, Arc::clone(channel));
        let Some(waiting) = self.waiting.get_mut(&key).filter(|waiting| at < waiting.ends) else { return };
        self.due.remove(&(waiting.due, message, Arc::clone(channel)));
        (waiting.patient, waiting.due) = (true, at);
        self.due.insert((at, message, Arc::clone(channel)));
    }

    fn learn(&mut self, key: HabitKey, after: Option<Duration>) {
        if self.habits.len() < HABITS_MAX || self.habits.contains_key(&key) {
            self.habits.entry(key).or_default().note(after);
        }
    }
}

fn habit_key(channel: &Arc<str>, to: &str) -> HabitKey {
    (Arc::clone(channel), to.chars().take(PREFIX).collect::<String>().into())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TO: &str = "+491701234567";
    const LIFE: Duration = Duration::from_secs(300);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A channel whose last fifty messages were reported after these times.
    fn used_to(reports: impl Iterator<Item = Option<u64>>) -> (Watch<u32>, Arc<str>, Instant) {
        let (mut watch, channel, start) = (Watch::default(), Arc::from("gsm:1"), Instant::now());
        let mut now = start;
        for (n, after) in (1000..).zip(reports) {
            watch.submitted(n, &channel, TO, now, LIFE);
            match after {
                Some(after) => watch.reported(n, &channel, now + seconds(after)),
                None => drop(watch.late(now + LIFE)),
            }
            now += LIFE;
        }
        assert!(watch.is_idle());
        (watch, channel, now)
    }

    /// How long it takes until a message with this life is called late.
    fn patience(
        watch: &mut Watch<u32>,
        channel: &Arc<str>,
        to: &str,
        now: Instant,
        life: Duration,
    ) -> Option<Duration> {
        watch.submitted(1, channel, to, now, life);
        let next = watch.next().unwrap();
        let late = watch.late(next);
        (!late.is_empty()).then(|| {
            assert_eq!(late, [(1, Arc::clone(channel))]);
            next - now
        })
    }

    #[test]
    fn a_missing_report_is_late_where_reports_used_to_come() {
        let (mut watch, channel, now) = used_to((0..50).map(|_| Some(12)));
        assert_eq!(patience(&mut watch, &channel, TO, now, LIFE), Some(seconds(12)));
        assert_eq!(watch.late(now + LIFE - seconds(1)), [], "it is told once");
        assert_eq!(watch.late(now + LIFE), []);
        assert!(watch.is_idle());
    }

    #[test]
    fn it_waits_eight_seconds_at_least_and_a_third_of_the_life_at_most() {
        let (mut watch, channel, now) = used_to((0..50).map(|_| Some(1)));
        assert_eq!(patience(&mut watch.clone(), &channel, TO, now, LIFE), Some(LEAST));
        assert_eq!(patience(&mut watch.clone(), &channel, TO, now, seconds(24)), Some(LEAST));
        assert_eq!(patience(&mut watch, &channel, TO, now, seconds(23)), None, "there is no time for it");
        let (mut slow, channel, now) = used_to((0..50).map(|_| Some(200)));
        assert_eq!(patience(&mut slow, &channel, TO, now, LIFE), Some(seconds(100)));
    }

    #[test]
    fn where_reports_are_not_usual_nothing_is_late() {
        for reports in [49_usize, 0] {
            let (mut watch, channel, now) = used_to((0..reports).map(|_| Some(1)));
            assert_eq!(patience(&mut watch, &channel, TO, now, LIFE), None, "after {reports}");
        }
        let (mut watch, channel, now) = used_to((0..50).map(|n| (n % 50 < 39).then_some(1)));
        assert_eq!(patience(&mut watch, &channel, TO, now, LIFE), None, "39 of 50");
        let (mut watch, channel, now) = used_to((0..50).map(|n| (n % 50 < 40).then_some(1)));
        assert_eq!(patience(&mut watch.clone(), &channel, TO, now, LIFE), Some(LEAST), "40 of 50");
        assert_eq!(
            patience(&mut watch.clone(), &channel, "+33612345678", now, LIFE),
            None,
            "another country"
        );
        assert_eq!(patience(&mut watch, &Arc::from("gsm:2"), TO, now, LIFE), None, "another channel");
    }

    #[test]
    fn the_slowest_twentieth_does_not_count() {
        let (mut watch, channel, now) = used_to((0..50).map(|n| Some(if n < 48 { 10 } else { 90 })));
        assert_eq!(patience(&mut watch, &channel, TO, now, LIFE), Some(seconds(10)));
    }

    #[test]
    fn a_report_in_time_ends_the_wait_and_one_in_vain_is_told_again() {
        let (mut watch, channel, now) = used_to((0..50).map(|_| Some(1)));
        watch.submitted(1, &channel, TO, now, LIFE);
        watch.submitted(2, &channel, TO, now, LIFE);
        watch.reported(1, &channel, now + seconds(3));
        assert_eq!(watch.late(now + LEAST), [(2, Arc::clone(&channel))]);
        watch.again(2, &channel, now + LEAST + seconds(2));
        assert_eq!(watch.next(), Some(now + LEAST + seconds(2)));
        assert_eq!(watch.late(now + LEAST + seconds(2)), [(2, Arc::clone(&channel))]);
        watch.reported(2, &channel, now + seconds(40));
        assert!(watch.is_idle() && watch.next().is_none());
    }

    proptest! {
        /// Whatever comes in whatever order: every message is told late at most once, and all of them end.
        #[test]
        fn each_is_told_once_and_all_end(events in prop::collection::vec((0_u8..3, 0_u32..8, 0_u64..40), 0..300)) {
            let (mut watch, channel, mut now) = used_to((0..50).map(|_| Some(1)));
            let mut told = BTreeSet::new();
            let mut open = BTreeSet::new();
            for (what, message, pause) in events {
                now += seconds(pause);
                match what {
                    0 => {
                        told.remove(&message);
                        open.insert(message);
                        watch.submitted(message, &channel, TO, now, LIFE);
                    }
                    1 => {
                        open.remove(&message);
                        watch.reported(message, &channel, now);
                    }
                    _ => for (message, _) in watch.late(now) {
                        prop_assert!(open.contains(&message) && told.insert(message));
                    },
                }
                prop_assert_eq!(watch.due.len(), watch.waiting.len());
            }
            watch.late(now + LIFE);
            watch.late(now + LIFE);
            prop_assert!(watch.is_idle() && watch.next().is_none());
        }
    }
}
