//! `SIGKILL` at random moments under load: clients that repeat with their keys, two modems, reports, texts from phones.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::Client;
use crate::in_full;
use crate::judge::{self, Asked};
use crate::rig::{Daemon, PATIENCE, Place, Simulator};

const KILLS: usize = 300;
const SEED: u64 = 4711;
const CLIENTS: usize = 3;
/// Microseconds that a daemon lives at most once it is ready, if it dies early: its modems are not ready before a part of that.
const EARLY: u64 = 200_000;
/// Messages that leave at most before it dies otherwise.
const MOST_LEFT: usize = 12;
/// Microseconds that it lives on behind a Ctrl-Z: the answer comes after 4,000.
const MOMENT: u64 = 8_000;
/// Between two messages of one client: more than the daemon, unoptimised and killed all the time, can send.
const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn random_kills_under_load_lose_nothing_and_double_nothing() {
    let kills = if in_full() { KILLS } else { KILLS / 10 };
    let place = Place::new();
    let config = place.configure("");
    let links = [0, 1].map(|n| place.ports().join(format!("modem{n}")));
    let options = ["--events", "phone,ctrl-z", "--latency", "4ms", "--report-after", "30ms", "--seed", "11"];
    let mut simulator = Simulator::start(&links, &options);
    let mut random = fastrand::Rng::with_seed(SEED);
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let taken = Mutex::new(Vec::new());
    let mut phoned = Vec::new();
    let daemon = std::thread::scope(|scope| {
        let mut daemon = Daemon::start(&place, &config);
        for _ in 0..CLIENTS {
            scope.spawn(|| client(&place, &stop, &next, &taken));
        }
        for n in 0..kills {
            let text = format!("phone {n}");
            simulator
                .control(&json!({"do": "deliver", "modem": n % 2, "from": "+491799999999", "text": text}));
            phoned.push(text);
            // One in four dies at any moment from its start on, the others while messages leave.
            if random.u8(0..4) == 0 {
                std::thread::sleep(Duration::from_micros(random.u64(0..EARLY)));
            } else {
                simulator.wait_nth("ctrl-z", simulator.all("ctrl-z").len() + random.usize(1..=MOST_LEFT));
                std::thread::sleep(Duration::from_micros(random.u64(0..MOMENT)));
            }
            daemon.kill();
            daemon = Daemon::start(&place, &config);
        }
        stop.store(true, Ordering::Relaxed);
        daemon
    });
    let taken: Vec<Asked> = taken.into_inner().expect("no panic");
    let ids: Vec<_> = taken.iter().filter_map(|asked| asked.id.clone()).collect();
    let records = daemon.settled(&ids);
    judge::all_is_told(&daemon, &simulator);
    let pairs = taken.iter().zip(&records);
    let in_doubt = pairs.filter(|(asked, record)| judge::is_in_doubt(asked, record, &simulator)).count();
    println!("{} messages, {kills} kills, {in_doubt} in doubt", taken.len());
    assert!(taken.len() > kills, "there was a load");
    assert!(
        in_doubt <= kills * 2,
        "at most one in the air on each modem for each kill, {in_doubt} are in doubt"
    );
    wait_for_texts(&daemon, phoned.len());
    assert_eq!(daemon.stop(), Some(0));
    judge::came_once(place.path(), &phoned);
}

/// Asks for one message after the other, and for each until it has an answer, as a client does that wants it to be sent once.
fn client(place: &Place, stop: &AtomicBool, next: &AtomicUsize, taken: &Mutex<Vec<Asked>>) {
    while !stop.load(Ordering::Relaxed) {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let mut asked = Asked {
            to: format!("+49171{n:07}"),
            text: format!("storm {n}"),
            lane: if n.is_multiple_of(4) { "alert" } else { "bulk" },
            key: format!("key {n}"),
            id: None,
        };
        let until = Instant::now() + PATIENCE;
        while Client::connect(&place.socket()).and_then(|mut client| asked.offer(&mut client)).is_err() {
            assert!(Instant::now() < until, "no daemon comes back");
            std::thread::sleep(Duration::from_millis(2));
        }
        taken.lock().expect("no panic").push(asked);
        std::thread::sleep(PAUSE);
    }
}

fn wait_for_texts(daemon: &Daemon, wanted: usize) {
    let until = Instant::now() + PATIENCE;
    let mut client = daemon.client();
    while judge::texts_from_phones(&mut client).expect("an answer") < wanted {
        assert!(Instant::now() < until, "texts from phones are missing");
        std::thread::sleep(Duration::from_millis(10));
    }
}
