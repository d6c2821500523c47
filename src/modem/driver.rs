//! The driver: one task that owns one open port and its [`Machine`], and carries out what the machine says.
//!
//! Each turn takes one input (octets, a command, a verdict on durability, a deadline), drains `poll()`, and sends all octets of
//! the turn in one write. A read is always pending, so a hang-up and an unsolicited line are noticed while idle. The
//! machine is handed at most one submit beyond the one in flight; the rest waits in the bounded queue of the
//! [`DriverHandle`]. Verdicts are polled here, in the one task, and not by a task a message.
//!
//! When nobody takes the notices, they wait in a backlog while the port is still read: an answer to `+CMGS` must not
//! stand behind a received message. The machine bounds how many messages may be unstored, and so the backlog.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::balance::Balance;
use super::handle::{CONTROLS_WAITING, Control, SUBMITS_WAITING, Submit, Verdict};
pub use super::handle::{DriverHandle, Ended, Notice};
use super::machine::{
    Cause, Counters, Done, Event, Failure, Identity, Input, Kind, Machine, Noise, NotSent, Output, Phase,
    Registration, Request, RequestId, Settings, Status, Step,
};
use super::port::{Port, Wire};
use super::trace::Trace;
use super::wake::Wake;
use crate::at::reply::Radio;
use crate::clock;
use crate::units::Iccid;

/// One submit in flight and one that follows without a pause: what the machine takes.
const SUBMITS_UNDER_WAY: usize = 2;
/// Notices that may wait for their taker. The machine lets far fewer messages be unstored; a `Settled` beyond it is lost,
/// and its message stays uncertain.
const BACKLOG_MAX: usize = 256;
/// The last octets before a close get this long; a modem that takes none has hung.
const LAST_WORDS: Duration = Duration::from_millis(100);
const ESC: u8 = 0x1b;

/// Why a driver ended. Its port is closed by then.
#[derive(Debug)]
pub(super) enum Exit {
    /// The port is gone.
    HungUp,
    /// The port does not work.
    Broken(io::Error),
    /// It was told to stop.
    Stopped,
    /// The SIM wants a PIN, which this machine may not try.
    PinWanted(Option<Iccid>),
    /// The machine is at its wits' end: the step is to be carried out from outside.
    Ladder(Step),
}

/// What a driver is made of besides its port.
pub(super) struct Parts {
    pub(super) name: Arc<str>,
    /// See [`DriverHandle::serial`].
    pub(super) serial: u64,
    pub(super) machine: Settings,
    pub(super) trace: Arc<Trace>,
    pub(super) notices: mpsc::Sender<Notice>,
    pub(super) wake: Arc<Wake>,
    pub(super) stop: CancellationToken,
    /// How long submits in flight may take to finish once `stop` was called.
    pub(super) stop_limit: Duration,
}

/// A driver before its first turn.
pub(super) struct Driver {
    machine: Machine,
    port: Port,
    handle: DriverHandle,
    submits: mpsc::Receiver<Submit>,
    controls: mpsc::Receiver<Control>,
    status: watch::Sender<Status>,
    notices: mpsc::Sender<Notice>,
    backlog: VecDeque<Event>,
    wake: Arc<Wake>,
    under_way: Vec<UnderWay>,
    next_id: u64,
    timer: Pin<Box<Sleep>>,
    armed: Option<Instant>,
    stop: CancellationToken,
    stop_limit: Duration,
    /// Set while stopping: when submits in flight must have ended.
    stop_by: Option<Instant>,
    /// A prompt may be open that the machine could not answer any more.
    prompt_left: bool,
    exit: Option<Exit>,
}

/// One request that the machine has.
struct UnderWay {
    id: RequestId,
    reply: Reply,
    /// `None` once it was given.
    verdict: Option<Verdict>,
    /// When it is not wanted any more; `None` once it was abandoned, and for all but submits.
    lapses: Option<Instant>,
}

