//! From the tree to the checked configuration: one function a section, each key with its range.

mod route;

use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::finding::{Fault, Finding, Findings};
use super::hooks;
use super::login_text;
use super::raw::{self, Limits, Notes, Section, whole};
use super::{
    Admission, Api, Caller, Config, DAY, KannelLogin, Key, Log, Modem, Queue, Role, Sim, Store, UserName,
    Validate,
};
use crate::at::command::{Address, CMGS_SLOW, UssdCode};
use crate::modem::balance::{Amount, BalanceCheck, Pattern};
use crate::otp::template::{Template, TemplateError};
use crate::pdu::Policy;
use crate::queue::budget::{Budgets, ByDimension, Dimension};
use crate::queue::conversion::Brake;
use crate::queue::message::Lane;
use crate::queue::prefix;
use crate::route::budget;
use crate::secret::Secret;
use crate::units::{Dbm, Iccid};

pub(super) const SECOND: (Duration, &str) = (Duration::from_secs(1), "1s");
const HOUR: (Duration, &str) = (Duration::from_secs(3_600), "1h");
/// No message may wait longer; its validity period would no longer be honoured by most networks.
const WEEK: (Duration, &str) = (Duration::from_secs(7 * 86_400), "7d");
/// Longer than this is an archive, not a queue.
const TEN_YEARS: (Duration, &str) = (Duration::from_secs(3_650 * 86_400), "3650d");

const KEEP: Limits = Limits { least: HOUR, most: TEN_YEARS };
const WAIT: Limits = Limits { least: SECOND, most: WEEK };
const CHALLENGE: Limits = Limits { least: SECOND, most: HOUR };
const SUBMIT: Limits = Limits { least: SECOND, most: (Duration::from_secs(600), "10m") };
const BALANCE: Limits = Limits { least: HOUR, most: (Duration::from_secs(30 * 86_400), "30d") };
const KEEP_ALIVE: Limits = Limits { least: (Duration::from_secs(5), "5s"), most: (DAY, "1d") };

/// A guess has one chance in a million a try; beyond this many tries the PIN is what protects.
const UNWISE_FAILURES: u32 = 20;
/// A code that is good for longer is a password.
const UNWISE_CHALLENGE: Duration = Duration::from_secs(900);
/// Networks need seconds, and people some more to read and type.
const HASTY_CHALLENGE: Duration = Duration::from_secs(30);
/// Healthy networks have taken longer than this to answer.
const HASTY_SUBMIT: Duration = CMGS_SLOW;
/// Below this a day's traffic is gone before anybody asks about it.
const UNWISE_KEEP: Duration = DAY;

/// Reads the text; every fault is told.
pub(super) fn check(text: &str, name: &str) -> Result<Config, Findings> {
    let notes = Notes::new(text, name);
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        notes.fault(error.span().as_ref(), "", Fault::Syntax(error.message().to_owned()));
    }
    let root = Section::root(&notes, tree.get_ref());
    let modem = modem(root.section("modem"));
    let sms = sms(root.section("sms"));
    let mut config = Config {
        store: store(root.section("store")),
        key: key(root.section("key")),
        api: api(root.section("api")),
        callers: callers(root.sections("caller")),
        log: log(root.section("log")),
        kannel: hooks::kannel(root.section("kannel")),
        hooks: hooks::hooks(root.sections("hook")),
        sims: sims(root.sections("sim"), modem.budget),
        modem,
        admission: admission(root.section("admission")),
        queue: queue(root.section("queue")),
        routes: Vec::new(),
        budget: budgets(root.section("budget")),
        validate: validate(root.section("validate"), &sms),
        sms,
        warnings: Findings::default(),
    };
    config.routes = route::routes(root.sections("route"), &config.sims);
    root.done();
    let (faults, warnings) = notes.finish();
    config.warnings = warnings;
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

/// A file that is no text at all from the octet `at` on.
pub(super) fn not_utf8(octets: &[u8], at: usize, name: &str) -> Findings {
    let line = octets.iter().take(at).filter(|octet| **octet == b'\n').count() + 1;
    let fault = Fault::Syntax("the line is not UTF-8; save the file in that encoding".to_owned());
    Findings(vec![Finding { file: name.to_owned(), line: Some(line), key: String::new(), fault }])
}

