//! National languages by name, for people and files; TS 23.038 6.2.1.2.4 gives them their identifiers.

/// A language with shift tables of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// 1
    Turkish = 1,
    /// 2; it has no locking shift table.
    Spanish,
    /// 3
    Portuguese,
    /// 4
    Bengali,
    /// 5
    Gujarati,
    /// 6
    Hindi,
    /// 7
    Kannada,
    /// 8
    Malayalam,
    /// 9
    Oriya,
    /// 10
    Punjabi,
    /// 11
    Tamil,
    /// 12
    Telugu,
    /// 13
    Urdu,
}

impl Language {
    /// Every language with its word, in order of their identifiers.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("turkish", Self::Turkish),
        ("spanish", Self::Spanish),
        ("portuguese", Self::Portuguese),
        ("bengali", Self::Bengali),
        ("gujarati", Self::Gujarati),
        ("hindi", Self::Hindi),
        ("kannada", Self::Kannada),
        ("malayalam", Self::Malayalam),
        ("oriya", Self::Oriya),
        ("punjabi", Self::Punjabi),
        ("tamil", Self::Tamil),
        ("telugu", Self::Telugu),
        ("urdu", Self::Urdu),
    ];

    /// The national language identifier.
    #[must_use]
    pub fn identifier(self) -> u8 {
        self as u8
    }

    /// The language of an identifier, if one is assigned.
    #[must_use]
    pub fn of(identifier: u8) -> Option<Self> {
        Self::WORDS.iter().map(|&(_, language)| language).find(|language| language.identifier() == identifier)
    }

    /// The language of a word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|&(_, language)| language)
    }

    /// Its name in small letters.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, language)| *language == self).map_or("", |(word, _)| word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_words_go_both_ways() {
        for (identifier, &(word, language)) in (1..).zip(Language::WORDS) {
            assert_eq!((language.identifier(), language.word()), (identifier, word));
            assert_eq!((Language::of(identifier), Language::named(word)), (Some(language), Some(language)));
        }
        assert_eq!((Language::of(0), Language::of(14), Language::named("klingon")), (None, None, None));
    }
}
