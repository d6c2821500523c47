//! Carries stories from the outbox to the hooks of the configuration and to Kannel's clients.
//!
//! A story lies in the outbox from the transaction that made it happen until its hook has taken it, so it outlives a restart and may
//! come twice; its id is the same then. A hook has a few stories under way at once and never waits for another hook. What fails is
//! tried again by the rules of [`crate::queue::rules::try_again`], and given up, counted and kept for a week after a day.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::queue::rules::try_again;
use crate::secret::Secret;
use crate::store::engine::Store;
use crate::store::{Carried, Event, Numbers, Operations, Parcel, ParcelId, StoreError, Story, Subscription};
use crate::telemetry::metrics::{HookTry, Metrics, hook_label};
use crate::units::UnixMs;

mod exec;
mod sign;
mod web;

pub use exec::vet;

/// Stories under way to one hook: a receiver that takes a second for each still takes thousands an hour.
const PER_HOOK: usize = 4;
/// Longer than any hook's limit: what is not reported by then was lost with its task.
const CARRIED_WITHIN: Duration = Duration::from_secs(120);
/// Between two tries when the store fails.
const STORE_PAUSE: Duration = Duration::from_secs(10);
/// The name under which stories for Kannel's clients lie in the outbox.
const KANNEL: &str = "";

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub way: Way,
    /// What it wants to hear of.
    pub events: Vec<Event>,
    /// How numbers are told to it.
    pub numbers: Numbers,
    /// How long it may take; 60 s at most.
    pub limit: Duration,
}

/// How a hook is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By a `POST` to this address, signed with the secret.
    Web(String, Secret),
    /// By running this program.
    Exec(PathBuf),
}

/// All of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Those of the configuration.
    pub hooks: Vec<Hook>,
    /// How addresses begin that Kannel's clients may name, as [`crate::queue::callback::beginning`] has them.
    pub kannel: Vec<String>,
}

impl Hooks {
    /// What is to be written down for them.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        let of = |hook: &Hook| Subscription { hook: hook.name.clone(), events: hook.events.clone() };
        self.hooks.iter().map(of).collect()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.hooks.iter().map(|hook| hook.name.as_str()).chain([KANNEL])
    }
}

/// The task.
struct Carrier {
    store: Store,
    hooks: watch::Receiver<Arc<Hooks>>,
    metrics: Arc<Metrics>,
    web: reqwest::Client,
    under_way: JoinSet<(Parcel, Carried)>,
    /// Whose they are; a task that dies has no other name.
    whose: HashMap<Id, String>,
}

/// Carries until `stop`, then lets what is under way end; `hooks` may change meanwhile.
pub async fn run(
    store: Store,
    mut hooks: watch::Receiver<Arc<Hooks>>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let web = match web::client() {
        Ok(web) => web,
        Err(error) => return tracing::error!(%error, "hooks cannot be called"),
    };
    hooks.mark_changed();
    let (under_way, whose) = (JoinSet::new(), HashMap::new());
    let mut carrier = Carrier { store, hooks, metrics, web, under_way, whose };
    while !stop.is_cancelled() {
        let look = carrier.look().await;
        let due = look.unwrap_or_else(|error| {
            tracing::error!(%error, "the outbox cannot be read; trying again");
            Some(clock::wall().plus(STORE_PAUSE))
        });
        tokio::select! {
            () = stop.cancelled() => break,
            () = carrier.store.feed().parcels() => {}
            changed = carrier.hooks.changed() => if changed.is_err() { break } else { carrier.hooks.mark_changed() },
            () = until(due) => {}
            Some(ended) = carrier.under_way.join_next_with_id() => carrier.ended(ended).await,
        }
    }
    while let Some(ended) = carrier.under_way.join_next_with_id().await {
        carrier.ended(ended).await;
    }
}

type Ended = Result<(Id, (Parcel, Carried)), tokio::task::JoinError>;

