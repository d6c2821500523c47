//! From a port that was just opened to a modem that is set up: one command after another, as few as safety allows.
//!
//! Optional commands may fail without effect. A card that is still busy is asked again every second for a bounded time. What is
//! not needed for the first message (signal, operator, revision, stored messages) is asked afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::at::command::{Cnmi, Domain, StoreName};
use crate::at::reply::{self, CnmiSupport, Cpms, PinState};
use crate::at::{Command, Disposition, Final};
use crate::modem::exchange::{Cause, Identity, PinPermission, Registration, Settings};
use crate::modem::profile::{Acknowledge, Delivery, Profile};
use crate::modem::session::{Answer, Order};

/// A busy card is asked again after this; ofono uses the same pause.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// `+CPIN: READY` comes 3 to 20 s before the card's message files are readable.
const BUSY_LIMIT: Duration = Duration::from_secs(30);
/// Huawei and Novatel want 3 s after the PIN.
const PIN_PAUSE: Duration = Duration::from_secs(3);
/// `AT` answered by an error: the rest of what stood in the modem's buffer. Again, so often.
const WAKE_TRIES: u8 = 5;
/// `+CGSN` answered by a bare `OK`: perhaps the answer to an older command. In step again, so often.
const IMEI_TRIES: u8 = 2;
/// The last try of a PIN belongs to a person.
const PIN_TRIES_KEPT: u8 = 1;

/// `<stat>` of a modem that is not registered and does not search; TS 27.007 7.2. So is one whose radio is off.
pub(super) const IDLE: u8 = 0;

/// What the set-up found out, for the time afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SetUp {
    /// The store of received messages and how many stores `+CPMS` takes here; `None` if it takes nothing.
    pub(super) store: Option<StoreSetUp>,
    /// Direct deliveries must be acknowledged.
    pub(super) acknowledge: bool,
    /// How new messages are told; `None`: not at all, the store must be looked at.
    pub(super) notify: Option<Cnmi>,
    pub(super) registration: Registration,
    /// `+CREG?` shows that the modem keeps what was set.
    pub(super) keeps_settings: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoreSetUp {
    pub(super) receive: StoreName,
    pub(super) places: u8,
    pub(super) used: u16,
    pub(super) total: u16,
}

impl StoreSetUp {
    /// The command that selects `read` to read from and leaves the others as they are.
    pub(super) fn select(&self, read: StoreName) -> Command {
        let other = |place: u8| (self.places >= place).then(|| self.receive.clone());
        Command::CpmsSet { read, write: other(2), receive: other(3) }
    }
}

/// What is to be done after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The next command.
    Ask,
    /// The next command after a pause.
    Pause(Duration),
    /// The line is out of step.
    Resync,
    /// A person or time must help.
    Failed(Cause),
    /// Set up.
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Wake { tries: u8 },
    Echo,
    Errors,
    Imei { tries: u8 },
    Manufacturer,
    Model,
    Silence(usize),
    Pin,
    LockedIccid(usize),
    PinTries,
    EnterPin,
    Iccid(usize),
    PduMode,
    Stores { choice: usize, places: u8 },
    Service,
    NotifyTest,
    Notify(usize),
    RegistrationSet,
    RegistrationRead,
    RadioOn,
    Done,
}

/// Most places of `+CPMS`; tried first.
const PLACES: u8 = 3;

/// A bring-up under way.
#[derive(Debug)]
pub(super) struct BringUp {
    stage: Stage,
    busy_until: Instant,
    wake_until: Instant,
    identity: Identity,
    profile: Arc<Profile>,
    notify: Vec<Cnmi>,
    setup: SetUp,
}

/// What a bring-up needs of its machine.
pub(super) struct Card<'a> {
    pub(super) settings: &'a Settings,
    /// The one try of the PIN was made by this machine.
    pub(super) pin_spent: &'a mut bool,
}

