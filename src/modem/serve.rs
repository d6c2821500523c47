//! One port for as long as its link is there: open it, drive it, and after its end open it again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::driver::{Driver, DriverHandle, Exit, Notice, Parts};
use super::history::History;
use super::machine::{Cause, Phase, PinPermission, Settings, Status, Step};
use super::pin_memory::{Cards, PinMemory, Try};
use super::port::{self, OpenError, Port};
use super::power::PowerError;
use super::profile::{Identity, Library, Profile, Refusal, UsbPort};
use super::supervisor::PortSettings;
use super::trace::{Trace, masked};
use super::wake::Wake;
use super::{power, supervisor::Outside, usb};
use crate::alarm::{AlarmKind, Progress};
use crate::at::command::Pin;
use crate::clock;
use crate::units::{Iccid, Imei};

/// What a port task tells the supervisor.
#[derive(Debug)]
pub(super) struct Report {
    /// Which task.
    pub(super) id: u64,
    pub(super) what: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The port is open and driven.
    Driven(DriverHandle),
    /// It is closed, and why.
    Closed(Option<Why>),
    /// It must not be opened.
    Unusable(Refusal),
    /// It is closed and left alone for a while, and why.
    Parked(Why),
}

impl Stage {
    /// What whoever reads the trace of a port that is not in service wants to know.
    fn why(&self) -> Option<String> {
        match self {
            Self::Driven(_) | Self::Closed(None) => None,
            Self::Closed(Some(why)) | Self::Parked(why) => Some(why.told.clone()),
            Self::Unusable(refusal) => Some(refusal.to_string()),
        }
    }
}

/// Why a port was closed.
#[derive(Debug, Default)]
pub(super) struct Why {
    /// For people.
    pub(super) told: String,
    /// For whoever keeps the alarms.
    pub(super) progress: Progress,
}

impl Why {
    fn stuck(kind: AlarmKind, told: impl Into<String>) -> Self {
        Self { told: told.into(), progress: Progress::Stuck(kind) }
    }
}

impl From<OpenError> for Why {
    fn from(error: OpenError) -> Self {
        let kind = match error {
            OpenError::Missing { .. } => AlarmKind::ModemLost,
            OpenError::Denied { .. } => AlarmKind::PortDenied,
            OpenError::InUse { .. } => AlarmKind::PortLocked,
            OpenError::Setup { .. } => AlarmKind::PortUnusable,
        };
        Self::stuck(kind, error.to_string())
    }
}

/// One port task.
pub(super) struct Serve {
    pub(super) id: u64,
    pub(super) name: Arc<str>,
    pub(super) target: PathBuf,
    pub(super) settings: PortSettings,
    pub(super) pins: Option<PinMemory>,
    pub(super) outside: Arc<Outside>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) notices: mpsc::Sender<Notice>,
    pub(super) wake: Arc<Wake>,
    /// Whether the port shall be open; a twin is told not to.
    pub(super) wanted: watch::Receiver<bool>,
    pub(super) stop: CancellationToken,
    pub(super) trace: Arc<Trace>,
    /// What was before this task.
    pub(super) history: History,
}

/// What is remembered from one driver to the next.
struct Memory {
    history: History,
    serial: u64,
    permission: PinPermission,
    imei: Option<Imei>,
    /// The card that each modem had last, as the next machine is told; and whether what it finds is still to be noted.
    cards: Arc<Cards>,
    card_unnoted: bool,
    /// The note that the port's USB identity suggests.
    likely: Option<Arc<Profile>>,
}

/// What follows a driver's end.
enum Next {
    /// The port is opened again without a pause.
    AtOnce,
    /// After a growing pause.
    Pause,
    /// Nothing helped: after a long time.
    Park(Duration),
}

impl Serve {
    /// Until `stop`; gives what is to be remembered when the port comes again.
    pub(super) async fn run(mut self) -> History {
        let mut memory = Memory {
            history: std::mem::take(&mut self.history),
            serial: self.id << 32,
            permission: PinPermission::Never,
            imei: None,
            cards: Arc::default(),
            card_unnoted: false,
            likely: None,
        };
        while !self.stop.is_cancelled() {
            if *self.wanted.borrow_and_update() {
                let pause = self.once(&mut memory).await;
                self.rest(pause).await;
            } else {
                self.rest(None).await;
            }
        }
        memory.history
    }

