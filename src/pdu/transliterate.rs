//! Substitutes for characters that the default alphabet lacks, so that a text costs fewer segments.
//!
//! There are two grades. A *look-alike* is the same sign in other type: a straight quote for a curly one, a space for a space
//! that does not break. What is *lossy* changes the spelling: `a` for `ą`, `shch` for `щ`. The first grade is a table of
//! ours; the second is the library's knowledge of the world's scripts. A character without a substitute stays.

use super::gsm7;

/// How much may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Only look-alikes.
    LookAlike,
    /// The spelling too.
    Spelling,
}

/// A character that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Substitute {
    /// What stood in the text.
    pub character: char,
    /// What stands there now; it may be empty. Every character of it is in the default alphabet.
    pub by: &'static str,
    /// What was lost.
    pub loss: Loss,
}

/// Sorted by character.
const LOOK_ALIKES: &[(char, &str)] = &[
    ('`', "'"),
    ('\u{a0}', " "),
    ('\u{a8}', "\""),
    ('\u{ab}', "\""),
    ('\u{ad}', ""),
    ('\u{b4}', "'"),
    ('\u{b7}', "."),
    ('\u{b8}', ","),
    ('\u{bb}', "\""),
    ('\u{2b9}', "'"),
    ('\u{2ba}', "\""),
    ('\u{2bb}', "'"),
    ('\u{2bc}', "'"),
    ('\u{2bd}', "'"),
    ('\u{2c6}', "^"),
    ('\u{2c8}', "'"),
    ('\u{2cb}', "'"),
    ('\u{2dc}', "~"),
    ('\u{2000}', " "),
    ('\u{2001}', " "),
    ('\u{2002}', " "),
    ('\u{2003}', " "),
    ('\u{2004}', " "),
    ('\u{2005}', " "),
    ('\u{2006}', " "),
    ('\u{2007}', " "),
    ('\u{2008}', " "),
    ('\u{2009}', " "),
    ('\u{200a}', " "),
    ('\u{200b}', ""),
    ('\u{2010}', "-"),
    ('\u{2011}', "-"),
    ('\u{2012}', "-"),
    ('\u{2013}', "-"),
    ('\u{2014}', "-"),
    ('\u{2015}', "-"),
    ('\u{2018}', "'"),
    ('\u{2019}', "'"),
    ('\u{201a}', "'"),
    ('\u{201b}', "'"),
    ('\u{201c}', "\""),
    ('\u{201d}', "\""),
    ('\u{201e}', "\""),
    ('\u{201f}', "\""),
    ('\u{2022}', "*"),
    ('\u{2024}', "."),
    ('\u{2025}', ".."),
    ('\u{2026}', "..."),
    ('\u{2027}', "."),
    ('\u{202f}', " "),
    ('\u{2032}', "'"),
    ('\u{2033}', "\""),
    ('\u{2039}', "<"),
    ('\u{203a}', ">"),
    ('\u{2043}', "-"),
    ('\u{2044}', "/"),
    ('\u{205f}', " "),
    ('\u{2060}', ""),
    ('\u{2212}', "-"),
    ('\u{2215}', "/"),
    ('\u{2217}', "*"),
    ('\u{3000}', " "),
    ('\u{feff}', ""),
];

/// `text` with substitutes of at most this loss for what the default alphabet lacks, and the characters that were replaced,
/// each once in order of appearance; `None` if nothing was.
#[must_use]
pub fn transliterate(text: &str, most: Loss) -> Option<(String, Vec<Substitute>)> {
    let mut written = String::with_capacity(text.len());
    let mut replaced: Vec<Substitute> = Vec::new();
    for c in text.chars() {
        match substitute(c).filter(|substitute| substitute.loss <= most) {
            None => written.push(c),
            Some(substitute) => {
                written.push_str(substitute.by);
                if !replaced.contains(&substitute) {
                    replaced.push(substitute);
                }
            }
        }
    }
    (!replaced.is_empty()).then_some((written, replaced))
}

/// What can stand for `c`; `None` if the default alphabet has it, or there is nothing.
fn substitute(c: char) -> Option<Substitute> {
    if gsm7::Tables::default().encode_char(c).is_some() {
        return None;
    }
    if let Ok(at) = LOOK_ALIKES.binary_search_by_key(&c, |&(known, _)| known) {
        return LOOK_ALIKES.get(at).map(|&(character, by)| Substitute {
            character,
            by,
            loss: Loss::LookAlike,
        });
    }
    let by = deunicode::deunicode_char(c)?;
    gsm7::encode(by).is_some().then_some(Substitute { character: c, by, loss: Loss::Spelling })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn look_alikes_are_sorted_and_writable() {
        assert!(LOOK_ALIKES.is_sorted_by(|(a, _), (b, _)| a < b));
        for &(c, by) in LOOK_ALIKES {
            assert!(gsm7::encode(by).is_some() && gsm7::encode(&c.to_string()).is_none(), "{c:?}");
        }
    }

    #[test]
    fn the_grade_decides_how_much_changes() {
        let text = "„Zażółć“ – 5 €…";
        let (alike, replaced) = transliterate(text, Loss::LookAlike).unwrap();
        assert_eq!((alike.as_str(), replaced.len()), ("\"Zażółć\" - 5 €...", 4));
        let (spelled, replaced) = transliterate(text, Loss::Spelling).unwrap();
        assert_eq!(spelled, "\"Zazolc\" - 5 €...");
        let lossy: String =
            replaced.iter().filter(|s| s.loss == Loss::Spelling).map(|s| s.character).collect();
        assert_eq!(lossy, "żółć");
        assert_eq!(transliterate("Grüße, 5 €", Loss::Spelling), None, "the default alphabet has all of it");
        assert_eq!(transliterate("Борщ", Loss::Spelling).unwrap().0, "Borshch");
    }

    proptest! {
        #[test]
        fn what_stays_has_no_substitute(text in "\\PC{0,40}") {
            if let Some((written, replaced)) = transliterate(&text, Loss::Spelling) {
                prop_assert!(!replaced.is_empty());
                prop_assert_eq!(transliterate(&written, Loss::Spelling), None);
            }
        }
    }
}
