//! The configuration: one TOML file, checked as a whole before anything starts.
//!
//! A bad file is told with every finding at once (file, line, key, remedy), never with the first one only: an administrator
//! mends it in one go. So the text is parsed once into a tree with positions (`raw`) and read key by key from there, instead of
//! through serde's derive, which ends at the first fault. What comes out is a plain struct; `daemon` maps its parts to the
//! settings of each module, and nobody else sees it. Every key has a default, and no file at all is a valid configuration.
//!
//! [`diff()`] tells what a reload changes and which of it needs a restart.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::at::command::{Address, CMGS_ANSWER};
use crate::modem::balance::BalanceCheck;
use crate::modem::exchange::Roaming;
use crate::modem::profile::Library;
use crate::pdu::Language;
use crate::pdu::segment::{Allowed, Policy, Transliteration};
use crate::queue::budget::{Budgets, Mode};
use crate::queue::message::Lane;
use crate::route::budget::Limits;
use crate::secret::Secret;
use crate::store::ALARM_KEPT;
use crate::store::keep::NUMBERS_KEPT;
use crate::units::{Dbm, Iccid};

mod check;
pub mod diff;
pub mod finding;
mod hooks;
mod login_text;
mod notes;
mod raw;

pub use diff::{Change, diff};
pub use finding::{Fault, Finding, Findings};
pub use hooks::{Hook, HookWay, Kannel};
pub use raw::friendly as duration;

/// Where the packages put the file.
pub const DEFAULT_PATH: &str = "/etc/smsotpd/smsotpd.toml";
/// A larger file is not a configuration; it is read into memory as a whole.
const LARGEST_FILE: u64 = 1 << 20;

/// The whole configuration, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `[store]`
    pub store: Store,
    /// `[key]`
    pub key: Key,
    /// `[api]`
    pub api: Api,
    /// `[[caller]]`, in the order of the file.
    pub callers: Vec<Caller>,
    /// `[log]`
    pub log: Log,
    /// `[modem]`
    pub modem: Modem,
    /// `[[sim]]`, in the order of the file.
    pub sims: Vec<Sim>,
    /// `[admission]`
    pub admission: Admission,
    /// `[queue]`
    pub queue: Queue,
    /// `[[route]]`, in the order of the file.
    pub routes: Vec<Route>,
    /// `[budget]`
    pub budget: Budgets,
    /// `[sms]`
    pub sms: Policy,
    /// `[validate]`
    pub validate: Validate,
    /// `[kannel]`
    pub kannel: Kannel,
    /// `[[hook]]`, in the order of the file.
    pub hooks: Vec<Hook>,
    /// What is legal but unwise, for the log; no part of [`diff`](diff()).
    pub warnings: Findings,
}

/// Where messages, tokens and challenges are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The database file; with `url`, only its directory is used.
    pub path: PathBuf,
    /// The database that several appliances share, instead of the file.
    pub url: Option<Secret>,
    /// How long stays what is over and has no time of its own.
    pub keep: Duration,
    /// How long finished messages of the login lane stay.
    pub keep_login: Option<Duration>,
    /// How long finished messages of the alert lane stay.
    pub keep_alert: Option<Duration>,
    /// How long finished messages of the bulk lane stay.
    pub keep_bulk: Option<Duration>,
    /// How long texts from phones stay.
    pub keep_inbox: Option<Duration>,
    /// How long cleared alarms stay.
    pub keep_alarms: Duration,
    /// How long numbers stay.
    pub numbers: Duration,
}

/// The key that seals secrets at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The file that `smsotpd keygen` wrote, or a systemd credential's path.
    pub path: PathBuf,
}

/// The local API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// The unix socket.
    pub socket: PathBuf,
    /// Its permission bits, 0..=0o777.
    pub mode: u32,
    /// Its group, by name or number; `None` leaves the daemon's own.
    pub group: Option<String>,
    /// Connections served at once.
    pub max_connections: usize,
    /// Octets of a form, at most; a batch of messages may have several times as many.
    pub max_body: usize,
}

/// A caller on the unix socket and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Login name or uid.
    pub user: UserName,
    /// What it may do.
    pub role: Role,
    /// The lane of what it sends through Kannel's interface without a priority.
    pub lane: Lane,
    /// What its Kannel clients say who they are.
    pub kannel: Option<KannelLogin>,
}

/// Name of a Kannel client and where its password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KannelLogin {
    /// Kannel's `username`.
    pub user: String,
    /// The file with the password, without the line end.
    pub password_file: PathBuf,
}

/// A local user as the file names it; names are resolved by the daemon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserName {
    /// By number.
    Uid(u32),
    /// By login name.
    Login(String),
}