fn store(at: Section<'_, '_>) -> Store {
    let mut store = Store::default();
    at.absolute("path", &mut store.path);
    store.url = url(&at);
    at.duration("keep", &KEEP, &mut store.keep);
    at.optional_duration("keep-login", &KEEP, &mut store.keep_login);
    at.optional_duration("keep-alert", &KEEP, &mut store.keep_alert);
    at.optional_duration("keep-bulk", &KEEP, &mut store.keep_bulk);
    at.optional_duration("keep-inbox", &KEEP, &mut store.keep_inbox);
    at.duration("keep-alarms", &KEEP, &mut store.keep_alarms);
    at.duration("numbers", &KEEP, &mut store.numbers);
    if store.keep < UNWISE_KEEP {
        at.warn(
            "keep",
            at.value("keep"),
            "is shorter than a day: what happened last night will be gone by morning",
        );
    }
    at.done();
    store
}

/// Where the shared store is. The text may hold a password, so it is never shown.
#[cfg(feature = "postgres")]
fn url(at: &Section<'_, '_>) -> Option<Secret> {
    let text = Secret::from(at.text("url")?);
    let wrong = |why| at.fault("url", at.value("url"), Fault::Secret(why));
    let scheme = |text: &&str| ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    let parsed =
        text.expose_str().filter(scheme).and_then(|text| text.parse::<tokio_postgres::Config>().ok());
    match parsed {
        None => wrong("is no URL of a database; write postgres://user@host/database"),
        Some(parsed) if parsed.get_hosts().is_empty() || parsed.get_dbname().is_none() => {
            wrong("names no host or no database; write postgres://user@host/database");
        }
        Some(parsed) if parsed.get_ssl_mode() == tokio_postgres::config::SslMode::Require => {
            wrong("asks for TLS, which this release does not speak to a database; use a unix socket or a tunnel");
        }
        Some(parsed) if parsed.get_password().is_some() => at.warn(
            "url",
            at.value("url"),
            "has a password in it, which whoever reads this file can read; the server can also know us by the user of a unix socket",
        ),
        Some(_) => {}
    }
    Some(text)
}

/// This build has no shared store.
#[cfg(not(feature = "postgres"))]
fn url(at: &Section<'_, '_>) -> Option<Secret> {
    at.text("url")?;
    let why = "names a shared store, which this build does not have (cargo feature `postgres`); install one that has";
    at.fault("url", at.value("url"), Fault::Secret(why));
    None
}

fn key(at: Section<'_, '_>) -> Key {
    let mut key = Key::default();
    at.absolute("path", &mut key.path);
    if key.path.starts_with("/var/lib/smsotpd") {
        let why = "lies beside the database: a copy of that directory holds both the lock and the key";
        at.warn("path", at.value("path"), why);
    }
    at.done();
    key
}

fn api(at: Section<'_, '_>) -> Api {
    let mut api = Api::default();
    at.absolute("socket", &mut api.socket);
    if let Some(mode) = mode(&at) {
        api.mode = mode;
    }
    if api.mode & 0o002 != 0 {
        at.warn(
            "mode",
            at.value("mode"),
            "lets every local user try PINs; give the group to those who need it",
        );
    }
    api.group = at.text("group").filter(|group| name_fits(&at, "group", group));
    at.number("max-connections", 1, 65_535, &mut api.max_connections);
    at.number("max-body", 1_024, 16 << 20, &mut api.max_body);
    at.done();
    api
}

