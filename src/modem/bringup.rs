//! From a port that was just opened to a modem that is set up: one command after another, as few as safety allows.
//!
//! Optional commands may fail without effect. A card that is still busy is asked again, with growing pauses, for a bounded time. What is
//! not needed for the first message (signal, operator, revision, stored messages) is asked afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::at::command::{Cnmi, Domain};
use crate::at::reply::{self, CnmiSupport};
use crate::at::{Command, Disposition, Final};
use crate::modem::exchange::{Cause, Identity, Registration, Settings};
use crate::modem::profile::{Acknowledge, Delivery, Profile};
use crate::modem::session::{Answer, Order};

mod network;
mod pin;
mod stores;

pub(super) use network::{has_service_centre, keeps_settings, stat};
pub(super) use pin::PinUse;
pub(super) use stores::StoreSetUp;
use stores::candidates;

/// A busy card is asked again after this; ofono uses the same pause. Later after a quarter of the time that has passed, so that nobody
/// waits much longer than the card needs.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
const BUSY_PART: u32 = 4;
/// `AT` answered by an error: the rest of what stood in the modem's buffer. Again, so often.
const WAKE_TRIES: u8 = 5;
/// `+CGSN` answered by a bare `OK`: perhaps the answer to an older command. In step again, so often.
const IMEI_TRIES: u8 = 2;
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
    /// Whether the card knows a service centre; `None` if that was not asked.
    pub(super) service_centre: Option<bool>,
    /// `+CREG?` shows that the modem keeps what was set.
    pub(super) keeps_settings: bool,
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
    Toggle(usize),
    Stores { choice: usize, places: u8 },
    Service,
    NotifyTest,
    Notify(usize),
    Bearer(usize),
    CentreRead,
    CentreSet,
    RegistrationSet(Domain),
    RegistrationRead(Domain),
    RadioOn,
    Done,
}

/// A bring-up under way.
#[derive(Debug)]
pub(super) struct BringUp {
    stage: Stage,
    busy_since: Instant,
    /// A busy card is waited for.
    waits: bool,
    wake_until: Instant,
    identity: Identity,
    note: Arc<Profile>,
    notify: Vec<Cnmi>,
    setup: SetUp,
}

/// What a bring-up needs of its machine.
pub(super) struct Card<'a> {
    pub(super) settings: &'a Settings,
    /// What became of the one try of the PIN that the machine has.
    pub(super) pin_use: &'a mut PinUse,
}

impl BringUp {
    /// `note`: to go by until the modem has said what it is. `patience`: how long it may stay silent.
    pub(super) fn new(now: Instant, note: Arc<Profile>, patience: Duration) -> Self {
        Self {
            stage: Stage::Wake { tries: 0 },
            busy_since: now,
            waits: true,
            wake_until: now + patience,
            identity: Identity::default(),
            note,
            notify: Vec::new(),
            setup: SetUp::default(),
        }
    }

    /// The card was busy for all of its time before: one look at it will do.
    pub(super) fn look_once(&mut self) {
        self.waits = false;
    }

