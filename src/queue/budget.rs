//! Budgets of admission: how many messages a minute, hour and day may be asked for, against SMS pumping and scripts that run away.
//! Pure; the store keeps the counters and changes them in the transaction that accepts.
//!
//! A message is counted once in each dimension that has a limit: the user whose code it is, the number, its block, its country,
//! the client, the caller, and the whole box. Windows are those of the UTC calendar, as [`route::budget`](crate::route::budget)
//! has them: a count needs no history, means the same after a restart, and it is known when there is room again.
//!
//! - What follows a right PIN has counters and limits of its own: who knows no PIN cannot use up the owner's.
//! - What is refused is not counted, so that asking again and again does not prolong the wait.
//! - A batch is judged as a whole, in one turn of each counter.

use std::collections::HashMap;
use std::fmt;

use super::conversion::{Brake, Conversions};
use super::prefix;
use crate::number::Number;
use crate::route::budget::Windows;
use crate::units::UnixMs;

const MINUTE: i64 = 60_000;
const HOUR_MINUTES: i64 = 60;
const DAY_MINUTES: i64 = 24 * HOUR_MINUTES;

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The owner of the token.
    User = 0,
    /// The number.
    Number = 1,
    /// The number without its last digits: neighbours that somebody rented together.
    Block = 2,
    /// The calling code.
    Country = 3,
    /// Whom the caller says it asks for.
    Client = 4,
    /// Who asks, as the kernel says.
    Caller = 5,
    /// Everything.
    Box = 6,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::User, Self::Number, Self::Block, Self::Country, Self::Client, Self::Caller, Self::Box];

    /// As the configuration and the metrics write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Number => "number",
            Self::Block => "block",
            Self::Country => "country",
            Self::Client => "client",
            Self::Caller => "caller",
            Self::Box => "box",
        }
    }
}

/// How long a limit runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// From second 0 to second 59.
    Minute,
    /// From minute 0 to minute 59.
    Hour,
    /// From midnight to midnight, UTC.
    Day,
}

impl Span {
    const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    fn minutes(self) -> i64 {
        match self {
            Self::Minute => 1,
            Self::Hour => HOUR_MINUTES,
            Self::Day => DAY_MINUTES,
        }
    }

    /// When the one ends that `minute` lies in.
    fn end(self, minute: i64) -> UnixMs {
        let next = minute.div_euclid(self.minutes()).saturating_add(1);
        UnixMs(next.saturating_mul(self.minutes()).saturating_mul(MINUTE))
    }
}

/// Messages; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// A minute.
    pub per_minute: Option<u32>,
    /// An hour.
    pub per_hour: Option<u32>,
    /// A day.
    pub per_day: Option<u32>,
}

impl Limits {
    fn of(&self, span: Span) -> Option<u32> {
        match span {
            Span::Minute => self.per_minute,
            Span::Hour => self.per_hour,
            Span::Day => self.per_day,
        }
    }

    fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// Limits by [`Dimension`], in the order of [`Dimension::ALL`].
pub type ByDimension = [Limits; 7];

/// What becomes of a message over budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is counted.
    Off,
    /// It is let in and told of.
    Shadow,
    /// It is refused.
    #[default]
    Enforce,
}

/// Blocks of a thousand numbers are the smallest that are commonly handed out.
const BLOCK_DIGITS: u8 = 3;

/// All budgets of admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budgets {
    /// Whether they bind.
    pub mode: Mode,
    /// Digits that tell the numbers of one block apart.
    pub block_digits: u8,
    /// For everything that no PIN stands behind.
    pub general: ByDimension,
    /// For codes that a right PIN asked for.
    pub proven: ByDimension,
    /// Against codes that nobody uses.
    pub brake: Option<Brake>,
}

impl Default for Budgets {
    fn default() -> Self {
        let (general, proven) = (ByDimension::default(), ByDimension::default());
        Self { mode: Mode::default(), block_digits: BLOCK_DIGITS, general, proven, brake: None }
    }
}

/// What is known of who is behind a message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behind<'a> {
    /// The user whose code it is.
    pub user: Option<&'a str>,
    /// Whom the caller says it asks for.
    pub client: Option<&'a str>,
    /// A right PIN came with the request.
    pub proven: bool,
    /// How many codes were used lately, if this is one and somebody minds.
    pub conversions: Option<&'a Conversions>,
}

