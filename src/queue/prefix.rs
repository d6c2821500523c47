//! What the first digits of a number tell: its country, and whether it costs more than a text should. Data with one reading rule each.
//!
//! An SMS pumping fraud sends codes to numbers that pay the fraudster a share, so that numbers of that kind have to be named
//! before anything goes there. The table holds what its sources call premium rate, shared cost, personal or satellite, as far as
//! the first digits tell; a range that shares them with ordinary lines (`118` of Great Britain is Reading, too) is left out.

use crate::number::Number;

/// Calling codes of two digits; ITU-T E.164 Annex to Operational Bulletin (list of assigned country codes). 1 and 7 stand alone,
/// all others have three.
const TWO_DIGITS: &[&str] = &[
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48",
    "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81",
    "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

/// Ranges that have to be named. Beside each country where it is from; all but the last two groups also agree with the
/// `premiumRate`, `sharedCost` and `personalNumber` patterns of libphonenumber's metadata.
const DEAR: &[&str] = &[
    // Germany: Bundesnetzagentur, Nummernbereiche (0)900, (0)137 and (0)138, (0)180, 118xy.
    "+49900", "+49137", "+49138", "+49180", "+49118",
    // Austria: RTR, KEM-V: (0)810, (0)820 and (0)821, (0)828 (event SMS), (0)900, (0)901, (0)930, (0)931, (0)939.
    "+43810", "+43820", "+43821", "+43828", "+43900", "+43901", "+43930", "+43931", "+43939",
    // Switzerland: BAKOM, Nummerierungsplan E.164: 084x, 0900, 0901, 0906.
    "+4184", "+41900", "+41901", "+41906",
    // Great Britain: Ofcom, National Telephone Numbering Plan: 070 (personal), 084, 087, 09.
    "+4470", "+4484", "+4487", "+449",
    // France: Arcep, plan de numérotation, numéros SVA: 081, 082, 0836, 089.
    "+3381", "+3382", "+33836", "+3389",
    // The Netherlands: ACM, Nummerplan telefoon- en ISDN-diensten: 0900, 0906, 0909.
    "+31900", "+31906", "+31909", // Poland: UKE, plan numeracji krajowej: 70x, 801, 804.
    "+4870", "+48801", "+48804",
    // United States and Canada: NANPA, 900. (976 is an exchange in any area, which the first digits do not tell.)
    "+1900",
    // Other countries behind +1, whose texts are charged as abroad: NANPA, area codes by country.
    "+1242", "+1246", "+1264", "+1268", "+1284", "+1345", "+1441", "+1473", "+1649", "+1658", "+1664",
    "+1721", "+1758", "+1767", "+1784", "+1809", "+1829", "+1849", "+1868", "+1869", "+1876",
    // Belonging to no country: ITU-T E.164, 878 (personal), 881 (satellite), 882 and 883 (networks), 979 (premium rate).
    "+878", "+881", "+882", "+883", "+979",
];

/// The calling code without plus; `None` for a short code.
#[must_use]
pub fn calling_code(number: &Number) -> Option<&str> {
    if !number.is_international() {
        return None;
    }
    code_of(number.digits())
}

/// The calling code that these digits begin with.
#[must_use]
pub fn code_of(digits: &str) -> Option<&str> {
    let length = match digits.get(..2)? {
        two if two.starts_with(['1', '7']) => 1,
        two if TWO_DIGITS.contains(&two) => 2,
        _ => 3,
    };
    digits.get(..length)
}

/// Where messages may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    /// Prefixes with plus (`+49`), whole short codes, or [`ANYWHERE`]. Empty: the home country, or everywhere without one.
    pub named: Vec<String>,
    /// Calling code of the home country, without plus.
    pub home: Option<String>,
}

/// The entry that allows every country, but neither short codes nor what is dear.
pub const ANYWHERE: &str = "*";

impl AllowList {
    /// Whether a message may go there. What is dear has to be named by at least the digits that make it so.
    #[must_use]
    pub fn allows(&self, number: &Number) -> bool {
        if !number.is_international() {
            return self.named.iter().any(|code| code == number.as_str());
        }
        let number = number.as_str();
        let dear = DEAR.iter().filter(|dear| number.starts_with(**dear)).map(|dear| dear.len()).max();
        match dear {
            Some(length) => {
                self.named.iter().any(|named| named.len() >= length && number.starts_with(named.as_str()))
            }
            None if !self.named.is_empty() => {
                self.named.iter().any(|named| named == ANYWHERE || number.starts_with(named.as_str()))
            }
            None => self.home.as_ref().is_none_or(|home| {
                number.strip_prefix('+').is_some_and(|digits| digits.starts_with(home.as_str()))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text, None).unwrap()
    }

    fn list(named: &[&str], home: Option<&str>) -> AllowList {
        AllowList {
            named: named.iter().map(|one| (*one).to_owned()).collect(),
            home: home.map(str::to_owned),
        }
    }

    #[test]
    fn countries_are_told_by_their_first_digits() {
        for (to, code) in [
            ("+12125550100", "1"),
            ("+79161234567", "7"),
            ("+491701234567", "49"),
            ("+35812345678", "358"),
            ("+8801712345678", "880"),
            ("+420601123456", "420"),
            ("+21612345678", "216"),
        ] {
            assert_eq!(calling_code(&number(to)), Some(code), "{to}");
        }
        assert_eq!(calling_code(&number("72267")), None);
        assert_eq!(code_of("4"), None);
    }

    #[test]
    fn the_home_country_is_what_an_empty_list_allows() {
        let home = list(&[], Some("49"));
        assert!(home.allows(&number("+491701234567")));
        for abroad in ["+431234567", "+48501234567", "72267", "+4990012345678"] {
            assert!(!home.allows(&number(abroad)), "{abroad}");
        }
        let nowhere = list(&[], None);
        assert!(nowhere.allows(&number("+431234567")), "without a home country the list is open");
        assert!(!nowhere.allows(&number("72267")), "but not for short codes");
        assert!(!nowhere.allows(&number("+97912345678")));
    }

    #[test]
    fn a_list_replaces_the_home_country() {
        let listed = list(&["+43", "+48501", "72267"], Some("49"));
        for (to, may) in [
            ("+431234567", true),
            ("+48501234567", true),
            ("+48601234567", false),
            ("+491701234567", false),
            ("72267", true),
            ("72268", false),
            ("722670", false),
        ] {
            assert_eq!(listed.allows(&number(to)), may, "{to}");
        }
    }

    #[test]
    fn what_is_dear_has_to_be_named() {
        let dear = "+499001234567";
        for (named, may) in [
            (&["*"][..], false),
            (&["+49"], false),
            (&["+4990"], false),
            (&["+49900"], true),
            (&["*", "+49900"], true),
            (&["+499001234"], true),
            (&["+499005"], false),
        ] {
            assert_eq!(list(named, Some("49")).allows(&number(dear)), may, "{named:?}");
        }
        assert!(list(&["*"], None).allows(&number("+491701234567")));
        assert!(!list(&["+1"], None).allows(&number("+18765550100")), "Jamaica is not the United States");
        assert!(list(&["+1", "+1876"], None).allows(&number("+18765550100")));
    }

    #[test]
    fn the_table_is_well_formed() {
        for dear in DEAR {
            let digits = dear.strip_prefix('+').unwrap_or_default();
            assert!((3..=7).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()), "{dear}");
            assert_eq!(DEAR.iter().filter(|other| other == &dear).count(), 1, "{dear} stands twice");
        }
    }
}
