//! Opening challenges: a code for each token, its text, its message, and all of it in one transaction.

use tracing::{info, warn};

use super::{Answer, Check, CheckError, Loaded, Opened, Validate};
use crate::clock;
use crate::otp::hotp::{self, Hash};
use crate::otp::template::Fields;
use crate::otp::token;
use crate::queue::admission::{self, Life, Refusal, Submission};
use crate::queue::message::{Lane, MessageId};
use crate::store::{ChallengeRecord, Operations, StoreError, TokenRecord, Trigger, Triggered};
use crate::units::UnixMs;

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
        let (mut triggers, mut opened, mut unsent) = (Vec::new(), Vec::new(), 0);
        for token in places.iter().filter_map(|place| loaded.tokens.get(*place)) {
            let id = MessageId::new(now, 0, clock::entropy()?);
            match self.prepare(check, token, &transaction, id, now) {
                Ok(trigger) => {
                    opened.push(self.open(token, trigger.challenge.expires));
                    triggers.push(trigger);
                }
                Err(refusal) => {
                    warn!(serial = %token.serial, to = ?token.phone, %refusal, "the code was not admitted");
                    unsent += 1;
                }
            }
        }
        if triggers.is_empty() {
            return Ok(Some(Answer::Unsent));
        }
        match self.store.trigger(triggers).await {
            // A gateway that takes nothing more: the answer is the one for a code that was not admitted.
            Err(error @ StoreError::Full(_)) => {
                warn!(caller = %check.caller, %error, "the code was not admitted");
                Ok(Some(Answer::Unsent))
            }
            Err(error) => Err(error.into()),
            Ok(Triggered::Conflict) => Ok(None),
            Ok(Triggered::Opened) => {
                for opened in &opened {
                    info!(serial = %opened.serial, caller = %check.caller, "challenge opened");
                }
                Ok(Some(Answer::Challenge { transaction, opened, unsent }))
            }
        }
    }

    fn prepare(
        &self,
        check: &Check,
        token: &TokenRecord,
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
        let submission = Submission {
            to: token.phone.as_str(),
            text: text.expose_str().unwrap_or_default(),
            lane: Lane::Login,
            lifetime: Some(Life::For(self.settings.lifetime)),
            flash: false,
            report: true,
            caller: &check.caller,
            idempotency: None,
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
