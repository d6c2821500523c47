//! The site's own firmware notes: every `*.toml` of `[modem] notes`, beside or in place of those compiled in.
//!
//! They are read with the configuration and refused with it: a modem must not lose its quirk by a typing mistake. One file tells
//! its first fault, as serde ends there; all files are read, so each tells its own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::finding::{Fault, Finding, Findings};
use super::{check, raw, read};
use crate::modem::profile::{Library, Profile};

/// The notes compiled in with those of `directory`, which need not exist; and what is unwise there.
///
/// # Errors
/// What is wrong with any of the files; none of them is used then.
pub(super) fn load(directory: &Path) -> Result<(Library, Findings), Findings> {
    let mut library = Library::clone(Library::compiled_in());
    let (mut faults, mut warnings) = (Findings::default(), Findings::default());
    let mut files = files(directory)?;
    files.sort();
    let mut own = Vec::new();
    for path in files {
        let file = path.display().to_string();
        if path.extension().is_none_or(|extension| extension != "toml") {
            let fault = Fault::Unwise("does not end in .toml and is not read");
            warnings.0.extend(Findings::of_file(&file, fault).0);
            continue;
        }
        match note(&path, &file) {
            Ok(note) => {
                own.push((file, note.name.clone()));
                library = library.with(note);
            }
            Err(found) => faults.0.extend(found.0),
        }
    }
    faults.0.extend(own.iter().filter_map(|(file, name)| shared_identity(&library, file, name)));
    if faults.is_empty() { Ok((library, warnings)) } else { Err(faults) }
}