/// What a caller may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Ask whether a code is right.
    Validate,
    /// Send messages and see its own.
    Send,
    /// Send in the login lane and have codes sent without a PIN (`/validate/triggerchallenge`).
    Trigger,
    /// Everything.
    Admin,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// For every target that `targets` does not name.
    pub level: Level,
    /// How a line looks.
    pub format: LogFormat,
    /// Levels of single modules, such as `smsotpd::modem`.
    pub targets: BTreeMap<String, Level>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// What needs somebody.
    Error,
    /// What may need somebody soon.
    Warn,
    /// What an operator wants to see.
    Info,
    /// What the daemon decides.
    Debug,
    /// Every line on the wire, masked.
    Trace,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people and the journal.
    Text,
    /// One JSON object a line.
    Json,
}

/// The modems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modem {
    /// Where udev links AT ports.
    pub directory: PathBuf,
    /// PIN of the SIM cards, if the file names it itself.
    pub pin: Option<Secret>,
    /// File with the PIN of the SIM cards.
    pub pin_file: Option<PathBuf>,
    /// Line speed in bit/s; USB modems ignore it.
    pub baud: u32,
    /// A modem that was silent for so long is asked whether it lives.
    pub keep_alive: Duration,
    /// A submitted message without an answer for so long is uncertain.
    pub submit_limit: Duration,
    /// The folder with the administrator's firmware notes; it need not exist.
    pub notes: PathBuf,
    /// The notes compiled in, with those of [`notes`](Self::notes) where a file was loaded.
    pub library: Arc<Library>,
    /// Voice calls are hung up.
    pub hang_up_calls: bool,
    /// How the balance of prepaid SIM cards is watched.
    pub balance: Option<BalanceCheck>,
    /// Whether networks other than the card's own are used.
    pub roaming: Roaming,
    /// Number of the service centre, for cards that know none.
    pub service_centre: Option<Address>,
    /// A signal below this is a weak one.
    pub weak_signal: Dbm,
    /// The program that helps a modem which nothing else helped, with port and IMEI as its arguments.
    pub site_hook: Option<PathBuf>,
    /// `[[modem.port]]`: ports that udev does not link.
    pub ports: Vec<PathBuf>,
    /// `[modem.budget]`: what each SIM may send.
    pub budget: Limits,
}

/// One SIM, wherever it sits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sim {
    /// Which.
    pub iccid: Iccid,
    /// What people call it.
    pub name: Option<String>,
    /// What it may send: its own limits, `[modem.budget]` where it has none.
    pub budget: Limits,
}

/// What is let into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Calling code without plus that completes national numbers.
    pub default_country: Option<String>,
    /// Number prefixes (`+49`), whole short codes or `*`; empty: the default country, or all without one.
    pub allow: Vec<String>,
    /// Segments one message may take, 1..=255.
    pub max_segments: u8,
    /// How long a login message may wait when its sender names no lifetime.
    pub lifetime_login: Duration,
    /// The same for an alert.
    pub lifetime_alert: Duration,
    /// The same for bulk.
    pub lifetime_bulk: Duration,
}

/// How the lanes share the channels, and what they may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Slots that only logins take, where there are more.
    pub login_reserve: u32,
    /// Unsent messages of the login lane at most.
    pub max_login: u64,
    /// Of the alert lane.
    pub max_alert: u64,
    /// Of the bulk lane.
    pub max_bulk: u64,
}

/// Which channels carry some messages, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Beginnings of numbers; none: every number.
    pub prefixes: Vec<String>,
    /// Lanes; none: every lane.
    pub lanes: Vec<Lane>,
    /// Channels, best first: a provider, the ICCID or the name of a SIM, or `*` for the rest.
    pub channels: Vec<String>,
}

/// Codes and challenges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validate {
    /// How long a code is good.
    pub lifetime: Duration,
    /// What the person is asked for; a checked template too.
    pub prompt: String,
    /// The message, a checked [`Template`](crate::otp::template::Template); `<otp>` stands for the code.
    pub text: String,
    /// Digits of a code, 6..=8.
    pub otp_length: u8,
    /// So many wrong answers in a row lock a token.
    pub max_failures: u32,
    /// PIN hashes computed at once; each takes tens of megabytes.
    pub hash_permits: usize,
}

/// A day, for defaults.
const DAY: Duration = Duration::from_secs(86_400);

impl Default for Store {
    fn default() -> Self {
        Self {
            path: "/var/lib/smsotpd/smsotpd.db".into(),
            url: None,
            keep: DAY * 30,
            keep_login: None,
            keep_alert: None,
            keep_bulk: None,
            keep_inbox: None,
            keep_alarms: ALARM_KEPT,
            numbers: NUMBERS_KEPT,
        }
    }
}

impl Default for Key {
    fn default() -> Self {
        Self { path: "/etc/smsotpd/key".into() }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            socket: "/run/smsotpd/api.sock".into(),
            mode: 0o660,
            group: None,
            max_connections: 64,
            max_body: 65_536,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Text, targets: BTreeMap::new() }
    }
}

