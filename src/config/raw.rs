//! The file as a tree with positions, read key by key.
//!
//! A [`Section`] hands out values and remembers which keys were asked for: what is left over at the end is unknown, and the
//! keys that were asked for are the suggestions. Every fault goes to the shared [`Notes`] and the reading goes on.

use std::cell::RefCell;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::Word;
use super::finding::{Fault, Finding, Findings};

/// Where findings gather while the tree is read.
pub(super) struct Notes<'t> {
    text: &'t str,
    file: &'t str,
    faults: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Finding>>,
}

impl<'t> Notes<'t> {
    pub(super) fn new(text: &'t str, file: &'t str) -> Self {
        Self { text, file, faults: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn fault(&self, at: Option<&Range<usize>>, key: &str, fault: Fault) {
        let finding = self.finding(at, key, fault);
        let mut faults = self.faults.borrow_mut();
        // After a syntax error the parser fills gaps with values that stand nowhere; they are not what anybody wrote.
        if at.is_some_and(Range::is_empty) && faults.iter().any(is_syntax) && !is_syntax(&finding) {
            return;
        }
        faults.push(finding);
    }

    pub(super) fn warn(&self, at: Option<&Range<usize>>, key: &str, why: &'static str) {
        self.warnings.borrow_mut().push(self.finding(at, key, Fault::Unwise(why)));
    }

    /// Faults and warnings, each in the order of the file.
    pub(super) fn finish(self) -> (Findings, Findings) {
        let mut faults = self.faults.into_inner();
        let broken: Vec<Option<usize>> =
            faults.iter().filter(|finding| is_syntax(finding)).map(|finding| finding.line).collect();
        // What the parser made of a broken line says nothing that the syntax error does not.
        faults.retain(|finding| is_syntax(finding) || !broken.contains(&finding.line));
        faults.sort_by_key(|finding| finding.line);
        faults.dedup();
        let mut warnings = self.warnings.into_inner();
        warnings.sort_by_key(|finding| finding.line);
        (Findings(faults), Findings(warnings))
    }

    fn finding(&self, at: Option<&Range<usize>>, key: &str, fault: Fault) -> Finding {
        let line = at.map(|span| {
            let before = self.text.as_bytes().iter().take(span.start);
            before.filter(|octet| **octet == b'\n').count() + 1
        });
        Finding { file: self.file.to_owned(), line, key: key.to_owned(), fault }
    }
}

fn is_syntax(finding: &Finding) -> bool {
    matches!(finding.fault, Fault::Syntax(_))
}

/// A value and where it stands.
pub(super) type Value<'d> = Spanned<DeValue<'d>>;

/// A table that is being read.
pub(super) struct Section<'d, 't> {
    notes: &'t Notes<'t>,
    /// `store`, or empty for the file itself.
    name: String,
    /// Where it begins.
    span: Option<Range<usize>>,
    table: Option<&'t DeTable<'d>>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'d, 't> Section<'d, 't> {
    /// The whole file.
    pub(super) fn root(notes: &'t Notes<'t>, table: &'t DeTable<'d>) -> Self {
        Self { notes, name: String::new(), span: None, table: Some(table), asked: RefCell::default() }
    }

    /// A table in this one; an empty one if it is not there.
    pub(super) fn section(&self, key: &'static str) -> Self {
        let name = self.path(key);
        let found = self.value(key);
        let table = found.and_then(|value| self.table_of(&name, value));
        Self { notes: self.notes, name, span: found.map(Spanned::span), table, asked: RefCell::default() }
    }

    /// The tables of an array, `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Self> {
        let name = self.path(key);
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            let wanted = "an array of tables, each under its own [[...]] line";
            self.wrong_type(&name, value, wanted);
            return Vec::new();
        };
        let tables = array.iter().filter_map(|value| Some((value.span(), self.table_of(&name, value)?)));
        tables
            .map(|(span, table)| Self {
                notes: self.notes,
                name: name.clone(),
                span: Some(span),
                table: Some(table),
                asked: RefCell::default(),
            })
            .collect()
    }

    /// A value as it stands; the key is known from now on.
    pub(super) fn value(&self, key: &'static str) -> Option<&'t Value<'d>> {
        self.asked.borrow_mut().push(key);
        self.table?.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// Every key with its value, for tables whose keys are free.
    pub(super) fn free(&self) -> impl Iterator<Item = (&'t str, &'t Value<'d>)> {
        self.table.into_iter().flat_map(DeTable::iter).map(|(key, value)| (key.get_ref().as_ref(), value))
    }

    /// The key with its section.
    pub(super) fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    pub(super) fn fault(&self, key: &str, value: Option<&Value<'_>>, fault: Fault) {
        let span = value.map(Spanned::span).or_else(|| self.span.clone());
        self.notes.fault(span.as_ref(), &self.path(key), fault);
    }

    pub(super) fn warn(&self, key: &str, value: Option<&Value<'_>>, why: &'static str) {
        let span = value.map(Spanned::span).or_else(|| self.span.clone());
        self.notes.warn(span.as_ref(), &self.path(key), why);
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        self.text_of(key, value)
    }

    pub(super) fn text_of(&self, key: &str, value: &Value<'_>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => {
                self.wrong_type(&self.path(key), value, "a string in quotes");
                None
            }
        }
    }

    /// An absolute path: the daemon's working directory means nothing.
    pub(super) fn absolute(&self, key: &'static str, into: &mut PathBuf) {
        if let Some(path) = self.optional_absolute(key) {
            *into = path;
        }
    }

