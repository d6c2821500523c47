//! One port for as long as its link is there: open it, drive it, and after its end open it again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::driver::{Driver, DriverHandle, Exit, Notice, Parts};
use super::machine::{Cause, Phase, PinPermission, Settings, Step};
use super::pin_memory::{PinMemory, Try};
use super::port::Port;
use super::profile::Library;
use super::supervisor::PortSettings;
use super::trace::Trace;
use super::wake::Wake;
use super::{power, supervisor::Outside};
use crate::at::command::Pin;
use crate::clock;
use crate::units::{Iccid, Imei};

/// The first pause: a node that comes before its permissions needs about as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Pauses double up to this, so that a dead port costs next to nothing and a live one waits at most half a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
    Closed(Option<String>),
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
}

/// What is remembered from one driver to the next.
struct Memory {
    pause: Duration,
    serial: u64,
    permission: PinPermission,
    /// The last step from outside since the modem was ready.
    outside: Option<Step>,
    imei: Option<Imei>,
}

impl Serve {
    /// Until `stop`.
    pub(super) async fn run(mut self) {
        let mut memory = Memory {
            pause: FIRST_PAUSE,
            serial: self.id << 32,
            permission: PinPermission::Never,
            outside: None,
            imei: None,
        };
        while !self.stop.is_cancelled() {
            if *self.wanted.borrow_and_update() {
                let pause = self.once(&mut memory).await;
                self.rest(pause).await;
            } else {
                self.rest(None).await;
            }
        }
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
        let port = match Port::open(&self.target, self.settings.baud).await {
            Ok(port) => port,
            Err(error) => {
                self.tell(Stage::Closed(Some(error.to_string()))).await;
                return Some(memory.next_pause());
            }
        };
        self.trace.note(clock::wall(), "port opened");
        memory.serial += 1;
        let stop = self.stop.child_token();
        let driver = Driver::new(port, self.parts(memory, stop.clone()));
        let handle = driver.handle();
        self.tell(Stage::Driven(handle.clone())).await;
        let exit = self.drive(driver, &handle, &stop, memory).await;
        let status = handle.status().borrow().clone();
        memory.imei = status.identity.imei.clone();
        let (why, at_once) = self.consider(exit, memory).await;
        self.tell(Stage::Closed(why)).await;
        if at_once { None } else { Some(memory.next_pause()) }
    }

    fn parts(&self, memory: &Memory, stop: CancellationToken) -> Parts {
        let notes = Arc::clone(Library::compiled_in());
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
                notes,
                profile,
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
                    let phase = status.borrow_and_update().phase.clone();
                    self.learn(&phase, memory).await;
                }
            }
        }
    }

    /// A modem that works has forgiven everything; a PIN that was right or wrong is noted.
    async fn learn(&self, phase: &Phase, memory: &mut Memory) {
        let went = match phase {
            Phase::Ready | Phase::Searching => Try::Right,
            Phase::Down(Cause::PinWrong(_)) => Try::Made,
            _ => return,
        };
        if matches!(phase, Phase::Ready) {
            memory.pause = FIRST_PAUSE;
            memory.outside = None;
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

    /// What an end means: its cause for people, and whether the port is opened again without a pause.
    async fn consider(&self, exit: Exit, memory: &mut Memory) -> (Option<String>, bool) {
        match exit {
            Exit::Stopped => (None, true),
            Exit::HungUp => (Some("the port hung up".to_owned()), false),
            Exit::Broken(cause) => (Some(format!("the port broke: {cause}")), false),
            Exit::PinWanted(iccid) => match self.ask_for_try(iccid, memory).await {
                Ok(()) => (None, true),
                Err(why) => {
                    memory.pause = LONGEST_PAUSE;
                    (Some(why), false)
                }
            },
            Exit::Ladder(step) => (Some(self.step_outside(step, memory).await), false),
        }
    }

    /// Notes the one try, before it is made, and gives the next machine the permission.
    async fn ask_for_try(&self, iccid: Option<Iccid>, memory: &mut Memory) -> Result<(), String> {
        memory.permission = PinPermission::Never;
        let Some(pin) = &self.settings.pin else {
            return Err("the SIM wants its PIN, and none is set; set `pin`".to_owned());
        };
        let Some(pins) = &self.pins else {
            return Err("the SIM wants its PIN, and there is no memory of tries to allow one".to_owned());
        };
        let permission = iccid.map_or(PinPermission::AnyCard, PinPermission::ForCard);
        let Some(card) = card(&permission, memory) else {
            return Err("the SIM wants its PIN, and neither card nor modem says which it is".to_owned());
        };
        match pins.permit(card, pin.clone()).await {
            Ok(true) => {
                info!(port = %self.name, "trying the PIN of the SIM");
                memory.permission = permission;
                Ok(())
            }
            Ok(false) => {
                Err("this PIN was tried on this SIM and was not taken; set the right one".to_owned())
            }
            Err(error) => Err(format!("the try of the PIN cannot be noted, so it is not made: {error}")),
        }
    }

    /// Carries the step out, or the one that is due instead of it.
    async fn step_outside(&self, wanted: Step, memory: &mut Memory) -> String {
        let step = wanted.outside(memory.outside, self.outside.site_hook.is_some());
        memory.outside = Some(step);
        let imei = memory.imei.as_ref().map(Imei::as_str);
        let done = match step {
            Step::SiteHook => power::site_hook(self.outside.site_hook.as_deref(), &self.name, imei).await,
            _ => power::reauthorise(&self.target).await,
        };
        let told = match &done {
            Ok(()) => format!("the modem does not answer; {step:?} was carried out"),
            Err(error) => format!("the modem does not answer; {step:?} was no use: {error}"),
        };
        warn!(port = %self.name, "{told}");
        told
    }

    async fn tell(&self, what: Stage) {
        // The supervisor may be gone already; then `stop` is on its way.
        let _ = self.reports.send(Report { id: self.id, what }).await;
    }
}

impl Memory {
    /// Growing, and spread by a quarter so that the ports of one hub do not come all at once.
    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        pause.mul_f64(1.0 + fastrand::f64() / 4.0)
    }

    /// Whether the phase can still teach anything.
    fn watches(&self) -> bool {
        self.permission != PinPermission::Never || self.pause != FIRST_PAUSE || self.outside.is_some()
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
