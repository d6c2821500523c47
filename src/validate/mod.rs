//! `/validate/check` without its HTTP: loads what the decision needs, has it made by [`otp::challenge`](crate::otp::challenge),
//! and carries it out in the store.
//!
//! PIN hashes run on blocking threads under a few permits. A challenge, its counter and its message become durable in one
//! transaction, or none does; an answer is used up by exactly one request. Nobody waits here for the radio.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::clock::{self, NoEntropy};
use crate::otp::challenge::{self, Challenge, Decision, Path, PinFact, Request, Token, Unusable};
use crate::otp::hotp::DIGITS_MIN;
use crate::otp::pin;
use crate::otp::template::{Template, TemplateError};
use crate::queue::admission::Rules;
use crate::queue::conversion::Conversions;
use crate::secret::Secret;
use crate::store::engine::Store;
use crate::store::{ChallengeRecord, Operations, StoreError, TokenRecord};
use crate::units::UnixMs;

pub mod tokens;
mod trigger;

/// Concurrent triggers of one person overtake each other's counter; one of them wins each round, so this many may meet.
const TRIGGER_ROUNDS: usize = 16;
/// What privacyIDEA's set-up gives a person before the token is locked.
pub const MAX_FAILURES: u32 = 10;
/// PIN hashes at once: one for each core of a small appliance, and together less than 40 MiB.
pub const HASH_PERMITS: usize = 2;
/// privacyIDEA's lifetime of an SMS challenge.
pub const LIFETIME: Duration = Duration::from_secs(300);
/// privacyIDEA's prompt.
pub const PROMPT: &str = "Enter the OTP from the SMS:";
/// privacyIDEA's SMS text.
pub const TEXT: &str = "<otp>";

/// What validation needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a challenge, its code and its message live.
    pub lifetime: Duration,
    /// The SMS.
    pub text: Template,
    /// What the person is asked for.
    pub prompt: Template,
    /// Digits of a code where the enroller names none, 6..=8.
    pub otp_length: u8,
    /// So many wrong answers in a row lock a token that is enrolled from now on.
    pub max_failures: u32,
    /// PIN hashes computed at once.
    pub hash_permits: usize,
}

impl Settings {
    /// privacyIDEA's defaults with these texts.
    ///
    /// # Errors
    /// What is wrong with a text.
    pub fn new(text: &str, prompt: &str) -> Result<Self, TemplateError> {
        Ok(Self {
            lifetime: LIFETIME,
            text: Template::sms(text)?,
            prompt: Template::prompt(prompt)?,
            otp_length: DIGITS_MIN,
            max_failures: MAX_FAILURES,
            hash_permits: HASH_PERMITS,
        })
    }
}

/// A request, its parameters decoded.
#[derive(Debug, Clone)]
pub struct Check {
    /// The login name, if it was given.
    pub user: Option<String>,
    /// The serial, if it was given.
    pub serial: Option<String>,
    /// PIN, PIN and code, or a code.
    pub pass: Secret,
    /// The challenge that is answered.
    pub transaction: Option<String>,
    /// `pass` is a bare code.
    pub otp_only: bool,
    /// Who asks.
    pub caller: String,
    /// Whom the caller says it asks for, if that caller is believed.
    pub client: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Neither a user nor a serial was named.
    #[error("neither a user nor a serial was named")]
    Nobody,
    /// No such user.
    #[error("the user does not exist")]
    UnknownUser,
    /// No such token.
    #[error("the token does not exist")]
    UnknownSerial,
    /// The token is another user's.
    #[error("the token belongs to another user")]
    NotTheUsers,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No code without entropy.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The hashing thread died, or the daemon stops.
    #[error("the PIN could not be checked")]
    Hashing,
}

/// A token as answers name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its serial.
    pub serial: String,
    /// Digits of its codes.
    pub digits: u8,
}

/// An opened challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its token.
    pub serial: String,
    /// What the person is asked for.
    pub prompt: String,
    /// When it ends.
    pub expires: UnixMs,
}