    pub(super) fn optional_absolute(&self, key: &'static str) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(key)?);
        if path.is_absolute() {
            return Some(path);
        }
        let value = path.display().to_string();
        let remedy = "write an absolute path, beginning with '/'";
        self.fault(key, self.value(key), Fault::Text { value, remedy });
        None
    }

    pub(super) fn number<T: TryFrom<u64>>(&self, key: &'static str, least: u64, most: u64, into: &mut T) {
        let Some(value) = self.value(key) else { return };
        let DeValue::Integer(integer) = value.get_ref() else {
            return self.wrong_type(&self.path(key), value, "a whole number without quotes");
        };
        let number = whole(integer).filter(|number| (least..=most).contains(number));
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => *into = number,
            None => {
                self.fault(key, Some(value), Fault::Range { value: integer.to_string(), least, most });
            }
        }
    }

    pub(super) fn flag(&self, key: &'static str, into: &mut bool) {
        let Some(value) = self.value(key) else { return };
        match value.get_ref() {
            DeValue::Boolean(flag) => *into = *flag,
            _ => self.wrong_type(&self.path(key), value, "true or false without quotes"),
        }
    }

    pub(super) fn duration(&self, key: &'static str, limits: &Limits, into: &mut Duration) {
        let Some(value) = self.value(key) else { return };
        let (shown, read) = match value.get_ref() {
            DeValue::Integer(seconds) => (seconds.to_string(), whole(seconds).map(Duration::from_secs)),
            DeValue::String(text) => (format!("{text:?}"), friendly(text)),
            _ => {
                return self.wrong_type(
                    &self.path(key),
                    value,
                    "a duration such as \"5m\", or whole seconds",
                );
            }
        };
        match read.filter(|read| (limits.least.0..=limits.most.0).contains(read)) {
            Some(read) => *into = read,
            None => {
                let fault = Fault::Duration { value: shown, least: limits.least.1, most: limits.most.1 };
                self.fault(key, Some(value), fault);
            }
        }
    }

    pub(super) fn optional_duration(&self, key: &'static str, limits: &Limits, into: &mut Option<Duration>) {
        if self.value(key).is_some() {
            self.duration(key, limits, into.insert(limits.least.0));
        }
    }

    pub(super) fn word<T: Word>(&self, key: &'static str) -> Option<T> {
        let value = self.value(key)?;
        self.word_of(key, value)
    }

    pub(super) fn word_of<T: Word>(&self, key: &str, value: &Value<'_>) -> Option<T> {
        let text = self.text_of(key, value)?;
        let found = T::WORDS.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&'static str> = T::WORDS.iter().map(|(word, _)| *word).collect();
            let near = nearest(&text, &words);
            self.fault(key, Some(value), Fault::Word { value: text, words, near });
        }
        found.map(|(_, meant)| *meant)
    }

    /// Reports what was not asked for.
    pub(super) fn done(self) {
        let Some(table) = self.table else { return };
        let known = self.asked.into_inner();
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let dot = if self.name.is_empty() { "" } else { "." };
            let fault = Fault::Unknown { near: nearest(name, &known) };
            self.notes.fault(Some(&key.span()), &format!("{}{dot}{name}", self.name), fault);
        }
    }

    fn table_of(&self, name: &str, value: &'t Value<'d>) -> Option<&'t DeTable<'d>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.wrong_type(name, value, "a table, under its own [...] line");
                None
            }
        }
    }

    fn wrong_type(&self, path: &str, value: &Value<'_>, wanted: &'static str) {
        self.notes.fault(Some(&value.span()), path, Fault::Type { found: kind(value), wanted });
    }
}

/// The type of a value, in words.
pub(super) fn kind(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The shortest and the longest duration a key takes, each with the words for it.
pub(super) struct Limits {
    pub(super) least: (Duration, &'static str),
    pub(super) most: (Duration, &'static str),
}

/// Not negative and not beyond 64 bits.
pub(super) fn whole(integer: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// `5m`, `1h 30m`, `30d`; days have 24 hours, as no zone is known here. Whole seconds only.
pub fn friendly(text: &str) -> Option<Duration> {
    let span: Span = text.trim().parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let duration = Duration::try_from(duration).ok()?;
    (duration.subsec_nanos() == 0).then_some(duration)
}

/// The known word that was probably meant, if one is near enough for its length.
pub(super) fn nearest(text: &str, known: &[&str]) -> Option<String> {
    let (distance, word) = known.iter().map(|word| (distance(text, word), *word)).min()?;
    (distance <= 1 + word.len() / 4).then(|| word.to_owned())
}

/// Edit distance by Levenshtein; `_` and `-` count as the same.
fn distance(a: &str, b: &str) -> usize {
    let same = |x: char, y: char| x.eq_ignore_ascii_case(&y) || (x == '_' && y == '-');
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (pair, y) in row.windows(2).zip(b.chars()) {
            let [diagonal, above] = pair else { continue };
            let replaced = diagonal + usize::from(!same(x, y));
            left = replaced.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_friendly() {
        for (text, seconds) in
            [("5m", 300), ("300s", 300), ("1h 30m", 5_400), ("30d", 2_592_000), ("1w", 604_800)]
        {
            assert_eq!(friendly(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "5", "-5m", "5 parsecs", "100ms", "1mo"] {
            assert_eq!(friendly(text), None, "{text}");
        }
    }

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("max_body", &["max-body", "mode"]), Some("max-body".to_owned()));
        assert_eq!(nearest("soket", &["socket", "mode"]), Some("socket".to_owned()));
        assert_eq!(nearest("colour", &["socket", "mode"]), None);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
