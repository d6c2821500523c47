//! A program of the site: run without a shell and without arguments, the story as JSON on its stdin, for a limited time.
//!
//! What is run decides the configuration file, and the file that it names must be root's as the directory it lies in: else whoever
//! may write there runs what he likes as the daemon.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// Who else but root may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const EXECUTABLE: u32 = 0o111;
/// What a program finds by name; the daemon's own environment holds its credentials.
const SEARCHED: &str = "/usr/local/bin:/usr/bin:/bin";

/// Whether a program may be run: `Err` says why not and what helps.
///
/// # Errors
/// It is not there, is no program, or others than root may change it.
pub fn vet(program: &Path) -> Result<(), String> {
    let program = program.canonicalize().map_err(|error| error.to_string())?;
    let directory = program.parent().unwrap_or(Path::new("/"));
    for (what, path) in [("its directory", directory), ("it", &program)] {
        let found = path.metadata().map_err(|error| error.to_string())?;
        if found.uid() != 0 || found.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(format!("{what} must be root's, and nobody else may write: chown root, chmod go-w"));
        }
    }
    let found = program.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() || found.mode() & EXECUTABLE == 0 {
        return Err("it is no program: chmod +x".to_owned());
    }
    Ok(())
}

/// Runs it with this on its stdin; `Err` says how it failed.
pub(super) async fn run(program: &Path, event: &str, story: &[u8], limit: Duration) -> Result<(), String> {
    let vetted = program.to_owned();
    let vetted = tokio::task::spawn_blocking(move || vet(&vetted)).await;
    vetted.unwrap_or_else(|join| Err(join.to_string()))?;
    let mut child = Command::new(program)
        .env_clear()
        .env("PATH", SEARCHED)
        .env("SMSOTPD_EVENT", event)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it cannot be run: {error}"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let ended = tokio::time::timeout(limit, feed(&mut child, story)).await;
    if ended.is_err()
        && let Some(group) = group
    {
        // Its children too; whoever has ended meanwhile needs none.
        let _ = kill_process_group(group, Signal::KILL);
    }
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
        Ok(Err(error)) => Err(format!("it cannot be waited for: {error}")),
        Err(_) => Err(format!("it did not end within {limit:?} and was killed")),
    }
}

async fn feed(child: &mut Child, story: &[u8]) -> io::Result<std::process::ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read is no fault: its exit code is what counts.
        let _ = stdin.write_all(story).await;
    }
    child.wait().await
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_what_is_roots_is_run() {
        assert_eq!(vet(Path::new("/bin/true")), Ok(()));
        assert!(vet(Path::new("/nonexistent/x")).is_err());
        assert!(vet(Path::new("/etc")).unwrap_err().contains("no program"));
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("p");
        fs::write(&program, "").unwrap();
        let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        allow(&program, 0o755);
        if !rustix::process::geteuid().is_root() {
            assert!(vet(&program).unwrap_err().contains("root's"));
            return;
        }
        assert_eq!(vet(&program), Ok(()));
        for (path, mode) in [(program.as_path(), 0o775), (program.as_path(), 0o644), (dir.path(), 0o777)] {
            allow(path, mode);
            assert!(vet(&program).is_err(), "{mode:o}");
            allow(path, 0o755);
        }
    }

    #[tokio::test]
    async fn a_program_that_fails_or_hangs_is_told() {
        let limit = Duration::from_secs(20);
        assert_eq!(run(Path::new("/bin/true"), "inbound", b"{}", limit).await, Ok(()));
        assert_eq!(
            run(Path::new("/bin/false"), "inbound", b"{}", limit).await,
            Err("exit status: 1".to_owned())
        );
        // It copies its stdin, of which it gets an end, so it ends as well.
        assert_eq!(run(Path::new("/bin/cat"), "inbound", &[b'x'; 300_000], limit).await, Ok(()));
        let told = run(Path::new("/usr/bin/yes"), "inbound", b"{}", Duration::from_millis(50)).await;
        assert!(told.unwrap_err().contains("was killed"));
    }
}