impl Default for Modem {
    fn default() -> Self {
        Self {
            directory: "/dev/smsotpd".into(),
            pin: None,
            pin_file: None,
            baud: 115_200,
            keep_alive: Duration::from_secs(300),
            submit_limit: CMGS_ANSWER,
            notes: "/etc/smsotpd/firmware-notes.d".into(),
            library: Arc::clone(Library::compiled_in()),
            hang_up_calls: false,
            balance: None,
            roaming: Roaming::Allow,
            service_centre: None,
            weak_signal: Dbm(-105),
            site_hook: None,
            ports: Vec::new(),
            budget: Limits::default(),
        }
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            default_country: None,
            allow: Vec::new(),
            max_segments: 10,
            lifetime_login: Duration::from_secs(300),
            lifetime_alert: Duration::from_secs(3_600),
            lifetime_bulk: DAY,
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self { login_reserve: 1, max_login: 10_000, max_alert: 100_000, max_bulk: 1_000_000 }
    }
}

impl Default for Validate {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(300),
            prompt: "Enter the OTP from the SMS:".to_owned(),
            text: "<otp>".to_owned(),
            otp_length: 6,
            max_failures: 10,
            hash_permits: 2,
        }
    }
}

impl Config {
    /// Reads and checks a file that must be there, and then the site's firmware notes.
    ///
    /// # Errors
    /// Every finding at once; nothing of a bad file is used.
    pub fn load(path: &Path) -> Result<Self, Findings> {
        let name = path.display().to_string();
        match read(path) {
            Ok(octets) => match std::str::from_utf8(&octets) {
                Ok(text) => Self::parse(text, &name)?.with_notes(),
                Err(error) => Err(check::not_utf8(&octets, error.valid_up_to(), &name)),
            },
            Err(error) => Err(Findings::of_file(&name, Fault::Unreadable(error.to_string()))),
        }
    }

    /// Reads the named file, or [`DEFAULT_PATH`] if there is one, or else takes the defaults.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_or_default(path: Option<&Path>) -> Result<Self, Findings> {
        let default = Path::new(DEFAULT_PATH);
        match path {
            Some(path) => Self::load(path),
            None if default.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) => {
                Self::default().with_notes()
            }
            None => Self::load(default),
        }
    }

    fn with_notes(mut self) -> Result<Self, Findings> {
        let (library, warnings) = notes::load(&self.modem.notes)?;
        self.modem.library = Arc::new(library);
        self.warnings.0.extend(warnings.0);
        Ok(self)
    }

    /// Checks a text; `name` is what findings call it.
    ///
    /// # Errors
    /// Every finding at once.
    pub fn parse(text: &str, name: &str) -> Result<Self, Findings> {
        check::check(text, name)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, std::io::Error> {
    let size = path.metadata()?.len();
    if size > LARGEST_FILE {
        return Err(std::io::Error::other(format!("{size} octets are too many for a configuration")));
    }
    std::fs::read(path)
}

/// Words of an enumeration as the file writes them.
pub(crate) trait Word: Copy + Sized + 'static {
    /// Every value with its word.
    const WORDS: &'static [(&'static str, Self)];
}

impl Word for Role {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("validate", Self::Validate),
        ("send", Self::Send),
        ("trigger", Self::Trigger),
        ("admin", Self::Admin),
    ];
}

impl Word for Lane {
    const WORDS: &'static [(&'static str, Self)] =
        &[("login", Self::Login), ("alert", Self::Alert), ("bulk", Self::Bulk)];
}

impl Word for Language {
    const WORDS: &'static [(&'static str, Self)] = Self::WORDS;
}

impl Word for Transliteration {
    const WORDS: &'static [(&'static str, Self)] =
        &[("never", Self::Never), ("save", Self::Save), ("always", Self::Always)];
}

impl Word for Allowed {
    const WORDS: &'static [(&'static str, Self)] = &[("any", Self::Any), ("gsm7", Self::Gsm7)];
}

impl Word for Mode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("shadow", Self::Shadow), ("enforce", Self::Enforce)];
}

impl Word for Roaming {
    const WORDS: &'static [(&'static str, Self)] = &[("allow", Self::Allow), ("refuse", Self::Refuse)];
}

impl Word for Level {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

impl Word for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "{uid}"),
            Self::Login(name) => f.write_str(name),
        }
    }
}

/// The word of a value.
pub(crate) fn word_of<T: Word + PartialEq>(value: T) -> &'static str {
    T::WORDS.iter().find(|(_, other)| *other == value).map_or("", |(word, _)| word)
}

impl Role {
    /// As the file writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word_of(self)
    }
}

impl Level {
    /// As the file writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word_of(self)
    }
}

impl LogFormat {
    /// As the file writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word_of(self)
    }
}

#[cfg(test)]
mod tests;
