//! SIM cards as channels: a text becomes SMS-SUBMIT, a `+CMS ERROR` becomes a disposition, what the network sends becomes
//! [`Inbound`].
//!
//! One channel is one SIM (`gsm:<ICCID>`), wherever it sits. A received message is released in its modem only when the
//! store has it; one that cannot be decoded is stored as it came, because left in the modem it would block the others.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXUPPER;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::warn;

use super::{
    Attempt, BoxFuture, Channel, ChannelId, Dropped, Inbound, Outcome, Provider, Received, Segment, Verdict,
};
use crate::at::codes;
use crate::clock;
use crate::modem::driver::{DriverHandle, Notice};
use crate::modem::fleet::{FleetHandle, Link};
use crate::modem::machine::{Done, Event, Failure, IncomingKind, NotSent, RequestId, Token, Uncertain};
use crate::number::Number;
use crate::pdu::{self, Deliver, Header, Payload, Pdu, PduError, Pid, SubmitOptions, ValidityFormat};
use crate::queue::rules::Disposition;
use crate::route::breaker::Blame;
use crate::secret::Secret;
use crate::units::{Iccid, Imei, MessageRef};

/// A SIM sends one message at a time; the next one's prompt is asked for as soon as the last one is answered.
const SLOTS: u32 = 1;
/// Destination ports of WAP push, assigned by IANA.
const WAP_PUSH: u16 = 2948;
const WAP_PUSH_SECURE: u16 = 2949;
/// TP-PID of a short message type 0; TS 23.040 9.2.3.9.
const PID_TYPE_0: Pid = Pid(0x40);
/// Submits in doubt that a late `+CMGS` may still settle; a modem has one at most, and forgets it with the next.
const DOUBTS_MAX: usize = 128;

/// The provider for all modems of the fleet.
#[derive(Debug)]
pub struct Gsm {
    links: watch::Receiver<Arc<[Link]>>,
    channels: watch::Receiver<Arc<[Channel]>>,
    fleet: FleetHandle,
    shared: Arc<Shared>,
}

/// The other half of [`Gsm`], to be run as a task: follows the fleet and takes in what modems receive.
#[derive(Debug)]
pub struct Intake {
    links: watch::Receiver<Arc<[Link]>>,
    channels: watch::Sender<Arc<[Channel]>>,
    notices: mpsc::Receiver<Notice>,
    inbound: mpsc::Sender<Inbound>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    doubts: Mutex<Doubts>,
    undecodable: AtomicU64,
}

/// The name of a submit over all drivers: the driver's serial number and its request.
type SubmitName = (u64, RequestId);

/// Submits in doubt, and confirmations that overtook the news of the doubt.
#[derive(Debug, Default)]
struct Doubts {
    open: VecDeque<(SubmitName, Number)>,
    early: VecDeque<(SubmitName, MessageRef)>,
}

impl Gsm {
    /// A provider for `fleet`, whose modems give `notices`; what comes in goes to `inbound`.
    #[must_use]
    pub fn new(
        fleet: &FleetHandle,
        notices: mpsc::Receiver<Notice>,
        inbound: mpsc::Sender<Inbound>,
    ) -> (Self, Intake) {
        let links = fleet.links();
        let shared = Arc::<Shared>::default();
        let (channels_in, channels) = watch::channel(channels(&links.borrow()));
        let intake = Intake {
            links: links.clone(),
            channels: channels_in,
            notices,
            inbound,
            shared: Arc::clone(&shared),
        };
        (Self { links, channels, fleet: fleet.clone(), shared }, intake)
    }

    /// Received PDUs so far that could not be decoded.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.shared.undecodable.load(Ordering::Relaxed)
    }

    fn driver(&self, channel: &ChannelId) -> Option<DriverHandle> {
        let links = self.links.borrow();
        let mut of_channel = links.iter().filter(|link| channel_of(link).as_ref() == Some(channel));
        of_channel.find(|link| link.ready).map(|link| link.driver.clone())
    }
}

impl Provider for Gsm {
    fn channels(&self) -> watch::Receiver<Arc<[Channel]>> {
        self.channels.clone()
    }

