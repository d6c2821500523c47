//! `kill -9` exactly between Ctrl-Z and the modem's answer, in each lane; `tests/crash` has every other step and random moments.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::long_count;
use crate::rig::{Daemon, Place, Simulator};

/// Kills in each lane, every one of them between Ctrl-Z and the modem's answer.
const IN_THE_AIR: usize = 20;
/// Much longer than a kill takes; a round in which it was not is played again.
const LATENCY: &str = "300ms";

/// One daemon, one modem, and a daemon that dies with a message in the air.
struct Air {
    place: Place,
    config: PathBuf,
    simulator: Simulator,
    daemon: Option<Daemon>,
    probes: usize,
}

impl Air {
    fn new(extra: &str) -> Self {
        let place = Place::new();
        let config = place.configure(extra);
        let simulator = Simulator::start(
            &[place.ports().join("modem0")],
            &["--events", "phone,ctrl-z,answered", "--latency", LATENCY, "--no-reports", "--seed", "13"],
        );
        let daemon = Some(Daemon::start(&place, &config));
        Self { place, config, simulator, daemon, probes: 0 }
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }

    /// Kills the daemon as soon as the Ctrl-Z to this number came; `false` if the answer was faster.
    fn kill_in_the_air(&mut self, from: usize, to: &str) -> bool {
        let sent =
            self.simulator.wait(from, "Ctrl-Z of this message", |e| e["event"] == "ctrl-z" && e["to"] == to);
        self.daemon.take().expect("it runs").kill();
        !self.simulator.seen(from, |e| e["event"] == "answered" && e["n"] == sent["n"])
    }

    fn restart(&mut self) {
        self.daemon = Some(Daemon::start(&self.place, &self.config));
    }

    /// A bulk message behind everything: when it is shown, what was to be repeated was.
    fn all_have_left(&mut self) {
        self.probes += 1;
        let (from, text) = (self.simulator.now(), format!("probe {}", self.probes));
        let probe = json!({"to": "+491730000000", "text": text, "lane": "bulk"});
        let ids = self.daemon().submit(&[probe]);
        self.simulator.wait(from, "the probe", |e| e["event"] == "phone" && e["text"] == text.as_str());
        self.daemon().settled(&ids);
    }

    /// Texts that this phone showed.
    fn shown_to(&self, to: &str) -> Vec<String> {
        self.simulator.shown().into_iter().filter(|(number, _)| number == to).map(|(_, text)| text).collect()
    }

    /// Plays rounds until so many kills of them were in the air.
    fn rounds(&mut self, mut round: impl FnMut(&mut Self, usize) -> bool) {
        let wanted = long_count(IN_THE_AIR);
        let mut exact = 0;
        for n in 0..wanted * 3 {
            exact += usize::from(round(self, n));
            if exact == wanted {
                return;
            }
        }
        panic!("only {exact} kills of {} were between Ctrl-Z and the answer", wanted * 3);
    }
}

#[test]
fn bulk_in_the_air_is_never_repeated() {
    let mut air = Air::new("");
    air.rounds(|air, round| {
        let (to, text, from) = (format!("+49172000{round:04}"), format!("air {round}"), air.simulator.now());
        let ids = air.daemon().submit(&[json!({"to": to, "text": text, "lane": "bulk"})]);
        let exact = air.kill_in_the_air(from, &to);
        air.restart();
        let record = air.daemon().settled(&ids).remove(0);
        air.all_have_left();
        assert_eq!(air.shown_to(&to), [text], "the modem carried it, and nobody repeats it");
        if exact {
            assert_eq!(record["state"], "uncertain", "{record}");
        }
        exact
    });
}

#[test]
fn an_alert_in_the_air_goes_once_more() {
    let mut air = Air::new("");
    air.rounds(|air, round| {
        let (to, text, from) =
            (format!("+49172000{round:04}"), format!("alert {round}"), air.simulator.now());
        let ids = air.daemon().submit(&[json!({"to": to, "text": text, "lane": "alert"})]);
        let exact = air.kill_in_the_air(from, &to);
        air.restart();
        let record = air.daemon().settled(&ids).remove(0);
        air.all_have_left();
        assert_eq!(record["state"], "submitted", "{record}");
        let copies = air.shown_to(&to);
        assert!(copies.iter().all(|shown| *shown == text), "{copies:?}");
        assert!(copies.len() == 2 || (copies.len() == 1 && !exact), "{copies:?}: {record}");
        exact
    });
}

#[test]
fn a_login_in_the_air_goes_once_more_with_the_same_code() {
    let mut air = Air::new("");
    air.rounds(|air, round| {
        let to = format!("+49172000{round:04}");
        let (from, transaction) = trigger(air, &format!("user{round}"), &to);
        let exact = air.kill_in_the_air(from, &to);
        air.restart();
        // Every other time it dies with the repeat in the air too: that was the last one.
        if round % 2 == 1 && exact {
            let again = air.simulator.now();
            air.kill_in_the_air(again, &to);
            air.restart();
        }
        air.all_have_left();
        let codes = air.shown_to(&to);
        assert!((1..=2).contains(&codes.len()), "a login goes at most once more: {codes:?}");
        assert!(!exact || codes.len() == 2, "a login in doubt goes once more: {codes:?}");
        assert!(codes.iter().all(|code| *code == codes[0]), "only ever the same code: {codes:?}");
        let form = format!("user=user{round}&transaction_id={transaction}&pass={}", codes[0]);
        for expected in ["ACCEPT", "REJECT"] {
            let answer = air.daemon().client().form("/validate/check", &form).expect("an answer").json();
            assert_eq!(answer["result"]["authentication"], expected, "{answer}");
        }
        exact
    });
}

#[test]
fn a_login_in_the_air_is_not_repeated_after_its_challenge() {
    let mut air = Air::new("[validate]\nlifetime = \"3s\"\n");
    let to = "+491720000000";
    let (from, _) = trigger(&air, "late", to);
    let opened = Instant::now();
    air.kill_in_the_air(from, to);
    std::thread::sleep(Duration::from_secs(3).saturating_sub(opened.elapsed()));
    air.restart();
    air.all_have_left();
    assert_eq!(air.shown_to(to).len(), 1, "its code is worth nothing any more");
}

/// Enrols a person and opens a challenge; gives where to wait from, and the transaction.
fn trigger(air: &Air, user: &str, to: &str) -> (usize, String) {
    let mut client = air.daemon().client();
    let phone = to.replace('+', "%2B");
    let enrolled = client.form("/token/init", &format!("type=sms&user={user}&phone={phone}&pin=4321"));
    assert_eq!(enrolled.expect("an answer").status, 200);
    let from = air.simulator.now();
    let answer = client.form("/validate/check", &format!("user={user}&pass=4321")).expect("an answer").json();
    assert_eq!(answer["result"]["authentication"], "CHALLENGE", "{answer}");
    (from, answer["detail"]["transaction_id"].as_str().expect("a string").to_owned())
}
