//! Messages and reports on their way in: read, told, and forgotten by the modem only after `Stored(token)`.
//!
//! A message is in a slot of a store (`+CMTI`, `+CDSI`, found by a listing) or was delivered directly (`+CMT`, `+CDS`). What is told
//! but not stored yet is bounded; beyond the bound messages stay in the modem and are listed again later.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::at::command::StoreName;
use crate::at::reply::{CmglHeader, CmgrHeader, Cpms, MessageStat};
use crate::at::{Command, Disposition, Final, Info, hex};
use crate::modem::bringup::{SetUp, StoreSetUp, is_busy};
use crate::modem::exchange::{Event, IncomingKind, Noise, Output, Token};
use crate::modem::machine::Turn;
use crate::modem::session::{Answer, Order};
use crate::modem::timers::Timer;

/// Messages told and not stored yet: a full SIM at once is 50, and one commit takes them all.
const UNSTORED_MAX: usize = 64;
/// Slots known to be occupied and not read yet; what is beyond is found by a listing.
const READS_MAX: usize = 128;
/// Slots that can be neither read nor deleted and are left alone.
const STUCK_MAX: usize = 64;
/// Tries of a read, delete or select.
const TRIES_MAX: u8 = 3;
/// Before another try.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// Slots looked at one by one where `+CMGL` does not work; the largest store seen has 255.
const SWEEP_MAX: u16 = 255;

/// Where a stored message is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    /// `None`: in the selected store, whichever that is.
    store: Option<StoreName>,
    index: u16,
}

#[derive(Debug)]
enum Origin {
    Slot(Slot),
    Direct,
    /// It came with a card that is not in the modem any more: nothing is to be deleted or acknowledged.
    OtherCard,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Job {
    Acknowledge,
    Select(StoreName),
    Read(Slot),
    Delete(Slot),
    List(StoreName),
}

/// A look at every slot of a store.
#[derive(Debug)]
struct Sweep {
    store: StoreName,
    next: u16,
    end: u16,
}

/// What is on its way in.
#[derive(Debug)]
pub(super) struct Incoming {
    next_token: u64,
    setup: Option<StoreSetUp>,
    /// Stores that may hold something for us.
    stores: Vec<StoreName>,
    selected: Option<StoreName>,
    acknowledge: bool,
    may_list: bool,
    job: Option<Job>,
    tries: u8,
    /// Deletes in a row without an answer.
    undeleted: u8,
    acks: usize,
    deletes: VecDeque<Slot>,
    reads: VecDeque<Slot>,
    lists: VecDeque<StoreName>,
    sweep: Option<Sweep>,
    /// Messages were left in the modem; list again when there is room.
    left_behind: bool,
    stuck: VecDeque<Slot>,
    /// Stores that can be listed, and whether they were full of what stays.
    full: BTreeMap<String, bool>,
    /// The last PDU that was not as long as told, or none. Octets are lost on lines; who says the same again means it.
    doubted: Option<Zeroizing<String>>,
    unstored: BTreeMap<Token, Origin>,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self {
            next_token: 1,
            setup: None,
            stores: Vec::new(),
            selected: None,
            acknowledge: false,
            may_list: true,
            job: None,
            tries: 0,
            undeleted: 0,
            acks: 0,
            deletes: VecDeque::new(),
            reads: VecDeque::new(),
            lists: VecDeque::new(),
            sweep: None,
            left_behind: false,
            stuck: VecDeque::new(),
            full: BTreeMap::new(),
            doubted: None,
            unstored: BTreeMap::new(),
        }
    }

