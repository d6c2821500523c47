//! Unsolicited results: what the modem says unasked. Whether a line is one, while a command with the same prefix is in flight, is
//! decided by the session; here a line is only read.

use super::command::StoreName;
use super::grammar::Info;
use super::reply::{PinState, Registration, UssdReply};

/// An unsolicited result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Urc {
    /// `+CMTI`: a message was stored.
    Cmti {
        /// Where; `None` if the modem gave a number (Huawei `+CMTI: 0,111`) or nonsense.
        store: Option<StoreName>,
        /// Which slot, from 0 or 1.
        index: u16,
    },
    /// `+CDSI`: a status report was stored.
    Cdsi {
        /// Where, usually `SR`.
        store: Option<StoreName>,
        /// Which slot, from 0.
        index: u16,
    },
    /// `+CMT`: a message delivered directly; its PDU is the next line.
    Cmt {
        /// Octets of the TPDU, if told; the PDU itself is the truth.
        length: Option<u16>,
    },
    /// `+CDS`: a status report delivered directly; its PDU is the next line.
    Cds {
        /// Octets of the TPDU, if told.
        length: Option<u16>,
    },
    /// `+CBM`: cell broadcast; its page is the next line.
    Cbm {
        /// Octets of the page, if told.
        length: Option<u16>,
    },
    /// `+CREG`, `+CGREG`, `+CEREG`, `+C5GREG`. As the answer to its read command the same line has one field more.
    Registration(Registration),
    /// `RING`, `+CRING`.
    Ring,
    /// The modem or the card got ready.
    Ready(Ready),
    /// `+CPIN` unasked: the card came, went or got ready.
    Pin(PinState),
    /// `+CUSD`: the network's text.
    Cusd(UssdReply),
    /// A store is full: nothing is received until it is emptied.
    StoreFull,
    /// The modem says good-bye (`NORMAL POWER DOWN`, `POWERED DOWN`, `^SHUTDOWN`) or warns of its supply.
    Power(Power),
    /// Chatter of a vendor; counted and dropped.
    Noise,
}

/// Which step of the start was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ready {
    /// `RDY`, `^SYSSTART`, `+AT: READY`: the modem started, its settings are gone.
    Started,
    /// `Call Ready`, `+CFUN: 1`, `^SRVST:2`: the network side is up.
    Radio,
    /// `SMS Ready`, `SMS DONE`, `+QIND: SMS DONE`: the message commands work.
    Sms,
    /// `PB DONE`, `+PBREADY`: the phone book was read, the last step of most.
    Phonebook,
}

/// What was said about the supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Power {
    /// The modem goes off.
    Down,
    /// `UNDER-VOLTAGE WARNNING` and its like.
    UnderVoltage,
    /// `OVER-VOLTAGE WARNNING`, temperature.
    Warning,
}
