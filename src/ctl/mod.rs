//! `smsotpctl`: the operator's tool. It asks the daemon over its unix socket, and checks files and decodes traffic without one.
//!
//! Every command has `--json` and prints then what the API answered, unchanged; without it, tables for people. What goes
//! wrong is one line on stderr and an exit code of sysexits, so that a script knows whether to try again (75), to start the daemon (69) or
//! to mend its input (64, 65). No command takes part in the daemon's own work.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

mod alarms;
mod at;
mod check;
mod client;
mod config;
mod dump;
mod encode;
mod events;
mod exchange;
mod failure;
mod fleet;
mod generate;
mod gsm7;
mod inbox;
mod lines;
mod listing;
mod manual;
mod messages;
mod modems;
mod pdu;
mod queue;
mod range;
mod render;
mod routes;
mod secret_input;
mod sendsms;
mod sms;
mod status;
mod store;
mod texts;
mod tokens;
mod udev;

use client::Client;
use failure::Failure;
use render::Output;

use crate::simulator::{SimulateOptions, run_cli};

/// Where the daemon listens unless it is told otherwise.
const DEFAULT_SOCKET: &str = "/run/smsotpd/api.sock";
/// Names another socket for a whole session; `--socket` goes before it.
const SOCKET_VARIABLE: &str = "SMSOTPD_SOCKET";

/// Operate smsotpd: messages, tokens, modems, configuration.
#[derive(Debug, Parser)]
#[command(name = "smsotpctl", version, max_term_width = 100)]
struct Cli {
    /// The daemon's socket [default: $SMSOTPD_SOCKET or /run/smsotpd/api.sock]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print the API's JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How the daemon, its queue and its modems are
    Status,
    /// Send a message
    Send(messages::Send),
    /// Send an alert, as notification scripts call it; also when this program is called by the name sendsms
    Sendsms(sendsms::Sendsms),
    /// Messages in the queue and after it
    #[command(subcommand)]
    Message(messages::Message),
    /// The lanes of the queue
    #[command(subcommand)]
    Queue(queue::Queue),
    /// Texts from phones
    #[command(subcommand)]
    Inbox(inbox::Inbox),
    /// Tokens: which phone belongs to whom
    #[command(subcommand)]
    Token(tokens::Token),
    /// The modems
    #[command(subcommand)]
    Modem(modems::Modem),
    /// Ways of messages
    #[command(subcommand)]
    Route(routes::Route),
    /// What needs a person: conditions of modems and ports, with their remedies
    Alarms(alarms::Options),
    /// Follow what happens: messages, alarms, texts from phones; a line for each
    Events,
    /// One line for Nagios, Icinga and their kin; exits with 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    Check(check::Options),
    /// Backups, the full check, and keys
    #[command(subcommand)]
    Store(store::Store),
    /// The configuration file
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print the udev rules for all modems that the firmware notes know
    UdevRules(udev::UdevRules),
    /// SMS PDUs, without a daemon
    #[command(subcommand)]
    Pdu(pdu::PduCommand),
    /// Texts before they are sent, without a daemon
    #[command(subcommand)]
    Sms(sms::SmsCommand),
    /// Recorded AT traffic, without a daemon
    #[command(subcommand)]
    At(at::AtCommand),
    /// The GSM 7 bit alphabet, without a daemon
    #[command(subcommand)]
    Gsm7(gsm7::Gsm7Command),
    /// Play the other end: modems, a network and phones
    #[command(subcommand)]
    Simulate(Simulate),
    /// Make what a package installs beside the programs
    #[command(subcommand, hide = true)]
    Generate(generate::Generate),
}

#[derive(Debug, Subcommand)]
enum Simulate {
    /// Modems behind ptys; events as JSON lines on stdout, orders as JSON lines on stdin
    Modem(Box<SimulateOptions>),
}

/// Runs the tool with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = sendsms::by_name(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(told) => return usage(&told, is_check(arguments)),
    };
    let json = cli.json;
    match run(cli) {
        Ok(code) => code,
        Err(failure) => failure.tell(json),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { socket, json, command } = cli;
    let output = Output { json };
    let client = || Client::new(socket.unwrap_or_else(socket_from_environment));
    match command {
        Command::Status => status::run(&client()?, output),
        Command::Send(send) => messages::send(&client()?, output, send),
        Command::Sendsms(asked) => sendsms::run(&client()?, output, asked),
        Command::Message(message) => messages::run(&client()?, output, message),
        Command::Queue(queue) => queue::run(&client()?, output, queue),
        Command::Inbox(inbox) => inbox::run(&client()?, output, inbox),
        Command::Token(token) => tokens::run(&client()?, output, token),
        Command::Modem(modem) => modems::run(&client()?, output, modem),
        Command::Route(route) => routes::run(&client()?, output, route),
        Command::Events => events::run(&client()?, output),
        Command::Alarms(options) => alarms::run(&client()?, output, options),
        Command::Check(options) => {
            let client = client().map(|client| client.within(options.limit()));
            return Ok(check::run(client, json, &options));
        }
        Command::Store(command) => store::run(client, output, command),
        Command::Config(command) => config::run(output, command),
        Command::UdevRules(options) => udev::run(output, options),
        Command::Pdu(command) => pdu::run(output, command),
        Command::Sms(command) => sms::run(output, command),
        Command::At(command) => at::run(output, command),
        Command::Gsm7(command) => gsm7::run(output, command),
        Command::Generate(what) => generate::run(what, Cli::command(), crate::daemon::command()),
        Command::Simulate(Simulate::Modem(options)) => return Ok(run_cli(&options)),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn socket_from_environment() -> PathBuf {
    let named = std::env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty());
    named.map_or_else(|| DEFAULT_SOCKET.into(), PathBuf::from)
}

/// Whether `check` was asked for, whatever is wrong with the rest.
fn is_check(arguments: Vec<OsString>) -> bool {
    let found = Cli::command().ignore_errors(true).try_get_matches_from(arguments);
    found.is_ok_and(|matches| matches.subcommand_name() == Some("check"))
}

/// Help and version are no errors; everything else that clap finds is usage, which whoever runs a check calls unknown.
fn usage(told: &clap::Error, check: bool) -> ExitCode {
    let printed = told.print();
    match told.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if printed.is_ok() => ExitCode::SUCCESS,
        _ if check => ExitCode::from(check::EX_UNKNOWN),
        _ => ExitCode::from(failure::EX_USAGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_anywhere() {
        let cli = Cli::try_parse_from(["smsotpctl", "message", "list", "--json", "--socket", "/s"]).unwrap();
        assert!(cli.json);
        assert_eq!(cli.socket, Some("/s".into()));
    }
}
