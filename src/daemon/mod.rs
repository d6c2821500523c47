//! How the daemon is put together: the configuration becomes the settings of each part ([`App::build`]), the parts become
//! tasks ([`App::spawn`]), and they end in order, sources first ([`Running::drain`]).
//!
//! ```text
//! build:  key -> store (recovered) -> supervisor -> provider::gsm -> dispatcher + inbox -> validate -> api
//! drain:  api refuses -> dispatcher leases no more -> sends in flight end -> drivers close -> store checkpoints
//! ```
//!
//! One thread runs all tasks; the store's writer has its own, and PIN hashes and reads go to a small blocking pool. The end of
//! any task that should run for ever ends the daemon in order, with exit code 70: the store is the truth, and the next start
//! recovers from it.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Config;
use crate::store::engine::{OpenError, Store};
use crate::store::seal::Keyring;
use crate::telemetry;

mod activation;
mod app;
mod demo;
mod key;
mod notify;
mod reload;
mod settings;
mod signals;
mod timekeeping;
mod vitals;
mod watchdog;

pub use app::{App, Running, StartError};

/// sysexits: what is in the database is damaged.
const EX_DATAERR: u8 = 65;
/// sysexits: a required service is not there.
const EX_UNAVAILABLE: u8 = 69;
/// sysexits: internal software error.
const EX_SOFTWARE: u8 = 70;
/// sysexits: a file cannot be made.
const EX_CANTCREAT: u8 = 73;
/// sysexits: a bad configuration.
const EX_CONFIG: u8 = 78;
/// sysexits: wrong usage.
const EX_USAGE: u8 = 64;

/// Blocking threads at most: two readers of the store, two PIN hashes, and files.
const BLOCKING_THREADS: usize = 6;
/// An idle blocking thread ends soon: its stack is memory that an idle daemon does not need.
const BLOCKING_IDLE: std::time::Duration = std::time::Duration::from_secs(2);

#[derive(Debug, Parser)]
#[command(name = "smsotpd", version, about = "One-time codes by SMS from attached GSM modems")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground (what systemd does).
    Run {
        /// The configuration file; without one every key has its default.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show the main job on two simulated modems, in a temporary directory.
    Demo {
        /// Stay up afterwards and print the lines to play with.
        #[arg(long)]
        keep: bool,
    },
    /// Make a key for secrets at rest (mode 0600); never overwrites one.
    Keygen {
        /// Where the key goes.
        path: PathBuf,
    },
}

/// The command line, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) => {
            let _ = asked.print();
            return if asked.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match arguments.command.unwrap_or(Command::Run { config: None }) {
        Command::Run { config } => run(config),
        Command::Demo { keep } => demo::main(keep),
        Command::Keygen { path } => keygen(&path),
    }
}

fn keygen(path: &std::path::Path) -> ExitCode {
    match Keyring::write_new(path) {
        Ok(key) => {
            println!("{}: key {}", path.display(), key.active_id());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("smsotpd: {error}");
            ExitCode::from(EX_CANTCREAT)
        }
    }
}

fn run(path: Option<PathBuf>) -> ExitCode {
    let config = match Config::load_or_default(path.as_deref()) {
        Ok(config) => config,
        Err(findings) => {
            eprintln!("{findings}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    let log = match telemetry::log::init(&settings::log(&config)) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("smsotpd: {error}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    // Before there is a second thread: the environment is read and cleared.
    let passed = match activation::passed() {
        Ok(passed) => passed,
        Err(error) => {
            tracing::error!(%error, "not started");
            return ExitCode::from(EX_CONFIG);
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("smsotpd: no runtime: {error}");
            return ExitCode::from(EX_UNAVAILABLE);
        }
    };
    for warning in config.warnings.iter() {
        tracing::warn!(%warning, "configuration");
    }
    let code = runtime.block_on(serve(config, path, log, passed));
    // A blocking read that hangs on a dead disk must not hold the end up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    ExitCode::from(code)
}

/// One thread for all tasks; see the crate's measurements.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_IDLE)
        .build()
}

/// Runs until a signal or the end of a task; gives the exit code.
async fn serve(
    config: Config,
    path: Option<PathBuf>,
    log: telemetry::log::Handle,
    passed: Option<UnixListener>,
) -> u8 {
    let mut signals = match signals::Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "signals cannot be heard");
            return EX_SOFTWARE;
        }
    };
    let mut reload = reload::Reload::new(config, path, log);
    loop {
        // Kept for a run after this one.
        let socket = match passed.as_ref().map(UnixListener::try_clone).transpose() {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!(%error, "the passed socket cannot be kept");
                return EX_SOFTWARE;
            }
        };
        let app = match App::build(reload.config(), socket).await {
            Ok(app) => app,
            Err(error) => {
                tracing::error!(%error, "not started");
                return error.exit_code();
            }
        };
        let (store, file) = (app.store(), reload.config().store.path.clone());
        let mut running = app.spawn();
        notify::ready();
        match run_until(&mut running, &mut signals, &mut reload, (store, file)).await {
            Some(code) => {
                notify::stopping();
                running.drain().await;
                return code;
            }
            None => running.drain().await,
        }
    }
}

/// Until there is an exit code, or `None` to begin anew.
async fn run_until(
    running: &mut Running,
    signals: &mut signals::Signals,
    reload: &mut reload::Reload,
    (store, damaged): (Store, PathBuf),
) -> Option<u8> {
    let mut watched = std::pin::pin!(watchdog::feed(running.proof()));
    let anew = running.anew();
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                signals::Asked::Stop => return Some(0),
                signals::Asked::Reload => {
                    notify::reloading();
                    reload.apply(running);
                    notify::ready();
                }
            },
            never = &mut watched => match never {},
            () = anew.cancelled() => return None,
            what = store.damaged() => {
                tracing::error!(error = %OpenError::Damaged { path: damaged, reason: what }, "stopping in order");
                return Some(EX_DATAERR);
            }
            task = running.ended() => {
                tracing::error!(task, "a task ended that should run for ever; stopping in order");
                return Some(EX_SOFTWARE);
            }
        }
    }
}