impl Carrier {
    /// Takes out what is due as far as there is room, and gives the time when more will be.
    async fn look(&mut self) -> Result<Option<UnixMs>, StoreError> {
        let now = clock::wall();
        let fresh = self.hooks.has_changed().unwrap_or(false);
        let hooks = Arc::clone(&self.hooks.borrow_and_update());
        if fresh {
            self.store.keep_hooks(hooks.names().map(str::to_owned).collect(), now).await?;
        }
        let mut busy: BTreeMap<&str, usize> = BTreeMap::new();
        for hook in self.whose.values() {
            *busy.entry(hook).or_default() += 1;
        }
        let room = |name: &str| PER_HOOK.saturating_sub(busy.get(name).copied().unwrap_or(0));
        let rooms = hooks.names().map(|name| (name.to_owned(), room(name))).filter(|(_, room)| *room > 0);
        let parcels = self.store.parcels(now, now.plus(CARRIED_WITHIN), rooms.collect()).await?;
        for parcel in parcels.taken {
            let hook = parcel.hook.clone();
            let task = self.under_way.spawn(carried(parcel, Arc::clone(&hooks), self.web.clone()));
            self.whose.insert(task.id(), hook);
        }
        Ok(parcels.next)
    }

    async fn ended(&mut self, ended: Ended) {
        let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        self.whose.remove(&id);
        let (parcel, end) = match ended {
            Ok((_, ended)) => ended,
            // It comes back when it is taken for lost.
            Err(error) => return tracing::error!(%error, "a hook's task died"),
        };
        let hook = hook_label(&parcel.hook).to_owned();
        let (event, tries) = (parcel.content.story.event().as_str(), parcel.tries);
        let outcome = match &end {
            Carried::Done => "carried",
            Carried::Again(_, cause) => {
                tracing::warn!(hook, event, tries, cause, "a hook did not take a story; trying again");
                "failed"
            }
            Carried::Dead(cause) => {
                tracing::error!(hook, event, tries, cause, "a hook never took a story; given up");
                "dead"
            }
        };
        self.metrics.hook_tries.get_or_create(&HookTry { hook, outcome }).inc();
        if let Err(error) = self.store.carried(vec![(parcel.id, end)], clock::wall()).await {
            tracing::error!(%error, "what became of a story cannot be written; it is carried again later");
        }
    }
}

/// One try.
async fn carried(parcel: Parcel, hooks: Arc<Hooks>, web: reqwest::Client) -> (Parcel, Carried) {
    let result = one_try(&parcel, &hooks, &web).await;
    let end = match result {
        Ok(()) => Carried::Done,
        Err(cause) => {
            let [jitter] = clock::entropy().unwrap_or_default();
            match try_again(parcel.tries, parcel.made, clock::wall(), jitter) {
                Some(due) => Carried::Again(due, cause),
                None => Carried::Dead(cause),
            }
        }
    };
    (parcel, end)
}

async fn one_try(parcel: &Parcel, hooks: &Hooks, web: &reqwest::Client) -> Result<(), String> {
    let story = &parcel.content.story;
    if let (Some(callback), Story::Message(turned)) = (&parcel.content.callback, story) {
        return web::call_back(web, callback, turned, &hooks.kannel).await;
    }
    let Some(hook) = hooks.hooks.iter().find(|hook| hook.name == parcel.hook) else {
        return Err("no hook has this name any more".to_owned());
    };
    let event = story.event().as_str();
    let body = body(parcel.id, parcel.tries, story, hook.numbers);
    match &hook.way {
        Way::Web(url, secret) => web::post(web, url, secret, (parcel.id, event), body, hook.limit).await,
        Way::Exec(program) => exec::run(program, event, &body, hook.limit).await,
    }
}

/// The story as a hook reads it.
fn body(id: ParcelId, tries: u32, story: &Story, numbers: Numbers) -> Vec<u8> {
    let mut told = story.told(numbers, true);
    if let Some(told) = told.as_object_mut() {
        told.insert("id".to_owned(), json!(id.to_string()));
        told.insert("try".to_owned(), json!(tries));
    }
    told.to_string().into_bytes()
}

async fn until(due: Option<UnixMs>) {
    match due {
        Some(due) => tokio::time::sleep(due.since(clock::wall())).await,
        None => std::future::pending().await,
    }
}
