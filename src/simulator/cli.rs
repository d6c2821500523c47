//! `smsotpctl simulate modem`: simulated modems for other programs, events as JSON lines on standard output, orders as JSON
//! lines on standard input.

use std::io::{BufRead, BufWriter, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use rustix::thread::ClockId;
use rustix::time::clock_gettime;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::Control;
use super::event::{Event, Kinds, What};
use super::network::{Arrival, Network};
use super::persona::{NoModem, Persona};
use super::pty::{Simulator, Watch};
use super::recording::{BadRecording, Recording};
use super::replay::{Ending, Report};
use super::scenario::{ErrorEvery, Scenario, Silence, SilentAfter, parse_duration};
use crate::clock;
use crate::modem::profile::{Library, Profile};
use crate::units::{Iccid, Imei};

/// Events on their way to standard output. A reader that lags further behind holds the modems up, for it wants them all.
const EVENTS_MAX: usize = 16_384;
/// Pause before an event is tried again that found the queue full.
const LAG_PAUSE: Duration = Duration::from_millis(1);
/// How long the end waits for the last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(1);
/// A replay that was left by the host; sysexits: EX_USAGE, EX_DATAERR, EX_CANTCREAT, EX_OSERR.
const LEFT: u8 = 1;
const USAGE: u8 = 64;
const DATA_ERROR: u8 = 65;
const CANNOT_CREATE: u8 = 73;
const SYSTEM_ERROR: u8 = 71;

/// What `smsotpctl simulate modem` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateOptions {
    /// Link to the modem's port; several make several modems on one network
    #[arg(long = "link", value_name = "PATH", required = true)]
    pub links: Vec<PathBuf>,
    /// Family of the modems: the name of a firmware note, or a note's file
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub family: Option<String>,
    /// Scenario in TOML that all modems begin with
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Play the modem's side of a saved trace (smsotpctl modem trace --save) instead; ends with it, and says where the host left it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["family", "scenario"])]
    pub replay: Option<PathBuf>,
    /// Time from Ctrl-Z to +CMGS
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub latency: Option<Duration>,
    /// Time from any other command to its answer
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub command_latency: Option<Duration>,
    /// Time from power-on or PIN to registration
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub registration_delay: Option<Duration>,
    /// Time from +CMGS to the status report
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub report_after: Option<Duration>,
    /// No status reports, even if asked for
    #[arg(long)]
    pub no_reports: bool,
    /// No status reports after the N-th message of a modem
    #[arg(long, value_name = "N", conflicts_with = "no_reports")]
    pub reports_end: Option<u64>,
    /// Seed of identities, noise and radio figures
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Unsolicited lines a second
    #[arg(long, value_name = "N")]
    pub noise: Option<u32>,
    /// Octets in one write to the host (1: byte by byte)
    #[arg(long, value_name = "N")]
    pub chunk: Option<usize>,
    /// Refuse every N-th message
    #[arg(long, value_name = "N")]
    pub error_every: Option<u64>,
    /// +CMS ERROR of --error-every
    #[arg(long, value_name = "CODE", requires = "error_every")]
    pub error_code: Option<u16>,
    /// Refuse messages to this number, with this +CMS ERROR
    #[arg(long, value_name = "NUMBER=CODE", value_parser = refusal)]
    pub refuse: Vec<(String, u16)>,
    /// Say nothing after the N-th prompt; the message is lost
    #[arg(long, value_name = "N")]
    pub silent_after_prompt: Option<u64>,
    /// Say nothing after the N-th Ctrl-Z; the message is carried
    #[arg(long, value_name = "N")]
    pub silent_after_ctrl_z: Option<u64>,
    /// Stay so for all messages that follow
    #[arg(long)]
    pub silent_always: bool,
    /// The network's answer to a USSD code, or to what is said in a dialogue; one that ends in `?` leaves the dialogue open
    #[arg(long, value_name = "CODE=TEXT", value_parser = ussd)]
    pub ussd: Vec<(String, String)>,
    /// SIM PIN
    #[arg(long)]
    pub pin: Option<String>,
    /// IMEI, one for each modem in order; from the seed unless given
    #[arg(long, value_parser = imei)]
    pub imei: Vec<Imei>,
    /// ICCID, one for each modem in order; from the seed unless given
    #[arg(long, value_parser = iccid)]
    pub iccid: Vec<Iccid>,
    /// Number of the SIM, one for each modem in order; from the seed unless given
    #[arg(long)]
    pub number: Vec<String>,
    /// Power on with echo off
    #[arg(long)]
    pub no_echo: bool,
    /// Events on standard output: all, or a list of at, reply, cmgs, prompt, ctrl-z, answered, phone, host, power, replay, taken
    #[arg(long, value_name = "KINDS", num_args = 0..=1, default_missing_value = "all")]
    pub events: Option<Kinds>,
    /// End with standard input
    #[arg(long)]
    pub until_eof: bool,
}

