//! For tests: the other end of a pty, as the code under test has it for a modem.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::pty::OpenptFlags;
use tokio::io::unix::AsyncFd;

mod phone;

pub(crate) use phone::{ICCID, IMEI, Phone};

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

    /// Everything up to and including the first of `ends`.
    pub(crate) async fn read_any(&mut self, ends: &[u8]) -> Vec<u8> {
        let found = async {
            loop {
                if let Some(at) = self.seen.iter().position(|octet| ends.contains(octet)) {
                    let rest = self.seen.split_off(at + 1);
                    return std::mem::replace(&mut self.seen, rest);
                }
                self.fill().await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("the peer said nothing more")
    }

    /// Whether octets wait that were not read.
    pub(crate) fn has_more(&mut self) -> bool {
        let mut buffer = [0; 1024];
        if let Ok(count) = rustix::io::read(self.master.get_ref(), &mut buffer) {
            self.seen.extend_from_slice(&buffer[..count]);
        }
        !self.seen.is_empty()
    }

    /// Waits for more octets. While nobody has the slave open, a master reads EIO or nothing: the test waits for the opener.
    async fn fill(&mut self) {
        let mut buffer = [0; 1024];
        let mut guard = self.master.readable().await.unwrap();
        match guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut buffer)?)) {
            Ok(Ok(count)) if count > 0 => self.seen.extend_from_slice(&buffer[..count]),
            Ok(Err(error)) if error.raw_os_error() != Some(rustix::io::Errno::IO.raw_os_error()) => {
                panic!("the pty broke: {error}")
            }
            // tokio never clears "the other end has closed", so after a reopen readiness says nothing: look now and then.
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
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
