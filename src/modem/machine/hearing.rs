//! What comes from a port where nothing has answered a command yet: a modem that hangs says nothing, or what modems say; a
//! loop, a GNSS receiver, a console and a diagnostic port each give themselves away.
//!
//! Only those are judged here, because no reset makes a modem of them, and one would disturb whoever uses them.

use super::Foreign;

/// Octets of a line kept: enough for a sentence of NMEA 0183, which has 82 at most.
const LINE_MAX: usize = 96;
/// One sentence may be an accident of the line; a receiver gives one a second at least.
const SENTENCES: u32 = 2;
/// Octets that are no text: fewer come from a plug, or from a modem that is switched on.
const ODD: u32 = 8;
/// What consoles say to `AT`, in small letters: the prompts of login, and how shells and boot loaders refuse.
const CONSOLE: [&str; 5] = ["login:", "password:", "login incorrect", "not found", "unknown command"];

/// What was heard since the bring-up began.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    line: Vec<u8>,
    echoes: u32,
    sentences: u32,
    console: u32,
    others: u32,
    odd: u32,
}

impl Hearing {
    /// Octets from the port, in any chunks.
    pub(super) fn hear(&mut self, octets: &[u8]) {
        for &octet in octets {
            match octet {
                b'\r' | b'\n' => self.end_line(),
                // NUL comes from power-up, and ESC is ours, or begins a colour of a console.
                0 | 0x1b => {}
                _ => {
                    let odd = octet >= 0x7f || (octet < b' ' && octet != b'\t');
                    self.odd = self.odd.saturating_add(u32::from(odd));
                    if self.line.len() < LINE_MAX {
                        self.line.push(octet);
                    }
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).trim().to_ascii_lowercase();
        self.line.clear();
        let count = if line.is_empty() {
            return;
        } else if line == "at" {
            &mut self.echoes
        } else if is_sentence(&line) {
            &mut self.sentences
        } else if CONSOLE.iter().any(|word| line.contains(word)) {
            &mut self.console
        } else {
            &mut self.others
        };
        *count = count.saturating_add(1);
    }

    /// What it is, if it is plainly no modem. A prompt that waits behind its colon is a line too.
    pub(super) fn verdict(&mut self) -> Option<Foreign> {
        self.end_line();
        if self.console > 0 {
            Some(Foreign::Console)
        } else if self.sentences >= SENTENCES {
            Some(Foreign::Receiver)
        } else if self.odd >= ODD {
            Some(Foreign::Garbage)
        } else {
            (self.echoes > 0 && self.others == 0).then_some(Foreign::Echo)
        }
    }
}

/// `$GPRMC,...` and its like in small letters: a talker and a formatter, or `P` and a maker; NMEA 0183.
fn is_sentence(line: &str) -> bool {
    const ADDRESS: std::ops::RangeInclusive<usize> = 4..=8;
    let Some((address, _)) = line.strip_prefix(['$', '!']).and_then(|line| line.split_once(',')) else {
        return false;
    };
    ADDRESS.contains(&address.len()) && address.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(heard: &[u8]) -> Option<Foreign> {
        let mut whole = Hearing::default();
        whole.hear(heard);
        let mut parts = Hearing::default();
        heard.chunks(1).for_each(|octet| parts.hear(octet));
        let verdict = whole.verdict();
        assert_eq!(verdict, parts.verdict(), "however it is chunked");
        verdict
    }

    #[test]
    fn each_gives_itself_away() {
        assert_eq!(of(b"AT\r\x1bAT\rAT\r\nAT\r"), Some(Foreign::Echo));
        let fix = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n";
        assert_eq!(of(&[fix.as_slice(), b"AT\r", b"$GNGSA,A,1*1E\r\n"].concat()), Some(Foreign::Receiver));
        assert_eq!(of(b"\x13\x42\xde\x7e\x13\x41\xd2\x7e\xff\xfe\x80\x91\x05"), Some(Foreign::Garbage));
        assert_eq!(of(b"AT\r\nPassword: "), Some(Foreign::Console));
        assert_eq!(of(b"\x1b[0;32mdebian login: AT\r\nPassword: \r\n"), Some(Foreign::Console));
        assert_eq!(of(b"AT\r\n-bash: AT: command not found\r\n\x1b[1mroot@gw:~# "), Some(Foreign::Console));
    }

    #[test]
    fn a_modem_that_hangs_or_starts_is_not_judged() {
        for heard in [
            b"".as_slice(),
            b"\0\0\xff\xff\r\n",
            b"\r\nRDY\r\n\r\n+CPIN: NOT READY\r\n",
            b"AT\r\r\n^RSSI:20\r\n",
            b"$GPRMC,,V*00\r\n",
            b"$5 left, thanks\r\n$5 left, thanks\r\n",
        ] {
            assert_eq!(of(heard), None, "{}", heard.escape_ascii());
        }
    }

    #[test]
    fn a_flood_without_an_end_is_bounded() {
        let mut hearing = Hearing::default();
        for _ in 0..10_000 {
            hearing.hear(&[b'x'; 100]);
        }
        assert!(hearing.line.len() <= LINE_MAX);
        assert_eq!(hearing.verdict(), None);
    }
}