    fn send(&self, channel: &ChannelId, attempt: Attempt) -> BoxFuture<Outcome> {
        let driver = self.driver(channel);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let Some(driver) = driver else {
                return refused(Disposition::ChannelFault, Blame::Nobody, "the modem is not in service");
            };
            let tpdu = match tpdu(&attempt) {
                Ok(tpdu) => tpdu,
                Err(cause) => return refused(Disposition::Permanent, Blame::Message, cause),
            };
            let verdict = attempt.durable.wait();
            let ended = driver.submit(tpdu, attempt.more, verdict, attempt.deadline).await;
            match ended.result {
                Err(Failure::Uncertain(cause)) => {
                    shared.doubt((driver.serial(), ended.id), attempt.to, cause)
                }
                result => outcome(result),
            }
        })
    }

    fn drained(&self, channel: &ChannelId) {
        let links = self.links.borrow();
        let modem = links.iter().find(|link| link.draining && channel_of(link).as_ref() == Some(channel));
        if let Some(link) = modem {
            self.fleet.drained(link.driver.port());
        }
    }
}

impl Intake {
    /// Until the supervisor has ended and all that it received is handed on.
    pub async fn run(self) {
        let Self { links, channels, notices, inbound, shared } = self;
        // The fleet outlives its notices by nothing: when they end, there is nothing to follow either.
        tokio::select! {
            () = follow(links, &channels) => {}
            () = take_in(notices, &inbound, &shared) => {}
        }
        channels.send_replace(Arc::from([]));
    }
}