    /// Waits for the pause to pass, or for another wish, or for the end.
    async fn rest(&mut self, pause: Option<Duration>) {
        let wanted = *self.wanted.borrow();
        tokio::select! {
            () = self.stop.cancelled() => {}
            changed = self.wanted.changed() => if changed.is_err() { self.stop.cancel() },
            () = tokio::time::sleep(pause.unwrap_or_default()), if wanted => {}
        }
    }

    /// One driver's life. Gives the pause that is due after it.
    async fn once(&mut self, memory: &mut Memory) -> Option<Duration> {
        let usb = usb::port(&self.outside.sysfs, &self.target);
        // The notes as they are now.
        let refusal = usb.as_ref().and_then(|usb| self.outside.notes.borrow().refusal(usb));
        if let Some(refusal) = refusal {
            self.tell(Stage::Unusable(refusal)).await;
            memory.history.slow();
            return Some(memory.next_pause());
        }
        memory.likely = usb.and_then(|usb| likely(&self.outside.notes.borrow(), &usb));
        let (port, cards) = tokio::join!(Port::open(&self.target, self.settings.baud), self.cards());
        let port = match port {
            Ok(port) => port,
            Err(error) => {
                self.tell(Stage::Closed(Some(error.into()))).await;
                return Some(memory.next_pause());
            }
        };
        self.trace.note(clock::wall(), "port opened");
        memory.serial += 1;
        memory.cards = cards;
        memory.card_unnoted = true;
        let stop = self.stop.child_token();
        let driver = Driver::new(port, self.parts(memory, stop.clone()));
        let handle = driver.handle();
        self.tell(Stage::Driven(handle.clone())).await;
        let exit = self.drive(driver, &handle, &stop, memory).await;
        let status = handle.status().borrow().clone();
        memory.imei = status.identity.imei.clone();
        let (why, next) = self.consider(exit, memory).await;
        match next {
            Next::AtOnce | Next::Pause => {
                self.tell(Stage::Closed(why)).await;
                matches!(next, Next::Pause).then(|| memory.next_pause())
            }
            Next::Park(parking) => {
                let told = why.unwrap_or_default().told;
                let left = format!("{told}; it is left alone for {} min", parking.as_secs() / 60);
                self.tell(Stage::Parked(Why::stuck(AlarmKind::ModemStuck, left))).await;
                Some(parking)
            }
        }
    }

    fn parts(&self, memory: &Memory, stop: CancellationToken) -> Parts {
        let notes = Arc::clone(&self.outside.notes.borrow());
        let profile = self.settings.profile.as_deref();
        let profile = profile.and_then(|name| notes.named(name));
        Parts {
            name: Arc::clone(&self.name),
            serial: memory.serial,
            machine: Settings {
                pin: self.settings.pin.as_ref().and_then(|pin| Pin::new(pin.expose_str()?)),
                pin_permission: memory.permission.clone(),
                keep_alive: self.settings.keep_alive,
                submit_limit: self.settings.submit_limit,
                hang_up_calls: self.settings.hang_up_calls,
                balance: self.settings.balance.clone(),
                roaming: self.settings.roaming,
                service_centre: self.settings.service_centre.clone(),
                notes,
                profile,
                cards: Arc::clone(&memory.cards),
                likely: memory.likely.clone(),
                port_age: port::age(&self.target, clock::wall()),
            },
            trace: Arc::clone(&self.trace),
            notices: self.notices.clone(),
            wake: Arc::clone(&self.wake),
            stop,
            stop_limit: self.outside.stop_limit,
        }
    }