impl BringUp {
    /// `patience`: how long the modem may stay silent.
    pub(super) fn new(now: Instant, settings: &Settings, patience: Duration) -> Self {
        Self {
            stage: Stage::Wake { tries: 0 },
            busy_until: now + BUSY_LIMIT,
            wake_until: now + patience,
            identity: Identity::default(),
            profile: settings.first_profile(),
            notify: Vec::new(),
            setup: SetUp::default(),
        }
    }

    /// Whether silence is still no fault.
    pub(super) fn may_be_silent(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Wake { .. }) && now < self.wake_until
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What was set up, and the profile in force.
    pub(super) fn finish(self) -> (SetUp, Arc<Profile>, Identity) {
        (self.setup, self.profile, self.identity)
    }

    /// The command of this stage. Stages without a command (nothing to silence, no service wanted) are passed over.
    pub(super) fn order(&mut self, card: &mut Card<'_>) -> Result<Order, Progress> {
        loop {
            let command = match self.stage {
                Stage::Wake { .. } => Command::At,
                Stage::Echo => Command::Ate0,
                Stage::Errors => Command::Cmee,
                Stage::Imei { .. } => Command::Cgsn,
                Stage::Manufacturer => Command::Cgmi,
                Stage::Model => Command::Cgmm,
                Stage::Silence(at) => match self.profile.silence.value.get(at) {
                    Some(vendor) => return Ok(Order::Vendor(vendor.clone())),
                    None => {
                        self.stage = Stage::Pin;
                        continue;
                    }
                },
                Stage::Pin => Command::CpinRead,
                Stage::LockedIccid(at) | Stage::Iccid(at) => match self.profile.iccid.value.get(at) {
                    Some(form) => Command::Ccid(form.form()),
                    None => {
                        self.stage = self.after_iccid();
                        continue;
                    }
                },
                Stage::PinTries => {
                    self.may_enter_pin(card)?;
                    return Ok(Order::PinTries);
                }
                Stage::EnterPin => {
                    let Some(pin) = card.settings.pin.clone().filter(|_| !*card.pin_spent) else {
                        return Err(Progress::Failed(Cause::PinWanted(self.identity.iccid.clone())));
                    };
                    *card.pin_spent = true;
                    Command::CpinEnter(pin)
                }
                Stage::PduMode => Command::CmgfPdu,
                Stage::Stores { choice, places } => match self.profile.stores.value.get(choice) {
                    Some(store) => {
                        let candidate = StoreSetUp { receive: store.name(), places, used: 0, total: 0 };
                        candidate.select(store.name())
                    }
                    None => {
                        self.stage = Stage::Service;
                        continue;
                    }
                },
                Stage::Service => {
                    if self.profile.delivery.value == Delivery::Direct {
                        Command::CsmsSet(1)
                    } else {
                        self.stage = Stage::NotifyTest;
                        continue;
                    }
                }
                Stage::NotifyTest => Command::CnmiTest,
                Stage::Notify(at) => match self.notify.get(at) {
                    Some(cnmi) => Command::CnmiSet(*cnmi),
                    None => {
                        self.stage = Stage::RegistrationSet;
                        continue;
                    }
                },
                Stage::RegistrationSet => Command::RegistrationSet(Domain::Circuit, 1),
                Stage::RegistrationRead => Command::RegistrationRead(Domain::Circuit),
                Stage::RadioOn => Command::Cfun(1),
                Stage::Done => return Err(Progress::Finished),
            };
            return Ok(command.into());
        }
    }

    fn after_iccid(&self) -> Stage {
        if matches!(self.stage, Stage::LockedIccid(_)) { Stage::PinTries } else { Stage::PduMode }
    }

    fn may_enter_pin(&self, card: &Card<'_>) -> Result<(), Progress> {
        let iccid = self.identity.iccid.clone();
        if *card.pin_spent {
            return Err(Progress::Failed(Cause::PinWrong(iccid)));
        }
        let allowed = match &card.settings.pin_permission {
            PinPermission::Never => false,
            PinPermission::ForCard(card) => Some(card) == iccid.as_ref(),
            PinPermission::AnyCard => true,
        };
        if allowed && card.settings.pin.is_some() {
            Ok(())
        } else {
            Err(Progress::Failed(Cause::PinWanted(iccid)))
        }
    }

