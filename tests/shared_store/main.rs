//! Two daemons over one PostgreSQL, each with modems of its own: one is cut off from the database in mid-run, one is killed. What
//! either said 202 to is not lost, nothing is doubled outside the rule of its lane, and a login opened at one is answered at the other.
//!
//! The judge is the simulator, on whose network all modems are: it knows what handsets got.

#![cfg(feature = "postgres")]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no users of its modules")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "tests read the real clock")]

#[path = "../store_conformance/cluster.rs"]
mod cluster;
#[path = "../gateway/http.rs"]
#[allow(dead_code, reason = "shared with the whole-daemon tests, which use the rest of it")]
mod http;
#[path = "../gateway/rig.rs"]
#[allow(dead_code, reason = "shared with the whole-daemon tests, which use the rest of it")]
mod rig;
mod wire;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use cluster::Database;
use http::Client;
use rig::{Daemon, PATIENCE, Place, Simulator};
use wire::Wire;

/// Clients that ask at both appliances.
const CLIENTS: usize = 3;
/// Between two messages of one client, so that the run is long and the queue is not.
const PAUSE: Duration = Duration::from_millis(15);
const PHONE: &str = "+491701234567";

/// One of the two.
struct Appliance {
    place: Place,
    config: PathBuf,
    daemon: Option<Daemon>,
}

impl Appliance {
    fn new(url: &str, key: Option<&Place>) -> Self {
        let place = Place::new();
        let text = std::fs::read_to_string(place.configure("")).unwrap();
        let config = place.path().join("smsotpd.toml");
        std::fs::write(&config, text.replace("[store]\n", &format!("[store]\nurl = {url:?}\n"))).unwrap();
        if let Some(key) = key {
            std::fs::copy(key.path().join("key"), place.path().join("key")).unwrap();
        }
        Self { place, config, daemon: None }
    }

    fn start(&mut self) {
        self.daemon = Some(Daemon::start(&self.place, &self.config));
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }

    fn links(&self) -> [PathBuf; 2] {
        [0, 1].map(|n| self.place.ports().join(format!("modem{n}")))
    }
}

/// Two appliances, the second of which sees the database through a wire.
struct Pair {
    first: Appliance,
    second: Appliance,
    wire: Wire,
    simulator: Simulator,
    _database: Database,
}

fn pair() -> Option<Pair> {
    let database = cluster::database()?;
    let mut first = Appliance::new(&database.url(), None);
    let wire = Wire::to(&database.directory);
    // The first makes the key; both must have it.
    first.start();
    let mut second = Appliance::new(&database.url_at(wire.directory()), Some(&first.place));
    let links = [first.links(), second.links()].concat();
    let options = ["--events", "phone,ctrl-z", "--latency", "5ms", "--report-after", "30ms", "--seed", "21"];
    let simulator = Simulator::start(&links, &options);
    second.start();
    Some(Pair { first, second, wire, simulator, _database: database })
}

/// What somebody wants to be sent, and its id once an appliance has said 202.
struct Asked {
    to: String,
    text: String,
    lane: &'static str,
    id: String,
}

/// Asks for one message after the other, now here and now there, and for each until it has an answer: a client that wants it sent once.
fn client(sockets: [PathBuf; 2], stop: &AtomicBool, next: &AtomicUsize, taken: &Mutex<Vec<Asked>>) {
    while !stop.load(Ordering::Relaxed) {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let (to, text) = (format!("+49171{n:07}"), format!("shared {n}"));
        let lane = if n.is_multiple_of(4) { "alert" } else { "bulk" };
        let body =
            json!({"to": to, "text": text, "lane": lane, "idempotency_key": format!("key {n}")}).to_string();
        let until = Instant::now() + PATIENCE;
        let mut at = n;
        let id = loop {
            let answer =
                Client::connect(&sockets[at % 2]).and_then(|mut client| client.json("/v1/messages", &body));
            match answer {
                Ok(answer) if answer.status == 202 => break answer.json()["id"].as_str().unwrap().to_owned(),
                Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.body),
                Err(_) => {}
            }
            assert!(Instant::now() < until, "no appliance takes it");
            std::thread::sleep(Duration::from_millis(2));
            at += 1;
        };
        taken.lock().unwrap().push(Asked { to, text, lane, id });
        std::thread::sleep(PAUSE);
    }
}

/// Holds what became of the messages against what handsets showed; gives how many rest in doubt.
fn judge(taken: &[Asked], records: &[Value], simulator: &Simulator) -> usize {
    let mut shown: HashMap<(String, String), usize> = HashMap::new();
    for one in simulator.shown() {
        *shown.entry(one).or_default() += 1;
    }
    let mut in_doubt = 0;
    for (asked, record) in taken.iter().zip(records) {
        let copies = shown.get(&(asked.to.clone(), asked.text.clone())).copied().unwrap_or(0);
        let most = if asked.lane == "bulk" { 1 } else { 2 };
        assert!(copies <= most, "{copies} copies: {record}");
        match record["state"].as_str().unwrap() {
            "submitted" | "delivered" => assert!(copies > 0, "no handset has it: {record}"),
            "uncertain" => in_doubt += 1,
            other => panic!("it is {other}: {record}"),
        }
    }
    in_doubt
}

