//! A serial port as the driver wants it: exclusive, raw, always readable, never flushed.
//!
//! Three traps are walled in here. `poll_flush` of tokio-serial is a `tcdrain` that blocks the whole runtime, so nothing
//! flushes. `SerialStream::readable` with `try_read` never clears its readiness and spins, so only `poll_read` and `poll_write`
//! are used. A vanished tty reads as 0 octets for ever, so 0 is a hang-up, as EIO is.
//!
//! Exclusive means TIOCEXCL and `flock`. On a pty TIOCEXCL outlives the process that set it (until the *other* end closes), so
//! a daemon that was killed could not come back: there the lock alone must do.

use std::fs;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, UNIX_EPOCH};

use bytes::{Buf, BytesMut};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_serial::SerialStream;

use super::holder;
use crate::fault;
use crate::units::UnixMs;

/// Octets read at once: the largest answer in one chunk of a USB port is far below.
const READ_SIZE: usize = 2048;
/// A port that is gone may hang in its close (up to 30 s of `closing_wait`); the driver does not wait longer than this.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Where the slaves of ptys are.
const PTY_DIRECTORY: &str = "/dev/pts/";

/// Why a port was not opened. All of them can pass: the node comes before its permissions, a rival goes away.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// Nobody is there (yet).
    #[error("{path} is not there")]
    Missing {
        /// What was opened.
        path: PathBuf,
    },
    /// udev has not set the group yet, or never will.
    #[error("{path} may not be opened: {why}")]
    Denied {
        /// What was opened.
        path: PathBuf,
        /// Which group or setting is in the way, and the remedy.
        why: String,
    },
    /// Someone else has it.
    #[error(
        "{path} is in use by {}; stop that program or keep it off this port",
        holder.as_deref().unwrap_or("a program that this user may not see")
    )]
    InUse {
        /// What was opened.
        path: PathBuf,
        /// Name and process id of whoever holds it, if that can be seen.
        holder: Option<String>,
    },
    /// It is no serial port, or a broken one.
    #[error("{path} cannot be set up: {cause}")]
    Setup {
        /// What was opened.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

/// What one wait on the port brought.
#[derive(Debug)]
pub(super) enum Wire {
    /// This many octets stand in the read buffer.
    Read(usize),
    /// All pending octets have left.
    Written,
    /// The port is gone.
    HungUp,
    /// It is there and does not work.
    Broken(io::Error),
}

/// An open port and its two buffers.
#[derive(Debug)]
pub(super) struct Port {
    stream: SerialStream,
    read: Box<[u8; READ_SIZE]>,
    /// Octets on their way out; [`Machine`](super::machine::Machine) keeps this to one command.
    pub(super) out: BytesMut,
}

impl Port {
    /// Opens `path` at `baud`, exclusive and raw. Runs on the blocking pool: opening a USB port talks to the device.
    pub(super) async fn open(path: &Path, baud: u32) -> Result<Self, OpenError> {
        let path = path.to_owned();
        let shown = path.clone();
        let opened = tokio::task::spawn_blocking(move || open_blocking(&path, baud)).await;
        let stream = opened
            .unwrap_or_else(|join| Err(OpenError::Setup { path: shown, cause: io::Error::other(join) }))?;
        Ok(Self { stream, read: Box::new([0; READ_SIZE]), out: BytesMut::new() })
    }

    /// Waits for octets to read, or until all of `out` has left. Safe to cancel: nothing is lost.
    pub(super) async fn wait(&mut self) -> Wire {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The octets of the last [`Wire::Read`].
    pub(super) fn octets(&self, count: usize) -> &[u8] {
        self.read.get(..count).unwrap_or_default()
    }

    /// Closes the port without making anybody wait for the line to drain.
    pub(super) async fn close(self) {
        let Self { stream, .. } = self;
        let closed = tokio::task::spawn_blocking(move || drop(stream));
        let _ = tokio::time::timeout(CLOSE_LIMIT, closed).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wire> {
        if !self.out.is_empty()
            && let Poll::Ready(wire) = self.poll_out(cx)
        {
            return Poll::Ready(wire);
        }
        let mut buffer = ReadBuf::new(self.read.as_mut_slice());
        match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
            Ok(()) if buffer.filled().is_empty() => Poll::Ready(Wire::HungUp),
            Ok(()) => Poll::Ready(Wire::Read(buffer.filled().len())),
            Err(cause) => Poll::Ready(Wire::of(cause)),
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Wire> {
        while !self.out.is_empty() {
            fault::before_write(&self.out);
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out)) {
                Ok(0) => return Poll::Ready(Wire::HungUp),
                Ok(count) => {
                    fault::after_write(self.out.get(..count).unwrap_or_default());
                    self.out.advance(count);
                }
                Err(cause) => return Poll::Ready(Wire::of(cause)),
            }
        }
        Poll::Ready(Wire::Written)
    }
}

impl Wire {
    fn of(cause: io::Error) -> Self {
        match Errno::from_io_error(&cause) {
            Some(Errno::IO | Errno::NODEV | Errno::NXIO) => Self::HungUp,
            _ => Self::Broken(cause),
        }
    }
}

/// The first open, without any setting, is there for its errno, which serialport drops, and for TIOCNXCL on a pty.
fn open_blocking(path: &Path, baud: u32) -> Result<SerialStream, OpenError> {
    let target = path.canonicalize().map_err(|cause| refused(path, cause))?;
    if let Some(rival) = holder::lock_file(&target) {
        return Err(OpenError::InUse { path: path.to_owned(), holder: Some(rival) });
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let first: OwnedFd =
        rustix::fs::open(&target, flags, Mode::empty()).map_err(|errno| refused(path, errno.into()))?;
    let builder = tokio_serial::new(target.to_string_lossy(), baud);
    let stream = SerialStream::open(&builder).map_err(|error| match error.kind {
        tokio_serial::ErrorKind::NoDevice => in_use(path),
        tokio_serial::ErrorKind::Io(kind) => refused(path, kind.into()),
        _ => OpenError::Setup { path: path.to_owned(), cause: io::Error::other(error) },
    })?;
    if target.starts_with(PTY_DIRECTORY) {
        rustix::termios::ioctl_tiocnxcl(&first)
            .map_err(|errno| OpenError::Setup { path: path.to_owned(), cause: errno.into() })?;
    }
    Ok(stream)
}

fn refused(path: &Path, cause: io::Error) -> OpenError {
    let path = path.to_owned();
    match (cause.kind(), Errno::from_io_error(&cause)) {
        (io::ErrorKind::NotFound, _) | (_, Some(Errno::NXIO | Errno::NODEV)) => OpenError::Missing { path },
        (io::ErrorKind::PermissionDenied, errno) => {
            let why = denied(&path, errno);
            OpenError::Denied { path, why }
        }
        (io::ErrorKind::ResourceBusy, _) => in_use(&path),
        _ => OpenError::Setup { path, cause },
    }
}

fn in_use(path: &Path) -> OpenError {
    OpenError::InUse { path: path.to_owned(), holder: holder::holder(path) }
}

/// Why this user may not, and what would let it.
fn denied(path: &Path, errno: Option<Errno>) -> String {
    if errno == Some(Errno::PERM) {
        return "the service's sandbox keeps it off; add its kind to DeviceAllow= in a drop-in of the unit"
            .to_owned();
    }
    let Ok(stat) = rustix::fs::stat(path) else {
        return "a directory above it is closed to this user".to_owned();
    };
    let mode = stat.st_mode & 0o777;
    let group = group_name(stat.st_gid).unwrap_or_else(|| stat.st_gid.to_string());
    let mut groups = rustix::process::getgroups().unwrap_or_default();
    groups.push(rustix::process::getegid());
    let ours = groups.iter().any(|own| own.as_raw() == stat.st_gid);
    if mode & 0o060 != 0o060 || ours {
        return format!(
            "its group {group} and mode {mode:04o} do not let it; install the udev rules, or give it mode 0660"
        );
    }
    format!(
        "it is for the group {group}, which this user is not in; add it (usermod -aG {group} smsotpd) and restart, or install the udev rules"
    )
}

fn group_name(gid: u32) -> Option<String> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let gid = gid.to_string();
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == gid).then(|| name.to_owned())
    })
}

