//! The words between the machine and whoever drives it: what goes in, what comes out, and nothing of how.
//!
//! Everything here is a plain value, so a driver can log, test and compare it. Message bodies and PINs show only
//! their length in `Debug`: they are one-time codes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::at::Final;
use crate::at::command::{Address, Domain, Pin, UssdCode};
use crate::at::reply::{Radio, Stat};
use crate::modem::balance::{Balance, BalanceCheck};
use crate::modem::profile::{Library, Profile};
use crate::modem::ussd::{UssdAnswer, UssdFault};
use crate::units::{Dbm, Iccid, Imei, MessageRef};

/// Names one request of the driver; chosen by the driver, unique as long as the machine lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names one received message until it is stored; chosen by the machine, never used twice by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What a machine must know before its first byte.
#[derive(Debug, Clone)]
pub struct Settings {
    /// PIN of the SIM, if the operator gave one.
    pub pin: Option<Pin>,
    /// Whether the PIN may be tried. The permission *is* the memory of the one try: the driver notes (ICCID, PIN) as
    /// tried, durably, before it makes a machine that may try it.
    pub pin_permission: PinPermission,
    /// How often an idle modem is asked for its registration and signal; the profile's value if `None`.
    pub keep_alive: Option<Duration>,
    /// How long the answer to a PDU may take; [`CMGS_ANSWER`](crate::at::command::CMGS_ANSWER) if `None`.
    pub submit_limit: Option<Duration>,
    /// Voice calls are hung up, so that they do not keep texts from leaving.
    pub hang_up_calls: bool,
    /// How the card's balance is watched.
    pub balance: Option<BalanceCheck>,
    /// Whether networks other than the card's own are used.
    pub roaming: Roaming,
    /// Given to a card that knows no service centre.
    pub service_centre: Option<Address>,
    /// The firmware notes in force.
    pub notes: Arc<Library>,
    /// The firmware note to go by; found by the modem's identity if `None`.
    pub profile: Option<Arc<Profile>>,
    /// The card that each modem had last; another one is announced.
    pub cards: Arc<BTreeMap<Imei, Iccid>>,
    /// The note that its USB identity suggests, to go by until it has said what it is.
    pub likely: Option<Arc<Profile>>,
    /// How long the port has been there: the note's quiet time began with it.
    pub port_age: Duration,
}

impl Settings {
    /// The note to go by until the modem has said what it is.
    pub(super) fn first_profile(&self) -> Arc<Profile> {
        self.profile.clone().or_else(|| self.likely.clone()).unwrap_or_else(|| self.notes.generic())
    }
}

/// Whether visited networks are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Roaming {
    /// As the card's own.
    #[default]
    Allow,
    /// The modem waits until it is home again.
    Refuse,
}

/// For which SIM the PIN may be tried, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinPermission {
    /// Not at all: the modem stays [`Phase::Down`] with [`Cause::PinWanted`].
    Never,
    /// Only if the card in the modem is this one.
    ForCard(Iccid),
    /// Whatever card is in it (cards that tell no ICCID before the PIN).
    AnyCard,
}

/// What happened outside.
pub enum Input<'a> {
    /// Octets from the port, in any chunks.
    Bytes(&'a [u8]),
    /// Time passed; to be given when `deadline()` is reached. Also the first input, which starts the dialogue.
    Tick,
    /// Work. Its end comes as exactly one [`Output::Done`].
    Request(Request),
    /// The attempt row of this submit is committed: Ctrl-Z may leave.
    Durable(RequestId),
    /// The submit is not wanted any more; answered by `Done`, `NotSent(Abandoned)` if Ctrl-Z has not left.
    Abandon(RequestId),
    /// A received message is safe in the store: the modem may forget it.
    Stored(Token),
    /// The port is gone. Ends the machine: only `Done` and `Status` come after it.
    HangUp,
}

/// One piece of work.
#[derive(Debug)]
pub struct Request {
    /// Its name in `Durable`, `Abandon` and `Done`.
    pub id: RequestId,
    /// What to do.
    pub kind: Kind,
}

/// Kinds of work.
pub enum Kind {
    /// One SMS-SUBMIT.
    Submit {
        /// The TPDU without SMSC octets (the SIM's service centre is used), at most [`TPDU_MAX`] octets.
        tpdu: Vec<u8>,
        /// Further segments or messages follow at once: keep the radio link (`+CMMS`) where the profile allows.
        more: bool,
    },
    /// The operator asks for this step of the health ladder.
    Reset(Step),
    /// One step of a USSD dialogue: its beginning, or what the network waits for.
    Ussd(UssdCode),
    /// The end of the USSD dialogue, if there is one.
    UssdCancel,
}

