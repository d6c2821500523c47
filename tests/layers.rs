//! The house has layers, and this test is its wall: every `crate::` and `super::` path in `src/` is read (not only `use`
//! lines) and must point to a lower layer, into its own room, or along one of the arrows named here.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Layer and room of a module path, as the layer table in `src/lib.rs` has them.
fn place(path: &[String]) -> Option<(u8, &'static str)> {
    let first = path.first()?.as_str();
    let second = path.get(1).map_or("", String::as_str);
    Some(match (first, second) {
        ("units", _) => (0, "units"),
        ("number", _) => (0, "number"),
        ("secret", _) => (0, "secret"),
        ("alarm", _) => (0, "alarm"),
        ("pdu", _) => (0, "pdu"),
        ("at", _) => (0, "at"),
        ("otp", _) => (0, "otp"),
        ("modem", shell) if MODEM_SHELLS.contains(&shell) => (3, "modem"),
        ("modem", _) => (1, "machine"),
        ("queue", _) => (1, "queue"),
        ("route", _) => (1, "route"),
        ("policy", _) => (1, "policy"),
        ("store", "either" | "engine" | "feed" | "sqlite" | "postgres" | "seal") => (3, "store"),
        ("store", _) => (2, "store contract"),
        ("provider", "gsm" | "http" | "sipgate" | "smtp" | "script" | "legacy") => (3, "provider"),
        ("provider", _) => (2, "provider contract"),
        ("clock", _) => (2, "clock"),
        ("fault", _) => (2, "fault"),
        ("directory", _) => (3, "directory"),
        ("dispatch", _) => (3, "dispatch"),
        ("validate", _) => (3, "validate"),
        ("api", _) => (3, "api"),
        ("console", _) => (3, "console"),
        ("telemetry", _) => (3, "telemetry"),
        ("config", _) => (4, "config"),
        ("daemon", "demo") => (4, "demo"),
        ("daemon", _) => (4, "daemon"),
        ("ctl", _) => (4, "ctl"),
        ("simulator", _) => (4, "simulator"),
        _ => return None,
    })
}

/// The half of `modem` that touches the world; the machine and what it is made of are pure.
const MODEM_SHELLS: &[&str] = &[
    "away",
    "port",
    "driver",
    "supervisor",
    "discover",
    "trace",
    "fleet",
    "holder",
    "left_alone",
    "handle",
    "pin_memory",
    "power",
    "pty",
    "serve",
    "usb",
    "wake",
];

/// Same-layer imports that the house allows.
const ARROWS: &[(&str, &str)] = &[
    ("alarm", "units"),
    ("pdu", "units"),
    ("pdu", "number"),
    ("pdu", "secret"),
    ("at", "units"),
    ("at", "number"),
    ("at", "secret"),
    ("otp", "units"),
    ("otp", "number"),
    ("otp", "secret"),
    ("queue", "route"),
    ("store contract", "provider contract"),
    ("provider", "modem"),
    ("dispatch", "store"),
    ("dispatch", "provider"),
    ("validate", "store"),
    ("validate", "directory"),
    ("api", "validate"),
    ("api", "store"),
    ("api", "directory"),
    ("api", "console"),
    ("api", "modem"),
    ("modem", "telemetry"),
    ("store", "telemetry"),
    ("provider", "telemetry"),
    ("directory", "telemetry"),
    ("dispatch", "telemetry"),
    ("validate", "telemetry"),
    ("api", "telemetry"),
    ("daemon", "config"),
    ("daemon", "demo"),
    ("demo", "daemon"),
    ("demo", "config"),
    ("demo", "simulator"),
    ("ctl", "config"),
    ("ctl", "daemon"),
    ("ctl", "simulator"),
    ("bin", "daemon"),
    ("bin", "ctl"),
];

/// What code without I/O, clock and entropy cannot say.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "Instant::now",
    "SystemTime",
    "tokio",
    "tracing",
    "getrandom",
    "fastrand",
    "rusqlite",
    "println",
    "eprintln",
];

/// Modules of pure rooms that only tests have: they may start virtual time and draw from a seed.
const TEST_MODULES: &[&str] = &["bench", "storm", "tests", "challenge_tests"];

#[test]
fn imports_point_down_or_along_a_named_arrow() {
    let mut wrong = String::new();
    let mut files = 0;
    for (file, module) in sources() {
        files += 1;
        let text = std::fs::read_to_string(&file).expect("a source file is readable");
        let tokens = tokens(&text);
        let Some(from) = home(&module) else {
            let _ = writeln!(wrong, "{}: no layer is named for this module", file.display());
            continue;
        };
        for path in paths(&tokens, &module) {
            let Some(to) = place(&path) else { continue };
            if !allowed(from, to, &module, &path) {
                let path = path.join("::");
                let _ = writeln!(wrong, "{}: {} may not use crate::{path}", file.display(), from.1);
            }
        }
    }
    assert!(files > 20, "the sources were found");
    assert!(wrong.is_empty(), "layers are broken:\n{wrong}");
}

