//! What happens in a simulated modem, for those who watch: the demo, tests, benches and `--events`.
//!
//! A kind that nobody asked for is not even built: a bench that wants the first byte of each `AT+CMGS` pays for nothing else.
//! Neither user data of a PDU nor a PIN stands in any line; a phone shows the text, because that is what it is for.

use std::str::FromStr;
use std::time::Instant;

use super::phone::Shown;
use super::replay::Report;

/// One happening in modem number `modem`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which modem of the process, from 0.
    pub modem: usize,
    /// When, on the monotonic clock.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A command line came; PINs are masked, and the PDU behind a prompt is not a line.
    AtReceived(String),
    /// A line left the modem; PDUs and text bodies are replaced by their length.
    AtSent(String),
    /// An `AT+CMGS` came; `at` is when its first byte did.
    Cmgs {
        /// Number of the message, from 1 since power-on of the process.
        n: u64,
    },
    /// The `> ` left.
    PromptGiven {
        /// Number of the message.
        n: u64,
    },
    /// Ctrl-Z came.
    CtrlZ {
        /// Number of the message.
        n: u64,
        /// To whom, if the message could be read.
        recipient: Option<String>,
    },
    /// `+CMGS` or an error left; not sent when the modem is silent.
    Answered {
        /// Number of the message.
        n: u64,
        /// TP-MR, or the `+CMS ERROR` code.
        answer: Result<u8, u16>,
    },
    /// A handset shows a message.
    PhoneShows(Shown),
    /// The host has this message or report, as its `+CMGD` or `+CNMA` says: the TPDU, without service centre.
    Taken(Vec<u8>),
    /// A host opened the port.
    HostOpened,
    /// No host has the port open any more.
    HostClosed,
    /// The modem went from the bus: the port is gone.
    HungUp,
    /// The modem is on the bus: the link leads to a new port.
    PluggedIn,
    /// A recording was played, or the dialogue left it.
    Replayed(Report),
}

impl What {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kinds {
        match self {
            Self::AtReceived(_) => Kinds::AT,
            Self::AtSent(_) => Kinds::REPLY,
            Self::Cmgs { .. } => Kinds::CMGS,
            Self::PromptGiven { .. } => Kinds::PROMPT,
            Self::CtrlZ { .. } => Kinds::CTRL_Z,
            Self::Answered { .. } => Kinds::ANSWERED,
            Self::PhoneShows(_) => Kinds::PHONE,
            Self::Taken(_) => Kinds::TAKEN,
            Self::HostOpened | Self::HostClosed => Kinds::HOST,
            Self::HungUp | Self::PluggedIn => Kinds::POWER,
            Self::Replayed(_) => Kinds::REPLAY,
        }
    }
}

/// A set of event kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u16);

impl Kinds {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Command lines.
    pub const AT: Self = Self(1);
    /// Lines of the modem.
    pub const REPLY: Self = Self(1 << 1);
    /// `AT+CMGS` with the time of its first byte.
    pub const CMGS: Self = Self(1 << 2);
    /// Prompts.
    pub const PROMPT: Self = Self(1 << 3);
    /// Ctrl-Z.
    pub const CTRL_Z: Self = Self(1 << 4);
    /// Answers to Ctrl-Z.
    pub const ANSWERED: Self = Self(1 << 5);
    /// What handsets show.
    pub const PHONE: Self = Self(1 << 6);
    /// Hosts that open and close the port.
    pub const HOST: Self = Self(1 << 7);
    /// Hang-up and plug-in.
    pub const POWER: Self = Self(1 << 8);
    /// The end of a replay.
    pub const REPLAY: Self = Self(1 << 9);
    /// Messages and reports that the host has taken.
    pub const TAKEN: Self = Self(1 << 10);
    /// All of them.
    pub const ALL: Self = Self((1 << 11) - 1);

    /// Name of each single kind, as in `--events`.
    const NAMES: [(&'static str, Self); 12] = [
        ("all", Self::ALL),
        ("at", Self::AT),
        ("reply", Self::REPLY),
        ("cmgs", Self::CMGS),
        ("prompt", Self::PROMPT),
        ("ctrl-z", Self::CTRL_Z),
        ("answered", Self::ANSWERED),
        ("phone", Self::PHONE),
        ("host", Self::HOST),
        ("power", Self::POWER),
        ("replay", Self::REPLAY),
        ("taken", Self::TAKEN),
    ];

    /// Whether all of `kinds` are in it.
    #[must_use]
    pub fn has(self, kinds: Self) -> bool {
        self.0 & kinds.0 == kinds.0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A name that is no kind of event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no kind of event; there are all, at, reply, cmgs, prompt, ctrl-z, answered, phone, host, power, replay, taken"
)]
pub struct NoSuchKind(String);

impl FromStr for Kinds {
    type Err = NoSuchKind;
    /// Names with commas between.
    fn from_str(text: &str) -> Result<Self, NoSuchKind> {
        text.split(',').map(str::trim).try_fold(Self::NONE, |kinds, name| {
            let found = Self::NAMES.iter().find(|(known, _)| *known == name);
            found.map(|(_, kind)| kinds.and(*kind)).ok_or_else(|| NoSuchKind(name.to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named() {
        let kinds: Kinds = "cmgs, ctrl-z".parse().unwrap();
        assert!(kinds.has(Kinds::CMGS) && kinds.has(Kinds::CTRL_Z) && !kinds.has(Kinds::PHONE));
        assert_eq!("all".parse(), Ok(Kinds::ALL));
        assert_eq!("sms".parse::<Kinds>(), Err(NoSuchKind("sms".into())));
        let single = Kinds::NAMES.iter().skip(1).fold(Kinds::NONE, |all, (_, kind)| all.and(*kind));
        assert_eq!(single, Kinds::ALL);
    }
}
