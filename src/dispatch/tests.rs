//! The dispatcher over a real store and a provider that does what the test says.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock;
use crate::number::Number;
use crate::pdu::Coding;
use crate::provider::Attempt;
use crate::queue::budget::Bill;
use crate::queue::message::{NewMessage, State};
use crate::queue::rules::Disposition;
use crate::route::breaker::Blame;
use crate::route::budget::Budgets;
use crate::secret::Secret;
use crate::store::engine;
use crate::store::seal::Keyring;

mod lanes;
mod ways;

/// What has not happened by now will not; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Attempts that no test has looked at yet; each test has a handful.
const WAITING: usize = 64;

/// An attempt in the hands of the test.
struct Sent {
    channel: ChannelId,
    attempt: Attempt,
    end: oneshot::Sender<Outcome>,
}

impl Sent {
    fn text(&self) -> String {
        self.attempt.body.expose_str().unwrap().to_owned()
    }

    /// Lets it leave if it may; whether it did.
    async fn leaves(self) -> bool {
        let left = self.attempt.durable.wait().await;
        let reference = None;
        let outcome = if left { Outcome::Submitted { reference } } else { Outcome::Abandoned };
        self.end.send(outcome).unwrap();
        left
    }

    /// The channel takes it not, and says what that means.
    async fn refused(self, disposition: Disposition) {
        let blame = if disposition == Disposition::Permanent { Blame::Message } else { Blame::Channel };
        assert!(self.attempt.durable.wait().await);
        self.end.send(Outcome::Refused { disposition, blame, cause: "as told".to_owned() }).unwrap();
    }
}

struct Script {
    channels: watch::Receiver<Arc<[Channel]>>,
    sent: mpsc::Sender<Sent>,
}

impl Provider for Script {
    fn channels(&self) -> watch::Receiver<Arc<[Channel]>> {
        self.channels.clone()
    }

    fn send(&self, channel: &ChannelId, attempt: Attempt) -> BoxFuture<Outcome> {
        let (end, ended) = oneshot::channel();
        let _ = self.sent.try_send(Sent { channel: channel.clone(), attempt, end });
        Box::pin(async move { ended.await.unwrap_or(Outcome::Abandoned) })
    }

    fn drained(&self, _: &ChannelId) {}
}

/// A running dispatcher with so many channels of one slot.
struct House {
    store: Store,
    sent: mpsc::Receiver<Sent>,
    pulse: Pulse,
    stop: CancellationToken,
    running: JoinHandle<()>,
    channels: watch::Sender<Arc<[Channel]>>,
    accepted: u8,
    _dir: tempfile::TempDir,
}

fn channel(n: usize) -> ChannelId {
    ChannelId(format!("test:{n}").into())
}

impl House {
    async fn open(channels: usize) -> Self {
        Self::with(channels, Settings { login_reserve: 1, routes: Rules::default() }).await
    }

    async fn with(channels: usize, settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        let store = Store::open(engine::Settings::new(path, Keyring::generate().unwrap())).unwrap();
        let list: Arc<[Channel]> = (0..channels)
            .map(|n| Channel { id: channel(n), ready: true, draining: false, slots: 1 })
            .collect();
        let (channels, told) = watch::channel(list);
        let (sent_in, sent) = mpsc::channel(WAITING);
        let provider = Arc::new(Script { channels: told, sent: sent_in });
        let budgets = Budgets::default();
        let ledger = Ledger::load(&store, budgets, clock::wall()).await.unwrap();
        let (_, settings) = watch::channel(settings);
        let dispatcher = Dispatcher::new(store.clone(), vec![provider], ledger, settings);
        let (pulse, stop) = (dispatcher.pulse(), CancellationToken::new());
        let running = tokio::spawn(dispatcher.run(stop.clone()));
        Self { store, sent, pulse, stop, running, channels, accepted: 0, _dir: dir }
    }

    fn message(&mut self, lane: Lane, text: &str, segments: u8) -> NewMessage {
        self.accepted += 1;
        let now = UnixMs(clock::wall().0 - 1000);
        NewMessage {
            id: MessageId::new(UnixMs(now.0 + i64::from(self.accepted)), 0, [self.accepted; 8]),
            lane,
            to: Number::parse(&format!("+49170{:07}", self.accepted), None).unwrap(),
            body: Secret::from(text),
            flash: false,
            report: true,
            segments,
            coding: Coding::default(),
            created: now,
            deadline: now.plus(Duration::from_secs(600)),
            caller: "test".to_owned(),
            idempotency: None,
            callback: None,
            bill: Bill::default(),
        }
    }

    async fn accept(&self, message: NewMessage) -> MessageId {
        self.store.accept(vec![message]).await.unwrap()[0].id()
    }

    async fn queue(&mut self, lane: Lane, text: &str, segments: u8) -> MessageId {
        let message = self.message(lane, text, segments);
        self.accept(message).await
    }

    /// The next attempt that begins.
    async fn next(&mut self) -> Sent {
        tokio::time::timeout(PATIENCE, self.sent.recv()).await.expect("an attempt begins").unwrap()
    }

    /// Waits until the dispatcher holds this message.
    async fn held(&self, id: MessageId) {
        self.rests(id, State::Leased).await;
        // The answers to the batch that leased it are out when the writer takes its next turn.
        self.store.pulse().await.unwrap();
        assert!(self.pulse.beats().await);
    }

    async fn rests(&self, id: MessageId, wanted: State) {
        let reached = async {
            while self.store.message(id).await.unwrap().expect("it is there").state != wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("it becomes {wanted}"));
    }

    async fn close(self) {
        self.stop.cancel();
        drop(self.sent);
        tokio::time::timeout(PATIENCE, self.running).await.expect("it ends").unwrap();
        drop(self.channels);
        self.store.close().await;
    }
}