enum Reply {
    Submit(oneshot::Sender<Ended>),
    Control(oneshot::Sender<Result<Done, Failure>>),
}

/// What one wait brought.
enum Turn {
    Stop,
    Wire(Wire),
    Verdict(RequestId, bool),
    Control(Control),
    Submit(Submit),
    Notices,
    Due,
}

impl Driver {
    pub(super) fn new(port: Port, parts: Parts) -> Self {
        let (submits_in, submits) = mpsc::channel(SUBMITS_WAITING);
        let (controls_in, controls) = mpsc::channel(CONTROLS_WAITING);
        let (status_in, status) = watch::channel(unknown());
        let now = clock::monotonic();
        Self {
            machine: Machine::new(parts.machine, now),
            port,
            handle: DriverHandle {
                serial: parts.serial,
                port: parts.name,
                submits: submits_in,
                controls: controls_in,
                status,
                trace: parts.trace,
            },
            submits,
            controls,
            status: status_in,
            notices: parts.notices,
            backlog: VecDeque::new(),
            wake: parts.wake,
            under_way: Vec::with_capacity(SUBMITS_UNDER_WAY + 1),
            next_id: 0,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            armed: None,
            stop: parts.stop,
            stop_limit: parts.stop_limit,
            stop_by: None,
            prompt_left: false,
            exit: None,
        }
    }

    pub(super) fn handle(&self) -> DriverHandle {
        self.handle.clone()
    }

    /// Drives the modem until the port or the driver must go.
    pub(super) async fn run(mut self) -> Exit {
        self.machine.handle(clock::monotonic(), Input::Tick);
        self.drain();
        let exit = loop {
            if let Some(exit) = self.exit.take() {
                break exit;
            }
            if self.stop_by.is_some() && self.under_way.is_empty() && self.port.out.is_empty() {
                break Exit::Stopped;
            }
            self.arm();
            let turn = self.next().await;
            self.take(turn);
            self.drain();
        };
        self.finish(&exit).await;
        exit
    }

    async fn next(&mut self) -> Turn {
        let submits = self.under_way.iter().filter(|u| matches!(u.reply, Reply::Submit(_))).count();
        let room = submits < SUBMITS_UNDER_WAY && self.stop_by.is_none();
        tokio::select! {
            () = self.stop.cancelled(), if self.stop_by.is_none() => Turn::Stop,
            wire = self.port.wait() => Turn::Wire(wire),
            (id, go) = poll_fn(|cx| poll_verdicts(&mut self.under_way, cx)) => Turn::Verdict(id, go),
            Some(control) = self.controls.recv() => Turn::Control(control),
            Some(submit) = self.submits.recv(), if room => Turn::Submit(submit),
            permit = self.notices.reserve(), if !self.backlog.is_empty() => {
                if let (Ok(permit), Some(event)) = (permit, self.backlog.pop_front()) {
                    permit.send(Notice { modem: self.handle.clone(), event });
                }
                Turn::Notices
            }
            () = &mut self.timer, if self.armed.is_some() => Turn::Due,
        }
    }

    fn take(&mut self, turn: Turn) {
        let now = clock::monotonic();
        self.lapse(now);
        match turn {
            Turn::Stop => self.begin_stop(now),
            Turn::Wire(Wire::Read(count)) => {
                let octets = self.port.octets(count);
                self.handle.trace.received(clock::wall(), octets);
                self.machine.handle(now, Input::Bytes(octets));
            }
            Turn::Wire(Wire::Written) | Turn::Notices => {}
            Turn::Wire(Wire::HungUp) => self.exit = Some(Exit::HungUp),
            Turn::Wire(Wire::Broken(cause)) => self.exit = Some(Exit::Broken(cause)),
            Turn::Verdict(id, true) => self.machine.handle(now, Input::Durable(id)),
            Turn::Verdict(id, false) => self.machine.handle(now, Input::Abandon(id)),
            Turn::Control(Control::Stored(token)) => self.machine.handle(now, Input::Stored(token)),
            Turn::Control(Control::Reset(step, reply)) => {
                self.request(now, Kind::Reset(step), Reply::Control(reply), None, None);
            }
            Turn::Control(Control::Ussd(code, reply)) => {
                let kind = code.map_or(Kind::UssdCancel, Kind::Ussd);
                self.request(now, kind, Reply::Control(reply), None, None);
            }
            Turn::Submit(submit) => self.submit(now, submit),
            Turn::Due => {
                self.armed = None;
                if self.machine.deadline().is_some_and(|due| due <= now) {
                    self.machine.handle(now, Input::Tick);
                }
            }
        }
    }

