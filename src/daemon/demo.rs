//! `smsotpd demo`: the main job in one run, with nothing canned. The same [`App`] as in a service start, on embedded defaults in a
//! temporary directory, with two simulated modems on ptys; the demo is only a client of its socket and an onlooker at the phone.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::daemon::app::{App, Running};
use crate::daemon::{EX_SOFTWARE, EX_UNAVAILABLE, runtime};
use crate::simulator::{Event, Kinds, Network, Scenario, Shown, Simulator, Watch, What};
use crate::store::seal::{KeyError, Keyring};
use crate::telemetry::log;
use crate::{clock, daemon::signals};

mod story;

/// Nothing in the demo takes longer on a machine that works.
const PATIENCE: Duration = Duration::from_secs(30);
/// A text and its dialogue are a dozen events; the whole demo is a few hundred.
const EVENTS_WAITING: usize = 1_024;
/// What the air takes: short enough for an impatient newcomer, long enough to be seen.
const LATENCY: Duration = Duration::from_millis(300);
/// Any seed makes the same two modems every time.
const SEED: u64 = 1;

/// Why the demo did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the daemon does not start: {0}")]
    Start(#[from] super::StartError),
    #[error("the demo's own configuration is wrong:\n{0}")]
    Config(#[from] crate::config::Findings),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("no answer: {0}")]
    Http(#[from] reqwest::Error),
    #[error("{what} did not come within {PATIENCE:?}")]
    Late { what: &'static str },
    #[error("expected {expected}, got {answer}")]
    Unexpected { expected: &'static str, answer: Value },
}

/// Runs the demo; with `keep` the daemon stays up afterwards until Ctrl-C.
pub(super) fn main(keep: bool) -> ExitCode {
    // Only what goes wrong: the story tells the rest.
    let quiet = log::Settings { levels: "warn".to_owned(), ..log::Settings::default() };
    if let Err(error) = log::init(&quiet) {
        eprintln!("smsotpd: {error}");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("smsotpd demo: no runtime: {error}");
            return ExitCode::from(EX_UNAVAILABLE);
        }
    };
    match runtime.block_on(play(keep)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smsotpd demo: {error}");
            ExitCode::from(EX_SOFTWARE)
        }
    }
}

async fn play(keep: bool) -> Result<(), DemoError> {
    let place = tempfile::Builder::new().prefix("smsotpd-demo-").tempdir()?;
    let ports = place.path().join("ports");
    std::fs::create_dir(&ports)?;
    let (events, seen) = mpsc::channel(EVENTS_WAITING);
    let _modems = modems(&ports, &events)?;
    Keyring::write_new(&place.path().join("key"))?;
    let app = App::build(&Config::parse(&configuration(place.path()), "demo")?, None).await?;
    let mut running = app.spawn();
    let socket = place.path().join("api.sock");
    let told = tokio::select! {
        told = story::tell(&socket, Onlooker { seen }) => told,
        task = running.ended() => {
            tracing::error!(task, "a task ended that should run for ever");
            Err(DemoError::Late { what: "the end of the story" })
        }
    };
    if told.is_ok() && keep {
        stay(&socket, &ports).await?;
    }
    end(running).await;
    told
}

fn configuration(place: &Path) -> String {
    let at = |name: &str| place.join(name).display().to_string();
    format!(
        "[store]\npath = {:?}\n[key]\npath = {:?}\n[api]\nsocket = {:?}\n[modem]\ndirectory = {:?}\n",
        at("smsotpd.db"),
        at("key"),
        at("api.sock"),
        at("ports"),
    )
}

/// Two modems in one network, each behind its own pty.
fn modems(ports: &Path, events: &mpsc::Sender<Event>) -> Result<Vec<Simulator>, DemoError> {
    let network = Network::new(clock::monotonic(), clock::wall());
    let mut modems = Vec::new();
    for (index, number) in [(0_usize, 0_u32), (1, 1)] {
        let scenario = Scenario { latency: LATENCY, ..Scenario::of_seed(SEED, number) };
        let events = events.clone();
        let kinds = [Kinds::REPLY, Kinds::PROMPT, Kinds::CTRL_Z, Kinds::PHONE]
            .into_iter()
            .fold(Kinds::AT, Kinds::and);
        // An onlooker that is too slow misses a line of the dialogue; the modem does not wait for it.
        let watch = Watch { kinds, sink: Box::new(move |event| drop(events.try_send(event))) };
        let link = ports.join(format!("modem{index}"));
        modems.push(Simulator::start(scenario, &network, &link, index, watch)?);
    }
    Ok(modems)
}

/// Stays up with the lines to play with.
async fn stay(socket: &Path, ports: &Path) -> Result<(), DemoError> {
    let socket = socket.display();
    println!("\n== The daemon stays up; Ctrl-C ends it. To play with:\n");
    println!("  curl --unix-socket {socket} http://localhost/validate/check -d user=alice -d pass=4321");
    println!(
        "  curl --unix-socket {socket} http://localhost/v1/messages --json '{{\"to\": \"+491701234567\", \"text\": \"Hello\"}}'"
    );
    println!("  curl --unix-socket {socket} http://localhost/metrics");
    println!("  smsotpctl --socket {socket} status");
    println!("  smsotpctl --socket {socket} modem list");
    println!("  smsotpctl --socket {socket} send +491701234567 \"Hello\"");
    println!("  smsotpctl --socket {socket} message list");
    println!("  smsotpctl simulate modem --link {}    # a third modem", ports.join("modem2").display());
    signals::Signals::new()?.next().await;
    Ok(())
}

async fn end(running: Running) {
    running.drain().await;
}

/// Watches the modems' lines and the phones.
struct Onlooker {
    seen: mpsc::Receiver<Event>,
}

impl Onlooker {
    /// Prints the AT dialogue of one message in brief, and gives what the phone with this number shows.
    async fn phone(&mut self, number: &str) -> Result<Shown, DemoError> {
        let watch = async {
            let (mut phone, mut answered) = (None, false);
            while phone.is_none() || !answered {
                let Event { modem, what, .. } = self.seen.recv().await?;
                match what {
                    What::AtReceived(line) if line.starts_with("AT+CMGS") => {
                        println!("   modem{modem} -> {line}");
                    }
                    What::PromptGiven { .. } => println!("   modem{modem} <- >"),
                    What::CtrlZ { .. } => println!("   modem{modem} -> <PDU> Ctrl-Z"),
                    What::AtSent(line) if line.starts_with("+CMGS") => {
                        println!("   modem{modem} <- {line}");
                        answered = true;
                    }
                    What::PhoneShows(shown) if shown.number == number => phone = Some(shown),
                    _ => {}
                }
            }
            phone
        };
        let late = DemoError::Late { what: "the text" };
        tokio::time::timeout(PATIENCE, watch).await.ok().flatten().ok_or(late)
    }
}
