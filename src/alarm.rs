//! Alarms: conditions that need a person, each with a stable word, a severity and a remedy; one table holds them all.
//!
//! A modem comes up in stages: its port opens, it answers, its SIM is usable, a network has it. A kind names the stage that
//! it keeps a modem from, so that whoever sees how far a modem has come knows what is over, and what merely cannot be seen at the moment
//! (a modem that starts anew says nothing about its SIM). What is the matter with a modem that works, or with the daemon itself, stands
//! beside the stages: each such thing has a [`Sign`] of its own.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::units::Imei;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It works, but not well, or not for long.
    Warning,
    /// Something does not work.
    Critical,
}

impl Severity {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Warning, Self::Critical];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How far a modem has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its port is open.
    Open,
    /// It answers as a modem does.
    Answering,
    /// Its SIM is there and unlocked.
    SimUsable,
    /// Messages can be submitted.
    Registered,
    /// Nothing is left to wish for. No progress tells that: each thing that keeps from it has its own [`Sign`].
    Whole,
}

/// What is the matter.
#[derive(Debug, Clone, Copy)]
struct Row {
    word: &'static str,
    severity: Severity,
    keeps_from: Stage,
    seconds: u64,
    remedy: &'static str,
}

/// From one row a kind: its name, its word, its severity, the stage that it keeps a modem from, the seconds that it must
/// stand before it is worth an alarm, and its remedy.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $word:literal $severity:ident $stage:ident $seconds:literal $remedy:literal;)*) => {
        /// What is the matter, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AlarmKind {
            $($(#[$doc])* $kind,)*
        }

        impl AlarmKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        word: $word,
                        severity: Severity::$severity,
                        keeps_from: Stage::$stage,
                        seconds: $seconds,
                        remedy: $remedy,
                    },)*
                }
            }
        }
    };
}

kinds! {
    /// Another program has the port.
    PortLocked "port-locked" Critical Open 10
        "stop the program that holds the port; if it is ModemManager, install our udev rule, which keeps it away";
    /// The daemon may not open the port.
    PortDenied "port-denied" Critical Open 10
        "install our udev rule and plug the modem in again, or give the group of the daemon access to the port";
    /// What stands there is no serial port, or a broken one.
    PortUnusable "port-unusable" Critical Open 10
        "name another port of the modem in the configuration; unplug the modem and plug it in again";
    /// It went and did not come back.
    ModemLost "modem-lost" Critical Answering 120
        "plug it in; if nobody unplugged it, check its cable, hub and power supply; if it is gone for good, clear this alarm";
    /// It does not answer as a modem does, or refuses its set-up.
    ModemUnusable "modem-unusable" Critical Answering 0
        "check that this is the AT port of the modem and its speed is right; switch the modem off and on";
    /// There is no SIM in it.
    SimMissing "sim-missing" Critical SimUsable 0
        "put a SIM in, or check that it sits well";
    /// The SIM wants a PIN that cannot be given.
    SimPinMissing "sim-pin-missing" Critical SimUsable 0
        "set `modem.pin` or `modem.pin-file`, or switch the PIN of the SIM off in a phone";
    /// Another SIM is in the modem than before, and whether the PIN is for it nobody has said.
    SimSwapped "sim-swapped" Critical SimUsable 0
        "if the SIM belongs there, `smsotpctl modem confirm-sim IMEI`, then its PIN is tried; else put the former one back";
    /// The SIM refused its PIN, or wants its PUK.
    SimLocked "sim-locked" Critical SimUsable 0
        "unlock the SIM in a phone, with its PIN or PUK, and set the right `modem.pin`; a wrong one is never tried twice";
    /// No network takes it.
    NotRegistered "not-registered" Critical Registered 180
        "check aerial and signal, and with the operator whether the SIM is active and may use this network";
    /// It works as long as there is money on its SIM, and that is not much.
    BalanceLow "balance-low" Warning Whole 0
        "top up the SIM";
    /// The modem tells that its radio is jammed.
    Jamming "jamming" Critical Registered 10
        "look for whoever or whatever disturbs the radio near the aerial; move the aerial, or let messages go another way meanwhile";
    /// Two whole health ladders were of no use; it is left alone for a while.
    ModemStuck "modem-stuck" Critical Registered 0
        "cut its power and give it back; if it hangs again, update its firmware or replace it";
    /// It is in a network, but hears it badly.
    SignalWeak "signal-weak" Warning Whole 600
        "move its aerial to a better place, or use a better one; `weak-signal` in [modem] says what counts as weak";
    /// Its stores are full of messages that stay.
    SimStoreFull "sim-store-full" Warning Whole 600
        "delete the messages of the SIM in a phone: no texts and no reports come in while there is no room";
    /// Nothing leaves, though it could.
    QueueStuck "queue-stuck" Warning Whole 0
        "see `smsotpctl message list --state queued` and `smsotpctl modem trace`; if the modems are well, restart smsotpd and tell us";
    /// The disk of the store is nearly full.
    StoreFull "store-full" Warning Whole 0
        "make room on the disk of the database, or shorten `keep` in [store]";
    /// The store refuses to write: nothing can be accepted, and nothing leaves.
    StoreUnwritable "store-unwritable" Critical Whole 0
        "make room on the disk of the database, or mount it for writing; what waits goes on by itself then";
}