    fn submit(&mut self, now: Instant, submit: Submit) {
        let left = submit.deadline.since(clock::wall());
        let id = RequestId(self.next_id);
        if left.is_zero() {
            self.next_id += 1;
            let _ = submit.reply.send(Ended { id, result: Err(NotSent::Abandoned.into()) });
            return;
        }
        // A deadline beyond what the clock can say never lapses.
        let lapses = now.checked_add(left);
        let kind = Kind::Submit { tpdu: submit.tpdu, more: submit.more };
        self.request(now, kind, Reply::Submit(submit.reply), Some(submit.verdict), lapses);
    }

    fn request(
        &mut self,
        now: Instant,
        kind: Kind,
        reply: Reply,
        verdict: Option<Verdict>,
        lapses: Option<Instant>,
    ) {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.under_way.push(UnderWay { id, reply, verdict, lapses });
        self.machine.handle(now, Input::Request(Request { id, kind }));
    }

    /// Abandons what is past its deadline, before anything else can let its Ctrl-Z go.
    fn lapse(&mut self, now: Instant) {
        if self.stop_by.is_some_and(|by| by <= now) && self.exit.is_none() {
            self.prompt_left = true;
            self.exit = Some(Exit::Stopped);
        }
        for under_way in &mut self.under_way {
            if under_way.lapses.is_some_and(|lapses| lapses <= now) {
                under_way.lapses = None;
                under_way.verdict = None;
                self.machine.handle(now, Input::Abandon(under_way.id));
            }
        }
    }

    /// No new work; what has not left is given back at once, what has left may finish.
    fn begin_stop(&mut self, now: Instant) {
        self.stop_by = Some(now + self.stop_limit);
        self.refuse_waiting();
        for under_way in &mut self.under_way {
            self.prompt_left |= under_way.lapses.take().is_some();
            under_way.verdict = None;
            self.machine.handle(now, Input::Abandon(under_way.id));
        }
    }

    fn refuse_waiting(&mut self) {
        self.submits.close();
        while let Ok(submit) = self.submits.try_recv() {
            let id = RequestId(self.next_id);
            self.next_id += 1;
            let _ = submit.reply.send(Ended { id, result: Err(NotSent::HangUp.into()) });
        }
    }

