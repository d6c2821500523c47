//! The story that `tests/guest` tells in a whole Debian, with a directory of links in udev's place: it is there only while a
//! link is in it, and a link leads to another device each time.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::{Daemon, PATIENCE, Place, Simulator, read_log};

/// One modem that may be behind either of two ttys, as the kernel gives them out.
struct Stick {
    simulator: Simulator,
    directory: PathBuf,
    ttys: [PathBuf; 2],
}

impl Stick {
    /// Nothing is plugged in, and the directory is not there.
    fn new(place: &Place) -> Self {
        let ttys = [place.path().join("tty0"), place.path().join("tty1")];
        let same = ["--imei", "490154203237518", "--iccid", "8949020000123456785"];
        let options = ["--events", "phone", "--latency", "20ms", "--seed", "29"];
        let options = [same, same].concat().into_iter().chain(options);
        let simulator = Simulator::start(&ttys, &options.collect::<Vec<_>>());
        fs::remove_dir(place.ports()).expect("the directory of links is empty");
        Self { simulator, directory: place.ports(), ttys }
    }

    fn plug(&self, tty: usize) {
        fs::create_dir(&self.directory).expect("the directory of links");
        symlink(&self.ttys[tty], self.directory.join("stick-at1")).expect("the link");
    }

    fn unplug(&mut self, tty: usize) {
        self.simulator.control(&json!({"do": "hangup", "modem": tty}));
        fs::remove_file(self.directory.join("stick-at1")).expect("the link");
        fs::remove_dir(&self.directory).expect("udev removes the directory with its last link");
    }

    fn shows(&self, text: &str) {
        self.simulator.wait(0, text, |event| event["text"] == text);
    }
}

/// The modem, once it is in this state.
fn modem(daemon: &Daemon, place: &Place, state: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    let mut client = daemon.client();
    loop {
        let modems = client.get("/v1/modems").expect("an answer").json();
        if modems["modems"][0]["state"] == state {
            return modems["modems"][0].clone();
        }
        assert!(Instant::now() < until, "never {state}: {modems}\n{}", read_log(place));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn bulk(text: &str) -> Value {
    json!({"to": "+491701234567", "text": text, "lane": "bulk"})
}

#[test]
fn plugged_unplugged_and_plugged_again_as_another_tty() {
    let place = Place::new();
    let config = place.configure("");
    let mut stick = Stick::new(&place);
    let daemon = Daemon::start(&place, &config);
    let pid = daemon.pid();
    let mut ids = daemon.submit(&[bulk("before any modem")]);
    assert_eq!(daemon.message(&ids[0])["state"], "queued");

    stick.plug(0);
    stick.shows("before any modem");
    let first = modem(&daemon, &place, "ready");

    stick.unplug(0);
    modem(&daemon, &place, "away");
    assert_eq!(daemon.client().get("/v1/health/live").expect("an answer").status, 200);
    ids.extend(daemon.submit(&[bulk("while it is away")]));
    assert_eq!(daemon.message(&ids[1])["state"], "queued");

    stick.plug(1);
    stick.shows("while it is away");
    let second = modem(&daemon, &place, "ready");
    assert_eq!((&second["port"], &second["imei"]), (&first["port"], &first["imei"]));
    assert_ne!(second["device"], first["device"], "the link leads to another tty");
    assert_eq!(daemon.pid(), pid, "it was the same daemon all the while");

    let texts: Vec<String> = (0..20).map(|n| format!("cut {n}")).collect();
    let cut = daemon.submit(&texts.iter().map(|text| bulk(text)).collect::<Vec<_>>());
    stick.shows(&texts[4]);
    daemon.kill();
    stick.unplug(1);
    stick.simulator.control(&json!({"do": "plug", "modem": 0}));
    let daemon = Daemon::start(&place, &config);
    stick.plug(0);
    let records = daemon.settled(&cut);
    let shown = stick.simulator.shown();
    let copies = |text: &String| shown.iter().filter(|(_, shown)| shown == text).count();
    let doubtful = records.iter().filter(|record| record["state"] == "uncertain").count();
    for (text, record) in texts.iter().zip(&records) {
        match record["state"].as_str() {
            Some("submitted" | "delivered") => assert_eq!(copies(text), 1, "{text}: {record}"),
            Some("uncertain") => assert!(copies(text) <= 1, "{text}: {record}"),
            _ => panic!("{text} is lost: {record}"),
        }
    }
    assert!(doubtful <= 1, "only one was in the air: {records:?}");
    assert_eq!(daemon.stop(), Some(0));
}
