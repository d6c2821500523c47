//! The supervisor: owns the set of ports. It starts a task for each link that comes, stops it when the link goes, keeps
//! one port of each modem in service, and publishes what it sees.
//!
//! A task that serves a port mends itself (`serve`); the supervisor only decides which ports are served. Two links of one
//! modem are told by its IMEI: the one that works stays, the other rests as a spare until that one fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::away::Away;
use super::balance::BalanceCheck;
use super::discover::{CHANGES_WAITING, Discovery, PortChange};
use super::driver::{DriverHandle, Notice};
use super::fleet::{Command, Link, State};
pub use super::fleet::{CommandError, Fleet, FleetHandle, Hold, LeftAlone, Modem};
use super::history::History;
use super::left_alone::left_alone;
use super::machine::Phase;
pub use super::machine::Roaming;
pub use super::pin_memory::PinMemory;
use super::profile::Library;
use super::serve::{Report, Serve, Stage, Why};
pub use super::trace::Trace;
use super::trace::Traces;
use super::wake::Wake;
use crate::alarm::{self, Progress};
use crate::at::command::Address;
use crate::clock;
use crate::secret::Secret;
use crate::units::Imei;

/// Figures are shown at most this often: counters change with every message.
const FIGURES_EVERY: Duration = Duration::from_millis(200);
/// Received messages that wait for their taker over all modems; behind it each driver has its own backlog.
const NOTICES_WAITING: usize = 64;
/// Reports of port tasks that wait.
const REPORTS_WAITING: usize = 32;
/// Operators' commands that wait.
const COMMANDS_WAITING: usize = 8;
/// After `stop_limit` a driver has only its last words left to say.
const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// What the modems need to know.
#[derive(Debug, Clone)]
pub struct FleetSettings {
    /// Where the kernel tells of devices, `/sys`.
    pub sysfs: PathBuf,
    /// The firmware notes in force; a port takes them when it is opened.
    pub notes: watch::Receiver<Arc<Library>>,
    /// Where the links are.
    pub directory: PathBuf,
    /// Ports that no link leads to, served for ever and opened when they are there.
    pub fixed: Vec<PathBuf>,
    /// For ports that `ports` does not name.
    pub default: PortSettings,
    /// By the name of the link.
    pub ports: BTreeMap<String, PortSettings>,
    /// Modems that an operator held back when the daemon ended, by the names that [`FleetHandle::hold`] gave.
    pub held: BTreeMap<String, Hold>,
    /// Without it no PIN is ever tried.
    pub pins: Option<PinMemory>,
    /// Run with port and IMEI when nothing else has helped.
    pub site_hook: Option<PathBuf>,
    /// How long submits in flight may take to finish at the end.
    pub stop_limit: Duration,
}

/// What one port needs to know.
#[derive(Debug, Clone)]
pub struct PortSettings {
    /// Bits a second; of no meaning on USB.
    pub baud: u32,
    /// PIN of the SIM.
    pub pin: Option<Secret>,
    /// How often an idle modem is asked; the firmware note's value if `None`.
    pub keep_alive: Option<Duration>,
    /// How long the answer to a PDU may take; 180 s if `None`.
    pub submit_limit: Option<Duration>,
    /// Voice calls are hung up.
    pub hang_up_calls: bool,
    /// How the balance of the SIM is watched.
    pub balance: Option<BalanceCheck>,
    /// Whether visited networks are used.
    pub roaming: Roaming,
    /// Given to a card that knows no service centre.
    pub service_centre: Option<Address>,
    /// Name of the firmware note; found by the modem's identity if `None`.
    pub profile: Option<String>,
}

impl Default for PortSettings {
    fn default() -> Self {
        Self {
            baud: 115_200,
            pin: None,
            keep_alive: None,
            submit_limit: None,
            hang_up_calls: false,
            balance: None,
            roaming: Roaming::Allow,
            service_centre: None,
            profile: None,
        }
    }
}

/// What the steps from outside and the end need to know.
#[derive(Debug)]
pub(super) struct Outside {
    pub(super) sysfs: PathBuf,
    pub(super) notes: watch::Receiver<Arc<Library>>,
    pub(super) site_hook: Option<PathBuf>,
    pub(super) stop_limit: Duration,
}

