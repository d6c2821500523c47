//! The line discipline of one port: one command in flight, its answer told apart from everything else, and the way back
//! into step when an answer is missing.
//!
//! States: idle; awaiting an answer (with a prompt in between for `+CMGS`); resync; closed. A line is judged with the command
//! in flight at hand: its echo, its expected prefix (once, and by arity where an unsolicited result has the same name), its
//! final result, and only then as unsolicited. During a resync answers and results are dropped until our own probe is
//! answered and the line is quiet, so that a late answer never satisfies the next command.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::at::command::CMGS_ANSWER;
use crate::at::lines::LINE_MAX;
use crate::at::reply::{CmgsReply, UssdReply};
use crate::at::urc::Ready;
use crate::at::{Chunk, Command, Final, Info, Lines, Urc, hex};
use crate::modem::profile::{LineEnd, Profile};
use crate::modem::timers::{Timer, Timers};
use crate::units::MessageRef;

mod awaiting;
mod order;

pub(super) use order::Order;

use awaiting::{Awaiting, Prompt, is_hex};

/// Quiet before a probe: the rest of an answer of a hanging modem comes in one piece, if at all.
const QUIET: Duration = Duration::from_millis(300);
/// A line that is never quiet is probed anyway after this.
const QUIET_MAX: Duration = Duration::from_secs(3);
/// Quiet after the probe's answer: a late answer that overtook it brings a second `OK` within milliseconds.
const SETTLE: Duration = Duration::from_millis(200);
/// A slow modem gives the results that it still owes at the pace at which it was asked: the time limit of most commands, then
/// [`QUIET`] and every [`PROBE_LIMIT`] a probe. So wait longer than those for each.
const OWED_PATIENCE: Duration = Duration::from_secs(6);
/// The same where all that may be owed is the answer to a first `AT`, which was followed by the probe after [`WAKE_LIMIT`] and
/// [`QUIET`].
const POKE_PATIENCE: Duration = Duration::from_secs(1);
/// `AT` is answered within 300 ms by manuals.
const PROBE_LIMIT: Duration = Duration::from_secs(3);
/// Probes before the modem counts as silent.
const PROBES_MAX: u8 = 3;
/// A resync that ends in silence: the quiet before it and all its probes.
pub(super) const RESYNC_MAX: Duration =
    Duration::from_secs(QUIET_MAX.as_secs() + PROBES_MAX as u64 * PROBE_LIMIT.as_secs());
/// The `OK` behind `+CMGS` comes with it; without one nothing is lost but the step.
const OK_GRACE: Duration = Duration::from_secs(5);
/// Ctrl-Z ends the PDU.
const CTRL_Z: u8 = 0x1a;
/// ESC leaves the prompt.
const ESC: u8 = 0x1b;

/// For whom a command was sent; comes back with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    BringUp,
    Submit,
    Incoming,
    Idle,
    Ussd,
    /// An `AT` that may be lost, in front of a command that must not be.
    Wake,
    Ladder,
}

/// The whole answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Expected lines in order; PDUs stand after their header.
    pub(super) lines: Vec<String>,
    pub(super) result: Final,
}

impl Answer {
    /// The first line as information, if there is one.
    pub(super) fn info(&self) -> Option<Info<'_>> {
        self.lines.first().and_then(|line| Info::parse(line))
    }
}

/// Something heard on the line, fully judged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// `+CMGS` asks for the PDU.
    Prompt,
    Answer(Purpose, Answer),
    /// No answer in time; a resync has begun.
    TimedOut(Purpose),
    /// The resync is done; the next command may go.
    InStep,
    /// No probe was answered.
    Silent,
    /// `+CMGS: <mr>` for the PDU in flight; its `OK` is still to come.
    Reference(MessageRef),
    /// `+CMGS: <mr>` that no command in flight can have.
    LateReference(MessageRef),
    Unsolicited(Urc),
    /// `+CUSD`; again with each further line of its text, until it is whole.
    Ussd {
        reply: UssdReply,
        whole: bool,
    },
    /// The radio is jammed, or is so no more, by a line of the note.
    Jamming(bool),
    /// The second line of `+CMT` (true: `+CDS`), and the length of the TPDU that the first one told.
    Direct {
        report: bool,
        length: Option<u16>,
        pdu: String,
    },
    /// Nothing that anybody expected.
    Noise,
}

