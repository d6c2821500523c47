//! The network between simulated modems and phones: one service centre that takes every message, shows it on a phone or
//! passes it to another SIM, and sends status reports.
//!
//! Shared by all modems of a process. It is pure as well: `now` is an argument, and the wall time that stands in service
//! centre time stamps is counted from the moment it was made.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::phone::{Phone, Shown};
use crate::number::Number;
use crate::pdu::{
    Address, Dcs, Deliver, EncodeError, Flaws, Pid, Status, StatusReport, Submit, SubmitOptions, Timestamp,
    UserData, ValidityFormat, plan,
};
use crate::units::{MessageRef, UnixMs};

/// Messages kept for [`Network::shown`]; a bench sends tens of thousands that nobody asks for.
const SHOWN_MAX: usize = 4096;
/// Phones that hold parts of messages at once; what is beyond forgets its parts, as a phone that was off too long.
const PHONES_MAX: usize = 4096;
/// Messages and reports that wait for one SIM; a service centre drops what nobody fetches, too.
const WAITING_MAX: usize = 65_536;
/// Pause before a message that the modem did not acknowledge comes again; real ones wait a minute or more.
const RETRY: Duration = Duration::from_secs(30);

/// A SIM on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimId(usize);

/// What the network brings to a modem.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// A message.
    Message(Deliver),
    /// A status report.
    Report(StatusReport),
}

impl Incoming {
    /// The TPDU; an error if no modem could write it.
    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Message(message) => message.encode(),
            Self::Report(report) => report.encode(),
        }
    }
}

/// Called when something waits for a SIM whose modem sleeps.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Why a message cannot be delivered to a SIM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// No modem has a SIM with this number.
    #[error("no simulated SIM has the number {0}")]
    NoSuchSim(String),
    /// The sender is neither a number nor a name of at most 11 characters.
    #[error("{0:?} is neither a number nor a name of at most 11 GSM characters")]
    Sender(String),
    /// The text has too many parts.
    #[error("the text is too long for a message")]
    Text,
    /// The text has no part of this number.
    #[error("the text has no part {0}")]
    Part(u8),
}

/// How the parts of one text arrive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Their common reference; the network's next one if not told.
    pub reference: Option<u8>,
    /// Which parts come, in this order, a number twice if it comes twice; all of them if none is told.
    pub parts: Vec<u8>,
}

/// A network; clones are the same one.
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

struct State {
    start: Instant,
    wall: UnixMs,
    sims: Vec<Sim>,
    phones: HashMap<String, Phone>,
    shown: VecDeque<Shown>,
    submitted: u64,
    order: u64,
    concat_ref: u8,
}

struct Sim {
    number: String,
    /// By due time, then order of arrival.
    waiting: BTreeMap<(Instant, u64), Incoming>,
    wake: Option<Wake>,
}

impl Network {
    /// An empty network whose clock shows `wall` at `start`.
    #[must_use]
    pub fn new(start: Instant, wall: UnixMs) -> Self {
        Self(Arc::new(Mutex::new(State {
            start,
            wall,
            sims: Vec::new(),
            phones: HashMap::new(),
            shown: VecDeque::new(),
            submitted: 0,
            order: 0,
            concat_ref: 0,
        })))
    }

    /// Puts a SIM with this number on the network.
    #[must_use]
    pub fn attach(&self, number: &str) -> SimId {
        let mut state = self.lock();
        state.sims.push(Sim { number: number.to_owned(), waiting: BTreeMap::new(), wake: None });
        SimId(state.sims.len() - 1)
    }

    /// Whom to wake when something waits for `sim`.
    pub fn set_wake(&self, sim: SimId, wake: Wake) {
        if let Some(sim) = self.lock().sims.get_mut(sim.0) {
            sim.wake = Some(wake);
        }
    }

    /// Messages taken from modems so far, parts counted singly.
    #[must_use]
    pub fn submitted(&self) -> u64 {
        self.lock().submitted
    }

