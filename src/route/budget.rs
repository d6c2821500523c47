//! What a SIM may still send: segments a minute, day and month, and distinct recipients a month. Pure; the store keeps the
//! counts, and they follow the SIM.
//!
//! Windows are those of the UTC calendar, so that a count needs no history and means the same after a restart. A segment counts
//! when its attempt begins and no longer when the attempt came to nothing: what stands is what the network took or may have.
//!
//! - A message begins on a SIM only if all its segments fit into the day and the month; what has begun is finished.
//! - The minute only smooths: it holds alerts and bulk back until the next one. A login counts but does not wait for it, since a
//!   person waits for the login.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::units::UnixMs;

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// The limits of one SIM; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Segments a minute.
    pub per_minute: Option<u32>,
    /// Segments a day.
    pub per_day: Option<u32>,
    /// Segments a month.
    pub per_month: Option<u32>,
    /// Distinct recipients a month.
    pub recipients: Option<u32>,
}

/// The limits of all SIMs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    /// For channels that are not in `own`.
    pub general: Limits,
    /// By channel id.
    pub own: BTreeMap<String, Limits>,
}

impl Budgets {
    /// Those of this channel.
    #[must_use]
    pub fn of(&self, channel: &str) -> Limits {
        self.own.get(channel).copied().unwrap_or(self.general)
    }
}

/// A recipient, told from others and not readable: the store's HMAC of the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recipient(pub [u8; 16]);

/// The windows that a moment lies in, numbered from the epoch (months from the year 0).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Windows {
    /// Minutes.
    pub minute: i64,
    /// Days.
    pub day: i64,
    /// Months.
    pub month: i64,
}

impl Windows {
    /// Those of `now`.
    #[must_use]
    pub fn at(now: UnixMs) -> Self {
        let date = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(now.0).unwrap_or_default()).date();
        let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
        Self { minute: now.0.div_euclid(MINUTE), day: now.0.div_euclid(DAY), month }
    }

    /// When the minute ends; all windows end with a minute.
    #[must_use]
    pub fn minute_end(self) -> UnixMs {
        UnixMs((self.minute + 1).saturating_mul(MINUTE))
    }

    fn month_end(self) -> UnixMs {
        let next = self.month + 1;
        let date = i16::try_from(next.div_euclid(12))
            .ok()
            .zip(i8::try_from(next.rem_euclid(12) + 1).ok())
            .and_then(|(year, month)| Date::new(year, month, 1).ok());
        let begin = date.and_then(|date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok());
        begin.map_or(UnixMs(i64::MAX), |begin| UnixMs(begin.as_millisecond()))
    }
}

/// What a SIM has spent, in the windows of its last segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Those windows.
    pub windows: Windows,
    /// Segments in the minute.
    pub minute: u32,
    /// Segments in the day.
    pub day: u32,
    /// Segments in the month.
    pub month: u32,
    /// Distinct recipients in the month, as far as they are counted.
    pub recipients: u32,
}

impl Spent {
    /// The same seen from `now`: what is over counts no longer.
    #[must_use]
    pub fn by(&self, now: Windows) -> Self {
        let of = |same: bool, count: u32| if same { count } else { 0 };
        Self {
            windows: now,
            minute: of(now.minute == self.windows.minute, self.minute),
            day: of(now.day == self.windows.day, self.day),
            month: of(now.month == self.windows.month, self.month),
            recipients: of(now.month == self.windows.month, self.recipients),
        }
    }

    fn add(&mut self, now: Windows) {
        *self = self.by(now);
        for count in [&mut self.minute, &mut self.day, &mut self.month] {
            *count = count.saturating_add(1);
        }
    }

    fn take_back(&mut self, begun: Windows) {
        let now = self.windows;
        for (same, count) in [
            (now.minute == begun.minute, &mut self.minute),
            (now.day == begun.day, &mut self.day),
            (now.month == begun.month, &mut self.month),
        ] {
            *count = count.saturating_sub(u32::from(same));
        }
    }
}

/// The window that is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Segments of this minute.
    Minute,
    /// Segments of this day.
    Day,
    /// Segments of this month.
    Month,
    /// Recipients of this month.
    Recipients,
}

impl Full {
    /// When there is room again.
    #[must_use]
    pub fn until(self, now: Windows) -> UnixMs {
        match self {
            Self::Minute => now.minute_end(),
            Self::Day => UnixMs((now.day + 1).saturating_mul(DAY)),
            Self::Month | Self::Recipients => now.month_end(),
        }
    }
}

/// What is asked of a budget.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// A login, which does not wait for the next minute.
    pub urgent: bool,
    /// Segments still to go.
    pub segments: u32,
    /// To whom.
    pub recipient: Recipient,
}

/// A limit with what is spent of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub window: Full,
    /// Spent in the window.
    pub spent: u32,
    /// The limit.
    pub limit: u32,
}

impl Standing {
    /// What is left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.limit.saturating_sub(self.spent)
    }
}

