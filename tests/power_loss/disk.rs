//! What a disk holds after a power cut: the contents at the last sync of each file, and a random part of what was written since.
//!
//! A write that was not synced is there, is not, or is torn at sectors of 512 octets; writes of one file do not keep their
//! order, those of two files neither. Names (a file made, renamed, unlinked) come to the disk in their order, and for certain with a sync of
//! the directory only, which is the least that POSIX promises of a journaling file system.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What a disk writes as a whole.
const SECTOR: u64 = 512;
/// Octets of a record before its contents.
const HEAD: usize = 25;
const O_TRUNC: u64 = 0o1000;

/// One operation as the shim wrote it down.
pub struct Record<'a> {
    kind: u8,
    /// CLOCK_MONOTONIC in nanoseconds.
    pub at: u64,
    fd: i32,
    number: u64,
    octets: &'a [u8],
}

/// All operations in their order; a last one that was not written whole did not happen.
pub fn read(log: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    let mut rest = log;
    while let Some((head, after)) = rest.split_at_checked(HEAD) {
        let length = u32::from_le_bytes(head[21..].try_into().expect("four octets")) as usize;
        let Some((octets, after)) = after.split_at_checked(length) else { break };
        rest = after;
        records.push(Record {
            kind: head[0],
            at: u64::from_le_bytes(head[1..9].try_into().expect("eight octets")),
            fd: i32::from_le_bytes(head[9..13].try_into().expect("four octets")),
            number: u64::from_le_bytes(head[13..21].try_into().expect("eight octets")),
            octets,
        });
    }
    records
}

/// Which syncs do what they promise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    All,
    /// Those of the log do nothing: what a store without durable commits would be.
    NotOfTheLog,
}

/// The file system below one directory while operations are played.
pub struct Disk<'a> {
    syncs: Syncs,
    directory: Vec<u8>,
    files: Vec<File<'a>>,
    names: BTreeMap<&'a [u8], usize>,
    durable_names: BTreeMap<&'a [u8], usize>,
    pending_names: Vec<(&'a [u8], Option<usize>)>,
    open: HashMap<i32, Open>,
    /// Syncs of the store's log and of its database file so far; those of the latter are its checkpoints.
    pub synced: [u64; 2],
}

#[derive(Clone, Copy)]
enum Open {
    Directory,
    File(usize),
}

#[derive(Default)]
struct File<'a> {
    log: bool,
    durable: Vec<u8>,
    pending: Vec<Change<'a>>,
}

#[derive(Clone, Copy)]
enum Change<'a> {
    Write(u64, &'a [u8]),
    Truncate(u64),
}

impl<'a> Disk<'a> {
    /// An empty directory.
    pub fn new(directory: &Path, syncs: Syncs) -> Self {
        Self {
            syncs,
            directory: directory.as_os_str().as_encoded_bytes().to_vec(),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            open: HashMap::new(),
            synced: [0; 2],
        }
    }

    /// Plays one operation.
    pub fn play(&mut self, record: &Record<'a>) {
        let Record { kind, fd, number, octets, .. } = *record;
        match kind {
            b'O' => self.open(fd, number, octets),
            b'C' => drop(self.open.remove(&fd)),
            b'S' => self.sync(fd),
            b'W' => self.change(fd, Change::Write(number, octets)),
            b'T' => self.change(fd, Change::Truncate(number)),
            b'U' => self.name(octets, None),
            b'R' => {
                let (from, to) = octets.split_at(number as usize);
                let file = self.names[from];
                self.name(from, None);
                self.name(to, Some(file));
            }
            other => panic!("the shim writes no {other}"),
        }
    }

    fn open(&mut self, fd: i32, flags: u64, path: &'a [u8]) {
        if path == self.directory {
            self.open.insert(fd, Open::Directory);
            return;
        }
        let file = self.names.get(path).copied().unwrap_or_else(|| {
            self.files.push(File { log: path.ends_with(b"-wal"), ..File::default() });
            self.name(path, Some(self.files.len() - 1));
            self.files.len() - 1
        });
        self.open.insert(fd, Open::File(file));
        if flags & O_TRUNC != 0 {
            self.change(fd, Change::Truncate(0));
        }
    }

