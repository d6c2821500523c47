//! The grammar of information lines, `+NAME: args` (V.250 5.4.3), as modems really write it.
//!
//! An argument is a text in quotes, a bare word or number, nothing, or a list in parentheses. Real lines lack closing quotes and
//! parentheses or have too many: every line that has a name yields a reading, because a line that fails to parse
//! would take its neighbours with it.

use std::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::{take_till, take_while, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{opt, recognize};
use nom::sequence::delimited;
use nom::{IResult, Parser};

/// Deepest nesting of lists read; `+CPMS=?` of Wavecom has two. What is deeper is read as text.
pub const DEPTH_MAX: usize = 4;
/// Most arguments of one list; a `+CMGD=?` lists up to 255 indexes, `+COPS=?` some 30 operators.
pub const ARGS_MAX: usize = 512;
/// Most arguments that room is made for before they are read.
const FORESEEN_MAX: usize = 16;
/// Widest range expanded by [`Arg::members`]: modes, of which no command has as many. Few octets shall not become many numbers.
const RANGE_MAX: u32 = 16;

/// One argument, borrowed from its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg<'a> {
    /// Nothing between two commas.
    Empty,
    /// A word or number as it stands, without blanks around it.
    Bare(&'a str),
    /// What stood in quotes.
    Quoted(&'a str),
    /// What stood in parentheses.
    List(Vec<Arg<'a>>),
}

/// A line with a name, borrowed from that line: who keeps a value makes it owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info<'a> {
    /// With its sign: `+CREG`, `^HCSQ`, `#QSS`.
    pub name: &'a str,
    /// What follows the colon.
    pub args: Vec<Arg<'a>>,
}

impl<'a> Arg<'a> {
    /// The text of a bare or quoted argument.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match self {
            Self::Bare(text) | Self::Quoted(text) => Some(text),
            Self::Empty | Self::List(_) => None,
        }
    }

    /// The number a bare or quoted argument shows, in decimal; leading zeros do not matter.
    #[must_use]
    pub fn number<T: FromStr>(&self) -> Option<T> {
        self.text()?.trim().parse().ok()
    }

    /// The number a bare or quoted argument shows, in hex.
    #[must_use]
    pub fn hex(&self) -> Option<u32> {
        u32::from_str_radix(self.text()?.trim(), 16).ok()
    }

    /// The members of a list.
    #[must_use]
    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(members) => Some(members),
            _ => None,
        }
    }

    /// The numbers that a list `(0-3)`, `(0,1,3)` or a single `2` stands for. A range is expanded up to a bound.
    #[must_use]
    pub fn members(&self) -> Vec<u32> {
        let single = std::slice::from_ref(self);
        self.list().unwrap_or(single).iter().filter_map(Self::text).flat_map(range).take(ARGS_MAX).collect()
    }
}

/// `2` or `0-3`.
fn range(text: &str) -> std::ops::Range<u32> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.trim().parse::<u32>(), to.trim().parse::<u32>()) {
        (Ok(from), Ok(to)) if to >= from && to - from < RANGE_MAX => from..to.saturating_add(1),
        _ => 0..0,
    }
}

impl<'a> Info<'a> {
    /// Reads one line; `None` if it has no name followed by a colon.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (args, name) = name(line.trim()).ok()?;
        Some(Self { name, args: arguments(args) })
    }

    /// The argument at `at`, if it is there and a text.
    #[must_use]
    pub fn text(&self, at: usize) -> Option<&'a str> {
        self.args.get(at)?.text()
    }

    /// The argument at `at`, if it is there and a decimal number.
    #[must_use]
    pub fn number<T: FromStr>(&self, at: usize) -> Option<T> {
        self.args.get(at)?.number()
    }
}

/// `+NAME:`, or `+NAME=` as a few firmwares answer a test command; gives what follows.
fn name(line: &str) -> IResult<&str, &str> {
    let letters = take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let signed = recognize((one_of("+^#*%$!&@_-"), letters));
    let (rest, (name, _, _)) = (signed, blanks, one_of(":=")).parse(line)?;
    Ok((rest, name))
}

