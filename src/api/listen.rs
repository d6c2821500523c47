//! The unix socket: bound with care for whoever listens there already, or taken from the service manager that listened before
//! we were there; a bounded number of connections, each with a bounded patience.
//!
//! A connection is in one of two phases: idle, or busy with a request from its first byte to the first byte of the answer.
//! Each phase has one deadline that no trickle of bytes prolongs, which covers slow headers, slow bodies and readers that never read.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener as Passed, UnixStream as Probe};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tracing::warn;

use super::Live;
use super::caller::{Caller, Role};

/// A connection without a request is closed after this; clients that pool connections reconnect by themselves.
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// From the first byte of a request to the first of its answer. FreeRADIUS gives up after 10 s, the Java client after 30 s.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// After `accept` failed (out of descriptors), this long until the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process answers there.
    #[error("the socket {0} is in use: another smsotpd is running")]
    InUse(PathBuf),
    /// Something that is no socket has this name.
    #[error("{0} is in the way: it is no socket; remove it or choose another path")]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("the socket {path}: {source}")]
    Io {
        /// Which socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The socket.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Its group; `None` leaves the daemon's own.
    pub group: Option<u32>,
    /// Connections served at once; more wait in the kernel's backlog.
    pub max_connections: usize,
}

impl Settings {
    /// The usual ones for a path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), mode: 0o660, group: None, max_connections: 64 }
    }
}

/// A bound socket that tells its callers apart and lets in only so many.
#[derive(Debug)]
pub(super) struct Gate {
    socket: UnixListener,
    permits: Arc<Semaphore>,
    live: Arc<Live>,
    path: PathBuf,
    /// Whoever passed a socket also removes it.
    _own: Option<Own>,
}

/// The socket file; removed when the gate closes, if it is still ours.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    inode: u64,
}

impl Drop for Own {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Gate {
    pub(super) fn bind(settings: &Settings, live: Arc<Live>) -> Result<Self, ListenError> {
        let path = &settings.path;
        let io_error = |source| ListenError::Io { path: path.clone(), source };
        clear(path)?;
        let socket = UnixListener::bind(path).map_err(io_error)?;
        let inode = fs::symlink_metadata(path).map_err(io_error)?.ino();
        let own = Own { path: path.clone(), inode };
        if let Some(group) = settings.group {
            chown(path, None, Some(group)).map_err(io_error)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(settings.mode)).map_err(io_error)?;
        Ok(Self { socket, permits: permits(settings), live, path: path.clone(), _own: Some(own) })
    }

    /// Takes a socket on which somebody else already listens for us; its name, mode and group are theirs to choose.
    pub(super) fn take(passed: Passed, settings: &Settings, live: Arc<Live>) -> Result<Self, ListenError> {
        let address = passed.local_addr().ok();
        let path =
            address.as_ref().and_then(|address| address.as_pathname()).unwrap_or(Path::new("")).to_owned();
        let io_error = |source| ListenError::Io { path: path.clone(), source };
        passed.set_nonblocking(true).map_err(io_error)?;
        let socket = UnixListener::from_std(passed).map_err(io_error)?;
        if path != settings.path {
            warn!(passed = %path.display(), configured = %settings.path.display(), "listening where the service manager says");
        }
        Ok(Self { socket, permits: permits(settings), live, path, _own: None })
    }

    async fn next(&mut self) -> io::Result<(Guarded, Peer)> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.socket.accept().await?;
        let caller = self.live.now().callers.of(stream.peer_cred()?.uid());
        Ok((Guarded::new(stream, permit), Peer(caller)))
    }
}

fn permits(settings: &Settings) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(settings.max_connections.max(1)))
}

/// Removes a socket that nobody answers on.
fn clear(path: &Path) -> Result<(), ListenError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ListenError::Io { path: path.into(), source }),
        Ok(found) => found,
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.into()));
    }
    match Probe::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| ListenError::Io { path: path.into(), source })
        }
        // Connected, or the backlog is full: either way somebody listens.
        _ => Err(ListenError::InUse(path.into())),
    }
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer(pub Caller);

impl Connected<IncomingStream<'_, Gate>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.remote_addr().clone()
    }
}

impl Listener for Gate {
    type Io = Guarded;
    type Addr = Peer;

    async fn accept(&mut self) -> (Guarded, Peer) {
        loop {
            match self.next().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        // A unix listener has no peer of its own; the path stands for it.
        Ok(Peer(Caller { name: self.path.display().to_string().into(), role: Role::Validate, listed: false }))
    }
}

/// A stream that keeps its permit and loses patience.
#[derive(Debug)]
pub(super) struct Guarded {
    stream: UnixStream,
    patience: Pin<Box<Sleep>>,
    busy: bool,
    _permit: OwnedSemaphorePermit,
}

impl Guarded {
    fn new(stream: UnixStream, permit: OwnedSemaphorePermit) -> Self {
        let patience = Box::pin(tokio::time::sleep(IDLE_LIMIT));
        Self { stream, patience, busy: false, _permit: permit }
    }

    fn enter(&mut self, busy: bool) {
        if self.busy != busy {
            self.busy = busy;
            let limit = if busy { REQUEST_LIMIT } else { IDLE_LIMIT };
            self.patience.as_mut().reset(Instant::now() + limit);
        }
    }

    fn out_of_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.patience.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.out_of_patience(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.enter(true);
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(error) = self.out_of_patience(cx) {
            return Poll::Ready(Err(error));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        if written.is_ready() {
            self.enter(false);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(error) = self.out_of_patience(cx) {
            return Poll::Ready(Err(error));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, octets);
        if written.is_ready() {
            self.enter(false);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
