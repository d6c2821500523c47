//! The API as its clients see it: over a unix socket, with a real store behind it.

mod bad;
mod budget;
mod login;
mod messages;
mod recorded;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::caller::{Callers, Role};
use super::*;
use crate::modem::machine::NotSent;
use crate::modem::ussd::UssdFault;
use crate::provider::ChannelId;
use crate::queue::admission::Rules;
use crate::queue::message::Lane;
use crate::queue::prefix::AllowList;
use crate::route::Outlook;
use crate::route::budget::Limits;
use crate::store::seal::Keyring;
use crate::store::{self, Filter, Held, MessageRecord, Operations};
use crate::validate::{self, Validate};

/// A served store in a directory of its own.
pub(super) struct House {
    dir: TempDir,
    pub(super) store: Store,
    pub(super) channels: watch::Sender<Arc<[Channel]>>,
    live: Arc<Live>,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }
}

pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const PHONE: &str = "+491701234567";
const IMEI: &str = "490154203237518";
/// What each SIM may send.
const PER_DAY: u32 = 2;

/// Numbers of this prefix only.
pub(super) fn only(prefix: &str) -> AllowList {
    AllowList { named: vec![prefix.to_owned()], home: None }
}

impl House {
    /// Everybody who runs the tests gets this role; root and the own user would be admin otherwise.
    pub(super) fn with(role: Role, max_failures: u32, lifetime: std::time::Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = Keyring::generate().unwrap();
        let store = Store::open(store::engine::Settings::new(dir.path().join("store.db"), key)).unwrap();
        let rules = Arc::new(Rules { max_segments: 3, ..Rules::default() });
        let settings = validate::Settings {
            max_failures,
            lifetime,
            ..validate::Settings::new(validate::TEXT, validate::PROMPT).unwrap()
        };
        let validate = Validate::new(store.clone(), settings, Arc::clone(&rules));
        let in_force = InForce { callers: Callers::only(role), rules, dlr_allow: Vec::new(), validate };
        let live = Arc::new(Live::new(in_force));
        let channels = watch::Sender::new(Arc::from([]));
        let parts = Parts {
            store: store.clone(),
            live: Arc::clone(&live),
            metrics: Arc::default(),
            refresh: Box::new(|_| {}),
            fleet: watch::Sender::new(Arc::<Fleet>::default()).subscribe(),
            trace: Box::new(|name| match name {
                "modem0" => Ok(Arc::default()),
                "modem1" => Err(CommandError::NotInService(name.to_owned())),
                _ => Err(CommandError::NoSuchModem(name.to_owned())),
            }),
            ussd: Box::new(|name, code| {
                Box::pin(async move {
                    match (&*name, code) {
                        ("modem0", code) => Ok(code.map(|code| UssdAnswer {
                            more: true,
                            text: format!("you asked {}", code.as_str()),
                            raw: "00".to_owned(),
                        })),
                        ("modem1", _) => Err(CommandError::Failed(UssdFault::from(NotSent::Busy).into())),
                        _ => Err(CommandError::NoSuchModem(name)),
                    }
                })
            }),
            hold: Box::new(|name, _| {
                Box::pin(async move {
                    if name == "modem0" { Ok(IMEI.to_owned()) } else { Err(CommandError::NoSuchModem(name)) }
                })
            }),
            outlook: Box::new(|_| Box::pin(std::future::ready(Outlook::default()))),
            budgets: Budgets {
                general: Limits { per_day: Some(PER_DAY), ..Limits::default() },
                ..Budgets::default()
            },
            sim_names: BTreeMap::new(),
            confirm_sim: Box::new(|name| {
                let known = name == "modem0";
                Box::pin(async move { if known { Ok(()) } else { Err(CommandError::NoCard(name)) } })
            }),
            channels: channels.subscribe(),
            stopping: CancellationToken::new(),
            realm: "realm1".to_owned(),
            max_body: 65_536,
        };
        let listening = listen::Settings::new(dir.path().join("api.sock"));
        let server = Server::bind(&listening, None, parts).unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(server.run(stop.clone()));
        Self { dir, store, channels, live, stop, served }
    }

    pub(super) fn new(role: Role) -> Self {
        Self::with(role, 1_000, validate::LIFETIME)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("api.sock")
    }

