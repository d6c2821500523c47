//! The socket that the service manager opened before us and passes on (`sd_listen_fds(3)`: `LISTEN_FDS`, `LISTEN_PID`).
//!
//! Requests that came while no daemon was there wait in it: a start on demand, a restart and an upgrade lose none.

use std::io;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// Why what was passed is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassedError {
    /// There is one API, so one socket.
    #[error("{0} sockets were passed; smsotpd.socket must have one ListenStream=")]
    Many(usize),
    /// A datagram socket, a file, a TCP socket.
    #[error("what was passed is no unix stream socket: {0}")]
    Kind(io::Error),
    /// A connection (`Accept=yes`).
    #[error("the passed socket does not listen; smsotpd.socket must not have Accept=yes")]
    NotListening,
}

/// The listening socket that was passed to this process, if any. Children do not see it, nor the variables.
///
/// # Errors
/// When something else was passed.
pub(super) fn passed() -> Result<Option<UnixListener>, PassedError> {
    let mut sockets = ListenFd::from_env();
    if sockets.len() > 1 {
        return Err(PassedError::Many(sockets.len()));
    }
    let Some(socket) = sockets.take_unix_listener(0).map_err(PassedError::Kind)? else { return Ok(None) };
    let listens =
        rustix::net::sockopt::socket_acceptconn(&socket).map_err(|error| PassedError::Kind(error.into()))?;
    if listens { Ok(Some(socket)) } else { Err(PassedError::NotListening) }
}
