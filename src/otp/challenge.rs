//! Which answer a request gets: one pure decision over the tokens of a person and their open challenges.
//!
//! Requests come in three forms: the PIN alone asks for a code, PIN and code together answer the newest challenges, and a
//! transaction with a code answers that challenge. The order of the decisions and their outcomes are privacyIDEA's; what
//! differs is stricter: a code belongs to one challenge, ends with it on every path, and is used once. Codes that were never
//! sent are never accepted.
//!
//! The slow PIN hashes are computed by the shell, which brings the result as [`PinFact`].

use crate::otp::hotp::{self, Hash};
use crate::secret::Secret;
use crate::units::UnixMs;

/// PIN and code without a transaction answer only so many of the newest open challenges: a person may take up the SMS before
/// last, but every open challenge more is one more right guess for a stranger.
pub const NEWEST: usize = 3;

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// PIN, PIN and code, or a code.
    pub pass: &'a str,
    /// The challenge that is answered.
    pub transaction: Option<&'a str>,
    /// `pass` is the bare code of the newest challenge; no PIN is asked for.
    pub otp_only: bool,
}

/// A token as far as the decision needs it.
#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    /// Its serial.
    pub serial: &'a str,
    /// HOTP key.
    pub seed: &'a Secret,
    /// Code length.
    pub digits: u8,
    /// Wrong answers in a row, those being judged at this moment included.
    pub failures: u32,
    /// At so many it is locked.
    pub max_failures: u32,
    /// Usable at all.
    pub active: bool,
    /// What the shell found out about the PIN.
    pub pin: PinFact,
}

/// How the request's `pass` relates to the PIN of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinFact {
    /// Not looked at, because the request needs no PIN.
    NotAsked,
    /// `pass` is the PIN.
    Whole,
    /// `pass` without its last digits is the PIN.
    Prefix,
    /// Neither.
    Wrong,
}

/// A challenge as far as the decision needs it.
#[derive(Debug, Clone, Copy)]
pub struct Challenge<'a> {
    /// Its transaction.
    pub transaction: &'a str,
    /// Its token.
    pub serial: &'a str,
    /// The counter its code was made with.
    pub counter: u64,
    /// It and its code end here.
    pub expires: UnixMs,
    /// It was used up.
    pub answered: bool,
}

/// Why a token cannot be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Switched off.
    Disabled,
    /// Too many wrong answers.
    Locked,
}

/// On which path a code was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// PIN and code together.
    PinAndCode,
    /// Transaction and code.
    Transaction,
    /// The bare code (`otponly`).
    CodeOnly,
}

/// What to do. Tokens and challenges are named by their places in the slices given to [`decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The person has no token.
    NoToken,
    /// None of the tokens can be used; the first one's reason.
    Unusable(Unusable),
    /// Open a challenge for each of these tokens.
    Trigger(Vec<usize>),
    /// The code is right, if the store agrees that the challenge is still unused.
    Accept {
        /// Its token.
        token: usize,
        /// The challenge to use up.
        challenge: usize,
        /// How it was answered.
        path: Path,
    },
    /// No PIN and no transaction matched: a failure for each of these tokens.
    WrongPin(Vec<usize>),
    /// The PIN of these tokens matched, the code did not.
    WrongCode {
        /// A failure for each.
        tokens: Vec<usize>,
        /// The code was right once and has been used.
        used_before: bool,
    },
    /// The transaction belongs to these tokens, the code does not.
    WrongResponse(Vec<usize>),
    /// `otponly` with a wrong code.
    WrongBareCode(Vec<usize>),
}

/// The parts of `pass` that may be a PIN: all of it, and what is before the last `digits` characters.
#[must_use]
pub fn split(pass: &str, digits: u8) -> Option<(&str, &str)> {
    let (at, _) = pass.char_indices().rev().nth(usize::from(digits).checked_sub(1)?)?;
    pass.split_at_checked(at)
}

/// Why this token cannot be used, if it cannot.
#[must_use]
pub fn unusable(token: &Token<'_>) -> Option<Unusable> {
    if !token.active {
        Some(Unusable::Disabled)
    } else if token.failures >= token.max_failures {
        Some(Unusable::Locked)
    } else {
        None
    }
}