/// The arguments of an information line; never fails.
#[must_use]
pub fn arguments(text: &str) -> Vec<Arg<'_>> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    sequence(text.trim(), 0).map_or_else(|_| Vec::new(), |(_, args)| args)
}

/// Arguments up to the end, or inside a list up to its parenthesis (which stays). What follows a list needs no comma before
/// it: `(1)(2)`, and Cinterion's `("0")|("FE80::")`.
fn sequence(text: &str, depth: usize) -> IResult<&str, Vec<Arg<'_>>> {
    let mut args = Vec::with_capacity(foreseen(text, depth));
    let mut rest = text;
    while args.len() < ARGS_MAX {
        let (after, arg) = argument(rest, depth)?;
        let is_list = matches!(arg, Arg::List(_));
        args.push(arg);
        let (after, _) = blanks(after)?;
        if is_list && !after.is_empty() && !after.starts_with([',', ')']) {
            rest = after;
            continue;
        }
        // What stands between a closing quote and the next comma has no meaning, nor has a parenthesis too many.
        let (after, _) = take_till(|c| c == ',' || (c == ')' && depth > 0)).parse(after)?;
        let (after, comma) = opt(char(',')).parse(after)?;
        rest = after;
        if comma.is_none() {
            break;
        }
    }
    Ok((rest, args))
}

/// How many arguments to make room for, so that a flat list takes one allocation and `(1)` takes little.
fn foreseen(text: &str, depth: usize) -> usize {
    let own = text.bytes().take_while(|&b| depth == 0 || b != b')');
    own.filter(|&b| b == b',').take(FORESEEN_MAX - 1).count().saturating_add(1)
}

fn argument(text: &str, depth: usize) -> IResult<&str, Arg<'_>> {
    let (text, _) = blanks(text)?;
    if text.starts_with('(') && depth < DEPTH_MAX {
        return list(text, depth.saturating_add(1));
    }
    alt((quoted, move |text| bare(text, depth))).parse(text)
}

/// `(...)`; the closing parenthesis may be missing at the end of the line.
fn list(text: &str, depth: usize) -> IResult<&str, Arg<'_>> {
    let empty = (char('('), blanks, char(')')).map(|_| Arg::List(Vec::new()));
    let filled = delimited(char('('), move |text| sequence(text, depth), opt(char(')'))).map(Arg::List);
    alt((empty, filled)).parse(text)
}

/// `"..."`; without a closing quote it takes the rest of the line.
fn quoted(text: &str) -> IResult<&str, Arg<'_>> {
    delimited(char('"'), take_till(|c| c == '"'), opt(char('"'))).map(Arg::Quoted).parse(text)
}

fn bare(text: &str, depth: usize) -> IResult<&str, Arg<'_>> {
    let (rest, word) = take_till(|c| c == ',' || (c == ')' && depth > 0)).parse(text)?;
    let word: &str = word;
    let word = word.trim();
    Ok((rest, if word.is_empty() { Arg::Empty } else { Arg::Bare(word) }))
}