impl AlarmKind {
    /// Its word, which never changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The kind with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        self.row().severity
    }

    /// What a person can do.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.row().remedy
    }

    /// How long it must stand before it is worth an alarm: what passes by itself wakes nobody.
    #[must_use]
    pub fn patience(self) -> Duration {
        Duration::from_secs(self.row().seconds)
    }

    /// Whether it is about a port, whatever modem is behind it.
    #[must_use]
    pub fn is_of_port(self) -> bool {
        self.row().keeps_from == Stage::Open
    }

    /// Whether this progress shows that it is over. What stops a modem at the same stage for another reason takes its place.
    #[must_use]
    pub fn is_over(self, progress: Progress) -> bool {
        match progress {
            Progress::Unknown => false,
            Progress::Reached(stage) => stage >= self.row().keeps_from,
            Progress::Stuck(kind) => kind != self && kind.row().keeps_from >= self.row().keeps_from,
        }
    }
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a modem has come, as far as that can be seen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// Nothing can be said: it is being recovered, or was closed on purpose.
    #[default]
    Unknown,
    /// So far at least.
    Reached(Stage),
    /// Not beyond this.
    Stuck(AlarmKind),
}

impl Progress {
    /// The last stage that is known to be reached, for comparison; of two ports of a modem the furthest speaks for it.
    #[must_use]
    pub fn stage(self) -> Option<Stage> {
        match self {
            Self::Unknown => None,
            Self::Reached(stage) => Some(stage),
            Self::Stuck(kind) => match kind.row().keeps_from {
                Stage::Open => None,
                Stage::Answering => Some(Stage::Open),
                Stage::SimUsable => Some(Stage::Answering),
                Stage::Registered => Some(Stage::SimUsable),
                Stage::Whole => Some(Stage::Registered),
            },
        }
    }
}

/// What is seen of one thing that stands beside the stages. Of what cannot be seen now, or lies between well and not well, there is
/// none, and its alarm stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// Which thing.
    pub kind: AlarmKind,
    /// It is not well, and why, in words that stay the same as long as it stands; `None` if it is well.
    pub cause: Option<String>,
}

impl Sign {
    /// The sign of `kind`: it stands because of `cause`, or is `well`, or neither can be said.
    #[must_use]
    pub fn of(kind: AlarmKind, stands: bool, well: bool, cause: impl FnOnce() -> String) -> Option<Self> {
        (stands || well).then(|| Self { kind, cause: stands.then(cause) })
    }
}

/// What is seen at one port, or of one part of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the port or part.
    pub port: String,
    /// The modem behind it, once it told.
    pub modem: Option<Imei>,
    /// How far it has come.
    pub progress: Progress,
    /// Why not further, for people.
    pub cause: String,
    /// What is seen beside that.
    pub signs: Vec<Sign>,
}

/// A condition that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What is the matter.
    pub kind: AlarmKind,
    /// With what: an IMEI, or the name of a port or part of the daemon.
    pub subject: String,
    /// Why, for people.
    pub cause: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own_and_a_remedy() {
        let words: BTreeSet<_> = AlarmKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), AlarmKind::ALL.len());
        for kind in AlarmKind::ALL {
            assert_eq!(AlarmKind::from_word(kind.as_str()), Some(*kind));
            assert!(kind.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{kind}");
            assert!(!kind.remedy().is_empty(), "{kind}");
        }
        assert_eq!(AlarmKind::from_word("no-such-kind"), None);
    }

    #[test]
    fn a_later_stage_is_the_end_of_it_and_an_earlier_one_is_not() {
        use AlarmKind::{ModemLost, NotRegistered, PortLocked, SimLocked, SimMissing};
        for kind in AlarmKind::ALL {
            assert_eq!(
                kind.is_over(Progress::Reached(Stage::Registered)),
                kind.row().keeps_from < Stage::Whole,
                "{kind}"
            );
            assert!(!kind.is_over(Progress::Unknown) && !kind.is_over(Progress::Stuck(*kind)), "{kind}");
        }
        assert!(PortLocked.is_over(Progress::Reached(Stage::Open)));
        assert!(
            !SimLocked.is_over(Progress::Reached(Stage::Answering)),
            "it starts anew; the SIM was not asked yet"
        );
        assert!(!SimLocked.is_over(Progress::Stuck(PortLocked)));
        assert!(SimLocked.is_over(Progress::Stuck(SimMissing)), "another card, or none");
        assert!(SimLocked.is_over(Progress::Stuck(NotRegistered)));
        assert!(ModemLost.is_over(Progress::Stuck(SimLocked)));
    }
}