impl SimulateOptions {
    /// What `--family` names.
    fn persona(&self) -> Result<Option<Persona>, CliError> {
        let Some(name) = &self.family else { return Ok(None) };
        let note = match Library::compiled_in().named(name) {
            Some(note) => note,
            None if name.ends_with(".toml") => {
                let path = PathBuf::from(name);
                Arc::new(Profile::parse(&read(&path)?).map_err(|error| CliError::File(path, error))?)
            }
            None => return Err(CliError::NoSuchFamily(name.clone())),
        };
        Ok(Some(Persona::of(&note)?))
    }

    /// The scenario of modem number `index`; `base` is that of `--scenario`.
    fn scenario(&self, index: usize, base: Option<&Scenario>) -> Scenario {
        let own = Scenario::of_seed(self.seed, u32::try_from(index).unwrap_or(u32::MAX));
        let mut scenario = base.cloned().unwrap_or_else(|| own.clone());
        // Identities of a file would be the same for all modems: it keeps them for the first only.
        if index > 0 || base.is_none() {
            (scenario.imei, scenario.iccid, scenario.imsi, scenario.number) =
                (own.imei, own.iccid, own.imsi, own.number);
        }
        scenario.seed = own.seed;
        replace(&mut scenario.imei, self.imei.get(index));
        replace(&mut scenario.iccid, self.iccid.get(index));
        replace(&mut scenario.number, self.number.get(index));
        replace(&mut scenario.latency, self.latency.as_ref());
        replace(&mut scenario.command_latency, self.command_latency.as_ref());
        replace(&mut scenario.registration_delay, self.registration_delay.as_ref());
        replace(&mut scenario.report_after, self.report_after.as_ref());
        replace(&mut scenario.noise, self.noise.as_ref());
        replace(&mut scenario.chunk, self.chunk.as_ref());
        scenario.reports &= !self.no_reports;
        scenario.reports_end = self.reports_end.or(scenario.reports_end);
        scenario.echo &= !self.no_echo;
        scenario.refused.extend(self.refuse.iter().cloned());
        scenario.ussd.extend(self.ussd.iter().cloned());
        if let Some(n) = self.error_every {
            let usual = ErrorEvery::new(n);
            scenario.error_every = Some(ErrorEvery { code: self.error_code.unwrap_or(usual.code), ..usual });
        }
        let after = |n| SilentAfter { n, always: self.silent_always };
        scenario.silent_after_prompt = self.silent_after_prompt.map(after).or(scenario.silent_after_prompt);
        scenario.silent_after_ctrl_z = self.silent_after_ctrl_z.map(after).or(scenario.silent_after_ctrl_z);
        scenario.pin = self.pin.clone().or(scenario.pin);
        scenario
    }
}

fn replace<T: Clone>(value: &mut T, by: Option<&T>) {
    if let Some(by) = by {
        *value = by.clone();
    }
}

fn refusal(text: &str) -> Result<(String, u16), String> {
    let (number, code) = text.split_once('=').ok_or("write NUMBER=CODE, as in +491701234567=28")?;
    Ok((number.to_owned(), code.parse().map_err(|_| format!("{code:?} is no +CMS ERROR code"))?))
}