    /// The modem was set up anew: what it stored meanwhile is listed. What was told before keeps its tokens.
    pub(super) fn begin(&mut self, setup: &SetUp, may_list: bool) {
        self.setup.clone_from(&setup.store);
        self.selected = setup.store.as_ref().map(|store| store.receive.clone());
        self.acknowledge = setup.acknowledge;
        self.may_list = may_list;
        if let Some(Job::Delete(slot)) = self.job.take() {
            // It was asked for and not answered: if it was not done, the listing finds the message again.
            self.deletes.retain(|known| *known != slot);
        }
        self.acks = 0;
        self.reads.clear();
        self.lists.clear();
        self.sweep = None;
        self.stuck.clear();
        self.stores.clear();
        if let Some(store) = &setup.store {
            self.stores.push(store.receive.clone());
            // Class 2 goes to the SIM whatever is set; TS 23.038.
            if store.receive == StoreName::me() {
                self.stores.push(StoreName::sm());
            }
            if setup.notify.is_some_and(|notify| notify.ds == 2) {
                self.stores.push(StoreName::sr());
            }
        }
        self.look();
    }

    /// Another card is in the modem: its slots hold other messages. Tokens go on, so that none is used twice, and what was told of
    /// the last card still waits to be stored.
    pub(super) fn for_other_card(&self) -> Self {
        let unstored = self.unstored.keys().map(|token| (*token, Origin::OtherCard)).collect();
        Self { next_token: self.next_token, unstored, ..Self::new() }
    }

    /// Something was not answered: which store is selected is not sure any more.
    pub(super) fn unsure(&mut self) {
        self.selected = None;
    }

    /// Look into all stores, notified or not.
    pub(super) fn look(&mut self) {
        if self.lists.is_empty() {
            self.lists.extend(self.stores.iter().cloned());
        }
    }

    /// `+CMTI` or `+CDSI`.
    pub(super) fn stored_in(&mut self, store: Option<StoreName>, index: u16) {
        let store = store.or_else(|| self.setup.as_ref().map(|setup| setup.receive.clone()));
        let slot = Slot { store, index };
        if self.job == Some(Job::Delete(slot.clone())) {
            // Free already, and taken again before the answer came.
            self.deletes.retain(|known| *known != slot);
        }
        if self.knows(&slot) {
            return;
        }
        if self.reads.len() < READS_MAX {
            self.reads.push_back(slot);
        } else {
            self.left_behind = true;
        }
    }

    /// Whether the slot is dealt with already. One that is just being deleted may hold a new message.
    fn knows(&self, slot: &Slot) -> bool {
        let told = |origin: &Origin| matches!(origin, Origin::Slot(known) if known == slot);
        self.reads.contains(slot)
            || self.deletes.contains(slot)
            || self.job == Some(Job::Read(slot.clone()))
            || self.unstored.values().any(told)
    }

    /// `+CMT` (`report`: `+CDS`) with its PDU.
    pub(super) fn direct(&mut self, turn: &mut Turn<'_>, report: bool, length: Option<u16>, pdu: &str) {
        // Not acknowledged it comes again; without acknowledgement it is the network's loss either way.
        if self.unstored.len() >= UNSTORED_MAX {
            turn.noise(Noise::IncomingFull);
            return;
        }
        if self.acknowledge && self.doubts(length, pdu) {
            turn.bad_pdu();
            return;
        }
        let Some((_, octets)) = read_pdu(pdu) else {
            turn.bad_pdu();
            return;
        };
        let kind = if report { IncomingKind::StatusReport } else { IncomingKind::Deliver };
        self.tell(turn, Origin::Direct, kind, octets);
    }

    fn tell(&mut self, turn: &mut Turn<'_>, origin: Origin, kind: IncomingKind, octets: Vec<u8>) {
        let token = Token(self.next_token);
        self.next_token = self.next_token.saturating_add(1);
        self.unstored.insert(token, origin);
        turn.counters.received = turn.counters.received.saturating_add(1);
        turn.outputs.push_back(Output::Event(Event::Incoming { token, kind, octets }));
    }

    /// The message is safe.
    pub(super) fn stored(&mut self, token: Token) {
        match self.unstored.remove(&token) {
            Some(Origin::Slot(slot)) => self.deletes.push_back(slot),
            Some(Origin::Direct) if self.acknowledge => self.acks = self.acks.saturating_add(1),
            Some(Origin::Direct | Origin::OtherCard) | None => {}
        }
        if self.left_behind && self.unstored.len() < UNSTORED_MAX / 2 && self.lists.is_empty() {
            self.left_behind = false;
            self.look();
        }
    }

