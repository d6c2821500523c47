//! Typed readings of information lines: what the answer to each command says.

use crate::units::{Dbm, Iccid, Imei, MessageRef};

use super::command::{Domain, StoreName};
use super::grammar::{Arg, Info};

/// `+CPIN`: what the card waits for; TS 27.007 8.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinState {
    /// `READY`: nothing.
    Ready,
    /// `SIM PIN`.
    SimPin,
    /// `SIM PUK`: three wrong PINs; a person must act.
    SimPuk,
    /// `SIM PIN2`: only for functions we do not use.
    SimPin2,
    /// `SIM PUK2`: only for functions we do not use.
    SimPuk2,
    /// `PH-...`: the phone or the network lock; a person must act.
    Locked(String),
    /// `NOT READY`, `SIM BUSY` and the like: wait.
    NotReady,
    /// `NOT INSERTED`, `SIM REMOVED`: there is no card.
    Absent,
    /// Anything else, as it came.
    Other(String),
}

/// `<stat>` of `+CREG` and its relatives; TS 27.007 7.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stat {
    /// 0: not registered, not searching.
    Idle,
    /// 1: home network.
    Home,
    /// 2: searching.
    Searching,
    /// 3: registration denied.
    Denied,
    /// 4, and all that is not listed.
    Unknown,
    /// 5: roaming.
    Roaming,
    /// 6: SMS only, home.
    SmsOnlyHome,
    /// 7: SMS only, roaming.
    SmsOnlyRoaming,
    /// 8: emergency only.
    Emergency,
    /// 9: home, CSFB not preferred.
    CsfbNotPreferredHome,
    /// 10: roaming, CSFB not preferred.
    CsfbNotPreferredRoaming,
    /// 11: attached for restricted local operator services.
    Restricted,
}

/// Where the modem is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Which registration.
    pub domain: Domain,
    /// `<n>`, if the line has it: the answer to the read command has, an unsolicited one has not.
    pub n: Option<u8>,
    /// The state.
    pub stat: Stat,
    /// `<stat>` as it came.
    pub code: u8,
    /// Location or tracking area.
    pub lac: Option<u32>,
    /// Routing area, which some Novatel firmware puts between area and cell.
    pub rac: Option<u32>,
    /// Cell; 36 bits in 5G.
    pub ci: Option<u64>,
    /// Access technology; 7 = LTE.
    pub act: Option<u8>,
    /// Whether cell fields were there at all, even if not readable.
    pub has_cell: bool,
}

/// `+CSQ`; TS 27.007 8.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Csq {
    /// 0..=31, 99 = not known.
    pub rssi: u8,
    /// Bit error rate class 0..=7, 99 = not known.
    pub ber: u8,
    /// The strength, if known.
    pub dbm: Option<Dbm>,
}

/// `+CSCA`; TS 27.005 3.3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csca {
    /// The address as digits with or without plus; empty means that sending will fail with CMS 330.
    pub address: String,
    /// Type of address, 145 = international.
    pub toa: Option<u8>,
}

/// One store of `+CPMS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFill {
    /// Its name, if the answer has names (`+CPMS?` has, `+CPMS=` has not).
    pub store: Option<StoreName>,
    /// Messages in it.
    pub used: u16,
    /// Slots it has.
    pub total: u16,
}

/// `+CPMS?` and the answer to `+CPMS=`: one to three stores, in the order read, write, receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpms {
    /// The stores.
    pub stores: Vec<StoreFill>,
}

/// `+CPMS=?`: what may be set, for each of one to three places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpmsSupport {
    /// Names for read, write, receive.
    pub places: Vec<Vec<StoreName>>,
}

/// `+CNMI=?`: the values each field takes; an empty set means the field was not told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CnmiSupport {
    /// When unsolicited results are sent.
    pub mode: Vec<u8>,
    /// Received messages.
    pub mt: Vec<u8>,
    /// Cell broadcast.
    pub bm: Vec<u8>,
    /// Status reports.
    pub ds: Vec<u8>,
    /// Buffered results.
    pub bfr: Vec<u8>,
}

/// `+CMGS: <mr>[,...]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CmgsReply {
    /// The reference the modem gave to the message.
    pub mr: MessageRef,
}

/// `<stat>` of a stored message; TS 27.005 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageStat {
    /// 0: received, unread.
    ReceivedUnread,
    /// 1: received, read.
    ReceivedRead,
    /// 2: stored, unsent.
    StoredUnsent,
    /// 3: stored, sent.
    StoredSent,
    /// A number or word that says nothing.
    Other,
}

/// `+CMGR: <stat>,[<alpha>],<length>` in PDU mode; the PDU is the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CmgrHeader {
    /// State of the message.
    pub stat: MessageStat,
    /// Octets of the TPDU as told; the PDU itself is the truth.
    pub length: Option<u16>,
}

/// `+CMGL: <index>,<stat>,[<alpha>],<length>` in PDU mode; the PDU is the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CmglHeader {
    /// Slot, from 0 or 1.
    pub index: u16,
    /// State of the message.
    pub stat: MessageStat,
    /// Octets of the TPDU as told.
    pub length: Option<u16>,
}

/// `+COPS?`; TS 27.007 7.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cops {
    /// 0 automatic, 1 manual, 2 deregistered.
    pub mode: u8,
    /// Form of the name: 0 long, 1 short, 2 numeric.
    pub format: Option<u8>,
    /// The operator; none when not registered.
    pub operator: Option<String>,
    /// Access technology.
    pub act: Option<u8>,
}

/// `+CUSD`; TS 27.007 7.15.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UssdReply {
    /// 0 done, 1 the network waits for an answer, 2 ended by the network, 4 not supported, 5 timeout.
    pub m: u8,
    /// The text as it came: plain, packed 7-bit hex or UCS2 hex.
    pub text: Option<String>,
    /// Data coding scheme, often absent or wrong.
    pub dcs: Option<u8>,
}
