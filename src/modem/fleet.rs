//! The fleet as others see it: a snapshot for people, the links for providers, and the operator's commands.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::balance::{Amount, Balance};
use super::driver::DriverHandle;
use super::machine::{Cause, Counters, Done, Failure, Foreign, Phase, Status, Step};
use super::pin_memory::PinMemory;
use super::trace::{Trace, Traces};
use super::ussd::{UssdAnswer, UssdFault};
use crate::alarm::{AlarmKind, Finding, Progress, Sign, Stage};
use crate::at::command::{Domain, UssdCode};
use crate::at::reply::{Radio, Stat};
use crate::units::{Dbm, Iccid, Imei};

/// A weak signal is well again when it is so many dB above the bound: it always wavers by a few.
const SIGNAL_MARGIN: i16 = 4;

/// All modems, by the name of their port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fleet {
    /// One for each port, twins included.
    pub modems: Vec<Modem>,
    /// USB devices that one could take for modems and that are none in service.
    #[serde(default)]
    pub left_alone: Vec<LeftAlone>,
}

/// A USB device that smsotpd does not touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeftAlone {
    /// Its place on the bus, `usb 1-1.4`.
    pub device: String,
    /// Vendor and product, `1546:01a8`.
    pub id: String,
    /// What it is.
    pub what: String,
    /// Why it is left alone, and what helps.
    pub cause: String,
}

/// One port and what is behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Modem {
    /// Name of the link.
    pub port: String,
    /// The device it leads to.
    pub device: String,
    /// What becomes of it.
    pub state: State,
    /// Why it is so, for people; the last error if the port cannot be opened.
    pub cause: Option<String>,
    /// How far it has come, for whoever keeps the alarms.
    #[serde(skip)]
    pub progress: Progress,
    /// What a person should know of it although it works.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// An operator holds it back; it stays in service for what comes in.
    pub hold: Option<Hold>,
    /// The modem.
    pub imei: Option<Imei>,
    /// The SIM.
    pub iccid: Option<Iccid>,
    /// The subscriber.
    pub imsi: Option<String>,
    /// Manufacturer, model and revision as the modem gives them.
    pub make: Option<String>,
    /// The firmware note in force.
    pub profile: Option<String>,
    /// The operator's name or number.
    pub operator: Option<String>,
    /// Last signal.
    pub signal: Option<Dbm>,
    /// The money on the SIM, if it is watched and was told.
    pub balance: Option<Amount>,
    /// Whether it is enough.
    #[serde(skip)]
    pub(super) money: Balance,
    /// Whether a store of the modem is full of messages that stay there, if that is known.
    #[serde(default)]
    pub stores_full: Option<bool>,
    /// LTE: power of the reference signals.
    pub rsrp: Option<Dbm>,
    /// LTE: their quality, dB.
    pub rsrq: Option<i16>,
    /// LTE: signal to interference and noise, dB.
    pub sinr: Option<i16>,
    /// `<stat>` of the registration that messages go by, else of `+CREG`.
    pub registration: Option<u8>,
    /// Sums since the driver began.
    pub counters: Counters,
    /// Times its driver was started anew since the link came.
    pub restarts: u32,
}

/// How an operator holds a modem back from sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// What began on its SIM is finished, nothing new begins; then it is paused.
    Draining,
    /// It sends nothing.
    Paused,
}

/// What becomes of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is not open: see the cause; it is tried again.
    Closed,
    /// Its port went: it was unplugged, lost power, or was reset and comes back.
    Away,
    /// It is no modem, or a port of one that must not be opened: see the cause.
    Unusable,
    /// Two whole health ladders were no use: it is left alone for a while.
    Parked,
    /// Another port of the same modem is in service.
    Spare,
    /// The modem is being set up.
    Starting,
    /// Set up, in no network.
    Searching,
    /// Messages can be submitted.
    Ready,
    /// A step of the health ladder is under way.
    Recovering,
    /// A person must act: see the cause.
    Down,
}

