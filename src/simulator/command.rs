//! A command line taken apart as ITU-T V.250 5.2 says: basic commands, extended commands with `;` between, quoted strings.

/// One command of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command<'a> {
    /// Upper case: `E`, `&F`, `+CMGS`.
    pub(super) name: String,
    /// What is wanted of it.
    pub(super) form: Form<'a>,
}

/// Form of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// `+NAME`
    Execute,
    /// `+NAME?`
    Read,
    /// `+NAME=?`
    Test,
    /// `+NAME=...`, or the digits behind a basic command.
    Set(&'a str),
}

impl Form<'_> {
    /// The number that is the only value, 0 when there is none: `ATE`, `AT+CMGF=0`.
    pub(super) fn number(self) -> Option<u16> {
        match self {
            Self::Execute | Self::Set("") => Some(0),
            Self::Set(text) => text.trim().parse().ok(),
            Self::Read | Self::Test => None,
        }
    }
}

/// The commands behind `AT`; `None` for what cannot be taken apart.
pub(super) fn split(line: &str) -> Option<Vec<Command<'_>>> {
    let mut commands = Vec::new();
    let mut rest = line.trim_start_matches([' ', ';']);
    while let Some(first) = rest.chars().next() {
        let (command, tail) =
            if first.is_ascii_alphabetic() || first == '&' { basic(rest)? } else { extended(rest) };
        commands.push(command);
        rest = tail.trim_start_matches([' ', ';']);
    }
    Some(commands)
}

/// A letter, or `&` and a letter, and digits; `S3=13`, `S3?`; a dial string takes the rest of the line.
fn basic(text: &str) -> Option<(Command<'_>, &str)> {
    let letters = if text.starts_with('&') { 2 } else { 1 };
    let (name, rest) = text.split_at_checked(letters)?;
    let name = name.to_ascii_uppercase();
    if name == "D" {
        return Some((Command { name, form: Form::Set(rest) }, ""));
    }
    let value = |c: char| c.is_ascii_digit() || (name == "S" && matches!(c, '=' | '?'));
    let end = rest.find(|c| !value(c)).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at_checked(end)?;
    let form = if digits.is_empty() { Form::Execute } else { Form::Set(digits) };
    Some((Command { name, form }, rest))
}

/// Up to a semicolon that is not quoted.
fn extended(text: &str) -> (Command<'_>, &str) {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    let (body, rest) = end.and_then(|end| text.split_at_checked(end)).unwrap_or((text, ""));
    let (name, form) = match body.split_once('=') {
        Some((name, "?")) => (name, Form::Test),
        Some((name, value)) => (name, Form::Set(value)),
        None => match body.strip_suffix('?') {
            Some(name) => (name, Form::Read),
            None => (body, Form::Execute),
        },
    };
    (Command { name: name.trim().to_ascii_uppercase(), form }, rest)
}

/// Values between commas, quotes taken off.
pub(super) fn values(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let fields = text.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    fields.map(|field| field.trim().trim_matches('"')).collect()
}

/// Values as numbers; an empty one keeps what `before` has in its place. `None` for what is no number or too much.
pub(super) fn numbers<const N: usize>(text: &str, before: [u8; N]) -> Option<[u8; N]> {
    let mut after = before;
    let fields = values(text);
    if fields.len() > N {
        return None;
    }
    for (slot, field) in after.iter_mut().zip(fields) {
        if !field.is_empty() {
            *slot = field.parse().ok()?;
        }
    }
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<(String, Form<'_>)> {
        split(line).unwrap().into_iter().map(|command| (command.name, command.form)).collect()
    }

    #[test]
    fn lines_come_apart() {
        let expected = [
            ("E".to_owned(), Form::Set("0")),
            ("+CMEE".to_owned(), Form::Set("1")),
            ("+CREG".to_owned(), Form::Read),
        ];
        assert_eq!(names("E0+CMEE=1;+CREG?"), expected);
        assert_eq!(names("e0+cmee=1;+creg?"), expected);
        assert_eq!(
            names("&FE1V1"),
            [
                ("&F".to_owned(), Form::Execute),
                ("E".to_owned(), Form::Set("1")),
                ("V".to_owned(), Form::Set("1")),
            ]
        );
        assert_eq!(names("S3=13"), [("S".to_owned(), Form::Set("3=13"))]);
        assert_eq!(
            names("+CPMS=?;+CMGF"),
            [("+CPMS".to_owned(), Form::Test), ("+CMGF".to_owned(), Form::Execute)]
        );
        assert_eq!(names("+CUSD=1,\"a;b\",15;^CURC=0")[0].1, Form::Set("1,\"a;b\",15"));
        assert_eq!(names(""), []);
    }

    #[test]
    fn values_lose_their_quotes() {
        assert_eq!(values("\"+49,1\",145, \"x\""), ["+49,1", "145", "x"]);
        assert_eq!(numbers("2,1,,1", [9, 9, 0, 9, 7]), Some([2, 1, 0, 1, 7]));
        assert_eq!(numbers("2,1", [9]), None);
        assert_eq!(numbers("x", [9]), None);
    }
}