/// One thing that is counted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Counter {
    /// In which dimension.
    pub dimension: Dimension,
    /// For what a right PIN asked for.
    pub proven: bool,
    /// Which user, number, ...
    pub subject: String,
}

/// The subject may be a number or a name.
impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter")
            .field("dimension", &self.dimension)
            .field("proven", &self.proven)
            .finish_non_exhaustive()
    }
}

/// What a message is counted on; empty where it has no limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill {
    /// A right PIN asked for it.
    pub proven: bool,
    /// Over budget it is let in all the same.
    pub shadow: bool,
    /// Counters with their limits.
    pub charges: Vec<(Counter, Limits)>,
}

impl Budgets {
    /// What this message is counted on.
    #[must_use]
    pub fn bill(&self, to: &Number, caller: &str, behind: &Behind<'_>) -> Bill {
        let mut bill = Bill { proven: behind.proven, shadow: self.mode == Mode::Shadow, charges: Vec::new() };
        if self.mode == Mode::Off {
            return bill;
        }
        let all = if behind.proven { &self.proven } else { &self.general };
        for (dimension, limits) in Dimension::ALL.into_iter().zip(all).filter(|(_, limits)| limits.any()) {
            let subject = match dimension {
                Dimension::User => behind.user,
                Dimension::Number => Some(to.as_str()),
                Dimension::Block => self.block(to),
                Dimension::Country => prefix::calling_code(to),
                Dimension::Client => behind.client,
                Dimension::Caller => Some(caller),
                Dimension::Box => Some(""),
            };
            if let Some(subject) = subject {
                let counter = Counter { dimension, proven: behind.proven, subject: subject.to_owned() };
                bill.charges.push((counter, *limits));
            }
        }
        bill
    }

    /// Short codes have no neighbours that anybody could rent.
    fn block<'n>(&self, to: &'n Number) -> Option<&'n str> {
        let text = to.as_str();
        text.get(..text.len().saturating_sub(usize::from(self.block_digits)))
            .filter(|_| to.is_international())
    }
}

/// What a counter stands at, as of the minute when it was last changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// That minute, since the epoch.
    pub minute: i64,
    /// Messages in it.
    pub in_minute: u32,
    /// Messages in its hour.
    pub in_hour: u32,
    /// Messages in its day.
    pub in_day: u32,
}

impl Counts {
    /// Both together, as of the later minute.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let minute = self.minute.max(other.minute);
        let both = |span| self.within(span, minute).saturating_add(other.within(span, minute));
        Self { minute, in_minute: both(Span::Minute), in_hour: both(Span::Hour), in_day: both(Span::Day) }
    }

    /// Messages in the window of this length around `minute`.
    fn within(&self, span: Span, minute: i64) -> u32 {
        let same = self.minute.div_euclid(span.minutes()) == minute.div_euclid(span.minutes());
        let count = match span {
            Span::Minute => self.in_minute,
            Span::Hour => self.in_hour,
            Span::Day => self.in_day,
        };
        if same { count } else { 0 }
    }
}

/// Why a message is refused: the limit that holds longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// A budget is spent.
    Limit {
        /// Whose.
        dimension: Dimension,
        /// That of what a right PIN asked for.
        proven: bool,
        /// A minute's, an hour's or a day's.
        span: Span,
        /// How many it allows.
        limit: u32,
        /// When there is room again; `None` for a batch that is larger than the limit.
        until: Option<UnixMs>,
    },
    /// Too few of the codes to this country were used.
    Conversion {
        /// Codes that were used.
        used: u32,
        /// Of so many.
        submitted: u32,
        /// When the first of them counts no longer.
        until: UnixMs,
    },
}

impl Over {
    /// Every word that [`Over::dimension`] gives.
    pub const WORDS: [&'static str; 8] =
        ["user", "number", "block", "country", "client", "caller", "box", "conversion"];

    /// What it is of, for metrics.
    #[must_use]
    pub fn dimension(&self) -> &'static str {
        match self {
            Self::Limit { dimension, .. } => dimension.as_str(),
            Self::Conversion { .. } => "conversion",
        }
    }

