//! What sending a text takes, told before it is sent: parts, alphabet, room left, and the characters that made it dear.
//! `smsotpctl sms plan` and the API's dry run both answer with this, from the very plan that would be sent.

use serde::{Serialize, Serializer};

use super::gsm7::Tables;
use super::language::Language;
use super::segment::{Plan, TextAlphabet};
use super::transliterate::Loss;

/// A plan in figures.
#[derive(Debug, Serialize)]
pub struct Forecast {
    /// Parts, 1..=255: what the operator bills.
    pub segments: u8,
    /// The alphabet of all parts.
    #[serde(serialize_with = "alphabet")]
    pub alphabet: TextAlphabet,
    /// The language whose table stands in place of the default alphabet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locking: Option<&'static str>,
    /// The language whose table stands in place of the extension table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub single: Option<&'static str>,
    /// Septets (GSM 7 bit) or UTF-16 units (UCS-2) of each part, an escaped character counting two septets.
    pub units: Vec<usize>,
    /// Units that the last part has left.
    pub left: usize,
    /// The characters that forced UCS-2 or a national table, each at its first place.
    pub forced_by: Vec<Found>,
    /// The characters that are replaced, each at its first place.
    pub replaced: Vec<Replaced>,
}

/// A character that is sent as another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replaced {
    /// Where it stands in the text that was asked for.
    #[serde(flatten)]
    pub found: Found,
    /// What is sent instead; it may be empty.
    pub by: &'static str,
    /// Whether the spelling changes, not only the type.
    pub lossy: bool,
}

/// A character that the default alphabet lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its first place, in characters from 0.
    pub position: usize,
    /// How often it is there.
    pub count: usize,
    /// Itself.
    pub character: char,
    /// `U+201C`.
    pub code_point: String,
}

impl Forecast {
    /// The figures of `plan`, which was made of `text`.
    #[must_use]
    pub fn new(text: &str, plan: &Plan) -> Self {
        let alphabet = plan.alphabet();
        let units = plan.units();
        let left = plan.room().saturating_sub(units.last().copied().unwrap_or_default());
        let Tables { locking, single } = plan.coding().tables();
        let word = |identifier| Language::of(identifier).map(Language::word);
        let (replaced, stayed): (Vec<_>, Vec<_>) =
            foreign(text).into_iter().map(|found| replacement(plan, found)).partition(Result::is_ok);
        Self {
            segments: plan.segments(),
            alphabet,
            locking: word(locking),
            single: word(single),
            units,
            left,
            forced_by: stayed.into_iter().filter_map(Result::err).collect(),
            replaced: replaced.into_iter().flatten().collect(),
        }
    }

    /// What a unit is called.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self.alphabet {
            TextAlphabet::Gsm7 => "septets",
            TextAlphabet::Ucs2 => "UTF-16 units",
        }
    }
}

/// What the plan has in place of a character, or the character itself if it stays.
fn replacement(plan: &Plan, found: Found) -> Result<Replaced, Found> {
    match plan.substitutes().iter().find(|substitute| substitute.character == found.character) {
        Some(substitute) => {
            Ok(Replaced { found, by: substitute.by, lossy: substitute.loss == Loss::Spelling })
        }
        None => Err(found),
    }
}

/// The characters of `text` outside the default alphabet and its extension, each once.
fn foreign(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let foreign = text.chars().enumerate().filter(|(_, c)| Tables::default().encode_char(*c).is_none());
    for (position, character) in foreign {
        match found.iter_mut().find(|known| known.character == character) {
            Some(known) => known.count = known.count.saturating_add(1),
            None => {
                let code_point = format!("U+{:04X}", u32::from(character));
                found.push(Found { position, count: 1, character, code_point });
            }
        }
    }
    found
}

fn alphabet<S: Serializer>(alphabet: &TextAlphabet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match alphabet {
        TextAlphabet::Gsm7 => "gsm7",
        TextAlphabet::Ucs2 => "ucs2",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::segment::{Policy, Transliteration};
    use crate::pdu::{plan, plan_with};

    fn forecast(text: &str) -> Forecast {
        Forecast::new(text, &plan(text).unwrap())
    }

    #[test]
    fn units_and_room_are_those_of_the_last_part() {
        let alone = forecast("price: 5 €");
        assert_eq!((alone.segments, &alone.units[..], alone.left), (1, &[11][..], 149));
        let parts = forecast(&"x".repeat(200));
        assert_eq!((parts.segments, &parts.units[..], parts.left), (2, &[153, 47][..], 106));
        let wide = forecast(&format!("{}😁", "ш".repeat(66)));
        assert_eq!((wide.segments, &wide.units[..], wide.left), (1, &[68][..], 2));
        assert_eq!(forecast(&"ш".repeat(71)).left, 63);
    }

    #[test]
    fn a_forcing_character_is_told_once_with_its_place() {
        let forced = forecast("a “b” “c").forced_by;
        let quote = |position, count, character, code_point: &str| Found {
            position,
            count,
            character,
            code_point: code_point.to_owned(),
        };
        assert_eq!(forced, [quote(2, 2, '“', "U+201C"), quote(4, 1, '”', "U+201D")]);
        assert_eq!(forecast("plain").forced_by, []);
    }

    #[test]
    fn what_is_replaced_does_not_force() {
        let policy = Policy {
            national: vec![Language::Turkish],
            transliteration: Transliteration::Save,
            ..Policy::default()
        };
        let text = format!("{}ığ’", "x".repeat(151));
        let forecast = Forecast::new(&text, &plan_with(&text, &policy).unwrap());
        assert_eq!((forecast.segments, forecast.single, forecast.locking), (1, None, Some("turkish")));
        let at = |found: &Found| (found.position, found.character);
        assert_eq!(forecast.forced_by.iter().map(at).collect::<Vec<_>>(), [(151, 'ı'), (152, 'ğ')]);
        let replaced: Vec<_> = forecast.replaced.iter().map(|r| (at(&r.found), r.by, r.lossy)).collect();
        assert_eq!(replaced, [((153, '’'), "'", false)]);
    }
}