async fn follow(mut links: watch::Receiver<Arc<[Link]>>, told: &watch::Sender<Arc<[Channel]>>) {
    loop {
        let now = channels(&links.borrow_and_update());
        told.send_if_modified(|old| {
            let changed = **old != *now;
            if changed {
                *old = now;
            }
            changed
        });
        if links.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

async fn take_in(mut notices: mpsc::Receiver<Notice>, inbound: &mpsc::Sender<Inbound>, shared: &Shared) {
    // One small task for each message that is not stored yet; every machine bounds how many those are.
    let mut releases = JoinSet::new();
    loop {
        let notice = tokio::select! {
            notice = notices.recv() => notice,
            Some(_) = releases.join_next() => continue,
        };
        let Some(Notice { modem, event }) = notice else { return };
        let (what, token) = match event {
            Event::Incoming { token, kind, octets } => (shared.read(&modem, kind, &octets), Some(token)),
            Event::Settled { id, reference } => match shared.settle((modem.serial(), id), reference) {
                Some(recipient) => (Received::Settled { recipient, reference }, None),
                None => continue,
            },
            Event::Up(_) | Event::Down(_) | Event::OtherCard { .. } | Event::Jamming(_) | Event::Noise(_) => {
                continue;
            }
        };
        let (stored, is_stored) = oneshot::channel();
        let channel = channel_of_driver(&modem);
        if inbound.send(Inbound { channel, what, stored }).await.is_err() {
            return;
        }
        if let Some(token) = token {
            releases.spawn(release(modem, token, is_stored));
        }
    }
}

/// Lets the modem forget what the store has.
async fn release(modem: DriverHandle, token: Token, is_stored: oneshot::Receiver<()>) {
    if is_stored.await.is_ok() {
        modem.stored(token).await;
    }
}

impl Shared {
    /// The end of a submit in doubt, unless its confirmation is already there.
    fn doubt(&self, name: SubmitName, to: Number, cause: Uncertain) -> Outcome {
        if cause == Uncertain::NoReference {
            return Outcome::Submitted { reference: None };
        }
        let mut doubts = self.doubts();
        if let Some(at) = doubts.early.iter().position(|(early, _)| *early == name) {
            return Outcome::Submitted { reference: doubts.early.remove(at).map(|(_, reference)| reference) };
        }
        push_bounded(&mut doubts.open, (name, to));
        Outcome::Uncertain { cause: cause.to_string() }
    }

    /// To whom the late confirmation belongs.
    fn settle(&self, name: SubmitName, reference: MessageRef) -> Option<Number> {
        let mut doubts = self.doubts();
        let Some(at) = doubts.open.iter().position(|(open, _)| *open == name) else {
            push_bounded(&mut doubts.early, (name, reference));
            return None;
        };
        doubts.open.remove(at).map(|(_, to)| to)
    }

    fn read(&self, modem: &DriverHandle, kind: IncomingKind, octets: &[u8]) -> Received {
        read(kind, octets).unwrap_or_else(|error| {
            self.undecodable.fetch_add(1, Ordering::Relaxed);
            warn!(port = %modem.port(), %error, ?kind, octets = octets.len(), "a received PDU cannot be decoded");
            Received::Message(unreadable(octets))
        })
    }

    fn doubts(&self) -> std::sync::MutexGuard<'_, Doubts> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() == DOUBTS_MAX {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// All channels; a modem whose SIM is not known yet has none, unless it is ready without telling.
fn channels(links: &[Link]) -> Arc<[Channel]> {
    let known = links.iter().filter(|link| link.iccid.is_some() || link.ready);
    let mut channels: Vec<Channel> = known
        .filter_map(|link| {
            let id = channel_of(link)?;
            Some(Channel { id, ready: link.ready, draining: link.draining, slots: SLOTS })
        })
        .collect();
    // A SIM that was moved may be seen at its old and its new place for a moment: one channel, ready if any is.
    channels.sort_by(|a, b| a.id.cmp(&b.id).then(b.ready.cmp(&a.ready)));
    channels.dedup_by(|a, b| a.id == b.id);
    channels.into()
}

fn channel_of(link: &Link) -> Option<ChannelId> {
    channel_id(link.iccid.as_ref(), link.imei.as_ref())
}

fn channel_of_driver(modem: &DriverHandle) -> ChannelId {
    let identity = Arc::clone(&modem.status().borrow().identity);
    channel_id(identity.iccid.as_ref(), identity.imei.as_ref())
        .unwrap_or_else(|| ChannelId(format!("gsm:port-{}", modem.port()).into()))
}

fn channel_id(iccid: Option<&Iccid>, imei: Option<&Imei>) -> Option<ChannelId> {
    match (iccid, imei) {
        (Some(iccid), _) => Some(ChannelId::of_sim(iccid)),
        (None, Some(imei)) => Some(ChannelId(format!("gsm:imei-{imei}").into())),
        (None, None) => None,
    }
}

/// The TPDU of the attempt's part.
fn tpdu(attempt: &Attempt) -> Result<Vec<u8>, &'static str> {
    let text = attempt.body.expose_str().ok_or("the text is not UTF-8")?;
    let plan = match attempt.part.coding {
        Some(coding) => pdu::plan_as(text, coding),
        None => pdu::plan(text),
    };
    let plan = plan.map_err(|_| "the text cannot be written as it was admitted")?;
    if plan.segments() != attempt.part.total {
        return Err("the message has another number of parts than it was admitted with");
    }
    let options = SubmitOptions {
        concat_ref: attempt.part.concat_ref,
        validity: Some(attempt.deadline.since(clock::wall())),
        validity_format: ValidityFormat::Relative,
        status_report: attempt.report,
        reject_duplicates: false,
        class0: attempt.flash,
    };
    let tpdu = plan.tpdu(attempt.part.seq, &attempt.to, &options);
    tpdu.map_err(|_| "the part does not fit a TPDU")?.ok_or("the message has no such part")
}

fn read(kind: IncomingKind, octets: &[u8]) -> Result<Received, PduError> {
    let kind = match kind {
        IncomingKind::Deliver => pdu::Kind::Deliver,
        IncomingKind::StatusReport => pdu::Kind::StatusReport,
    };
    Ok(match pdu::decode(octets, true, Some(kind))?.pdu {
        Pdu::StatusReport(report) => Received::Report {
            reference: report.reference,
            recipient: report.recipient.text(),
            status: report.status.0,
            verdict: match report.status.verdict() {
                pdu::Verdict::Delivered => Verdict::Delivered,
                pdu::Verdict::Trying => Verdict::Trying,
                _ => Verdict::Failed,
            },
        },
        Pdu::Deliver(deliver) => match dropped(&deliver) {
            Some(why) => Received::Dropped(why),
            None => Received::Message(segment(&deliver, octets)),
        },
        // Asked for by kind, so it cannot come; if it does, it is kept as it is.
        _ => Received::Message(unreadable(octets)),
    })
}

/// What nobody here reads, and would only fill the store.
fn dropped(deliver: &Deliver) -> Option<Dropped> {
    let port = deliver.user_data.header.as_ref().and_then(Header::ports).map(|ports| ports.destination);
    match (deliver.pid, port) {
        (PID_TYPE_0, _) => Some(Dropped::Silent),
        (_, Some(WAP_PUSH | WAP_PUSH_SECURE)) => Some(Dropped::WapPush),
        _ => None,
    }
}

/// What came, with the facts by which the store joins and recognises it. Parts of what is no text are kept singly: only the
/// application that they are for can join them.
fn segment(deliver: &Deliver, octets: &[u8]) -> Segment {
    let data = &deliver.user_data;
    let text = data.text(deliver.dcs);
    let concat = data.header.as_ref().and_then(Header::concatenation).filter(|concat| concat.total > 1);
    let (Payload::Septets(units) | Payload::Octets(units)) = &data.payload;
    Segment {
        from: deliver.originator.text(),
        sent: deliver.timestamp.unix(),
        concat: concat.filter(|_| text.is_some()),
        body: text.unwrap_or_else(|| Secret::new(Vec::new())),
        content: Secret::new([&[deliver.pid.0, deliver.dcs.0], units.expose()].concat()),
        pdu: Secret::from(HEXUPPER.encode(octets)),
    }
}

/// Octets that cannot be decoded, kept as they came.
fn unreadable(octets: &[u8]) -> Segment {
    Segment {
        from: String::new(),
        sent: None,
        concat: None,
        body: Secret::new(Vec::new()),
        content: Secret::new(octets.to_vec()),
        pdu: Secret::from(HEXUPPER.encode(octets)),
    }
}

/// What the end of a submit means for the dispatcher.
pub(crate) fn outcome(result: Result<Done, Failure>) -> Outcome {
    match result {
        Ok(Done::Submitted { reference }) => Outcome::Submitted { reference: Some(reference) },
        Ok(Done::Reset | Done::Ussd(_) | Done::UssdEnded) => refused(
            Disposition::ChannelFault,
            Blame::Channel,
            "the modem took the message for something else",
        ),
        Err(Failure::Ussd(fault)) => refused(Disposition::ChannelFault, Blame::Channel, fault.to_string()),
        Err(Failure::Uncertain(cause)) => Outcome::Uncertain { cause: cause.to_string() },
        Err(Failure::NotSent(NotSent::Abandoned)) => Outcome::Abandoned,
        Err(Failure::NotSent(why)) => {
            let (disposition, blame) = match why {
                NotSent::Length(_) => (Disposition::Permanent, Blame::Message),
                NotSent::Busy | NotSent::DurableTimeout => (Disposition::RetryLater, Blame::Nobody),
                NotSent::PromptTimeout => (Disposition::ChannelFault, Blame::Channel),
                _ => (Disposition::ChannelFault, Blame::Nobody),
            };
            refused(disposition, blame, why.to_string())
        }
        Err(Failure::Rejected(result)) => {
            let cause = format!("the modem refused the message: {}", describe(&result));
            match result.disposition() {
                Some(codes::Disposition::Duplicate) => Outcome::Submitted { reference: None },
                disposition => {
                    let disposition = disposition.map_or(Disposition::RetryLater, meaning);
                    let of_message = disposition == Disposition::Permanent || result.concerns_recipient();
                    let blame = if of_message { Blame::Message } else { Blame::Channel };
                    refused(disposition, blame, cause)
                }
            }
        }
    }
}

fn describe(result: &crate::at::Final) -> String {
    match result {
        crate::at::Final::Cms(error) => error.describe(),
        crate::at::Final::Cme(error) => error.describe(),
        other => format!("{other:?}"),
    }
}

/// What an error of the modem means for the queue.
fn meaning(disposition: codes::Disposition) -> Disposition {
    use codes::Disposition as Code;
    match disposition {
        Code::Transient | Code::SimBusy | Code::Unknown | Code::Harmless | Code::Duplicate => {
            Disposition::RetryLater
        }
        Code::NetworkRefused | Code::Unsupported => Disposition::NextRoute,
        Code::Permanent => Disposition::Permanent,
        Code::Local | Code::LocalReset => Disposition::ChannelFault,
    }
}

fn refused(disposition: Disposition, blame: Blame, cause: impl Into<String>) -> Outcome {
    Outcome::Refused { disposition, blame, cause: cause.into() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pdu::Validity;
    use crate::provider::{Durable, Part};

    /// Part 1 of 2 from one number with this coding scheme and first octet, its user data an octet string of eight.
    fn received(first: u8, dcs: u8) -> Segment {
        let mut octets = vec![0, first, 4, 0x91, 0x21, 0x43, 0, dcs];
        octets.extend([0x52, 0x60, 0x51, 0x71, 0x71, 0x11, 0x8a]);
        octets.extend([8, 5, 0, 3, 42, 2, 1, 0x04, 0x28]);
        let received = read(IncomingKind::Deliver, &octets).unwrap();
        let Received::Message(segment) = received else { panic!("{received:?}") };
        segment
    }

    /// TP-VP of a message with so much of its life left.
    fn validity(left: Duration) -> Option<Validity> {
        let attempt = Attempt {
            to: Number::parse("+491701234567", None).unwrap(),
            body: Secret::from("your code is 123456"),
            part: Part { seq: 1, total: 1, concat_ref: 0, coding: None },
            flash: false,
            report: true,
            deadline: clock::wall().plus(left),
            more: false,
            durable: Durable::channel().1,
        };
        let octets = tpdu(&attempt).unwrap();
        let decoded = pdu::decode(&octets, false, Some(pdu::Kind::Submit)).unwrap().pdu;
        let Pdu::Submit(submit) = decoded else { panic!("{decoded:?}") };
        submit.validity
    }

    #[test]
    fn the_network_gives_up_when_the_life_of_a_message_ends() {
        // Steps of five minutes (TS 23.040 9.2.3.12.1), down to the last one within the life; five minutes are the least there is.
        let minutes = |n: u64| Duration::from_secs(n * 60 + 30);
        for (left, value) in [(1, 0), (5, 0), (9, 0), (10, 1), (14, 1), (60, 11), (719, 142)] {
            assert_eq!(validity(minutes(left)), Some(Validity::Relative(value)), "{left} min");
        }
    }

    #[test]
    fn only_parts_of_texts_wait_for_each_other() {
        let text = received(0x44, 0x08);
        let concat = text.concat.unwrap();
        assert_eq!((concat.reference, concat.total, concat.seq), (42, 2, 1));
        assert_eq!((text.from.as_str(), text.body), ("+1234", Secret::from("Ш")));
        assert!(text.sent.is_some());
        let data = received(0x44, 0x04);
        assert_eq!((data.concat, data.body.len()), (None, 0));
    }

    #[test]
    fn what_is_shown_again_has_the_same_content() {
        let (one, again) = (received(0x44, 0x08), received(0x40, 0x08));
        assert_eq!(one.content, again.content, "that more messages wait is no content");
        assert_ne!(one.pdu, again.pdu);
        assert_ne!(one.content, received(0x44, 0x04).content);
    }

    #[test]
    fn pushes_and_silent_messages_are_not_kept() {
        // TP-UD: a header of 6 octets with ports, then one octet; TP-PID and ports vary.
        let read_one = |pid: u8, port: [u8; 2]| {
            let mut octets = vec![0, 0x44, 4, 0x91, 0x21, 0x43, pid, 0x04];
            octets.extend([0x52, 0x60, 0x51, 0x71, 0x71, 0x11, 0x8a]);
            octets.extend([8, 6, 5, 4, port[0], port[1], 0x23, 0xf0, 0x01]);
            read(IncomingKind::Deliver, &octets).unwrap()
        };
        assert!(matches!(read_one(0, [0x0b, 0x84]), Received::Dropped(Dropped::WapPush)));
        assert!(matches!(read_one(0x40, [0x3e, 0x94]), Received::Dropped(Dropped::Silent)));
        assert!(matches!(read_one(0, [0x3e, 0x94]), Received::Message(_)));
    }
}