    /// When it is worth asking again.
    #[must_use]
    pub fn until(&self) -> Option<UnixMs> {
        match self {
            Self::Limit { until, .. } => *until,
            Self::Conversion { until, .. } => Some(*until),
        }
    }

    /// Whole seconds to wait, at least one, for `Retry-After` (RFC 9110 10.2.3).
    #[must_use]
    pub fn seconds(&self, now: UnixMs) -> Option<u64> {
        let wait = self.until()?.since(now);
        Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// Of those that end together the one that is of fewer people.
    fn longer_than(&self, other: &Self) -> bool {
        let end = |over: &Self| over.until().map_or(i64::MAX, |until| until.0);
        let place = |over: &Self| Self::WORDS.iter().position(|word| *word == over.dimension());
        (end(self), place(other)) > (end(other), place(self))
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { dimension, proven, span, limit, until } => {
                let section = if *proven { "budget.proven" } else { "budget" };
                let (dimension, span) = (dimension.as_str(), span.as_str());
                match until {
                    Some(_) => write!(f, "the budget of this {dimension} is spent: {limit} per {span}")?,
                    None => write!(
                        f,
                        "the batch is larger than the budget of this {dimension}: {limit} per {span}"
                    )?,
                }
                write!(f, "; see `[{section}] {dimension}`")
            }
            Self::Conversion { used, submitted, .. } => write!(
                f,
                "only {used} of the last {submitted} codes to this country were used; see `[budget] brake-below`"
            ),
        }
    }
}

/// What a batch adds to each counter. The engine reads each counter once, and adds to it if nothing is over.
#[derive(Debug)]
pub struct Tally {
    minute: i64,
    shadow: bool,
    added: HashMap<Counter, (Limits, u32)>,
}

impl Tally {
    /// For a batch of this moment with these bills, which one configuration made.
    #[must_use]
    pub fn new<'b>(now: UnixMs, bills: impl IntoIterator<Item = &'b Bill>) -> Self {
        let mut tally = Self { minute: Windows::at(now).minute, shadow: false, added: HashMap::new() };
        for bill in bills {
            tally.shadow |= bill.shadow;
            for (counter, limits) in &bill.charges {
                let (_, added) = tally.added.entry(counter.clone()).or_insert((*limits, 0));
                *added = added.saturating_add(1);
            }
        }
        tally
    }

    /// What keeps the batch out, with its counter: of all limits that it would go beyond the one that holds longest. `stands` reads
    /// what a counter stands at.
    ///
    /// # Errors
    /// Those of `stands`.
    pub fn over<E>(
        &self,
        mut stands: impl FnMut(&Counter) -> Result<Counts, E>,
    ) -> Result<Option<(&Counter, Over)>, E> {
        let mut longest: Option<(&Counter, Over)> = None;
        for (counter, (limits, added)) in &self.added {
            let counts = stands(counter)?;
            for span in Span::ALL {
                let Some(limit) = limits.of(span) else { continue };
                if counts.within(span, self.minute).saturating_add(*added) <= limit {
                    continue;
                }
                let (dimension, proven) = (counter.dimension, counter.proven);
                let until = (*added <= limit).then(|| span.end(self.minute));
                let over = Over::Limit { dimension, proven, span, limit, until };
                if longest.as_ref().is_none_or(|(_, other)| over.longer_than(other)) {
                    longest = Some((counter, over));
                }
            }
        }
        Ok(longest)
    }

    /// Over budget it is let in all the same.
    #[must_use]
    pub fn shadow(&self) -> bool {
        self.shadow
    }

    /// The minute in which all of it counts, since the epoch.
    #[must_use]
    pub fn minute(&self) -> i64 {
        self.minute
    }

    /// The day of that minute, since the epoch.
    #[must_use]
    pub fn day(&self) -> i64 {
        self.minute.div_euclid(DAY_MINUTES)
    }

    /// Counters with what is to be added to each.
    pub fn added(&self) -> impl Iterator<Item = (&Counter, u32)> {
        self.added.iter().map(|(counter, (_, added))| (counter, *added))
    }
}

#[cfg(test)]
mod tests;