/// The largest SMS-SUBMIT: first octet, reference, address of 12, PID, DCS, validity of 7, length, 140 octets of user data;
/// TS 23.040 9.2.2.2.
pub const TPDU_MAX: usize = 164;

/// What the driver must do or know, in order.
#[derive(PartialEq, Eq)]
pub enum Output {
    /// Octets for the port, to be written whole and in order.
    Write(Bytes),
    /// The one and only end of a request.
    Done(RequestId, Result<Done, Failure>),
    /// Something came from the network or happened to the modem.
    Event(Event),
    /// The picture of the modem changed.
    Status(Status),
    /// The driver must carry this step out: only [`Step::UsbReauthorise`] and [`Step::SiteHook`].
    Ladder(Step),
}

/// A request went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The network took the message.
    Submitted {
        /// TP-MR, to match status reports with.
        reference: MessageRef,
    },
    /// The step was carried out, or handed to the driver.
    Reset,
    /// The network's words.
    Ussd(UssdAnswer),
    /// No USSD dialogue is open any more.
    UssdEnded,
}

/// A request did not go well, by what is known about the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The modem or the network said no: the message was not taken.
    #[error("the modem refused the message: {0:?}")]
    Rejected(Final),
    /// Ctrl-Z has not left: safe to repeat, here or elsewhere.
    #[error("the message was not sent: {0}")]
    NotSent(#[from] NotSent),
    /// Ctrl-Z has left and no answer came: nobody knows.
    #[error("whether the message was sent is not known: {0}")]
    Uncertain(#[from] Uncertain),
    /// A step of a USSD dialogue brought no words.
    #[error(transparent)]
    Ussd(#[from] UssdFault),
}

/// Why a request ended before it could have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The modem is not ready for messages.
    #[error("the modem is not ready")]
    NotReady,
    /// One request is in flight and one is queued.
    #[error("the modem is busy")]
    Busy,
    /// The TPDU is empty or longer than [`TPDU_MAX`].
    #[error("a TPDU of {0} octets cannot be sent")]
    Length(usize),
    /// `AT+CMGS` brought no prompt.
    #[error("the modem gave no prompt")]
    PromptTimeout,
    /// The prompt was there, `Durable` was not.
    #[error("the attempt was not committed in time")]
    DurableTimeout,
    /// `Abandon` came in time.
    #[error("the message was abandoned")]
    Abandoned,
    /// The modem is being reset.
    #[error("the modem was reset")]
    Reset,
    /// The port is gone.
    #[error("the port hung up")]
    HangUp,
}

/// Why the end of a message is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uncertain {
    /// No answer within the limit; a late `+CMGS` gives [`Event::Settled`].
    #[error("the modem did not answer in time")]
    Timeout,
    /// `OK` came, `+CMGS: <mr>` did not: taken, but its reference is unknown, so no report can be matched.
    #[error("the modem gave no message reference")]
    NoReference,
    /// The modem started anew with the message in its hands.
    #[error("the modem restarted")]
    Restart,
    /// The port is gone.
    #[error("the port hung up")]
    HangUp,
}

/// What the machine tells unasked.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// A message or report was received and waits for `Stored(token)`.
    Incoming {
        /// To be given back in [`Input::Stored`].
        token: Token,
        /// By the message type indicator of the TPDU.
        kind: IncomingKind,
        /// SMSC octets and TPDU, as the modem gave them.
        octets: Vec<u8>,
    },
    /// The late answer for a submit that had ended as [`Uncertain::Timeout`] or [`Uncertain::NoReference`].
    Settled {
        /// The submit.
        id: RequestId,
        /// Its TP-MR.
        reference: MessageRef,
    },
    /// The modem is ready for messages.
    Up(Identity),
    /// The modem is not ready for messages any more, or cannot become so.
    Down(Cause),
    /// Another card is in the modem than it had last.
    OtherCard {
        /// The one that it had.
        former: Iccid,
        /// The one that is in it now.
        card: Iccid,
    },
    /// The modem tells that its radio is jammed (true), or is so no more.
    Jamming(bool),
    /// A counted oddity of the dialogue.
    Noise(Noise),
}

/// Which of the two ways a message comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncomingKind {
    /// SMS-DELIVER.
    Deliver,
    /// SMS-STATUS-REPORT.
    StatusReport,
}

/// Oddities that change nothing but should be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// A command was not answered in time.
    Timeout,
    /// A received message was no PDU and was left in the modem.
    BadPdu,
    /// More received messages wait than may be unstored; the rest stays in the modem.
    IncomingFull,
    /// The stores of the modem are full: the network holds messages back.
    StoreFull,
    /// The network's words about the balance are not what the pattern wants.
    BalanceUnread,
}