/// What came of a request. The texts for it belong to the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Codes are on their way.
    Challenge {
        /// Shared by all.
        transaction: String,
        /// One for each token, at least one.
        opened: Vec<Opened>,
        /// Tokens whose message was not admitted.
        unsent: usize,
    },
    /// The PIN was right, but no message was admitted.
    Unsent,
    /// The person is who it claims to be.
    Accept {
        /// By this token.
        token: Named,
        /// On this path.
        path: Path,
    },
    /// No PIN and no transaction matched.
    WrongPin,
    /// The PIN matched, the code did not; the token is named if there is only one.
    WrongCode {
        /// The one token whose PIN matched.
        token: Option<Named>,
        /// It was right once.
        used_before: bool,
    },
    /// The transaction matched, the code did not.
    WrongResponse {
        /// Tokens in the transaction, at least one.
        tokens: Vec<Named>,
    },
    /// A wrong bare code.
    WrongBareCode,
    /// No token can be used.
    Unusable(Unusable),
}

/// Checks people.
#[derive(Debug)]
pub struct Validate {
    store: Store,
    settings: Settings,
    rules: Arc<Rules>,
    permits: Arc<Semaphore>,
    judged: Mutex<HashMap<String, u32>>,
    /// How many codes were used, and when that was looked up; only where a brake wants to know.
    conversions: Mutex<Option<(UnixMs, Arc<Conversions>)>>,
}

/// Tokens of a person, those asked for, with what is known of the PIN.
struct Loaded {
    tokens: Vec<TokenRecord>,
    challenges: Vec<ChallengeRecord>,
}

impl Validate {
    /// Validation over this store; messages are admitted by `rules`.
    #[must_use]
    pub fn new(store: Store, settings: Settings, rules: Arc<Rules>) -> Self {
        let permits = Arc::new(Semaphore::new(settings.hash_permits.max(1)));
        let (judged, conversions) = (Mutex::default(), Mutex::default());
        Self { store, settings, rules, permits, judged, conversions }
    }

    /// Judges one request and carries the verdict out.
    ///
    /// # Errors
    /// When nobody was named, or the store did not do its part; then nothing is granted.
    pub async fn check(&self, check: &Check) -> Result<Answer, CheckError> {
        let Some(pass) = check.pass.expose_str() else { return Ok(Answer::WrongPin) };
        let owner = self.owner(check, pass).await?;
        let judging = Judging::begin(&self.judged, &owner);
        let mut loaded = self.load(&owner, check).await?;
        let needs_pin = check.transaction.is_none() && !check.otp_only;
        let mut facts = vec![PinFact::NotAsked; loaded.tokens.len()];
        if needs_pin {
            facts = self.pin_facts(pass, &loaded.tokens, judging.before).await?;
        }
        for _ in 0..TRIGGER_ROUNDS {
            let decision = decide(check, pass, &loaded, &facts, judging.before);
            let Decision::Trigger(places) = decision else {
                return self.carry_out(check, &loaded, decision).await;
            };
            if let Some(answer) = self.trigger(check, &loaded, &places).await? {
                return Ok(answer);
            }
            // Another request moved a counter. A token whose PIN changed meanwhile has to be asked for its PIN again.
            let again = self.load(&owner, check).await?;
            facts = again.tokens.iter().map(|token| kept_fact(token, &loaded.tokens, &facts)).collect();
            loaded = again;
        }
        warn!(user = %owner, "a challenge could not be opened: too many requests for this user at once");
        Err(StoreError::Busy(TRIGGER_ROUNDS).into())
    }

    /// The user who is asked about. Unknown names cost as much time as a wrong PIN.
    async fn owner(&self, check: &Check, pass: &str) -> Result<String, CheckError> {
        let Some(serial) = &check.serial else {
            return check.user.clone().ok_or(CheckError::Nobody);
        };
        let Some(token) = self.store.token(serial.clone()).await? else {
            self.waste(check, pass).await?;
            return Err(CheckError::UnknownSerial);
        };
        match &check.user {
            Some(user) if *user != token.user => Err(CheckError::NotTheUsers),
            _ => Ok(token.user),
        }
    }

