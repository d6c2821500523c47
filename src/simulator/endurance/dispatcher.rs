//! The dispatcher's duty without tasks and store: messages wait by lane, are handed to a ready modem two at a time, and go on as
//! [`rules`] say. It is the ledger as well: what may never happen to a message is told here.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::{Time, Verdict};
use crate::modem::machine::{Done, Failure, Kind, NotSent, RequestId, Uncertain};
use crate::number::Number;
use crate::pdu::{SubmitOptions, ValidityFormat, plan};
use crate::provider::{Outcome, gsm};
use crate::queue::message::{Lane, State};
use crate::queue::rules::{self, Ended, Next, Standing};

/// What the machine takes: one in flight and one that follows.
const UNDER_WAY: usize = 2;
/// Every recipient is another one: this and eight digits.
const RECIPIENT: &str = "+49170";
/// After a commit that failed nothing is begun so long.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Where the recipient's digits stand in what is written at a prompt: behind the empty service centre, the first octet,
/// TP-MR, length and type of TP-DA.
const RECIPIENT_AT: std::ops::Range<usize> = 10..24;
/// Ctrl-Z.
const CTRL_Z: u8 = 0x1a;

/// One accepted message.
#[derive(Debug)]
struct Message {
    lane: Lane,
    deadline: Instant,
    tpdu: Vec<u8>,
    state: State,
    refusals: u32,
    doubts: u32,
    shown: u32,
}

#[derive(Debug)]
struct UnderWay {
    request: RequestId,
    message: usize,
    durable: bool,
    /// Its Ctrl-Z has left.
    left: bool,
}

/// What the end of an attempt means for the time to come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AfterEnd {
    /// Modem or network gave an answer.
    pub(super) answered: bool,
    /// The message is due again then.
    pub(super) due: Option<Instant>,
}

/// All messages of a life.
#[derive(Debug)]
pub(super) struct Dispatcher {
    time: Time,
    messages: Vec<Message>,
    queued: BTreeSet<(Lane, Instant, usize)>,
    under_way: Vec<UnderWay>,
    /// Requests that ended in doubt; a late answer may settle them.
    in_doubt: HashMap<RequestId, usize>,
    next_request: u64,
    paused_until: Option<Instant>,
    /// Second copies that were allowed: a login in doubt went once more.
    pub(super) repeated: u64,
}

impl Dispatcher {
    pub(super) fn new(time: Time) -> Self {
        Self {
            time,
            messages: Vec::new(),
            queued: BTreeSet::new(),
            under_way: Vec::new(),
            in_doubt: HashMap::new(),
            next_request: 0,
            paused_until: None,
            repeated: 0,
        }
    }

    /// A new message; its number and its deadline.
    pub(super) fn accept(&mut self, now: Instant, rng: &mut Rng) -> Result<(usize, Instant), String> {
        let id = self.messages.len();
        let (lane, lives_s) = match rng.u8(..10) {
            0..4 => (Lane::Login, rng.u64(60..300)),
            4..6 => (Lane::Alert, rng.u64(300..1800)),
            _ => (Lane::Bulk, rng.u64(300..3600)),
        };
        let deadline = now + Duration::from_secs(lives_s);
        let tpdu = tpdu(id, rng).ok_or("a message cannot be written")?;
        let (state, refusals, doubts, shown) = (State::Queued, 0, 0, 0);
        self.messages.push(Message { lane, deadline, tpdu, state, refusals, doubts, shown });
        self.queued.insert((lane, now, id));
        Ok((id, deadline))
    }

    /// The most urgent message that is due, if the machine may have one more.
    pub(super) fn next(&mut self, now: Instant) -> Option<(RequestId, Kind)> {
        if self.under_way.len() >= UNDER_WAY || self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        let key = self.first_due(now)?;
        self.queued.remove(&key);
        let request = self.new_request();
        self.under_way.push(UnderWay { request, message: key.2, durable: false, left: false });
        let message = self.messages.get_mut(key.2)?;
        message.state = State::Leased;
        Some((request, Kind::Submit { tpdu: message.tpdu.clone(), more: !self.queued.is_empty() }))
    }

