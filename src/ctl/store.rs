//! `store`: backups, the full check, and keys. What only reads works on the file itself, beside a running daemon, and wants whoever may
//! read it, which is root; what writes goes through the daemon or wants it stopped.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::Client;
use super::failure::Failure;
use super::render::{self, Column, Output};
use super::secret_input;
use crate::clock;
use crate::config::Config;
use crate::secret::Secret;
use crate::store::engine::{self, Copied, OpenError};
use crate::store::seal::carry::{self, CarryError};
use crate::store::seal::{KeyError, Keyring};

/// An exported key has hardly a thousand octets.
const LONGEST_EXPORT: u64 = 16 << 10;
/// How often it is looked whether all has moved.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const KEYS: &[Column] = &[("KEY", "/id"), ("SEALS", "/active"), ("REPLACED", "/replaced")];

#[derive(Debug, Args)]
pub(super) struct Where {
    /// The daemon's configuration, which names store and key [default: /etc/smsotpd/smsotpd.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// Copy the store to a new file while the daemon runs; the copy is useless without the key
    Backup {
        /// Where the copy goes (mode 0600); never overwrites
        file: PathBuf,
        #[command(flatten)]
        at: Where,
    },
    /// Put a backup in the place of the store, of which no daemon may have hold; the store is kept aside
    ///
    /// Nothing that was queued in the backup is sent again, since it may have left meanwhile; open challenges are gone.
    Restore {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        at: Where,
    },
    /// Check a store or a backup as a whole, read only; exit code 65 if anything is wrong
    Verify {
        /// The file [default: the store of the configuration]
        file: Option<PathBuf>,
        #[command(flatten)]
        at: Where,
    },
    /// Make a new key, and move what is sealed to it while the daemon runs
    ///
    /// The key file gets the new key in its first line. The older one stays in it for what was compared with it; a later rekey drops
    /// it when nothing needs it any more. What is cut off is finished by the same command, or by the next start of the daemon.
    Rekey {
        #[command(flatten)]
        at: Where,
    },
    /// The key, on its way to a second appliance
    #[command(subcommand)]
    Key(Key),
}

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Write the key to a file that a passphrase protects
    Export {
        /// Where it goes (mode 0600); never overwrites
        file: PathBuf,
        /// A file with the passphrase in its first line; without it you are asked
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        at: Where,
    },
    /// Make the key file of this appliance from an exported one; never overwrites
    Import {
        /// The exported key
        file: PathBuf,
        /// A file with the passphrase in its first line; without it you are asked
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        at: Where,
    },
}

pub(super) fn run(
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
    command: Store,
) -> Result<(), Failure> {
    match command {
        Store::Backup { file, at } => {
            let config = at.embedded()?;
            let copied = engine::backup(&config.store.path, &file)?;
            let without = format!(
                "useless without the key in {}: keep that elsewhere (smsotpctl store key export)",
                config.key.path.display()
            );
            Ok(output.show(&shown(&copied, &without), render::object)?)
        }
        Store::Restore { file, at } => {
            let config = at.embedded()?;
            let copied = engine::restore(&file, &config.store.path, &key(&config)?, clock::wall())?;
            let note = "what was queued in it is uncertain and not sent again; challenges are gone";
            Ok(output.show(&shown(&copied, note), render::object)?)
        }
        Store::Verify { file, at } => {
            let config = if file.is_some() { at.config()? } else { at.embedded()? };
            verify(output, file.as_deref().unwrap_or(&config.store.path), &key(&config)?)
        }
        Store::Rekey { at } => {
            let answer = rekey(&client()?, &at.config()?.key.path)?;
            Ok(output.show(&answer, |answer| render::rows(answer.get("keys"), KEYS, "no key"))?)
        }
        Store::Key(Key::Export { file, passphrase_file, at }) => {
            let ring = key(&at.config()?)?;
            let passphrase = passphrase(passphrase_file.as_deref())?;
            let text = carry::wrap(&ring, &passphrase)?;
            write_new(&file, text.as_bytes())?;
            let answer = json!({"file": file.display().to_string(), "key": ring.active_id().to_string()});
            Ok(output.show(&answer, render::object)?)
        }
        Store::Key(Key::Import { file, passphrase_file, at }) => {
            let path = at.config()?.key.path;
            let mut text = Vec::new();
            let read = File::open(&file).and_then(|from| from.take(LONGEST_EXPORT).read_to_end(&mut text));
            read.map_err(|error| Failure::input(&file, error))?;
            let ring = carry::unwrap(&text, &passphrase(passphrase_file.as_deref())?)?;
            ring.write(&path)?;
            let answer = json!({"file": path.display().to_string(), "key": ring.active_id().to_string()});
            Ok(output.show(&answer, render::object)?)
        }
    }
}

impl Where {
    fn config(&self) -> Result<Config, Failure> {
        Config::load_or_default(self.config.as_deref())
            .map_err(|findings| Failure::Config(findings.to_string()))
    }
}

