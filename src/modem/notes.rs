//! The administrator's firmware notes: files beside or in place of those that are compiled in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::profile::{Library, Profile};

/// Notes that are read; there are some fifty families of modems.
const NOTES_MAX: usize = 256;

/// What is wrong with the administrator's notes.
#[derive(Debug, thiserror::Error)]
#[error("{} {fault}", path.display())]
pub struct NotesError {
    /// The file, or the folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: NotesFault,
}

/// What can be wrong with a note.
#[derive(Debug, thiserror::Error)]
pub enum NotesFault {
    /// The folder or a file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A file is no note; the text tells line, column and what is wanted.
    #[error("is no firmware note: {0}")]
    Bad(#[from] toml::de::Error),
    /// A note is found by its name, so both must agree.
    #[error("says name = {0:?}; name the file {0}.toml, or the note after its file")]
    Name(String),
    /// There are too many.
    #[error("has more than 256 notes")]
    TooMany,
}

/// The compiled-in notes with those of `folder`, which need not exist.
///
/// # Errors
/// Everything that is wrong, each file by its first fault; then no note is used.
pub fn load(folder: &Path) -> Result<Arc<Library>, Vec<NotesError>> {
    let paths = list(folder).map_err(|fault| vec![NotesError { path: folder.to_owned(), fault }])?;
    let mut library = Library::clone(Library::compiled_in());
    let mut errors = Vec::new();
    for path in paths {
        match read(&path) {
            Ok(note) => library = library.with(note),
            Err(fault) => errors.push(NotesError { path, fault }),
        }
    }
    if errors.is_empty() { Ok(Arc::new(library)) } else { Err(errors) }
}

/// The `*.toml` of the folder in order of their names.
fn list(folder: &Path) -> Result<Vec<PathBuf>, NotesFault> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
        if paths.len() > NOTES_MAX {
            return Err(NotesFault::TooMany);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Profile, NotesFault> {
    let note = Profile::parse(&std::fs::read_to_string(path)?)?;
    if path.file_stem().is_none_or(|stem| *stem != *note.name) {
        return Err(NotesFault::Name(note.name));
    }
    Ok(note)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn notes_are_added_replaced_and_refused_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        assert_eq!(load(&missing).unwrap().all().count(), Library::compiled_in().all().count());
        fs::write(folder.path().join("acme.toml"), "name = \"acme\"\ndescription = \"A\"\n").unwrap();
        fs::write(folder.path().join("zte.toml"), "name = \"zte\"\ndescription = \"Ours\"\n").unwrap();
        fs::write(folder.path().join("readme.txt"), "no note").unwrap();
        let notes = load(folder.path()).unwrap();
        assert_eq!(notes.all().count(), Library::compiled_in().all().count() + 1);
        assert_eq!(notes.named("zte").unwrap().description, "Ours");
        fs::write(folder.path().join("bad.toml"), "name = \"bad\"\ndescription = \"B\"\nsetle-s = 3\n")
            .unwrap();
        fs::write(folder.path().join("other.toml"), "name = \"x\"\ndescription = \"X\"\n").unwrap();
        let told: Vec<String> = load(folder.path()).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("line 3") && told[0].contains("settle-s"), "{}", told[0]);
        assert!(told[1].contains("x.toml"), "{}", told[1]);
    }
}
