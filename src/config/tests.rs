//! Every key, every kind of finding, and the shipped file held to the code.

use super::diff::{Shown, entries};
use super::*;
use crate::at::command::UssdCode;
use crate::modem::balance::{Amount, Pattern};
use crate::queue::budget::{ByDimension, Dimension, Limits as Asked};
use crate::queue::conversion::Brake;
use crate::queue::message::State;
use crate::store::{Event, Numbers};

const SHIPPED: &str = include_str!("../../conf/smsotpd.toml");

fn parse(text: &str) -> Config {
    Config::parse(text, "t.toml").unwrap_or_else(|findings| panic!("{findings}"))
}

/// `line key fault` of every finding.
fn findings(text: &str) -> Vec<(usize, String, Fault)> {
    let findings = Config::parse(text, "t.toml").expect_err("the text is bad");
    findings
        .iter()
        .map(|finding| (finding.line.unwrap(), finding.key.clone(), finding.fault.clone()))
        .collect()
}

fn only(text: &str) -> (usize, String, Fault) {
    let mut all = findings(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn no_text_is_the_defaults() {
    assert_eq!(parse(""), Config::default());
}

#[test]
fn every_key_is_read() {
    let config = parse(
        r#"
[store]
path = "/s/db"
keep = "90d"
keep-login = "1d"
keep-alert = "2d"
keep-bulk = "3d"
keep-inbox = "4d"
keep-alarms = "5d"
numbers = "6d"
[key]
path = "/k"
[api]
socket = "/r/s"
mode = 0o600
group = "g"
max-connections = 3
max-body = 2048
[[caller]]
user = "radius"
role = "trigger"
lane = "login"
[[caller]]
user = 1007
role = "send"
kannel-user = "nagios"
kannel-password-file = "/n/p"
[log]
level = "debug"
format = "json"
targets = { "smsotpd::modem" = "trace" }
[modem]
directory = "/d"
pin-file = "/p"
baud = 9600
keep-alive = 60
submit-limit = "2m"
notes = "/n"
hang-up-calls = true
balance-code = "*100#"
balance-pattern = "Guthaben: {amount} EUR"
balance-every = "12h"
balance-threshold = 2.50
roaming = "refuse"
service-centre = "+491710760000"
weak-signal = -99
site-hook = "/h"
[[modem.port]]
path = "/dev/ttyS0"
[[modem.port]]
path = "/dev/ttyS1"
[modem.budget]
per-minute = 20
per-day = 500
recipients-per-month = 9
[[sim]]
iccid = "89490200001005155450F"
name = "shelf 2"
per-day = 50
per-month = 700
recipients-per-month = "none"
[admission]
default-country = "49"
allow = ["+49", "72267"]
max-segments = 2
lifetime-login = "2m"
lifetime-alert = "2h"
lifetime-bulk = "2d"
[queue]
login-reserve = 2
max-login = 10
max-alert = 20
max-bulk = 30
[[route]]
prefix = ["+43", "72267"]
lane = ["login", "alert"]
channels = ["shelf 2", "89490200001005155451", "gsm", "*"]
[[route]]
channels = ["*"]
[budget]
mode = "shadow"
block-digits = 2
brake-below = 20
brake-least = 30
user = { per-minute = 1, per-hour = 2, per-day = 3 }
box = { per-day = 4 }
[budget.proven]
number = { per-hour = 5 }
[sms]
national-languages = ["urdu", "turkish"]
transliterate = "save"
alphabet = "gsm7"
[validate]
lifetime = "90s"
prompt = "Code?"
text = "Code {otp}"
otp-length = 8
max-failures = 5
hash-permits = 1
[kannel]
dlr-allow = ["http://127.0.0.1:8080", "http://h/dlr"]
[[hook]]
name = "ops"
url = "http://h:9/x?t=1"
secret-file = "/s"
events = ["message.failed", "alarm.raised"]
numbers = "full"
limit = "5s"
[[hook]]
name = "texts"
exec = "/x"
events = ["inbound"]
"#,
    );
    let seconds = Duration::from_secs;
    let expect = Config {
        store: Store {
            path: "/s/db".into(),
            url: None,
            keep: DAY * 90,
            keep_login: Some(DAY),
            keep_alert: Some(DAY * 2),
            keep_bulk: Some(DAY * 3),
            keep_inbox: Some(DAY * 4),
            keep_alarms: DAY * 5,
            numbers: DAY * 6,
        },
        key: Key { path: "/k".into() },
        api: Api {
            socket: "/r/s".into(),
            mode: 0o600,
            group: Some("g".to_owned()),
            max_connections: 3,
            max_body: 2_048,
        },
        callers: vec![
            Caller {
                user: UserName::Login("radius".to_owned()),
                role: Role::Trigger,
                lane: Lane::Login,
                kannel: None,
            },
            Caller {
                user: UserName::Uid(1_007),
                role: Role::Send,
                lane: Lane::Bulk,
                kannel: Some(KannelLogin { user: "nagios".to_owned(), password_file: "/n/p".into() }),
            },
        ],
        log: Log {
            level: Level::Debug,
            format: LogFormat::Json,
            targets: [("smsotpd::modem".to_owned(), Level::Trace)].into(),
        },
        modem: Modem {
            directory: "/d".into(),
            pin: None,
            pin_file: Some("/p".into()),
            baud: 9_600,
            keep_alive: seconds(60),
            submit_limit: seconds(120),
            notes: "/n".into(),
            library: Arc::clone(Library::compiled_in()),
            hang_up_calls: true,
            balance: Some(BalanceCheck {
                code: UssdCode::new("*100#").unwrap(),
                pattern: Pattern::new("Guthaben: {amount} EUR").unwrap(),
                every: seconds(43_200),
                threshold: Amount::read("2.50"),
            }),
            roaming: Roaming::Refuse,
            service_centre: Address::new("+491710760000"),
            weak_signal: Dbm(-99),
            site_hook: Some("/h".into()),
            ports: vec!["/dev/ttyS0".into(), "/dev/ttyS1".into()],
            budget: Limits { per_minute: Some(20), per_day: Some(500), per_month: None, recipients: Some(9) },
        },
        sims: vec![Sim {
            iccid: Iccid::parse("89490200001005155450").unwrap(),
            name: Some("shelf 2".to_owned()),
            budget: Limits {
                per_minute: Some(20),
                per_day: Some(50),
                per_month: Some(700),
                recipients: None,
            },
        }],
        admission: Admission {
            default_country: Some("49".to_owned()),
            allow: vec!["+49".to_owned(), "72267".to_owned()],
            max_segments: 2,
            lifetime_login: seconds(120),
            lifetime_alert: seconds(7_200),
            lifetime_bulk: DAY * 2,
        },
        queue: Queue { login_reserve: 2, max_login: 10, max_alert: 20, max_bulk: 30 },
        routes: vec![
            Route {
                prefixes: vec!["+43".to_owned(), "72267".to_owned()],
                lanes: vec![Lane::Login, Lane::Alert],
                channels: ["shelf 2", "89490200001005155451", "gsm", "*"].map(str::to_owned).to_vec(),
            },
            Route { prefixes: vec![], lanes: vec![], channels: vec!["*".to_owned()] },
        ],
        budget: {
            let (some, per_day) = (Some, Some(4));
            let mut general = ByDimension::default();
            general[Dimension::User as usize] =
                Asked { per_minute: some(1), per_hour: some(2), per_day: some(3) };
            general[Dimension::Box as usize] = Asked { per_day, ..Asked::default() };
            let mut proven = ByDimension::default();
            proven[Dimension::Number as usize] = Asked { per_hour: some(5), ..Asked::default() };
            let brake = Some(Brake { below: 20, least: 30 });
            Budgets { mode: Mode::Shadow, block_digits: 2, general, proven, brake }
        },
        sms: Policy {
            national: vec![Language::Turkish, Language::Urdu],
            transliteration: Transliteration::Save,
            allowed: Allowed::Gsm7,
        },
        validate: Validate {
            lifetime: seconds(90),
            prompt: "Code?".to_owned(),
            text: "Code {otp}".to_owned(),
            otp_length: 8,
            max_failures: 5,
            hash_permits: 1,
        },
        kannel: Kannel { dlr_allow: vec!["http://127.0.0.1:8080/".to_owned(), "http://h/dlr".to_owned()] },
        hooks: vec![
            Hook {
                name: "ops".to_owned(),
                way: HookWay::Web { url: "http://h:9/x?t=1".to_owned(), secret_file: "/s".into() },
                events: vec![Event::Message(State::Failed), Event::AlarmRaised],
                numbers: Numbers::Full,
                limit: seconds(5),
            },
            Hook {
                name: "texts".to_owned(),
                way: HookWay::Exec("/x".into()),
                events: vec![Event::Inbound],
                numbers: Numbers::Masked,
                limit: seconds(10),
            },
        ],
        warnings: Findings::default(),
    };
    assert_eq!(config, expect);
}

#[test]
fn budgets_are_numbers_of_known_cards() {
    let text = "[modem.budget]\nper-day = 0\nper-month = \"much\"\n[[sim]]\nname = \"x\"\n[[sim]]\niccid = \"1\"\n\
        [[sim]]\niccid = \"89490200001005155450\"\n[[sim]]\niccid = \"89490200001005155450\"\nper-hour = 1\n";
    let told: Vec<_> = findings(text).into_iter().map(|(line, key, _)| (line, key)).collect();
    let expect = [
        (2, "modem.budget.per-day"),
        (3, "modem.budget.per-month"),
        (4, "sim.iccid"),
        (7, "sim.iccid"),
        (11, "sim.iccid"),
        (12, "sim.per-hour"),
    ];
    assert_eq!(told, expect.map(|(line, key)| (line, key.to_owned())));
}

#[test]
fn all_findings_come_at_once_with_their_lines() {
    let text = "[store]\nkeeep = \"30d\"\nkeep = \"soon\"\n\n[api]\nmode = \"0999\"\nsocket = 5\n\n[[caller]]\nuser = \"x\"\n\n[modm]\nbaud = 1\n";
    let lines: Vec<(usize, String)> = findings(text).into_iter().map(|(line, key, _)| (line, key)).collect();
    let expect = [
        (2, "store.keeep"),
        (3, "store.keep"),
        (6, "api.mode"),
        (7, "api.socket"),
        (9, "caller.role"),
        (12, "modm"),
    ];
    assert_eq!(lines, expect.map(|(line, key)| (line, key.to_owned())));
    let told = Config::parse(text, "/etc/x.toml").unwrap_err().to_string();
    assert!(
        told.starts_with(
            "/etc/x.toml:2: `store.keeep` is no key of this configuration; did you mean `keep`?\n"
        ),
        "{told}"
    );
    assert!(
        told.ends_with("/etc/x.toml:12: `modm` is no key of this configuration; did you mean `modem`?"),
        "{told}"
    );
}

#[test]
fn broken_toml_is_told_beside_what_can_still_be_read() {
    let all = findings("[api]\nmode = = 3\n[validate]\notp-length = 9\n");
    assert!(matches!(&all[0], (2, _, Fault::Syntax(_))), "{all:?}");
    assert!(all.iter().all(|(line, ..)| *line != 1), "nobody wrote what the parser filled in: {all:?}");
    assert!(all.iter().any(|(line, key, _)| (*line, key.as_str()) == (4, "validate.otp-length")), "{all:?}");
    assert!(matches!(only("[store]\nkeep = \"1d\"\nkeep = \"2d\"\n"), (3, _, Fault::Syntax(_))));
}

#[test]
fn each_key_refuses_what_it_cannot_take() {
    let cases = [
        ("[store]\npath = \"db\"", "store.path"),
        ("[store]\nurl = \"mysql://u@h/d\"", "store.url"),
        ("[store]\nurl = \"postgres://u@h\"", "store.url"),
        ("[store]\nurl = \"postgres://u@h/d?sslmode=require\"", "store.url"),
        ("[store]\nkeep = \"59m\"", "store.keep"),
        ("[store]\nkeep = true", "store.keep"),
        ("[key]\npath = \"\"", "key.path"),
        ("[api]\nmode = 440", "api.mode"),
        ("[api]\nmode = \"1777\"", "api.mode"),
        ("[api]\nmode = 1.5", "api.mode"),
        ("[api]\ngroup = \"a:b\"", "api.group"),
        ("[api]\nmax-connections = 0", "api.max-connections"),
        ("[api]\nmax-body = \"64k\"", "api.max-body"),
        ("[log]\nlevel = \"warning\"", "log.level"),
        ("[log]\nformat = 1", "log.format"),
        ("[log]\ntargets = { smsotpd = \"loud\" }", "log.targets.smsotpd"),
        ("[modem]\nbaud = 110", "modem.baud"),
        ("[modem]\npin = 1234", "modem.pin"),
        ("[modem]\nbalance-code = \"*100#\"", "modem.balance-pattern"),
        ("[modem]\nbalance-pattern = \"{amount}\"", "modem.balance-code"),
        ("[modem]\nbalance-pattern = \"{amount}\"\nbalance-code = \"balance\"", "modem.balance-code"),
        ("[modem]\nbalance-code = \"*100#\"\nbalance-pattern = \"EUR\"", "modem.balance-pattern"),
        ("[modem]\nbalance-every = \"59m\"", "modem.balance-every"),
        ("[modem]\nbalance-threshold = -1", "modem.balance-threshold"),
        ("[modem]\npin = \"123\"", "modem.pin"),
        ("[modem]\nroaming = false", "modem.roaming"),
        ("[modem]\nroaming = \"never\"", "modem.roaming"),
        ("[modem]\nservice-centre = \"01710760000\"", "modem.service-centre"),
        ("[modem]\nservice-centre = \"+49;171\"", "modem.service-centre"),
        ("[modem]\nkeep-alive = -5", "modem.keep-alive"),
        ("[modem]\nport = \"/dev/ttyS0\"", "modem.port"),
        ("[admission]\ndefault-country = \"+49\"", "admission.default-country"),
        ("[admission]\nallow = \"+49\"", "admission.allow"),
        ("[admission]\nallow = [\n\"+0\"]", "admission.allow"),
        ("[admission]\nmax-segments = 256", "admission.max-segments"),
        ("[budget]\nmode = \"on\"", "budget.mode"),
        ("[budget]\nblock-digits = 7", "budget.block-digits"),
        ("[budget]\nbrake-below = 0", "budget.brake-below"),
        ("[budget]\nuser = 5", "budget.user"),
        ("[budget.proven]\nbox = { per-hour = 0 }", "budget.proven.box.per-hour"),
        ("[budget]\nnumber = { per-week = 5 }", "budget.number.per-week"),
        ("[admission]\nlifetime-bulk = \"8d\"", "admission.lifetime-bulk"),
        ("[queue]\nlogin-reserve = 65", "queue.login-reserve"),
        ("[[route]]\nchannels = [\"*\"]\nprefix = [\"43\"]", "route.prefix"),
        ("[[route]]\nchannels = [\"*\"]\nlane = [\"slow\"]", "route.lane"),
        ("[[route]]\nchannels = [\"shelf 3\"]", "route.channels"),
        ("[[route]]\nchannels = [\"*\", \"*\"]", "route.channels"),
        ("[[route]]\nchannels = \"*\"", "route.channels"),
        ("[validate]\nlifetime = \"0s\"", "validate.lifetime"),
        ("[validate]\nlifetime = \"61m\"", "validate.lifetime"),
        ("[validate]\nprompt = \"{otp}?\"", "validate.prompt"),
        ("[modem]\nsubmit-limit = \"11m\"", "modem.submit-limit"),
        ("[log]\ntargets = { \"a=b,c\" = \"info\" }", "log.targets.a=b,c"),
        ("[validate]\ntext = \"hello\"", "validate.text"),
        ("[validate]\notp-length = 5", "validate.otp-length"),
        ("[validate]\nhash-permits = 0", "validate.hash-permits"),
        ("caller = 3", "caller"),
        ("store = 3", "store"),
    ];
    for (text, key) in cases {
        let (line, found, fault) = only(text);
        let expect = text.lines().count().max(1);
        assert_eq!((line, found.as_str()), (expect, key), "{text}: {fault}");
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_shared_store_is_named_and_its_password_never_shown() {
    let config = parse("[store]\nurl = \"postgres://u:geheim@%2Frun%2Fpostgresql/d\"");
    assert!(config.warnings.to_string().contains("password"), "{}", config.warnings);
    let shown = entries(&config).into_iter().find(|entry| entry.key == "store.url").unwrap();
    assert_eq!(shown.value.to_string(), "(secret)");
    assert!(!format!("{config:?}").contains("geheim"));
    let told = Config::parse("[store]\nurl = \"geheim\"", "x").unwrap_err().to_string();
    assert!(!told.contains("geheim"), "{told}");
}

#[test]
fn pairs_that_cannot_be_are_told() {
    assert!(matches!(
        only("[modem]\npin-file = \"/p\"\npin = \"1234\""),
        (2, _, Fault::Excludes("modem.pin"))
    ));
    let twice = "[[caller]]\nuser = \"a\"\nrole = \"send\"\n[[caller]]\nuser = \"a\"\nrole = \"admin\"";
    assert!(matches!(only(twice), (5, _, Fault::Twice(_))));
    let twice = "[[modem.port]]\npath = \"/a\"\n[[modem.port]]\npath = \"/a\"";
    assert!(matches!(only(twice), (4, _, Fault::Twice(_))));
}

#[test]
fn a_pin_is_never_shown() {
    for text in ["[modem]\npin = \"98x76\"", "[modem]\npin = 9876"] {
        let told = Config::parse(text, "t").unwrap_err().to_string();
        assert!(!told.contains("98"), "{told}");
    }
    let config = parse("[modem]\npin = \"9876\"");
    let told = format!("{config:?} {:?}", diff(&Config::default(), &config));
    assert!(!told.contains("9876"), "{told}");
}

#[test]
fn the_unwise_is_a_warning_only() {
    let hasty = parse("[modem]\nsubmit-limit = \"2s\"\n[validate]\nlifetime = \"1s\"");
    assert_eq!(hasty.warnings.iter().map(|warning| warning.line).collect::<Vec<_>>(), [Some(2), Some(4)]);
    let long = parse(&format!("[sms]\nalphabet = \"any\"\n[validate]\ntext = \"<otp> {}\"", "x".repeat(152)));
    assert_eq!(long.warnings.to_string().matches("more than one SMS").count(), 1, "{}", long.warnings);
    assert!(parse("[validate]\nlifetime = \"5m\"").warnings.is_empty(), "the default text is short");
    let text = "[api]\nmode = \"0666\"\n[key]\npath = \"/var/lib/smsotpd/key\"\n[modem]\npin = \"1234\"\n[validate]\nlifetime = \"1h\"\nmax-failures = 100\n[store]\nkeep = \"2h\"";
    let config = parse(text);
    let lines: Vec<_> = config.warnings.iter().filter_map(|warning| warning.line).collect();
    assert_eq!(lines, [2, 4, 6, 8, 9, 11]);
}

#[test]
fn a_diff_names_each_change_and_what_needs_a_restart() {
    let old = Config::default();
    let new = parse(
        "[log]\nlevel = \"debug\"\n[modem]\npin = \"1234\"\n[store]\nkeep = \"36h\"\n[api]\nmode = \"0600\"",
    );
    let told: Vec<String> = diff(&old, &new).iter().map(ToString::to_string).collect();
    let expect = [
        "store.keep: \"30d\" -> \"36h\"",
        "api.mode: \"0660\" -> \"0600\" (needs a restart)",
        "log.level: \"info\" -> \"debug\"",
        "modem.pin: (unset) -> (secret) (needs a restart)",
    ];
    assert_eq!(told, expect);
    assert_eq!(diff(&new, &new.clone()), []);
    let other = parse(
        "[log]\nlevel = \"debug\"\n[modem]\npin = \"4321\"\n[store]\nkeep = \"36h\"\n[api]\nmode = \"0600\"",
    );
    assert_eq!(diff(&new, &other).len(), 1, "another PIN is a change although both are hidden");
}

/// The shipped file with its default lines in force, and its examples too if `examples`.
fn uncommented(examples: bool, not: &str) -> String {
    let mut text = String::new();
    for line in SHIPPED.lines() {
        let in_force = match line.strip_prefix('#') {
            None => line,
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest,
            Some(rest) => match rest.strip_prefix("   ") {
                Some(rest) if examples && !rest.starts_with([' ']) && !rest.starts_with(not) => rest,
                _ => "",
            },
        };
        text.push_str(in_force);
        text.push('\n');
    }
    text
}

#[test]
fn the_shipped_file_is_the_defaults_and_says_so() {
    assert_eq!(parse(SHIPPED), Config::default());
    let config = parse(&uncommented(false, "-"));
    assert_eq!(config, Config::default(), "the defaults that the file documents are those of the code");
}

#[test]
fn the_shipped_file_documents_every_key() {
    let examples = parse(&uncommented(true, "pin ="));
    let with_pin = parse(&uncommented(true, "pin-file ="));
    let defaults = parse(&uncommented(false, "-"));
    for ((entry, example), default) in
        entries(&with_pin).into_iter().zip(entries(&examples)).zip(entries(&defaults))
    {
        let empty = |value: &Shown| matches!(value, Shown::Unset) || *value == Shown::Value("[]".to_owned());
        let bare = entry.key.rsplit('.').next().unwrap_or(entry.key);
        let set = !empty(&entry.value) || !empty(&example.value);
        assert!(
            set || SHIPPED.contains(&format!("\n#{bare} = ")),
            "{} is not in conf/smsotpd.toml",
            entry.key
        );
        if !empty(&default.value) {
            assert!(SHIPPED.contains(&format!("\n#{bare} = ")), "{} is not in conf/smsotpd.toml", entry.key);
        }
        let before = SHIPPED.split(&format!("{bare} = ")).next().unwrap_or_default();
        let comment: Vec<&str> =
            before.lines().rev().skip(1).take_while(|line| line.starts_with("# ")).collect();
        let restart = comment.iter().any(|line| line.contains("(restart)"));
        let table = SHIPPED.contains(&format!("[[{bare}]]"));
        let unambiguous = !table && SHIPPED.matches(&format!("{bare} = ")).count() == 1;
        assert!(
            !unambiguous || restart == entry.restart,
            "{}: the file and the code differ on (restart)",
            entry.key
        );
    }
}

#[test]
fn a_file_in_another_encoding_is_a_finding_of_its_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"[validate]\nprompt = \"F\xfcr Sie\"\n").unwrap();
    let findings = Config::load(file.path()).unwrap_err();
    assert!(
        matches!(findings.0.as_slice(), [Finding { line: Some(2), fault: Fault::Syntax(_), .. }]),
        "{findings}"
    );
}

#[test]
fn a_file_that_is_not_there_is_a_finding_only_if_it_was_named() {
    let findings = Config::load(Path::new("/nonexistent/smsotpd.toml")).unwrap_err();
    assert!(matches!(findings.0.as_slice(), [Finding { line: None, fault: Fault::Unreadable(_), .. }]));
    assert!(Config::load_or_default(Some(Path::new("/nonexistent/smsotpd.toml"))).is_err());
}

#[test]
fn a_hook_that_cannot_work_is_told() {
    let hook = |lines: &str| findings(&format!("[[hook]]\n{lines}\n"));
    let key = |lines: &str| hook(lines).into_iter().map(|(_, key, _)| key).collect::<Vec<_>>();
    let rest = "events = [\"inbound\"]\nexec = \"/x\"";
    assert_eq!(key(rest), ["hook.name"]);
    for name in ["dlr", "", "A", "a b", "a_b"] {
        assert_eq!(key(&format!("name = {name:?}\n{rest}")), ["hook.name"], "{name}");
    }
    let of = |lines: &str| key(&format!("name = \"a\"\n{lines}"));
    assert_eq!(of("events = [\"inbound\"]"), ["hook.url"]);
    assert_eq!(of("exec = \"/x\""), ["hook.events"]);
    assert_eq!(of("exec = \"/x\"\nevents = []"), ["hook.events"]);
    assert_eq!(of("exec = \"/x\"\nevents = [\"inbound\", \"inbound\"]"), ["hook.events"]);
    assert_eq!(of("exec = \"/x\"\nevents = [\"message.leased\"]"), ["hook.events"]);
    assert_eq!(of("exec = \"x\"\nevents = [\"inbound\"]"), ["hook.exec"]);
    assert_eq!(of("exec = \"/x\"\nurl = \"http://h/\"\nevents = [\"inbound\"]"), ["hook.exec"]);
    assert_eq!(of("exec = \"/x\"\nsecret-file = \"/s\"\nevents = [\"inbound\"]"), ["hook.secret-file"]);
    assert_eq!(of("url = \"http://h/\"\nevents = [\"inbound\"]"), ["hook.secret-file"]);
    for url in ["ftp://h/", "h", "https://h/", "http://"] {
        let lines = format!("url = {url:?}\nsecret-file = \"/s\"\nevents = [\"inbound\"]");
        assert_eq!(of(&lines), ["hook.url"], "{url}");
    }
    let twice = format!("name = \"a\"\n{rest}\n[[hook]]\nname = \"a\"\n{rest}");
    assert_eq!(key(&twice), ["hook.name"]);
    for beginning in ["https://h/", "http://u@h/", "http://h/../x", "x"] {
        assert_eq!(only(&format!("[kannel]\ndlr-allow = [{beginning:?}]")).1, "kannel.dlr-allow");
    }
}

#[test]
fn a_weak_signal_is_what_a_modem_can_tell() {
    for (value, told) in [("-113", true), ("-51", true), ("-114", false), ("0", false), ("\"-99\"", false)] {
        let checked = Config::parse(&format!("[modem]\nweak-signal = {value}\n"), "f");
        assert_eq!(checked.is_ok(), told, "{value}");
        if let Err(findings) = checked {
            assert!(findings.to_string().contains("-113 to -51"), "{findings}");
        }
    }
}
