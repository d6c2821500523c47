//! For tests: the other end of a pty, as the code under test has it for a modem.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::pty::OpenptFlags;
use tokio::io::unix::AsyncFd;

/// A test that waits longer than this for its peer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The master end; dropping it hangs the slave up.
pub(crate) struct Peer {
    master: AsyncFd<OwnedFd>,
    slave: PathBuf,
    seen: Vec<u8>,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        // Raw from the beginning, so that nothing is echoed before the port is set up.
        let mut modes = rustix::termios::tcgetattr(&master).unwrap();
        modes.make_raw();
        rustix::termios::tcsetattr(&master, rustix::termios::OptionalActions::Now, &modes).unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        #[expect(deprecated, reason = "its replacement is unsafe; an OwnedFd keeps its descriptor")]
        let master = AsyncFd::new(master).unwrap();
        Self { master, slave: PathBuf::from(slave.into_string().unwrap()), seen: Vec::new() }
    }

    /// The slave end.
    pub(crate) fn path(&self) -> &Path {
        &self.slave
    }

    /// Everything up to and including `end`.
    pub(crate) async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        tokio::time::timeout(PATIENCE, self.collect(end)).await.unwrap_or_else(|_| {
            panic!(
                "waited for {:?} and saw {:?}",
                end.escape_ascii().to_string(),
                self.seen.escape_ascii().to_string()
            )
        })
    }

    async fn collect(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.seen.windows(end.len()).position(|window| window == end) {
                let rest = self.seen.split_off(at + end.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            self.fill().await;
        }
    }

    /// Waits for more octets. While nobody has the slave open, a master reads EIO: the test waits for the opener.
    async fn fill(&mut self) {
        let mut buffer = [0; 1024];
        let mut guard = self.master.readable().await.unwrap();
        match guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut buffer)?)) {
            Ok(Ok(count)) => self.seen.extend_from_slice(&buffer[..count]),
            Ok(Err(error)) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(Err(error)) => panic!("the pty broke: {error}"),
            Err(_would_block) => {}
        }
    }

    pub(crate) async fn write(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let mut guard = self.master.writable().await.unwrap();
            let wrote: Result<io::Result<usize>, _> =
                guard.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), octets)?));
            if let Ok(wrote) = wrote {
                octets = &octets[wrote.unwrap()..];
            }
        }
    }
}
