//! The only entrance: a request becomes a [`NewMessage`] or a [`Refusal`] with its reason; pure.
//!
//! Everything that can be known before the row exists is checked here, whoever asks: number, allow-list, length, deadline.

use std::time::Duration;

use crate::number::{Number, NumberError};
use crate::pdu::segment::{self, Plan, Policy, SegmentError};
use crate::queue::budget::{Behind, Budgets, Mode, Over};
use crate::queue::message::{Idempotency, Lane, MessageId, NewMessage};
use crate::queue::prefix::AllowList;
use crate::secret::Secret;
use crate::units::UnixMs;

/// A number or text that was asked for, before anything is known of it.
#[derive(Debug, Clone)]
pub struct Submission<'a> {
    /// The destination as the caller wrote it.
    pub to: &'a str,
    /// The text.
    pub text: &'a str,
    /// The lane.
    pub lane: Lane,
    /// How long it may wait; `None` takes the lane's default.
    pub lifetime: Option<Life>,
    /// Message class 0.
    pub flash: bool,
    /// Ask for a handset report.
    pub report: bool,
    /// Who asks.
    pub caller: &'a str,
    /// The caller's key against double submission.
    pub idempotency: Option<&'a str>,
    /// Who is behind it.
    pub behind: Behind<'a>,
}

/// How long a message may wait, as its sender says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// So long from its acceptance.
    For(Duration),
    /// Until then.
    Until(UnixMs),
}

impl Life {
    fn from(self, now: UnixMs) -> Result<Duration, Refusal> {
        match self {
            Self::For(lifetime) => Ok(lifetime),
            Self::Until(deadline) if deadline <= now => Err(Refusal::DeadlinePast),
            Self::Until(deadline) => Ok(deadline.since(now)),
        }
    }
}

/// What the administrator allows.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Calling code without plus for national numbers.
    pub default_country: Option<String>,
    /// Where messages may go.
    pub allow: AllowList,
    /// Segments one message may take.
    pub max_segments: u8,
    /// Alphabets and substitutes.
    pub texts: Policy,
    /// Lifetime of a login, alert and bulk message, in this order, when the caller names none.
    pub lifetimes: [Duration; 3],
    /// No message may wait longer.
    pub max_lifetime: Duration,
    /// How many messages may be asked for.
    pub budgets: Budgets,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            default_country: None,
            allow: AllowList::default(),
            max_segments: 10,
            texts: Policy::default(),
            lifetimes: [Duration::from_secs(300), Duration::from_secs(3_600), Duration::from_secs(86_400)],
            max_lifetime: Duration::from_secs(7 * 86_400),
            budgets: Budgets::default(),
        }
    }
}

impl Rules {
    /// How long a message of this lane may wait where so much was asked for.
    ///
    /// # Errors
    /// [`Refusal::Lifetime`] for less than a second.
    pub fn lifetime(&self, lane: Lane, asked: Option<Duration>) -> Result<Duration, Refusal> {
        let [login, alert, bulk] = self.lifetimes;
        let usual = match lane {
            Lane::Login => login,
            Lane::Alert => alert,
            Lane::Bulk => bulk,
        };
        let lifetime = asked.unwrap_or(usual).min(self.max_lifetime);
        if lifetime < SHORTEST_LIFETIME { Err(Refusal::Lifetime(lifetime)) } else { Ok(lifetime) }
    }
}

/// Why a message was not admitted; nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The number is none.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The allow-list does not name it.
    #[error(
        "the number is outside the allowed prefixes, or a short code or premium number that is not named; see `[admission] allow`"
    )]
    NotAllowed,
    /// Nothing to send.
    #[error("the text is empty")]
    EmptyText,
    /// Too long.
    #[error("the text takes {needed} segments, {allowed} are allowed; see `[admission] max-segments`")]
    TooManySegments {
        /// What the text would take.
        needed: usize,
        /// What is allowed.
        allowed: u8,
    },
    /// A character that may not be sent.
    #[error("{0}; see `[sms] alphabet`")]
    Unencodable(SegmentError),
    /// It would never have time to leave.
    #[error("the lifetime is {0:?}; it must be at least one second")]
    Lifetime(Duration),
    /// It would be over before it began.
    #[error("the deadline has passed")]
    DeadlinePast,
    /// An idempotency key that could not be stored.
    #[error("the idempotency key has {0} octets; 1 to 200 are allowed")]
    IdempotencyKey(usize),
    /// Too many were asked for; the store refuses in the same words what its counters tell.
    #[error("{0}")]
    OverBudget(Over),
}

