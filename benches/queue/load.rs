//! The load: producers that enqueue and lines that send, as eight clients and eight modems would, over the store's operations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smsotpd::clock;
use smsotpd::number::Number;
use smsotpd::pdu::Coding;
use smsotpd::provider::{ChannelId, Verdict};
use smsotpd::queue::budget::Bill;
use smsotpd::queue::message::{Idempotency, Lane, MessageId, NewMessage, State};
use smsotpd::queue::rules::Next;
use smsotpd::secret::Secret;
use smsotpd::store::engine::Store;
use smsotpd::store::{AttemptState, Begin, Begun, End, Leased, Operations, Report, Turn, Want};
use smsotpd::units::MessageRef;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// Clients that wait for each answer, and lines that send one message at a time.
pub(crate) const PRODUCERS: usize = 8;
/// As many leases are held as the dispatcher holds.
const HELD: usize = 32;
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// What a run came to.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) time: Duration,
    pub(crate) commits: u64,
    pub(crate) messages: usize,
}

impl Run {
    /// Messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.time.as_secs_f64()
    }

    /// Commits a second and messages a commit, for people.
    pub(crate) fn told(&self) -> String {
        let (commits, time) = (self.commits as f64, self.time.as_secs_f64());
        format!("{:.0} commits/s, {:.2} messages a commit", commits / time, self.messages as f64 / commits)
    }
}

/// A text of one segment to one of ten million numbers; `keyed` with an idempotency key of its own.
pub(crate) fn message(n: usize, keyed: bool) -> NewMessage {
    let now = clock::wall();
    let random = fastrand::u64(..).to_be_bytes();
    NewMessage {
        id: MessageId::new(now, (n % 4096) as u16, random),
        lane: Lane::Bulk,
        to: Number::parse(&format!("+49170{:07}", n % 10_000_000), None).unwrap(),
        body: Secret::from("your code is 123456, do not tell it to anyone"),
        flash: false,
        report: true,
        segments: 1,
        coding: Coding::default(),
        created: now,
        deadline: now.plus(LIFE),
        caller: "bench".to_owned(),
        idempotency: keyed.then(|| Idempotency {
            key: format!("{:x}", u64::from_be_bytes(random)),
            asked: Secret::from("this"),
        }),
        bill: Bill::default(),
    }
}

/// Line `n` as a SIM.
pub(crate) fn channel(n: usize) -> ChannelId {
    ChannelId(format!("gsm:894902000010051554{n:02}").into())
}

/// A demand on behalf of all lines.
pub(crate) fn want(most: usize) -> Want {
    Want {
        most,
        lanes: Lane::Bulk,
        channels: (0..PRODUCERS).map(channel).collect(),
        begun_only: false,
        lease: Duration::from_secs(300),
    }
}

/// Its attempt over a line.
pub(crate) fn begin(leased: &Leased, line: usize) -> Begin {
    let at = clock::wall();
    Begin { id: leased.id, epoch: leased.epoch, seq: 1, channel: channel(line), whom: None, at }
}

/// The network took it.
pub(crate) fn end(leased: &Leased, reference: u8) -> End {
    End {
        id: leased.id,
        epoch: leased.epoch,
        seq: 1,
        result: AttemptState::Submitted,
        reference: Some(MessageRef(reference)),
        cause: None,
        whom: None,
        at: clock::wall(),
        next: Next::Rest(State::Submitted),
    }
}

/// `count` messages from eight producers, each of which waits until its message is durable.
pub(crate) async fn enqueue(store: &Store, count: usize, keyed: bool) -> Run {
    let before = store.stats().commits;
    let start = Instant::now();
    let mut producers = produce(store, count, keyed);
    while let Some(done) = producers.join_next().await {
        done.expect("a producer ends");
    }
    Run { time: start.elapsed(), commits: store.stats().commits - before, messages: count }
}

fn produce(store: &Store, count: usize, keyed: bool) -> JoinSet<()> {
    let mut producers = JoinSet::new();
    for producer in 0..PRODUCERS {
        let store = store.clone();
        producers.spawn(async move {
            for n in (producer..count).step_by(PRODUCERS) {
                store.accept(vec![message(n, keyed)]).await.expect("it is accepted");
            }
        });
    }
    producers
}

/// `count` whole lives while producers enqueue: enqueued, leased, begun, submitted, delivered. Like the dispatcher, a line writes
/// the end of one message and the beginning of the next in one turn.
pub(crate) async fn cycle(store: &Store, count: usize, keyed: bool) -> Run {
    let before = store.stats().commits;
    let start = Instant::now();
    let mut tasks = produce(store, count, keyed);
    let (held, lines) = mpsc::channel(HELD);
    let lines = Arc::new(Mutex::new(lines));
    for line in 0..PRODUCERS {
        tasks.spawn(send(store.clone(), line, Arc::clone(&lines)));
    }
    let leasing = store.clone();
    tasks.spawn(async move {
        let mut left = count;
        while left > 0 {
            for leased in leasing.lease(want(left.min(HELD))).await.expect("leases") {
                left -= 1;
                held.send(leased).await.expect("lines run");
            }
        }
    });
    while let Some(done) = tasks.join_next().await {
        done.expect("a task ends");
    }
    Run { time: start.elapsed(), commits: store.stats().commits - before, messages: count }
}

/// One line until nothing is held any more.
async fn send(store: Store, line: usize, held: Arc<Mutex<mpsc::Receiver<Leased>>>) {
    let mut reference = 0_u8;
    let mut in_flight: Option<Leased> = None;
    loop {
        let next = held.lock().await.recv().await;
        reference = reference.wrapping_add(1);
        let turn = Turn {
            ended: in_flight.iter().map(|leased| end(leased, reference)).collect(),
            begun: next.iter().map(|leased| begin(leased, line)).collect(),
        };
        let begun = store.turn(turn).await.expect("a turn");
        assert!(begun.iter().all(|begun| *begun == Begun::Durable), "what is leased begins");
        if let Some(leased) = in_flight {
            let report = Report {
                channel: channel(line),
                reference: MessageRef(reference),
                recipient: leased.to.as_str().to_owned(),
                status: 0,
                verdict: Verdict::Delivered,
                at: clock::wall(),
            };
            assert_eq!(store.report(report).await.expect("a report"), Some(leased.id), "it matches");
        }
        if next.is_none() {
            return;
        }
        in_flight = next;
    }
}
