//! The scenes: rates of the store, what many rows cost it, and what they cost the real daemon.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsotpd::store::engine::Store;

use crate::load::{self, PRODUCERS, Run};
use crate::probe;
use crate::rig::{Daemon, Place, Simulator};
use crate::stock::Stock;
use crate::{Asked, Figure, Ground, Wanted};

/// Scenes by name.
pub(crate) const NAMES: [&str; 5] = ["enqueue", "cycle", "flat", "memory", "start"];

const ENQUEUES: f64 = 10_000.0;
const CYCLES: f64 = 2_500.0;
/// Cost of a message with a million rows against a thousand.
const FLAT: f64 = 1.3;
const BACKLOG: usize = 100_000;
const BACKLOG_MIB: f64 = 10.0;
const START_MS: f64 = 1_000.0;

/// Plays the scenes that were asked for.
pub(crate) fn play(ground: &Ground, stock: &Stock, asked: &Asked, tell: &mut dyn FnMut(Figure)) {
    let (rounds, scale) = if asked.quick { (3, 4) } else { (9, 1) };
    if asked.wants("enqueue") {
        enqueue(ground, stock, rounds, 20_000 / scale, tell);
    }
    if asked.wants("cycle") {
        cycle(ground, stock, rounds, 8_000 / scale, tell);
    }
    if asked.wants("flat") {
        flat(ground, stock, rounds, 2_000, tell);
    }
    if asked.wants("memory") {
        memory(ground, rounds.min(5), tell);
    }
    if asked.wants("start") {
        start(ground, stock, rounds, tell);
    }
}

/// One thread for all tasks, as the daemon has.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The raw cost of a commit here.
fn syncs(ground: &Ground) -> String {
    let spun = ground.pause.map(|pause| format!(" + {} us spun", pause.as_micros())).unwrap_or_default();
    format!("sync back to back {}{spun}", probe::sync(&ground.dir, 200, Duration::ZERO))
}

/// Rounds of one load on a store that begins empty, a tenth of a round before them to warm up.
fn rounds_of(
    ground: &Ground,
    stock: &Stock,
    rounds: usize,
    count: usize,
    load: impl AsyncFn(&Store, usize) -> Run,
) -> (Vec<f64>, String) {
    let dir = tempfile::tempdir_in(&ground.dir).expect("a temporary directory");
    runtime().block_on(async {
        let store = stock.open(&dir.path().join("store.db"), ground);
        load(&store, count / 10).await;
        let mut runs = Vec::new();
        for _ in 0..rounds {
            runs.push(load(&store, count).await);
        }
        store.close().await;
        runs.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
        let beside = format!("{}; {}", runs[runs.len() / 2].told(), syncs(ground));
        (runs.iter().map(Run::rate).collect(), beside)
    })
}

fn enqueue(ground: &Ground, stock: &Stock, rounds: usize, count: usize, tell: &mut dyn FnMut(Figure)) {
    for (name, keyed) in [("", false), (", each with an idempotency key", true)] {
        let load = async |store: &Store, count| load::enqueue(store, count, keyed).await;
        let (rates, beside) = rounds_of(ground, stock, rounds, count, load);
        let name = format!("durable enqueues, {PRODUCERS} producers{name}");
        tell(ground.hold(Figure::new(name, rates, "messages/s", beside), Wanted::AtLeast(ENQUEUES)));
    }
}

fn cycle(ground: &Ground, stock: &Stock, rounds: usize, count: usize, tell: &mut dyn FnMut(Figure)) {
    let load = async |store: &Store, count| load::cycle(store, count, false).await;
    let (rates, beside) = rounds_of(ground, stock, rounds, count, load);
    let name = "full cycles: enqueue, lease, attempt, submitted, delivered";
    tell(ground.hold(Figure::new(name, rates, "messages/s", beside), Wanted::AtLeast(CYCLES)));
}

