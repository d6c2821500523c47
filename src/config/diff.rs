//! What a reload changes: every key with its old and new value, and whether it takes effect only after a restart.
//!
//! [`entries`] is the one list of keys with their values; secrets are compared but never shown.

use std::fmt;
use std::time::Duration;

use crate::at::command::Address;
use crate::config::{Config, Hook, HookWay, word_of};
use crate::queue::budget::{ByDimension, Dimension};
use crate::route::budget::Limits;
use crate::secret::Secret;

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key with its section, `store.keep`.
    pub key: &'static str,
    /// It takes effect only after a restart.
    pub restart: bool,
    /// Its value before, as shown to people.
    pub old: String,
    /// Its value now.
    pub new: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.key, self.old, self.new)?;
        if self.restart { f.write_str(" (needs a restart)") } else { Ok(()) }
    }
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key with its section.
    pub key: &'static str,
    /// A change takes effect only after a restart.
    pub restart: bool,
    /// Its value.
    pub value: Shown,
}

/// A value as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// As TOML writes it.
    Value(String),
    /// Not set.
    Unset,
    /// Set, not shown.
    Hidden(Secret),
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => f.write_str(value),
            Self::Unset => f.write_str("(unset)"),
            Self::Hidden(_) => f.write_str("(secret)"),
        }
    }
}

/// What differs between two configurations, in the order of [`entries`]; empty if nothing does.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    entries(old)
        .into_iter()
        .zip(entries(new))
        .filter(|(old, new)| old != new)
        .map(|(old, new)| Change {
            key: new.key,
            restart: new.restart,
            old: old.value.to_string(),
            new: new.value.to_string(),
        })
        .collect()
}

/// Every key with its value, always the same keys in the same order.
#[must_use]
pub fn entries(config: &Config) -> Vec<Entry> {
    let Config {
        store,
        key,
        api,
        callers,
        log,
        modem,
        sims,
        admission,
        queue,
        routes,
        budget,
        sms,
        validate,
        kannel,
        hooks,
        warnings: _,
    } = config;
    let callers = callers.iter().map(|caller| {
        let kannel = caller.kannel.as_ref();
        let kannel = kannel.map(|login| format!(" {}@{}", login.user, login.password_file.display()));
        let kannel = kannel.unwrap_or_default();
        format!("{}={}/{}{kannel}", caller.user, caller.role.as_str(), caller.lane)
    });
    let hooks = hooks.iter().map(hook);
    let targets = log.targets.iter().map(|(target, level)| format!("{target}={}", level.as_str()));
    let balance = modem.balance.as_ref();
    let sims = sims
        .iter()
        .map(|sim| format!("{}={}", sim.name.as_deref().unwrap_or(sim.iccid.as_str()), limits(&sim.budget)));
    let routes = routes.iter().map(|route| {
        let lanes: Vec<_> = route.lanes.iter().map(|lane| lane.as_str()).collect();
        format!("{} {}: {}", route.prefixes.join(","), lanes.join(","), route.channels.join(", "))
    });
    let ports = modem.ports.iter().map(|port| port.display().to_string());
    vec![
        restart("store.path", text(store.path.display())),
        restart("store.url", store.url.clone().map_or(Shown::Unset, Shown::Hidden)),
        live("store.keep", span(store.keep)),
        live("store.keep-login", store.keep_login.map_or(Shown::Unset, span)),
        live("store.keep-alert", store.keep_alert.map_or(Shown::Unset, span)),
        live("store.keep-bulk", store.keep_bulk.map_or(Shown::Unset, span)),
        live("store.keep-inbox", store.keep_inbox.map_or(Shown::Unset, span)),
        live("store.keep-alarms", span(store.keep_alarms)),
        live("store.numbers", span(store.numbers)),
        restart("key.path", text(key.path.display())),
        restart("api.socket", text(api.socket.display())),
        restart("api.mode", text(format!("{:04o}", api.mode))),
        restart("api.group", optional(api.group.as_ref())),
        restart("api.max-connections", number(api.max_connections)),
        restart("api.max-body", number(api.max_body)),
        live("caller", list(callers)),
        live("log.level", text(log.level.as_str())),
        restart("log.format", text(log.format.as_str())),
        live("log.targets", list(targets)),
        restart("modem.directory", text(modem.directory.display())),
        restart("modem.pin", modem.pin.clone().map_or(Shown::Unset, Shown::Hidden)),
        restart("modem.pin-file", optional(modem.pin_file.as_ref().map(|path| path.display()))),
        restart("modem.baud", number(modem.baud)),
        restart("modem.keep-alive", span(modem.keep_alive)),
        restart("modem.submit-limit", span(modem.submit_limit)),
        live("modem.notes", text(modem.notes.display())),
        restart("modem.hang-up-calls", number(modem.hang_up_calls)),
        restart("modem.balance-code", optional(balance.map(|check| check.code.as_str()))),
        restart("modem.balance-pattern", optional(balance.map(|check| &check.pattern))),
        restart("modem.balance-every", balance.map_or(Shown::Unset, |check| span(check.every))),
        restart(
            "modem.balance-threshold",
            balance.and_then(|check| check.threshold).map_or(Shown::Unset, number),
        ),
        restart("modem.roaming", text(word_of(modem.roaming))),
        restart("modem.service-centre", optional(modem.service_centre.as_ref().map(Address::as_str))),
        restart("modem.weak-signal", number(modem.weak_signal.0)),
        restart("modem.site-hook", optional(modem.site_hook.as_ref().map(|path| path.display()))),
        restart("modem.port", list(ports)),
        restart("modem.budget.per-minute", limit(modem.budget.per_minute)),
        restart("modem.budget.per-day", limit(modem.budget.per_day)),
        restart("modem.budget.per-month", limit(modem.budget.per_month)),
        restart("modem.budget.recipients-per-month", limit(modem.budget.recipients)),
        restart("sim", list(sims)),
        live("admission.default-country", optional(admission.default_country.as_ref())),
        live("admission.allow", list(admission.allow.iter().cloned())),
        live("admission.max-segments", number(admission.max_segments)),
        live("admission.lifetime-login", span(admission.lifetime_login)),
        live("admission.lifetime-alert", span(admission.lifetime_alert)),
        live("admission.lifetime-bulk", span(admission.lifetime_bulk)),
        live("queue.login-reserve", number(queue.login_reserve)),
        live("queue.max-login", number(queue.max_login)),
        live("queue.max-alert", number(queue.max_alert)),
        live("queue.max-bulk", number(queue.max_bulk)),
        live("route", list(routes)),
        live("budget.mode", text(word_of(budget.mode))),
        live("budget.block-digits", number(budget.block_digits)),
        live("budget.brake-below", budget.brake.map_or(Shown::Unset, |brake| number(brake.below))),
        live("budget.brake-least", budget.brake.map_or(Shown::Unset, |brake| number(brake.least))),
        live("budget.user", asked(&budget.general, Dimension::User)),
        live("budget.number", asked(&budget.general, Dimension::Number)),
        live("budget.block", asked(&budget.general, Dimension::Block)),
        live("budget.country", asked(&budget.general, Dimension::Country)),
        live("budget.client", asked(&budget.general, Dimension::Client)),
        live("budget.caller", asked(&budget.general, Dimension::Caller)),
        live("budget.box", asked(&budget.general, Dimension::Box)),
        live("budget.proven.user", asked(&budget.proven, Dimension::User)),
        live("budget.proven.number", asked(&budget.proven, Dimension::Number)),
        live("budget.proven.block", asked(&budget.proven, Dimension::Block)),
        live("budget.proven.country", asked(&budget.proven, Dimension::Country)),
        live("budget.proven.client", asked(&budget.proven, Dimension::Client)),
        live("budget.proven.caller", asked(&budget.proven, Dimension::Caller)),
        live("budget.proven.box", asked(&budget.proven, Dimension::Box)),
        live("sms.national-languages", list(sms.national.iter().map(|language| language.word().to_owned()))),
        live("sms.transliterate", text(word_of(sms.transliteration))),
        live("sms.alphabet", text(word_of(sms.allowed))),
        live("kannel.dlr-allow", list(kannel.dlr_allow.iter().cloned())),
        live("hook", list(hooks)),
        live("validate.lifetime", span(validate.lifetime)),
        live("validate.prompt", text(&validate.prompt)),
        live("validate.text", text(&validate.text)),
        live("validate.otp-length", number(validate.otp_length)),
        live("validate.max-failures", number(validate.max_failures)),
        live("validate.hash-permits", number(validate.hash_permits)),
    ]
}

