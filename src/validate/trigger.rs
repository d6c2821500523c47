//! Opening challenges: a code for each token, its text, its message, and all of it in one transaction.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use super::{Answer, Check, CheckError, Loaded, Opened, Validate};
use crate::clock;
use crate::otp::hotp::{self, Hash};
use crate::otp::template::Fields;
use crate::otp::token;
use crate::queue::admission::{self, Life, Refusal, Submission};
use crate::queue::budget::{Behind, Mode};
use crate::queue::conversion::{Conversions, WINDOW};
use crate::queue::message::{Lane, MessageId};
use crate::store::{ChallengeRecord, Operations, StoreError, TokenRecord, Trigger, Triggered};
use crate::units::UnixMs;

/// The brake may be so late; what it reads costs a look at every challenge of the last hour.
const CONVERSIONS_AGE: Duration = Duration::from_secs(30);

impl Validate {
    /// Opens a challenge for each of the tokens at `places`; `None`: a counter moved meanwhile, nothing was opened.
    pub(super) async fn trigger(
        &self,
        check: &Check,
        loaded: &Loaded,
        places: &[usize],
    ) -> Result<Option<Answer>, CheckError> {
        let now = clock::wall();
        let transaction = token::transaction(clock::entropy()?);
        let conversions = self.conversions(now).await?;
        let (mut triggers, mut opened) = (Vec::new(), Vec::new());
        let (mut unsent, mut over_budget) = (0, false);
        for token in places.iter().filter_map(|place| loaded.tokens.get(*place)) {
            let id = MessageId::new(now, 0, clock::entropy()?);
            match self.prepare(check, token, &conversions, &transaction, id, now) {
                Ok(trigger) => {
                    opened.push(self.open(token, trigger.challenge.expires));
                    triggers.push(trigger);
                }
                Err(refusal) => {
                    warn!(serial = %token.serial, to = ?token.phone, %refusal, "the code was not admitted");
                    over_budget |= matches!(refusal, Refusal::OverBudget(_));
                    unsent += 1;
                }
            }
        }
        // Each round opens all that are left, or leaves one out.
        while !triggers.is_empty() {
            match self.store.trigger(triggers.clone()).await {
                // A gateway that takes nothing more: the answer is the one for a code that was not admitted.
                Err(error @ StoreError::Full(_)) => {
                    warn!(caller = %check.caller, %error, "the code was not admitted");
                    return Ok(Some(Answer::Unsent));
                }
                Err(error) => return Err(error.into()),
                Ok(Triggered::Conflict) => return Ok(None),
                Ok(Triggered::Opened) => {
                    for opened in &opened {
                        info!(serial = %opened.serial, caller = %check.caller, "challenge opened");
                    }
                    return Ok(Some(Answer::Challenge { transaction, opened, unsent }));
                }
                Ok(Triggered::OverBudget { place, .. }) => {
                    triggers.remove(place);
                    opened.remove(place);
                    over_budget = true;
                    unsent += 1;
                }
            }
        }
        let live = if over_budget { self.live(loaded, places, now) } else { None };
        Ok(Some(live.unwrap_or(Answer::Unsent)))
    }

    /// The newest challenge of these tokens that can still be answered: its code is on the phone or on its way, so that a person
    /// whose budget is spent comes in with it.
    fn live(&self, loaded: &Loaded, places: &[usize], now: UnixMs) -> Option<Answer> {
        let tokens: Vec<_> = places.iter().filter_map(|place| loaded.tokens.get(*place)).collect();
        let alive = |challenge: &&ChallengeRecord| challenge.answered.is_none() && challenge.expires > now;
        let of_these =
            |challenge: &&ChallengeRecord| tokens.iter().any(|token| token.serial == challenge.serial);
        let newest = loaded
            .challenges
            .iter()
            .filter(alive)
            .filter(of_these)
            .max_by_key(|challenge| challenge.created)?;
        let transaction = newest.transaction.clone();
        let mut opened = Vec::new();
        for token in &tokens {
            let same = |challenge: &&ChallengeRecord| {
                challenge.serial == token.serial && challenge.transaction == transaction
            };
            if let Some(challenge) = loaded.challenges.iter().filter(alive).find(same) {
                opened.push(self.open(token, challenge.expires));
            }
        }
        let unsent = tokens.len().saturating_sub(opened.len());
        Some(Answer::Challenge { transaction, opened, unsent })
    }

    /// How many codes were used lately, no older than [`CONVERSIONS_AGE`]; nothing where no brake asks for it.
    async fn conversions(&self, now: UnixMs) -> Result<Arc<Conversions>, CheckError> {
        if self.rules.budgets.brake.is_none() || self.rules.budgets.mode == Mode::Off {
            return Ok(Arc::default());
        }
        let known = self.conversions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, known)) = known
            && now >= at
            && now.since(at) < CONVERSIONS_AGE
        {
            return Ok(known);
        }
        let fresh = Arc::new(self.store.conversions(now.minus(WINDOW), now).await?);
        *self.conversions.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&fresh)));
        Ok(fresh)
    }

    fn prepare(
        &self,
        check: &Check,
        token: &TokenRecord,
        conversions: &Conversions,
        transaction: &str,
        id: MessageId,
        now: UnixMs,
    ) -> Result<Trigger, Refusal> {
        let counter = token.counter.saturating_add(1);
        let code = hotp::hotp(&token.seed, counter, token.digits, Hash::Sha1);
        let text = self.settings.text.fill(&Fields {
            otp: Some(&code),
            serial: &token.serial,
            user: &token.user,
            phone: &token.phone,
        });
        let behind = Behind {
            user: Some(&token.user),
            client: check.client.as_deref(),
            proven: true,
            conversions: Some(conversions),
        };
        if let Some(over) = admission::braked(&token.phone, &self.rules, &behind) {
            self.store.over_budget().tell(&over, self.rules.budgets.mode == Mode::Shadow, now);
        }
        let submission = Submission {
            to: token.phone.as_str(),
            text: text.expose_str().unwrap_or_default(),
            lane: Lane::Login,
            lifetime: Some(Life::For(self.settings.lifetime)),
            flash: false,
            report: true,
            caller: &check.caller,
            idempotency: None,
            behind,
        };
        let message = admission::admit(&submission, &self.rules, now, id)?;
        let challenge = ChallengeRecord {
            transaction: transaction.to_owned(),
            serial: token.serial.clone(),
            counter,
            created: now,
            expires: now.plus(self.settings.lifetime),
            message: id,
            answered: None,
        };
        Ok(Trigger { challenge, message })
    }

    fn open(&self, token: &TokenRecord, expires: UnixMs) -> Opened {
        let fields = Fields { otp: None, serial: &token.serial, user: &token.user, phone: &token.phone };
        let prompt = self.settings.prompt.fill(&fields);
        let prompt = prompt.expose_str().unwrap_or_default().to_owned();
        Opened { serial: token.serial.clone(), prompt, expires }
    }
}