/// Each round measures all sizes one after the other, so that what the machine does besides meets them alike.
fn flat(ground: &Ground, stock: &Stock, rounds: usize, count: usize, tell: &mut dyn FnMut(Figure)) {
    let dir = tempfile::tempdir_in(&ground.dir).expect("a temporary directory");
    let path = |size: usize| dir.path().join(format!("{size}.db"));
    for size in &stock.sizes {
        stock.copy(*size, &path(*size));
    }
    for (name, keyed) in [("", false), (", with idempotency keys", true)] {
        // One list of costs in microseconds for each size.
        let mut costs = vec![Vec::new(); stock.sizes.len()];
        for _ in 0..rounds {
            // Else it would be no longer the smallest after some rounds.
            stock.copy(stock.sizes[0], &path(stock.sizes[0]));
            for (size, costs) in stock.sizes.iter().zip(&mut costs) {
                let run = runtime().block_on(async {
                    let store = stock.open(&path(*size), ground);
                    load::cycle(&store, count / 4, keyed).await;
                    let run = load::cycle(&store, count, keyed).await;
                    store.close().await;
                    run
                });
                costs.push(1e6 / run.rate());
            }
        }
        let smallest = Figure::new("", costs[0].clone(), "us", String::new());
        for (size, these) in stock.sizes.iter().zip(&costs).skip(1) {
            let ratios = these.iter().zip(&costs[0]).map(|(these, least)| these / least).collect();
            let here = Figure::new("", these.clone(), "us", String::new());
            let beside = format!(
                "{:.0} us a message against {:.0} us; {}",
                here.median(),
                smallest.median(),
                syncs(ground)
            );
            let name = format!("cost of a full cycle with {size} rows against {}{name}", stock.sizes[0]);
            tell(ground.hold(Figure::new(name, ratios, "times", beside), Wanted::Below(FLAT)));
        }
    }
}

/// What the daemon's memory grows by when many messages wait behind one slow modem.
fn memory(ground: &Ground, rounds: usize, tell: &mut dyn FnMut(Figure)) {
    let mut added = Vec::new();
    let mut told = Vec::new();
    for _ in 0..rounds {
        let place = Place::below(&ground.dir);
        let config = place.configure("[log]\nlevel = \"warn\"\n");
        let simulator =
            Simulator::start(&[place.ports().join("modem0")], &["--latency", "60s", "--events", "ctrl-z"]);
        let daemon = daemon(ground, &place, &config);
        post(&daemon, 1_000);
        simulator.wait_nth("ctrl-z", 1);
        let (few, _) = probe::memory(daemon.pid());
        post(&daemon, BACKLOG);
        let (many, peak) = probe::memory(daemon.pid());
        added.push(many - few);
        told.push(format!("{few:.1} MiB before, {many:.1} MiB after, peak resident {peak:.1} MiB"));
    }
    let name = format!("memory (PSS) that {BACKLOG} queued messages add");
    tell(
        ground.hold(
            Figure::new(name, added, "MiB", told.pop().unwrap_or_default()),
            Wanted::Below(BACKLOG_MIB),
        ),
    );
}

fn post(daemon: &Daemon, count: usize) {
    let mut connection = daemon.client();
    for start in (0..count).step_by(1_000) {
        let batch: Vec<Value> = (start..count.min(start + 1_000))
            .map(|n| json!({"to": format!("+49170{n:07}"), "text": "bench", "lane": "bulk"}))
            .collect();
        let answer = connection.json("/v1/messages", &json!(batch).to_string()).expect("an answer");
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
}

/// From exec to a listening socket with all rows there are, after an orderly end and after a `kill -9` with messages that are only in the log.
fn start(ground: &Ground, stock: &Stock, rounds: usize, tell: &mut dyn FnMut(Figure)) {
    let place = Place::below(&ground.dir);
    let config = place.configure("[log]\nlevel = \"warn\"\n");
    std::fs::copy(stock.key(), place.path().join("key")).expect("the key");
    let rows = stock.largest();
    stock.copy(rows, &place.path().join("store.db"));
    let exec = || {
        let begun = Instant::now();
        let daemon = daemon(ground, &place, &config);
        (daemon, begun.elapsed().as_secs_f64() * 1e3)
    };
    let (mut clean, mut killed) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (daemon, time) = exec();
        clean.push(time);
        post(&daemon, 2_000);
        daemon.kill();
        let (daemon, time) = exec();
        killed.push(time);
        daemon.stop();
    }
    for (name, times) in [("an orderly end", clean), ("a kill -9", killed)] {
        let name = format!("exec to listening with {rows} rows, after {name}");
        let figure = Figure::new(name, times, "ms", syncs(ground));
        tell(ground.hold(figure, Wanted::Below(START_MS)));
    }
}

fn daemon(ground: &Ground, place: &Place, config: &Path) -> Daemon {
    let pause = ground.pause.map_or(0, |pause| pause.as_micros()).to_string();
    Daemon::start_with(place, config, &[("SMSOTPD_BENCH_COMMIT_PAUSE_US", &pause)])
}