/// The set of ports, before it runs.
pub struct Supervisor {
    settings: FleetSettings,
    outside: Arc<Outside>,
    entries: BTreeMap<u64, Entry>,
    /// Links to devices that are served under another name, by their own.
    waiting: BTreeMap<String, (PathBuf, History)>,
    away: Away,
    tasks: JoinSet<(u64, History)>,
    next_id: u64,
    /// By IMEI, or by the port of a modem that has told none.
    held: BTreeMap<String, Hold>,
    left_alone: Vec<LeftAlone>,
    traces: Arc<Traces>,
    fleet: watch::Sender<Arc<Fleet>>,
    links: watch::Sender<Arc<[Link]>>,
    commands: mpsc::Receiver<Command>,
    notices: mpsc::Sender<Notice>,
    reports_in: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
    wake: Arc<Wake>,
    stop: CancellationToken,
}

/// One served port.
struct Entry {
    modem: Modem,
    driver: Option<DriverHandle>,
    drivers: u32,
    wanted: watch::Sender<bool>,
    stop: CancellationToken,
    /// The link went; the task is on its way out.
    leaving: bool,
    /// The link came again before the task was out: where it leads to.
    again: Option<PathBuf>,
}

/// What one wait brought.
enum Turn {
    Stop,
    Port(PortChange),
    Report(Report),
    Command(Command),
    Ended(u64, History),
    Late,
    Stale,
    Figures,
}

impl Supervisor {
    /// A supervisor, the way to it, and what its modems receive. Must be made and run in a runtime.
    #[must_use]
    pub fn new(
        settings: FleetSettings,
        stop: CancellationToken,
    ) -> (Self, FleetHandle, mpsc::Receiver<Notice>) {
        let (fleet_in, fleet) = watch::channel(Arc::new(Fleet::default()));
        let (links_in, links) = watch::channel(Arc::<[Link]>::from([]));
        let (commands_in, commands) = mpsc::channel(COMMANDS_WAITING);
        let (notices, received) = mpsc::channel(NOTICES_WAITING);
        let (reports_in, reports) = mpsc::channel(REPORTS_WAITING);
        let outside = Arc::new(Outside {
            sysfs: settings.sysfs.clone(),
            notes: settings.notes.clone(),
            site_hook: settings.site_hook.clone(),
            stop_limit: settings.stop_limit,
        });
        let (pins, traces) = (settings.pins.clone(), Arc::<Traces>::default());
        let supervisor = Self {
            held: settings.held.clone(),
            settings,
            outside,
            entries: BTreeMap::new(),
            waiting: BTreeMap::new(),
            away: Away::default(),
            tasks: JoinSet::new(),
            next_id: 1,
            left_alone: Vec::new(),
            traces: Arc::clone(&traces),
            fleet: fleet_in,
            links: links_in,
            commands,
            notices,
            reports_in,
            reports,
            wake: Arc::default(),
            stop,
        };
        (supervisor, FleetHandle { fleet, links, commands: commands_in, pins, traces }, received)
    }

