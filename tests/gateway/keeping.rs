//! What an administrator does with the store: backs it up, checks it, puts it back, carries its key away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::rig::{Daemon, Place, Simulator};

struct House {
    place: Place,
    config: PathBuf,
}

impl House {
    fn new() -> Self {
        let place = Place::new();
        let config = place.configure("");
        Self { place, config }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// `smsotpctl store ...`: its exit code, and what it said as JSON or as it is.
    fn store(&self, words: &[&str], files: &[&Path]) -> (i32, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsotpctl"));
        command.args(["--json", "--socket"]).arg(self.place.socket()).arg("store");
        let out =
            command.args(words).args(files).arg("--config").arg(&self.config).output().expect("it runs");
        let text = if out.stdout.is_empty() { out.stderr } else { out.stdout };
        let text = String::from_utf8_lossy(&text).into_owned();
        (out.status.code().unwrap_or(-1), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn start(&self) -> Daemon {
        Daemon::start(&self.place, &self.config)
    }
}

fn bulk(text: &str) -> Value {
    json!({"to": "+491701234567", "text": text, "report": false})
}

#[test]
fn a_backup_is_made_in_mid_run_and_put_back_without_sending_anything_twice() {
    let house = House::new();
    let daemon = house.start();
    let [before] = &daemon.submit(&[bulk("before the backup")])[..] else { panic!("one id") };
    let backup = house.at("backup.db");
    let (code, told) = house.store(&["backup"], &[&backup]);
    assert_eq!((code, &told["messages"]), (0, &json!(1)), "{told}");
    assert!(told["note"].as_str().is_some_and(|note| note.contains("useless without the key")), "{told}");
    assert_eq!(fs::metadata(&backup).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(house.store(&["backup"], &[&backup]).0, 73, "it never overwrites");
    for file in [vec![], vec![backup.as_path()]] {
        let (code, told) = house.store(&["verify"], &file);
        assert_eq!((code, &told["ok"], &told["opened"]), (0, &json!(true), &json!(1)), "{told}");
    }
    let simulator =
        Simulator::start(&[house.place.ports().join("modem0")], &["--events", "phone", "--seed", "3"]);
    let [after] = &daemon.submit(&[bulk("after the backup")])[..] else { panic!("one id") };
    daemon.settled(&[before.clone(), after.clone()]);
    assert_eq!(simulator.shown().len(), 2);
    assert!(daemon.message(after)["text_erased"] == true && daemon.message(after)["text"].is_null());

    let (code, told) = house.store(&["restore"], &[&backup]);
    assert_eq!(code, 75, "a daemon runs: {told}");
    assert_eq!(daemon.stop(), Some(0));
    let (code, told) = house.store(&["restore"], &[&backup]);
    assert_eq!(code, 0, "{told}");
    let aside = PathBuf::from(told["replaced"].as_str().expect("the former store is kept"));
    assert_eq!(house.store(&["verify"], &[&aside]).0, 0);
    assert_eq!(house.store(&["verify"], &[]).0, 0);

    let daemon = house.start();
    assert_eq!(daemon.message(before)["state"], "uncertain", "it left after the backup was made");
    assert_eq!(daemon.client().get(&format!("/v1/messages/{after}")).expect("an answer").status, 404);
    let new = daemon.submit(&[bulk("after the restore")]);
    daemon.settled(&new);
    let texts: Vec<_> = simulator.shown().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["before the backup", "after the backup", "after the restore"]);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_does_not_belong_here_is_not_restored() {
    let (house, other) = (House::new(), House::new());
    for house in [&house, &other] {
        assert_eq!(house.start().stop(), Some(0));
    }
    let foreign = house.at("foreign.db");
    assert_eq!(other.store(&["backup"], &[&foreign]).0, 0);
    let (code, told) = house.store(&["restore"], &[&foreign]);
    assert!(code == 78 && told["error"].as_str().is_some_and(|why| why.contains("key")), "{told}");
    let newer = house.at("newer.db");
    assert_eq!(house.store(&["backup"], &[&newer]).0, 0);
    let touched = rusqlite::Connection::open(&newer).expect("a database");
    touched.pragma_update(None, "user_version", 99).expect("a version");
    drop(touched);
    assert_eq!(house.store(&["restore"], &[&newer]).0, 78);
    fs::write(house.at("text"), "no database").expect("a file");
    assert_eq!(house.store(&["restore"], &[&house.at("text")]).0, 65);
    assert_eq!(house.store(&["restore"], &[&house.at("nothing")]).0, 66);
    assert_eq!(house.store(&["verify"], &[]).0, 0, "the store is as it was");
}

#[test]
fn the_check_finds_what_is_wrong() {
    let house = House::new();
    let daemon = house.start();
    daemon.submit(&[bulk("one"), bulk("two")]);
    assert_eq!(daemon.stop(), Some(0));
    let store = rusqlite::Connection::open(house.at("store.db")).expect("the store");
    store
        .execute("UPDATE message SET body = zeroblob(80) WHERE id = (SELECT min(id) FROM message)", [])
        .expect("a row");
    store.execute("UPDATE tally SET messages = 7 WHERE lane = 2 AND state = 0", []).expect("a row");
    drop(store);
    let (code, told) = house.store(&["verify"], &[]);
    assert_eq!((code, &told["ok"], &told["opened"]), (65, &json!(false), &json!(1)), "{told}");
    let faults = told["faults"].to_string();
    assert!(faults.contains("does not open") && faults.contains("2/0: counts"), "{faults}");
}

#[test]
fn the_key_is_carried_to_a_second_appliance() {
    let (house, second) = (House::new(), House::new());
    let daemon = house.start();
    daemon.submit(&[bulk("carried")]);
    assert_eq!(daemon.stop(), Some(0));
    let (backup, carried, word) = (house.at("backup.db"), house.at("carried"), house.at("passphrase"));
    fs::write(&word, "correct horse battery staple\n").expect("a file");
    let with = ["--passphrase-file", word.to_str().expect("a path")];
    assert_eq!(house.store(&["backup"], &[&backup]).0, 0);
    assert_eq!(house.store(&[&["key", "export"], &with[..]].concat(), &[&carried]).0, 0);
    assert_eq!(fs::metadata(&carried).expect("a file").permissions().mode() & 0o777, 0o600);
    fs::write(&word, "some other words\n").expect("a file");
    assert_eq!(second.store(&[&["key", "import"], &with[..]].concat(), &[&carried]).0, 65);
    fs::write(&word, "correct horse battery staple\n").expect("a file");
    assert_eq!(second.store(&[&["key", "import"], &with[..]].concat(), &[&carried]).0, 0);
    assert_eq!(
        second.store(&[&["key", "import"], &with[..]].concat(), &[&carried]).0,
        73,
        "it never overwrites"
    );
    assert_eq!(second.store(&["restore"], &[&backup]).0, 0);
    let (code, told) = second.store(&["verify"], &[]);
    assert_eq!((code, &told["opened"]), (0, &json!(1)), "{told}");
    let daemon = second.start();
    let listed = daemon.client().get("/v1/messages").expect("an answer").json();
    assert_eq!(listed["messages"][0]["text"], "carried");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_new_key_takes_over_in_mid_run_and_an_interrupted_change_is_finished() {
    let house = House::new();
    let daemon = house.start();
    let form = "type=sms&user=alice&phone=%2B491709999999&pin=4321";
    assert_eq!(daemon.client().form("/token/init", form).expect("an answer").status, 200);
    let texts: Vec<_> = (0..450).map(|n| bulk(&format!("text {n}"))).collect();
    let ids = daemon.submit(&texts);
    let lines = || fs::read_to_string(house.at("key")).expect("the key file").lines().count();
    let keyed = || rusqlite::Connection::open(house.at("store.db")).expect("the store");
    let under = |which: &str| -> i64 {
        let sql = format!(
            "SELECT count(*) FROM message WHERE substr(body, 2, 8) IN (SELECT id FROM seal_key WHERE replaced IS {which})"
        );
        keyed().query_row(&sql, [], |row| row.get(0)).expect("a count")
    };
    let (code, told) = house.store(&["rekey"], &[]);
    assert_eq!((code, told["keys"].as_array().map(Vec::len), lines()), (0, Some(2), 2), "{told}");
    assert_eq!((under("NULL"), under("NOT NULL")), (450, 0), "everything has moved");
    assert_eq!(fs::metadata(house.at("key")).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(house.store(&["verify"], &[]).1["opened"], json!(451));
    assert_eq!(daemon.message(&ids[7])["text"], "text 7");

    // The file has a third key, and the daemon ends before it hears of it.
    daemon.kill();
    let text = fs::read_to_string(house.at("key")).expect("the key file");
    fs::write(house.at("key"), format!("{}\n{text}", "5a".repeat(32))).expect("the key file");
    let daemon = house.start();
    let until = std::time::Instant::now() + crate::rig::PATIENCE;
    while daemon.client().get("/v1/store").expect("an answer").json()["moving"] == true {
        assert!(std::time::Instant::now() < until, "values do not move");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!((under("NULL"), under("NOT NULL")), (450, 0));
    assert_eq!(house.store(&["verify"], &[]).0, 0);
    assert_eq!(daemon.message(&ids[449])["text"], "text 449");
    assert_eq!(daemon.stop(), Some(0));
}