/// Permission bits: `"0660"`, or a number in TOML's own octal, `0o660`; a decimal number is a mode that nobody meant.
fn mode(at: &Section<'_, '_>) -> Option<u32> {
    let value = at.value("mode")?;
    let (shown, bits) = match value.get_ref() {
        DeValue::Integer(integer) => {
            (integer.to_string(), raw::whole(integer).filter(|_| integer.radix() == 8))
        }
        _ => {
            let text = at.text("mode")?;
            let bits = u64::from_str_radix(&text, 8).ok();
            (text, bits)
        }
    };
    let bits = bits.and_then(|bits| u32::try_from(bits).ok()).filter(|bits| *bits <= 0o777);
    if bits.is_none() {
        let remedy = "write permission bits in octal, such as \"0660\"";
        at.fault("mode", Some(value), Fault::Text { value: shown, remedy });
    }
    bits
}

fn callers(tables: Vec<Section<'_, '_>>) -> Vec<Caller> {
    let mut callers: Vec<Caller> = Vec::with_capacity(tables.len());
    for at in tables {
        let user = user(&at);
        let role = at.word("role");
        if at.value("role").is_none() {
            at.fault(
                "role",
                None,
                Fault::Missing("write role = \"validate\", \"send\", \"trigger\" or \"admin\""),
            );
        }
        let lane = lane(&at, role);
        let kannel = kannel_login(&at, &callers);
        if let Some(user) = user {
            if callers.iter().any(|caller| caller.user == user) {
                at.fault("user", at.value("user"), Fault::Twice(user.to_string()));
            } else if let Some(role) = role {
                callers.push(Caller { user, role, lane, kannel });
            }
        }
        at.done();
    }
    callers
}

/// The lane of what a caller sends without naming one.
fn lane(at: &Section<'_, '_>, role: Option<Role>) -> Lane {
    let lane = at.word("lane").unwrap_or(Lane::Bulk);
    if lane == Lane::Login && role.is_some_and(|role| role < Role::Trigger) {
        let remedy = "write \"alert\" or \"bulk\"; the login lane is for the roles trigger and admin";
        at.fault("lane", at.value("lane"), Fault::Text { value: "login".to_owned(), remedy });
    }
    lane
}

fn kannel_login(at: &Section<'_, '_>, before: &[Caller]) -> Option<KannelLogin> {
    let (user, password_file) = (at.text("kannel-user"), at.optional_absolute("kannel-password-file"));
    match (user, password_file) {
        (Some(user), Some(password_file)) => {
            let taken = |caller: &Caller| caller.kannel.as_ref().is_some_and(|login| login.user == user);
            if before.iter().any(taken) {
                at.fault("kannel-user", at.value("kannel-user"), Fault::Twice(user.clone()));
            }
            Some(KannelLogin { user, password_file })
        }
        (Some(_), None) if at.value("kannel-password-file").is_none() => {
            let remedy = "name the file with the password of `kannel-user`";
            at.fault("kannel-password-file", at.value("kannel-user"), Fault::Missing(remedy));
            None
        }
        (None, Some(_)) => {
            let remedy = "write the name that goes with `kannel-password-file`";
            at.fault("kannel-user", at.value("kannel-password-file"), Fault::Missing(remedy));
            None
        }
        _ => None,
    }
}

fn user(at: &Section<'_, '_>) -> Option<UserName> {
    let Some(value) = at.value("user") else {
        at.fault("user", None, Fault::Missing("write user = \"login name\" or a uid"));
        return None;
    };
    if let DeValue::Integer(_) = value.get_ref() {
        // A uid out of range leaves root's, which the finding then keeps from ever being used.
        let mut uid = 0;
        at.number("user", 0, u64::from(u32::MAX - 1), &mut uid);
        return Some(UserName::Uid(uid));
    }
    let text = at.text("user")?;
    if let Ok(uid) = text.parse() {
        return Some(UserName::Uid(uid));
    }
    name_fits(at, "user", &text).then_some(UserName::Login(text))
}

/// Names as `useradd` takes them, and those of directories (`DOMAIN\\user`, `user@realm`).
fn name_fits(at: &Section<'_, '_>, key: &'static str, name: &str) -> bool {
    let fits = !name.is_empty() && !name.contains([':', '/', ' ', '\t', '\n', '\0']);
    if !fits {
        let remedy = "write a name that the system knows, without blanks, ':' or '/'";
        at.fault(key, at.value(key), Fault::Text { value: name.to_owned(), remedy });
    }
    fits
}