fn ussd(text: &str) -> Result<(String, String), String> {
    let (code, words) = text.split_once('=').ok_or("write CODE=TEXT, as in *100#=Balance: 5 EUR")?;
    Ok((code.to_owned(), words.to_owned()))
}

fn imei(text: &str) -> Result<Imei, String> {
    Imei::parse(text).ok_or_else(|| "an IMEI has 14 to 16 digits".to_owned())
}

fn iccid(text: &str) -> Result<Iccid, String> {
    Iccid::parse(text).ok_or_else(|| "an ICCID has 18 to 22 digits".to_owned())
}

/// Why it could not begin.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    #[error("{0} is wrong: {1}")]
    File(PathBuf, toml::de::Error),
    #[error(
        "there is no firmware note {0}; the notes are the files in firmware-notes/, by their names without .toml"
    )]
    NoSuchFamily(String),
    #[error(transparent)]
    NoModem(#[from] NoModem),
    #[error("{0} is wrong: {1}")]
    Recording(PathBuf, BadRecording),
    #[error("a recording is of one modem: give one --link")]
    Links,
    #[error("cannot put a modem at {0}: {1}")]
    Port(PathBuf, std::io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// Runs the modems until a signal, or the end of standard input with `--until-eof`. It makes a tokio runtime of its own, so it
/// must not be called within one.
#[must_use]
pub fn run_cli(options: &SimulateOptions) -> ExitCode {
    match run(options) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(report)) => {
            let _ = writeln!(stderr(), "smsotpctl: {report}");
            if report.ending == Ending::Whole { ExitCode::SUCCESS } else { ExitCode::from(LEFT) }
        }
        Err(error) => {
            let _ = writeln!(stderr(), "smsotpctl: {error}");
            ExitCode::from(match error {
                CliError::Read(..)
                | CliError::File(..)
                | CliError::NoSuchFamily(_)
                | CliError::NoModem(_)
                | CliError::Recording(..) => DATA_ERROR,
                CliError::Links => USAGE,
                CliError::Port(..) => CANNOT_CREATE,
                CliError::Signals(_) => SYSTEM_ERROR,
            })
        }
    }
}

fn run(options: &SimulateOptions) -> Result<Option<Report>, CliError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(CliError::Signals)?;
    let (sender, receiver) = sync_channel(EVENTS_MAX);
    let since = Since::now();
    let closing = Arc::new(AtomicBool::new(false));
    let (over, replayed) = oneshot::channel();
    let modems = match &options.replay {
        Some(path) => vec![start_replay(options, path, &sender, &closing, over)?],
        None => start_modems(options, &sender, &closing)?,
    };
    drop(sender);
    let quiet = options.events.is_none();
    let (printed, all_printed) = sync_channel(1);
    std::thread::spawn(move || {
        print(&receiver, since, quiet);
        let _ = printed.send(());
    });
    let controls = modems.iter().map(Simulator::control).collect();
    let ended = runtime.block_on(until_told(controls, options.until_eof, replayed));
    closing.store(true, Ordering::Relaxed);
    drop(modems);
    // A reader that has stopped reading must not keep the process.
    let _ = all_printed.recv_timeout(LAST_LINES);
    ended.map_err(CliError::Signals)
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::Read(path.to_owned(), error))
}

fn start_modems(
    options: &SimulateOptions,
    sender: &SyncSender<Line>,
    closing: &Arc<AtomicBool>,
) -> Result<Vec<Simulator>, CliError> {
    let base = options.scenario.as_ref().map(|path| {
        toml::from_str::<Scenario>(&read(path)?).map_err(|error| CliError::File(path.clone(), error))
    });
    let base = base.transpose()?;
    let persona = options.persona()?;
    let network = Network::new(clock::monotonic(), clock::wall());
    let mut modems = Vec::with_capacity(options.links.len());
    for (index, link) in options.links.iter().enumerate() {
        let scenario = options.scenario(index, base.as_ref());
        let scenario = match &persona {
            Some(persona) => scenario.of_family(persona.clone()),
            None => scenario,
        };
        let ready = Line::Ready(json!({
            "event": "ready", "modem": index, "link": link, "imei": scenario.imei, "iccid": scenario.iccid,
            "number": scenario.number,
        }));
        let watch = watch(options.events.unwrap_or_default(), sender, closing);
        let modem = Simulator::start(scenario, &network, link, index, watch)
            .map_err(|error| CliError::Port(link.clone(), error))?;
        modems.push(modem);
        let _ = sender.send(ready);
    }
    Ok(modems)
}