/// The limits that a SIM has with what is spent of them, shortest window first.
pub fn standings(limits: &Limits, spent: &Spent, now: Windows) -> impl Iterator<Item = Standing> + use<> {
    let spent = spent.by(now);
    [
        (Full::Minute, limits.per_minute, spent.minute),
        (Full::Day, limits.per_day, spent.day),
        (Full::Month, limits.per_month, spent.month),
        (Full::Recipients, limits.recipients, spent.recipients),
    ]
    .into_iter()
    .filter_map(|(window, limit, spent)| limit.map(|limit| Standing { window, spent, limit }))
}

/// Of these limits the longest that keeps `needed` segments of a new message from beginning; `known` is asked whether the SIM sent
/// to its recipient this month.
pub fn lacking(
    standings: impl Iterator<Item = Standing>,
    urgent: bool,
    needed: u32,
    known: impl Fn() -> bool,
) -> Option<Standing> {
    let fits = |standing: &Standing| match standing.window {
        Full::Minute => urgent || standing.left() > 0,
        Full::Day | Full::Month => standing.left() >= needed,
        Full::Recipients => standing.left() > 0 || known(),
    };
    standings.filter(|standing| !fits(standing)).last()
}

/// The account of one SIM.
#[derive(Debug, Clone, Default)]
pub struct Account {
    limits: Limits,
    spent: Spent,
    /// Segments to each recipient of the month; kept only if recipients are limited.
    recipients: HashMap<Recipient, u32>,
}

impl Account {
    /// With what was spent before; `recipients` are those of the month of `spent`, with their segments.
    #[must_use]
    pub fn new(
        limits: Limits,
        mut spent: Spent,
        recipients: impl IntoIterator<Item = (Recipient, u32)>,
    ) -> Self {
        let counted = limits.recipients.is_some();
        let recipients: HashMap<_, _> =
            recipients.into_iter().filter(|(_, segments)| counted && *segments > 0).collect();
        spent.recipients = u32::try_from(recipients.len()).unwrap_or(u32::MAX);
        Self { limits, spent, recipients }
    }

    /// Whether its recipients are counted.
    #[must_use]
    pub fn counts_recipients(&self) -> bool {
        self.limits.recipients.is_some()
    }

    /// Whether a new message may begin. `promised` segments of others that began here are still to go.
    ///
    /// # Errors
    /// The window that is full longest.
    pub fn may_begin(&self, ask: &Ask, promised: u32, now: Windows) -> Result<(), Full> {
        let needed = ask.segments.saturating_add(promised);
        let known = || now.month == self.spent.windows.month && self.recipients.contains_key(&ask.recipient);
        let standings = standings(&self.limits, &self.spent, now);
        lacking(standings, ask.urgent, needed, known).map_or(Ok(()), |standing| Err(standing.window))
    }

    /// Whether the next segment of a message that began here may follow: only the minute holds it.
    #[must_use]
    pub fn may_go_on(&self, urgent: bool, now: Windows) -> bool {
        let limit = self.limits.per_minute.filter(|_| !urgent);
        limit.is_none_or(|limit| self.spent.by(now).minute < limit)
    }

    /// The window that is full for every new message, longest first.
    #[must_use]
    pub fn full(&self, now: Windows) -> Option<Full> {
        let segments = |standing: &Standing| standing.window != Full::Recipients;
        let all = standings(&self.limits, &self.spent, now).filter(segments);
        all.filter(|standing| standing.left() == 0).last().map(|standing| standing.window)
    }

    /// The smallest share that is left of a day, a month or its recipients, 1..=1000 thousandths; 1000 without limits.
    #[must_use]
    pub fn share(&self, now: Windows) -> u16 {
        standings(&self.limits, &self.spent, now)
            .filter(|standing| standing.window != Full::Minute)
            .map(|standing| {
                let share = u64::from(standing.left()) * 1000 / u64::from(standing.limit.max(1));
                u16::try_from(share).unwrap_or(1000).max(1)
            })
            .min()
            .unwrap_or(1000)
    }

    /// An attempt begins.
    pub fn begin(&mut self, recipient: Recipient, now: Windows) {
        if now.month != self.spent.windows.month {
            self.recipients.clear();
        }
        self.spent.add(now);
        if self.counts_recipients() {
            let segments = self.recipients.entry(recipient).or_default();
            *segments = segments.saturating_add(1);
            self.count_recipients();
        }
    }

    /// An attempt that began then came to nothing.
    pub fn take_back(&mut self, recipient: Recipient, begun: Windows) {
        self.spent.take_back(begun);
        if begun.month == self.spent.windows.month
            && let Some(segments) = self.recipients.get_mut(&recipient)
        {
            *segments = segments.saturating_sub(1);
            if *segments == 0 {
                self.recipients.remove(&recipient);
            }
            self.count_recipients();
        }
    }

    fn count_recipients(&mut self) {
        self.spent.recipients = u32::try_from(self.recipients.len()).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
mod tests;
