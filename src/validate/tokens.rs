//! Enrolment: tokens are made, listed and removed. Seeds go in and never come out.

use tracing::info;

use crate::clock::{self, NoEntropy};
use crate::number::{Number, NumberError};
use crate::otp::hotp::{DIGITS_MAX, DIGITS_MIN, SEED_LEN};
use crate::otp::pin::{self, PinError};
use crate::otp::token;
use crate::secret::Secret;
use crate::store::{Operations, StoreError, TokenRecord};

use super::Validate;

/// Octets of a seed that is brought along: RFC 4226 4 (R6) demands 128 bits; a block of SHA-512 is more than HMAC uses.
const SEED_RANGE: std::ops::RangeInclusive<usize> = 16..=128;
/// Longest login name; privacyIDEA's column is as wide.
pub const USER_MAX: usize = 120;
/// Longest description.
pub const DESCRIPTION_MAX: usize = 80;
/// Serials that are already taken are drawn anew so many times: 2^29 of them make one collision rare.
const SERIAL_ROUNDS: usize = 4;

/// A token to be enrolled. It has no `Debug`, for the number is still a plain text.
#[derive(Clone)]
pub struct Enrol {
    /// Its owner's login name.
    pub user: String,
    /// Where codes go, as the enroller wrote it.
    pub phone: String,
    /// The PIN.
    pub pin: Secret,
    /// Its serial; one is made if it is missing, and an existing one is enrolled anew.
    pub serial: Option<String>,
    /// A seed to import; one is made if it is missing.
    pub seed: Option<Secret>,
    /// Code length; the setting's if missing.
    pub digits: Option<u8>,
    /// For people.
    pub description: String,
}

/// Why a token was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The number is none.
    #[error(transparent)]
    Phone(#[from] NumberError),
    /// The name is empty, too long or has control characters.
    #[error("the user name has {0} octets or control characters; 1 to 120 printable ones are allowed")]
    User(usize),
    /// The serial is no word.
    #[error("a serial has 1 to 40 letters, digits, '-' and '_'")]
    Serial,
    /// Code length out of range.
    #[error("otplen is {0}; 6 to 8 are allowed")]
    Digits(u8),
    /// Seed length out of range.
    #[error("otpkey has {0} octets; 16 to 128 are allowed")]
    Seed(usize),
    /// The description is too long.
    #[error("the description has {0} octets; at most 80 are allowed")]
    Description(usize),
    /// The PIN cannot be hashed.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// An empty PIN would let everybody send messages.
    #[error("the PIN is empty")]
    EmptyPin,
    /// No seed without entropy.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The hashing thread died, or the daemon stops.
    #[error("the PIN could not be hashed")]
    Hashing,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Validate {
    /// Enrols a token and gives its serial.
    ///
    /// # Errors
    /// What is wrong with it; then nothing is stored.
    pub async fn enrol(&self, enrol: Enrol) -> Result<String, EnrolError> {
        let record = self.record(&enrol)?;
        let pin = self.hash_new(enrol.pin).await?;
        let mut record = TokenRecord { pin, ..record };
        if enrol.serial.is_some() {
            // The enroller asks for this very token anew: key, counter and failures begin again.
            if self.store.remove_token(record.serial.clone()).await? {
                info!(serial = %record.serial, "token is enrolled anew");
            }
        }
        for _ in 1..SERIAL_ROUNDS {
            match self.store.add_token(record.clone()).await {
                Err(StoreError::Exists(_)) if enrol.serial.is_none() => {
                    record.serial = token::serial(clock::entropy()?);
                }
                other => return other.map(|()| record.serial).map_err(EnrolError::from),
            }
        }
        Ok(self.store.add_token(record.clone()).await.map(|()| record.serial)?)
    }

    /// Tokens of one user, or all.
    ///
    /// # Errors
    /// When the store cannot read.
    pub async fn tokens(&self, user: Option<String>) -> Result<Vec<TokenRecord>, StoreError> {
        self.store.tokens(user).await
    }

    /// One token.
    ///
    /// # Errors
    /// When the store cannot read.
    pub async fn token(&self, serial: String) -> Result<Option<TokenRecord>, StoreError> {
        self.store.token(serial).await
    }

    /// Removes a token; `false` if there is none.
    ///
    /// # Errors
    /// When the store cannot write.
    pub async fn remove(&self, serial: String) -> Result<bool, StoreError> {
        self.store.remove_token(serial).await
    }

    fn record(&self, enrol: &Enrol) -> Result<TokenRecord, EnrolError> {
        let phone = Number::parse(&enrol.phone, self.rules.default_country.as_deref())?;
        if !(1..=USER_MAX).contains(&enrol.user.len()) || enrol.user.chars().any(char::is_control) {
            return Err(EnrolError::User(enrol.user.len()));
        }
        if enrol.description.len() > DESCRIPTION_MAX {
            return Err(EnrolError::Description(enrol.description.len()));
        }
        if enrol.pin.is_empty() {
            return Err(EnrolError::EmptyPin);
        }
        let digits = enrol.digits.unwrap_or(self.settings.otp_length);
        if !(DIGITS_MIN..=DIGITS_MAX).contains(&digits) {
            return Err(EnrolError::Digits(digits));
        }
        let serial = match &enrol.serial {
            Some(serial) if token::is_serial(serial) => serial.clone(),
            Some(_) => return Err(EnrolError::Serial),
            None => token::serial(clock::entropy()?),
        };
        let seed = match &enrol.seed {
            Some(seed) if SEED_RANGE.contains(&seed.len()) => seed.clone(),
            Some(seed) => return Err(EnrolError::Seed(seed.len())),
            None => Secret::new(clock::entropy::<SEED_LEN>()?.to_vec()),
        };
        Ok(TokenRecord {
            serial,
            user: enrol.user.clone(),
            phone,
            pin: Secret::new(Vec::new()),
            seed,
            counter: 0,
            digits,
            failures: 0,
            max_failures: self.settings.max_failures,
            active: true,
            description: enrol.description.clone(),
            created: clock::wall(),
        })
    }

    async fn hash_new(&self, pin: Secret) -> Result<Secret, EnrolError> {
        let salt = clock::entropy()?;
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| EnrolError::Hashing)?;
        tokio::task::spawn_blocking(move || {
            let hashed = pin::hash(pin.expose_str().unwrap_or_default(), &salt);
            drop(permit);
            hashed
        })
        .await
        .map_err(|_| EnrolError::Hashing)?
        .map_err(EnrolError::from)
    }
}