/// Plays a recording; `over` is told how it ended.
fn start_replay(
    options: &SimulateOptions,
    path: &Path,
    sender: &SyncSender<Line>,
    closing: &Arc<AtomicBool>,
    over: oneshot::Sender<Report>,
) -> Result<Simulator, CliError> {
    let [link] = options.links.as_slice() else { return Err(CliError::Links) };
    let recording: Recording =
        read(path)?.parse().map_err(|error| CliError::Recording(path.to_owned(), error))?;
    let wanted = options.events.unwrap_or_default();
    let mut events = watch(wanted, sender, closing);
    let mut over = Some(over);
    let sink = move |event: Event| {
        if let What::Replayed(report) = &event.what
            && let Some(over) = over.take()
        {
            let _ = over.send(report.clone());
        }
        if wanted.has(event.what.kind()) {
            (events.sink)(event);
        }
    };
    let watch = Watch { kinds: wanted.and(Kinds::REPLAY), sink: Box::new(sink) };
    let modem =
        Simulator::replay(recording, link, watch).map_err(|error| CliError::Port(link.clone(), error))?;
    let _ = sender.send(Line::Ready(json!({"event": "ready", "modem": 0, "link": link, "replay": path})));
    Ok(modem)
}

/// The modem waits for a reader that lags, but not for ever: when all is `closing`, what does not fit is lost.
fn watch(kinds: Kinds, sender: &SyncSender<Line>, closing: &Arc<AtomicBool>) -> Watch {
    let (sender, closing) = (sender.clone(), Arc::clone(closing));
    let sink = move |event| {
        let mut line = Line::Event(event);
        while let Err(TrySendError::Full(back)) = sender.try_send(line) {
            if closing.load(Ordering::Relaxed) {
                return;
            }
            line = back;
            std::thread::sleep(LAG_PAUSE);
        }
    };
    Watch { kinds, sink: Box::new(sink) }
}

/// Waits for a signal, the end of a replay or, if asked, the end of standard input.
async fn until_told(
    controls: Vec<Control>,
    until_eof: bool,
    replayed: oneshot::Receiver<Report>,
) -> std::io::Result<Option<Report>> {
    let (ended, end) = oneshot::channel();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Not joined: a thread that waits for standard input cannot be woken.
    std::thread::Builder::new().name("orders".into()).spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if let Err(error) = obey(&line, &controls) {
                let _ = writeln!(stderr(), "smsotpctl: {error}");
            }
        }
        let _ = ended.send(());
    })?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = end, if until_eof => {}
        Ok(report) = replayed => return Ok(Some(report)),
    }
    Ok(None)
}

/// An order on standard input.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum OrderLine {
    Hangup {
        #[serde(default)]
        modem: usize,
    },
    Plug {
        #[serde(default)]
        modem: usize,
    },
    Deliver {
        #[serde(default)]
        modem: usize,
        from: String,
        text: String,
        #[serde(default)]
        reference: Option<u8>,
        #[serde(default)]
        parts: Vec<u8>,
    },
    Silence {
        #[serde(default)]
        modem: usize,
        what: Silence,
    },
}

fn obey(line: &str, controls: &[Control]) -> Result<(), String> {
    if line.trim().is_empty() {
        return Ok(());
    }
    let order: OrderLine = serde_json::from_str(line).map_err(|error| format!("not an order: {error}"))?;
    let control = |modem: usize| controls.get(modem).ok_or_else(|| format!("there is no modem {modem}"));
    match order {
        OrderLine::Hangup { modem } => control(modem)?.hang_up(),
        OrderLine::Plug { modem } => control(modem)?.plug_in(),
        OrderLine::Deliver { modem, from, text, reference, parts } => {
            let arrival = Arrival { reference, parts };
            control(modem)?.deliver_parts(&from, &text, &arrival).map_err(|error| error.to_string())?;
        }
        OrderLine::Silence { modem, what } => control(modem)?.silence(what),
    }
    Ok(())
}

