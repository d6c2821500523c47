//! The log: one line or one JSON object an event on standard error, where systemd picks it up.
//!
//! Levels are given by target (`info,smsotpd::modem=debug`) and can be changed while the daemon runs.

use std::io;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// How lines look and which are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The form of a line.
    pub format: Format,
    /// Levels by target: `info` or `info,smsotpd::modem=debug`.
    pub levels: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { format: Format::Text, levels: "info".to_owned() }
    }
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object, for collectors.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The levels cannot be read.
    #[error("the log levels {levels:?} cannot be read: {reason}")]
    Levels {
        /// As written.
        levels: String,
        /// What the parser said.
        reason: String,
    },
    /// Something else in this process writes a log already.
    #[error("the log was started before")]
    Started,
    /// The subscriber is gone.
    #[error("the log has ended")]
    Ended,
}

/// Changes levels while the daemon runs.
#[derive(Debug, Clone)]
pub struct Handle(reload::Handle<Targets, Registry>);

impl Handle {
    /// Takes these levels from the next event on.
    ///
    /// # Errors
    /// When they cannot be read; the old ones stay.
    pub fn set(&self, levels: &str) -> Result<(), LogError> {
        self.0.reload(parse(levels)?).map_err(|_| LogError::Ended)
    }
}

/// Starts the log of this process.
///
/// # Errors
/// When the levels cannot be read or a log was started before.
pub fn init(settings: &Settings) -> Result<Handle, LogError> {
    let (levels, handle) = reload::Layer::new(parse(&settings.levels)?);
    let lines = fmt::layer().with_writer(io::stderr);
    // Colours are for terminals; the journal would show their escapes.
    let colours = rustix::termios::isatty(io::stderr());
    let lines: Box<dyn Layer<_> + Send + Sync> = match settings.format {
        Format::Text => Box::new(lines.compact().with_ansi(colours)),
        Format::Json => Box::new(lines.json().with_ansi(false)),
    };
    tracing_subscriber::registry().with(levels).with(lines).try_init().map_err(|_| LogError::Started)?;
    Ok(Handle(handle))
}

fn parse(levels: &str) -> Result<Targets, LogError> {
    levels.parse().map_err(|error| LogError::Levels { levels: levels.to_owned(), reason: format!("{error}") })
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn levels_are_given_by_target() {
        let targets = parse("info,smsotpd::modem=debug").unwrap();
        assert!(targets.would_enable("smsotpd::modem::driver", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("smsotpd::api", &tracing::Level::DEBUG));
        assert_eq!(targets.default_level(), Some(LevelFilter::INFO));
    }

    #[test]
    fn bad_levels_are_told() {
        assert!(matches!(parse("smsotpd=loud"), Err(LogError::Levels { .. })));
    }

    #[test]
    fn levels_change_while_the_log_is_open() {
        let (layer, handle) = reload::Layer::<Targets, Registry>::new(parse("warn").unwrap());
        let handle = Handle(handle);
        handle.set("debug").unwrap();
        assert!(handle.set("smsotpd=loud").is_err());
        let now = handle.0.with_current(Targets::default_level).unwrap();
        assert_eq!(now, Some(LevelFilter::DEBUG));
        drop(layer);
        assert!(matches!(handle.set("info"), Err(LogError::Ended)));
    }
}
