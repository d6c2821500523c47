//! What a USSD text says. It comes plain, as packed septets in hex or as UCS2 in hex, and `<dcs>` often lies or is missing
//! (TS 27.007 7.15), so the characters themselves decide wherever they can.

use crate::at::hex;
use crate::pdu::gsm7;

/// Hex digits of one character of UCS2.
const HEX_MIN: usize = 4;
/// Default alphabet behind two letters of a language and CR; TS 23.038 5.
const SEPTETS_WITH_LANGUAGE: u8 = 0x10;
/// UCS2 behind two octets of a language; TS 23.038 5.
const UCS2_WITH_LANGUAGE: u8 = 0x11;

/// What a text that is hex may stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readings {
    /// As UCS2, where it reads as one alphabet or `<dcs>` says so.
    pub ucs2: Option<String>,
    /// As packed septets of the default alphabet, which any hex may be.
    pub packed: String,
}

/// The readings of a text that is hex; `None` for any other.
#[must_use]
pub fn readings(raw: &str, dcs: Option<u8>) -> Option<Readings> {
    let octets = hex::decode(raw).ok().filter(|_| raw.len() >= HEX_MIN)?;
    let says_ucs2 = dcs.is_some_and(is_ucs2);
    let ucs2 = hex::ucs2(raw).filter(|text| says_ucs2 || hex::is_one_alphabet(text));
    Some(Readings { ucs2, packed: unpacked(&octets) })
}

/// The text, always the same for the same `raw` and `<dcs>`: UCS2 where it is told or plainly seen (a piece of a character at the
/// end is dropped), a number for what has no letter of hex, 8-bit data where it is told or ASCII throughout, else packed septets;
/// what is no hex is plain.
#[must_use]
pub fn text(raw: &str, dcs: Option<u8>) -> String {
    let raw = raw.trim();
    if let Some(text) = told_ucs2(raw, dcs) {
        return text;
    }
    let Some(Readings { ucs2, packed }) = readings(raw, dcs) else { return raw.to_owned() };
    if let Some(text) = ucs2 {
        return text;
    }
    if raw.bytes().all(|b| b.is_ascii_digit()) {
        return raw.to_owned();
    }
    // Octets of no told alphabet are ASCII or its continuation, ISO 8859-1; TS 23.038 leaves them to whoever sends them.
    let octets = hex::decode(raw).unwrap_or_default();
    let latin: String = octets.iter().copied().map(char::from).collect();
    if latin.chars().all(is_written) || dcs.is_some_and(is_8bit) && !latin.contains(char::is_control) {
        return latin;
    }
    let language = packed.char_indices().nth(3).filter(|_| dcs == Some(SEPTETS_WITH_LANGUAGE));
    match language.and_then(|(at, _)| packed.split_at_checked(at)) {
        Some((language, text)) if language.ends_with('\r') => text.to_owned(),
        _ => packed,
    }
}

fn told_ucs2(raw: &str, dcs: Option<u8>) -> Option<String> {
    let language = if dcs? == UCS2_WITH_LANGUAGE { HEX_MIN } else { 0 };
    if !is_ucs2(dcs?) && language == 0 {
        return None;
    }
    let text = raw.get(language..raw.len().saturating_sub(raw.len() % HEX_MIN))?;
    hex::ucs2(text)
}

fn is_written(c: char) -> bool {
    matches!(c, ' '..='~' | '\r' | '\n')
}

/// A cell broadcast DCS of the general coding groups `01xx` and `1001` whose alphabet is UCS2; TS 23.038 5.
fn is_ucs2(dcs: u8) -> bool {
    matches!(dcs >> 4, 0x4..=0x7 | 0x9) && dcs & 0x0c == 0x08
}

/// The same with 8-bit data; and group `1111`.
fn is_8bit(dcs: u8) -> bool {
    matches!(dcs >> 4, 0x4..=0x7 | 0x9 | 0xf) && dcs & 0x0c == 0x04
}

/// The text of packed septets without the carriage return that fills the last octet; TS 23.038 6.1.2.3.1.
fn unpacked(octets: &[u8]) -> String {
    let mut septets = gsm7::unpack(octets, 0, usize::MAX);
    if octets.len().is_multiple_of(7) && septets.last() == Some(&b'\r') {
        septets.pop();
    }
    gsm7::decode(&septets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pdu::ucs2;

    #[test]
    fn one_text_is_chosen_whatever_dcs_says() {
        for (raw, dcs, wanted) in [
            ("Your balance: 5", Some(15), "Your balance: 5"),
            ("CF2135487D2E4130572D0682BB1A", Some(0), "OCTATOK 0.51 p."),
            ("CF2135487D2E4130572D0682BB1A", None, "OCTATOK 0.51 p."),
            ("041404300020003500310021", Some(15), "Да 51!"),
            ("4F59989D003A003500325143", Some(72), "余额:52元"),
            ("0041004200430020AC", Some(72), "ABC "),
            ("656E00480069", Some(0x11), "Hi"),
            ("42616C616E63653A2035", Some(15), "Balance: 5"),
            ("536F6C64653A20E0", Some(68), "Solde: à"),
            ("5553534420737472696E67", Some(0xf4), "USSD string"),
            ("4917012345", Some(15), "4917012345"),
            ("ABC", Some(15), "ABC"),
            ("", None, ""),
        ] {
            assert_eq!(text(raw, dcs), wanted, "{raw} {dcs:?}");
        }
        let french = hex::encode(&gsm7::pack_ussd(&gsm7::encode("fr\rSolde: 3,20 €").unwrap()));
        assert_eq!(text(&french, Some(SEPTETS_WITH_LANGUAGE)), "Solde: 3,20 €");
    }

    proptest! {
        #[test]
        fn what_networks_write_is_read(words in "[A-Z][a-z]{4,9}: [0-9]{1,3}[.,][0-9]{2} (EUR|€)") {
            let septets = gsm7::pack_ussd(&gsm7::encode(&words).unwrap());
            prop_assert_eq!(text(&words, Some(15)), words.clone());
            prop_assert_eq!(text(&hex::encode(&septets), Some(15)), words.clone());
            for dcs in [Some(72), Some(15), None] {
                prop_assert_eq!(text(&hex::encode(&ucs2::encode(&words)), dcs), words.clone());
            }
        }

        #[test]
        fn nothing_panics(raw in "([0-9A-F]{4}){0,20}|.*", dcs in any::<Option<u8>>()) {
            let _ = text(&raw, dcs);
        }
    }
}
