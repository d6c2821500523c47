//! The way from an appliance to the database, which a test can cut, silence and mend: a unix socket in front of the server's.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

/// Named as clients of PostgreSQL look for it.
const SOCKET: &str = ".s.PGSQL.5432";

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections end, new ones too.
    Cut,
    /// Nothing comes through, and nobody is told.
    Silent,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Both ends of every connection.
    ends: Mutex<Vec<UnixStream>>,
}

/// See the module.
pub struct Wire {
    directory: tempfile::TempDir,
    shared: Arc<Shared>,
}

impl Wire {
    /// To the server whose socket is in this directory.
    pub fn to(server: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(SOCKET)).unwrap();
        let shared =
            Shared { state: Mutex::new(State::Whole), changed: Condvar::new(), ends: Mutex::new(Vec::new()) };
        let shared = Arc::new(shared);
        let (through, server) = (Arc::clone(&shared), server.join(SOCKET));
        std::thread::spawn(move || accept(&listener, &server, &through));
        Self { directory, shared }
    }

    /// The directory of its socket.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Ends all connections and refuses new ones.
    pub fn cut(&self) {
        self.set(State::Cut);
        for end in self.shared.ends.lock().unwrap().drain(..) {
            // One that has ended by itself is as good.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Lets nothing through.
    pub fn silence(&self) {
        self.set(State::Silent);
    }

    /// New connections go through.
    pub fn mend(&self) {
        self.set(State::Whole);
    }

    fn set(&self, state: State) {
        *self.shared.state.lock().unwrap() = state;
        self.shared.changed.notify_all();
    }
}

fn accept(listener: &UnixListener, server: &PathBuf, shared: &Arc<Shared>) {
    for client in listener.incoming().map_while(Result::ok) {
        if *shared.state.lock().unwrap() == State::Cut {
            continue;
        }
        let Ok(server) = UnixStream::connect(server) else { continue };
        let copies = [&client, &server].map(|end| end.try_clone().unwrap());
        shared.ends.lock().unwrap().extend(copies);
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let shared = Arc::clone(shared);
            std::thread::spawn(move || pump(from, to, &shared));
        }
    }
}

fn pump(mut from: UnixStream, mut to: UnixStream, shared: &Shared) {
    let mut octets = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut octets) {
        let state = shared.state.lock().unwrap();
        drop(shared.changed.wait_while(state, |state| *state == State::Silent).unwrap());
        if to.write_all(&octets[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
