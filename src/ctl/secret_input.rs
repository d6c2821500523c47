//! A PIN or a passphrase from a person or from a file, never echoed and never in an argument list.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::secret::Secret;

/// A longer line is neither.
const LONGEST: u64 = 1024;

/// Asks on the terminal without echo; where stdin is none, its first line is taken without asking.
pub(super) fn ask(prompt: &str) -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(stdin.lock());
    }
    let mut err = io::stderr().lock();
    err.write_all(prompt.as_bytes())?;
    err.flush()?;
    let quiet = Quiet::begin()?;
    let answer = line(stdin.lock());
    drop(quiet);
    err.write_all(b"\n")?;
    answer
}

/// The first line of a file.
pub(super) fn first_line(path: &Path) -> Result<Secret, Failure> {
    let file = File::open(path).map_err(|error| Failure::input(path, error))?;
    line(BufReader::new(file))
}

fn line(reader: impl BufRead) -> Result<Secret, Failure> {
    let mut octets = Zeroizing::new(Vec::with_capacity(LONGEST as usize));
    reader.take(LONGEST).read_until(b'\n', &mut octets)?;
    let end = octets.iter().rposition(|octet| !matches!(octet, b'\n' | b'\r')).map_or(0, |last| last + 1);
    match octets.get(..end) {
        None | Some([]) => {
            Err(Failure::Usage("nothing was given; type it, pipe it in, or name a file with it"))
        }
        Some(pin) => Ok(Secret::new(pin.to_vec())),
    }
}

/// The terminal without echo, until dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_is_no_part_of_the_pin() {
        for text in ["1234\n", "1234\r\n", "1234", "1234\nmore"] {
            assert_eq!(line(text.as_bytes()).unwrap(), Secret::from("1234"), "{text:?}");
        }
        assert!(matches!(line(&b"\n"[..]), Err(Failure::Usage(_))));
        assert!(matches!(line(&b""[..]), Err(Failure::Usage(_))));
    }
}