/// Waits for one thing, asked for again and again.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_is_cut_off_and_one_is_killed_and_nothing_is_lost_or_doubled() {
    let Some(Pair { mut first, second, wire, simulator, _database }) = pair() else { return };
    let sockets = [first.place.socket(), second.place.socket()];
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let taken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(sockets.clone(), &stop, &next, &taken));
        }
        simulator.wait_nth("phone", 60);
        wire.cut();
        // Refused at once with the cause, whoever asks; what is in the air goes on.
        until("a refusal", || {
            let answer = second
                .daemon()
                .client()
                .json("/v1/messages", r#"{"to": "+491720000001", "text": "x"}"#)
                .ok()?;
            (answer.status == 503 && answer.json()["code"] == "store-unreachable").then_some(())
        });
        simulator.wait_nth("phone", simulator.all("phone").len() + 40);
        wire.mend();
        until("the database to be back", || {
            second.daemon().client().get("/v1/messages").ok().filter(|answer| answer.status == 200)
        });
        simulator.wait_nth("ctrl-z", simulator.all("ctrl-z").len() + 40);
        first.daemon.take().expect("it runs").kill();
        simulator.wait_nth("phone", simulator.all("phone").len() + 40);
        // What the dead one held it finds again itself; without it that would take until its leases lapse.
        first.start();
        simulator.wait_nth("phone", simulator.all("phone").len() + 40);
        // The network falls silent instead of ending connections.
        wire.silence();
        until("a refusal", || {
            let answer = second
                .daemon()
                .client()
                .json("/v1/messages", r#"{"to": "+491720000002", "text": "x"}"#)
                .ok()?;
            (answer.status == 503).then_some(())
        });
        wire.cut();
        wire.mend();
        simulator.wait_nth("phone", simulator.all("phone").len() + 40);
        stop.store(true, Ordering::Relaxed);
    });
    let taken = taken.into_inner().unwrap();
    let ids: Vec<_> = taken.iter().map(|asked| asked.id.clone()).collect();
    let records = first.daemon().settled(&ids);
    let last =
        first.daemon().submit(&[json!({"to": "+491730000000", "text": "the last text", "lane": "bulk"})]);
    first.daemon().settled(&last);
    simulator.wait(0, "the last text", |e| e["event"] == "phone" && e["text"] == "the last text");
    let in_doubt = judge(&taken, &records, &simulator);
    println!("{} messages, {in_doubt} in doubt", taken.len());
    assert!(in_doubt <= 8, "what was in the air of four modems in two accidents, {in_doubt} are in doubt");
    let refused = ["+491720000001", "+491720000002"];
    let shown = simulator.shown();
    assert!(!shown.iter().any(|(to, _)| refused.contains(&to.as_str())), "what was refused does not leave");
}

#[test]
fn a_login_opened_at_one_is_answered_by_the_survivor_and_once_only() {
    let Some(Pair { mut first, second, simulator, wire, _database }) = pair() else { return };
    let enrolled = first
        .daemon()
        .client()
        .form("/token/init", "type=sms&user=alice&phone=%2B491701234567&pin=4321")
        .unwrap();
    assert_eq!(enrolled.status, 200, "{}", enrolled.body);
    let opened = check(first.daemon(), "user=alice&pass=4321");
    assert_eq!(opened["result"]["authentication"], "CHALLENGE", "{opened}");
    let transaction = opened["detail"]["transaction_id"].as_str().unwrap().to_owned();
    let shown = simulator.wait(0, "the code", |e| e["event"] == "phone" && e["to"] == PHONE);
    let code = shown["text"].as_str().unwrap().to_owned();
    first.daemon.take().expect("it runs").kill();
    let answer = format!("user=alice&transaction_id={transaction}&pass={code}");
    let granted = check(second.daemon(), &answer);
    assert_eq!(granted["result"]["authentication"], "ACCEPT", "{granted}");
    first.start();
    let replayed = check(first.daemon(), &answer);
    assert_eq!(replayed["result"]["authentication"], "REJECT", "{replayed}");

    // Without its database an appliance cannot send a code, and says what a gateway that fails says.
    wire.cut();
    let failed = until("the loss to be noticed", || {
        let answer = second.daemon().client().form("/validate/check", "user=alice&pass=4321").ok()?.json();
        (answer["result"]["authentication"] != "CHALLENGE").then_some(answer)
    });
    assert_ne!(failed["result"]["value"], json!(true), "{failed}");
    wire.mend();
    let from = simulator.now();
    until("the login to work again", || {
        let answer = second.daemon().client().form("/validate/check", "user=alice&pass=4321").ok()?.json();
        (answer["result"]["authentication"] == "CHALLENGE").then_some(())
    });
    simulator.wait(from, "the code", |e| e["event"] == "phone" && e["to"] == PHONE);
}

fn check(daemon: &Daemon, form: &str) -> Value {
    let answer = daemon.client().form("/validate/check", form).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[test]
fn what_one_accepts_without_a_modem_the_other_sends_at_once() {
    let Some(database) = cluster::database() else { return };
    let mut first = Appliance::new(&database.url(), None);
    first.start();
    let mut second = Appliance::new(&database.url(), Some(&first.place));
    let simulator = Simulator::start(&second.links(), &["--events", "phone", "--seed", "22"]);
    second.start();
    let warm = second.daemon().submit(&[json!({"to": PHONE, "text": "warm"})]);
    second.daemon().settled(&warm);
    // The word comes by NOTIFY: the poll behind it would make this take seconds each.
    let begun = Instant::now();
    for n in 0..10 {
        let text = format!("word {n}");
        first.daemon().submit(&[json!({"to": PHONE, "text": text, "lane": "alert"})]);
        simulator.wait(0, &text, |e| e["event"] == "phone" && e["text"] == text);
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
