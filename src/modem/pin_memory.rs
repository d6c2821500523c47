//! Which PIN was tried on which SIM: three wrong tries lock a card, so a PIN that was wrong once is never tried again.
//!
//! The file holds an HMAC for each (card, PIN) and how the try went. It is written *before* the try, so that no crash and no
//! restart loop can use up a card. A PIN that proved right may be tried again (a modem asks after every restart), until it is
//! wrong once.
//!
//! It also holds which card was last in which modem, so that a card that was swapped is announced, and its PIN is not tried before a
//! person has said that the card belongs there: the PIN that is set may be the other card's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;
use crate::units::{Iccid, Imei};

/// How the last try went, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    /// It was made, or was about to be; perhaps it was wrong.
    Made,
    /// The card took the PIN.
    Right,
}

/// The card that each modem had last.
pub(super) type Cards = BTreeMap<Imei, Iccid>;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Kept {
    tries: BTreeMap<String, Try>,
    cards: Cards,
}

/// The memory of all cards; clones share it.
#[derive(Debug, Clone)]
pub struct PinMemory {
    path: PathBuf,
    key: Secret,
    /// Held on the blocking pool only, over one read and write of the file.
    writing: Arc<Mutex<()>>,
}

impl PinMemory {
    /// Kept in the file `path`, under `key`, which must not change while the file is to be of use.
    #[must_use]
    pub fn new(path: PathBuf, key: Secret) -> Self {
        Self { path, key, writing: Arc::default() }
    }

    /// Asks for the try of `pin` on `card`; `true` means that it is noted, durably, and may be made.
    pub(super) async fn permit(&self, card: String, pin: Secret) -> Result<bool, io::Error> {
        let memory = self.clone();
        blocking(move || memory.permit_blocking(&memory.name(&card, &pin))).await
    }

    /// Notes how a permitted try went.
    pub(super) async fn note(&self, card: String, pin: Secret, went: Try) -> Result<(), io::Error> {
        let memory = self.clone();
        blocking(move || {
            let name = memory.name(&card, &pin);
            memory.change(|kept| {
                kept.tries.insert(name, went);
            })
        })
        .await
    }

    /// The card that each modem had last.
    pub(super) async fn cards(&self) -> Result<Cards, io::Error> {
        let path = self.path.clone();
        blocking(move || read(&path).map(|kept| kept.cards)).await
    }

    /// From now on `card` belongs into `modem`.
    pub(super) async fn settle(&self, modem: Imei, card: Iccid) -> Result<(), io::Error> {
        let memory = self.clone();
        blocking(move || {
            memory.change(|kept| {
                kept.cards.insert(modem, card);
            })
        })
        .await
    }

    fn permit_blocking(&self, name: &str) -> Result<bool, io::Error> {
        let mut permitted = false;
        self.change(|kept| match kept.tries.get(name) {
            Some(Try::Made) => {}
            Some(Try::Right) => permitted = true,
            None => {
                kept.tries.insert(name.to_owned(), Try::Made);
                permitted = true;
            }
        })?;
        Ok(permitted)
    }

    fn change(&self, how: impl FnOnce(&mut Kept)) -> Result<(), io::Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = read(&self.path)?;
        let mut kept = before.clone();
        how(&mut kept);
        if kept == before { Ok(()) } else { write(&self.path, &kept) }
    }

    /// The length in front keeps (card, PIN) pairs apart.
    fn name(&self, card: &str, pin: &Secret) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose()).expect("any length");
        mac.update(b"sim-pin-try");
        mac.update(&card.len().to_be_bytes());
        mac.update(card.as_bytes());
        mac.update(pin.expose());
        HEXLOWER.encode(&mac.finalize().into_bytes())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, io::Error> + Send + 'static,
) -> Result<T, io::Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|join| Err(io::Error::other(join)))
}

/// In front of the lines about cards; no HMAC in hex reads so.
const CARD: &str = "card";

fn read(path: &Path) -> Result<Kept, io::Error> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        read => read?,
    };
    let mut kept = Kept::default();
    for line in text.lines() {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        if name == CARD {
            kept.cards.extend(card(rest));
        } else if !name.is_empty() {
            // A line that says nothing clear counts as a try that was made: the careful reading.
            let went = if rest == "right" { Try::Right } else { Try::Made };
            kept.tries.insert(name.to_owned(), went);
        }
    }
    Ok(kept)
}

/// `<imei> <iccid>`.
fn card(text: &str) -> Option<(Imei, Iccid)> {
    let (imei, iccid) = text.split_once(' ')?;
    Some((Imei::parse(imei)?, Iccid::parse(iccid)?))
}

fn write(path: &Path, kept: &Kept) -> Result<(), io::Error> {
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    for (name, went) in &kept.tries {
        let went = if *went == Try::Right { "right" } else { "made" };
        writeln!(file, "{name} {went}")?;
    }
    for (imei, iccid) in &kept.cards {
        writeln!(file, "{CARD} {} {}", imei.as_str(), iccid.as_str())?;
    }
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn memory(directory: &Path) -> PinMemory {
        PinMemory::new(directory.join("pin-tries"), Secret::from("key"))
    }

    #[tokio::test]
    async fn a_pin_is_tried_once_on_a_card_even_by_the_next_process() {
        let directory = tempfile::tempdir().unwrap();
        let card = || "89490200001005155450".to_owned();
        assert!(memory(directory.path()).permit(card(), "1234".into()).await.unwrap());
        assert!(!memory(directory.path()).permit(card(), "1234".into()).await.unwrap());
        assert!(memory(directory.path()).permit(card(), "4321".into()).await.unwrap());
        assert!(memory(directory.path()).permit("other".to_owned(), "1234".into()).await.unwrap());
    }

    #[tokio::test]
    async fn a_right_pin_stays_allowed_until_it_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let memory = memory(directory.path());
        let permit = || memory.permit("card".to_owned(), "1234".into());
        assert!(permit().await.unwrap());
        memory.note("card".to_owned(), "1234".into(), Try::Right).await.unwrap();
        assert!(permit().await.unwrap() && permit().await.unwrap());
        memory.note("card".to_owned(), "1234".into(), Try::Made).await.unwrap();
        assert!(!permit().await.unwrap());
    }

    #[tokio::test]
    async fn the_last_card_of_a_modem_is_kept_beside_the_tries() {
        let directory = tempfile::tempdir().unwrap();
        let imei = Imei::parse("490154203237518").unwrap();
        let iccid = |text: &str| Iccid::parse(text).unwrap();
        memory(directory.path()).permit("card".to_owned(), "1234".into()).await.unwrap();
        for card in ["89490200001005155450", "8949020000100515545"] {
            memory(directory.path()).settle(imei.clone(), iccid(card)).await.unwrap();
        }
        let cards = memory(directory.path()).cards().await.unwrap();
        assert_eq!(cards, [(imei, iccid("8949020000100515545"))].into());
        assert!(!memory(directory.path()).permit("card".to_owned(), "1234".into()).await.unwrap());
    }

    #[tokio::test]
    async fn the_file_is_private_and_has_no_pin_in_it() {
        let directory = tempfile::tempdir().unwrap();
        memory(directory.path()).permit("card".to_owned(), "1234".into()).await.unwrap();
        let path = directory.path().join("pin-tries");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(" made\n") && text.len() == 64 + 6, "{text}");
    }
}
