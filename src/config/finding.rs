//! What is wrong with a configuration: where, which key, what, and how to mend it.

use std::fmt;

use crate::otp::template::TemplateError;

/// One thing that is wrong, or unwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, as it was named to us.
    pub file: String,
    /// Line, from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// The key with its section, `store.keep`; empty where the text is no TOML.
    pub key: String,
    /// What it is.
    pub fault: Fault,
}

/// Every finding of a file, by line.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct Findings(pub Vec<Finding>);

/// What can be wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The text is no TOML.
    #[error("is no TOML: {0}")]
    Syntax(String),
    /// No such key.
    #[error("is no key of this configuration{}", suggest(.near.as_deref()))]
    Unknown {
        /// The key that was probably meant.
        near: Option<String>,
    },
    /// Another type of value belongs there.
    #[error("is {found}; write {wanted}")]
    Type {
        /// What stands there.
        found: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A number outside its range.
    #[error("is {value}; write a number from {least} to {most}")]
    Range {
        /// What stands there.
        value: String,
        /// The smallest allowed.
        least: u64,
        /// The largest allowed.
        most: u64,
    },
    /// A duration that is none, or too short or too long.
    #[error(
        "is no duration from {least} to {most}: {value}; write such as \"90s\", \"5m\", \"30d\" or whole seconds"
    )]
    Duration {
        /// What stands there.
        value: String,
        /// The shortest allowed.
        least: &'static str,
        /// The longest allowed.
        most: &'static str,
    },
    /// A word that is none of the known.
    #[error("is {value:?}; write {}{}", one_of(.words), suggest(.near.as_deref()))]
    Word {
        /// What stands there.
        value: String,
        /// The known words.
        words: Vec<&'static str>,
        /// The word that was probably meant.
        near: Option<String>,
    },
    /// A text that its key cannot take; the remedy says what it can.
    #[error("is {value:?}; {remedy}")]
    Text {
        /// What stands there.
        value: String,
        /// What to write instead.
        remedy: &'static str,
    },
    /// A secret that its key cannot take; it is not shown.
    #[error("{0}")]
    Secret(&'static str),
    /// A text around a code that is no template.
    #[error("is no text for a code: {0}")]
    Template(TemplateError),
    /// What is wrong with a firmware note, and what to write instead.
    #[error("{0}")]
    Note(String),
    /// A key that must be there.
    #[error("is missing; {0}")]
    Missing(&'static str),
    /// Two keys that exclude one another.
    #[error("excludes `{0}`; keep one of them")]
    Excludes(&'static str),
    /// The same thing twice.
    #[error("names {0:?} a second time; keep one of them")]
    Twice(String),
    /// Legal, but somebody will regret it.
    #[error("{0}")]
    Unwise(&'static str),
}

impl Findings {
    /// One finding about a whole file.
    #[must_use]
    pub fn of_file(file: &str, fault: Fault) -> Self {
        Self(vec![Finding { file: file.to_owned(), line: None, key: String::new(), fault }])
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One by one, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }
}

/// `file:line: `key` is ...`, the form that editors jump to.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "`{}` ", self.key)?;
        }
        write!(f, "{}", self.fault)
    }
}

/// One a line.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, finding) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

fn suggest(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}