/// Decides. `challenges` are those of the tokens, newest first.
#[must_use]
pub fn decide(
    request: &Request<'_>,
    tokens: &[Token<'_>],
    challenges: &[Challenge<'_>],
    now: UnixMs,
) -> Decision {
    let mut usable = Vec::with_capacity(tokens.len());
    let mut first_reason = None;
    for (at, token) in tokens.iter().enumerate() {
        match unusable(token) {
            None => usable.push((at, token)),
            Some(reason) => first_reason = first_reason.or(Some(reason)),
        }
    }
    if usable.is_empty() {
        return first_reason.map_or(Decision::NoToken, Decision::Unusable);
    }
    if let Some(transaction) = request.transaction {
        answer_transaction(transaction, request.pass, &usable, challenges, now)
    } else if request.otp_only {
        answer_bare(request.pass, &usable, challenges, now)
    } else {
        answer_pin(request.pass, &usable, challenges, now)
    }
}

/// A transaction is answered or refused; it never falls back to the PIN.
fn answer_transaction(
    transaction: &str,
    code: &str,
    usable: &[(usize, &Token<'_>)],
    challenges: &[Challenge<'_>],
    now: UnixMs,
) -> Decision {
    let mut asked = Vec::new();
    for &(at, token) in usable {
        let of_token = challenges
            .iter()
            .enumerate()
            .find(|(_, c)| c.transaction == transaction && c.serial == token.serial && !c.answered);
        let Some((place, challenge)) = of_token else { continue };
        if now < challenge.expires && is_code(token, challenge, code) {
            return Decision::Accept { token: at, challenge: place, path: Path::Transaction };
        }
        asked.push(at);
    }
    if asked.is_empty() { Decision::WrongPin(places(usable)) } else { Decision::WrongResponse(asked) }
}

fn answer_bare(
    code: &str,
    usable: &[(usize, &Token<'_>)],
    challenges: &[Challenge<'_>],
    now: UnixMs,
) -> Decision {
    usable
        .iter()
        .find_map(|&(at, token)| {
            let challenge = newest_open(token, challenges, code, now)?;
            Some(Decision::Accept { token: at, challenge, path: Path::CodeOnly })
        })
        .unwrap_or_else(|| Decision::WrongBareCode(places(usable)))
}

/// A right PIN with its code beats a challenge request of another token, and that beats a right PIN with a wrong code.
fn answer_pin(
    pass: &str,
    usable: &[(usize, &Token<'_>)],
    challenges: &[Challenge<'_>],
    now: UnixMs,
) -> Decision {
    let mut trigger = Vec::new();
    let mut matching = Vec::new();
    let mut used_before = false;
    for &(at, token) in usable {
        match token.pin {
            PinFact::Whole => trigger.push(at),
            PinFact::Prefix => {
                let code = split(pass, token.digits).map_or("", |(_, code)| code);
                if let Some(challenge) = newest_open(token, challenges, code, now) {
                    return Decision::Accept { token: at, challenge, path: Path::PinAndCode };
                }
                used_before |= of(token, challenges).any(|(_, c)| c.answered && is_code(token, c, code));
                matching.push(at);
            }
            PinFact::Wrong | PinFact::NotAsked => {}
        }
    }
    if !trigger.is_empty() {
        Decision::Trigger(trigger)
    } else if !matching.is_empty() {
        Decision::WrongCode { tokens: matching, used_before }
    } else {
        Decision::WrongPin(places(usable))
    }
}

/// The place of the newest open challenges' one whose code this is.
fn newest_open(token: &Token<'_>, challenges: &[Challenge<'_>], code: &str, now: UnixMs) -> Option<usize> {
    of(token, challenges)
        .filter(|(_, challenge)| !challenge.answered && now < challenge.expires)
        .take(NEWEST)
        .find(|(_, challenge)| is_code(token, challenge, code))
        .map(|(place, _)| place)
}

fn of<'a>(
    token: &'a Token<'_>,
    challenges: &'a [Challenge<'a>],
) -> impl Iterator<Item = (usize, &'a Challenge<'a>)> {
    challenges.iter().enumerate().filter(|(_, challenge)| challenge.serial == token.serial)
}

fn is_code(token: &Token<'_>, challenge: &Challenge<'_>, code: &str) -> bool {
    hotp::matches(code, &hotp::hotp(token.seed, challenge.counter, token.digits, Hash::Sha1))
}

fn places(usable: &[(usize, &Token<'_>)]) -> Vec<usize> {
    usable.iter().map(|(at, _)| *at).collect()
}

#[cfg(test)]
#[path = "challenge_tests.rs"]
mod tests;
