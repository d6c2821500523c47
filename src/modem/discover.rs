//! Which ports are there: the links of one directory, kept by the udev rule (`/dev/smsotpd/<id-path>-<role>`).
//!
//! inotify only says *look again*; what counts is the directory as it then is. So a lost or merged event does no harm, and
//! a slow rescan makes good what inotify cannot see. udev removes the directory with its last link, so its nearest existing
//! ancestor is watched too. A link that does not resolve to a character device is not there yet.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// A look without any event: for file systems and races that inotify does not tell of.
const SLOW_RESCAN: Duration = Duration::from_secs(60);
/// A link is there and its target is not: udev is at work, or a link was made by hand.
const DANGLING_RESCAN: Duration = Duration::from_secs(1);
/// Links considered; a rack of modems has 64 with two ports each.
const PORTS_MAX: usize = 256;
/// Longest name of a link, and what names are made of: they become labels and file names.
const NAME_MAX: usize = 128;
/// Room for the events of one wake-up; what does not fit wakes again.
const EVENTS_SIZE: usize = 4096;
/// Changes that wait for the supervisor.
pub(super) const CHANGES_WAITING: usize = 32;

/// A port came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortChange {
    /// A link is there and leads to a device.
    Came {
        /// Name of the link.
        name: String,
        /// The device it leads to.
        target: PathBuf,
    },
    /// The link is gone, or leads elsewhere.
    Went {
        /// Name of the link.
        name: String,
    },
    /// Something happened around the directory, or time passed; what it means for it has been told.
    Looked,
}

/// A directory that is looked at.
#[derive(Debug)]
pub struct Discovery {
    directory: PathBuf,
    known: BTreeMap<String, PathBuf>,
    dangling: bool,
}

impl Discovery {
    /// Nothing is known yet; the directory need not exist.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, known: BTreeMap::new(), dangling: false }
    }

    /// Looks once and says what changed since the last look: first what went, then what came.
    pub fn look(&mut self) -> Vec<PortChange> {
        let seen = self.seen();
        let stays = |(name, target): &(&String, &PathBuf)| seen.get(*name) == Some(*target);
        let went = self.known.iter().filter(|port| !stays(port));
        let mut changes: Vec<_> = went.map(|(name, _)| PortChange::Went { name: name.clone() }).collect();
        let came = seen.iter().filter(|(name, target)| self.known.get(*name) != Some(*target));
        changes.extend(
            came.map(|(name, target)| PortChange::Came { name: name.clone(), target: target.clone() }),
        );
        self.known = seen;
        changes
    }

    /// Tells every change until `stop`.
    ///
    /// # Errors
    /// The system has no more inotify instances or descriptors.
    pub async fn run(
        mut self,
        changes: mpsc::Sender<PortChange>,
        stop: CancellationToken,
    ) -> Result<(), io::Error> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let watched = events.try_clone()?;
        // Any readable descriptor will do for tokio's pipe; unlike `AsyncFd` it needs no unsafe promise.
        let mut events = pipe::Receiver::from_owned_fd_unchecked(events)?;
        let mut buffer = vec![0; EVENTS_SIZE];
        loop {
            // Watch before looking: what happens in between is then told twice and not missed.
            self.watch(&watched);
            for change in self.look() {
                if changes.send(change).await.is_err() {
                    return Ok(());
                }
            }
            if changes.send(PortChange::Looked).await.is_err() {
                return Ok(());
            }
            let pause = if self.dangling { DANGLING_RESCAN } else { SLOW_RESCAN };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                read = events.read(&mut buffer) => drop(read?),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Watches the directory if it is there, and the nearest ancestor that is. Watching again what is watched changes nothing.
    fn watch(&self, events: &impl std::os::fd::AsFd) {
        let kinds = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR;
        let _ = inotify::add_watch(events, &self.directory, kinds);
        let above = self.directory.ancestors().skip(1).find(|ancestor| ancestor.is_dir());
        if let Some(above) = above
            && let Err(errno) = inotify::add_watch(events, above, kinds)
        {
            warn!(directory = %above.display(), %errno, "cannot watch; ports are found by the slow rescan only");
        }
    }

    fn seen(&mut self) -> BTreeMap<String, PathBuf> {
        self.dangling = false;
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return BTreeMap::new() };
        let mut seen = BTreeMap::new();
        for entry in entries.flatten() {
            let Some(name) = entry.file_name().to_str().filter(|name| is_port_name(name)).map(str::to_owned)
            else {
                continue;
            };
            match device(&entry.path()) {
                Some(target) if seen.len() < PORTS_MAX => drop(seen.insert(name, target)),
                Some(_) => warn!(name, "more than {PORTS_MAX} ports; this one is left alone"),
                None => self.dangling = true,
            }
        }
        seen
    }
}

/// udev makes links under a name with `.tmp-` first and renames them.
fn is_port_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && !name.starts_with('.')
        && !name.contains(".tmp-")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:+-".contains(&b))
}

/// Where a link leads, if that is a character device.
fn device(link: &Path) -> Option<PathBuf> {
    let target = link.canonicalize().ok()?;
    target.metadata().ok()?.file_type().is_char_device().then_some(target)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn came(name: &str, target: &str) -> PortChange {
        PortChange::Came { name: name.to_owned(), target: PathBuf::from(target) }
    }

    fn went(name: &str) -> PortChange {
        PortChange::Went { name: name.to_owned() }
    }

    #[test]
    fn only_links_to_devices_are_ports() {
        let root = tempfile::tempdir().unwrap();
        let mut discovery = Discovery::new(root.path().to_owned());
        assert_eq!(discovery.look(), []);
        symlink("/dev/null", root.path().join("a-at1")).unwrap();
        symlink("/dev/null", root.path().join("b.tmp-c188:0")).unwrap();
        symlink("/nonexistent", root.path().join("c-at1")).unwrap();
        std::fs::write(root.path().join("d"), "").unwrap();
        assert_eq!(discovery.look(), [came("a-at1", "/dev/null")]);
        assert_eq!(discovery.look(), []);
    }

    #[test]
    fn a_link_that_is_pointed_elsewhere_went_and_came() {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("a");
        let mut discovery = Discovery::new(root.path().to_owned());
        symlink("/dev/null", &link).unwrap();
        assert_eq!(discovery.look().len(), 1);
        std::fs::remove_file(&link).unwrap();
        symlink("/dev/zero", &link).unwrap();
        assert_eq!(discovery.look(), [went("a"), came("a", "/dev/zero")]);
    }

    #[tokio::test]
    async fn the_directory_itself_may_come_and_go() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("smsotpd");
        let (tell, mut told) = mpsc::channel(CHANGES_WAITING);
        let stop = CancellationToken::new();
        let task = tokio::spawn(Discovery::new(directory.clone()).run(tell, stop.clone()));
        for _ in 0..3 {
            std::fs::create_dir(&directory).unwrap();
            symlink("/dev/null", directory.join("a")).unwrap();
            assert_eq!(soon(&mut told).await, came("a", "/dev/null"));
            std::fs::remove_dir_all(&directory).unwrap();
            assert_eq!(soon(&mut told).await, went("a"));
        }
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    /// Far below the slow rescan, so inotify it was.
    async fn soon(told: &mut mpsc::Receiver<PortChange>) -> PortChange {
        loop {
            let change = tokio::time::timeout(SLOW_RESCAN / 4, told.recv()).await.unwrap().unwrap();
            if change != PortChange::Looked {
                return change;
            }
        }
    }
}