/// How long the node `target` has been there; no time at all where the file system does not tell.
pub(super) fn age(target: &Path, now: UnixMs) -> Duration {
    let created = fs::metadata(target).and_then(|node| node.created()).ok();
    let born = created.and_then(|created| created.duration_since(UNIX_EPOCH).ok());
    let born = born.and_then(|born| i64::try_from(born.as_millis()).ok());
    born.map(|born| now.since(UnixMs(born))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::modem::pty::Peer;

    #[tokio::test]
    async fn octets_go_both_ways_and_a_closed_end_is_a_hang_up() {
        let mut peer = Peer::new();
        let mut port = Port::open(peer.path(), 115_200).await.unwrap();
        port.out.extend_from_slice(b"AT\r");
        assert!(matches!(port.wait().await, Wire::Written));
        assert_eq!(peer.read_until(b"\r").await, b"AT\r");
        peer.write(b"\r\nOK\r\n").await;
        let Wire::Read(count) = port.wait().await else { panic!("octets wait") };
        assert_eq!(port.octets(count), b"\r\nOK\r\n");
        drop(peer);
        assert!(matches!(port.wait().await, Wire::HungUp));
    }

    #[tokio::test]
    async fn a_second_opener_is_told_who_is_in_the_way() {
        let peer = Peer::new();
        let port = Port::open(peer.path(), 115_200).await.unwrap();
        let error = Port::open(peer.path(), 115_200).await.unwrap_err();
        let OpenError::InUse { holder, .. } = error else { panic!("{error}") };
        assert!(holder.unwrap().contains(&std::process::id().to_string()));
        port.close().await;
        Port::open(peer.path(), 115_200).await.unwrap();
    }

    #[test]
    fn a_port_that_is_denied_names_what_is_in_the_way() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = |errno: Errno| refused(file.path(), errno.into()).to_string();
        assert!(refused(Errno::ACCESS).contains("mode 0600 do not let it"), "{}", refused(Errno::ACCESS));
        assert!(refused(Errno::PERM).contains("DeviceAllow="), "{}", refused(Errno::PERM));
        assert_eq!(group_name(0).as_deref(), Some("root"));
    }

    #[tokio::test]
    async fn what_is_not_there_is_missing_and_a_file_is_no_port() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none");
        assert!(matches!(Port::open(&path, 9600).await, Err(OpenError::Missing { .. })));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Port::open(&path, 9600).await, Err(OpenError::Setup { .. })));
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
