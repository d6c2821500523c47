//! A PostgreSQL of the test run's own: a new cluster on a unix socket, with the settings that a server has by default.
//!
//! It hangs on a pipe from this process: however the tests end, the pipe closes, and the shell at its other end stops the server
//! and removes the cluster. Where PostgreSQL is not installed the tests say so and pass.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// `nobody` on Debian: the server refuses to run as root.
const UNPRIVILEGED: u32 = 65534;

/// Starts the server, says so, waits for the pipe to close, stops it.
const LIFE: &str = r#"
cd "$2" || exit 1
"$1/initdb" -D data -U smsotpd -A trust -E UTF8 --no-locale --no-sync >initdb.log 2>&1 || { cat initdb.log; exit 1; }
"$1/pg_ctl" -D data -w -t 60 -l log -o "-k $2 -c listen_addresses='' -c max_connections=400 $3" start >start.log 2>&1 \
    || { cat start.log log; exit 1; }
echo ready
cat >/dev/null
"$1/pg_ctl" -D data -w -m immediate stop >/dev/null 2>&1
rm -rf "$2" 2>/dev/null
"#;

/// The running server.
pub(crate) struct Cluster {
    directory: PathBuf,
    programs: PathBuf,
    made: Mutex<u32>,
    /// Its pipe is the server's life.
    shell: Child,
}

/// A database of a test's own.
pub(crate) struct Database {
    /// The directory of the server's socket.
    pub(crate) directory: PathBuf,
    name: String,
}

impl Database {
    /// Its URL.
    pub(crate) fn url(&self) -> String {
        self.url_at(&self.directory)
    }

    /// Its URL for a socket in another directory, behind which the server is.
    pub(crate) fn url_at(&self, directory: &Path) -> String {
        let host = directory.display().to_string().replace('/', "%2F");
        format!("postgres://smsotpd@{host}/{}", self.name)
    }
}

/// A new database; `None`, said once, where there is no PostgreSQL.
pub(crate) fn database() -> Option<Database> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(&std::env::temp_dir(), "")).as_ref().map(Cluster::database)
}

/// Where the server's programs are: Debian keeps them apart by version.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    versions.sort();
    let whole = |at: &Path| ["initdb", "pg_ctl", "createdb"].iter().all(|program| at.join(program).exists());
    versions.into_iter().rev().chain(in_path).find(|at| whole(at))
}

impl Cluster {
    /// A new server below `parent`, with these settings (`-c name=value`) beside the default ones; `None`, said, where there is no
    /// PostgreSQL. It ends when it is dropped.
    pub(crate) fn start(parent: &Path, settings: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            // Past the capture of the test harness: whoever reads the log must see it.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: PostgreSQL is not installed (no initdb in PATH or /usr/lib/postgresql)"
            );
            return None;
        };
        let directory = tempfile::tempdir_in(parent).unwrap().keep();
        let mut shell = Command::new("sh");
        shell.args(["-c", LIFE, "sh"]).arg(&programs).arg(&directory).arg(settings);
        if rustix::process::geteuid().is_root() {
            chown(&directory, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
            shell.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        }
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(shell.stdout.take().unwrap());
        let cluster = Self { directory, programs, made: Mutex::new(0), shell };
        let mut said = String::new();
        while !said.ends_with("ready\n") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "PostgreSQL does not start: {said}");
        }
        Some(cluster)
    }

    /// Makes a database of its own.
    pub(crate) fn database(&self) -> Database {
        let mut made = self.made.lock().unwrap();
        *made += 1;
        let name = format!("t{made}");
        let socket = self.directory.display().to_string();
        let done = Command::new(self.programs.join("createdb"))
            .args(["-h", &socket, "-U", "smsotpd", &name])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Database { directory: self.directory.clone(), name }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // One that has ended by itself has nothing to be waited for.
        let _ = self.shell.wait();
    }
}