/// What goes to standard output.
enum Line {
    Ready(Value),
    Event(Event),
}

/// Two clocks read at one moment: events carry the absolute monotonic time, so that other processes can compare.
#[derive(Debug, Clone, Copy)]
struct Since {
    at: Instant,
    micros: u64,
}

impl Since {
    fn now() -> Self {
        let monotonic = clock_gettime(ClockId::Monotonic);
        let micros = |value: i64| u64::try_from(value).unwrap_or(0);
        let micros = micros(monotonic.tv_sec) * 1_000_000 + micros(monotonic.tv_nsec) / 1000;
        Self { at: clock::monotonic(), micros }
    }

    fn micros(self, at: Instant) -> u64 {
        let later = at.saturating_duration_since(self.at);
        self.micros + u64::try_from(later.as_micros()).unwrap_or(u64::MAX - self.micros)
    }
}

/// Prints until all modems have ended; flushes whenever nothing more waits.
fn print(receiver: &Receiver<Line>, since: Since, quiet: bool) {
    let mut out = BufWriter::new(stdout().lock());
    loop {
        let line = match receiver.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                if out.flush().is_err() {
                    return;
                }
                let Ok(line) = receiver.recv() else { break };
                line
            }
        };
        let value = match line {
            Line::Ready(value) if quiet && value.get("replay").is_some() => continue,
            Line::Ready(value) if quiet => {
                let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let (link, imei, number) = (text("link"), text("imei"), text("number"));
                let _ = writeln!(stderr(), "{link}: IMEI {imei}, number {number}");
                continue;
            }
            Line::Ready(value) => value,
            Line::Event(event) => json_of(&event, since),
        };
        if writeln!(out, "{value}").is_err() {
            return;
        }
    }
    let _ = out.flush();
}