/// Longer keys are not keys but bodies.
const LONGEST_IDEMPOTENCY_KEY: usize = 200;
/// A shorter life cannot even be told to the network.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);

/// Admits or refuses.
///
/// # Errors
/// The first reason found, for the caller to read.
pub fn admit(
    submission: &Submission<'_>,
    rules: &Rules,
    now: UnixMs,
    id: MessageId,
) -> Result<NewMessage, Refusal> {
    let to = Number::parse(submission.to, rules.default_country.as_deref())?;
    if !rules.allow.allows(&to) {
        return Err(Refusal::NotAllowed);
    }
    if submission.text.is_empty() {
        return Err(Refusal::EmptyText);
    }
    let plan = planned(submission.text, rules)?;
    let asked_for = submission.lifetime.map(|life| life.from(now)).transpose()?;
    let lifetime = rules.lifetime(submission.lane, asked_for)?;
    if let Some(key) = submission.idempotency
        && !(1..=LONGEST_IDEMPOTENCY_KEY).contains(&key.len())
    {
        return Err(Refusal::IdempotencyKey(key.len()));
    }
    if rules.budgets.mode == Mode::Enforce
        && let Some(over) = braked(&to, rules, &submission.behind)
    {
        return Err(Refusal::OverBudget(over));
    }
    let bill = rules.budgets.bill(&to, submission.caller, &submission.behind);
    Ok(NewMessage {
        id,
        lane: submission.lane,
        body: plan.rewritten().cloned().unwrap_or_else(|| Secret::from(submission.text)),
        flash: submission.flash,
        report: submission.report,
        segments: plan.segments(),
        coding: plan.coding(),
        created: now,
        deadline: now.plus(lifetime),
        caller: submission.caller.to_owned(),
        idempotency: submission
            .idempotency
            .map(|key| Idempotency { key: key.to_owned(), asked: asked(submission, &to) }),
        to,
        callback: None,
        bill,
    })
}

/// What is asked, to be compared with what is asked again: the number as we read it, all else as it came, since defaults and
/// substitutes may be other ones by then.
fn asked(submission: &Submission<'_>, to: &Number) -> Secret {
    let lifetime = match submission.lifetime {
        None => u128::MAX,
        Some(Life::For(lifetime)) => lifetime.as_millis(),
        // No lifetime is so long that it has the first bit.
        Some(Life::Until(deadline)) => 1 << 127 | u128::from(deadline.0.unsigned_abs()),
    };
    let mut octets = vec![submission.lane as u8, u8::from(submission.flash), u8::from(submission.report)];
    octets.extend_from_slice(&lifetime.to_be_bytes());
    octets.extend_from_slice(to.as_str().as_bytes());
    // No number has it in it.
    octets.push(0);
    octets.extend_from_slice(submission.text.as_bytes());
    Secret::new(octets)
}

/// Whether too few codes to this number's country are used, whatever the mode does about it.
#[must_use]
pub fn braked(to: &Number, rules: &Rules, behind: &Behind<'_>) -> Option<Over> {
    rules.budgets.brake?.holds(to, behind.proven, behind.conversions?)
}

