//! A handset: takes messages part by part and shows them as its owner reads them.

use std::collections::{BTreeMap, VecDeque};

use crate::pdu::{Alphabet, Dcs, Header, Payload, UserData, gsm7, ucs2};
use crate::secret::Secret;
use crate::units::UnixMs;

/// Messages of which a phone holds some parts at once; a real one has a dozen slots, and what never completes must not grow.
const PARTIAL_MAX: usize = 64;

/// A message as a handset shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    /// The phone's number.
    pub number: String,
    /// Number of the SIM that sent it.
    pub from: String,
    /// The text; parts joined.
    pub text: String,
    /// When, wall time of the network.
    pub at: UnixMs,
    /// Class 0: shown at once and not kept.
    pub flash: bool,
}

/// Without the text: it holds codes.
impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, from, text, at, flash } = self;
        let chars = text.chars().count();
        write!(
            f,
            "Shown {{ number: {number}, from: {from}, text: {chars} characters, at: {at:?}, flash: {flash} }}"
        )
    }
}

/// Parts of one message that have come, by sequence number.
struct Partial {
    key: PartialKey,
    total: u8,
    parts: BTreeMap<u8, UserData>,
}

/// What parts of one message share; TS 23.040 9.2.3.24.1.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PartialKey {
    from: String,
    reference: u16,
    wide: bool,
    total: u8,
}

/// Reassembly of one handset.
#[derive(Default)]
pub(super) struct Phone {
    partial: VecDeque<Partial>,
}

impl Phone {
    /// Takes a message or a part of one; the whole text when nothing is missing.
    pub(super) fn take(&mut self, from: &str, dcs: Dcs, data: &UserData) -> Option<String> {
        let Some(concat) = data.header.as_ref().and_then(Header::concatenation) else {
            return Some(text_of(dcs, [data]));
        };
        let key = PartialKey {
            from: from.to_owned(),
            reference: concat.reference,
            wide: concat.wide,
            total: concat.total,
        };
        let at = match self.partial.iter().position(|partial| partial.key == key) {
            Some(at) => at,
            None => {
                if self.partial.len() >= PARTIAL_MAX {
                    self.partial.pop_front();
                }
                let total = concat.total;
                self.partial.push_back(Partial { key, total, parts: BTreeMap::new() });
                self.partial.len() - 1
            }
        };
        let partial = self.partial.get_mut(at)?;
        partial.parts.insert(concat.seq, data.clone());
        if partial.parts.len() < usize::from(partial.total) {
            return None;
        }
        let whole = self.partial.remove(at)?;
        Some(text_of(dcs, whole.parts.values()))
    }
}

/// Joined before decoding where the alphabet allows it: bad senders cut surrogate pairs and escapes in two.
fn text_of<'a>(dcs: Dcs, parts: impl IntoIterator<Item = &'a UserData>) -> String {
    let mut septets: Vec<u8> = Vec::new();
    let mut octets: Vec<u8> = Vec::new();
    let mut tables = gsm7::Tables::default();
    for part in parts {
        match &part.payload {
            Payload::Septets(units) => septets.extend_from_slice(units.expose()),
            Payload::Octets(units) => octets.extend_from_slice(units.expose()),
        }
        if let Some(header) = &part.header {
            tables = header.tables();
        }
    }
    let (septets, octets) = (Secret::new(septets), Secret::new(octets));
    if octets.is_empty() {
        tables.decode(septets.expose())
    } else if dcs.alphabet() == Alphabet::Ucs2 && !dcs.compressed() {
        ucs2::decode(octets.expose())
    } else {
        format!("(data, {} octets)", octets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;
    use crate::pdu::{SubmitOptions, ValidityFormat, plan};

    fn parts(text: &str, concat_ref: u8) -> Vec<(Dcs, UserData)> {
        let to = Number::parse("+491701234567", None).unwrap();
        let options = SubmitOptions {
            concat_ref,
            validity: None,
            validity_format: ValidityFormat::Relative,
            status_report: false,
            reject_duplicates: false,
            class0: false,
        };
        let submits = plan(text).unwrap().submits(&to, &options);
        submits.into_iter().map(|submit| (submit.dcs, submit.user_data)).collect()
    }

    #[test]
    fn parts_join_in_any_order_and_by_reference() {
        let first = "Fußgänger {überqueren} die Straße. ".repeat(9);
        let second = "Щука плывёт 😀 ".repeat(14);
        let (a, b) = (parts(&first, 1), parts(&second, 2));
        assert!(a.len() > 1 && b.len() > 1);
        let mut phone = Phone::default();
        let mut shown = Vec::new();
        for (dcs, part) in a.iter().rev().chain(b.iter().rev()) {
            shown.extend(phone.take("+49155", *dcs, part));
        }
        assert_eq!(shown, [first, second]);
    }

    #[test]
    fn parts_of_two_senders_stay_apart_and_repeats_do_not_complete() {
        let parts = parts(&"x".repeat(300), 9);
        let (dcs, first) = &parts[0];
        let mut phone = Phone::default();
        assert_eq!(phone.take("a", *dcs, first), None);
        assert_eq!(phone.take("a", *dcs, first), None);
        assert_eq!(phone.take("b", *dcs, &parts[1].1), None);
        assert_eq!(phone.take("a", *dcs, &parts[1].1), Some("x".repeat(300)));
    }

    #[test]
    fn what_never_completes_does_not_grow() {
        let mut phone = Phone::default();
        for sender in 0..1000 {
            let (dcs, part) = &parts(&"y".repeat(200), 3)[0];
            phone.take(&sender.to_string(), *dcs, part);
        }
        assert_eq!(phone.partial.len(), PARTIAL_MAX);
    }
}