    fn name(&mut self, path: &'a [u8], file: Option<usize>) {
        point(&mut self.names, path, file);
        self.pending_names.push((path, file));
    }

    fn change(&mut self, fd: i32, change: Change<'a>) {
        if let Some(Open::File(file)) = self.open.get(&fd) {
            self.files[*file].pending.push(change);
        }
    }

    fn sync(&mut self, fd: i32) {
        match self.open.get(&fd) {
            Some(Open::Directory) => {
                for (path, file) in self.pending_names.drain(..) {
                    point(&mut self.durable_names, path, file);
                }
            }
            Some(Open::File(file)) => {
                let file = &mut self.files[*file];
                if self.syncs == Syncs::NotOfTheLog && file.log {
                    return;
                }
                self.synced[usize::from(!file.log)] += 1;
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.durable, &mut |_| true);
                }
            }
            None => {}
        }
    }

    /// The files that may be there if the power fails now, by path.
    pub fn after_cut(&self, random: &mut fastrand::Rng) -> BTreeMap<&'a [u8], Vec<u8>> {
        let mut names = self.durable_names.clone();
        for (path, file) in self.pending_names.iter().take(random.usize(0..=self.pending_names.len())) {
            point(&mut names, path, *file);
        }
        names.into_iter().map(|(path, file)| (path, self.files[file].after_cut(random))).collect()
    }
}

fn point<'a>(names: &mut BTreeMap<&'a [u8], usize>, path: &'a [u8], file: Option<usize>) {
    match file {
        Some(file) => names.insert(path, file),
        None => names.remove(path),
    };
}

impl File<'_> {
    fn after_cut(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        // None of them, all of them and a part of them are each as likely.
        let share = random.choice([0.0, 0.5, 0.9, 1.0]).unwrap_or(0.5);
        let mut content = self.durable.clone();
        for change in &self.pending {
            if random.f64() < share {
                let torn = random.u8(0..4) == 0;
                change.apply(&mut content, &mut |_| !torn || random.bool());
            }
        }
        content
    }
}

impl Change<'_> {
    /// Changes the content; of a write only the sectors that are `kept`.
    fn apply(self, content: &mut Vec<u8>, kept: &mut dyn FnMut(u64) -> bool) {
        match self {
            Self::Truncate(length) => content.resize(length as usize, 0),
            Self::Write(at, octets) => {
                let mut from = 0_u64;
                while (from as usize) < octets.len() {
                    let sector = (at + from) / SECTOR;
                    let to = ((sector + 1) * SECTOR - at).min(octets.len() as u64);
                    if kept(sector) {
                        let (start, end) = ((at + from) as usize, (at + to) as usize);
                        content.resize(content.len().max(end), 0);
                        content[start..end].copy_from_slice(&octets[from as usize..to as usize]);
                    }
                    from = to;
                }
            }
        }
    }
}

#[test]
fn what_is_synced_stays_and_what_is_not_may_be_torn() {
    let record = |kind, number, octets| Record { kind, at: 0, fd: 3, number, octets };
    let (old, new) = ([1; 1024], [2; 1024]);
    let mut disk = Disk::new(Path::new("/d"), Syncs::All);
    for record in [record(b'O', 0, b"/d/f"), record(b'W', 0, &old), record(b'S', 0, b"")] {
        disk.play(&record);
    }
    disk.play(&Record { kind: b'O', at: 0, fd: 4, number: 0, octets: b"/d" });
    disk.play(&Record { kind: b'S', at: 0, fd: 4, number: 0, octets: b"" });
    disk.play(&record(b'W', 0, &new));
    let mut random = fastrand::Rng::with_seed(1);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let file = disk.after_cut(&mut random).remove(&b"/d/f"[..]).expect("its name is durable");
        assert!(file[..512].iter().all(|octet| *octet == file[0]), "a sector is whole");
        seen.insert((file.len(), file[0], file[512]));
    }
    assert_eq!(seen.len(), 4, "old, new, and torn either way: {seen:?}");
}