    pub(super) async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        let text = String::from_utf8(all).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: smsotpd\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.send(&[request.as_bytes(), body].concat()).await
    }

    pub(super) async fn form(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, &[("Content-Type", FORM)], body.as_bytes()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.request("POST", path, &[("Content-Type", "application/json")], body.as_bytes()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"").await
    }

    /// Alice, whose PIN is 1234 and whose first code is 287082 (RFC 4226 appendix D).
    pub(super) async fn enrol_alice(&self) {
        let form = "type=sms&user=alice&serial=PISM0001&phone=%2B491701234567&pin=1234\
            &otpkey=3132333435363738393031323334353637383930";
        let answer = self.form("/token/init", form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The newest code on its way, by its message.
    pub(super) async fn newest_code(&self) -> String {
        let newest = self.login_messages().await.into_iter().next().expect("a login message");
        newest.body.as_ref().unwrap().expose_str().unwrap().to_owned()
    }

    pub(super) async fn login_messages(&self) -> Vec<MessageRecord> {
        let filter = Filter { most: 100, ..Filter::default() };
        let all = self.store.messages(filter).await.unwrap().records;
        all.into_iter().filter(|message| message.lane == Lane::Login).collect()
    }

    /// A trigger: its transaction and its code.
    pub(super) async fn trigger(&self) -> (String, String) {
        let answer = self.form("/validate/check", "user=alice&pass=1234").await.json();
        assert_eq!(answer["result"]["authentication"], "CHALLENGE", "{answer}");
        let transaction = answer["detail"]["transaction_id"].as_str().unwrap().to_owned();
        (transaction, self.newest_code().await)
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        self.served.await.unwrap();
        assert!(!self.dir.path().join("api.sock").exists(), "the socket is removed");
        self.store.close().await;
    }
}

#[tokio::test]
async fn health_tells_what_is_missing() {
    let house = House::new(Role::Validate);
    assert_eq!(house.get("/v1/health/live").await.status, 200);
    let answer = house.get("/v1/health/ready").await;
    assert_eq!((answer.status, &answer.json()["reasons"][0]["code"]), (503, &json!("no-channel")));
    let id = ChannelId("gsm:89490200001005155450".into());
    let channel = Channel { id, ready: true, draining: false, slots: 1 };
    house.channels.send_replace(Arc::from([channel]));
    let answer = house.get("/v1/health/ready").await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ready")));
    house.store.close().await;
    let answer = house.get("/v1/health/ready").await;
    assert_eq!((answer.status, &answer.json()["reasons"][0]["code"]), (503, &json!("store")));
    house.close().await;
}

#[tokio::test]
async fn metrics_count_requests_and_name_nobody() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    house.trigger().await;
    let answer = house.get("/metrics").await;
    assert!(answer.head.to_ascii_lowercase().contains("application/openmetrics-text"), "{}", answer.head);
    for line in [
        "smsotp_requests_total{endpoint=\"/validate/check\",status=\"200\"} 1",
        "smsotp_validations_total{outcome=\"challenge\"} 1",
        "smsotp_messages{lane=\"login\",state=\"queued\"} 1",
    ] {
        assert!(answer.body.lines().any(|l| l == line), "{line} is missing in\n{}", answer.body);
    }
    for secret in ["alice", "PISM0001", "4917012345"] {
        assert!(!answer.body.contains(secret), "{secret}");
    }
    let status = house.get("/v1/status").await.json();
    assert_eq!(status["messages"]["login"]["queued"], 1);
    assert_eq!(house.get("/v1/modems").await.json(), json!({"modems": [], "left-alone": []}));
    let trace = house.get("/v1/modems/modem0/trace").await;
    assert_eq!((trace.status, trace.json()), (200, json!({"modem": "modem0", "lines": []})));
    let asked = house.post("/v1/modems/modem0/ussd", &json!({"code": "*100#"})).await.json();
    assert_eq!((&asked["text"], &asked["more"]), (&json!("you asked *100#"), &json!(true)));
    for (name, code, refused) in [
        ("modem0", "*100", "ok"),
        ("modem0", "balance", "code-invalid"),
        ("modem1", "1", "modem-busy"),
        ("modem2", "1", "no-such-modem"),
    ] {
        let answer = house.post(&format!("/v1/modems/{name}/ussd"), &json!({"code": code})).await;
        assert_eq!(answer.json()["code"].as_str().unwrap_or("ok"), refused, "{}", answer.body);
    }
    assert_eq!(house.request("DELETE", "/v1/modems/modem0/ussd", &[], b"").await.status, 200);
    for (name, status, code) in [("modem1", 409, "not-in-service"), ("modem2", 404, "no-such-modem")] {
        let refused = house.get(&format!("/v1/modems/{name}/trace")).await;
        assert_eq!((refused.status, &refused.json()["code"]), (status, &json!(code)));
    }
    house.close().await;
}