#[derive(Debug)]
enum Resync {
    /// Waiting for silence on the line.
    Quiet { since: Instant },
    /// `AT` is out; `late` results are expected before its own.
    Probing { probes: u8, late: bool },
    /// `AT` was answered.
    Settling,
}

#[derive(Debug)]
enum State {
    Idle,
    Awaiting(Awaiting),
    Resync(Resync),
    Closed,
}

/// One port's dialogue.
#[derive(Debug)]
pub(super) struct Session {
    lines: Lines,
    /// The line that is coming in had begun before the command or the PDU in flight left: it is no answer to it.
    stale: bool,
    state: State,
    /// A `+CMT`, `+CDS` or `+CBM` header came; its second line is due.
    direct: Option<Urc>,
    /// A `+CUSD` whose text has no end yet.
    unclosed: Option<String>,
    /// Results of commands and probes given up, which may still come.
    owed: u8,
    /// How long to wait for each of them.
    patience: Duration,
    /// A probe that ended in LF was answered, if only by an error: what had no LF stood before it in the same line.
    wants_lf: bool,
    /// How long the answer to a PDU may take.
    submit_limit: Duration,
    note: Arc<Profile>,
    writes: Vec<Bytes>,
}

impl Session {
    pub(super) fn new(submit_limit: Option<Duration>, note: Arc<Profile>) -> Self {
        let submit_limit = submit_limit.unwrap_or(CMGS_ANSWER);
        Self {
            lines: Lines::new(),
            stale: false,
            state: State::Idle,
            direct: None,
            unclosed: None,
            owed: 0,
            patience: Duration::ZERO,
            wants_lf: false,
            submit_limit,
            note,
            writes: Vec::new(),
        }
    }

    /// The modem has said what it is.
    pub(super) fn obey(&mut self, note: Arc<Profile>) {
        self.note = note;
    }

    /// Whether the next command may go.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether the command in flight had a line of its answer.
    pub(super) fn has_reply(&self) -> bool {
        matches!(&self.state, State::Awaiting(awaiting) if !awaiting.lines.is_empty())
    }