fn log(at: Section<'_, '_>) -> Log {
    let mut log = Log::default();
    if let Some(level) = at.word("level") {
        log.level = level;
    }
    if let Some(format) = at.word("format") {
        log.format = format;
    }
    let targets = at.section("targets");
    for (target, value) in targets.free() {
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        if target.is_empty() || !target.chars().all(named) {
            let remedy = "write a module such as \"smsotpd::modem\"";
            targets.fault(target, Some(value), Fault::Text { value: target.to_owned(), remedy });
        } else if let Some(level) = targets.word_of(target, value) {
            log.targets.insert(target.to_owned(), level);
        }
    }
    at.done();
    log
}

/// Line speeds that Linux and modems both know.
const SPEEDS: [u32; 9] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 3_000_000];

fn modem(at: Section<'_, '_>) -> Modem {
    let mut modem = Modem::default();
    at.absolute("directory", &mut modem.directory);
    modem.pin = pin(&at);
    modem.pin_file = at.optional_absolute("pin-file");
    if at.value("pin").is_some() && at.value("pin-file").is_some() {
        at.fault("pin-file", at.value("pin-file"), Fault::Excludes("modem.pin"));
    }
    at.number("baud", 0, u64::from(u32::MAX), &mut modem.baud);
    if !SPEEDS.contains(&modem.baud) {
        let remedy = "write a line speed such as 9600, 115200 or 921600";
        at.fault("baud", at.value("baud"), Fault::Text { value: modem.baud.to_string(), remedy });
    }
    at.duration("keep-alive", &KEEP_ALIVE, &mut modem.keep_alive);
    at.duration("submit-limit", &SUBMIT, &mut modem.submit_limit);
    if modem.submit_limit < HASTY_SUBMIT {
        let why =
            "gives up while healthy networks still answer: messages will be called uncertain that arrived";
        at.warn("submit-limit", at.value("submit-limit"), why);
    }
    at.absolute("notes", &mut modem.notes);
    at.flag("hang-up-calls", &mut modem.hang_up_calls);
    modem.balance = balance(&at);
    modem.roaming = at.word("roaming").unwrap_or(modem.roaming);
    modem.service_centre = service_centre(&at);
    modem.site_hook = at.optional_absolute("site-hook");
    if let Some(weak) = weak_signal(&at) {
        modem.weak_signal = weak;
    }
    for port in at.sections("port") {
        if let Some(path) = port_path(&port, &modem.ports) {
            modem.ports.push(path);
        }
        port.done();
    }
    let own = at.section("budget");
    budget(&own, &mut modem.budget);
    own.done();
    at.done();
    modem
}

fn balance(at: &Section<'_, '_>) -> Option<BalanceCheck> {
    let code = at.text("balance-code").map(|text| (UssdCode::new(&text), text));
    let pattern = at.text("balance-pattern").map(|text| (Pattern::new(&text), text));
    let mut every = DAY;
    at.duration("balance-every", &BALANCE, &mut every);
    let threshold = amount(at, "balance-threshold");
    if let Some((None, text)) = &code {
        let remedy = "write a USSD code such as \"*100#\": digits, '*' and '#'";
        at.fault("balance-code", at.value("balance-code"), Fault::Text { value: text.clone(), remedy });
    }
    if let Some((None, text)) = &pattern {
        let remedy = "write a piece of the network's answer with {amount} once in it, such as \"Guthaben: {amount} EUR\"";
        at.fault("balance-pattern", at.value("balance-pattern"), Fault::Text { value: text.clone(), remedy });
    }
    match (code, pattern) {
        (Some(_), None) => {
            let remedy =
                "say where the amount is in the answer to `balance-code`, such as \"Guthaben: {amount} EUR\"";
            at.fault("balance-pattern", at.value("balance-code"), Fault::Missing(remedy));
            None
        }
        (None, Some(_)) => {
            let remedy = "say what the network is asked, such as \"*100#\"";
            at.fault("balance-code", at.value("balance-pattern"), Fault::Missing(remedy));
            None
        }
        (Some((code, _)), Some((pattern, _))) => {
            Some(BalanceCheck { code: code?, pattern: pattern?, every, threshold })
        }
        (None, None) => {
            for key in ["balance-every", "balance-threshold"] {
                if at.value(key).is_some() {
                    at.warn(key, at.value(key), "has no effect without `balance-code` and `balance-pattern`");
                }
            }
            None
        }
    }
}