/// A running driver, as providers see it.
#[derive(Debug, Clone)]
pub struct Link {
    /// The way to it.
    pub driver: DriverHandle,
    /// The modem, once it told.
    pub imei: Option<Imei>,
    /// The SIM, once it told.
    pub iccid: Option<Iccid>,
    /// Whether it takes submits now.
    pub ready: bool,
    /// It takes only what began on its SIM.
    pub draining: bool,
}

/// Why an operator's command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No port and no IMEI of this name.
    #[error("there is no modem {0}")]
    NoSuchModem(String),
    /// It is there, but not open.
    #[error("modem {0} is not in service")]
    NotInService(String),
    /// The modem did not do it.
    #[error("the modem did not do it: {0}")]
    Failed(Failure),
    /// Its card has told no ICCID, or the modem no IMEI.
    #[error("modem {0} has not told who it is, or which SIM is in it")]
    NoCard(String),
    /// What is to be remembered cannot be written.
    #[error("it cannot be noted: {0}")]
    Memory(String),
    /// The daemon is stopping.
    #[error("the modems are being closed")]
    Closing,
}

/// What the supervisor itself is asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// Its port is opened at once, if it waits.
    Again { modem: String },
    /// The answer is the name by which the modem is known: its IMEI, or its port.
    Hold { modem: String, hold: Option<Hold>, reply: oneshot::Sender<Result<String, CommandError>> },
    /// Nothing that began on this modem is left.
    Drained { modem: String },
}

/// The way to the fleet; cheap to clone.
#[derive(Debug, Clone)]
pub struct FleetHandle {
    pub(super) fleet: watch::Receiver<Arc<Fleet>>,
    pub(super) links: watch::Receiver<Arc<[Link]>>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) pins: Option<PinMemory>,
    pub(super) traces: Arc<Traces>,
}

impl FleetHandle {
    /// The snapshot; readiness is told at once, figures at most five times a second.
    #[must_use]
    pub fn fleet(&self) -> watch::Receiver<Arc<Fleet>> {
        self.fleet.clone()
    }

    /// The running drivers; told at once when one comes, goes, or changes its readiness or identity.
    #[must_use]
    pub fn links(&self) -> watch::Receiver<Arc<[Link]>> {
        self.links.clone()
    }