    /// Whether silence is still no fault.
    pub(super) fn may_be_silent(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Wake { .. }) && now < self.wake_until
    }

    /// The line came into step, so `AT` was answered.
    pub(super) fn in_step(&mut self) {
        if matches!(self.stage, Stage::Wake { .. }) {
            self.stage = self.following();
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The note in force.
    pub(super) fn note(&self) -> &Arc<Profile> {
        &self.note
    }

    /// What was set up.
    pub(super) fn finish(self) -> SetUp {
        self.setup
    }

    /// The command of this stage. Stages without one (nothing to silence, no service wanted) are passed over.
    pub(super) fn order(&mut self, card: &mut Card<'_>) -> Result<Order, Progress> {
        loop {
            if let Some(order) = self.order_of_stage(card)? {
                return Ok(order);
            }
            self.stage = self.after();
        }
    }

    fn order_of_stage(&self, card: &mut Card<'_>) -> Result<Option<Order>, Progress> {
        let command = match self.stage {
            Stage::Wake { .. } => Command::At,
            Stage::Echo => Command::Ate0,
            Stage::Errors => Command::Cmee,
            Stage::Imei { .. } => Command::Cgsn,
            Stage::Manufacturer => Command::Cgmi,
            Stage::Model => Command::Cgmm,
            Stage::Silence(at) => return Ok(self.note.silence.value.get(at).cloned().map(Order::Vendor)),
            Stage::Pin => Command::CpinRead,
            Stage::LockedIccid(at) | Stage::Iccid(at) => {
                let form = self.note.iccid.value.get(at);
                return Ok(form.map(|form| Command::Ccid(form.form()).into()));
            }
            Stage::PinTries => {
                self.may_enter_pin(card)?;
                return Ok(Some(Order::PinTries));
            }
            Stage::EnterPin => return self.enter_pin(card).map(Some),
            Stage::PduMode => Command::CmgfPdu,
            Stage::Toggle(at) => return Ok(self.toggle_store(at)),
            Stage::Stores { choice, places } => return Ok(self.choose_store(choice, places)),
            Stage::Service if self.note.delivery.value == Delivery::Direct => Command::CsmsSet(1),
            Stage::Service => return Ok(None),
            Stage::NotifyTest => Command::CnmiTest,
            Stage::Notify(at) => return Ok(self.notify.get(at).map(|cnmi| Command::CnmiSet(*cnmi).into())),
            Stage::Bearer(at) => {
                return Ok(self.note.bearer.value.get(at).map(|service| Command::Cgsms(*service).into()));
            }
            // Without one to set it is looked for when there is time.
            Stage::CentreRead if card.settings.service_centre.is_some() => Command::CscaRead,
            Stage::CentreRead => return Ok(None),
            Stage::CentreSet => {
                return Ok(card
                    .settings
                    .service_centre
                    .clone()
                    .map(|centre| Command::CscaSet(centre).into()));
            }
            Stage::RegistrationSet(domain) => Command::RegistrationSet(domain, 1),
            Stage::RegistrationRead(domain) => Command::RegistrationRead(domain),
            Stage::RadioOn => Command::Cfun(1),
            Stage::Done => return Err(Progress::Finished),
        };
        Ok(Some(command.into()))
    }

    /// The stage behind this one and all its variants.
    fn after(&self) -> Stage {
        match self.stage {
            Stage::Silence(_) => Stage::Pin,
            Stage::LockedIccid(_) => Stage::PinTries,
            Stage::Iccid(_) => Stage::PduMode,
            Stage::Toggle(_) => Stage::Stores { choice: 0, places: self.most_places() },
            Stage::Stores { .. } => Stage::Service,
            Stage::Notify(_) => Stage::Bearer(0),
            Stage::Bearer(_) => Stage::CentreRead,
            Stage::CentreRead => Stage::RegistrationSet(Domain::Circuit),
            _ => self.following(),
        }
    }

    /// No answer: an optional command is passed over, a needed one comes again.
    pub(super) fn timed_out(&mut self) {
        match self.stage {
            Stage::EnterPin => self.stage = Stage::Pin,
            Stage::Wake { .. } | Stage::Pin | Stage::PduMode | Stage::RegistrationRead(Domain::Circuit) => {}
            _ => self.stage = self.following(),
        }
    }

    /// This stage's next variant, or the stage after it.
    fn following(&self) -> Stage {
        let next = |at: usize| at.saturating_add(1);
        match self.stage {
            Stage::Wake { .. } => Stage::Echo,
            Stage::Echo => Stage::Errors,
            Stage::Errors => Stage::Imei { tries: 0 },
            Stage::Imei { .. } => Stage::Manufacturer,
            Stage::Manufacturer => Stage::Model,
            Stage::Model => Stage::Silence(0),
            Stage::Silence(at) => Stage::Silence(next(at)),
            Stage::Pin => Stage::Iccid(0),
            Stage::LockedIccid(at) => Stage::LockedIccid(next(at)),
            Stage::PinTries => Stage::EnterPin,
            Stage::EnterPin => Stage::Pin,
            Stage::Iccid(at) => Stage::Iccid(next(at)),
            Stage::PduMode => Stage::Toggle(0),
            Stage::Toggle(at) => Stage::Toggle(next(at)),
            Stage::Stores { choice, places: 0 | 1 } => {
                Stage::Stores { choice: next(choice), places: self.most_places() }
            }
            Stage::Stores { choice, places } => Stage::Stores { choice, places: places.saturating_sub(1) },
            Stage::Service => Stage::NotifyTest,
            Stage::NotifyTest => Stage::Notify(0),
            Stage::Notify(at) => Stage::Notify(next(at)),
            Stage::Bearer(at) => Stage::Bearer(next(at)),
            Stage::CentreRead | Stage::CentreSet => Stage::RegistrationSet(Domain::Circuit),
            Stage::RegistrationSet(domain) => Stage::RegistrationRead(domain),
            Stage::RegistrationRead(Domain::Eps) => Stage::RegistrationSet(Domain::Packet),
            Stage::RegistrationRead(_) | Stage::RadioOn | Stage::Done => Stage::Done,
        }
    }

    fn on(&mut self, stage: Stage) -> Progress {
        self.stage = stage;
        Progress::Ask
    }

    fn next(&mut self) -> Progress {
        self.stage = self.following();
        Progress::Ask
    }

    /// Again after a pause, the last time when the bound is reached.
    fn again(&self, now: Instant) -> Option<Progress> {
        let limit = Duration::from_secs(u64::from(self.note.busy_s.value));
        let passed = now.saturating_duration_since(self.busy_since);
        let left = limit.checked_sub(passed).filter(|left| self.waits && !left.is_zero())?;
        Some(Progress::Pause((passed / BUSY_PART).max(BUSY_PAUSE).min(left)))
    }

    /// Takes the answer to the command of this stage.
    pub(super) fn answered(&mut self, now: Instant, card: &mut Card<'_>, answer: &Answer) -> Progress {
        let ok = answer.result == Final::Ok;
        let sim = matches!(
            self.stage,
            Stage::Iccid(_)
                | Stage::PduMode
                | Stage::Toggle(_)
                | Stage::Stores { .. }
                | Stage::Notify(_)
                | Stage::NotifyTest
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
            Stage::PinTries => self.pin_tries_told(answer),
            Stage::EnterPin => self.pin_entered(now, card, answer),
            Stage::PduMode if !ok => {
                self.again(now).unwrap_or_else(|| Progress::Failed(Cause::Refused(answer.result.clone())))
            }
            Stage::Stores { choice, places } => self.stores_told(now, choice, places, answer),
            Stage::Service => {
                self.setup.acknowledge = ok && self.note.cnma.value == Acknowledge::IfRequired;
                self.next()
            }
            Stage::NotifyTest => {
                let support = answer.info().and_then(|info| CnmiSupport::parse(&info)).unwrap_or_default();
                self.notify = candidates(&self.note, &support);
                self.next()
            }
            Stage::Notify(at) if ok => {
                self.setup.notify = self.notify.get(at).copied();
                self.on(Stage::Bearer(0))
            }
            Stage::Bearer(_) if ok => self.on(Stage::CentreRead),
            Stage::CentreRead => self.centre_told(answer),
            Stage::CentreSet => self.centre_set(answer),
            Stage::RegistrationRead(domain) => self.registration_told(domain, answer),
            _ => self.next(),
        }
    }

    fn choose_profile(&mut self, settings: &Settings) {
        let Identity { manufacturer, model, .. } = &self.identity;
        self.note = settings
            .profile
            .clone()
            .unwrap_or_else(|| settings.notes.find(manufacturer.as_deref(), model.as_deref()));
        self.identity.profile.clone_from(&self.note.name);
    }
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