#[test]
fn pure_layers_do_no_io_and_read_no_clock() {
    let mut wrong = String::new();
    for (file, module) in sources() {
        let Some((layer, _)) = home(&module) else { continue };
        let test_only = module.iter().any(|part| TEST_MODULES.contains(&part.as_str()));
        if layer > 1 || test_only {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a source file is readable");
        let code = tokens(&text).join("");
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for word in IMPURE.iter().filter(|word| code.contains(**word)) {
            let _ = writeln!(wrong, "{}: a pure layer says `{word}`", file.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_reader_of_paths_sees_groups_and_supers() {
    let module = vec!["modem".to_owned(), "session".to_owned()];
    let text = "use crate::{at::{lines, result::Final}, units}; // crate::api\nfn f() { super::super::api::x(); }\n\
                const S: &str = \"crate::ctl\"; mod tests { use super::*; }";
    let found: BTreeSet<String> =
        paths(&tokens(text), &module).into_iter().map(|path| path.join("::")).collect();
    let expected =
        ["at::lines", "at::result::Final", "units", "api::x", "modem::session"].map(str::to_owned).into();
    assert_eq!(found, expected);
}

fn home(module: &[String]) -> Option<(u8, &'static str)> {
    match module.first().map(String::as_str) {
        None => Some((5, "lib")),
        Some("bin") => Some((4, "bin")),
        Some(_) => place(module),
    }
}

fn allowed(from: (u8, &str), to: (u8, &str), module: &[String], path: &[String]) -> bool {
    if from.1 == to.1 {
        return true;
    }
    if from.1 == "api" && to.1 == "modem" {
        return path.get(1).is_some_and(|second| second == "supervisor");
    }
    // The shells of a room may always use its own pure half and contract.
    let own_room = module.first() == path.first() && to.0 <= from.0;
    own_room || to.0 < from.0 || ARROWS.contains(&(from.1, to.1))
}

/// Every source file with its module path; `mod.rs` stands for its folder, `lib.rs` for the crate.
fn sources() -> Vec<(PathBuf, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("src is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let inside = path.strip_prefix(&root).expect("below src").with_extension("");
                let mut module: Vec<String> =
                    inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
                if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
                    module.pop();
                }
                found.push((path, module));
            }
        }
    }
    found.sort();
    found
}

/// Code as words and single signs, without comments, strings and characters.
fn tokens(text: &str) -> Vec<String> {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    let peek = |at: usize| bytes.get(at).copied().unwrap_or('\0');
    while at < bytes.len() {
        let c = peek(at);
        match c {
            '/' if peek(at + 1) == '/' => {
                while at < bytes.len() && peek(at) != '\n' {
                    at += 1;
                }
            }
            '/' if peek(at + 1) == '*' => {
                at += 2;
                while at < bytes.len() && !(peek(at) == '*' && peek(at + 1) == '/') {
                    at += 1;
                }
                at += 2;
            }
            'r' if peek(at + 1) == '"' || (peek(at + 1) == '#' && matches!(peek(at + 2), '"' | '#')) => {
                let mut hashes = 0;
                at += 1;
                while peek(at) == '#' {
                    hashes += 1;
                    at += 1;
                }
                at += 1;
                while at < bytes.len()
                    && !(peek(at) == '"' && (1..=hashes).all(|offset| peek(at + offset) == '#'))
                {
                    at += 1;
                }
                at += 1 + hashes;
            }
            '"' => {
                at += 1;
                while at < bytes.len() && peek(at) != '"' {
                    at += if peek(at) == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            '\'' if peek(at + 1) == '\\' => {
                at += 3;
                while at < bytes.len() && peek(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if peek(at + 2) == '\'' => at += 3,
            c if c.is_alphanumeric() || c == '_' => {
                let start = at;
                while peek(at).is_alphanumeric() || peek(at) == '_' {
                    at += 1;
                }
                out.push(bytes[start..at].iter().collect());
            }
            ':' if peek(at + 1) == ':' => {
                out.push("::".to_owned());
                at += 2;
            }
            c if c.is_whitespace() => at += 1,
            c => {
                out.push(c.to_string());
                at += 1;
            }
        }
    }
    out
}

/// Absolute paths (without `crate`) named by `crate::` and `super::` in these tokens.
fn paths(tokens: &[String], module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut braces: Vec<Option<String>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let word = tokens[at].as_str();
        let next = tokens.get(at + 1).map_or("", String::as_str);
        match word {
            "{" => {
                let inline = at >= 2 && tokens[at - 2] == "mod";
                braces.push(inline.then(|| tokens[at - 1].clone()));
            }
            "}" => {
                braces.pop();
            }
            "crate" if next == "::" => at = read_path(tokens, at + 2, Vec::new(), &mut found) - 1,
            "super" if next == "::" => {
                let mut base: Vec<String> = module.to_vec();
                base.extend(braces.iter().flatten().cloned());
                while tokens.get(at).is_some_and(|t| t == "super") {
                    base.pop();
                    at += 2;
                }
                at = read_path(tokens, at, base, &mut found) - 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads `a::b`, `a::{b, c::d}` or `*` from `at`; gives the place after it.
fn read_path(tokens: &[String], mut at: usize, mut base: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|t| t != "}") {
                    at = read_path(tokens, at, base.clone(), found);
                    if tokens.get(at).is_some_and(|t| t == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some("*") => {
                found.push(base);
                return at + 1;
            }
            Some(word) if word.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                if word != "self" {
                    base.push(word.to_owned());
                }
                at += 1;
                if tokens.get(at).is_some_and(|t| t == "::") {
                    at += 1;
                    continue;
                }
                if tokens.get(at).is_some_and(|t| t == "as") {
                    at += 2;
                }
                found.push(base);
                return at;
            }
            _ => {
                found.push(base);
                return at.max(1);
            }
        }
    }
}