    /// What the phone with this number has shown, oldest first, as far as it is kept.
    #[must_use]
    pub fn shown(&self, number: &str) -> Vec<Shown> {
        self.lock().shown.iter().filter(|shown| shown.number == number).cloned().collect()
    }

    /// Takes a message from the modem with `sim`, which gave it the reference `reference`. A status report, if it is asked for,
    /// comes `report_after` later; `None`: never. Gives what the phone shows, if the message is complete and for a phone.
    pub fn submit(
        &self,
        now: Instant,
        sim: SimId,
        submit: &Submit,
        reference: MessageRef,
        report_after: Option<Duration>,
    ) -> Option<Shown> {
        let mut state = self.lock();
        state.submitted += 1;
        let to = submit.destination.text();
        if let Some(after) = report_after.filter(|_| submit.status_report) {
            let report = state.report(now, now + after, submit, reference);
            state.enqueue(sim.0, now + after, Incoming::Report(report), false);
        }
        let from = state.sims.get(sim.0).map(|sim| sim.number.clone()).unwrap_or_default();
        if let Some(other) = state.sims.iter().position(|sim| sim.number == to) {
            let deliver =
                state.deliver(now, sender(&from)?, submit.dcs, submit.user_data.clone(), submit.pid);
            state.enqueue(other, now, Incoming::Message(deliver), other != sim.0);
            return None;
        }
        state.show(now, from, to, submit)
    }

    /// Sends `text` to the SIM with the number `to`; `from` is a number, a short code or a name.
    ///
    /// # Errors
    /// When there is no such SIM, or no such message.
    pub fn send(&self, now: Instant, from: &str, to: &str, text: &str) -> Result<(), DeliverError> {
        self.send_parts(now, from, to, text, &Arrival::default())
    }

    /// The same, with parts that arrive as told.
    ///
    /// # Errors
    /// When there is no such SIM, no such message or no such part; nothing arrives then.
    pub fn send_parts(
        &self,
        now: Instant,
        from: &str,
        to: &str,
        text: &str,
        arrival: &Arrival,
    ) -> Result<(), DeliverError> {
        let mut state = self.lock();
        let no_sim = || DeliverError::NoSuchSim(to.to_owned());
        let sim = state.sims.iter().position(|sim| sim.number == to).ok_or_else(no_sim)?;
        let originator = sender(from).ok_or_else(|| DeliverError::Sender(from.to_owned()))?;
        let number = Number::parse(to, None).map_err(|_| no_sim())?;
        let concat_ref = arrival.reference.unwrap_or_else(|| state.concat_ref.wrapping_add(1));
        state.concat_ref = concat_ref;
        let options = SubmitOptions {
            concat_ref,
            validity: None,
            validity_format: ValidityFormat::Relative,
            status_report: false,
            reject_duplicates: false,
            class0: false,
        };
        let all = plan(text).map_err(|_| DeliverError::Text)?.submits(&number, &options);
        let nth = |n: &u8| {
            let at = usize::from(*n).checked_sub(1);
            at.and_then(|at| all.get(at)).cloned().ok_or(DeliverError::Part(*n))
        };
        let chosen = arrival.parts.iter().map(nth).collect::<Result<Vec<_>, _>>()?;
        for part in if chosen.is_empty() { all } else { chosen } {
            let deliver = state.deliver(now, originator, part.dcs, part.user_data, Pid::PLAIN);
            state.enqueue(sim, now, Incoming::Message(deliver), true);
        }
        Ok(())
    }

    /// A message of one part that is in a store already; `None` if there is no such sender.
    pub(super) fn message(&self, now: Instant, from: &str, text: &str) -> Option<Deliver> {
        let (dcs, user_data) = UserData::from_text(text);
        Some(self.lock().deliver(now, sender(from)?, dcs, user_data, Pid::PLAIN))
    }