#[tokio::test]
async fn alarms_are_listed_with_their_remedy_and_cleared_by_hand() {
    use crate::alarm::{Alarm, AlarmKind};
    let house = House::new(Role::Admin);
    let alarm =
        Alarm { kind: AlarmKind::ModemLost, subject: "490154203237518".to_owned(), cause: "gone".to_owned() };
    let id = house.store.raise_alarm(alarm, clock::wall()).await.unwrap().id.0;
    let listed = house.get("/v1/alarms").await.json();
    let alarm = &listed["alarms"][0];
    assert_eq!(
        (&alarm["kind"], &alarm["cleared"], &alarm["id"]),
        (&json!("modem-lost"), &json!(null), &json!(id))
    );
    assert_eq!(alarm["remedy"], AlarmKind::ModemLost.remedy());
    assert_eq!(house.get("/v1/status").await.json()["alarms"], listed["alarms"]);
    let metrics = house.get("/metrics").await.body;
    assert!(metrics.contains("smsotp_alarm{kind=\"modem-lost\",severity=\"critical\"} 1"), "{metrics}");
    assert!(!metrics.contains("490154203237518"), "{metrics}");
    let path = format!("/v1/alarms/{id}");
    assert_eq!(house.request("DELETE", &path, &[], b"").await.status, 200);
    for gone in [path.as_str(), "/v1/alarms/x"] {
        let answer = house.request("DELETE", gone, &[], b"").await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("no-such-alarm")), "{gone}");
    }
    assert_eq!(house.get("/v1/alarms?state=open").await.json()["alarms"], json!([]));
    assert_eq!(house.get("/v1/alarms?state=all").await.json()["alarms"][0]["id"], json!(id));
    for bad in ["state=closed", "colour=red"] {
        assert_eq!(house.get(&format!("/v1/alarms?{bad}")).await.status, 400, "{bad}");
    }
    house.close().await;
    let house = House::new(Role::Trigger);
    assert_eq!(house.get("/v1/alarms").await.status, 200);
    assert_eq!(house.request("DELETE", "/v1/alarms/1", &[], b"").await.status, 403);
    house.close().await;
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_left() {
    let house = House::new(Role::Admin);
    let again = Gate::bind(&listen::Settings::new(house.socket()), Arc::clone(&house.live));
    assert!(matches!(again, Err(ListenError::InUse(_))), "{again:?}");
    let stale = house.dir.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    let gate = Gate::bind(&listen::Settings::new(&stale), Arc::clone(&house.live)).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&stale).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o660);
    drop(gate);
    assert!(!stale.exists());
    let file = house.dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let refused = Gate::bind(&listen::Settings::new(&file), Arc::clone(&house.live));
    assert!(matches!(refused, Err(ListenError::NotASocket(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    house.close().await;
}

#[tokio::test]
async fn requests_in_progress_finish_when_the_daemon_stops() {
    let house = House::new(Role::Admin);
    house.enrol_alice().await;
    let mut stream = UnixStream::connect(house.socket()).await.unwrap();
    let body = "user=alice&pass=wrong";
    let head = format!(
        "POST /validate/check HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The first answer on another connection shows that the daemon had its turn with this one.
    assert_eq!(house.get("/v1/health/live").await.status, 200);
    house.stop.cancel();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    assert!(all.starts_with("HTTP/1.1 200") && all.contains("wrong otp pin"), "{all}");
    house.close().await;
}

/// Time jumps to the next timer whenever nobody has anything to do, so that patience is measured without waiting.
#[tokio::test(start_paused = true)]
async fn slow_and_silent_connections_are_closed() {
    let house = House::new(Role::Admin);
    for (sent, limit) in [("GET /v1/health/live HTTP/1.1\r\nHost:", 30), ("", 75)] {
        let mut stream = UnixStream::connect(house.socket()).await.unwrap();
        let began = tokio::time::Instant::now();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
        assert_eq!(began.elapsed().as_secs(), limit, "{sent:?}");
    }
    let mut stream = UnixStream::connect(house.socket()).await.unwrap();
    let began = tokio::time::Instant::now();
    for octet in b"GET /v1/health/live HTTP/1.1\r\nX-Trickle: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".iter() {
        if stream.write_all(&[*octet]).await.is_err() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let elapsed = began.elapsed().as_secs();
    assert!((30..=32).contains(&elapsed), "a trickle prolonged it to {elapsed} s");
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn more_connections_than_permits_wait() {
    let house = House::new(Role::Admin);
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(UnixStream::connect(house.socket()).await.unwrap());
    }
    let patience = std::time::Duration::from_secs(5);
    let refused = tokio::time::timeout(patience, house.get("/v1/health/live")).await;
    assert!(refused.is_err(), "the sixty-fifth was served: {refused:?}");
    held.pop();
    let served = tokio::time::timeout(patience, house.get("/v1/health/live")).await.unwrap();
    assert_eq!(served.status, 200);
    drop(held);
    house.close().await;
}

#[tokio::test]
async fn a_reload_counts_from_the_next_connection_on() {
    let house = House::new(Role::Admin);
    assert_eq!(house.get("/v1/status").await.status, 200);
    let settings = validate::Settings::new(validate::TEXT, validate::PROMPT).unwrap();
    let rules = Arc::new(Rules { allow: only("+43"), ..Rules::default() });
    let validate = Validate::new(house.store.clone(), settings.clone(), Arc::clone(&rules));
    house.live.replace(InForce {
        callers: Callers::only(Role::Send),
        rules: Arc::clone(&rules),
        dlr_allow: Vec::new(),
        validate,
    });
    let answer = house.post("/v1/messages", &json!({"to": PHONE, "text": "x"})).await;
    assert_eq!((answer.status, &answer.json()["code"]), (422, &json!("number-not-allowed")));
    let validate = Validate::new(house.store.clone(), settings, Arc::clone(&rules));
    house.live.replace(InForce {
        callers: Callers::only(Role::Validate),
        rules,
        dlr_allow: Vec::new(),
        validate,
    });
    assert_eq!(house.get("/v1/status").await.status, 403);
    house.close().await;
}