impl Where {
    /// The configuration of a store that is a file.
    fn embedded(&self) -> Result<Config, Failure> {
        let config = self.config()?;
        if config.store.url.is_some() {
            return Err(Failure::Usage(
                "`[store] url` is set: a shared store is backed up, restored and checked with PostgreSQL's own tools (pg_dump)",
            ));
        }
        Ok(config)
    }
}

/// The key file; what systemd gives to the daemon alone comes from it, too.
fn key(config: &Config) -> Result<Keyring, Failure> {
    Ok(Keyring::read(&config.key.path)?)
}

fn passphrase(file: Option<&Path>) -> Result<Secret, Failure> {
    match file {
        Some(file) => secret_input::first_line(file),
        None => secret_input::ask("Passphrase: "),
    }
}

fn verify(output: Output, file: &Path, keys: &Keyring) -> Result<(), Failure> {
    let verified = engine::verify(file, keys)?;
    let answer = json!({
        "file": file.display().to_string(),
        "ok": verified.faults.is_empty(),
        "opened": verified.opened,
        "faults": verified.faults,
    });
    output.show(&answer, |_| {
        let faults: String =
            verified.faults.iter().map(|fault| format!("{}\n", render::clean(fault))).collect();
        let verdict = if verified.faults.is_empty() { "good" } else { "not good" };
        format!("{faults}{}: {verdict}, {} sealed values open", file.display(), verified.opened)
    })?;
    match verified.faults.len() {
        0 => Ok(()),
        found => Err(Failure::Data(format!("{}: {found} faults", file.display()))),
    }
}

/// The new key is in the file before the daemon seals with it: whatever ends here, the next start has both.
fn rekey(client: &Client, path: &Path) -> Result<Value, Failure> {
    let ring = Keyring::read(path)?;
    let known = client.get("/v1/store", &[])?;
    let of = |wanted: &str| {
        let keys = known.get("keys").and_then(Value::as_array).into_iter().flatten();
        let ids = keys.filter(|key| wanted.is_empty() || key.get(wanted) == Some(&Value::Bool(true)));
        ids.filter_map(|key| key.get("id").and_then(Value::as_str)).map(str::to_owned).collect::<Vec<_>>()
    };
    let (active, needed) = (of("active"), of(""));
    let ring = if active.contains(&ring.active_id().to_string()) {
        let fresh = ring.renewed(|id| needed.contains(&id.to_string()))?;
        replace(path, fresh.to_lines().expose())?;
        fresh
    } else if active.iter().any(|id| ring.knows_named(id)) {
        // An earlier rekey was cut off between file and daemon.
        ring
    } else {
        return Err(Failure::Config(format!(
            "{} does not hold the key that the daemon seals with",
            path.display()
        )));
    };
    let lines = ring.to_lines();
    let lines = lines.expose_str().unwrap_or_default();
    let mut answer = client.post_json("/v1/store/rekey", &json!({"keys": lines}))?;
    while answer.get("moving") == Some(&Value::Bool(true)) {
        std::thread::sleep(LOOK_EVERY);
        answer = client.get("/v1/store", &[])?;
    }
    Ok(answer)
}

/// Puts these octets in the place of a file, whole and durable, with its owner and mode 0600.
fn replace(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::Output { path: path.to_owned(), error };
    let owner = path.metadata().map_err(failed)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    fchown(new.as_file(), Some(owner.uid()), Some(owner.gid())).map_err(failed)?;
    new.write_all(octets).and_then(|()| new.as_file().sync_all()).map_err(failed)?;
    new.persist(path).map_err(|error| failed(error.error))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn shown(copied: &Copied, note: &str) -> Value {
    let keys: Vec<String> = copied.keys.iter().map(ToString::to_string).collect();
    let mut answer = json!({
        "file": copied.file.display().to_string(),
        "octets": copied.octets,
        "schema": copied.schema,
        "messages": copied.messages,
        "keys": keys,
        "note": note,
    });
    if let (Some(replaced), Some(answer)) = (&copied.replaced, answer.as_object_mut()) {
        answer.insert("replaced".to_owned(), json!(replaced.display().to_string()));
    }
    answer
}

fn write_new(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = written.and_then(|mut file| file.write_all(octets).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::Output { path: path.to_owned(), error })
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io { path, source } => Self::Input { path, error: source },
            OpenError::Copy { path, source } => Self::Output { path, error: source },
            OpenError::InUse { .. } => Self::Busy(error.to_string()),
            OpenError::Newer { .. }
            | OpenError::NewerShared { .. }
            | OpenError::UnknownKey { .. }
            | OpenError::Appliance { .. }
            | OpenError::NoSharedEngine => Self::Config(error.to_string()),
            OpenError::Engine { .. } | OpenError::Damaged { .. } | OpenError::Shared { .. } => {
                Self::Data(error.to_string())
            }
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Io { path, source } if source.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::Output { path, error: source }
            }
            KeyError::Io { path, source } => Self::Input { path, error: source },
            other => Self::Config(other.to_string()),
        }
    }
}

impl From<CarryError> for Failure {
    fn from(error: CarryError) -> Self {
        Self::Data(error.to_string())
    }
}