    /// Serves all ports until `stop`, then until all are closed.
    ///
    /// # Errors
    /// Ports cannot be watched for: the system has no descriptors left.
    pub async fn run(mut self) -> Result<(), std::io::Error> {
        for path in std::mem::take(&mut self.settings.fixed) {
            self.serve(path.display().to_string(), path, History::default());
        }
        let (tell, mut changes) = mpsc::channel(CHANGES_WAITING);
        let discovery = Discovery::new(self.settings.directory.clone());
        let mut discovery = tokio::spawn(discovery.run(tell, self.stop.clone()));
        let mut figures: Option<Instant> = None;
        let ended = loop {
            let late = self.away.next_late().map(Instant::from_std);
            let turn = tokio::select! {
                () = self.stop.cancelled() => Turn::Stop,
                ended = &mut discovery => break ended.unwrap_or_else(|join| Err(std::io::Error::other(join))),
                Some(change) = changes.recv() => Turn::Port(change),
                Some(report) = self.reports.recv() => Turn::Report(report),
                Some(command) = self.commands.recv() => Turn::Command(command),
                Some(Ok((id, history))) = self.tasks.join_next() => Turn::Ended(id, history),
                () = until(late) => Turn::Late,
                () = self.wake.urgent() => Turn::Stale,
                () = self.wake.lazy(), if figures.is_none() => {
                    figures = Some(Instant::from_std(clock::monotonic()) + FIGURES_EVERY);
                    continue;
                }
                () = until(figures) => Turn::Figures,
            };
            match turn {
                Turn::Stop => break Ok(()),
                // Of many events at once only the last is worth a look at all devices.
                Turn::Port(PortChange::Looked) if !changes.is_empty() => continue,
                Turn::Port(change) => self.port(change),
                Turn::Report(report) => self.report(report),
                Turn::Command(command) => self.command(command),
                Turn::Ended(id, history) => self.ended(id, history),
                Turn::Late => self.away.tell_late(clock::monotonic()),
                Turn::Stale => {}
                Turn::Figures => figures = None,
            }
            self.refresh();
        };
        self.stop.cancel();
        self.close().await;
        ended
    }

    fn port(&mut self, change: PortChange) {
        match change {
            PortChange::Came { name, target } => self.came(name, target),
            PortChange::Went { name } => {
                info!(port = name, "port went");
                self.waiting.remove(&name);
                for entry in self.entries.values_mut().filter(|entry| entry.modem.port == name) {
                    entry.leave();
                }
            }
            PortChange::Looked => self.look(),
        }
    }

    /// Looks for devices that one could miss among the modems.
    fn look(&mut self) {
        let target = |entry: &Entry| Path::new(&entry.modem.device).canonicalize().ok();
        let name = |target: PathBuf| Some(target.file_name()?.to_str()?.to_owned());
        let served = self.entries.values().filter_map(target).filter_map(name).collect();
        self.left_alone = left_alone(&self.outside.sysfs, &self.outside.notes.borrow(), &served);
    }

    /// Two tasks must not open one port: the next one of a name begins when the last one has closed it.
    fn came(&mut self, name: String, target: PathBuf) {
        if let Some(entry) = self.entries.values_mut().find(|entry| entry.modem.port == name) {
            entry.again = Some(target);
            return;
        }
        let history = self.away.came(&name);
        self.serve_or_wait(name, target, history);
    }

    /// A link that is renamed leads to the same device before its first task has closed it, and two links may lead to one.
    fn serve_or_wait(&mut self, name: String, target: PathBuf, history: History) {
        if self.is_served(&target) {
            info!(port = name, device = %target.display(), "the device is in service under another name");
            self.waiting.insert(name, (target, history));
        } else {
            self.serve(name, target, history);
        }
    }

    /// Serves the links whose device is free now.
    fn serve_waiting(&mut self) {
        for (name, (target, history)) in std::mem::take(&mut self.waiting) {
            if self.is_served(&target) {
                self.waiting.insert(name, (target, history));
            } else {
                self.serve(name, target, history);
            }
        }
    }

    fn is_served(&self, target: &Path) -> bool {
        self.entries.values().any(|entry| Path::new(&entry.modem.device) == target)
    }

    /// A port is closed for good: its modem is away, or its link leads to the next port already.
    fn ended(&mut self, id: u64, history: History) {
        let Some(Entry { modem, again, .. }) = self.entries.remove(&id) else { return };
        // Whoever pulls a modem that is left alone helps it; it begins anew.
        let history = if modem.state == State::Parked { History::default() } else { history };
        if let Some(target) = again {
            self.serve_or_wait(modem.port, target, history);
        } else {
            let window = window(&self.outside.notes.borrow(), &modem);
            self.away.went(clock::monotonic(), modem, history, window);
        }
        self.serve_waiting();
    }

