//! `check`: one line for Nagios, Icinga and their kin, by the Monitoring Plugins Development Guidelines.
//!
//! ```text
//! SMSOTPD OK - 2 of 2 modems ready, queue empty | modems_ready=2;;1:;0;2 queue=0;;;0 oldest=0s;60;300;0 ...
//! ```
//!
//! What is judged is what the daemon tells in one answer: its open alarms, by their severity; whether its store can be written;
//! and figures against thresholds. A daemon that does not answer is critical: what it is there for does not work. Unknown is what keeps
//! the check itself from being made: wrong options, no right to ask.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::client::Client;
use super::failure::Failure;
use super::range::Range;
use super::render;

/// What the guidelines call the states; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

/// The exit code when the check could not be made.
pub(super) const EX_UNKNOWN: u8 = State::Unknown as u8;

/// Ranges are those of the plug-in guidelines: `10` raises above ten, `10:` below ten, `@10:20` within.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Modems that are ready: a warning outside
    #[arg(long, value_name = "RANGE")]
    ready_warning: Option<Range>,
    /// Modems that are ready: critical outside
    #[arg(long, value_name = "RANGE", default_value = "1:")]
    ready_critical: Range,
    /// Messages that wait or are leaving: a warning outside
    #[arg(long, value_name = "RANGE")]
    queue_warning: Option<Range>,
    /// Messages that wait or are leaving: critical outside
    #[arg(long, value_name = "RANGE")]
    queue_critical: Option<Range>,
    /// Seconds that the oldest message waits: a warning outside
    #[arg(long, value_name = "RANGE", default_value = "60")]
    oldest_warning: Range,
    /// Seconds that the oldest message waits: critical outside
    #[arg(long, value_name = "RANGE", default_value = "300")]
    oldest_critical: Range,
    /// Seconds for the answer; after that the daemon is down
    #[arg(short, long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u16).range(1..))]
    timeout: u16,
}

impl Options {
    /// How long the daemon may take.
    pub(super) fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    state: State,
    /// What is the matter, the worst first; empty if nothing is.
    matters: Vec<String>,
    /// How it stands.
    summary: String,
    /// Performance data.
    figures: Vec<String>,
}

/// One figure with its thresholds.
struct Figure<'a> {
    label: &'static str,
    /// For people: `3 modems ready`.
    told: String,
    value: u64,
    unit: &'static str,
    warning: Option<&'a Range>,
    critical: Option<&'a Range>,
    most: Option<u64>,
}

/// Asks, prints the line and gives the exit code.
pub(super) fn run(client: Result<Client, Failure>, as_json: bool, options: &Options) -> ExitCode {
    let answer = client.and_then(|client| client.get("/v1/status", &[]));
    let found = answer.map_or_else(|failure| unanswered(&failure), |answer| judge(&answer, options));
    let line = if as_json { found.json().to_string() } else { found.line() };
    // Where nobody listens the exit code still tells.
    let _ = writeln!(io::stdout().lock(), "{line}");
    ExitCode::from(found.state as u8)
}

/// No answer. The guidelines want network errors and time-outs not to be called unknown.
fn unanswered(failure: &Failure) -> Found {
    let told = render::one_line(&failure.to_string());
    let (state, remedy) = match failure {
        Failure::Down { .. } | Failure::Cut(_) => (State::Critical, ""),
        Failure::Refused(refusal) if refusal.status >= 500 => (State::Critical, ""),
        Failure::Refused(refusal) if refusal.status == 403 => {
            (State::Unknown, "; give the user that checks the role \"send\" in [[caller]]")
        }
        _ => (State::Unknown, ""),
    };
    Found { state, matters: vec![format!("{told}{remedy}")], summary: String::new(), figures: Vec::new() }
}

