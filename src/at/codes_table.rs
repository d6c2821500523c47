//! The tables behind [`super::codes`]: number, name in the words of the specification, disposition, remedy.

use super::codes::Disposition;

/// One cause.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) code: u16,
    pub(super) name: &'static str,
    pub(super) disposition: Disposition,
    /// What a person can do; empty if there is nothing to do.
    pub(super) remedy: &'static str,
}

/// TS 27.005 3.2.5, TS 24.011 E.2, TS 23.040 9.2.3.22.
pub(super) const CMS: &[Entry] = &[];
/// TS 27.007 9.2.
pub(super) const CME: &[Entry] =
    &[Entry { code: 14, name: "SIM busy", disposition: Disposition::SimBusy, remedy: "" }];

/// The entry with this number.
pub(super) fn by_code(table: &'static [Entry], code: u16) -> Option<&'static Entry> {
    table.iter().find(|entry| entry.code == code)
}

/// The entry with these words, whatever their case.
pub(super) fn by_name(table: &'static [Entry], name: &str) -> Option<&'static Entry> {
    table.iter().find(|entry| entry.name.eq_ignore_ascii_case(name.trim()))
}

/// `CMS 330 (SMSC address unknown): set it with AT+CSCA`.
pub(super) fn describe(kind: &str, entry: Option<&Entry>, code: Option<u16>, words: &str) -> String {
    match (entry, code) {
        (Some(entry), _) if entry.remedy.is_empty() => format!("{kind} {} ({})", entry.code, entry.name),
        (Some(entry), _) => format!("{kind} {} ({}): {}", entry.code, entry.name, entry.remedy),
        (None, Some(code)) => format!("{kind} {code} (no published meaning)"),
        (None, None) if words.is_empty() => format!("{kind} error without a cause"),
        (None, None) => format!("{kind} error \"{words}\""),
    }
}