    async fn load(&self, owner: &str, check: &Check) -> Result<Loaded, CheckError> {
        let mut tokens = self.store.tokens(Some(owner.to_owned())).await?;
        if let Some(serial) = &check.serial {
            tokens.retain(|token| token.serial == *serial);
        }
        if tokens.is_empty() {
            self.waste(check, check.pass.expose_str().unwrap_or_default()).await?;
            return Err(if check.serial.is_some() {
                CheckError::UnknownSerial
            } else {
                CheckError::UnknownUser
            });
        }
        let serials = tokens.iter().map(|token| token.serial.clone()).collect();
        let challenges = self.store.challenges(serials).await?;
        Ok(Loaded { tokens, challenges })
    }

    /// Hashes for nobody, as often as for a wrong PIN of one token.
    async fn waste(&self, check: &Check, pass: &str) -> Result<(), CheckError> {
        if check.transaction.is_none() && !check.otp_only {
            self.hash(pass, self.settings.otp_length, Secret::from(pin::DUMMY)).await?;
        }
        Ok(())
    }

    /// What each token's PIN has to do with `pass`. Unusable tokens are not worth a hash.
    async fn pin_facts(
        &self,
        pass: &str,
        tokens: &[TokenRecord],
        before: u32,
    ) -> Result<Vec<PinFact>, CheckError> {
        let mut facts = Vec::with_capacity(tokens.len());
        for token in tokens {
            facts.push(if challenge::unusable(&view(token, PinFact::NotAsked, before)).is_some() {
                PinFact::NotAsked
            } else {
                self.hash(pass, token.digits, token.pin.clone()).await?
            });
        }
        Ok(facts)
    }

    async fn hash(&self, pass: &str, digits: u8, phc: Secret) -> Result<PinFact, CheckError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| CheckError::Hashing)?;
        let pass = Secret::from(pass);
        tokio::task::spawn_blocking(move || {
            let fact = pin_fact(&pass, digits, &phc);
            drop(permit);
            fact
        })
        .await
        .map_err(|_| CheckError::Hashing)
    }

    async fn carry_out(
        &self,
        check: &Check,
        loaded: &Loaded,
        decision: Decision,
    ) -> Result<Answer, CheckError> {
        match decision {
            Decision::Accept { token, challenge, path } => {
                self.accept(check, loaded, token, challenge, path).await
            }
            Decision::WrongPin(places) => {
                self.fail(loaded, &places).await?;
                Ok(Answer::WrongPin)
            }
            Decision::WrongCode { tokens, used_before } => {
                let named = self.fail(loaded, &tokens).await?;
                Ok(Answer::WrongCode { token: only(named), used_before })
            }
            Decision::WrongResponse(tokens) => {
                Ok(Answer::WrongResponse { tokens: self.fail(loaded, &tokens).await? })
            }
            Decision::WrongBareCode(tokens) => {
                self.fail(loaded, &tokens).await?;
                Ok(Answer::WrongBareCode)
            }
            Decision::Unusable(why) => Ok(Answer::Unusable(why)),
            // `load` gives at least one token, and a trigger is carried out by `trigger`.
            Decision::NoToken | Decision::Trigger(_) => Ok(Answer::WrongPin),
        }
    }

    /// Uses the challenge up. Who comes second has a right code, too: it is refused, but not counted as a guess.
    async fn accept(
        &self,
        check: &Check,
        loaded: &Loaded,
        token: usize,
        challenge: usize,
        path: Path,
    ) -> Result<Answer, CheckError> {
        let (Some(token), Some(challenge)) = (loaded.tokens.get(token), loaded.challenges.get(challenge))
        else {
            return Ok(Answer::WrongPin);
        };
        let (transaction, serial) = (challenge.transaction.clone(), token.serial.clone());
        if self.store.answer(transaction, serial, clock::wall()).await? {
            info!(user = %token.user, serial = %token.serial, caller = %check.caller, "accepted");
            return Ok(Answer::Accept { token: named(token), path });
        }
        Ok(match path {
            Path::Transaction => Answer::WrongPin,
            Path::PinAndCode => Answer::WrongCode { token: Some(named(token)), used_before: true },
            Path::CodeOnly => Answer::WrongBareCode,
        })
    }

    async fn fail(&self, loaded: &Loaded, places: &[usize]) -> Result<Vec<Named>, CheckError> {
        let tokens: Vec<_> = places.iter().filter_map(|place| loaded.tokens.get(*place)).collect();
        self.store.fail(tokens.iter().map(|token| token.serial.clone()).collect()).await?;
        Ok(tokens.into_iter().map(named).collect())
    }
}

