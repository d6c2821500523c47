//! What sending a text takes, told before it is sent: parts, alphabet, room left, and the characters that made it dear.
//! `smsotpctl sms plan` and the API's dry run both answer with this, from the very plan that would be sent.

use serde::{Serialize, Serializer};

use super::gsm7::Tables;
use super::segment::{Plan, TextAlphabet};

/// A plan in figures.
#[derive(Debug, Serialize)]
pub struct Forecast {
    /// Parts, 1..=255: what the operator bills.
    pub segments: u8,
    /// The alphabet of all parts.
    #[serde(serialize_with = "alphabet")]
    pub alphabet: TextAlphabet,
    /// Septets (GSM 7 bit) or UTF-16 units (UCS-2) of each part, an escaped character counting two septets.
    pub units: Vec<usize>,
    /// Units that the last part has left.
    pub left: usize,
    /// The characters that forced UCS-2, each at its first place; empty if the text is written in GSM 7 bit.
    pub forced_by: Vec<Forcing>,
}

/// A character that the default alphabet lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forcing {
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
        let forced_by = if alphabet == TextAlphabet::Gsm7 { Vec::new() } else { forcing(text) };
        Self { segments: plan.segments(), alphabet, units, left, forced_by }
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

/// The characters of `text` outside the default alphabet and its extension, each once.
fn forcing(text: &str) -> Vec<Forcing> {
    let mut found: Vec<Forcing> = Vec::new();
    let foreign = text.chars().enumerate().filter(|(_, c)| Tables::default().encode_char(*c).is_none());
    for (position, character) in foreign {
        match found.iter_mut().find(|known| known.character == character) {
            Some(known) => known.count = known.count.saturating_add(1),
            None => {
                let code_point = format!("U+{:04X}", u32::from(character));
                found.push(Forcing { position, count: 1, character, code_point });
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
    use crate::pdu::plan;

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
        let quote = |position, count, character, code_point: &str| Forcing {
            position,
            count,
            character,
            code_point: code_point.to_owned(),
        };
        assert_eq!(forced, [quote(2, 2, '“', "U+201C"), quote(4, 1, '”', "U+201D")]);
        assert_eq!(forecast("plain").forced_by, []);
    }
}
