//! Who holds a port that cannot be opened: by its `flock`, by the open files of processes, by the lock file of old custom.
//!
//! The kernel tells a process of another user's open files to root only, and a sandboxed unit sees no other process at all; so
//! the daemon often cannot name the rival, and `smsotpctl modem list`, run as root, looks once more by itself.

use std::path::Path;

use rustix::io::Errno;
use rustix::process::Pid;

/// Where minicom, pppd, gammu and others leave `LCK..ttyUSB0` with their process id; FHS 5.9.
const LOCKS: [&str; 2] = ["/run/lock", "/var/lock"];

/// Name and process id of whoever holds the port, as far as this user may see.
#[must_use]
pub fn holder(path: &Path) -> Option<String> {
    let target = path.canonicalize().ok()?;
    lock_holder(&target).or_else(|| file_holder(&target)).map(named)
}

/// The live process that a lock file gives the port to, and the file. One left by a dead process counts for nothing.
pub(super) fn lock_file(target: &Path) -> Option<String> {
    LOCKS.iter().find_map(|locks| lock_file_in(Path::new(locks), target))
}

fn lock_file_in(locks: &Path, target: &Path) -> Option<String> {
    // Only names directly below /dev have a lock file of the simple form.
    let name = target.strip_prefix("/dev").ok()?.to_str().filter(|name| !name.contains('/'))?;
    let file = locks.join(format!("LCK..{name}"));
    let pid: u32 = std::fs::read_to_string(&file).ok()?.trim().parse().ok()?;
    let other = pid != std::process::id() && is_alive(pid);
    other.then(|| format!("{} by its lock file {}", named(pid), file.display()))
}

/// Whoever may not be signalled is alive too.
fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    rustix::process::test_kill_process(pid) != Err(Errno::SRCH)
}

fn named(pid: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { format!("process {pid}") } else { format!("{name} (process {pid})") }
}

/// `/proc/locks` has lines such as `1: FLOCK  ADVISORY  WRITE 812 00:05:394 0 EOF`; anybody may read it.
fn lock_holder(target: &Path) -> Option<u32> {
    let inode = rustix::fs::stat(target).ok()?.st_ino.to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().filter(|word| *word != "->");
        let (kind, pid, file) = (words.nth(1)?, words.nth(2)?, words.next()?);
        (kind == "FLOCK" && file.rsplit(':').next() == Some(&inode)).then(|| pid.parse().ok())?
    })
}

/// Open files of other users' processes are seen by root only.
fn file_holder(target: &Path) -> Option<u32> {
    let own = std::process::id();
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut files = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let holds =
            pid != own && files.any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to == *target));
        holds.then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_lock_file_counts_while_its_process_lives() {
        let root = tempfile::tempdir().unwrap();
        let (file, tty) = (root.path().join("LCK..ttyUSB7"), Path::new("/dev/ttyUSB7"));
        assert_eq!(lock_file_in(root.path(), tty), None);
        let mut rival = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        std::fs::write(&file, format!("{:10}\n", rival.id())).unwrap();
        let told = lock_file_in(root.path(), tty).unwrap();
        assert!(told.contains(&format!("process {}", rival.id())) && told.contains("LCK..ttyUSB7"), "{told}");
        assert_eq!(lock_file_in(root.path(), Path::new("/dev/pts/7")), None);
        drop(rival.stdin.take());
        rival.wait().unwrap();
        assert_eq!(lock_file_in(root.path(), tty), None);
        for nobody in ["", "0", "-1", "x", "99999999999"] {
            std::fs::write(&file, nobody).unwrap();
            assert_eq!(lock_file_in(root.path(), tty), None, "{nobody}");
        }
    }
}
