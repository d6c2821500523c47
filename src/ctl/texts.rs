//! `--language`, `--transliterate` and `--alphabet`: how a text may be written, in the words of `[sms]`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::config::Word;
use crate::pdu::Language;
use crate::pdu::segment::{Allowed, Policy, Transliteration};

/// What a text may become; the same words on the command line, in JSON lines and in the configuration.
#[derive(Debug, Args, Deserialize)]
pub(super) struct Texts {
    /// Allow the national tables of this language where they save a segment; may be given several times
    #[arg(long = "language", value_name = "LANGUAGE", value_parser = words::<Language>())]
    #[serde(default, deserialize_with = "each", rename = "languages")]
    national: Vec<Language>,
    /// Replace characters that the default alphabet lacks
    #[arg(long, value_name = "WHEN", value_parser = words::<Transliteration>(), default_value = "never")]
    #[serde(default, deserialize_with = "one")]
    transliterate: Transliteration,
    /// Alphabets that may be used
    #[arg(long, value_name = "ALPHABET", value_parser = words::<Allowed>(), default_value = "any")]
    #[serde(default, deserialize_with = "one")]
    alphabet: Allowed,
}

impl Texts {
    /// As the planner takes it.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            national: self.national.clone(),
            transliteration: self.transliterate,
            allowed: self.alphabet,
        }
    }
}

/// A parser of these words that tells them in `--help`.
fn words<T: Word + Send + Sync>() -> impl clap::builder::TypedValueParser<Value = T> {
    PossibleValuesParser::new(T::WORDS.iter().map(|(word, _)| *word)).try_map(|text| meant(&text))
}

fn meant<T: Word>(text: &str) -> Result<T, String> {
    let found = T::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, meant)| *meant).ok_or_else(|| {
        let known: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        format!("{text:?} is none of {}", known.join(", "))
    })
}

fn one<'de, D: Deserializer<'de>, T: Word>(input: D) -> Result<T, D::Error> {
    meant(&String::deserialize(input)?).map_err(D::Error::custom)
}

fn each<'de, D: Deserializer<'de>, T: Word>(input: D) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(input)?;
    texts.iter().map(|text| meant(text).map_err(D::Error::custom)).collect()
}