    /// Holds a modem back from sending, by IMEI or port name, or with `None` lets it send again. Gives the name by which the
    /// hold is kept, for [`FleetSettings::held`](super::supervisor::FleetSettings::held): its IMEI, or its port.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn hold(&self, modem: &str, hold: Option<Hold>) -> Result<String, CommandError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Hold { modem: modem.to_owned(), hold, reply };
        self.commands.send(command).await.map_err(|_| CommandError::Closing)?;
        answer.await.unwrap_or(Err(CommandError::Closing))
    }

    /// Tells that what began on a draining modem is finished.
    pub fn drained(&self, modem: &str) {
        // It is told again while the modem drains, so a full queue costs a moment only.
        let _ = self.commands.try_send(Command::Drained { modem: modem.to_owned() });
    }

    /// Carries out a step of the health ladder now. A submit in flight ends as the machine sees fit.
    ///
    /// # Errors
    /// There is none of that name, it is not open, or it did not do it.
    pub async fn reset(&self, modem: &str, step: Step) -> Result<(), CommandError> {
        match self.link(modem)?.driver.reset(step).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(CommandError::Failed(failure)),
        }
    }

    /// Takes one step of a USSD dialogue: begins one, or gives the network what it waits for. Takes as long as the network does.
    ///
    /// # Errors
    /// There is none of that name, it is not open, it is busy with another step, or the network has no words for it.
    pub async fn ussd(&self, modem: &str, code: UssdCode) -> Result<UssdAnswer, CommandError> {
        match self.link(modem)?.driver.ussd(Some(code)).await {
            Ok(Done::Ussd(answer)) => Ok(answer),
            Ok(_) => Err(CommandError::Failed(UssdFault::Cancelled.into())),
            Err(failure) => Err(CommandError::Failed(failure)),
        }
    }

    /// Ends the USSD dialogue, if there is one.
    ///
    /// # Errors
    /// There is none of that name, or it is not open.
    pub async fn ussd_cancel(&self, modem: &str) -> Result<(), CommandError> {
        self.link(modem)?.driver.ussd(None).await.map(drop).map_err(CommandError::Failed)
    }

    /// The card that is in the modem belongs there: the PIN may be tried on it, once as ever.
    ///
    /// # Errors
    /// There is none of that name, it has told no card, or the memory cannot be written.
    pub async fn confirm_sim(&self, modem: &str) -> Result<(), CommandError> {
        let named = || modem.to_owned();
        let found = self.fleet.borrow().modems.iter().find(|one| one.is(modem)).cloned();
        let found = found.ok_or_else(|| CommandError::NoSuchModem(named()))?;
        let (Some(imei), Some(iccid)) = (found.imei, found.iccid) else {
            return Err(CommandError::NoCard(named()));
        };
        let pins = self.pins.as_ref().ok_or_else(|| CommandError::Memory("there is no memory".to_owned()))?;
        pins.settle(imei, iccid).await.map_err(|error| CommandError::Memory(error.to_string()))?;
        self.commands.send(Command::Again { modem: found.port }).await.map_err(|_| CommandError::Closing)
    }

    /// The wire trace of a modem, by IMEI or port name: in service, or what is kept of it when it is not.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn trace(&self, modem: &str) -> Result<Arc<Trace>, CommandError> {
        let serving = self.link(modem).ok().map(|link| link.driver.port().to_string());
        let port = serving.or_else(|| {
            let fleet = self.fleet.borrow();
            fleet.modems.iter().find(|one| one.is(modem)).map(|one| one.port.clone())
        });
        // A port that left the picture may still have its ring.
        let kept = self.traces.of(port.as_deref().unwrap_or(modem));
        kept.ok_or_else(|| CommandError::NoSuchModem(modem.to_owned()))
    }

    fn link(&self, modem: &str) -> Result<Link, CommandError> {
        if let Some(link) = self.links.borrow().iter().find(|link| link.is(modem)) {
            return Ok(link.clone());
        }
        let known = self.fleet.borrow().modems.iter().any(|one| one.is(modem));
        let modem = modem.to_owned();
        Err(if known { CommandError::NotInService(modem) } else { CommandError::NoSuchModem(modem) })
    }
}

impl Link {
    /// What of it is announced when it changes.
    pub(super) fn key(&self) -> (u64, Option<&Imei>, Option<&Iccid>, bool, bool) {
        (self.driver.serial(), self.imei.as_ref(), self.iccid.as_ref(), self.ready, self.draining)
    }

    fn is(&self, modem: &str) -> bool {
        **self.driver.port() == *modem || self.imei.as_ref().is_some_and(|imei| imei.as_str() == modem)
    }
}

impl Modem {
    /// A port that was not opened yet.
    pub(super) fn unopened(port: String, device: String) -> Self {
        Self {
            port,
            device,
            state: State::Closed,
            cause: None,
            progress: Progress::Unknown,
            remarks: Vec::new(),
            hold: None,
            imei: None,
            iccid: None,
            imsi: None,
            make: None,
            profile: None,
            operator: None,
            signal: None,
            balance: None,
            money: Balance::Unknown,
            stores_full: None,
            rsrp: None,
            rsrq: None,
            sinr: None,
            registration: None,
            counters: Counters::default(),
            restarts: 0,
        }
    }

    pub(super) fn is(&self, modem: &str) -> bool {
        self.port == modem || self.imei.as_ref().is_some_and(|imei| imei.as_str() == modem)
    }