    fn serve(&mut self, name: String, target: PathBuf, history: History) {
        info!(port = name, device = %target.display(), "port came");
        let id = self.next_id;
        self.next_id += 1;
        let (wanted_in, wanted) = watch::channel(true);
        let stop = self.stop.child_token();
        let serve = Serve {
            id,
            name: Arc::from(name.as_str()),
            target: target.clone(),
            settings: self.settings.ports.get(&name).unwrap_or(&self.settings.default).clone(),
            pins: self.settings.pins.clone(),
            outside: Arc::clone(&self.outside),
            reports: self.reports_in.clone(),
            notices: self.notices.clone(),
            wake: Arc::clone(&self.wake),
            wanted,
            stop: stop.clone(),
            trace: self.traces.open(&name),
            history,
        };
        self.tasks.spawn(async move {
            let history = serve.run().await;
            (id, history)
        });
        let modem = Modem::unopened(name, target.display().to_string());
        let entry =
            Entry { modem, driver: None, drivers: 0, wanted: wanted_in, stop, leaving: false, again: None };
        self.entries.insert(id, entry);
    }

    fn report(&mut self, report: Report) {
        let Some(entry) = self.entries.get_mut(&report.id) else { return };
        match report.what {
            Stage::Driven(driver) => {
                entry.driver = Some(driver);
                entry.drivers = entry.drivers.saturating_add(1);
                entry.modem.restarts = entry.drivers.saturating_sub(1);
            }
            Stage::Closed(why) => {
                if let Some(Why { told, .. }) = &why {
                    warn!(port = entry.modem.port, why = told, "port closed");
                }
                entry.close(State::Closed, why);
            }
            Stage::Unusable(refusal) => {
                // That it is plugged in is no fault; the modem that it may have been is missed as lost.
                let why = Why { told: refusal.to_string(), progress: Progress::Unknown };
                if entry.modem.state != State::Unusable {
                    warn!(port = entry.modem.port, why = why.told, "port is left alone");
                }
                entry.close(State::Unusable, Some(why));
            }
            Stage::Parked(why) => {
                error!(port = entry.modem.port, why = why.told, "the modem is parked");
                entry.close(State::Parked, Some(why));
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Again { modem } => {
                if let Some(entry) = self.entries.values().find(|entry| entry.modem.is(&modem)) {
                    entry.open_now();
                }
            }
            Command::Hold { modem, hold, reply } => {
                // The operator may have gone; the wish stands.
                let _ = reply.send(self.hold(modem, hold));
            }
            Command::Drained { modem } => self.drained(&modem),
        }
    }

    fn drained(&mut self, modem: &str) {
        let entry = self.entries.values().find(|entry| entry.modem.is(modem));
        let held = entry.and_then(|entry| self.held.get_mut(entry.modem.name()));
        if let Some(hold) = held.filter(|hold| **hold == Hold::Draining) {
            info!(modem, "drained: what began on this modem is finished");
            *hold = Hold::Paused;
        }
    }

    fn hold(&mut self, modem: String, hold: Option<Hold>) -> Result<String, CommandError> {
        let found = self.entries.values().find(|entry| entry.modem.is(&modem));
        let entry = found.ok_or(CommandError::NoSuchModem(modem))?;
        if hold.is_none() && entry.modem.state == State::Parked {
            entry.open_now();
        }
        let name = entry.modem.name().to_owned();
        match hold {
            Some(hold) => self.held.insert(name.clone(), hold),
            None => self.held.remove(&name),
        };
        Ok(name)
    }

    /// Takes the picture anew, decides about twins, and publishes what changed.
    fn refresh(&mut self) {
        self.wake.taken();
        for entry in self.entries.values_mut() {
            if let Some(driver) = entry.driver.as_ref().filter(|_| !entry.leaving) {
                entry.modem.show(&driver.status().borrow());
            }
        }
        self.separate_twins();
        for entry in self.entries.values_mut() {
            entry.modem.hold = self.held.get(entry.modem.name()).copied();
        }
        let links: Arc<[Link]> = self.entries.values().filter_map(Entry::link).collect();
        self.links.send_if_modified(|old| {
            let changed = !old.iter().map(Link::key).eq(links.iter().map(Link::key));
            if changed {
                *old = links;
            }
            changed
        });
        let (gone, mut modems): (Vec<_>, Vec<_>) = self
            .entries
            .values()
            .map(|entry| entry.modem.clone())
            .partition(|modem| modem.state == State::Away);
        let missed = self.away.missed(&modems);
        let spare = |gone: &Modem| modems.iter().any(|here| here.imei.is_some() && here.imei == gone.imei);
        let gone: Vec<_> = gone.into_iter().filter(|gone| !spare(gone)).collect();
        modems.extend(missed.into_iter().chain(gone));
        modems.sort_by(|a, b| a.port.cmp(&b.port));
        self.fleet.send_if_modified(|old| {
            let changed = old.modems != modems || old.left_alone != self.left_alone;
            if changed {
                *old = Arc::new(Fleet { modems, left_alone: self.left_alone.clone() });
            }
            changed
        });
    }

    /// Of all open ports with one IMEI the one that works keeps its driver; spares without such a one are wanted again.
    fn separate_twins(&mut self) {
        let mut first: BTreeSet<Imei> = BTreeSet::new();
        let mut serving: Vec<_> = self.entries.values_mut().filter(|entry| entry.in_service()).collect();
        // Stable, so among equals the port that came first.
        serving.sort_by_key(|entry| entry.modem.state != State::Ready);
        for entry in serving {
            let Some(imei) = &entry.modem.imei else { continue };
            if !first.insert(imei.clone()) {
                info!(port = entry.modem.port, %imei, "another port of this modem is in service; this one rests");
                entry.wanted.send_replace(false);
            }
        }
        for entry in self.entries.values_mut().filter(|entry| !*entry.wanted.borrow()) {
            let covered = entry.modem.imei.as_ref().is_some_and(|imei| first.contains(imei));
            if covered {
                (entry.modem.state, entry.modem.cause) = (State::Spare, None);
                entry.modem.progress = Progress::Reached(alarm::Stage::Open);
            } else {
                entry.wanted.send_replace(true);
            }
        }
    }

    async fn close(mut self) {
        self.links.send_replace(Arc::from([]));
        // Nobody reads reports any more; tasks must not wait for that.
        self.reports.close();
        let limit = self.outside.stop_limit + CLOSE_GRACE;
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            warn!(ports = self.tasks.len(), ?limit, "ports were not closed within their limit");
        }
    }
}