    /// A name for a request.
    pub(super) fn new_request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    fn first_due(&self, now: Instant) -> Option<(Lane, Instant, usize)> {
        Lane::ALL.into_iter().find_map(|lane| {
            let first = self.queued.range((lane, self.time.base, 0)..).next();
            first.filter(|(of, due, _)| *of == lane && *due <= now).copied()
        })
    }

    /// Whether a message waits for a modem that could take it, or is under way.
    pub(super) fn has_work(&self, now: Instant) -> bool {
        !self.under_way.is_empty() || self.first_due(now).is_some()
    }

    /// The attempt's row is written: whether the machine is to be told.
    pub(super) fn committed(&mut self, now: Instant, request: RequestId, well: bool) -> bool {
        if !well {
            self.paused_until = Some(now + STORE_PAUSE);
        }
        let found = self.under_way.iter_mut().find(|one| one.request == request);
        found.is_some_and(|one| {
            one.durable |= well;
            true
        })
    }

    /// The deadline has come: the request that is to be abandoned, if there is one.
    pub(super) fn lapse(&mut self, id: usize) -> Option<RequestId> {
        let message = self.messages.get_mut(id)?;
        if message.state == State::Queued {
            message.state = State::Expired;
            self.queued.retain(|(_, _, queued)| *queued != id);
        }
        self.under_way.iter().find(|one| one.message == id).map(|one| one.request)
    }

    /// Octets leave for the modem; a PDU with its Ctrl-Z must be allowed to.
    pub(super) fn leaves(&mut self, now: Instant, octets: &[u8]) -> Verdict {
        if octets.last() != Some(&CTRL_Z) {
            return Ok(());
        }
        let id = recipient(octets).ok_or("something is sent that is no message")?;
        let one = self.under_way.iter_mut().find(|one| one.message == id);
        let one = one.ok_or_else(|| format!("message {id} is sent though nobody asks for it"))?;
        let deadline = self.messages.get(id).map_or(now, |message| message.deadline);
        match () {
            () if !one.durable => Err(format!("message {id} is sent before it is durable")),
            () if one.left => Err(format!("message {id} is sent twice in one attempt")),
            () if now >= deadline => Err(format!("message {id} is sent after its deadline")),
            () => {
                one.left = true;
                Ok(())
            }
        }
    }

    /// A request ended.
    pub(super) fn ended(
        &mut self,
        now: Instant,
        request: RequestId,
        result: Result<Done, Failure>,
        jitter: u8,
    ) -> Result<AfterEnd, String> {
        let at = self.under_way.iter().position(|one| one.request == request);
        let at = at.ok_or_else(|| format!("{request:?} ended twice, or was never made"))?;
        let UnderWay { message: id, left, .. } = self.under_way.swap_remove(at);
        let rejected = matches!(result, Err(Failure::Rejected(_)));
        if !rejected && left == matches!(result, Err(Failure::NotSent(_))) {
            return Err(format!("message {id} ended as {result:?} (Ctrl-Z left: {left})"));
        }
        let message = self.messages.get_mut(id).ok_or("no such message")?;
        let ended = match result {
            // As the provider has it: taken, but no report can be matched.
            Err(Failure::Uncertain(Uncertain::NoReference)) => Some(Ended::Submitted),
            Err(Failure::NotSent(NotSent::Abandoned)) => None,
            result => match gsm::outcome(result) {
                Outcome::Submitted { .. } => Some(Ended::Submitted),
                Outcome::Refused { disposition, .. } => Some(Ended::Refused(disposition)),
                Outcome::Uncertain { .. } => Some(Ended::Uncertain),
                Outcome::Abandoned => None,
            },
        };
        message.refusals += u32::from(matches!(ended, Some(Ended::Refused(_))));
        message.doubts += u32::from(ended == Some(Ended::Uncertain));
        if ended == Some(Ended::Uncertain) {
            self.in_doubt.insert(request, id);
        }
        let standing = Standing {
            lane: message.lane,
            deadline: self.time.wall(message.deadline),
            refusals: message.refusals,
            uncertain: message.doubts,
            remaining: 0,
        };
        let wall = self.time.wall(now);
        let next = match ended {
            Some(ended) => rules::after_attempt(ended, standing, wall, jitter),
            None if now >= message.deadline => Next::Rest(State::Expired),
            None => Next::Retry(wall),
        };
        let due = match next {
            Next::Continue => return Err(format!("message {id} has one part only")),
            Next::Rest(state) => {
                message.state = state;
                message.tpdu = Vec::new();
                None
            }
            Next::Retry(due) => {
                message.state = State::Queued;
                let due = self.time.instant(due);
                self.queued.insert((message.lane, due, id));
                Some(due)
            }
        };
        Ok(AfterEnd { answered: rejected || ended == Some(Ended::Submitted), due })
    }