    /// Runs the driver to its end, and sees meanwhile to wishes and to what the modem's phase means for the memory.
    async fn drive(
        &mut self,
        driver: Driver,
        handle: &DriverHandle,
        stop: &CancellationToken,
        memory: &mut Memory,
    ) -> Exit {
        let mut status = handle.status();
        // On the heap: the future of a driver is large, and one is made in minutes, not in milliseconds.
        let mut running = Box::pin(driver.run());
        loop {
            tokio::select! {
                exit = &mut running => return exit,
                Ok(()) = self.wanted.changed() => if !*self.wanted.borrow() { stop.cancel() },
                Ok(()) = status.changed(), if memory.watches() => {
                    let status = status.borrow_and_update().clone();
                    self.learn(&status, memory).await;
                }
            }
        }
    }

    /// A modem that works has forgiven everything; a PIN that was right or wrong is noted.
    async fn learn(&self, status: &Status, memory: &mut Memory) {
        let phase = &status.phase;
        let went = match phase {
            Phase::Ready | Phase::Searching => Try::Right,
            Phase::Down(Cause::PinWrong(_)) => Try::Made,
            _ => return,
        };
        if matches!(phase, Phase::Ready) {
            memory.history.well();
        }
        if went == Try::Right {
            self.note_card(status, memory);
        }
        let permission = std::mem::replace(&mut memory.permission, PinPermission::Never);
        let (Some(pins), Some(pin), Some(card)) = (&self.pins, &self.settings.pin, card(&permission, memory))
        else {
            return;
        };
        if let Err(error) = pins.note(card, pin.clone(), went).await {
            warn!(port = %self.name, %error, "cannot note how the try of the PIN went");
        }
    }

    /// The card that each modem had last.
    async fn cards(&self) -> Arc<Cards> {
        let Some(pins) = &self.pins else { return Arc::default() };
        let cards = pins.cards().await.unwrap_or_else(|error| {
            warn!(port = %self.name, %error, "which SIM was in which modem cannot be read");
            Cards::new()
        });
        Arc::new(cards)
    }

    /// A card that works, locked or not, belongs where it is from now on. Nobody waits for that to be written: what is lost is
    /// noted the next time.
    fn note_card(&self, status: &Status, memory: &mut Memory) {
        memory.card_unnoted = false;
        let (Some(pins), Some(imei), Some(iccid)) =
            (self.pins.clone(), status.identity.imei.clone(), status.identity.iccid.clone())
        else {
            return;
        };
        if memory.cards.get(&imei) == Some(&iccid) {
            return;
        }
        let name = Arc::clone(&self.name);
        tokio::spawn(async move {
            if let Err(error) = pins.settle(imei, iccid).await {
                warn!(port = %name, %error, "which SIM is in the modem cannot be noted");
            }
        });
    }

    /// What an end means: its cause for people, and what follows.
    async fn consider(&self, exit: Exit, memory: &mut Memory) -> (Option<Why>, Next) {
        let lost = |told: String| Some(Why::stuck(AlarmKind::ModemLost, told));
        match exit {
            Exit::Stopped => (None, Next::AtOnce),
            Exit::HungUp => (lost("the port hung up".to_owned()), Next::Pause),
            Exit::Broken(cause) => (lost(format!("the port broke: {cause}")), Next::Pause),
            Exit::PinWanted(iccid) => match self.ask_for_try(iccid, memory).await {
                Ok(()) => (None, Next::AtOnce),
                Err(why) => {
                    memory.history.slow();
                    (Some(why), Next::Pause)
                }
            },
            Exit::Ladder(step) => self.step_outside(step, memory).await,
        }
    }