impl Entry {
    /// A task that waits opens its port at once; to it the same wish once more is news.
    fn open_now(&self) {
        self.wanted.send_modify(|_| {});
    }

    /// The link went.
    fn leave(&mut self) {
        self.leaving = true;
        self.again = None;
        self.stop.cancel();
        if self.modem.state != State::Parked {
            self.modem.go_away(None);
        }
    }

    /// The port is closed.
    fn close(&mut self, state: State, why: Option<Why>) {
        let driver = self.driver.take();
        if self.leaving {
            return;
        }
        if let Some(driver) = driver {
            // It may have ended before anybody looked, and then only this tells whose port it is.
            self.modem.show(&driver.status().borrow());
        }
        self.modem.state = state;
        (self.modem.cause, self.modem.progress) =
            why.map_or((None, Progress::Unknown), |Why { told, progress }| (Some(told), progress));
        self.modem.forget_network();
    }

    fn in_service(&self) -> bool {
        self.driver.is_some() && !self.leaving && *self.wanted.borrow()
    }

    fn link(&self) -> Option<Link> {
        let driver = self.driver.clone().filter(|_| self.in_service())?;
        let hold = self.modem.hold;
        let ready = driver.status().borrow().phase == Phase::Ready && hold != Some(Hold::Paused);
        let (imei, iccid) = (self.modem.imei.clone(), self.modem.iccid.clone());
        Some(Link { driver, imei, iccid, ready, draining: hold == Some(Hold::Draining) })
    }
}

impl Modem {
    /// By what it is held: the modem if it is known, else the port.
    fn name(&self) -> &str {
        self.imei.as_ref().map_or(&self.port, Imei::as_str)
    }
}

/// How long a modem may be away after a reset.
fn window(notes: &Library, modem: &Modem) -> Duration {
    let profile = modem.profile.as_deref().and_then(|name| notes.named(name));
    profile.unwrap_or_else(|| notes.generic()).away()
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