fn blanks(text: &str) -> IResult<&str, &str> {
    take_while(|c: char| c == ' ' || c == '\t').parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One line for a reading: `E`mpty, bare as is, quoted in `'`, lists in brackets.
    fn show(args: &[Arg<'_>]) -> String {
        let parts: Vec<String> = args
            .iter()
            .map(|arg| match arg {
                Arg::Empty => "E".to_owned(),
                Arg::Bare(text) => (*text).to_owned(),
                Arg::Quoted(text) => format!("'{text}'"),
                Arg::List(members) => format!("[{}]", show(members)),
            })
            .collect();
        parts.join("|")
    }

    #[test]
    fn lines_of_the_standard() {
        let cases = [
            ("16,99", "16|99"),
            ("\"SM\", 7", "'SM'|7"),
            ("2,,", "2|E|E"),
            (",27", "E|27"),
            ("(0-3),(0,1),(2)", "[0-3]|[0|1]|[2]"),
            ("(),(0-4)", "[]|[0-4]"),
            ("((\"SM\",\"BM\"),(\"SM\"))", "[['SM'|'BM']|['SM']]"),
            ("  (  \"GSM\"  ,  \"UCS2\"  )", "['GSM'|'UCS2']"),
            ("", ""),
        ];
        for (line, reading) in cases {
            assert_eq!(show(&arguments(line)), reading, "{line}");
        }
    }

    #[test]
    fn broken_lines_have_a_reading() {
        let cases = [
            ("2,1,\"0B,\"0100701\",7", "2|1|'0B,'|7"),
            ("0,0,\"TELE2,0", "0|0|'TELE2,0'"),
            ("(1,\"a\")(2,\"b\")", "[1|'a']|[2|'b']"),
            ("(1,\"a\"),2),(1", "[1|'a']|2)|[1]"),
            ("(\"GSM\" \"UCS2\")", "['GSM']"),
            ("\"a\",(\"0\"-\"9\")|(\"F\"-\"E\"),(\"0\")", "'a'|['0']||(\"F\"-\"E\")|['0']"),
            ("((\"a\") b,1),2", "[['a']|b|1]|2"),
            ("(1)),2", "[1]|2"),
            (",,)", "E|E|)"),
            ("000063CF\"", "000063CF\""),
        ];
        for (line, reading) in cases {
            assert_eq!(show(&arguments(line)), reading, "{line}");
        }
    }

    #[test]
    fn a_line_has_a_name_or_is_none() {
        assert_eq!(Info::parse("^BOOT:91409020,0").unwrap().name, "^BOOT");
        assert_eq!(Info::parse("+CSMS=(0)").unwrap().args, vec![Arg::List(vec![Arg::Bare("0")])]);
        for text in ["OK", "+CLAC", "IMEI: 1", "+CME ERROR: 3", "", "+", ": 3"] {
            assert_eq!(Info::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_are_expanded_within_bounds() {
        let all = |text: &str| arguments(text).iter().map(Arg::members).collect::<Vec<_>>();
        assert_eq!(all("(0-3),(0,2),1"), vec![vec![0, 1, 2, 3], vec![0, 2], vec![1]]);
        assert_eq!(all("(0-15)"), vec![(0..16).collect::<Vec<_>>()]);
        assert_eq!(all("(0-16),(0-4294967295),(3-1)"), vec![Vec::<u32>::new(); 3]);
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let line = "(".repeat(4000);
        let deep = arguments(&line);
        assert_eq!(deep.len(), 1);
        assert_eq!(arguments(&",".repeat(4000)).len(), ARGS_MAX);
    }

    /// Octets that a reading holds.
    fn held(args: &Vec<Arg<'_>>) -> usize {
        let nested = |arg: &Arg<'_>| if let Arg::List(members) = arg { held(members) } else { 0 };
        args.capacity() * size_of::<Arg<'_>>() + args.iter().map(nested).sum::<usize>()
    }

    /// Doubling leaves at most two places for each argument, and each octet is at most one argument. To that comes what was foreseen
    /// in vain, at every depth.
    fn held_max(line: &str) -> usize {
        (line.len() * 2 + FORESEEN_MAX * (DEPTH_MAX + 1)) * size_of::<Arg<'_>>()
    }

    #[test]
    fn a_reading_holds_little_more_than_its_line() {
        for part in ["(", ")", "\"", ",", "(1)", "(,", "((1", "()", "((((1),", "\",", "(,,,\"),", "( "] {
            let line = part.repeat(4096 / part.len());
            assert!(held(&arguments(&line)) <= held_max(&line), "{part}");
        }
    }

    #[test]
    fn a_flat_list_is_given_its_room_at_once() {
        assert_eq!(arguments("\"SM\",3,20,\"ME\",4,40,\"MT\",7,60").capacity(), 9);
        assert_eq!(arguments("7").capacity(), 1);
    }

    proptest! {
        #[test]
        fn any_reading_holds_little_more_than_its_line(line in "([(),\"]|\\(\\)|\\(1\\)|,,|[a-z ]){0,300}") {
            prop_assert!(held(&arguments(&line)) <= held_max(&line));
        }

        #[test]
        fn never_panics(line in "[+^#]?[A-Z]{0,5}[:=]?[ \"(),0-9a-zA-Z-]{0,80}") {
            let _ = Info::parse(&line);
            let _ = arguments(&line);
        }

        #[test]
        fn never_panics_on_anything(line in ".*") {
            let _ = Info::parse(&format!("+A: {line}"));
        }
    }
}
