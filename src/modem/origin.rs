//! What is known of a port before its first octet: which USB device it belongs to, and how long it has been there.
//!
//! A modem says what it is only when it answers, and some must not be spoken to at once, or in a way of their own. Its USB identity
//! suggests its firmware note until then. A daemon that starts anew beside a modem that has been there for hours must not
//! wait as after plugging in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::profile::{Library, Profile};
use crate::clock;
use crate::units::UnixMs;

/// Where the kernel shows its ttys.
pub(super) const TTYS: &str = "/sys/class/tty";

/// The device (not the interface, which has no `idVendor`) behind the tty `target`.
pub(super) fn usb_device(ttys: &Path, target: &Path) -> Option<PathBuf> {
    let device = ttys.join(target.file_name()?).join("device").canonicalize().ok()?;
    device.ancestors().find(|above| above.join("idVendor").is_file()).map(Path::to_owned)
}

/// What is known of a port.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// The note that its USB identity suggests.
    pub(super) likely: Option<Arc<Profile>>,
    /// How long it has been there.
    pub(super) age: Duration,
}

/// Looks at the tty `target`, on the blocking pool.
pub(super) async fn look(notes: Arc<Library>, target: PathBuf) -> Origin {
    let look = move || Origin {
        likely: likely_note(&notes, Path::new(TTYS), &target),
        age: age(&target, clock::wall()),
    };
    // A look that ended early has seen nothing.
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// The note that the USB identity behind the tty `target` suggests.
fn likely_note(notes: &Library, ttys: &Path, target: &Path) -> Option<Arc<Profile>> {
    let device = usb_device(ttys, target)?;
    let read = |name: &str| fs::read_to_string(device.join(name)).ok();
    notes.by_usb(read("idVendor")?.trim(), read("idProduct")?.trim())
}

/// How long the node `target` has been there; no time at all where the file system does not tell.
fn age(target: &Path, now: UnixMs) -> Duration {
    let created = fs::metadata(target).and_then(|node| node.created()).ok();
    let born = created.and_then(|created| created.duration_since(UNIX_EPOCH).ok());
    let born = born.and_then(|born| i64::try_from(born.as_millis()).ok());
    born.map(|born| now.since(UnixMs(born))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_usb_identity_suggests_the_note() {
        let root = tempfile::tempdir().unwrap();
        let device = root.path().join("devices/1-2");
        let interface = device.join("1-2:1.2/ttyUSB0");
        let tty = root.path().join("tty/ttyUSB0");
        fs::create_dir_all(&interface).unwrap();
        fs::create_dir_all(&tty).unwrap();
        symlink(&interface, tty.join("device")).unwrap();
        let likely = || {
            let note =
                likely_note(Library::compiled_in(), &root.path().join("tty"), Path::new("/dev/ttyUSB0"));
            note.map(|note| note.name.clone())
        };
        assert_eq!(likely(), None);
        fs::write(device.join("idVendor"), "2c7c\n").unwrap();
        fs::write(device.join("idProduct"), "0125\n").unwrap();
        assert_eq!(likely().as_deref(), Some("quectel-lte"));
        fs::write(device.join("idProduct"), "ffff\n").unwrap();
        assert_eq!(likely(), None);
    }

    #[test]
    fn a_node_grows_old() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let later = UnixMs(clock::wall().0 + 60_000);
        let known = fs::metadata(file.path()).unwrap().created().is_ok();
        assert_eq!(age(file.path(), later) >= Duration::from_secs(59), known);
        assert_eq!(age(Path::new("/nonexistent"), later), Duration::ZERO);
    }
}
