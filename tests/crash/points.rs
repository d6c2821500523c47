//! One small life, played again for each fault point and each of its passes until the daemon survives it: messages in all lanes, one
//! of two parts, reports for all of them, a login, and a text from a phone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;
use smsotpd::fault::Point;

use crate::http::Client;
use crate::in_full;
use crate::judge::{self, Asked};
use crate::rig::{Daemon, PATIENCE, Place, Simulator};

/// Lives that are played at once; they wait more than they compute.
const AT_ONCE: usize = 4;
/// More passes than any point has in this life.
const MOST_PASSES: u64 = 80;
/// Passes of each point in a short run: the first, and one of these.
const SAMPLED: std::ops::RangeInclusive<u64> = 2..=7;
const LOGIN: &str = "+491720000000";
const FROM_A_PHONE: &str = "a text from a phone";

#[test]
fn a_death_at_any_step_loses_nothing_and_doubles_nothing() {
    let template = template();
    let mut random = fastrand::Rng::with_seed(0x00c0_ffee);
    // Passes of each point that are still to be played; in a full run one after the other until one is survived.
    let plans: Vec<(Point, Vec<u64>)> = Point::ALL
        .into_iter()
        .map(|point| {
            (point, if in_full() { (1..=MOST_PASSES).collect() } else { vec![1, random.u64(SAMPLED)] })
        })
        .collect();
    let plans = Mutex::new(plans);
    let deaths = Mutex::new(BTreeMap::<&str, u64>::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((point, passes)) = { plans.lock().expect("no panic").pop() } {
                    for pass in passes {
                        if !play(template.path(), point, pass) {
                            break;
                        }
                        *deaths.lock().expect("no panic").entry(point.as_str()).or_default() += 1;
                    }
                }
            });
        }
    });
    let deaths = deaths.into_inner().expect("no panic");
    println!("deaths: {deaths:?}");
    for point in Point::ALL {
        let died = deaths.get(point.as_str()).copied().unwrap_or(0);
        assert!(died > 0, "the life never came to {}", point.as_str());
        assert!(died < MOST_PASSES, "passes of {} are left", point.as_str());
    }
}

/// A store with one person in it, whose enrolment is no part of the life.
fn template() -> Place {
    let place = Place::new();
    let daemon = Daemon::start(&place, &place.configure(""));
    let form = format!("type=sms&user=alice&phone={}&pin=4321", LOGIN.replace('+', "%2B"));
    let enrolled = daemon.client().form("/token/init", &form).expect("an answer");
    assert_eq!(enrolled.status, 200, "{}", enrolled.body);
    assert_eq!(daemon.stop(), Some(0));
    place
}

/// What people do in this life.
struct Life {
    place: Place,
    config: PathBuf,
    simulator: Simulator,
    asked: Vec<Asked>,
    transaction: Option<String>,
    phoned: bool,
}

/// Plays the life with this death in it, and judges; `false` if the daemon never came there.
fn play(template: &Path, point: Point, pass: u64) -> bool {
    let place = Place::new();
    let config = place.configure("");
    for file in ["store.db", "key"] {
        std::fs::copy(template.join(file), place.path().join(file)).expect("a copy");
    }
    let options = ["--events", "phone", "--latency", "5ms", "--report-after", "10ms", "--seed", "7"];
    let simulator = Simulator::start(&[place.ports().join("modem0")], &options);
    let fault = format!("{}:{pass}", point.as_str());
    let two_parts = "in two parts ".repeat(16);
    let asked = [("bulk", "one part"), ("alert", "an alert"), ("bulk", two_parts.trim())];
    let asked = asked.into_iter().enumerate().map(|(n, (lane, text))| Asked {
        to: format!("+49171000000{n}"),
        text: text.to_owned(),
        lane,
        key: format!("key {n}"),
        id: None,
    });
    let asked = asked.collect();
    let mut life = Life { place, config, simulator, asked, transaction: None, phoned: false };
    let mut daemon = Daemon::start_doomed(&life.place, &life.config, &[("SMSOTPD_FAULT", &fault)]);
    // The last passes may come after all is at rest, when the daemon has an orderly end.
    let survived = life.live(&mut daemon) && daemon.stop() == Some(0);
    let mut daemon = Daemon::start(&life.place, &life.config);
    assert!(life.live(&mut daemon), "{fault}: only one death was asked for");
    life.judge(daemon, &fault);
    !survived
}