    /// An acknowledgement that is due; before any other command.
    pub(super) fn acknowledgement(&mut self) -> Option<Order> {
        (self.acks > 0).then(|| {
            self.job = Some(Job::Acknowledge);
            Command::Cnma.into()
        })
    }

    /// Whether a store was full of what stays at its last listing; `None` while none was listed.
    pub(super) fn is_full(&self) -> Option<bool> {
        self.full.values().copied().max()
    }

    /// Whether something waits for the line.
    pub(super) fn has_work(&self) -> bool {
        !(self.deletes.is_empty() && self.reads.is_empty() && self.lists.is_empty() && self.sweep.is_none())
    }

    /// The next command, if there is something to do and room for what it brings.
    pub(super) fn order(&mut self, turn: &Turn<'_>) -> Option<Order> {
        if turn.timers.is_set(Timer::Retry) {
            return None;
        }
        let job = self.next_job()?;
        let order = match &job {
            Job::Acknowledge => Command::Cnma,
            Job::Select(store) => self.setup.as_ref()?.select(store.clone()),
            Job::Read(slot) => Command::Cmgr(slot.index),
            Job::Delete(slot) => Command::Cmgd(slot.index),
            Job::List(_) => Command::CmglAll { stored: self.setup.as_ref().map_or(0, |setup| setup.used) },
        };
        self.job = Some(job);
        Some(order.into())
    }

    fn next_job(&mut self) -> Option<Job> {
        if let Some(slot) = self.deletes.front().cloned() {
            return Some(self.in_store(slot.store.clone(), Job::Delete(slot)));
        }
        if self.unstored.len() >= UNSTORED_MAX {
            return None;
        }
        if let Some(slot) = self.reads.front().cloned() {
            return Some(self.in_store(slot.store.clone(), Job::Read(slot)));
        }
        // One store after the other: the next listing would take the place of a sweep that has only begun.
        if let Some(job) = self.swept() {
            return Some(job);
        }
        if let Some(store) = self.lists.front().cloned() {
            let job = self.in_store(Some(store.clone()), Job::List(store.clone()));
            if self.may_list || matches!(job, Job::Select(_)) {
                return Some(job);
            }
            self.lists.pop_front();
            let slots = self.setup.as_ref().map_or(0, |setup| setup.total);
            self.sweep = Some(Sweep { store, next: 0, end: slots.min(SWEEP_MAX) });
        }
        self.swept()
    }

    /// The next slot of a sweep; indexes run from 0 or 1, so both ends are looked at.
    fn swept(&mut self) -> Option<Job> {
        while let Some(sweep) = &mut self.sweep {
            let slot = Slot { store: Some(sweep.store.clone()), index: sweep.next };
            if sweep.next >= sweep.end {
                self.sweep = None;
            } else {
                sweep.next = sweep.next.saturating_add(1);
            }
            if !self.knows(&slot) && !self.stuck.contains(&slot) {
                self.reads.push_back(slot.clone());
                return Some(self.in_store(slot.store.clone(), Job::Read(slot)));
            }
        }
        None
    }

    /// The job, or the selection of its store first.
    fn in_store(&self, store: Option<StoreName>, job: Job) -> Job {
        match store {
            Some(store) if self.setup.is_some() && self.selected.as_ref() != Some(&store) => {
                Job::Select(store)
            }
            _ => job,
        }
    }

