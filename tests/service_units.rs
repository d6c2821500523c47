//! The units, sysusers and tmpfiles entries as systemd's own tools judge them; where a tool is missing, that is said.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Ten times the exposure that `systemd-analyze security` may give.
const EXPOSURE: &str = "--threshold=20";

fn conf(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(path)
}

/// What the tool says, or `None` and a line on stderr where there is no such tool.
fn ask(tool: &str, arguments: &[&str], files: &[&Path]) -> Option<Output> {
    match Command::new(tool).args(arguments).args(files).env("SYSTEMD_COLORS", "0").output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {tool} is not installed");
            None
        }
        Err(error) => panic!("{tool}: {error}"),
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The units in a directory of their own, naming a daemon that exists here.
fn units() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (service, socket) = (dir.path().join("smsotpd.service"), dir.path().join("smsotpd.socket"));
    let text = fs::read_to_string(conf("systemd/smsotpd.service")).expect("the unit");
    assert!(text.contains("ExecStart=/usr/bin/smsotpd run"), "the unit starts what the package installs");
    let text =
        text.replace("ExecStart=/usr/bin/smsotpd", concat!("ExecStart=", env!("CARGO_BIN_EXE_smsotpd")));
    fs::write(&service, text).expect("the unit is written");
    fs::copy(conf("systemd/smsotpd.socket"), &socket).expect("the socket is copied");
    (dir, service, socket)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let (_dir, service, socket) = units();
    let Some(output) = ask("systemd-analyze", &["verify", "--man=no"], &[&service, &socket]) else { return };
    let told = told(&output);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("smsotpd"), "{told}");
}

/// systemd looks a name up in /proc/devices when the service starts. Before the first modem is plugged in, the drivers of USB ttys
/// are not loaded and their names not there, so that the running daemon could never open it; their numbers are fixed.
#[test]
fn a_modem_plugged_in_after_the_start_may_be_opened() {
    let text = fs::read_to_string(conf("systemd/smsotpd.service")).expect("the unit");
    let allowed = |class: &str| text.lines().any(|line| line == format!("DeviceAllow={class} rw"));
    for (driver, number) in [("ttyUSB", 188), ("ttyACM", 166)] {
        assert!(allowed(&format!("char-{number}")), "{driver}");
        assert!(!allowed(&format!("char-{driver}")), "{driver} by its name may not be known yet");
    }
}

#[test]
fn the_service_is_hardly_exposed() {
    let (_dir, service, _socket) = units();
    let arguments = ["security", "--offline=true", "--no-pager", EXPOSURE];
    let Some(output) = ask("systemd-analyze", &arguments, &[&service]) else { return };
    let told = told(&output);
    println!("{}", told.lines().last().unwrap_or_default());
    assert!(told.contains("Overall exposure level"), "{told}");
    assert!(output.status.success(), "{told}");
}

#[test]
fn users_and_directories_can_be_made() {
    let root = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(root.path().join("etc")).expect("etc");
    fs::write(root.path().join("etc/group"), "root:x:0:\ndialout:x:20:\n").expect("groups");
    fs::write(root.path().join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("users");
    let at = format!("--root={}", root.path().display());
    let Some(output) = ask("systemd-sysusers", &[&at], &[&conf("sysusers/smsotpd.conf")]) else { return };
    assert!(output.status.success(), "{}", told(&output));
    let read = |name| fs::read_to_string(root.path().join(name)).expect("the file");
    let (groups, users) = (read("etc/group"), read("etc/passwd"));
    assert!(users.contains("\nsmsotpd:x:"), "{users}");
    for member in ["smsotp:x:", "dialout:x:20:"] {
        let line = groups.lines().find(|line| line.starts_with(member)).unwrap_or_default();
        assert!(line.ends_with("smsotpd"), "{groups}");
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may make directories for others");
        return;
    }
    let config = root.path().join("etc/smsotpd");
    fs::create_dir(&config).expect("the directory of the configuration");
    fs::write(config.join("key"), "").expect("a key");
    let file = conf("tmpfiles/smsotpd.conf");
    let Some(output) = ask("systemd-tmpfiles", &[&at, "--create"], &[&file]) else { return };
    assert!(output.status.success(), "{}", told(&output));
    let mode =
        |name: &str| fs::metadata(root.path().join(name)).expect("it is made").permissions().mode() & 0o777;
    assert_eq!(
        (mode("etc/smsotpd"), mode("etc/smsotpd/key"), mode("var/lib/smsotpd")),
        (0o750, 0o400, 0o700)
    );
}