impl Life {
    /// Goes on from where it was; `false` when the daemon died under it.
    fn live(&mut self, daemon: &mut Daemon) -> bool {
        let until = Instant::now() + PATIENCE;
        loop {
            let lived = Client::connect(&self.place.socket()).and_then(|mut client| self.step(&mut client));
            match lived {
                Ok(true) => return true,
                Ok(false) => std::thread::sleep(Duration::from_millis(5)),
                Err(_) if daemon.has_ended() => return false,
                // It is dying: its socket goes first.
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
            assert!(Instant::now() < until, "the life does not come to its end");
        }
    }

    /// Does what is not done yet; `true` when all of it has come to rest and the text from the phone is there.
    fn step(&mut self, client: &mut Client) -> std::io::Result<bool> {
        self.asked.iter_mut().try_for_each(|asked| asked.offer(client))?;
        if self.transaction.is_none() {
            let answer = client.form("/validate/check", "user=alice&pass=4321")?.json();
            assert_eq!(answer["result"]["authentication"], "CHALLENGE", "{answer}");
            self.transaction = answer["detail"]["transaction_id"].as_str().map(str::to_owned);
        }
        if !self.phoned {
            self.phoned = true;
            self.simulator.control(&json!({"do": "deliver", "from": "+491799999999", "text": FROM_A_PHONE}));
        }
        let listed = client.get("/v1/messages")?.json();
        let states = listed["messages"].as_array().expect("messages").iter();
        let all_rest =
            states.into_iter().all(|m| matches!(m["state"].as_str(), Some("delivered" | "uncertain")));
        Ok(all_rest && judge::texts_from_phones(client)? == 1)
    }

    fn judge(&self, daemon: Daemon, fault: &str) {
        judge::all_is_told(&daemon, &self.simulator);
        let in_doubt = self.asked.iter().filter(|asked| {
            let record = daemon.message(asked.id.as_deref().expect("it was taken"));
            judge::is_in_doubt(asked, &record, &self.simulator)
        });
        let in_doubt = in_doubt.count();
        assert!(in_doubt <= 1, "{fault}: one death leaves at most one message in doubt, not {in_doubt}");
        self.judge_login(&daemon, fault);
        assert_eq!(daemon.stop(), Some(0), "{fault}");
        judge::came_once(self.place.path(), &[FROM_A_PHONE.to_owned()]);
    }

    /// A trigger that was not answered was asked again, with a code of its own. Of each code there are two copies at most, and
    /// one of them answers the challenge, once.
    fn judge_login(&self, daemon: &Daemon, fault: &str) {
        let mut codes = BTreeMap::<String, usize>::new();
        for (_, code) in self.simulator.shown().into_iter().filter(|(to, _)| to == LOGIN) {
            *codes.entry(code).or_default() += 1;
        }
        assert!((1..=2).contains(&codes.len()), "{fault}: {codes:?}");
        assert!(codes.values().sum::<usize>() <= 3, "{fault}: one death, one repeat: {codes:?}");
        let transaction = self.transaction.as_deref().expect("it was answered");
        let accepted = codes.keys().chain(codes.keys()).filter(|code| {
            let form = format!("user=alice&transaction_id={transaction}&pass={code}");
            let answer = daemon.client().form("/validate/check", &form).expect("an answer").json();
            answer["result"]["authentication"] == "ACCEPT"
        });
        assert_eq!(accepted.count(), 1, "{fault}: exactly one code answers, and once");
    }
}