    /// The answer to a command of ours. Says whether it selected a store for the next.
    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, answer: &Answer) -> bool {
        let Some(job) = self.job.take() else { return false };
        let ok = answer.result == Final::Ok;
        let selected = ok && matches!(job, Job::Select(_));
        match job {
            Job::Acknowledge => self.acks = self.acks.saturating_sub(1),
            Job::Select(store) if ok => self.select(store, answer),
            Job::Read(slot) if ok && self.doubts_answer(answer) => {
                turn.bad_pdu();
                self.failed(turn, Job::Read(slot), &answer.result);
            }
            Job::Read(slot) if ok => {
                self.tries = 0;
                self.reads.retain(|known| *known != slot);
                self.read(turn, slot, answer);
            }
            Job::Delete(slot) if ok || is_empty_slot(&answer.result) => self.deleted(&slot),
            Job::List(store) if ok => {
                self.tries = 0;
                self.lists.pop_front();
                self.listed(turn, &store, answer);
            }
            Job::Read(slot) if is_empty_slot(&answer.result) => self.forget(&slot),
            job => self.failed(turn, job, &answer.result),
        }
        selected
    }

    /// No answer: another try later.
    pub(super) fn timed_out(&mut self, turn: &mut Turn<'_>) {
        match self.job.take() {
            None => {}
            Some(Job::Acknowledge) => self.acks = self.acks.saturating_sub(1),
            Some(Job::Delete(slot)) => self.delete_unanswered(turn, slot),
            Some(job) => {
                self.selected = self.selected.take().filter(|_| !matches!(job, Job::Select(_)));
                self.failed(turn, job, &Final::Error);
            }
        }
    }

    fn select(&mut self, store: StoreName, answer: &Answer) {
        self.tries = 0;
        let fill = answer.info().and_then(|info| Cpms::parse(&info));
        if let (Some(setup), Some(fill)) =
            (&mut self.setup, fill.as_ref().and_then(|cpms| cpms.stores.first()))
        {
            setup.used = fill.used;
            setup.total = fill.total;
        }
        self.selected = Some(store);
    }

    /// The slot is free. What was announced for it since is a new message.
    fn deleted(&mut self, slot: &Slot) {
        (self.tries, self.undeleted) = (0, 0);
        self.deletes.retain(|known| known != slot);
    }

    /// The slot may be free, and another message in it by now: read it again before it is deleted again.
    fn delete_unanswered(&mut self, turn: &mut Turn<'_>, slot: Slot) {
        self.deletes.retain(|known| *known != slot);
        self.undeleted = self.undeleted.saturating_add(1);
        if self.undeleted < TRIES_MAX {
            turn.timers.set(Timer::Retry, turn.now, RETRY_PAUSE);
            self.stored_in(slot.store, slot.index);
        } else {
            self.undeleted = 0;
            self.leave(slot);
        }
    }

    fn forget(&mut self, slot: &Slot) {
        self.tries = 0;
        self.reads.retain(|known| known != slot);
        self.deletes.retain(|known| known != slot);
    }

    fn failed(&mut self, turn: &mut Turn<'_>, job: Job, result: &Final) {
        self.tries = self.tries.saturating_add(1);
        let unsupported = !is_busy(result) && matches!(job, Job::List(_));
        if self.tries < TRIES_MAX && !unsupported {
            turn.timers.set(Timer::Retry, turn.now, RETRY_PAUSE);
            return;
        }
        self.tries = 0;
        match job {
            Job::Acknowledge => {}
            // That store cannot be reached: what is in it stays there.
            Job::Select(store) => {
                let elsewhere = |slot: &Slot| slot.store.as_ref() != Some(&store);
                self.reads.retain(elsewhere);
                self.deletes.retain(elsewhere);
                self.lists.retain(|listed| *listed != store);
                self.sweep = self.sweep.take().filter(|sweep| sweep.store != store);
            }
            Job::List(_) => self.may_list = false,
            Job::Read(slot) | Job::Delete(slot) => {
                self.forget(&slot);
                self.leave(slot);
            }
        }
    }

    /// The slot is left alone until the next bring-up.
    fn leave(&mut self, slot: Slot) {
        if self.stuck.len() >= STUCK_MAX {
            self.stuck.pop_front();
        }
        self.stuck.push_back(slot);
    }

    /// Whether octets of the PDU are missing or too many, for the first time.
    fn doubts(&mut self, length: Option<u16>, pdu: &str) -> bool {
        let again = self.doubted.take().is_some_and(|before| *before == pdu);
        let doubtful = !again && !is_whole(length, pdu);
        self.doubted = doubtful.then(|| Zeroizing::new(pdu.to_owned()));
        doubtful
    }

    /// The same of an answer to `+CMGR`. One without a header is that of an empty slot.
    fn doubts_answer(&mut self, answer: &Answer) -> bool {
        let Some(header) = answer.info().and_then(|info| CmgrHeader::parse(&info)) else { return false };
        let pdu = answer.lines.get(1).map_or("", String::as_str);
        header.length != Some(0) && self.doubts(header.length, pdu)
    }

    fn read(&mut self, turn: &mut Turn<'_>, slot: Slot, answer: &Answer) {
        let header = answer.info().and_then(|info| CmgrHeader::parse(&info));
        let (Some(header), Some(pdu)) = (header, answer.lines.get(1)) else { return };
        self.take(turn, slot, header.stat, pdu);
    }

    fn listed(&mut self, turn: &mut Turn<'_>, store: &StoreName, answer: &Answer) {
        let mut staying: u16 = 0;
        for pair in answer.lines.windows(2) {
            let [header, pdu] = pair else { continue };
            let Some(header) = Info::parse(header).and_then(|info| CmglHeader::parse(&info)) else {
                continue;
            };
            let slot = Slot { store: Some(store.clone()), index: header.index };
            self.reads.retain(|known| *known != slot);
            if self.stuck.contains(&slot) {
                staying = staying.saturating_add(1);
                continue;
            }
            if self.knows(&slot) {
                continue;
            }
            if self.unstored.len() >= UNSTORED_MAX {
                if !std::mem::replace(&mut self.left_behind, true) {
                    turn.noise(Noise::IncomingFull);
                }
                continue;
            }
            if is_whole(header.length, pdu) {
                let stays = !self.take(turn, slot, header.stat, pdu);
                staying = staying.saturating_add(u16::from(stays));
            } else {
                // Something of it was lost on the line: once more, by itself.
                self.stored_in(slot.store, slot.index);
            }
        }
        let slots = self.setup.as_ref().map_or(0, |setup| setup.total);
        self.full.insert(store.as_str().to_owned(), slots > 0 && staying >= slots);
    }

    /// A message of the modem: told, unless it is one of its own drafts or no PDU at all; then it stays there.
    fn take(&mut self, turn: &mut Turn<'_>, slot: Slot, stat: MessageStat, pdu: &str) -> bool {
        if matches!(stat, MessageStat::StoredUnsent | MessageStat::StoredSent) {
            return false;
        }
        let Some((Some(kind), octets)) = read_pdu(pdu) else {
            turn.bad_pdu();
            self.leave(slot);
            return false;
        };
        self.tell(turn, Origin::Slot(slot), kind, octets);
        true
    }
}