/// More than a SIM sends in a month at a message a second.
const UNLIMITED: u64 = 10_000_000;
/// A lane of more would be gigabytes of disk, and no modems to send it in the life of a message.
const MOST_UNSENT: u64 = 10_000_000;

fn budget(at: &Section<'_, '_>, into: &mut budget::Limits) {
    limit(at, "per-minute", &mut into.per_minute);
    limit(at, "per-day", &mut into.per_day);
    limit(at, "per-month", &mut into.per_month);
    limit(at, "recipients-per-month", &mut into.recipients);
}

/// A number, or "none" where another budget is not to apply.
fn limit(at: &Section<'_, '_>, key: &'static str, into: &mut Option<u32>) {
    let Some(value) = at.value(key) else { return };
    match value.get_ref() {
        DeValue::String(word) if word == "none" => *into = None,
        DeValue::String(word) => {
            let remedy = "write a number without quotes, or \"none\"";
            at.fault(key, Some(value), Fault::Text { value: word.clone().into_owned(), remedy });
        }
        _ => {
            let mut number = 1;
            at.number(key, 1, UNLIMITED, &mut number);
            *into = Some(number);
        }
    }
}

fn amount(at: &Section<'_, '_>, key: &'static str) -> Option<Amount> {
    let value = at.value(key)?;
    let units: Option<f64> = match value.get_ref() {
        DeValue::Integer(integer) => {
            whole(integer).and_then(|units| u32::try_from(units).ok()).map(f64::from)
        }
        DeValue::Float(float) => {
            float.as_str().parse().ok().filter(|units| (0.0..=f64::from(u32::MAX)).contains(units))
        }
        _ => None,
    };
    if units.is_none() {
        at.fault(
            key,
            Some(value),
            Fault::Type { found: raw::kind(value), wanted: "an amount such as 5 or 2.50, without quotes" },
        );
    }
    units.map(Amount::from)
}

fn sims(tables: Vec<Section<'_, '_>>, general: budget::Limits) -> Vec<Sim> {
    let mut sims: Vec<Sim> = Vec::with_capacity(tables.len());
    for at in tables {
        let mut own = general;
        budget(&at, &mut own);
        let name = at.text("name");
        if let Some(iccid) = iccid(&at) {
            if sims.iter().any(|sim| sim.iccid == iccid) {
                at.fault("iccid", at.value("iccid"), Fault::Twice(iccid.to_string()));
            } else {
                sims.push(Sim { iccid, name, budget: own });
            }
        }
        at.done();
    }
    sims
}

fn iccid(at: &Section<'_, '_>) -> Option<Iccid> {
    if at.value("iccid").is_none() {
        at.fault(
            "iccid",
            None,
            Fault::Missing("write iccid = \"8949...\", as `smsotpctl modem list` has it"),
        );
    }
    let text = at.text("iccid")?;
    let iccid = Iccid::parse(&text);
    if iccid.is_none() {
        let remedy = "write the 18 to 22 digits that `smsotpctl modem list` has";
        at.fault("iccid", at.value("iccid"), Fault::Text { value: text, remedy });
    }
    iccid
}

fn service_centre(at: &Section<'_, '_>) -> Option<Address> {
    let text = at.text("service-centre")?;
    // Without the country a visited network looks for it in its own.
    let address = Address::new(&text).filter(|_| text.starts_with('+'));
    if address.is_none() {
        let remedy = "write the number of the service centre, such as \"+491710760000\"";
        at.fault("service-centre", at.value("service-centre"), Fault::Text { value: text, remedy });
    }
    address
}

