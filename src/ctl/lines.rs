//! JSON lines in, JSON lines out: one answer for each line, in order, whatever a line holds.
//!
//! An answer leaves at once when no further line is waiting, so that a program may ask line by line over a pipe.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use serde_json::{Map, Value, json};

use super::failure::Failure;

/// The longest recorded exchange has some ten thousand characters.
const LONGEST_LINE: usize = 1 << 20;
/// Octets read and written at once.
const BUFFER: usize = 64 << 10;

/// A row of input.
pub(super) type Row = Map<String, Value>;

/// Why a row has no answer; told in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowError {
    #[error("the line is longer than {LONGEST_LINE} octets")]
    TooLong,
    #[error("the line is not UTF-8")]
    NotUtf8,
    #[error("the line is no JSON object: {0}")]
    NoObject(String),
    #[error("`{0}` is missing or of the wrong type")]
    Key(&'static str),
    #[error("{0}")]
    Content(String),
}

/// Answers every line of stdin on stdout.
pub(super) fn answer(judge: impl FnMut(&Row) -> Result<Value, RowError>) -> Result<(), Failure> {
    let input = BufReader::with_capacity(BUFFER, io::stdin().lock());
    let output = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    Ok(stream(input, output, judge)?)
}

fn stream<R: Read>(
    mut input: BufReader<R>,
    mut output: impl Write,
    mut judge: impl FnMut(&Row) -> Result<Value, RowError>,
) -> io::Result<()> {
    let mut line = Vec::new();
    while let Some(whole) = next(&mut input, &mut line)? {
        let row = if whole { parse(&line) } else { Err(RowError::TooLong) };
        let id = row.as_ref().ok().and_then(|row| row.get("id")).cloned().unwrap_or(Value::Null);
        let got = row.and_then(|row| judge(&row));
        let got = got.unwrap_or_else(|error| json!({"error": true, "reason": error.to_string()}));
        serde_json::to_writer(&mut output, &json!({"id": id, "got": got}))?;
        output.write_all(b"\n")?;
        if !input.buffer().contains(&b'\n') {
            output.flush()?;
        }
    }
    output.flush()
}

/// The next line without its end; `Some(false)` if it was too long and is cut, `None` at the end.
fn next<R: Read>(input: &mut BufReader<R>, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let most = LONGEST_LINE as u64 + 1;
    if input.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(true));
    }
    if line.len() <= LONGEST_LINE {
        return Ok(Some(true));
    }
    input.skip_until(b'\n')?;
    Ok(Some(false))
}

fn parse(line: &[u8]) -> Result<Row, RowError> {
    let text = std::str::from_utf8(line).map_err(|_| RowError::NotUtf8)?;
    serde_json::from_str(text).map_err(|error| RowError::NoObject(error.to_string()))
}

/// A text of a row.
pub(super) fn text<'r>(row: &'r Row, key: &'static str) -> Result<&'r str, RowError> {
    row.get(key).and_then(Value::as_str).ok_or(RowError::Key(key))
}

/// A small number of a row; absent or null is `None`.
pub(super) fn number<T: TryFrom<u64>>(row: &Row, key: &'static str) -> Result<Option<T>, RowError> {
    match row.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().and_then(|number| T::try_from(number).ok());
            number.map(Some).ok_or(RowError::Key(key))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(input: &[u8]) -> Vec<Value> {
        let mut output = Vec::new();
        stream(BufReader::new(input), &mut output, |row| text(row, "x").map(Value::from)).unwrap();
        output
            .split(|octet| *octet == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    #[test]
    fn a_bad_line_has_its_answer_in_its_place() {
        let long = vec![b'a'; LONGEST_LINE + 10];
        let mut input = b"{\"id\":1,\"x\":\"a\"}\nnonsense\n\n\xff\n{\"id\":2}\n".to_vec();
        input.extend(&long);
        input.extend(b"\n[]\n{\"id\":\"last\",\"x\":\"b\"}");
        let got = run(&input);
        assert_eq!(got.len(), 8);
        assert_eq!(got[0], json!({"id": 1, "got": "a"}));
        assert_eq!(got[7], json!({"id": "last", "got": "b"}));
        for bad in &got[1..7] {
            assert_eq!(bad["got"]["error"], true, "{bad}");
        }
        assert_eq!(got[4]["id"], 2);
    }

    /// Gives one line, and the next only after the first was answered.
    struct Dialogue<'a> {
        lines: Vec<&'a [u8]>,
        answered: &'a std::cell::Cell<usize>,
        asked: usize,
    }

    impl Read for Dialogue<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            assert_eq!(
                self.answered.get(),
                self.asked,
                "every line so far is answered before the next is read"
            );
            let Some(line) = self.lines.get(self.asked) else { return Ok(0) };
            self.asked += 1;
            into[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }

    struct Flushed<'a>(&'a std::cell::Cell<usize>, usize);

    impl Write for Flushed<'_> {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.1 += octets.iter().filter(|octet| **octet == b'\n').count();
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            self.0.set(self.1);
            Ok(())
        }
    }

    #[test]
    fn an_answer_does_not_wait_for_the_next_line() {
        let answered = std::cell::Cell::new(0);
        let input =
            Dialogue { lines: vec![b"{\"x\":\"a\"}\n", b"{\"x\":\"b\"}\n"], answered: &answered, asked: 0 };
        stream(BufReader::new(input), Flushed(&answered, 0), |row| text(row, "x").map(Value::from)).unwrap();
        assert_eq!(answered.get(), 2);
    }
}
