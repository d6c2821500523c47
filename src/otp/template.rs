//! The words around a code: a text with tags, read and checked once at configuration time, filled for every message.
//!
//! privacyIDEA's tags are understood in both its forms, `<otp>` and `{otp}`; `{{`, `}}` and `\,` stand for `{`, `}` and `,`. An
//! unknown tag is an error when the text is read, not when somebody waits for a code.

use crate::number::Number;
use crate::secret::Secret;

/// A text that was read and found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Tag(Tag),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Otp,
    Serial,
    User,
    Phone,
    PhoneRedacted,
    TokenType,
}

/// Every tag and what it stands for; the names are privacyIDEA's.
const TAGS: [(&str, Tag); 7] = [
    ("otp", Tag::Otp),
    ("serial", Tag::Serial),
    ("user", Tag::User),
    ("username", Tag::User),
    ("phone", Tag::Phone),
    ("phone_redacted", Tag::PhoneRedacted),
    ("tokentype", Tag::TokenType),
];

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A tag that nobody fills.
    #[error(
        "the tag {{{0}}} is unknown; known are otp, serial, user, username, phone, phone_redacted, tokentype"
    )]
    Unknown(String),
    /// A brace without its partner.
    #[error("a brace at character {0} has no partner; write '{{{{' or '}}}}' for a brace itself")]
    Unbalanced(usize),
    /// An SMS that would not carry its code.
    #[error("the text has no <otp>: nobody would ever learn the code")]
    NoCode,
    /// A prompt that would tell the code to whoever asks.
    #[error("a prompt must not show the code or the whole number; use {{phone_redacted}}")]
    Tells,
}

/// What the tags are filled with.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    /// The code; `None` where there is none to tell.
    pub otp: Option<&'a Secret>,
    /// Serial of the token.
    pub serial: &'a str,
    /// Login name of its owner.
    pub user: &'a str,
    /// Where the code goes.
    pub phone: &'a Number,
}

impl Template {
    /// Reads the text of an SMS; it must carry the code.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn sms(text: &str) -> Result<Self, TemplateError> {
        let template = Self::read(text)?;
        if template.has(Tag::Otp) { Ok(template) } else { Err(TemplateError::NoCode) }
    }

    /// Reads a prompt, which goes to whoever asked: it may neither tell the code nor the whole number.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn prompt(text: &str) -> Result<Self, TemplateError> {
        let template = Self::read(text)?;
        if template.has(Tag::Otp) || template.has(Tag::Phone) {
            return Err(TemplateError::Tells);
        }
        Ok(template)
    }

    /// The text with its tags filled; secret, for it may carry a code.
    #[must_use]
    pub fn fill(&self, fields: &Fields<'_>) -> Secret {
        let mut out: Vec<u8> = Vec::with_capacity(160);
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Tag(Tag::Otp) => out.extend_from_slice(fields.otp.map_or(&[], |otp| otp.expose())),
                Piece::Tag(Tag::Serial) => out.extend_from_slice(fields.serial.as_bytes()),
                Piece::Tag(Tag::User) => out.extend_from_slice(fields.user.as_bytes()),
                Piece::Tag(Tag::Phone) => out.extend_from_slice(fields.phone.as_str().as_bytes()),
                Piece::Tag(Tag::PhoneRedacted) => out.extend_from_slice(redacted(fields.phone).as_bytes()),
                Piece::Tag(Tag::TokenType) => out.extend_from_slice(b"sms"),
            }
        }
        Secret::new(out)
    }

    fn has(&self, tag: Tag) -> bool {
        self.0.contains(&Piece::Tag(tag))
    }

    fn read(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let at = text.len() - rest.len();
            if let Some((tag, after)) = angle_tag(rest) {
                push_tag(&mut pieces, &mut plain, tag);
                rest = after;
            } else if let Some((literal, after)) = escaped(rest) {
                plain.push(literal);
                rest = after;
            } else if let Some(inner) = rest.strip_prefix('{') {
                let (name, after) = inner.split_once('}').ok_or(TemplateError::Unbalanced(at))?;
                let tag = lookup(name).ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
                push_tag(&mut pieces, &mut plain, tag);
                rest = after;
            } else if c == '}' {
                return Err(TemplateError::Unbalanced(at));
            } else {
                plain.push(c);
                rest = rest.strip_prefix(c).unwrap_or_default();
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }
}

/// `<otp>` and `<serial>` are the only tags in angles; all else in angles is text.
fn angle_tag(rest: &str) -> Option<(Tag, &str)> {
    rest.strip_prefix("<otp>")
        .map(|after| (Tag::Otp, after))
        .or_else(|| rest.strip_prefix("<serial>").map(|after| (Tag::Serial, after)))
}

fn escaped(rest: &str) -> Option<(char, &str)> {
    [("{{", '{'), ("}}", '}'), ("\\,", ',')]
        .into_iter()
        .find_map(|(written, meant)| rest.strip_prefix(written).map(|after| (meant, after)))
}

fn lookup(name: &str) -> Option<Tag> {
    TAGS.into_iter().find_map(|(known, tag)| (known == name).then_some(tag))
}

fn push_tag(pieces: &mut Vec<Piece>, plain: &mut String, tag: Tag) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain)));
    }
    pieces.push(Piece::Tag(tag));
}

/// privacyIDEA's form: `****-******` and the last two digits, whatever the length.
fn redacted(phone: &Number) -> String {
    let digits = phone.digits();
    let tail = digits.get(digits.len().saturating_sub(2)..).unwrap_or_default();
    format!("****-******{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &Template) -> String {
        let phone = Number::parse("+491701234567", None).unwrap();
        let otp = Secret::from("287082");
        let fields = Fields { otp: Some(&otp), serial: "PISM0001", user: "alice", phone: &phone };
        template.fill(&fields).expose_str().unwrap().to_owned()
    }

    #[test]
    fn both_forms_of_tags_are_filled() {
        for (text, expected) in [
            ("<otp>", "287082"),
            ("{otp}", "287082"),
            ("Code <otp> for {user} ({serial}), <serial>", "Code 287082 for alice (PISM0001), PISM0001"),
            ("{{{otp}}} a\\, b {phone_redacted} <b>", "{287082} a, b ****-******67 <b>"),
            ("Grüße {username}: <otp> {tokentype} {phone}", "Grüße alice: 287082 sms +491701234567"),
        ] {
            assert_eq!(fill(&Template::sms(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn bad_texts_are_told_when_they_are_read() {
        assert_eq!(Template::sms("<otp> {colour}"), Err(TemplateError::Unknown("colour".into())));
        assert_eq!(Template::sms("<otp> {"), Err(TemplateError::Unbalanced(6)));
        assert_eq!(Template::sms("}<otp>"), Err(TemplateError::Unbalanced(0)));
        assert_eq!(Template::sms("hello"), Err(TemplateError::NoCode));
        assert_eq!(Template::sms(""), Err(TemplateError::NoCode));
    }

    #[test]
    fn a_prompt_tells_no_secret() {
        assert_eq!(Template::prompt("{otp}"), Err(TemplateError::Tells));
        assert_eq!(Template::prompt("to {phone}"), Err(TemplateError::Tells));
        let prompt = Template::prompt("Sent to {phone_redacted}:").unwrap();
        assert_eq!(fill(&prompt), "Sent to ****-******67:");
    }
}