/// What `+CSQ` can tell; TS 27.007 8.5.
fn weak_signal(at: &Section<'_, '_>) -> Option<Dbm> {
    let value = at.value("weak-signal")?;
    let bound = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
        _ => None,
    };
    let bound = bound.filter(|dbm| (-113..=-51).contains(dbm)).map(Dbm);
    if bound.is_none() {
        let shown = match value.get_ref() {
            DeValue::Integer(integer) => integer.to_string(),
            _ => raw::kind(value).to_owned(),
        };
        let remedy = "write dBm without quotes, -113 to -51";
        at.fault("weak-signal", Some(value), Fault::Text { value: shown, remedy });
    }
    bound
}

fn pin(at: &Section<'_, '_>) -> Option<Secret> {
    let pin = Secret::from(at.text("pin")?);
    let digits = pin.expose().iter().all(u8::is_ascii_digit);
    if !digits || !(4..=8).contains(&pin.len()) {
        at.fault("pin", at.value("pin"), Fault::Secret("is no PIN of a SIM; write 4 to 8 digits in quotes"));
        return None;
    }
    at.warn(
        "pin",
        at.value("pin"),
        "can be read by whoever reads this file; put it into a file of its own, `pin-file`",
    );
    Some(pin)
}

fn port_path(at: &Section<'_, '_>, before: &[PathBuf]) -> Option<PathBuf> {
    let Some(value) = at.value("path") else {
        at.fault("path", None, Fault::Missing("write path = \"/dev/...\""));
        return None;
    };
    let path = at.optional_absolute("path")?;
    if before.contains(&path) {
        at.fault("path", Some(value), Fault::Twice(path.display().to_string()));
        return None;
    }
    Some(path)
}

fn queue(at: Section<'_, '_>) -> Queue {
    let mut queue = Queue::default();
    at.number("login-reserve", 0, 64, &mut queue.login_reserve);
    at.number("max-login", 1, MOST_UNSENT, &mut queue.max_login);
    at.number("max-alert", 1, MOST_UNSENT, &mut queue.max_alert);
    at.number("max-bulk", 1, MOST_UNSENT, &mut queue.max_bulk);
    at.done();
    queue
}

fn admission(at: Section<'_, '_>) -> Admission {
    let mut admission = Admission { default_country: at.text("default-country"), ..Admission::default() };
    if let Some(code) = &admission.default_country
        && !((1..=3).contains(&code.len()) && all_digits(code) && !code.starts_with('0'))
    {
        let remedy = "write the calling code as 1 to 3 digits without '+', such as \"49\"";
        at.fault("default-country", at.value("default-country"), Fault::Text { value: code.clone(), remedy });
    }
    prefixes(&at, "allow", &mut admission.allow);
    at.number("max-segments", 1, 255, &mut admission.max_segments);
    at.duration("lifetime-login", &WAIT, &mut admission.lifetime_login);
    at.duration("lifetime-alert", &WAIT, &mut admission.lifetime_alert);
    at.duration("lifetime-bulk", &WAIT, &mut admission.lifetime_bulk);
    at.done();
    admission
}

/// More digits than this are a country, not a block of numbers.
const LARGEST_BLOCK: u64 = 6;

fn budgets(at: Section<'_, '_>) -> Budgets {
    let mut budgets = Budgets::default();
    budgets.mode = at.word("mode").unwrap_or(budgets.mode);
    at.number("block-digits", 1, LARGEST_BLOCK, &mut budgets.block_digits);
    by_dimension(&at, &mut budgets.general);
    let proven = at.section("proven");
    by_dimension(&proven, &mut budgets.proven);
    proven.done();
    let mut brake = Brake { below: 0, least: BRAKE_LEAST };
    at.number("brake-below", 1, 100, &mut brake.below);
    at.number("brake-least", 1, UNLIMITED, &mut brake.least);
    budgets.brake = (brake.below > 0).then_some(brake);
    if budgets.brake.is_none() && at.value("brake-least").is_some() {
        at.warn("brake-least", at.value("brake-least"), "has no effect without `brake-below`");
    }
    at.done();
    budgets
}

