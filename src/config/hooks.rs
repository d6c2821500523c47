//! `[[hook]]` and `[kannel]`: who is told what happens. Only this file can name a place that the daemon calls or a program that it runs.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::finding::Fault;
use super::raw::{self, Limits, Section};
use super::{Word, check::SECOND};
use crate::queue::callback::beginning;
use crate::store::{Event, Numbers};

/// A hook's limit: below a second nobody answers, beyond a minute nobody waits.
const LIMIT: Limits = Limits { least: SECOND, most: (Duration::from_secs(60), "1m") };
/// So many hooks are enough for anybody; each has stories under way of its own.
const MOST: usize = 16;
/// Characters of a name, which is a label of metrics.
const LONGEST_NAME: usize = 32;

/// Who is told of some events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name; what waits for it goes by it.
    pub name: String,
    /// How it is reached.
    pub way: HookWay,
    /// What it wants to hear of.
    pub events: Vec<Event>,
    /// How numbers are told.
    pub numbers: Numbers,
    /// How long it may take.
    pub limit: Duration,
}

/// How a hook is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookWay {
    /// By a signed `POST`.
    Web {
        /// Where.
        url: String,
        /// The file with the secret that signs.
        secret_file: PathBuf,
    },
    /// By running a program.
    Exec(PathBuf),
}

/// Kannel's interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kannel {
    /// How a `dlr-url` may begin; empty refuses all.
    pub dlr_allow: Vec<String>,
}

impl Word for Numbers {
    const WORDS: &'static [(&'static str, Self)] = &[("full", Self::Full), ("masked", Self::Masked)];
}

impl Word for Event {
    const WORDS: &'static [(&'static str, Self)] = Self::WORDS;
}

pub(super) fn kannel(at: Section<'_, '_>) -> Kannel {
    let mut kannel = Kannel::default();
    if let Some(value) = at.value("dlr-allow") {
        let DeValue::Array(texts) = value.get_ref() else {
            let wanted = "an array of addresses such as [\"http://127.0.0.1:8080/dlr\"]";
            at.fault("dlr-allow", Some(value), Fault::Type { found: raw::kind(value), wanted });
            return kannel;
        };
        for value in texts.iter() {
            let Some(text) = at.text_of("dlr-allow", value) else { continue };
            match beginning(&text).filter(|text| text.starts_with("http://")) {
                Some(beginning) => kannel.dlr_allow.push(beginning),
                None => at.fault("dlr-allow", Some(value), Fault::Text { value: text, remedy: ADDRESS }),
            }
        }
    }
    at.done();
    kannel
}

const ADDRESS: &str = "write \"http://host:port/path\", without a user or '..' in it; what is https takes a relay beside the daemon";

pub(super) fn hooks(tables: Vec<Section<'_, '_>>) -> Vec<Hook> {
    let mut hooks: Vec<Hook> = Vec::with_capacity(tables.len());
    for at in tables {
        if hooks.len() >= MOST {
            at.fault("name", None, Fault::Missing("16 hooks are the most; let one receiver serve several"));
        }
        let name = name(&at, &hooks);
        let way = way(&at);
        let events = events(&at);
        let numbers = at.word("numbers").unwrap_or(Numbers::Masked);
        let mut limit = Duration::from_secs(10);
        at.duration("limit", &LIMIT, &mut limit);
        if let (Some(name), Some(way)) = (name, way) {
            hooks.push(Hook { name, way, events, numbers, limit });
        }
        at.done();
    }
    hooks
}

fn name(at: &Section<'_, '_>, before: &[Hook]) -> Option<String> {
    let Some(value) = at.value("name") else {
        at.fault("name", None, Fault::Missing("write name = \"...\"; what waits for the hook goes by it"));
        return None;
    };
    let name = at.text("name")?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name == "dlr" || name.len() > LONGEST_NAME || !name.chars().all(fits) {
        let remedy =
            "write up to 32 small letters, digits and '-', and not \"dlr\", which is Kannel's clients";
        at.fault("name", Some(value), Fault::Text { value: name, remedy });
        return None;
    }
    if before.iter().any(|hook| hook.name == name) {
        at.fault("name", Some(value), Fault::Twice(name));
        return None;
    }
    Some(name)
}

fn way(at: &Section<'_, '_>) -> Option<HookWay> {
    let (url, exec) = (at.text("url"), at.optional_absolute("exec"));
    let secret_file = at.optional_absolute("secret-file");
    match (url, exec, secret_file) {
        (Some(_), Some(_), _) => {
            at.fault("exec", at.value("exec"), Fault::Excludes("hook.url"));
            None
        }
        (Some(url), None, secret_file) => {
            let fits =
                url.starts_with("http://") && reqwest::Url::parse(&url).is_ok_and(|url| url.has_host());
            if !fits {
                at.fault("url", at.value("url"), Fault::Text { value: url, remedy: ADDRESS });
                return None;
            }
            if at.value("secret-file").is_none() {
                let remedy =
                    "name a file with the secret that signs what is posted; `openssl rand -hex 32` makes one";
                at.fault("secret-file", at.value("url"), Fault::Missing(remedy));
            }
            Some(HookWay::Web { url, secret_file: secret_file? })
        }
        (None, Some(exec), None) => Some(HookWay::Exec(exec)),
        (None, Some(_), Some(_)) => {
            at.fault("secret-file", at.value("secret-file"), Fault::Excludes("hook.exec"));
            None
        }
        (None, None, _) => {
            if at.value("url").is_none() && at.value("exec").is_none() {
                let remedy = "write url = \"http://...\" or exec = \"/path/of/a/program\"";
                at.fault("url", None, Fault::Missing(remedy));
            }
            None
        }
    }
}

fn events(at: &Section<'_, '_>) -> Vec<Event> {
    let remedy = "write events = [\"message.failed\", \"alarm.raised\", \"inbound\"] or others";
    let Some(value) = at.value("events") else {
        at.fault("events", None, Fault::Missing(remedy));
        return Vec::new();
    };
    let DeValue::Array(words) = value.get_ref() else {
        let wanted = "an array of events such as [\"alarm.raised\"]";
        at.fault("events", Some(value), Fault::Type { found: raw::kind(value), wanted });
        return Vec::new();
    };
    let mut events: Vec<Event> = Vec::new();
    for value in words.iter() {
        let Some(event) = at.word_of::<Event>("events", value) else { continue };
        if events.contains(&event) {
            at.fault("events", Some(value), Fault::Twice(event.as_str().to_owned()));
        }
        events.push(event);
    }
    if words.is_empty() {
        at.fault("events", Some(value), Fault::Missing(remedy));
    }
    events
}
