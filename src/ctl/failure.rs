//! How a command can fail, in one line for people and one number for scripts (sysexits).

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

/// The command line is wrong.
pub(super) const EX_USAGE: u8 = 64;
/// What was given is wrong: a number, an id, a PDU.
const EX_DATAERR: u8 = 65;
/// A file that was named cannot be read.
const EX_NOINPUT: u8 = 66;
/// No daemon answers.
const EX_UNAVAILABLE: u8 = 69;
/// The daemon answered what it should not.
const EX_SOFTWARE: u8 = 70;
/// A file that was named cannot be written.
const EX_CANTCREAT: u8 = 73;
/// Reading or writing failed on the way.
const EX_IOERR: u8 = 74;
/// Try again later.
const EX_TEMPFAIL: u8 = 75;
/// Not allowed.
const EX_NOPERM: u8 = 77;
/// The configuration is bad.
const EX_CONFIG: u8 = 78;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Something that clap cannot know.
    #[error("{0}")]
    Usage(&'static str),
    /// Input that is none.
    #[error("{0}")]
    Data(String),
    /// A file that cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that cannot be written.
    #[error("{} cannot be written: {error}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Nobody listens.
    #[error(
        "the daemon does not answer on {}: {error}; start it (systemctl start smsotpd) or name its socket with --socket",
        socket.display()
    )]
    Down {
        /// Where.
        socket: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The socket refuses this user.
    #[error("{} refuses you: {error}; become root or join the group smsotp", socket.display())]
    Closed {
        /// Where.
        socket: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The daemon went away or took too long while it answered.
    #[error(
        "the daemon did not finish its answer: {0}; whether it did what you asked, its log and `smsotpctl status` tell"
    )]
    Cut(String),
    /// Somebody else has it now.
    #[error("{0}")]
    Busy(String),
    /// The daemon refused.
    #[error("{0}")]
    Refused(Refusal),
    /// An answer that is none of ours.
    #[error("the daemon answered something unexpected: {0}")]
    Answer(String),
    /// This process could not do its own part.
    #[error("{0}")]
    Local(&'static str, #[source] io::Error),
    /// stdin or stdout failed.
    #[error("reading or writing failed: {0}")]
    Io(#[from] io::Error),
    /// The configuration was told to be bad; its findings are printed already.
    #[error("{0}")]
    Config(String),
}

/// What the daemon says when it refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    /// HTTP status.
    pub(super) status: u16,
    /// Its stable code, `number-national` or privacyIDEA's number.
    pub(super) code: String,
    /// For people.
    pub(super) text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.text.is_empty(), self.code.is_empty()) {
            (true, true) => write!(f, "the daemon refused with HTTP status {}", self.status),
            (true, false) => write!(f, "the daemon refused: {}", self.code),
            (false, true) => f.write_str(&self.text),
            (false, false) => write!(f, "{} ({})", self.text, self.code),
        }
    }
}

impl Failure {
    /// A file that cannot be read.
    pub(super) fn input(path: &Path, error: io::Error) -> Self {
        Self::Input { path: path.to_owned(), error }
    }

    /// The same, naming which of several was refused.
    pub(super) fn of(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Refused(refusal) => {
                let text = format!("{what}: {}", refusal.text);
                Self::Refused(Refusal { text, ..refusal })
            }
            other => other,
        }
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => EX_USAGE,
            Self::Data(_) => EX_DATAERR,
            Self::Input { .. } => EX_NOINPUT,
            Self::Output { .. } => EX_CANTCREAT,
            Self::Down { .. } => EX_UNAVAILABLE,
            Self::Closed { .. } => EX_NOPERM,
            Self::Cut(_) | Self::Busy(_) => EX_TEMPFAIL,
            Self::Answer(_) | Self::Local(..) => EX_SOFTWARE,
            Self::Io(_) => EX_IOERR,
            Self::Config(_) => EX_CONFIG,
            Self::Refused(refusal) => match refusal.status {
                401 | 403 => EX_NOPERM,
                408 | 429 | 503 | 507 => EX_TEMPFAIL,
                400..=499 => EX_DATAERR,
                _ => EX_SOFTWARE,
            },
        }
    }

    /// Says it in one line on stderr, as JSON if that was asked for.
    pub(super) fn tell(&self, json: bool) -> ExitCode {
        // `smsotpctl message list | head` ends the reader, not the work.
        if matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        let text = super::render::one_line(&self.to_string());
        let line = if json {
            json!({"error": text, "exit": self.code()}).to_string()
        } else {
            format!("smsotpctl: {text}")
        };
        // Where stderr is closed the exit code still tells.
        let _ = writeln!(io::stderr().lock(), "{line}");
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_refusal_becomes_an_exit_code() {
        for (status, code) in [(400, 65), (404, 65), (401, 77), (403, 77), (503, 75), (429, 75), (500, 70)] {
            let refusal = Refusal { status, code: String::new(), text: String::new() };
            assert_eq!(Failure::Refused(refusal).code(), code, "{status}");
        }
    }
}