    /// Takes over what the machine says.
    pub(super) fn show(&mut self, status: &Status) {
        let identity = &status.identity;
        (self.state, self.cause) = state(status);
        self.progress = progress(&status.phase);
        if status.jammed && matches!(status.phase, Phase::Ready | Phase::Searching) {
            self.cause = Some(JAMMED.to_owned());
            self.progress = Progress::Stuck(AlarmKind::Jamming);
        }
        self.remarks = remarks(status);
        self.imei = identity.imei.clone().or(self.imei.take());
        self.iccid.clone_from(&identity.iccid);
        self.imsi.clone_from(&identity.imsi);
        let make = [&identity.manufacturer, &identity.model, &identity.revision];
        let make = make.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
        self.make = Some(make).filter(|make| !make.is_empty());
        self.profile = Some(identity.profile.clone()).filter(|profile| !profile.is_empty());
        self.operator = status.operator.as_deref().map(str::to_owned);
        (self.signal, self.stores_full) = (status.signal, status.stores_full);
        (self.balance, self.money) = (status.balance.amount(), status.balance);
        let Radio { rsrp, rsrq, sinr } = status.radio;
        (self.rsrp, self.rsrq, self.sinr) = (rsrp, rsrq, sinr);
        let serving = status.registration.serving().and_then(|(domain, _)| status.registration.of(domain));
        self.registration = serving.or(status.registration.circuit);
        self.counters = status.counters;
    }
}

impl Fleet {
    /// IMEI and balance of each modem whose SIM's balance was told.
    pub fn balances(&self) -> impl Iterator<Item = (String, f64)> {
        let told = |modem: &Modem| Some((modem.imei.as_ref()?.to_string(), modem.balance?.into()));
        self.modems.iter().filter(|modem| modem.state != State::Spare).filter_map(told)
    }

    /// What is seen at each port that is there; a signal below `weak` is a weak one.
    #[must_use]
    pub fn findings(&self, weak: Dbm) -> Vec<Finding> {
        let finding = |modem: &Modem| Finding {
            port: modem.port.clone(),
            modem: modem.imei.clone(),
            progress: modem.progress,
            cause: modem.cause.clone().unwrap_or_default(),
            signs: signs(modem, weak),
        };
        self.modems.iter().filter(|modem| modem.state != State::Away).map(finding).collect()
    }
}

const JAMMED: &str = "the modem tells that its radio is jammed: somebody disturbs the network on purpose, or something strong nearby does; \
                      look for its source, or move the aerial";

/// What is the matter with a modem that works. Who moved the aerial wants to know that it is better now, not that it is just so.
fn signs(modem: &Modem, weak: Dbm) -> Vec<Sign> {
    let signal = modem.signal.and_then(|signal| {
        let well = signal.0 >= weak.0.saturating_add(SIGNAL_MARGIN);
        Sign::of(AlarmKind::SignalWeak, signal < weak, well, || format!("its signal is below {weak}"))
    });
    let stores = modem.stores_full.and_then(|full| {
        let cause = || "all slots of a store hold drafts, or what cannot be read or deleted".to_owned();
        Sign::of(AlarmKind::SimStoreFull, full, !full, cause)
    });
    let money = match modem.money {
        Balance::Low { threshold, .. } => Sign::of(AlarmKind::BalanceLow, true, false, || {
            format!("the balance of its SIM is below {threshold}")
        }),
        Balance::Enough(_) | Balance::Unwatched => Sign::of(AlarmKind::BalanceLow, false, true, String::new),
        Balance::Unknown => None,
    };
    signal.into_iter().chain(stores).chain(money).collect()
}