    /// The late answer to a request in doubt.
    pub(super) fn settled(&mut self, request: RequestId) -> Verdict {
        let id = self.in_doubt.remove(&request).ok_or_else(|| format!("{request:?} was not in doubt"))?;
        if let Some(message) = self.messages.get_mut(id).filter(|message| message.state == State::Uncertain) {
            message.state = State::Submitted;
        }
        Ok(())
    }

    /// A handset shows a message.
    pub(super) fn shown(&mut self, number: &str) -> Verdict {
        let id = number.strip_prefix(RECIPIENT).and_then(|id| id.parse().ok());
        let id: usize = id.ok_or_else(|| format!("{number} is nobody's number"))?;
        let message = self.messages.get_mut(id).ok_or_else(|| format!("{number} is not asked for"))?;
        message.shown += 1;
        let doubts = if message.lane == Lane::Bulk { 0 } else { message.doubts };
        if message.shown > 1 + doubts {
            return Err(format!(
                "message {id} ({:?}, in doubt {} times) is shown for the {}th time",
                message.lane, message.doubts, message.shown
            ));
        }
        self.repeated += u64::from(message.shown > 1);
        Ok(())
    }

    /// The handset's report has come.
    pub(super) fn reported(&mut self, number: &str) {
        let id: Option<usize> = number.strip_prefix(RECIPIENT).and_then(|id| id.parse().ok());
        let message = id.and_then(|id| self.messages.get_mut(id));
        if let Some(message) = message.filter(|one| matches!(one.state, State::Submitted | State::Uncertain))
        {
            message.state = State::Delivered;
        }
    }

    /// The port is closed: everything that was under way has had its end.
    pub(super) fn port_closed(&self) -> Verdict {
        match self.under_way.as_slice() {
            [] => Ok(()),
            open => Err(format!("{open:?} did not end with the port")),
        }
    }

    /// Whether all messages that were taken are on a handset.
    pub(super) fn honest(&self) -> Verdict {
        let taken = |message: &Message| matches!(message.state, State::Submitted | State::Delivered);
        match self.messages.iter().position(|message| taken(message) && message.shown == 0) {
            None => Ok(()),
            Some(id) => Err(format!("message {id} counts as sent, and no handset has it")),
        }
    }

    /// How many messages stand in `state`.
    pub(super) fn count(&self, state: State) -> u64 {
        self.messages.iter().filter(|message| message.state == state).map(|_| 1).sum()
    }

    /// Messages that are still to come to an end.
    pub(super) fn open(&self) -> u64 {
        self.count(State::Queued) + self.count(State::Leased)
    }

    pub(super) fn accepted(&self) -> u64 {
        u64::try_from(self.messages.len()).unwrap_or(u64::MAX)
    }
}

/// To whom the PDU at the prompt goes.
fn recipient(octets: &[u8]) -> Option<usize> {
    let digits = octets.get(RECIPIENT_AT)?;
    let mut number = String::with_capacity(digits.len());
    for pair in digits.chunks_exact(2) {
        number.extend(pair.iter().rev().map(|digit| char::from(*digit)));
    }
    let number = number.trim_end_matches(['F', 'f']);
    number.strip_prefix(RECIPIENT.trim_start_matches('+'))?.parse().ok()
}

fn tpdu(id: usize, rng: &mut Rng) -> Option<Vec<u8>> {
    let number = Number::parse(&format!("{RECIPIENT}{id:08}"), None).ok()?;
    let wide = if rng.u8(..8) == 0 { "Ш" } else { "" };
    let text = format!("{wide}Your code is {id:08}{}", ".".repeat(rng.usize(..40)));
    let options = SubmitOptions {
        concat_ref: 0,
        validity: None,
        validity_format: ValidityFormat::Relative,
        status_report: rng.u8(..3) == 0,
        reject_duplicates: false,
        class0: false,
    };
    plan(&text).ok()?.submits(&number, &options).first()?.encode().ok()
}