/// Editors' and packages' left-overs (`.x`, `x~`) are passed over in silence.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Findings> {
    let unreadable = |error: std::io::Error| {
        Findings::of_file(&directory.display().to_string(), Fault::Unreadable(error.to_string()))
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && !name.ends_with('~') {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn note(path: &Path, file: &str) -> Result<Profile, Findings> {
    let octets = read(path).map_err(|error| Findings::of_file(file, Fault::Unreadable(error.to_string())))?;
    let text =
        std::str::from_utf8(&octets).map_err(|error| check::not_utf8(&octets, error.valid_up_to(), file))?;
    let one = |line, key: String, fault| Findings(vec![Finding { file: file.to_owned(), line, key, fault }]);
    let note = Profile::parse(text).map_err(|error| {
        let line =
            error.span().map(|span| text.as_bytes().iter().take(span.start).filter(|b| **b == b'\n').count());
        let key = line.and_then(|line| text.lines().nth(line)).map(key_on).unwrap_or_default();
        one(line.map(|line| line + 1), key, fault(error.message()))
    })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if note.name == stem {
        return Ok(note);
    }
    let remedy = "write the file's name without .toml";
    Err(one(None, "name".to_owned(), Fault::Text { value: note.name, remedy }))
}

/// The key or the table that a line begins with.
fn key_on(line: &str) -> String {
    let key = line.split(['=', '#']).next().unwrap_or_default();
    key.trim().trim_matches(['[', ']']).to_owned()
}

/// serde's words in ours; a text that is not understood is told as it is.
fn fault(message: &str) -> Fault {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        // unknown field `a`, expected one of `b`, `c`: every second part stands between backticks.
        let mut words = rest.split('`').step_by(2);
        let unknown = words.next().unwrap_or_default();
        let known: Vec<&str> = words.collect();
        let near = raw::nearest(unknown, &known);
        return match near {
            Some(near) => Fault::Note(format!("is no key of a firmware note; did you mean `{near}`?")),
            None => Fault::Note(format!("is no key of a firmware note; there are {}", known.join(", "))),
        };
    }
    let plain = [
        ("expected u32", "expected a whole number without quotes"),
        ("expected u8", "expected a whole number from 0 to 255"),
        ("expected a boolean", "expected true or false without quotes"),
        ("a sequence", "an array"),
    ];
    let told = plain.iter().fold(message.trim().to_owned(), |text, (from, to)| text.replace(from, to));
    Fault::Note(format!("is wrong: {told}"))
}

/// Of two notes with one USB identity nobody could say which is right.
fn shared_identity(library: &Library, file: &str, name: &str) -> Option<Finding> {
    let note = library.named(name)?;
    let (other, vendor, product) = note.identities().find_map(|(vendor, product)| {
        let same = |other: &&std::sync::Arc<Profile>| {
            other.name != name && other.identities().any(|id| id == (vendor, product))
        };
        library.all().find(same).map(|other| (other.name.clone(), vendor, product))
    })?;
    let told = format!(
        "has {}:{}, which stands in the note `{other}` too; leave it there, or copy that note under its own name and change the copy",
        vendor.as_str(),
        product.as_str()
    );
    Some(Finding { file: file.to_owned(), line: None, key: "usb".to_owned(), fault: Fault::Note(told) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(file: &str, text: &str) -> String {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(file), text).unwrap();
        let findings = load(root.path()).unwrap_err().to_string();
        findings.replace(&format!("{}/", root.path().display()), "")
    }

    #[test]
    fn a_missing_directory_is_no_fault_and_left_overs_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let (library, warnings) = load(&root.path().join("none")).unwrap();
        assert_eq!((&library, warnings.iter().count()), (&**Library::compiled_in(), 0));
        for file in [".x.toml", "x.toml~", "x.tml"] {
            std::fs::write(root.path().join(file), "!").unwrap();
        }
        let (library, warnings) = load(root.path()).unwrap();
        assert_eq!(&library, &**Library::compiled_in());
        assert!(warnings.to_string().contains("x.tml: does not end in .toml"), "{warnings}");
    }

    #[test]
    fn a_note_of_the_site_stands_in_the_place_of_ours() {
        let root = tempfile::tempdir().unwrap();
        let text = "name = 'zte'\ndescription = 'ours'\n[[usb]]\nvendor = '19d2'\nproduct = '0117'\nat = [2]\nwhat = 'x'\nsource = 'y'";
        std::fs::write(root.path().join("zte.toml"), text).unwrap();
        let (library, _) = load(root.path()).unwrap();
        assert_eq!(library.named("zte").unwrap().description, "ours");
        assert_eq!(library.all().count(), Library::compiled_in().all().count());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_remedy() {
        let head = "name = 'x'\ndescription = 'y'\n";
        let cases = [
            ("[cmmms]\nvalue = true", "x.toml:3: `cmmms` is no key of a firmware note; did you mean `cmms`?"),
            (
                "colour = 'red'",
                "x.toml:3: `colour` is no key of a firmware note; there are name, description,",
            ),
            (
                "[cmms]\nvalue = 'yes'\nsource = 's'",
                "x.toml:4: `value` is wrong: invalid type: string \"yes\", expected true or false",
            ),
            ("[cmms]\nvalue = true", "x.toml:3: `cmms` is wrong: missing field `source`"),
            (
                "[store-places]\nvalue = 4\nsource = 's'",
                "x.toml:3: `store-places` is wrong: write how many stores",
            ),
            (
                "[noise]\nvalue = ['']\nsource = 's'",
                "x.toml:3: `noise` is wrong: write the beginnings of lines",
            ),
            (
                "[keep-alive-s]\nvalue = 1\nsource = 's'",
                "x.toml:3: `keep-alive-s` is wrong: write seconds from 5 to 86400",
            ),
            ("[[match]]", "x.toml:3: `match` is wrong: write `manufacturer`, `model` or both"),
            (
                "[[usb]]\nvendor = '12d1'\nproduct = '0001'\nat = [1]\navoid = [1]\nwhat = 'w'\nsource = 's'",
                "12d1:0001: a port stands among",
            ),
            (
                "[[usb]]\nvendor = '12D1'\nproduct = '0001'\nwhat = 'w'\nsource = 's'",
                "x.toml:4: `vendor` is wrong: \"12D1\" is no USB id: four hex digits in lower case",
            ),
            (
                "[[usb]]\nvendor = '12d1'\nproduct = '1506'\nat = [1]\nwhat = 'w'\nsource = 's'",
                "x.toml: `usb` has 12d1:1506, which stands in the note `huawei-stick` too",
            ),
            ("[[usb]\n", "x.toml:3: `usb` is wrong:"),
        ];
        for (text, wanted) in cases {
            let told = told("x.toml", &format!("{head}{text}"));
            assert!(told.contains(wanted), "{text}\n{told}");
        }
        assert!(told("y.toml", head).starts_with("y.toml: `name` is \"x\"; write the file's name"));
        assert!(told("x.toml", "name = 'X y'").contains("write a name of small letters"));
    }
}