fn json_of(event: &Event, since: Since) -> Value {
    let mut value = match &event.what {
        What::AtReceived(line) => json!({"event": "at", "line": line}),
        What::AtSent(line) => json!({"event": "reply", "line": line}),
        What::Cmgs { n } => json!({"event": "cmgs", "n": n}),
        What::PromptGiven { n } => json!({"event": "prompt", "n": n}),
        What::CtrlZ { n, recipient } => json!({"event": "ctrl-z", "n": n, "to": recipient}),
        What::Answered { n, answer: Ok(reference) } => json!({"event": "answered", "n": n, "mr": reference}),
        What::Answered { n, answer: Err(code) } => json!({"event": "answered", "n": n, "cms": code}),
        What::PhoneShows(shown) => json!({
            "event": "phone", "to": shown.number, "from": shown.from, "text": shown.text, "at": shown.at,
            "flash": shown.flash,
        }),
        What::Taken(tpdu) => json!({"event": "taken", "octets": tpdu.len()}),
        What::HostOpened => json!({"event": "host", "state": "open"}),
        What::HostClosed => json!({"event": "host", "state": "closed"}),
        What::HungUp => json!({"event": "power", "state": "gone"}),
        What::PluggedIn => json!({"event": "power", "state": "there"}),
        What::Replayed(Report { played, of, row, ending }) => json!({
            "event": "replay", "whole": *ending == Ending::Whole, "played": played, "of": of, "row": row,
        }),
    };
    if let Some(fields) = value.as_object_mut() {
        fields.insert("modem".into(), json!(event.modem));
        fields.insert("us".into(), json!(since.micros(event.at)));
    }
    value
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: SimulateOptions,
    }

    fn options(args: &str) -> SimulateOptions {
        let cli = Cli::try_parse_from(std::iter::once("simulate").chain(args.split_whitespace()));
        cli.unwrap_or_else(|error| panic!("{error}")).options
    }

    #[test]
    fn options_make_a_scenario() {
        let options = options(
            "--link /a --link /b --latency 50ms --seed 7 --noise 5 --chunk 1 --error-every 3 --pin 1234 \
             --refuse +491701=28 --silent-after-prompt 2 --events cmgs,phone --imei 490154203237518",
        );
        let [first, second] = [0, 1].map(|index| options.scenario(index, None));
        assert_eq!((first.latency, first.noise, first.chunk), (Duration::from_millis(50), 5, 1));
        assert_eq!((first.imei.as_str(), first.pin.as_deref()), ("490154203237518", Some("1234")));
        assert_eq!(first.silent_after_prompt, Some(SilentAfter::once(2)));
        assert_eq!(first.refused.get("+491701"), Some(&28));
        assert_eq!(second.imei, Scenario::of_seed(7, 1).imei);
        assert_eq!(options.events, Some(Kinds::CMGS.and(Kinds::PHONE)));
        assert_eq!(self::options("--link /a --events --until-eof").events, Some(Kinds::ALL));
    }

    #[test]
    fn a_family_is_a_note_that_we_have_or_a_file() {
        let persona = |args: &str| options(&format!("--link /a {args}")).persona();
        assert!(persona("").unwrap().is_none());
        let stick = persona("--family huawei-stick").unwrap().unwrap();
        let scenario = options("--link /a").scenario(0, None).of_family(stick);
        assert_eq!((scenario.manufacturer.as_str(), scenario.seed), ("huawei", 0));
        let own = Scenario { model: "E1552".into(), ..Scenario::of_seed(0, 0) };
        let stick = persona("--family huawei-stick").unwrap().unwrap();
        assert_eq!(own.of_family(stick).model, "E1552", "the scenario's own model stays");
        assert!(matches!(persona("--family nokia-9000"), Err(CliError::NoSuchFamily(_))));
        assert!(matches!(persona("--family ublox-gnss"), Err(CliError::NoModem(_))));
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("mine.toml");
        std::fs::write(&file, "name = 'mine'\ndescription = 'y'\n[[match]]\nmodel = 'M1'").unwrap();
        let mine = persona(&format!("--family {}", file.display())).unwrap().unwrap();
        assert_eq!(mine.name(), "mine");
        std::fs::write(&file, "name = 'mine'\ndescription = 'y'\ncolour = 'red'").unwrap();
        let wrong = persona(&format!("--family {}", file.display())).unwrap_err().to_string();
        assert!(wrong.contains("line 3") && wrong.contains("colour"), "{wrong}");
    }

    #[test]
    fn orders_are_json() {
        let read = |line| serde_json::from_str::<OrderLine>(line);
        assert!(matches!(read(r#"{"do":"hangup","modem":1}"#), Ok(OrderLine::Hangup { modem: 1 })));
        assert!(matches!(read(r#"{"do":"plug"}"#), Ok(OrderLine::Plug { modem: 0 })));
        assert!(read(r#"{"do":"deliver","from":"INFO","text":"x"}"#).is_ok());
        assert!(read(r#"{"do":"deliver","from":"INFO","text":"x","reference":42,"parts":[3,1]}"#).is_ok());
        let silence = read(r#"{"do":"silence","what":"prompt"}"#);
        assert!(matches!(silence, Ok(OrderLine::Silence { what: Silence::Prompt, .. })));
        assert!(read(r#"{"do":"explode"}"#).is_err());
        assert!(obey("  ", &[]).is_ok() && obey(r#"{"do":"plug"}"#, &[]).is_err());
    }

    #[test]
    fn events_carry_monotonic_microseconds() {
        let since = Since { at: clock::monotonic(), micros: 1000 };
        let at = since.at + Duration::from_micros(250);
        let what = What::CtrlZ { n: 17, recipient: Some("+49170".into()) };
        let value = json_of(&Event { modem: 2, at, what }, since);
        assert_eq!(value, json!({"event": "ctrl-z", "modem": 2, "n": 17, "to": "+49170", "us": 1250}));
    }
}