    /// Carries out all that the machine wants now; its octets become one write in the next turn.
    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Write(octets) => {
                    self.handle.trace.sent(clock::wall(), &octets);
                    self.port.out.extend_from_slice(&octets);
                }
                Output::Done(id, result) => self.reply(id, result),
                Output::Event(event) => self.tell(event),
                Output::Status(status) => self.show(status),
                Output::Ladder(step) => self.exit = Some(Exit::Ladder(step)),
            }
        }
    }

    fn reply(&mut self, id: RequestId, result: Result<Done, Failure>) {
        let Some(at) = self.under_way.iter().position(|u| u.id == id) else { return };
        // Whoever asked may have gone away; the result is of no use to anybody else.
        match self.under_way.remove(at).reply {
            Reply::Submit(reply) => drop(reply.send(Ended { id, result })),
            Reply::Control(reply) => drop(reply.send(result)),
        }
    }

    fn tell(&mut self, event: Event) {
        let port = &self.handle.port;
        match event {
            Event::Incoming { .. } | Event::Settled { .. } => self.notify(event),
            Event::Up(identity) => info!(%port, profile = identity.profile, "modem is ready"),
            Event::Down(Cause::PinWanted(iccid)) => {
                info!(%port, "the SIM wants its PIN");
                self.exit = Some(Exit::PinWanted(iccid));
            }
            Event::Down(cause) => warn!(%port, ?cause, "modem is not ready"),
            Event::Noise(Noise::BalanceUnread) => {
                warn!(%port, "the network's answer to `balance-code` is not what `balance-pattern` says");
            }
            Event::OtherCard { former, card } => warn!(%port, %former, %card, "another SIM is in the modem"),
            Event::Jamming(true) => warn!(%port, "the modem tells that its radio is jammed"),
            Event::Jamming(false) => info!(%port, "the modem tells that its radio is jammed no more"),
            Event::Noise(noise) => debug!(%port, ?noise, "oddity on the line"),
        }
    }

    fn notify(&mut self, event: Event) {
        if !self.backlog.is_empty() {
            if self.backlog.len() < BACKLOG_MAX {
                self.backlog.push_back(event);
            }
            return;
        }
        let notice = Notice { modem: self.handle.clone(), event };
        if let Err(mpsc::error::TrySendError::Full(notice)) = self.notices.try_send(notice) {
            self.backlog.push_back(notice.event);
        }
    }

    fn show(&mut self, status: Status) {
        let before = self.status.send_replace(status);
        let now = self.status.borrow();
        if before.phase == now.phase && Arc::ptr_eq(&before.identity, &now.identity) {
            self.wake.later();
        } else {
            self.wake.now();
        }
    }

    /// Sees to it that the timer fires no later than something is due. A deadline that moved away leaves the timer as it is: it
    /// then fires for nothing once, which costs less than moving it with every message.
    fn arm(&mut self) {
        let lapses = self.under_way.iter().filter_map(|u| u.lapses);
        let Some(due) = lapses.chain(self.machine.deadline()).chain(self.stop_by).min() else {
            self.armed = None;
            return;
        };
        if self.armed.is_none_or(|armed| due < armed) {
            self.timer.as_mut().reset(due.into());
            self.armed = Some(due);
        }
    }

    /// Everybody gets an answer, an open prompt gets its ESC, the port is closed.
    async fn finish(mut self, exit: &Exit) {
        self.machine.handle(clock::monotonic(), Input::HangUp);
        self.drain();
        self.refuse_waiting();
        if self.prompt_left || matches!(exit, Exit::Ladder(_)) {
            self.port.out.extend_from_slice(&[ESC]);
        }
        if !matches!(exit, Exit::HungUp | Exit::Broken(_)) && !self.port.out.is_empty() {
            let _ = tokio::time::timeout(LAST_WORDS, async {
                while let Wire::Read(_) = self.port.wait().await {}
            })
            .await;
        }
        self.handle.trace.note(clock::wall(), "port closed");
        self.port.close().await;
        self.wake.now();
    }
}

/// The first verdict that is there.
fn poll_verdicts(under_way: &mut [UnderWay], cx: &mut Context<'_>) -> Poll<(RequestId, bool)> {
    for one in under_way {
        if let Some(verdict) = &mut one.verdict
            && let Poll::Ready(go) = verdict.as_mut().poll(cx)
        {
            one.verdict = None;
            return Poll::Ready((one.id, go));
        }
    }
    Poll::Pending
}

/// Before the machine's first word.
fn unknown() -> Status {
    Status {
        phase: Phase::Starting,
        identity: Arc::new(Identity::default()),
        registration: Registration::default(),
        operator: None,
        former_card: None,
        service_centre: None,
        signal: None,
        balance: Balance::Unknown,
        stores_full: None,
        radio: Radio::default(),
        jammed: false,
        counters: Counters::default(),
    }
}

#[cfg(test)]
mod tests;
