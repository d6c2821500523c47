//! A bare sender on the same simulator: no store, no queue, one blocking loop over `AT+CMGS`. It is what the line and the
//! simulator allow, and every figure of ours is seen beside it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use smsotpd::number::Number;
use smsotpd::pdu::segment::{self, SubmitOptions};

/// A serial line in raw mode.
struct Line {
    file: File,
    seen: Vec<u8>,
}

impl Line {
    fn open(link: &Path) -> Self {
        let flags = rustix::fs::OFlags::NOCTTY.bits() as i32;
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(link).expect("the port opens");
        let mut raw = tcgetattr(&file).expect("a terminal");
        raw.make_raw();
        tcsetattr(&file, OptionalActions::Now, &raw).expect("a terminal");
        Self { file, seen: Vec::new() }
    }

    /// Writes, then reads until `end` has come.
    fn talk(&mut self, bytes: &[u8], end: &[u8]) {
        self.file.write_all(bytes).expect("the modem is there");
        let mut buffer = [0; 1024];
        while !self.seen.windows(end.len()).any(|part| part == end) {
            let n = self.file.read(&mut buffer).expect("the modem is there");
            self.seen.extend_from_slice(&buffer[..n]);
        }
        self.seen.clear();
    }
}

/// Sends `count` messages and gives the time it took.
pub(crate) fn send(link: &Path, count: usize) -> Duration {
    let mut line = Line::open(link);
    for command in ["AT\r", "ATE0\r", "AT+CMGF=0\r"] {
        line.talk(command.as_bytes(), b"OK\r\n");
    }
    let to = Number::parse("+491701234567", None).expect("a number");
    let plan = segment::plan("bench").expect("a short text");
    let submit = plan.submits(&to, &SubmitOptions::default()).remove(0);
    let tpdu = submit.encode().expect("a short text fits");
    let hex: String =
        std::iter::once(0).chain(tpdu.iter().copied()).map(|octet| format!("{octet:02X}")).collect();
    let command = format!("AT+CMGS={}\r", tpdu.len());
    let body = format!("{hex}\u{1a}");
    let start = Instant::now();
    for _ in 0..count {
        line.talk(command.as_bytes(), b"> ");
        line.talk(body.as_bytes(), b"OK\r\n");
    }
    start.elapsed()
}