/// Why a modem is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It does not answer.
    Silent,
    /// Something else than a modem speaks behind the port.
    NoModem(Foreign),
    /// A command that is needed was refused.
    Refused(Final),
    /// No SIM, or a broken one.
    NoSim,
    /// The SIM wants its PIN and the machine may not try one (ICCID if the card tells it).
    PinWanted(Option<Iccid>),
    /// The SIM took the PIN for wrong.
    PinWrong(Option<Iccid>),
    /// Only one try is left: it belongs to a person.
    PinLastTry(Option<Iccid>),
    /// PUK or another code than the SIM PIN is wanted: a person must act.
    Locked,
    /// Not registered in a network.
    NoNetwork,
    /// The network refuses the card.
    Denied,
    /// Registered in a visited network, which the settings refuse.
    Roaming,
    /// The step of the ladder is being carried out.
    Recovering(Step),
    /// The modem started anew by itself.
    Restarted,
}

/// What is plainly no modem, or none at this port or speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// All that is said to the port comes back, and nothing else: a loop.
    Echo,
    /// Sentences of NMEA 0183: a GNSS receiver, or that port of a modem.
    Receiver,
    /// Octets that are no text: a diagnostic port, or a modem at another speed.
    Garbage,
    /// A login, a shell or a boot loader.
    Console,
}

/// The steps of the health ladder, mild to hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// ESC, then `AT`.
    Poke,
    /// The whole bring-up again.
    Reinitialise,
    /// `+CFUN=4` (radio off; `0` where that is not known), then `+CFUN=1`.
    CfunCycle,
    /// The command for a restart that its note has, or `+CFUN=1,1`; a USB modem re-enumerates.
    CfunReset,
    /// The driver takes the USB device off and on again.
    UsbReauthorise,
    /// The driver runs the site's hook (power switch).
    SiteHook,
}

/// Who the modem and its card are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The modem.
    pub imei: Option<Imei>,
    /// The SIM.
    pub iccid: Option<Iccid>,
    /// The subscriber, digits.
    pub imsi: Option<String>,
    /// `+CGMI`.
    pub manufacturer: Option<String>,
    /// `+CGMM`.
    pub model: Option<String>,
    /// `+CGMR`.
    pub revision: Option<String>,
    /// Name of the profile that is in force.
    pub profile: String,
}

/// The picture of the modem; cheap to clone, sent only when it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where the machine is.
    pub phase: Phase,
    /// Who it is.
    pub identity: Arc<Identity>,
    /// The card that the modem had before this one, which is another.
    pub former_card: Option<Iccid>,
    /// Where it is registered.
    pub registration: Registration,
    /// Whether the card knows a service centre; `None` while that is not known. Without one no message leaves.
    pub service_centre: Option<bool>,
    /// The operator's name or number as the modem gives it.
    pub operator: Option<Arc<str>>,
    /// The last signal; `None` when not known.
    pub signal: Option<Dbm>,
    /// The money on the card.
    pub balance: Balance,
    /// Whether a store was full of what stays when it was last listed: drafts, no PDUs, what cannot be deleted; `None` while none
    /// was listed.
    pub stores_full: Option<bool>,
    /// What its note's own command told of LTE.
    pub radio: Radio,
    /// The modem tells that its radio is jammed.
    pub jammed: bool,
    /// Sums since the machine was made.
    pub counters: Counters,
}

impl Status {
    /// Why a modem that is set up and not ready is not.
    #[must_use]
    pub fn hindrance(&self) -> Cause {
        match self.registration {
            registration if registration.carries_sms() => Cause::Roaming,
            registration if registration.is_denied() => Cause::Denied,
            _ => Cause::NoNetwork,
        }
    }
}

/// Where the machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Bring-up is under way.
    Starting,
    /// Set up, but in no network, or in none that may be used: see [`Status::hindrance`].
    Searching,
    /// Messages can be submitted.
    Ready,
    /// A step of the health ladder is under way.
    Recovering(Step),
    /// Nothing more will be tried without a person (or a new machine).
    Down(Cause),
    /// The port hung up.
    Closed,
}

/// `<stat>` of each registration that was told; TS 27.007 7.2, 10.1.20, 10.1.22.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Registration {
    /// `+CREG`: circuit switched.
    pub circuit: Option<u8>,
    /// `+CEREG`: LTE; asked for only where `+CREG` does not carry messages.
    pub eps: Option<u8>,
    /// `+CGREG`: GPRS; likewise.
    pub packet: Option<u8>,
}

impl Registration {
    /// Takes over what was told. Where there is circuit-switched service, nobody looks at the others, so they would be stale.
    pub(super) fn told(&mut self, domain: Domain, code: u8) {
        match domain {
            Domain::Circuit if Stat::from_code(code).carries_sms() => {
                *self = Self { circuit: Some(code), ..Self::default() };
            }
            Domain::Circuit => self.circuit = Some(code),
            Domain::Eps => self.eps = Some(code),
            Domain::Packet => self.packet = Some(code),
            Domain::FiveG => {}
        }
    }