    /// No answer: an optional command is passed over, a needed one comes again.
    pub(super) fn timed_out(&mut self) {
        match self.stage {
            Stage::EnterPin => self.stage = Stage::Pin,
            Stage::Wake { .. } | Stage::Pin | Stage::PduMode | Stage::RegistrationRead => {}
            _ => self.skip(),
        }
    }

    /// The stage after this one, or its next variant.
    fn skip(&mut self) {
        self.stage = match self.stage {
            Stage::Wake { .. } => Stage::Echo,
            Stage::Echo => Stage::Errors,
            Stage::Errors => Stage::Imei { tries: 0 },
            Stage::Imei { .. } => Stage::Manufacturer,
            Stage::Manufacturer => Stage::Model,
            Stage::Model => Stage::Silence(0),
            Stage::Silence(at) => Stage::Silence(at.saturating_add(1)),
            Stage::Pin => Stage::Iccid(0),
            Stage::LockedIccid(at) => Stage::LockedIccid(at.saturating_add(1)),
            Stage::PinTries => Stage::EnterPin,
            Stage::EnterPin => Stage::Pin,
            Stage::Iccid(at) => Stage::Iccid(at.saturating_add(1)),
            Stage::PduMode => Stage::Stores { choice: 0, places: PLACES },
            Stage::Stores { choice, places: 0 | 1 } => {
                Stage::Stores { choice: choice.saturating_add(1), places: PLACES }
            }
            Stage::Stores { choice, places } => Stage::Stores { choice, places: places.saturating_sub(1) },
            Stage::Service => Stage::NotifyTest,
            Stage::NotifyTest => Stage::Notify(0),
            Stage::Notify(at) => Stage::Notify(at.saturating_add(1)),
            Stage::RegistrationSet => Stage::RegistrationRead,
            Stage::RegistrationRead | Stage::RadioOn | Stage::Done => Stage::Done,
        };
    }

    fn on(&mut self, stage: Stage) -> Progress {
        self.stage = stage;
        Progress::Ask
    }

    fn next(&mut self) -> Progress {
        self.skip();
        Progress::Ask
    }

    /// Again in a second, while the bound lasts.
    fn again(&self, now: Instant) -> Option<Progress> {
        (now < self.busy_until).then_some(Progress::Pause(BUSY_PAUSE))
    }

    /// Takes the answer to the command of this stage.
    pub(super) fn answered(&mut self, now: Instant, card: &Card<'_>, answer: &Answer) -> Progress {
        let ok = answer.result == Final::Ok;
        let sim = matches!(
            self.stage,
            Stage::Iccid(_) | Stage::PduMode | Stage::Stores { .. } | Stage::Notify(_) | Stage::NotifyTest
        );
        if sim
            && is_busy(&answer.result)
            && let Some(again) = self.again(now)
        {
            return again;
        }
        let text =
            |name| answer.lines.first().and_then(|line| reply::identity(line, name)).map(str::to_owned);
        match self.stage {
            Stage::Wake { tries } if !ok && tries < WAKE_TRIES => {
                self.on(Stage::Wake { tries: tries.saturating_add(1) })
            }
            Stage::Imei { tries } => {
                self.identity.imei = answer.lines.first().and_then(|line| reply::imei(line));
                if ok && answer.lines.is_empty() && tries < IMEI_TRIES {
                    self.stage = Stage::Imei { tries: tries.saturating_add(1) };
                    return Progress::Resync;
                }
                self.next()
            }
            Stage::Manufacturer => {
                self.identity.manufacturer = text("+CGMI");
                self.next()
            }
            Stage::Model => {
                self.identity.model = text("+CGMM");
                self.choose_profile(card.settings);
                self.next()
            }
            Stage::Pin => self.pin_told(now, answer),
            Stage::LockedIccid(_) | Stage::Iccid(_) => self.iccid_told(answer),
            Stage::PinTries => {
                let left: Option<u8> = answer.info().and_then(|info| info.number(1));
                if ok && left.is_some_and(|left| left <= PIN_TRIES_KEPT) {
                    return Progress::Failed(Cause::PinLastTry(self.identity.iccid.clone()));
                }
                self.on(Stage::EnterPin)
            }
            Stage::EnterPin if ok => {
                self.stage = Stage::Pin;
                self.busy_until = now + BUSY_LIMIT;
                Progress::Pause(PIN_PAUSE)
            }
            Stage::EnterPin => Progress::Failed(Cause::PinWrong(self.identity.iccid.clone())),
            Stage::PduMode if !ok => {
                self.again(now).unwrap_or_else(|| Progress::Failed(Cause::Refused(answer.result.clone())))
            }
            Stage::Stores { choice, places } => self.stores_told(now, choice, places, answer),
            Stage::Service => {
                self.setup.acknowledge = ok && self.profile.cnma.value == Acknowledge::IfRequired;
                self.next()
            }
            Stage::NotifyTest => {
                let support = answer.info().and_then(|info| CnmiSupport::parse(&info)).unwrap_or_default();
                self.notify = candidates(&self.profile, &support);
                self.next()
            }
            Stage::Notify(at) if ok => {
                self.setup.notify = self.notify.get(at).copied();
                self.on(Stage::RegistrationSet)
            }
            Stage::RegistrationRead => {
                self.setup.registration = registration(answer).unwrap_or_default();
                self.setup.keeps_settings = keeps_settings(answer);
                // The port may have gone between `+CFUN=0` and `+CFUN=1` of a recovery: who does not even search is told to.
                let idle = self.setup.registration == Registration(Some(IDLE));
                self.stage = if idle { Stage::RadioOn } else { Stage::Done };
                Progress::Ask
            }
            _ => self.next(),
        }
    }

