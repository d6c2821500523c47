//! A pseudo terminal under a link: what a host opens as a serial port.
//!
//! Nothing here holds the slave open, so a host that closes it, or dies, is noticed as `EIO` on the master.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, QueueSelector, ioctl_tiocnxcl, tcflush, tcgetattr, tcsetattr};

/// A pty and the link that leads to it.
#[derive(Debug)]
pub(super) struct Port {
    master: OwnedFd,
    slave: PathBuf,
    link: PathBuf,
}

/// What reading a port gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// So many octets.
    Bytes(usize),
    /// A host is there and has sent nothing.
    Nothing,
    /// No host has the port open.
    NoHost,
}

impl Port {
    /// A new pty in raw mode, and `link` led to it in one step.
    pub(super) fn open(link: &Path) -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
        let port = Self { master, slave, link: link.to_owned() };
        // Until a slave has been open once, the master cannot tell that none is.
        port.renew()?;
        port.put_link()?;
        Ok(port)
    }

    /// Makes the port as new after a host has gone: one that was killed may have left it exclusive, with answers unread or
    /// with modes of its own.
    ///
    /// An exclusive port can be opened by root only, so for others this fails and the port must be replaced.
    pub(super) fn renew(&self) -> io::Result<()> {
        let slave =
            ioctl_tiocgptpeer(&self.master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        ioctl_tiocnxcl(&slave)?;
        tcflush(&slave, QueueSelector::IFlush)?;
        let mut modes = tcgetattr(&slave)?;
        modes.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &modes)?;
        Ok(())
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> Got {
        match rustix::io::read(&self.master, buffer) {
            Ok(read @ 1..) => Got::Bytes(read),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Got::Nothing,
            Ok(0) | Err(_) => Got::NoHost,
        }
    }

    /// Writes what the host has room for: octets written. A host that is gone is noticed when reading.
    pub(super) fn write(&self, bytes: &[u8]) -> usize {
        rustix::io::write(&self.master, bytes).unwrap_or(0)
    }

    fn put_link(&self) -> io::Result<()> {
        if std::fs::symlink_metadata(&self.link).is_ok_and(|there| !there.is_symlink()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else than a link"));
        }
        // Hidden, so that whoever watches the directory does not take it for a port.
        let mut name = OsString::from(".");
        name.push(self.link.file_name().unwrap_or_default());
        name.push(format!(".{}", std::process::id()));
        let fresh = self.link.with_file_name(name);
        // Left behind by a process with the same id that was killed between the two steps.
        let _ = std::fs::remove_file(&fresh);
        std::os::unix::fs::symlink(&self.slave, &fresh)?;
        std::fs::rename(&fresh, &self.link)
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

/// The link goes with the port, unless somebody else has led it elsewhere.
impl Drop for Port {
    fn drop(&mut self) {
        if std::fs::read_link(&self.link).is_ok_and(|there| there == self.slave) {
            let _ = std::fs::remove_file(&self.link);
        }
    }
}
