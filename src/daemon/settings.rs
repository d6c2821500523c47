//! From the configuration to the settings of each part: the only place where both are known.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::api::caller::{CallerError, Callers, Login, Role, Rule, User, gid_of};
use crate::api::listen;
use crate::config::{self, Config};
use crate::daemon::app::StartError;
use crate::dispatch;
use crate::dispatch::hooks::{self, Hook, Hooks, Way};
use crate::modem::profile::Library;
use crate::modem::supervisor::{FleetSettings, Hold, PinMemory, PortSettings};
use crate::provider::{ChannelId, PROVIDERS};
use crate::queue::admission::Rules;
use crate::queue::lanes::PerLane;
use crate::queue::prefix::AllowList;
use crate::route::budget::Budgets;
use crate::route::rule::{self, Named};
use crate::secret::Secret;
use crate::store::{Held, Keep};
use crate::telemetry::log;
use crate::units::Iccid;
use crate::validate;

/// A submit in flight gets this long to end when the daemon stops; then it is stored as uncertain.
pub(super) const STOP_LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

/// Format and levels of the log.
pub(super) fn log(config: &Config) -> log::Settings {
    let format = match config.log.format {
        config::LogFormat::Text => log::Format::Text,
        config::LogFormat::Json => log::Format::Json,
    };
    log::Settings { format, levels: levels(config) }
}

/// `info,smsotpd::modem=debug`.
pub(super) fn levels(config: &Config) -> String {
    let mut levels = config.log.level.as_str().to_owned();
    for (target, level) in &config.log.targets {
        // Writing to a string cannot fail.
        let _ = write!(levels, ",{target}={}", level.as_str());
    }
    levels
}

/// What admission lets in.
pub(super) fn rules(config: &Config) -> Rules {
    let admission = &config.admission;
    Rules {
        default_country: admission.default_country.clone(),
        allow: AllowList { named: admission.allow.clone(), home: admission.default_country.clone() },
        max_segments: admission.max_segments,
        texts: config.sms.clone(),
        lifetimes: [admission.lifetime_login, admission.lifetime_alert, admission.lifetime_bulk],
        budgets: config.budget.clone(),
        ..Rules::default()
    }
}

/// How many unsent messages each lane may hold.
pub(super) fn bounds(config: &Config) -> PerLane<Option<u64>> {
    let queue = &config.queue;
    PerLane { login: Some(queue.max_login), alert: Some(queue.max_alert), bulk: Some(queue.max_bulk) }
}

/// What validation needs; the texts were checked when the configuration was read.
pub(super) fn validate(config: &Config) -> Result<validate::Settings, crate::otp::template::TemplateError> {
    let section = &config.validate;
    Ok(validate::Settings {
        lifetime: section.lifetime,
        otp_length: section.otp_length,
        max_failures: section.max_failures,
        hash_permits: section.hash_permits,
        ..validate::Settings::new(&section.text, &section.prompt)?
    })
}

/// The modems.
pub(super) fn fleet(
    config: &Config,
    notes: watch::Receiver<Arc<Library>>,
    pin: Option<Secret>,
    pins: PinMemory,
    held: Vec<Held>,
) -> FleetSettings {
    let modem = &config.modem;
    FleetSettings {
        sysfs: "/sys".into(),
        notes,
        directory: modem.directory.clone(),
        fixed: modem.ports.clone(),
        default: PortSettings {
            baud: modem.baud,
            pin,
            keep_alive: Some(modem.keep_alive),
            submit_limit: Some(modem.submit_limit),
            hang_up_calls: modem.hang_up_calls,
            balance: modem.balance.clone(),
            roaming: modem.roaming,
            service_centre: modem.service_centre.clone(),
            profile: None,
        },
        ports: BTreeMap::new(),
        held: held.into_iter().map(|held| (held.modem, hold_of(held.finishing))).collect(),
        pins: Some(pins),
        site_hook: modem.site_hook.clone(),
        stop_limit: STOP_LIMIT,
    }
}

fn hold_of(finishing: bool) -> Hold {
    if finishing { Hold::Draining } else { Hold::Paused }
}

/// How long what is over stays.
pub(super) fn keep(config: &Config) -> Keep {
    let store = &config.store;
    let lanes = [store.keep_login, store.keep_alert, store.keep_bulk];
    Keep {
        lanes: lanes.map(|own| own.unwrap_or(store.keep)),
        inbox: store.keep_inbox.unwrap_or(store.keep),
        alarms: store.keep_alarms,
        numbers: store.numbers,
        copies: store.keep,
    }
}