fn live(key: &'static str, value: Shown) -> Entry {
    Entry { key, restart: false, value }
}

fn restart(key: &'static str, value: Shown) -> Entry {
    Entry { key, restart: true, value }
}

fn text(value: impl fmt::Display) -> Shown {
    Shown::Value(format!("{:?}", value.to_string()))
}

fn optional(value: Option<impl fmt::Display>) -> Shown {
    value.map_or(Shown::Unset, text)
}

fn limit(value: Option<u32>) -> Shown {
    value.map_or(Shown::Unset, number)
}

/// Name, way and what it hears; without the query of an address, in which people put tokens.
fn hook(hook: &Hook) -> String {
    let way = match &hook.way {
        HookWay::Web { url, secret_file } => {
            format!("{} signed with {}", url.split('?').next().unwrap_or_default(), secret_file.display())
        }
        HookWay::Exec(program) => program.display().to_string(),
    };
    let events: Vec<&str> = hook.events.iter().map(|event| event.as_str()).collect();
    format!("{}={way} {} {} {}s", hook.name, events.join(","), word_of(hook.numbers), hook.limit.as_secs())
}

/// Minute/hour/day.
fn asked(all: &ByDimension, dimension: Dimension) -> Shown {
    let own = Dimension::ALL.into_iter().zip(all).find(|(other, _)| *other == dimension);
    let limits = own.map_or_else(Default::default, |(_, limits)| *limits);
    let all = [limits.per_minute, limits.per_hour, limits.per_day];
    if all.iter().all(Option::is_none) {
        return Shown::Unset;
    }
    text(all.map(|limit| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string())).join("/"))
}

/// Minute/day/month/recipients.
fn limits(limits: &Limits) -> String {
    let all = [limits.per_minute, limits.per_day, limits.per_month, limits.recipients];
    all.map(|limit| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string())).join("/")
}

fn number(value: impl fmt::Display) -> Shown {
    Shown::Value(value.to_string())
}

fn list(values: impl Iterator<Item = String>) -> Shown {
    Shown::Value(format!("{:?}", values.collect::<Vec<_>>()))
}

/// In the largest unit that divides it, as people write it in the file.
fn span(value: Duration) -> Shown {
    let seconds = value.as_secs();
    let (count, unit) = [(86_400, 'd'), (3_600, 'h'), (60, 'm')]
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit))
        .map_or((seconds, 's'), |(unit, letter)| (seconds / unit, letter));
    Shown::Value(format!("\"{count}{unit}\""))
}
