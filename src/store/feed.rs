//! Who hears of what happens: which hooks want which stories, and a window of the newest stories for those who follow them live.
//!
//! The writer asks here, within its transaction, whether anybody wants a story at all, and hands over what was told after the commit.
//! Stories are kept only while somebody listens and shortly after, so that a stream that broke goes on where it was; one that
//! reads slower than things happen falls out of the window and is told so. Numbers skip one where stories went unheard.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::{Event, Story, Subscription};
use crate::clock;

/// Stories in the window: a quarter of a second of the fastest queue, minutes of a usual one; a few hundred octets each.
const WINDOW: usize = 2_048;
/// How long stories are kept for a listener who left: a stream that broke is opened again within seconds.
const AWAITED: Duration = Duration::from_secs(60);

/// The hub of stories.
#[derive(Debug)]
pub struct Feed {
    hooks: ArcSwap<Vec<Subscription>>,
    /// Whether any message has a Kannel client that wants to hear of it.
    callbacks: AtomicBool,
    /// The outbox is full.
    full: AtomicBool,
    /// Stories that found it full.
    refused: AtomicU64,
    /// Parcels were put into the outbox.
    parcels: Notify,
    window: Mutex<Window>,
    heads: watch::Sender<u64>,
    /// Tells the numbers of this run from those of another.
    run: i64,
}

#[derive(Debug, Default)]
struct Window {
    stories: VecDeque<Arc<Story>>,
    /// The number of the first of them.
    first: u64,
    listeners: usize,
    left: Option<Instant>,
}

impl Window {
    fn next(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.stories.len()).unwrap_or(u64::MAX))
    }

    fn is_heard(&self) -> bool {
        let awaited = |left: Instant| clock::monotonic().duration_since(left) < AWAITED;
        self.listeners > 0 || self.left.is_some_and(awaited)
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            hooks: ArcSwap::default(),
            callbacks: AtomicBool::new(false),
            full: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            parcels: Notify::new(),
            window: Mutex::default(),
            heads: watch::Sender::new(0),
            run: clock::wall().0,
        }
    }
}

impl Feed {
    /// From now on these hooks hear of what they want.
    pub(super) fn subscribe(&self, hooks: Vec<Subscription>) {
        self.hooks.store(Arc::new(hooks));
    }

    /// Hooks that want this event.
    pub(super) fn hooks(&self, event: Event) -> Vec<String> {
        let hooks = self.hooks.load();
        let wants = |one: &&Subscription| one.events.contains(&event);
        hooks.iter().filter(wants).map(|one| one.hook.clone()).collect()
    }

    pub(super) fn has_callbacks(&self) -> bool {
        self.callbacks.load(Ordering::Relaxed)
    }