/// Fewer codes an hour are chance.
const BRAKE_LEAST: u32 = 50;

fn by_dimension(at: &Section<'_, '_>, into: &mut ByDimension) {
    for (dimension, limits) in Dimension::ALL.into_iter().zip(into) {
        let own = at.section(dimension.as_str());
        limit(&own, "per-minute", &mut limits.per_minute);
        limit(&own, "per-hour", &mut limits.per_hour);
        limit(&own, "per-day", &mut limits.per_day);
        own.done();
    }
}

fn sms(at: Section<'_, '_>) -> Policy {
    let mut policy = Policy::default();
    if let Some(value) = at.value("national-languages") {
        match value.get_ref() {
            DeValue::Array(names) => {
                let languages = names.iter().filter_map(|name| at.word_of("national-languages", name));
                policy.national = languages.collect();
                policy.national.sort_unstable();
                policy.national.dedup();
            }
            _ => {
                let wanted = "an array of languages such as [\"turkish\"]";
                let fault = Fault::Type { found: raw::kind(value), wanted };
                at.fault("national-languages", Some(value), fault);
            }
        }
    }
    policy.transliteration = at.word("transliterate").unwrap_or_default();
    policy.allowed = at.word("alphabet").unwrap_or_default();
    at.done();
    policy
}

/// An array of beginnings of numbers and whole short codes.
fn prefixes(at: &Section<'_, '_>, key: &'static str, into: &mut Vec<String>) {
    let Some(value) = at.value(key) else { return };
    let DeValue::Array(prefixes) = value.get_ref() else {
        let wanted = "an array of prefixes such as [\"+49\"]";
        return at.fault(key, Some(value), Fault::Type { found: raw::kind(value), wanted });
    };
    for value in prefixes.iter() {
        let Some(prefix) = at.text_of(key, value) else { continue };
        let fits = match prefix.strip_prefix('+') {
            Some(digits) => {
                (1..=15).contains(&digits.len()) && all_digits(digits) && !digits.starts_with('0')
            }
            None => prefix == prefix::ANYWHERE || ((3..=6).contains(&prefix.len()) && all_digits(&prefix)),
        };
        if !fits {
            let remedy = "write '+' and the first digits of the number, a short code of 3 to 6 digits, or \"*\" for all countries";
            at.fault(key, Some(value), Fault::Text { value: prefix, remedy });
        } else if into.contains(&prefix) {
            at.fault(key, Some(value), Fault::Twice(prefix));
        } else {
            into.push(prefix);
        }
    }
}

fn validate(at: Section<'_, '_>, sms: &Policy) -> Validate {
    let mut validate = Validate::default();
    at.duration("lifetime", &CHALLENGE, &mut validate.lifetime);
    if validate.lifetime > UNWISE_CHALLENGE {
        at.warn("lifetime", at.value("lifetime"), "makes a code good for longer than 15 minutes");
    }
    if validate.lifetime < HASTY_CHALLENGE {
        at.warn("lifetime", at.value("lifetime"), "makes most codes expire before they are read and typed");
    }
    template(&at, "prompt", Template::prompt, &mut validate.prompt);
    template(&at, "text", Template::sms, &mut validate.text);
    if let Some(why) = login_text::unwise(&validate.text, sms) {
        at.warn("text", at.value("text"), why);
    }
    at.number("otp-length", 6, 8, &mut validate.otp_length);
    at.number("max-failures", 1, 1_000, &mut validate.max_failures);
    if validate.max_failures > UNWISE_FAILURES {
        at.warn("max-failures", at.value("max-failures"), "gives a guesser more tries than people need");
    }
    at.number("hash-permits", 1, 64, &mut validate.hash_permits);
    at.done();
    validate
}

fn template(
    at: &Section<'_, '_>,
    key: &'static str,
    read: fn(&str) -> Result<Template, TemplateError>,
    into: &mut String,
) {
    let Some(text) = at.text(key) else { return };
    if let Err(error) = read(&text) {
        at.fault(key, at.value(key), Fault::Template(error));
    }
    *into = text;
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_digit())
}