/// What `/v1/status` tells.
fn judge(answer: &Value, options: &Options) -> Found {
    let mut matters = alarms(answer);
    if let Some(why) = answer.pointer("/store/unwritable").and_then(Value::as_str) {
        let known = |(_, told): &(State, String)| told.starts_with("store-unwritable");
        if !matters.iter().any(known) {
            matters
                .push((State::Critical, format!("the store cannot be written: {}", render::one_line(why))));
        }
    }
    let (ready, modems) = modems(answer);
    let queued = queued(answer);
    let oldest = answer.pointer("/queue/oldest_seconds").and_then(Value::as_u64).unwrap_or(0);
    let figures = [
        Figure {
            label: "modems_ready",
            told: format!("{ready} of {modems} modems ready"),
            value: ready,
            unit: "",
            warning: options.ready_warning.as_ref(),
            critical: Some(&options.ready_critical),
            most: Some(modems),
        },
        Figure {
            label: "queue",
            told: if queued == 0 { "queue empty".to_owned() } else { format!("{queued} in the queue") },
            value: queued,
            unit: "",
            warning: options.queue_warning.as_ref(),
            critical: options.queue_critical.as_ref(),
            most: None,
        },
        Figure {
            label: "oldest",
            told: format!("the oldest waits for {oldest} s"),
            value: oldest,
            unit: "s",
            warning: Some(&options.oldest_warning),
            critical: Some(&options.oldest_critical),
            most: None,
        },
    ];
    matters.extend(figures.iter().filter_map(Figure::matter));
    let count = |wanted: &str| {
        let severities = list(answer, "alarms").filter_map(|alarm| alarm.get("severity")?.as_str());
        severities.filter(|severity| *severity == wanted).count()
    };
    let counts = ["warning", "critical"].map(|severity| format!("alarms_{severity}={};;;0", count(severity)));
    // What is told is sorted by its badness, and within that as it came.
    matters.sort_by_key(|(state, _)| std::cmp::Reverse(*state));
    Found {
        state: matters.first().map_or(State::Ok, |(state, _)| *state),
        matters: matters.into_iter().map(|(_, told)| told).collect(),
        summary: figures.iter().take(2).map(|figure| figure.told.clone()).collect::<Vec<_>>().join(", "),
        figures: figures.iter().map(Figure::data).chain(counts).collect(),
    }
}

/// The open alarms: what, where, why, and what to do.
fn alarms(answer: &Value) -> Vec<(State, String)> {
    let told = |alarm: &Value| {
        let part = |key: &str| alarm.get(key).map_or_else(String::new, render::plain);
        let severe = alarm.get("severity").and_then(Value::as_str) == Some("critical");
        let text = format!("{} {}: {} ({})", part("kind"), part("subject"), part("cause"), part("remedy"));
        (if severe { State::Critical } else { State::Warning }, text)
    };
    list(answer, "alarms").map(told).collect()
}

/// Modems that send now, of those that there should be: a second port of a modem is none, nor is what is no modem.
fn modems(answer: &Value) -> (u64, u64) {
    let state = |modem: &Value| modem.get("state").and_then(Value::as_str).map(str::to_owned);
    let own = list(answer, "modems").filter(|modem| {
        let state = state(modem);
        !matches!(state.as_deref(), Some("spare" | "unusable"))
    });
    let own: Vec<_> = own.collect();
    let sends = |modem: &&&Value| {
        state(modem).as_deref() == Some("ready") && modem.get("paused") != Some(&Value::Bool(true))
    };
    (own.iter().filter(sends).count() as u64, own.len() as u64)
}

/// Messages that have not left, of all lanes.
fn queued(answer: &Value) -> u64 {
    let lanes = answer.get("messages").and_then(Value::as_object);
    let lanes = lanes.into_iter().flat_map(|lanes| lanes.values());
    let of = |lane: &Value, state: &str| lane.get(state).and_then(Value::as_u64).unwrap_or(0);
    lanes.map(|lane| of(lane, "queued").saturating_add(of(lane, "leased"))).sum()
}

fn list<'a>(answer: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    answer.get(key).and_then(Value::as_array).into_iter().flatten()
}

impl Figure<'_> {
    fn matter(&self) -> Option<(State, String)> {
        let crossed = |range: Option<&Range>| range.is_some_and(|range| range.is_crossed(self.value));
        let state = match (crossed(self.critical), crossed(self.warning)) {
            (true, _) => State::Critical,
            (false, true) => State::Warning,
            (false, false) => return None,
        };
        Some((state, self.told.clone()))
    }

    /// `label=value[unit];[warn];[crit];[min];[max]`.
    fn data(&self) -> String {
        let range = |range: Option<&Range>| range.map(Range::to_string).unwrap_or_default();
        let (warning, critical) = (range(self.warning), range(self.critical));
        let most = self.most.map_or_else(String::new, |most| format!(";{most}"));
        format!("{}={}{};{warning};{critical};0{most}", self.label, self.value, self.unit)
    }
}