/// A request of a user while it is judged. Guesses sent side by side would otherwise all see the same few failures: each one
/// counts those before it that are not yet judged as failed.
struct Judging<'a> {
    all: &'a Mutex<HashMap<String, u32>>,
    user: &'a str,
    /// Requests of the same user that began earlier and are not judged yet.
    before: u32,
}

impl<'a> Judging<'a> {
    fn begin(all: &'a Mutex<HashMap<String, u32>>, user: &'a str) -> Self {
        let mut map = all.lock().unwrap_or_else(PoisonError::into_inner);
        let count = map.entry(user.to_owned()).or_default();
        let before = *count;
        *count = count.saturating_add(1);
        drop(map);
        Self { all, user, before }
    }
}

impl Drop for Judging<'_> {
    fn drop(&mut self) {
        let mut map = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = map.get_mut(self.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                map.remove(self.user);
            }
        }
    }
}

fn decide(check: &Check, pass: &str, loaded: &Loaded, facts: &[PinFact], before: u32) -> Decision {
    let tokens: Vec<_> =
        loaded.tokens.iter().zip(facts).map(|(token, fact)| view(token, *fact, before)).collect();
    let challenges: Vec<_> = loaded
        .challenges
        .iter()
        .map(|c| Challenge {
            transaction: &c.transaction,
            serial: &c.serial,
            counter: c.counter,
            expires: c.expires,
            answered: c.answered.is_some(),
        })
        .collect();
    let request = Request { pass, transaction: check.transaction.as_deref(), otp_only: check.otp_only };
    challenge::decide(&request, &tokens, &challenges, clock::wall())
}

fn view(token: &TokenRecord, pin: PinFact, before: u32) -> Token<'_> {
    Token {
        serial: &token.serial,
        seed: &token.seed,
        digits: token.digits,
        failures: token.failures.saturating_add(before),
        max_failures: token.max_failures,
        active: token.active,
        pin,
    }
}

/// The whole is tried before the part; what is too short to hold a code costs one hash only.
fn pin_fact(pass: &Secret, digits: u8, phc: &Secret) -> PinFact {
    let (Some(pass), Some(phc)) = (pass.expose_str(), phc.expose_str()) else { return PinFact::Wrong };
    if pin::verify(pass, phc) {
        return PinFact::Whole;
    }
    match challenge::split(pass, digits) {
        Some((prefix, _)) if pin::verify(prefix, phc) => PinFact::Prefix,
        _ => PinFact::Wrong,
    }
}

fn kept_fact(token: &TokenRecord, old: &[TokenRecord], facts: &[PinFact]) -> PinFact {
    old.iter()
        .zip(facts)
        .find(|(old, _)| old.serial == token.serial && old.pin == token.pin && old.digits == token.digits)
        .map_or(PinFact::Wrong, |(_, fact)| *fact)
}

fn named(token: &TokenRecord) -> Named {
    Named { serial: token.serial.clone(), digits: token.digits }
}

fn only(mut named: Vec<Named>) -> Option<Named> {
    if named.len() == 1 { named.pop() } else { None }
}