    /// When the next message or report for `sim` is there.
    #[must_use]
    pub(super) fn next_due(&self, sim: SimId) -> Option<Instant> {
        let state = self.lock();
        Some(state.sims.get(sim.0)?.waiting.first_key_value()?.0.0)
    }

    /// The next message or report that is there and that `wanted` takes; what it does not take stays first in the queue.
    pub(super) fn fetch(
        &self,
        now: Instant,
        sim: SimId,
        wanted: impl FnOnce(&Incoming) -> bool,
    ) -> Option<Incoming> {
        let mut state = self.lock();
        let waiting = &mut state.sims.get_mut(sim.0)?.waiting;
        let first = waiting.first_entry().filter(|first| first.key().0 <= now && wanted(first.get()))?;
        Some(first.remove())
    }

    /// Takes back what the modem could not hand over; it comes again later.
    pub(super) fn put_back(&self, now: Instant, sim: SimId, incoming: Incoming) {
        self.lock().enqueue(sim.0, now + RETRY, incoming, false);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wall_at(&self, now: Instant) -> UnixMs {
        self.wall.plus(now.saturating_duration_since(self.start))
    }

    /// Service centre time stamp; a wall clock outside two-digit years gives zeros.
    fn stamp(&self, now: Instant) -> Timestamp {
        Timestamp::new(self.wall_at(now), 0).unwrap_or(Timestamp([0; 7]))
    }

    fn report(
        &self,
        taken: Instant,
        discharged: Instant,
        submit: &Submit,
        reference: MessageRef,
    ) -> StatusReport {
        StatusReport {
            more: false,
            loop_prevention: false,
            for_command: false,
            reference,
            recipient: submit.destination,
            timestamp: self.stamp(taken),
            discharge: self.stamp(discharged),
            status: Status(0),
            options: None,
            flaws: Flaws::default(),
        }
    }

    fn deliver(&self, now: Instant, originator: Address, dcs: Dcs, user_data: UserData, pid: Pid) -> Deliver {
        Deliver {
            more: false,
            loop_prevention: false,
            status_report: false,
            reply_path: false,
            originator,
            pid,
            dcs,
            timestamp: self.stamp(now),
            user_data,
            flaws: Flaws::default(),
        }
    }

    fn enqueue(&mut self, sim: usize, due: Instant, incoming: Incoming, wake: bool) {
        let order = self.order;
        self.order += 1;
        let Some(sim) = self.sims.get_mut(sim) else { return };
        if sim.waiting.len() >= WAITING_MAX {
            return;
        }
        sim.waiting.insert((due, order), incoming);
        if let Some(wake) = sim.wake.as_ref().filter(|_| wake) {
            wake();
        }
    }

    fn show(&mut self, now: Instant, from: String, number: String, submit: &Submit) -> Option<Shown> {
        let text = if submit.user_data.header.is_none() {
            Phone::default().take(&from, submit.dcs, &submit.user_data)?
        } else {
            if self.phones.len() >= PHONES_MAX {
                self.phones.clear();
            }
            self.phones.entry(number.clone()).or_default().take(&from, submit.dcs, &submit.user_data)?
        };
        let shown = Shown { number, from, text, at: self.wall_at(now), flash: submit.dcs.class() == Some(0) };
        if self.shown.len() >= SHOWN_MAX {
            self.shown.pop_front();
        }
        self.shown.push_back(shown.clone());
        Some(shown)
    }
}

/// TP-OA of a number or a name.
fn sender(from: &str) -> Option<Address> {
    let number = Number::parse(from, None).ok();
    number.as_ref().map(Address::from).or_else(|| Address::alphanumeric(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> (Network, Instant, SimId, SimId) {
        let now = crate::clock::monotonic();
        let network = Network::new(now, UnixMs(1_750_000_000_000));
        let a = network.attach("+4915555000001");
        let b = network.attach("+4915555000002");
        (network, now, a, b)
    }

    fn submits(to: &str, text: &str) -> Vec<Submit> {
        let options = SubmitOptions {
            concat_ref: 1,
            validity: None,
            validity_format: ValidityFormat::Relative,
            status_report: true,
            reject_duplicates: false,
            class0: true,
        };
        plan(text).unwrap().submits(&Number::parse(to, None).unwrap(), &options)
    }

    #[test]
    fn a_phone_shows_and_the_report_comes_when_due() {
        let (network, now, a, _) = network();
        let submit = &submits("+491701234567", "Dein Code: 123456")[0];
        let after = Some(Duration::from_secs(5));
        let shown = network.submit(now, a, submit, MessageRef(7), after).unwrap();
        assert_eq!((shown.text.as_str(), shown.flash), ("Dein Code: 123456", true));
        assert_eq!(shown.from, "+4915555000001");
        assert_eq!(network.shown("+491701234567"), [shown]);
        let due = network.next_due(a).unwrap();
        assert_eq!(due, now + Duration::from_secs(5));
        assert!(network.fetch(now, a, |_| true).is_none());
        let Some(Incoming::Report(report)) = network.fetch(due, a, |_| true) else { panic!("no report") };
        assert_eq!((report.reference, report.recipient.text()), (MessageRef(7), "+491701234567".to_owned()));
        assert_eq!(
            report.discharge.unix().unwrap().since(report.timestamp.unix().unwrap()),
            Duration::from_secs(5)
        );
    }

    #[test]
    fn parts_are_shown_once_all_are_there() {
        let (network, now, a, _) = network();
        let text = "0123456789".repeat(40);
        let shown: Vec<_> = submits("+491701234567", &text)
            .iter()
            .filter_map(|submit| network.submit(now, a, submit, MessageRef(0), None))
            .collect();
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].text, text);
        assert_eq!(network.submitted(), 3);
    }

    #[test]
    fn a_sim_gets_messages_of_sims_and_phones() {
        let (network, now, a, b) = network();
        let submit = &submits("+4915555000002", "hello")[0];
        assert_eq!(network.submit(now, a, submit, MessageRef(1), None), None);
        network.send(now, "INFO", "+4915555000002", "Щ").unwrap();
        let texts: Vec<_> = std::iter::from_fn(|| network.fetch(now, b, |_| true))
            .map(|incoming| match incoming {
                Incoming::Message(m) => (m.originator.text(), m.user_data.text(m.dcs).unwrap()),
                Incoming::Report(_) => panic!("a report"),
            })
            .collect();
        assert_eq!(texts[0], ("+4915555000001".to_owned(), Secret::from("hello")));
        assert_eq!(texts[1], ("INFO".to_owned(), Secret::from("Щ")));
        let nobody = network.send(now, "INFO", "+49170", "x");
        assert_eq!(nobody, Err(DeliverError::NoSuchSim("+49170".into())));
    }

    #[test]
    fn parts_arrive_as_told() {
        let (network, now, _, b) = network();
        let text = "0123456789".repeat(40);
        let send = |parts: &[u8]| {
            let arrival = Arrival { reference: Some(42), parts: parts.to_vec() };
            network.send_parts(now, "INFO", "+4915555000002", &text, &arrival)
        };
        assert_eq!(send(&[3, 4]), Err(DeliverError::Part(4)));
        assert_eq!(send(&[0]), Err(DeliverError::Part(0)));
        send(&[3, 1, 3]).unwrap();
        send(&[]).unwrap();
        let came: Vec<_> = std::iter::from_fn(|| network.fetch(now, b, |_| true))
            .map(|incoming| match incoming {
                Incoming::Message(m) => m.user_data.header.unwrap().concatenation().unwrap(),
                Incoming::Report(_) => panic!("a report"),
            })
            .collect();
        assert!(came.iter().all(|concat| (concat.reference, concat.total) == (42, 3)));
        assert_eq!(came.iter().map(|concat| concat.seq).collect::<Vec<_>>(), [3, 1, 3, 1, 2, 3]);
    }

    use crate::secret::Secret;
}