    fn choose_profile(&mut self, settings: &Settings) {
        let Identity { manufacturer, model, .. } = &self.identity;
        self.profile = settings
            .profile
            .clone()
            .unwrap_or_else(|| settings.notes.find(manufacturer.as_deref(), model.as_deref()));
        self.identity.profile.clone_from(&self.profile.name);
    }

    fn pin_told(&mut self, now: Instant, answer: &Answer) -> Progress {
        let state = match (&answer.result, answer.info().and_then(|info| PinState::parse(&info))) {
            (Final::Ok, Some(state)) => state,
            (Final::Cme(error), _) => match error.code() {
                Some(10) => PinState::Absent,
                Some(11) => PinState::SimPin,
                Some(5..=7 | 12 | 17 | 18) => PinState::SimPuk,
                _ => PinState::NotReady,
            },
            (Final::Cms(error), _) => match error.code() {
                Some(310) => PinState::Absent,
                Some(311) => PinState::SimPin,
                Some(316) => PinState::SimPuk,
                _ => PinState::NotReady,
            },
            _ => PinState::NotReady,
        };
        match state {
            PinState::Ready | PinState::SimPin2 | PinState::SimPuk2 => self.next(),
            PinState::SimPin => self.on(Stage::LockedIccid(0)),
            PinState::SimPuk | PinState::Locked(_) => Progress::Failed(Cause::Locked),
            PinState::Absent => Progress::Failed(Cause::NoSim),
            PinState::NotReady | PinState::Other(_) => self.again(now).unwrap_or_else(|| {
                Progress::Failed(match &answer.result {
                    Final::Ok => Cause::NoSim,
                    refused => Cause::Refused(refused.clone()),
                })
            }),
        }
    }

    fn iccid_told(&mut self, answer: &Answer) -> Progress {
        match answer.lines.first().and_then(|line| reply::iccid(line)) {
            Some(iccid) => {
                self.identity.iccid = Some(iccid);
                let after = self.after_iccid();
                self.on(after)
            }
            None => self.next(),
        }
    }