    /// What to write since the last call.
    pub(super) fn take_writes(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.writes)
    }

    /// Sends a command. Only when idle.
    pub(super) fn send(&mut self, now: Instant, timers: &mut Timers, purpose: Purpose, order: Order) {
        debug_assert!(self.is_idle(), "one command in flight");
        let lf = self.wants_lf && order.is_introduction();
        let bytes = self.ended(order.encode(), lf);
        self.stale = self.lines.is_within_line();
        timers.set(Timer::Link, now, order.limit());
        self.state = State::Awaiting(Awaiting {
            prompt: if order.is_cmgs() { Prompt::Awaited } else { Prompt::None },
            echo: Zeroizing::new(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
            grace: order.grace(&self.note),
            order,
            purpose,
            lines: Vec::new(),
            pdu_due: false,
        });
        self.writes.push(bytes.into());
    }

    /// A command line as this modem wants it to end, or with LF anyhow.
    fn ended(&self, mut line: Vec<u8>, lf: bool) -> Vec<u8> {
        if lf || self.note.line_end.value == LineEnd::CrLf {
            line.push(b'\n');
        }
        line
    }

    /// Gives the PDU and Ctrl-Z. Only when the prompt is open. Takes octets, so that nothing but hex can leave.
    #[must_use]
    pub(super) fn give_pdu(&mut self, now: Instant, timers: &mut Timers, tpdu: &[u8]) -> bool {
        let State::Awaiting(awaiting) = &mut self.state else { return false };
        if awaiting.prompt != Prompt::Open {
            return false;
        }
        // No service centre octets: the SIM's own is used.
        let hex = format!("00{}", hex::encode(tpdu));
        let mut bytes = hex.clone().into_bytes();
        bytes.push(CTRL_Z);
        self.stale = self.lines.is_within_line();
        awaiting.prompt = Prompt::Answered;
        awaiting.echo = Zeroizing::new(hex);
        timers.set(Timer::Link, now, self.submit_limit);
        self.writes.push(bytes.into());
        true
    }

    /// The `+CMGS` in flight is not wanted any more: ESC now or when its prompt comes. Not after Ctrl-Z.
    pub(super) fn cancel(&mut self, now: Instant, timers: &mut Timers) {
        if let State::Awaiting(awaiting) = &mut self.state {
            match awaiting.prompt {
                Prompt::Open => self.resync(now, timers, true),
                Prompt::Awaited => awaiting.prompt = Prompt::Cancelled,
                Prompt::None | Prompt::Cancelled | Prompt::Answered => {}
            }
        }
    }

    /// Forgets the command in flight and brings the line into step.
    pub(super) fn resync(&mut self, now: Instant, timers: &mut Timers, escape: bool) {
        if escape {
            self.writes.push(Bytes::from_static(&[ESC]));
        }
        self.give_up();
        self.state = State::Resync(Resync::Quiet { since: now });
        timers.set(Timer::Link, now, QUIET);
    }

    /// A command in flight that is given up may be answered yet.
    fn give_up(&mut self) {
        if let State::Awaiting(awaiting) = &self.state
            && awaiting.prompt != Prompt::Open
        {
            let poke = awaiting.order == Order::Known(Command::At);
            self.owe(if poke { POKE_PATIENCE } else { OWED_PATIENCE });
        }
    }

    /// One more result may come without being waited for.
    fn owe(&mut self, patience: Duration) {
        self.patience = if self.owed == 0 { patience } else { self.patience.max(patience) };
        self.owed = self.owed.saturating_add(1);
    }

    /// Forgets all that is under way: the modem started anew, or nothing can be waited for.
    pub(super) fn restart(&mut self, timers: &mut Timers) {
        self.give_up();
        self.state = State::Idle;
        self.direct = None;
        self.unclosed = None;
        timers.clear(Timer::Link);
    }

    /// The modem started anew: it owes nothing.
    pub(super) fn rebooted(&mut self, timers: &mut Timers) {
        self.restart(timers);
        self.owed = 0;
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.direct = None;
        self.unclosed = None;
        self.lines.clear();
        self.writes.clear();
    }

    /// Takes bytes; [`next`](Self::next) is to be called until it gives `None`.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// The next thing heard. One at a time, because what the machine does in between decides how the next line reads.
    pub(super) fn next(&mut self, now: Instant, timers: &mut Timers) -> Option<Heard> {
        // A line is lent by the splitter while it changes the state, so the splitter is out of the session meanwhile.
        let mut lines = std::mem::take(&mut self.lines);
        let heard = self.next_of(&mut lines, now, timers);
        self.lines = lines;
        heard
    }

    fn next_of(&mut self, lines: &mut Lines, now: Instant, timers: &mut Timers) -> Option<Heard> {
        loop {
            let prompt_expected = !self.stale
                && matches!(
                    &self.state,
                    State::Awaiting(Awaiting { prompt: Prompt::Awaited | Prompt::Cancelled, .. })
                );
            let chunk = lines.next(prompt_expected)?;
            let stale = std::mem::take(&mut self.stale);
            let heard = match chunk {
                Chunk::Prompt => self.prompted(now, timers),
                Chunk::Line(line) => self.judge(now, timers, line, stale),
                Chunk::TooLong { .. } => Some(Heard::Noise),
            };
            if heard.is_some() {
                return heard;
            }
        }
    }

    /// The link's wait ended.
    pub(super) fn expired(&mut self, now: Instant, timers: &mut Timers) -> Option<Heard> {
        match &mut self.state {
            State::Idle | State::Closed => None,
            State::Awaiting(awaiting) => {
                let purpose = awaiting.purpose;
                if awaiting.grace.is_some() && !awaiting.lines.is_empty() {
                    return self.finish(timers, Final::Ok);
                }
                let escape = awaiting.order.may_hang_in_prompt();
                self.resync(now, timers, escape);
                if purpose == Purpose::Wake {
                    // It was lost, as the note says: nothing is owed.
                    self.owed = 0;
                }
                Some(Heard::TimedOut(purpose))
            }
            State::Resync(Resync::Quiet { .. }) => {
                self.probe(now, timers, 1);
                None
            }
            State::Resync(Resync::Probing { probes, .. }) if *probes < PROBES_MAX => {
                let next = probes.saturating_add(1);
                self.probe(now, timers, next);
                None
            }
            State::Resync(Resync::Probing { .. }) => {
                self.state = State::Idle;
                Some(Heard::Silent)
            }
            State::Resync(Resync::Settling) => {
                self.state = State::Idle;
                self.owed = 0;
                Some(Heard::InStep)
            }
        }
    }

    fn probe(&mut self, now: Instant, timers: &mut Timers, probes: u8) {
        // Who answers only to LF cannot say so: every other probe has one. To all others it is a blank line; V.250 5.2.1.
        let lf = self.wants_lf || is_with_lf(probes);
        self.writes.push(self.ended(Command::At.encode(), lf).into());
        // The first one owes nothing that is not waited for.
        self.owe(if probes > 1 { OWED_PATIENCE } else { POKE_PATIENCE });
        self.state = State::Resync(Resync::Probing { probes, late: false });
        timers.set(Timer::Link, now, PROBE_LIMIT);
    }

    fn prompted(&mut self, now: Instant, timers: &mut Timers) -> Option<Heard> {
        let State::Awaiting(awaiting) = &mut self.state else { return None };
        if awaiting.prompt == Prompt::Cancelled {
            self.resync(now, timers, true);
            return None;
        }
        awaiting.prompt = Prompt::Open;
        timers.clear(Timer::Link);
        Some(Heard::Prompt)
    }

    fn finish(&mut self, timers: &mut Timers, result: Final) -> Option<Heard> {
        timers.clear(Timer::Link);
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Awaiting(awaiting) => {
                Some(Heard::Answer(awaiting.purpose, Answer { lines: awaiting.lines, result }))
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    fn judge(&mut self, now: Instant, timers: &mut Timers, line: &str, stale: bool) -> Option<Heard> {
        if let Some(header) = self.direct.take() {
            let pdu = || line.to_owned();
            match header {
                Urc::Cmt { length } if is_hex(line) => {
                    return Some(Heard::Direct { report: false, length, pdu: pdu() });
                }
                Urc::Cds { length } if is_hex(line) => {
                    return Some(Heard::Direct { report: true, length, pdu: pdu() });
                }
                _ if is_hex(line) => return None,
                header if self.is_chatter(line) => self.direct = Some(header),
                _ => {}
            }
        }
        match &mut self.state {
            State::Closed => None,
            State::Idle if self.unclosed.is_none() && is_echo_of_any(line) => None,
            State::Idle => Some(self.unsolicited(line)),
            State::Resync(resync) => {
                if let Resync::Probing { probes, .. } = resync
                    && command_final(line).is_some()
                {
                    self.wants_lf |= is_with_lf(*probes);
                }
                let wait = drop_in_resync(resync, &mut self.owed, self.patience, line, now);
                if let Some(wait) = wait {
                    timers.set(Timer::Link, now, wait);
                }
                let heard = self.unsolicited(line);
                (heard != Heard::Noise).then_some(heard)
            }
            State::Awaiting(awaiting) => {
                if awaiting.is_echo(line) {
                    return None;
                }
                let for_ussd = awaiting.purpose == Purpose::Ussd;
                if stale {
                    let heard = self.unsolicited(line);
                    return Some(heard).filter(|heard| !for_ussd || !matches!(heard, Heard::Ussd { .. }));
                }
                if let Some(result) = command_final(line) {
                    return self.concluded(now, timers, result);
                }
                if awaiting.takes(line, &self.note) {
                    if let Some(mr) = reference(line).filter(|_| awaiting.order.is_cmgs()) {
                        timers.set(Timer::Link, now, OK_GRACE);
                        return Some(Heard::Reference(mr));
                    }
                    if let Some(grace) = awaiting.grace {
                        timers.set(Timer::Link, now, grace);
                    }
                    return None;
                }
                Some(self.unsolicited(line))
            }
        }
    }

    /// A final result for the command in flight.
    fn concluded(&mut self, now: Instant, timers: &mut Timers, result: Final) -> Option<Heard> {
        let State::Awaiting(awaiting) = &self.state else { return None };
        match awaiting.prompt {
            // Before the prompt nothing can be finished well: such an OK belongs to nobody.
            Prompt::Awaited | Prompt::Cancelled | Prompt::Open if result.is_ok() => Some(Heard::Noise),
            // The prompt is open and the modem says something final: it has left the prompt or not, so be sure.
            Prompt::Open => {
                let purpose = awaiting.purpose;
                self.resync(now, timers, true);
                Some(Heard::Answer(purpose, Answer { lines: Vec::new(), result }))
            }
            _ => self.finish(timers, result),
        }
    }

    fn unsolicited(&mut self, line: &str) -> Heard {
        if let Some(reference) = reference(line) {
            return Heard::LateReference(reference);
        }
        if let Some(jammed) = self.note.jamming(line) {
            return Heard::Jamming(jammed);
        }
        if let Some(heard) = self.ussd(line) {
            return heard;
        }
        let urc = Urc::parse(line);
        // A line may tell of a start as well as of a card that is readable: the start is more.
        if urc != Some(Urc::Ready(Ready::Started)) && self.note.is_ready_line(line) {
            return Heard::Unsolicited(Urc::Ready(Ready::Sms));
        }
        match urc {
            Some(urc) if urc.needs_body() => {
                self.direct = Some(urc.clone());
                Heard::Unsolicited(urc)
            }
            Some(urc) => Heard::Unsolicited(urc),
            None if self.note.is_noise_line(line) => Heard::Unsolicited(Urc::Noise),
            None => Heard::Noise,
        }
    }

    /// A line of the network's words: operators put line breaks into them, and some modems forget the closing quote.
    fn ussd(&mut self, line: &str) -> Option<Heard> {
        let begun =
            self.unclosed.take().filter(|_| Urc::parse(line).is_none() && Info::parse(line).is_none());
        let text = match begun {
            Some(begun) => format!("{begun}\n{line}"),
            None => line.to_owned(),
        };
        let reply = UssdReply::parse(&text)?;
        let whole = !UssdReply::is_unfinished(&text) || text.len() > LINE_MAX;
        self.unclosed = (!whole).then_some(text);
        Some(Heard::Ussd { reply, whole })
    }

    /// Whether the line means nothing, wherever it stands.
    fn is_chatter(&self, line: &str) -> bool {
        let noise = |urc| urc == Urc::Noise;
        self.note.jamming(line).is_some()
            || Urc::parse(line).map_or_else(|| self.note.is_noise_line(line), noise)
    }
}

/// Whether this probe ends in LF whatever is known.
fn is_with_lf(probes: u8) -> bool {
    probes.is_multiple_of(2)
}

/// During a resync answers are dropped; returns the new wait, if the line changes it.
fn drop_in_resync(
    resync: &mut Resync,
    owed: &mut u8,
    patience: Duration,
    line: &str,
    now: Instant,
) -> Option<Duration> {
    let result = command_final(line);
    if result.is_some() {
        *owed = owed.saturating_sub(1);
    }
    let settle = if *owed > 0 { patience } else { SETTLE };
    match resync {
        Resync::Quiet { since } => {
            let left = QUIET_MAX.saturating_sub(now.saturating_duration_since(*since));
            Some(QUIET.min(left))
        }
        // The answer of the command that timed out: the result that follows is its own, not the probe's.
        Resync::Probing { late, .. } if reference(line).is_some() => {
            *late = true;
            None
        }
        Resync::Probing { late, .. } if result == Some(Final::Ok) => {
            if std::mem::take(late) {
                return None;
            }
            *resync = Resync::Settling;
            Some(settle)
        }
        Resync::Probing { .. } => None,
        Resync::Settling => result.map(|_| settle),
    }
}

/// Results that end one of our commands; `NO CARRIER` and its kin tell of calls.
fn command_final(line: &str) -> Option<Final> {
    Final::parse(line).filter(|result| {
        matches!(
            result,
            Final::Ok | Final::Error | Final::Cme(_) | Final::Cms(_) | Final::NotSupported | Final::ModemBusy
        )
    })
}

fn reference(line: &str) -> Option<MessageRef> {
    Info::parse(line).and_then(|info| CmgsReply::parse(&info)).map(|reply| reply.mr)
}

/// With no command in flight: the late echo of one, on a modem that takes its time over `ATE0`.
fn is_echo_of_any(line: &str) -> bool {
    line.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("AT"))
}
