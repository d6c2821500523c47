//! A reload: parse, compare, apply as a whole or refuse as a whole. What changed is told key by key; keys that need a
//! restart are named and keep their old value until then.

use std::path::PathBuf;

use crate::config::{Config, diff};
use crate::daemon::app::Running;
use crate::daemon::settings;
use crate::telemetry::log;

/// The configuration in force, and where a new one comes from.
pub(super) struct Reload {
    config: Config,
    path: Option<PathBuf>,
    log: log::Handle,
}

impl Reload {
    pub(super) fn new(config: Config, path: Option<PathBuf>, log: log::Handle) -> Self {
        Self { config, path, log }
    }

    /// What is in force, or will be at the next start.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Reads the file again and puts in force what can change while running.
    pub(super) fn apply(&mut self, running: &Running) {
        let fresh = match Config::load_or_default(self.path.as_deref()) {
            Ok(fresh) => fresh,
            Err(findings) => {
                tracing::error!(%findings, "the new configuration is refused as a whole; the old one stays in force");
                return;
            }
        };
        let changes = diff(&self.config, &fresh);
        let notes = self.config.modem.library != fresh.modem.library;
        if changes.is_empty() && !notes {
            tracing::info!("reloaded: nothing changed");
            return;
        }
        if let Err(error) = running.reconfigure(&fresh) {
            tracing::error!(%error, "the new configuration is refused as a whole; the old one stays in force");
            return;
        }
        // The levels were checked with the file.
        if let Err(error) = self.log.set(&settings::levels(&fresh)) {
            tracing::error!(%error, "the log keeps its levels");
        }
        for change in &changes {
            tracing::info!(%change, "reloaded");
        }
        if notes {
            tracing::info!("reloaded: firmware notes; a modem takes its note when its port is opened next");
        }
        self.config = fresh;
    }
}