    /// Notes the one try, before it is made, and gives the next machine the permission.
    async fn ask_for_try(&self, iccid: Option<Iccid>, memory: &mut Memory) -> Result<(), Why> {
        memory.permission = PinPermission::Never;
        let missing =
            |told: &str| Why::stuck(AlarmKind::SimPinMissing, format!("the SIM wants its PIN, and {told}"));
        let Some(pin) = &self.settings.pin else {
            return Err(missing("none is set; set `pin`"));
        };
        let Some(pins) = &self.pins else {
            return Err(missing("there is no memory of tries to allow one"));
        };
        if let (Some(iccid), Some(imei)) = (&iccid, &memory.imei)
            && let Some(former) = self.cards().await.get(imei).filter(|former| *former != iccid)
        {
            let told = format!(
                "another SIM is in the modem ({iccid}, was {former}) and wants its PIN; \
                 `smsotpctl modem confirm-sim {imei}` lets the one that is set be tried"
            );
            return Err(Why::stuck(AlarmKind::SimSwapped, told));
        }
        let permission = iccid.map_or(PinPermission::AnyCard, PinPermission::ForCard);
        let Some(card) = card(&permission, memory) else {
            return Err(missing("neither card nor modem says which it is"));
        };
        match pins.permit(card, pin.clone()).await {
            Ok(true) => {
                info!(port = %self.name, "trying the PIN of the SIM");
                memory.permission = permission;
                Ok(())
            }
            Ok(false) => {
                let told = "this PIN was tried on this SIM and was not taken; set the right one";
                Err(Why::stuck(AlarmKind::SimLocked, told))
            }
            Err(error) => Err(missing(&format!("its try cannot be noted, so it is not made: {error}"))),
        }
    }

    /// Carries the step out. What cannot be re-authorised, or was in vain, is for the site's hook; with that the ladder ends.
    async fn step_outside(&self, wanted: Step, memory: &mut Memory) -> (Option<Why>, Next) {
        let mut step = memory.history.step(wanted);
        let mut done = self.carry_out(step, memory).await;
        if matches!(done, Err(PowerError::NotUsb(_))) {
            step = memory.history.step(Step::SiteHook);
            done = self.carry_out(step, memory).await;
        }
        let told = match &done {
            Ok(()) => format!("the modem does not answer; {step:?} was carried out"),
            Err(error) => format!("the modem does not answer; {step:?} was no use: {error}"),
        };
        warn!(port = %self.name, "{told}");
        let parking = if step == Step::SiteHook { memory.history.ladder_ended() } else { None };
        (Some(Why { told, progress: Progress::Unknown }), parking.map_or(Next::Pause, Next::Park))
    }

    async fn carry_out(&self, step: Step, memory: &Memory) -> Result<(), PowerError> {
        let imei = memory.imei.as_ref().map(Imei::as_str);
        match step {
            Step::SiteHook => power::site_hook(self.outside.site_hook.as_deref(), &self.name, imei).await,
            _ => power::reauthorise(&self.target).await,
        }
    }

    async fn tell(&self, what: Stage) {
        if let Some(why) = what.why() {
            self.trace.note(clock::wall(), &masked(why.as_bytes()));
        }
        // The supervisor may be gone already; then `stop` is on its way.
        let _ = self.reports.send(Report { id: self.id, what }).await;
    }
}

impl Memory {
    fn next_pause(&mut self) -> Duration {
        self.history.next_pause(fastrand::f64())
    }

    /// Whether the phase can still teach anything.
    fn watches(&self) -> bool {
        self.card_unnoted || self.permission != PinPermission::Never || !self.history.is_clean()
    }
}

/// The note of the modem behind the port, until it has said what it is.
fn likely(notes: &Library, usb: &UsbPort) -> Option<Arc<Profile>> {
    match notes.identity(&usb.vendor, &usb.product) {
        Identity::Modem(note, _) => notes.named(&note.name),
        Identity::Storage(_) | Identity::NoModem(..) | Identity::Unknown => None,
    }
}

/// Under which name a try is remembered: the card's, or else the modem's.
fn card(permission: &PinPermission, memory: &Memory) -> Option<String> {
    match permission {
        PinPermission::Never => None,
        PinPermission::ForCard(iccid) => Some(iccid.as_str().to_owned()),
        PinPermission::AnyCard => memory.imei.as_ref().map(|imei| format!("imei-{imei}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usb_identity_suggests_the_note() {
        let note = |vendor: &str, product: &str| {
            let (vendor, product) = (vendor.to_owned(), product.to_owned());
            let usb = UsbPort { vendor, product, interface: 2, class: "ff/00/00".to_owned() };
            likely(Library::compiled_in(), &usb).map(|note| note.name.clone())
        };
        assert_eq!(note("2c7c", "0125").as_deref(), Some("quectel-lte"));
        assert_eq!((note("2c7c", "ffff"), note("12d1", "1446")), (None, None));
    }
}
