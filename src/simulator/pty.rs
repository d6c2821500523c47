//! A modem behind a pty, with a thread of its own that keeps its time.
//!
//! A latency of 50 ms shall be 50 ms: the thread waits in `ppoll` until shortly before the deadline (the kernel grants itself
//! a thousandth of such a wait), then in `clock_nanosleep` with an absolute time. Between messages without latency there are
//! three system calls: wait, read, write.

use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{ClockId, clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::clock_gettime;

use super::control::{Control, Mailbox, Order};
use super::event::{Event, Kinds, What};
use super::modem::SimulatedModem;
use super::network::Network;
use super::port::{Got, Port};
use super::recording::Recording;
use super::replay::Replay;
use super::scenario::{Scenario, Silence};
use super::wire::Out;
use crate::clock;

/// How often a port that nobody has open is looked at; a pty tells when a host goes, not when one comes.
const HOST_POLL: Duration = Duration::from_millis(5);
/// Waits shorter than this are slept through, deaf to the host: it waits for an answer then.
const NEAR: Duration = Duration::from_millis(1);
/// Octets for a host that does not read; then the modem's lines are lost, as behind a full UART.
const PENDING_MAX: usize = 262_144;
/// Octets read at once; the longest burst of a host is a PDU of 352 characters.
const READ_MAX: usize = 4096;
/// Events that wait in a [`Watch::channel`]; what a watcher does not fetch is lost, for the modem does not wait for it.
const EVENTS_MAX: usize = 4096;
/// Stack of a modem's thread: it holds a few buffers, and there may be hundreds of modems.
const STACK: usize = 262_144;
/// Pause before another try when no new pty is to be had.
const PORT_RETRY: Duration = Duration::from_millis(200);

/// Who is told what.
pub struct Watch {
    /// Kinds of events wanted.
    pub kinds: Kinds,
    /// Called in the modem's thread for each; it must not wait.
    pub sink: Box<dyn FnMut(Event) + Send>,
}

impl Watch {
    /// Nobody watches.
    #[must_use]
    pub fn none() -> Self {
        Self { kinds: Kinds::NONE, sink: Box::new(|_| {}) }
    }

    /// Events into a bounded channel; those that find it full are lost.
    #[must_use]
    pub fn channel(kinds: Kinds) -> (Self, Receiver<Event>) {
        let (sender, receiver) = sync_channel(EVENTS_MAX);
        let sink = move |event| drop(sender.try_send(event));
        (Self { kinds, sink: Box::new(sink) }, receiver)
    }
}

/// A running modem. Dropping it ends it and takes its link away.
pub struct Simulator {
    control: Control,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts modem number `index` on `network` with a pty under `link`.
    ///
    /// # Errors
    /// When there is no pty to be had, or the link cannot be made.
    pub fn start(
        scenario: Scenario,
        network: &Network,
        link: &Path,
        index: usize,
        watch: Watch,
    ) -> io::Result<Self> {
        let mailbox = Mailbox::new()?;
        let number = scenario.number.clone();
        let modem = SimulatedModem::new(scenario, network, index, watch.kinds, clock::monotonic());
        let bell = Arc::clone(&mailbox);
        network.set_wake(modem.sim(), Box::new(move || bell.ring()));
        let control = Control { mailbox, network: network.clone(), number };
        Self::run(modem, control, link, index, watch)
    }

    /// Plays the modem's side of `recording` behind a pty under `link`.
    ///
    /// # Errors
    /// When there is no pty to be had, or the link cannot be made.
    pub fn replay(recording: Recording, link: &Path, watch: Watch) -> io::Result<Self> {
        let now = clock::monotonic();
        let network = Network::new(now, clock::wall());
        let control = Control { mailbox: Mailbox::new()?, network, number: String::new() };
        Self::run(Replay::new(recording, watch.kinds, now), control, link, 0, watch)
    }

    fn run<M: Model>(
        modem: M,
        control: Control,
        link: &Path,
        index: usize,
        watch: Watch,
    ) -> io::Result<Self> {
        let mailbox = Arc::clone(&control.mailbox);
        let port = Place::Waiting(Port::open(link)?);
        let shell =
            Shell { modem, mailbox, link: link.to_owned(), place: port, index, watch, pending: Vec::new() };
        let builder = std::thread::Builder::new().name(format!("modem-{index}")).stack_size(STACK);
        let thread = builder.spawn(move || shell.run())?;
        Ok(Self { control, thread: Some(thread) })
    }

    /// Its control.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.control.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where the modem is.
enum Place {
    /// Not on the bus; back at this time, or when told.
    Gone(Option<Instant>),
    /// On the bus; no host has the port open.
    Waiting(Port),
    /// A host has it open.
    Open(Port),
}

/// What can stand behind a pty: it is told what happens and when, and asked what is to be done.
pub(super) trait Model: Send + 'static {
    /// Octets from the host.
    fn receive(&mut self, now: Instant, bytes: &[u8]);
    /// Does what is due.
    fn tick(&mut self, now: Instant);
    /// What is to be done next, if anything.
    fn poll(&mut self) -> Option<Out>;
    /// When [`tick`](Self::tick) is wanted at the latest.
    fn deadline(&self) -> Option<Instant>;
    /// The host has closed the port.
    fn host_gone(&mut self);
    /// The modem leaves the bus.
    fn hang_up(&mut self, now: Instant);
    /// It is on the bus again.
    fn plug_in(&mut self, now: Instant);
    /// Stops answering, or answers again, if it knows how.
    fn silence(&mut self, _what: Silence) {}
}

impl Model for SimulatedModem {
    fn receive(&mut self, now: Instant, bytes: &[u8]) {
        self.receive(now, bytes);
    }

    fn tick(&mut self, now: Instant) {
        self.tick(now);
    }

    fn poll(&mut self) -> Option<Out> {
        self.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline()
    }

    fn host_gone(&mut self) {
        self.host_gone();
    }

    fn hang_up(&mut self, now: Instant) {
        self.hang_up(now);
    }

    fn plug_in(&mut self, now: Instant) {
        self.plug_in(now);
    }

    fn silence(&mut self, what: Silence) {
        self.silence(what);
    }
}

struct Shell<M> {
    modem: M,
    mailbox: Arc<Mailbox>,
    link: PathBuf,
    place: Place,
    index: usize,
    watch: Watch,
    /// Octets that the host has not taken yet.
    pending: Vec<u8>,
}

impl<M: Model> Shell<M> {
    fn run(mut self) {
        // Without slack a sleep ends when asked; where it cannot be set, 50 us is what the kernel adds.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let mut buffer = [0; READ_MAX];
        loop {
            let now = clock::monotonic();
            if self.modem.deadline().is_some_and(|at| at <= now) {
                self.modem.tick(now);
            }
            self.carry_out(now);
            let (host, rung) = self.wait(now);
            if rung {
                self.mailbox.hush();
                // What the network brought before an order comes before it.
                self.modem.tick(clock::monotonic());
                while let Some(order) = self.mailbox.take() {
                    if order == Order::Stop {
                        return;
                    }
                    self.obey(order);
                }
                self.modem.tick(clock::monotonic());
            }
            if host {
                self.read(&mut buffer);
            }
            self.come_back();
        }
    }

    /// Waits for host, order or deadline: whether the port is to be read, and whether there is an order.
    fn wait(&self, now: Instant) -> (bool, bool) {
        let deadline = self.modem.deadline();
        match &self.place {
            Place::Open(port) => {
                let left = deadline.map(|at| at.saturating_duration_since(now));
                let timeout = match left {
                    Some(left) if left < NEAR => {
                        sleep_exactly(left);
                        Some(Duration::ZERO)
                    }
                    left => left.map(|left| left - NEAR / 2 - left / 500),
                };
                let wanted =
                    if self.pending.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
                let mut fds =
                    [PollFd::new(port, wanted), PollFd::new(self.mailbox.descriptor(), PollFlags::IN)];
                wait_for(&mut fds, timeout);
                let [host, bell] = fds.map(|fd| fd.revents());
                (host.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR), !bell.is_empty())
            }
            Place::Waiting(_) => {
                let left = deadline.map_or(HOST_POLL, |at| at.saturating_duration_since(now).min(HOST_POLL));
                (true, self.wait_for_order(Some(left)))
            }
            Place::Gone(back) => {
                let left = back.map(|at| at.saturating_duration_since(now));
                (false, self.wait_for_order(left))
            }
        }
    }

    fn wait_for_order(&self, timeout: Option<Duration>) -> bool {
        let mut fds = [PollFd::new(self.mailbox.descriptor(), PollFlags::IN)];
        wait_for(&mut fds, timeout);
        let [bell] = fds.map(|fd| fd.revents());
        !bell.is_empty()
    }

    fn read(&mut self, buffer: &mut [u8]) {
        let (Place::Waiting(port) | Place::Open(port)) = &self.place else { return };
        let got = port.read(buffer);
        let was_open = matches!(self.place, Place::Open(_));
        if got != Got::NoHost && !was_open {
            self.tell(What::HostOpened);
            self.move_port(Place::Open);
        }
        match got {
            Got::Bytes(read) => {
                self.modem.receive(clock::monotonic(), buffer.get(..read).unwrap_or_default());
            }
            Got::Nothing => {}
            Got::NoHost if was_open => self.host_gone(),
            Got::NoHost => {}
        }
    }

    fn host_gone(&mut self) {
        self.modem.host_gone();
        self.pending.clear();
        self.tell(What::HostClosed);
        self.move_port(Place::Waiting);
        let Place::Waiting(port) = &self.place else { return };
        if port.renew().is_err() {
            self.place = Place::Gone(None);
            self.replace_port();
        }
    }

    fn move_port(&mut self, to: fn(Port) -> Place) {
        self.place = match std::mem::replace(&mut self.place, Place::Gone(None)) {
            Place::Waiting(port) | Place::Open(port) => to(port),
            gone @ Place::Gone(_) => gone,
        };
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::HangUp => self.hang_up(None),
            Order::PlugIn => {
                if let Place::Gone(back) = &mut self.place {
                    *back = Some(clock::monotonic());
                }
            }
            Order::Silence(silence) => self.modem.silence(silence),
            Order::Stop => {}
        }
    }

    fn hang_up(&mut self, back: Option<Instant>) {
        self.modem.hang_up(clock::monotonic());
        self.pending.clear();
        self.place = Place::Gone(back);
    }

    fn come_back(&mut self) {
        let now = clock::monotonic();
        if matches!(self.place, Place::Gone(Some(at)) if at <= now) {
            self.replace_port();
            if matches!(self.place, Place::Waiting(_)) {
                self.modem.plug_in(now);
            }
        }
    }

    fn replace_port(&mut self) {
        self.place = match Port::open(&self.link) {
            Ok(port) => Place::Waiting(port),
            Err(_) => Place::Gone(Some(clock::monotonic() + PORT_RETRY)),
        };
    }

    /// Does what the modem wants done.
    fn carry_out(&mut self, now: Instant) {
        while let Some(out) = self.modem.poll() {
            match out {
                Out::Send(bytes) if matches!(self.place, Place::Open(_)) => self.write(&bytes),
                Out::Send(_) => {}
                Out::Event(event) => (self.watch.sink)(event),
                Out::HangUp(dark) => self.hang_up(Some(now + dark)),
            }
        }
        if !self.pending.is_empty() {
            self.write(&[]);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let Place::Open(port) = &self.place else { return };
        if self.pending.is_empty() {
            let written = port.write(bytes);
            self.pending.extend_from_slice(bytes.get(written..).unwrap_or_default());
            return;
        }
        if self.pending.len() + bytes.len() <= PENDING_MAX {
            self.pending.extend_from_slice(bytes);
        }
        let written = port.write(&self.pending);
        self.pending.drain(..written.min(self.pending.len()));
    }

    fn tell(&mut self, what: What) {
        if self.watch.kinds.has(what.kind()) {
            (self.watch.sink)(Event { modem: self.index, at: clock::monotonic(), what });
        }
    }
}

/// An interrupted wait is a short one: the caller looks again.
fn wait_for(fds: &mut [PollFd<'_>], timeout: Option<Duration>) {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let _ = poll(fds, timeout.as_ref());
}

fn sleep_exactly(left: Duration) {
    if left.is_zero() {
        return;
    }
    let now = clock_gettime(ClockId::Monotonic);
    let until = Timespec::try_from(left).ok().and_then(|left| now.checked_add(left));
    if let Some(until) = until {
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &until);
    }
}