    pub(super) fn set_callbacks(&self) {
        self.callbacks.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Stories for hooks that were lost because the outbox was full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits until something was put into the outbox.
    pub async fn parcels(&self) {
        self.parcels.notified().await;
    }

    pub(super) fn wake(&self) {
        self.parcels.notify_one();
    }

    /// Whether anybody listens, or left only just now.
    pub(super) fn is_heard(&self) -> bool {
        self.window().is_heard()
    }

    /// Tells what is durable now.
    pub(super) fn tell(&self, stories: Vec<Story>) {
        let mut window = self.window();
        for story in stories {
            if window.stories.len() >= WINDOW {
                window.stories.pop_front();
                window.first = window.first.saturating_add(1);
            }
            window.stories.push_back(Arc::new(story));
        }
        let next = window.next();
        drop(window);
        self.heads.send_replace(next);
    }

    /// Listens from now on, or from behind the story with this name if it is still there.
    #[must_use]
    pub fn listen(self: &Arc<Self>, after: Option<&str>) -> Listener {
        let mut window = self.window();
        if !window.is_heard() {
            window.first = window.next().saturating_add(1);
            window.stories.clear();
        }
        window.listeners += 1;
        let after = after.map(|name| self.number(name).and_then(|number| number.checked_add(1)));
        let (next, gap) = match after {
            None => (window.next(), false),
            Some(Some(next)) if (window.first..=window.next()).contains(&next) => (next, false),
            Some(_) => (window.first, true),
        };
        drop(window);
        Listener { feed: Arc::clone(self), heads: self.heads.subscribe(), next, gap }
    }

    /// The name of a story, for whoever wants to go on behind it.
    fn name(&self, number: u64) -> String {
        format!("{:x}-{number}", self.run)
    }

    fn number(&self, name: &str) -> Option<u64> {
        let (run, number) = name.split_once('-')?;
        (i64::from_str_radix(run, 16) == Ok(self.run)).then(|| number.parse().ok())?
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who follows what happens.
#[derive(Debug)]
pub struct Listener {
    feed: Arc<Feed>,
    heads: watch::Receiver<u64>,
    next: u64,
    gap: bool,
}

/// What a listener hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Something happened; the name is for whoever wants to go on behind it.
    Story(String, Arc<Story>),
    /// What was asked to go on behind is not known any more: some stories were missed.
    Gap,
    /// The listener was too slow, and the window is past it.
    Behind,
}

impl Listener {
    /// Waits for the next story.
    pub async fn next(&mut self) -> Heard {
        loop {
            self.heads.borrow_and_update();
            if let Some(heard) = self.look() {
                return heard;
            }
            // The sender lives as long as the feed, which is ours.
            let _ = self.heads.changed().await;
        }
    }

    fn look(&mut self) -> Option<Heard> {
        if std::mem::take(&mut self.gap) {
            return Some(Heard::Gap);
        }
        let window = self.feed.window();
        if self.next < window.first {
            return Some(Heard::Behind);
        }
        let place = usize::try_from(self.next.saturating_sub(window.first)).ok()?;
        let story = Arc::clone(window.stories.get(place)?);
        drop(window);
        let name = self.feed.name(self.next);
        self.next = self.next.saturating_add(1);
        Some(Heard::Story(name, story))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut window = self.feed.window();
        window.listeners = window.listeners.saturating_sub(1);
        window.left = Some(clock::monotonic());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::store::Arrived;
    use crate::units::UnixMs;

    fn story(n: i64) -> Story {
        Story::Inbound(Arrived {
            id: String::new(),
            from: String::new(),
            channel: String::new(),
            text: Secret::empty(),
            sent: None,
            parts: 1,
            missing: 0,
            at: UnixMs(n),
        })
    }

    fn told(heard: &Heard) -> i64 {
        match heard {
            Heard::Story(_, story) => story.at().0,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_listener_hears_in_order_and_goes_on_where_it_was() {
        let feed = Arc::new(Feed::default());
        assert!(!feed.is_heard());
        let mut first = feed.listen(None);
        assert!(feed.is_heard());
        feed.tell((1..=3).map(story).collect());
        let mut last = String::new();
        for n in 1..=2 {
            let heard = first.next().await;
            assert_eq!(told(&heard), n);
            let Heard::Story(name, _) = heard else { unreachable!() };
            last = name;
        }
        drop(first);
        feed.tell(vec![story(4)]);
        let mut again = feed.listen(Some(&last));
        assert_eq!([told(&again.next().await), told(&again.next().await)], [3, 4]);
    }

    #[tokio::test]
    async fn what_is_not_known_any_more_is_a_gap() {
        let feed = Arc::new(Feed::default());
        let _stays = feed.listen(None);
        feed.tell(vec![story(1)]);
        for name in ["", "x-1", "0-1", &feed.name(77)] {
            let mut listener = feed.listen(Some(name));
            assert!(matches!(listener.next().await, Heard::Gap), "{name}");
            assert_eq!(told(&listener.next().await), 1);
        }
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_told_so() {
        let feed = Arc::new(Feed::default());
        let mut slow = feed.listen(None);
        feed.tell((0..=WINDOW as i64).map(story).collect());
        assert!(matches!(slow.next().await, Heard::Behind));
        assert!(feed.window().stories.len() <= WINDOW);
    }
}