/// How far a modem in this phase has come.
fn progress(phase: &Phase) -> Progress {
    let kind = match phase {
        Phase::Starting => return Progress::Reached(Stage::Open),
        Phase::Ready => return Progress::Reached(Stage::Registered),
        Phase::Searching | Phase::Down(Cause::NoNetwork | Cause::Denied | Cause::Roaming) => {
            AlarmKind::NotRegistered
        }
        Phase::Down(Cause::Silent | Cause::NoModem(_) | Cause::Refused(_)) => AlarmKind::ModemUnusable,
        Phase::Down(Cause::NoSim) => AlarmKind::SimMissing,
        Phase::Down(Cause::PinWrong(_) | Cause::PinLastTry(_) | Cause::Locked) => AlarmKind::SimLocked,
        // Whether its PIN may be tried is being found out.
        Phase::Down(Cause::PinWanted(_)) => return Progress::Reached(Stage::Answering),
        Phase::Recovering(_) | Phase::Down(Cause::Recovering(_) | Cause::Restarted) | Phase::Closed => {
            return Progress::Unknown;
        }
    };
    Progress::Stuck(kind)
}

fn state(status: &Status) -> (State, Option<String>) {
    match &status.phase {
        Phase::Starting => (State::Starting, None),
        Phase::Searching => (State::Searching, Some(cause(&status.hindrance()))),
        Phase::Ready => (State::Ready, None),
        Phase::Recovering(step) => (State::Recovering, Some(cause(&Cause::Recovering(*step)))),
        Phase::Down(why @ Cause::NoModem(_)) => (State::Unusable, Some(cause(why))),
        Phase::Down(why) => (State::Down, Some(cause(why))),
        Phase::Closed => (State::Closed, None),
    }
}

/// What works and may still surprise, with its remedy.
fn remarks(status: &Status) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(former) = &status.former_card {
        remarks.push(format!("another SIM than before, which was {former}"));
    }
    if status.service_centre == Some(false) {
        let remedy = "set `service-centre` in [modem]";
        remarks.push(format!("the SIM knows no service centre, so no message leaves; {remedy}"));
    }
    if let Balance::Low { amount, threshold } = status.balance {
        remarks.push(format!("the balance of the SIM is {amount}, below {threshold}; top it up"));
    }
    let service = match status.registration.serving() {
        Some((Domain::Eps, _)) => {
            "registered in LTE without circuit-switched service: messages leave only if the network takes them over SGs or IMS; \
             if it refuses them, try another radio mode or network"
        }
        Some((Domain::Packet, _)) => {
            "registered for packet service only: messages leave only if the network takes them over GPRS"
        }
        Some((_, Stat::SmsOnlyHome | Stat::SmsOnlyRoaming)) => "registered for SMS only",
        _ => return remarks,
    };
    remarks.push(service.to_owned());
    remarks
}

/// Cause and, where a person must act, remedy.
fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Silent => {
            "the modem does not answer; check its power and cable, and that this is its AT port".to_owned()
        }
        Cause::NoModem(what) => foreign(*what).to_owned(),
        Cause::Refused(result) => format!("the modem refused a command of its set-up: {result:?}"),
        Cause::NoSim => "no SIM, or it cannot be read; check that it sits well".to_owned(),
        Cause::PinWanted(_) => {
            "the SIM wants a PIN that is not set or was tried before; set `pin`".to_owned()
        }
        Cause::PinWrong(_) => "the SIM refused the PIN; set the right one, it is not tried again".to_owned(),
        Cause::PinLastTry(_) => {
            "the SIM has one try left, which is left to a person; enter the PIN in a phone".to_owned()
        }
        Cause::Locked => "the SIM is locked and wants its PUK; unlock it in a phone".to_owned(),
        Cause::NoNetwork => "registered in no network; check aerial, SIM contract and signal".to_owned(),
        Cause::Denied => {
            "the network refuses this SIM; check with its operator that it is active and may be used in this modem"
                .to_owned()
        }
        Cause::Roaming => {
            "in a visited network, which is not used; bring it home, or set `roaming = \"allow\"` in [modem]".to_owned()
        }
        Cause::Recovering(step) => format!("recovering: {step:?}"),
        Cause::Restarted => "the modem started anew by itself; check its power".to_owned(),
    }
}