    /// What was told of this one.
    #[must_use]
    pub fn of(self, domain: Domain) -> Option<u8> {
        match domain {
            Domain::Circuit => self.circuit,
            Domain::Eps => self.eps,
            Domain::Packet => self.packet,
            Domain::FiveG => None,
        }
    }

    /// The one that messages go by, and its state; the best first.
    #[must_use]
    pub fn serving(self) -> Option<(Domain, Stat)> {
        let told = |domain: Domain| Some((domain, Stat::from_code(self.of(domain)?)));
        let all = [Domain::Circuit, Domain::Eps, Domain::Packet].into_iter().filter_map(told);
        all.into_iter().find(|(_, stat)| stat.carries_sms())
    }

    /// Home (1), roaming (5), both for SMS only (6, 7), and the CSFB variants (9, 10), wherever it is registered.
    #[must_use]
    pub fn carries_sms(self) -> bool {
        self.serving().is_some()
    }

    /// Messages would go by a network that is not the card's own.
    #[must_use]
    pub fn is_roaming(self) -> bool {
        self.serving().is_some_and(|(_, stat)| stat.is_roaming())
    }

    /// It is in no network, and one has refused it.
    #[must_use]
    pub fn is_denied(self) -> bool {
        let denied = |code: Option<u8>| code.map(Stat::from_code) == Some(Stat::Denied);
        !self.carries_sms() && (denied(self.circuit) || denied(self.eps) || denied(self.packet))
    }

    /// `+CREG` does not carry messages, so that the others must be looked at.
    pub(super) fn needs_others(self) -> bool {
        !self.circuit.is_some_and(|code| Stat::from_code(code).carries_sms())
    }

    /// It does not even search.
    pub(super) fn is_idle(self) -> bool {
        let first = self.circuit.or(self.eps).or(self.packet);
        !self.carries_sms() && first.map(Stat::from_code) == Some(Stat::Idle)
    }
}

/// Sums since the machine was made; shown to people and tools as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// Messages that the network took.
    pub submitted: u64,
    /// Messages that modem or network refused.
    pub rejected: u64,
    /// Messages that nobody knows about.
    pub uncertain: u64,
    /// Messages and reports received.
    pub received: u64,
    /// Commands without an answer in time.
    pub timeouts: u64,
    /// Lines that nobody expected.
    pub noise_lines: u64,
    /// Received messages that were no PDU.
    pub bad_pdus: u64,
    /// Times the line was brought in step again.
    pub resyncs: u64,
    /// Steps of the ladder taken, [`Step::Poke`] first.
    pub ladder: [u32; 6],
    /// Times the modem started anew by itself.
    pub restarts: u64,
}

/// Octets read hold messages.
impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} octets)", bytes.len()),
            Self::Tick => f.write_str("Tick"),
            Self::Request(request) => write!(f, "{request:?}"),
            Self::Durable(id) => write!(f, "Durable({id:?})"),
            Self::Abandon(id) => write!(f, "Abandon({id:?})"),
            Self::Stored(token) => write!(f, "Stored({token:?})"),
            Self::HangUp => f.write_str("HangUp"),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submit { tpdu, more } => write!(f, "Submit({} octets, more: {more})", tpdu.len()),
            Self::Reset(step) => write!(f, "Reset({step:?})"),
            Self::Ussd(code) => write!(f, "Ussd({} characters)", code.as_str().len()),
            Self::UssdCancel => f.write_str("UssdCancel"),
        }
    }
}

/// Octets to write hold messages and PINs.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(bytes) => write!(f, "Write({} octets)", bytes.len()),
            Self::Done(id, result) => write!(f, "Done({id:?}, {result:?})"),
            Self::Event(event) => write!(f, "{event:?}"),
            Self::Status(status) => write!(f, "{status:?}"),
            Self::Ladder(step) => write!(f, "Ladder({step:?})"),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incoming { token, kind, octets } => {
                write!(f, "Incoming({token:?}, {kind:?}, {} octets)", octets.len())
            }
            Self::Settled { id, reference } => write!(f, "Settled({id:?}, {reference:?})"),
            Self::Up(identity) => write!(f, "Up({identity:?})"),
            Self::Down(cause) => write!(f, "Down({cause:?})"),
            Self::OtherCard { former, card } => write!(f, "OtherCard({former:?}, {card:?})"),
            Self::Jamming(jammed) => write!(f, "Jamming({jammed})"),
            Self::Noise(noise) => write!(f, "Noise({noise:?})"),
        }
    }
}