/// Whether it is a PDU, and as long as told: TS 27.005 counts the octets behind the service centre.
fn is_whole(length: Option<u16>, pdu: &str) -> bool {
    let Some((_, octets)) = read_pdu(pdu) else { return false };
    let centre = octets.first().map_or(0, |length| usize::from(*length));
    length.is_none_or(|told| usize::from(told).saturating_add(centre).saturating_add(1) == octets.len())
}

/// The octets, and which way in they took by the message type indicator behind the service centre; TS 23.040 9.2.3.1.
fn read_pdu(pdu: &str) -> Option<(Option<IncomingKind>, Vec<u8>)> {
    let octets = hex::decode(pdu).ok()?;
    let centre = usize::from(*octets.first()?);
    let first = octets.get(centre.saturating_add(1))?;
    let kind = match first & 0b11 {
        0 => Some(IncomingKind::Deliver),
        2 => Some(IncomingKind::StatusReport),
        _ => None,
    };
    Some((kind, octets))
}

/// Nothing is there: deleted by someone else, or the notification was late.
fn is_empty_slot(result: &Final) -> bool {
    match result {
        Final::Cms(error) => error.code() == Some(321) || error.disposition() == Disposition::Harmless,
        Final::Cme(error) => matches!(error.code(), Some(21 | 22)),
        _ => false,
    }
}