/// What each SIM may send.
pub(super) fn budgets(config: &Config) -> Budgets {
    let own = config.sims.iter().map(|sim| (ChannelId::of_sim(&sim.iccid).0.to_string(), sim.budget));
    Budgets { general: config.modem.budget, own: own.collect() }
}

/// How messages find their way.
pub(super) fn dispatch(config: &Config) -> dispatch::Settings {
    let routed = |route: &config::Route| rule::Rule {
        prefixes: route.prefixes.clone(),
        lanes: route.lanes.clone(),
        channels: route.channels.iter().map(|name| named(config, name)).collect(),
    };
    let routes = rule::Rules(config.routes.iter().map(routed).collect());
    dispatch::Settings { login_reserve: config.queue.login_reserve, routes }
}

/// What a rule means by a name, which was checked when the configuration was read.
fn named(config: &Config, name: &str) -> Named {
    let called =
        config.sims.iter().find(|sim| sim.name.as_deref() == Some(name)).map(|sim| sim.iccid.clone());
    match called.or_else(|| Iccid::parse(name)) {
        Some(iccid) => Named::Channel(ChannelId::of_sim(&iccid).0.to_string()),
        None if PROVIDERS.contains(&name) => Named::Provider(name.to_owned()),
        None => Named::Rest,
    }
}

/// What people call SIMs.
pub(super) fn sim_names(config: &Config) -> BTreeMap<String, String> {
    let named = config.sims.iter().filter_map(|sim| Some((sim.iccid.to_string(), sim.name.clone()?)));
    named.collect()
}

/// The socket.
pub(super) fn listen(config: &Config) -> Result<listen::Settings, StartError> {
    let api = &config.api;
    let group = match &api.group {
        None => None,
        Some(name) => {
            let gid = gid_of(name).map_err(CallerError::Passwd)?;
            Some(gid.ok_or_else(|| CallerError::Unknown(name.clone()))?)
        }
    };
    Ok(listen::Settings {
        path: api.socket.clone(),
        mode: api.mode,
        group,
        max_connections: api.max_connections,
    })
}

/// Who may do what; the daemon's own user is always admin.
pub(super) fn callers(config: &Config) -> Result<Callers, StartError> {
    let rules = config.callers.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    Ok(Callers::new(&rules, rustix::process::geteuid().as_raw())?)
}

fn rule(caller: &config::Caller) -> Result<Rule, StartError> {
    let kannel = caller.kannel.as_ref().map(|login| {
        let password = secret_file("caller.kannel-password-file", &login.password_file)?;
        Ok::<_, StartError>(Login { user: login.user.clone(), password })
    });
    Ok(Rule {
        user: match &caller.user {
            config::UserName::Uid(uid) => User::Uid(*uid),
            config::UserName::Login(login) => User::Login(login.clone()),
        },
        role: match caller.role {
            config::Role::Validate => Role::Validate,
            config::Role::Send => Role::Send,
            config::Role::Trigger => Role::Trigger,
            config::Role::Admin => Role::Admin,
        },
        lane: caller.lane,
        kannel: kannel.transpose()?,
    })
}

/// The hooks, with their secrets; a program that may not be run is told now and not at three in the morning.
pub(super) fn hooks(config: &Config) -> Result<Hooks, StartError> {
    let hooks = config.hooks.iter().map(|hook| {
        let way = match &hook.way {
            config::HookWay::Web { url, secret_file: file } => {
                Way::Web(url.clone(), secret_file("hook.secret-file", file)?)
            }
            config::HookWay::Exec(program) => {
                let refused = |why| StartError::HookProgram { program: program.clone(), why };
                hooks::vet(program).map_err(refused)?;
                Way::Exec(program.clone())
            }
        };
        let config::Hook { name, events, numbers, limit, .. } = hook.clone();
        Ok(Hook { name, way, events, numbers, limit })
    });
    let hooks = hooks.collect::<Result<_, StartError>>()?;
    Ok(Hooks { hooks, kannel: config.kannel.dlr_allow.clone() })
}

/// A secret that has a file of its own, without the line end; `key` names it in the configuration.
pub(super) fn secret_file(key: &'static str, path: &Path) -> Result<Secret, StartError> {
    let unreadable = |source| StartError::SecretFile { key, path: path.to_owned(), source };
    let text = Secret::from(std::fs::read_to_string(path).map_err(unreadable)?);
    let secret = Secret::from(text.expose_str().unwrap_or_default().trim());
    if secret.is_empty() {
        return Err(unreadable(std::io::Error::other("it is empty")));
    }
    Ok(secret)
}