    fn stores_told(&mut self, now: Instant, choice: usize, places: u8, answer: &Answer) -> Progress {
        let stores = &self.profile.stores.value;
        let last = choice.saturating_add(1) >= stores.len();
        if answer.result != Final::Ok {
            if last
                && places <= 1
                && answer.result == Final::Error
                && let Some(again) = self.again(now)
            {
                self.stage = Stage::Stores { choice: 0, places: PLACES };
                return again;
            }
            return self.next();
        }
        let fill = answer.info().and_then(|info| Cpms::parse(&info));
        let receiving = fill.as_ref().and_then(|cpms| cpms.stores.last());
        if receiving.is_some_and(|fill| fill.total == 0) && !last {
            return self.on(Stage::Stores { choice: choice.saturating_add(1), places: PLACES });
        }
        let reading = fill.as_ref().and_then(|cpms| cpms.stores.first());
        self.setup.store = stores.get(choice).map(|store| StoreSetUp {
            receive: store.name(),
            places,
            used: reading.map_or(0, |fill| fill.used),
            total: reading.map_or(0, |fill| fill.total),
        });
        self.on(Stage::Service)
    }
}

/// `+CREG: <n>,<stat>` of an answer.
pub(super) fn registration(answer: &Answer) -> Option<Registration> {
    answer.info().and_then(|info| reply::Registration::parse(&info)).map(|read| Registration(Some(read.code)))
}

/// Whether `<n>` of `+CREG: <n>,<stat>` is not that of a modem that was just switched on; TS 27.007 7.2.
pub(super) fn keeps_settings(answer: &Answer) -> bool {
    let read = answer.info().and_then(|info| reply::Registration::parse(&info));
    read.and_then(|read| read.n).is_some_and(|n| n != 0)
}

/// The card is not ready yet: the same command again.
pub(super) fn is_busy(result: &Final) -> bool {
    match result {
        Final::Cme(error) => {
            error.disposition() == Disposition::SimBusy || matches!(error.code(), Some(14 | 515 | 527))
        }
        Final::Cms(error) => {
            error.disposition() == Disposition::SimBusy || matches!(error.code(), Some(314 | 515 | 532))
        }
        Final::ModemBusy => true,
        _ => false,
    }
}

/// Settings of `+CNMI` to try, the best first: those of the preference that the modem says it knows; all of it if it
/// says nothing.
fn candidates(profile: &Profile, support: &CnmiSupport) -> Vec<Cnmi> {
    let (mts, dss): (&[u8], &[u8]) = match profile.delivery.value {
        Delivery::Store => (&[1], &[2, 1, 0]),
        Delivery::Direct => (&[2, 1], &[1, 2, 0]),
    };
    let knows = |known: &[u8], value: u8| known.is_empty() || known.contains(&value);
    let bfr = u8::from(!knows(&support.bfr, 0));
    let mut all = Vec::new();
    for &mt in mts.iter().filter(|&&mt| knows(&support.mt, mt)) {
        for &ds in dss.iter().filter(|&&ds| knows(&support.ds, ds)) {
            for &mode in profile.cnmi_modes.value.iter().filter(|&&mode| knows(&support.mode, mode)) {
                all.push(Cnmi { mode, mt, bm: 0, ds, bfr });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modem::profile::Library;

    fn first(support: &CnmiSupport) -> Option<(u8, u8, u8, u8)> {
        candidates(&Library::compiled_in().generic(), support).first().map(|c| (c.mode, c.mt, c.ds, c.bfr))
    }

    #[test]
    fn notifications_are_what_both_sides_know() {
        let support = |mode: &[u8], ds: &[u8], bfr: &[u8]| CnmiSupport {
            mode: mode.to_vec(),
            mt: vec![0, 1, 2],
            bm: vec![0],
            ds: ds.to_vec(),
            bfr: bfr.to_vec(),
        };
        assert_eq!(first(&CnmiSupport::default()), Some((2, 1, 2, 0)));
        assert_eq!(first(&support(&[0, 1, 2], &[0, 1, 2], &[0, 1])), Some((2, 1, 2, 0)));
        assert_eq!(first(&support(&[0, 1], &[0, 1], &[0])), Some((1, 1, 1, 0)));
        assert_eq!(first(&support(&[0, 1, 2], &[0], &[1])), Some((2, 1, 0, 1)));
        assert_eq!(first(&support(&[3], &[0, 1], &[1])), None);
    }
}
