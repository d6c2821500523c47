//! What can be sent to a modem, with how long its answer may take and what it looks like.

use std::time::Duration;

use crate::at::{Command, Expect};
use crate::modem::profile::{Profile, VendorCommand};

/// Some answer `+CPIN?` without `OK`: after its line that much patience is left.
const NO_OK_GRACE: Duration = Duration::from_secs(1);
/// The same where the note says that no `OK` comes: time for the one that comes nevertheless.
const NO_OK_NOTED: Duration = Duration::from_millis(200);
/// What can be sent: a typed command, or a vendor's from a firmware note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::modem) enum Order {
    Known(Command),
    Vendor(VendorCommand),
    /// How often the PIN may still be entered; TS 27.007 8.65.
    PinTries,
}

impl From<Command> for Order {
    fn from(command: Command) -> Self {
        Self::Known(command)
    }
}

/// The first `AT` of a bring-up: a modem that is awake answers within 300 ms; one that hangs in a prompt needs the ESC of the resync,
/// and one that dozes is awake by then and hears the probe.
const WAKE_LIMIT: Duration = Duration::from_millis(400);
/// Vendor commands are local switches.
const VENDOR_LIMIT: Duration = Duration::from_secs(5);

impl Order {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Known(command) => command.encode(),
            Self::Vendor(_) | Self::PinTries => format!("AT{}\r", self.text()).into_bytes(),
        }
    }

    pub(super) fn limit(&self) -> Duration {
        match self {
            Self::Known(Command::At) => WAKE_LIMIT,
            Self::Known(command) => command.limit(),
            Self::Vendor(_) | Self::PinTries => VENDOR_LIMIT,
        }
    }

    pub(super) fn expect(&self) -> Expect {
        match self {
            Self::Known(command) => command.reply(),
            Self::Vendor(_) => Expect::None,
            Self::PinTries => Expect::Prefix("+CPINR"),
        }
    }

    /// What stands behind `AT`.
    fn text(&self) -> String {
        match self {
            Self::Known(command) => command.text(),
            Self::Vendor(vendor) => vendor.as_str().to_owned(),
            Self::PinTries => "+CPINR=\"SIM PIN\"".to_owned(),
        }
    }

    /// How long to wait for the final result behind the line of information, if it may be missing.
    pub(super) fn grace(&self, note: &Profile) -> Option<Duration> {
        let missing = &note.final_missing.value;
        if !missing.is_empty() && missing.contains(&self.text()) {
            return Some(NO_OK_NOTED);
        }
        (*self == Self::Known(Command::CpinRead)).then_some(NO_OK_GRACE)
    }

    pub(super) fn is_cmgs(&self) -> bool {
        matches!(self, Self::Known(Command::Cmgs { .. }))
    }

    /// Whether it leads to what the modem is, and so to its note.
    pub(super) fn is_introduction(&self) -> bool {
        use Command::{At, Ate0, Cgmi, Cgmm, Cgsn, Cmee};
        matches!(self, Self::Known(At | Ate0 | Cmee | Cgsn | Cgmi | Cgmm))
    }

    /// Whether its missing answer may mean that the modem waits for a PDU.
    pub(super) fn may_hang_in_prompt(&self) -> bool {
        matches!(self, Self::Known(Command::Cmgs { .. } | Command::At))
    }
}