/// What speaks there in place of a modem, and the remedy.
fn foreign(what: Foreign) -> &'static str {
    match what {
        Foreign::Echo => {
            "all that is said to the port comes back, and no answer: a loop-back plug or crossed lines, no modem; check the cable, \
             or name another port"
        }
        Foreign::Receiver => {
            "a GNSS receiver speaks here (NMEA sentences), no modem; if it is part of one, name its AT port"
        }
        Foreign::Garbage => {
            "what comes from the port is no text: a diagnostic port, so name the AT port of the modem; or, on a serial line, \
             another speed, so set `baud`"
        }
        Foreign::Console => {
            "a console speaks here (a login, a shell or a boot loader), no modem; name another port"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modem::exchange::Registration;

    fn shown(phase: Phase, jammed: bool) -> Modem {
        let mut modem = Modem::unopened("a".to_owned(), "/dev/ttyUSB0".to_owned());
        modem.show(&Status {
            phase,
            identity: Arc::default(),
            former_card: None,
            registration: Registration::default(),
            service_centre: None,
            operator: None,
            signal: None,
            balance: Balance::Unwatched,
            stores_full: None,
            radio: Radio::default(),
            jammed,
            counters: Counters::default(),
        });
        modem
    }

    #[test]
    fn what_is_no_modem_is_unusable_and_says_what_to_do() {
        let all = [
            (Foreign::Echo, "check the cable"),
            (Foreign::Receiver, "GNSS"),
            (Foreign::Garbage, "`baud`"),
            (Foreign::Console, "name another port"),
        ];
        for (what, remedy) in all {
            let modem = shown(Phase::Down(Cause::NoModem(what)), false);
            assert_eq!(modem.state, State::Unusable);
            assert_eq!(modem.progress, Progress::Stuck(AlarmKind::ModemUnusable));
            assert!(modem.cause.as_ref().unwrap().contains(remedy), "{:?}", modem.cause);
        }
    }

    #[test]
    fn a_jammed_modem_has_its_alarm_unless_it_has_a_nearer_one() {
        let searching = shown(Phase::Searching, true);
        assert_eq!(searching.progress, Progress::Stuck(AlarmKind::Jamming));
        assert!(searching.cause.unwrap().contains("jammed"));
        assert_eq!(shown(Phase::Ready, true).progress, Progress::Stuck(AlarmKind::Jamming));
        let ready = shown(Phase::Ready, false);
        assert!(AlarmKind::Jamming.is_over(ready.progress) && ready.cause.is_none());
        assert!(AlarmKind::Jamming.is_over(shown(Phase::Searching, false).progress));
        let no_sim = shown(Phase::Down(Cause::NoSim), true);
        assert_eq!(no_sim.progress, Progress::Stuck(AlarmKind::SimMissing));
    }

    #[test]
    fn a_signal_is_weak_below_the_bound_and_well_a_margin_above_it() {
        let mut modem = Modem::unopened("a".to_owned(), "/dev/ttyUSB0".to_owned());
        assert_eq!(signs(&modem, Dbm(-105)), [], "nothing is known");
        for (signal, stands) in [(-107, Some(true)), (-105, None), (-103, None), (-101, Some(false))] {
            modem.signal = Some(Dbm(signal));
            let told = signs(&modem, Dbm(-105)).first().map(|sign| sign.cause.is_some());
            assert_eq!(told, stands, "{signal}");
        }
        modem.stores_full = Some(true);
        let kinds: Vec<_> = signs(&modem, Dbm(-90)).iter().map(|sign| sign.kind).collect();
        assert_eq!(kinds, [AlarmKind::SignalWeak, AlarmKind::SimStoreFull]);
    }
}