impl Found {
    /// The whole line. A bar in it would begin the performance data.
    fn line(&self) -> String {
        let summary = Some(&self.summary).filter(|summary| !summary.is_empty());
        let new =
            summary.filter(|summary| self.matters.iter().all(|matter| !summary.contains(matter.as_str())));
        let told: Vec<&str> = self.matters.iter().chain(new).map(String::as_str).collect();
        let mut line = format!("SMSOTPD {} - {}", self.state.word(), told.join("; ").replace('|', "/"));
        if !self.figures.is_empty() {
            line.push_str(" | ");
            line.push_str(&self.figures.join(" "));
        }
        line
    }

    fn json(&self) -> Value {
        let Self { state, matters, summary, figures } = self;
        json!({"state": state.word(), "exit": *state as u8, "matters": matters, "summary": summary, "figures": figures})
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::failure::Refusal;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &[&str]) -> Options {
        Line::try_parse_from(["check"].iter().chain(arguments)).unwrap().options
    }

    fn status() -> Value {
        json!({
            "messages": {"login": {"queued": 0, "delivered": 7}, "bulk": {"queued": 2, "leased": 1}},
            "queue": {"oldest_seconds": 5},
            "store": {"unwritable": null},
            "alarms": [],
            "modems": [
                {"state": "ready", "paused": false},
                {"state": "ready", "paused": true},
                {"state": "spare"},
                {"state": "unusable"},
                {"state": "away"},
            ],
        })
    }

    #[test]
    fn a_well_daemon_is_one_line_with_its_figures() {
        let found = judge(&status(), &options(&[]));
        assert_eq!(
            found.line(),
            "SMSOTPD OK - 1 of 3 modems ready, 3 in the queue | modems_ready=1;;1:;0;3 queue=3;;;0 oldest=5s;60;300;0 \
             alarms_warning=0;;;0 alarms_critical=0;;;0"
        );
    }

    #[test]
    fn thresholds_are_told_by_the_figure_that_crossed_them() {
        let state = |arguments: &[&str]| judge(&status(), &options(arguments)).state;
        assert_eq!(state(&["--ready-warning", "2:"]), State::Warning);
        assert_eq!(state(&["--ready-critical", "2:", "--ready-warning", "3:"]), State::Critical);
        assert_eq!(state(&["--queue-warning", "3"]), State::Ok);
        assert_eq!(state(&["--queue-critical", "2"]), State::Critical);
        let found = judge(&status(), &options(&["--oldest-warning", "4"]));
        let line = found.line();
        assert!(line.starts_with("SMSOTPD WARNING - the oldest waits for 5 s; 1 of 3"), "{line}");
        assert!(line.contains(" oldest=5s;4;300;0 "), "{line}");
        let found = judge(&status(), &options(&["--ready-warning", "2:"]));
        assert_eq!(found.line().matches("modems ready").count(), 1, "told once: {}", found.line());
    }

    #[test]
    fn alarms_are_told_with_their_remedy_the_worst_first() {
        let mut status = status();
        status["alarms"] = json!([
            {"kind": "signal-weak", "severity": "warning", "subject": "490", "cause": "a|b", "remedy": "move it"},
            {"kind": "sim-locked", "severity": "critical", "subject": "491", "cause": "PUK\nwanted", "remedy": "unlock it"},
        ]);
        let line = judge(&status, &options(&[])).line();
        assert!(
            line.starts_with(
                "SMSOTPD CRITICAL - sim-locked 491: PUK wanted (unlock it); signal-weak 490: a/b"
            ),
            "{line}"
        );
        assert_eq!((line.matches('|').count(), line.lines().count()), (1, 1), "{line}");
        assert!(line.ends_with("alarms_warning=1;;;0 alarms_critical=1;;;0"), "{line}");
        status["alarms"].as_array_mut().unwrap().pop();
        assert_eq!(judge(&status, &options(&[])).state, State::Warning);
        status["store"]["unwritable"] = json!("disk is full");
        assert_eq!(judge(&status, &options(&[])).state, State::Critical, "an alarm of it may find no room");
    }

    #[test]
    fn who_does_not_answer_is_critical_and_what_cannot_be_asked_unknown() {
        let refused = |status| {
            let refusal = Refusal { status, code: String::new(), text: String::new() };
            unanswered(&Failure::Refused(refusal))
        };
        assert_eq!((refused(503).state, refused(404).state), (State::Critical, State::Unknown));
        assert!(refused(403).line().contains("role \"send\""), "{}", refused(403).line());
        assert_eq!(unanswered(&Failure::Cut("timed out".to_owned())).state, State::Critical);
        assert_eq!(unanswered(&Failure::Answer("no JSON".to_owned())).state, State::Unknown);
    }
}
