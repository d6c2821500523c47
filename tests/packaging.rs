//! What the package installs: the assets exist, the scripts can be read by a shell, pages and completions are made.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `smsotpctl generate WHAT` in a directory of its own.
fn generate(what: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tool =
        Command::new(env!("CARGO_BIN_EXE_smsotpctl")).args(["generate", what]).arg(dir.path()).output();
    let tool = tool.expect("smsotpctl starts");
    assert!(tool.status.success(), "{}", String::from_utf8_lossy(&tool.stderr));
    let files =
        fs::read_dir(dir.path()).expect("its files").map(|file| file.expect("a file").path()).collect();
    (dir, files)
}

/// Whether a glob with one star, as the assets have them, fits.
fn fits(glob: &str, name: &str) -> bool {
    match glob.split_once('*') {
        None => glob == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| rest.ends_with(tail)),
    }
}

#[test]
fn every_asset_is_there() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let deb = &manifest["package"]["metadata"]["deb"];
    let (_man, man) = generate("man");
    let (_completions, completions) = generate("completions");
    let made = |files: &[PathBuf], below: &str| -> Vec<String> {
        files
            .iter()
            .map(|file| format!("target/package/{below}/{}", file.file_name().expect("a name").display()))
            .collect()
    };
    let made = [made(&man, "man"), made(&completions, "completions")].concat();
    for asset in deb["assets"].as_array().expect("assets") {
        let source = asset[0].as_str().expect("a path");
        let found = if source.starts_with("target/package/") {
            made.iter().any(|name| fits(source, name))
        } else if let Some(binary) = source.strip_prefix("target/release/") {
            ["smsotpd", "smsotpctl"].contains(&binary)
        } else {
            let (directory, glob) = source.rsplit_once('/').unwrap_or(("", source));
            let mut files = fs::read_dir(root().join(directory)).expect("the directory");
            files.any(|file| fits(glob, &file.expect("a file").file_name().to_string_lossy()))
        };
        assert!(found, "{source}");
    }
    for name in &made {
        let taken = deb["assets"]
            .as_array()
            .expect("assets")
            .iter()
            .any(|asset| fits(asset[0].as_str().expect("a path"), name));
        assert!(taken, "{name} is made and not installed");
    }
}

#[test]
fn a_shell_can_read_the_scripts() {
    for script in ["debian/preinst", "debian/postinst", "debian/prerm", "debian/postrm"] {
        let path = root().join("packaging").join(script);
        let read = Command::new("sh").arg("-n").arg(&path).output().expect("a shell");
        assert!(read.status.success(), "{script}: {}", String::from_utf8_lossy(&read.stderr));
        let text = fs::read_to_string(&path).expect("the script");
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("\nset -e\n"), "{script}");
    }
}

#[test]
fn the_pages_tell_every_command_and_every_key() {
    let (dir, pages) = generate("man");
    let named = |name: &str| pages.iter().any(|page| page.ends_with(name));
    for page in ["smsotpctl.1", "smsotpctl-modem-list.1", "smsotpctl-send.1", "smsotpd.8", "smsotpd-keygen.8"]
    {
        assert!(named(page), "{page}");
    }
    assert!(
        !pages.iter().any(|page| page.display().to_string().contains("generate")),
        "it is for packages only"
    );
    let configuration = fs::read_to_string(dir.path().join("smsotpd.toml.5")).expect("the page");
    for key in ["path = ", "max\\-segments = 10", "[[modem.port]]", "[[caller]]", "     validate"] {
        let key = key.trim_start();
        assert!(configuration.contains(key), "{key}");
    }
    for page in &pages {
        let read = Command::new("man").args(["--warnings", "-l"]).arg(page).env("LC_ALL", "C.UTF-8").output();
        let Ok(read) = read else {
            eprintln!("skipped: man is not installed");
            return;
        };
        assert!(read.stderr.is_empty(), "{}: {}", page.display(), String::from_utf8_lossy(&read.stderr));
    }
}