fn planned(text: &str, rules: &Rules) -> Result<Plan, Refusal> {
    let allowed = rules.max_segments;
    match segment::plan_with(text, &rules.texts) {
        Ok(plan) if plan.segments() <= allowed => Ok(plan),
        Ok(plan) => Err(Refusal::TooManySegments { needed: usize::from(plan.segments()), allowed }),
        Err(SegmentError::TooLong(needed)) => Err(Refusal::TooManySegments { needed, allowed }),
        Err(refused @ SegmentError::Unencodable(_)) => Err(Refusal::Unencodable(refused)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000);

    fn ask(to: &'static str, text: &'static str) -> Submission<'static> {
        Submission {
            to,
            text,
            lane: Lane::Bulk,
            lifetime: None,
            flash: false,
            report: true,
            caller: "test",
            idempotency: None,
            behind: Behind::default(),
        }
    }

    fn admit_it(submission: &Submission<'_>, rules: &Rules) -> Result<NewMessage, Refusal> {
        admit(submission, rules, NOW, MessageId::new(NOW, 0, [0; 8]))
    }

    #[test]
    fn a_good_message_gets_its_lanes_lifetime() {
        let admitted = admit_it(&ask("+491701234567", "hello"), &Rules::default()).unwrap();
        assert_eq!(admitted.segments, 1);
        assert_eq!(admitted.deadline, NOW.plus(Duration::from_secs(86_400)));
    }

    #[test]
    fn what_is_asked_is_all_that_was_asked() {
        let asked = |submission: Submission<'_>| {
            let submission = Submission { idempotency: Some("key"), ..submission };
            let later = Rules { lifetimes: [Duration::from_secs(9); 3], ..Rules::default() };
            let [now, later] = [Rules::default(), later]
                .map(|rules| admit_it(&submission, &rules).unwrap().idempotency.unwrap().asked);
            assert_eq!(now, later, "the defaults are not part of it");
            now
        };
        let base = ask("+491701234567", "hello");
        let spelt = Submission { to: "0049 170 1234567", ..base.clone() };
        assert_eq!(asked(base.clone()), asked(spelt), "one number");
        let other = [
            Submission { to: "+491701234568", ..base.clone() },
            Submission { text: "hello!", ..base.clone() },
            Submission { lane: Lane::Alert, ..base.clone() },
            Submission { lifetime: Some(Life::For(Duration::from_secs(86_400))), ..base.clone() },
            Submission { lifetime: Some(Life::Until(UnixMs(2_000_000))), ..base.clone() },
            Submission { flash: true, ..base.clone() },
            Submission { report: false, ..base.clone() },
        ];
        for other in other {
            assert_ne!(asked(base.clone()), asked(other.clone()), "{other:?}");
        }
    }

    #[test]
    fn refusals_name_their_reason() {
        let allow = AllowList { named: vec!["+49".into()], home: None };
        let rules = Rules { allow, max_segments: 1, ..Rules::default() };
        assert_eq!(admit_it(&ask("+33123456789", "x"), &rules).unwrap_err(), Refusal::NotAllowed);
        assert_eq!(admit_it(&ask("+491701234567", ""), &rules).unwrap_err(), Refusal::EmptyText);
        assert_eq!(
            admit_it(&ask("abc", "x"), &rules).unwrap_err(),
            Refusal::Number(NumberError::Character('a'))
        );
        let long: &'static str = Box::leak("x".repeat(161).into_boxed_str());
        assert_eq!(
            admit_it(&ask("+491701234567", long), &rules).unwrap_err(),
            Refusal::TooManySegments { needed: 2, allowed: 1 }
        );
        let past = Submission { lifetime: Some(Life::Until(NOW)), ..ask("+491701234567", "x") };
        assert_eq!(admit_it(&past, &rules).unwrap_err(), Refusal::DeadlinePast);
        let until = Submission { lifetime: Some(Life::Until(UnixMs(NOW.0 + 5_000))), ..past };
        assert_eq!(admit_it(&until, &rules).unwrap().deadline, UnixMs(NOW.0 + 5_000));
        let hasty = Submission { lifetime: Some(Life::For(Duration::ZERO)), ..ask("+491701234567", "x") };
        assert_eq!(admit_it(&hasty, &rules).unwrap_err(), Refusal::Lifetime(Duration::ZERO));
    }
}
