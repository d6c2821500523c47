//! A library to be preloaded: it writes down what a process does to the files of one store, in order, with contents, so that a
//! test can say what a disk holds when the power fails at any moment.
//!
//! Not part of the crate: the test compiles it by itself (`rustc --crate-type cdylib`). The environment names the store's path
//! in `POWER_STORE` (its log and journal begin with it; its directory counts for syncs alone) and the file to write to in
//! `POWER_LOG`. A lock is held over each operation and its record, so the order of records is the order of operations. The memory-mapped
//! index of the log is no durable state and is passed over.
//!
//! ```text
//! record = kind (1) || CLOCK_MONOTONIC in ns (8) || descriptor (4) || number (8) || length (4) || octets, little-endian
//! ```

#![allow(unsafe_code)]

use std::collections::HashSet;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;
const O_WRONLY_CREAT_APPEND: c_int = 0o1 | 0o100 | 0o2000;
const CLOCK_MONOTONIC: c_int = 1;
const SEEK_CUR: c_int = 1;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

#[repr(C)]
pub struct Iovec {
    base: *const c_void,
    length: usize,
}

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn getenv(name: *const c_char) -> *const c_char;
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
    fn lseek(fd: c_int, offset: i64, whence: c_int) -> i64;
}

type Open = unsafe extern "C" fn(*const c_char, c_int, c_int) -> c_int;
type OpenAt = unsafe extern "C" fn(c_int, *const c_char, c_int, c_int) -> c_int;
type Write = unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;
type PWrite = unsafe extern "C" fn(c_int, *const c_void, usize, i64) -> isize;
type PWriteV = unsafe extern "C" fn(c_int, *const Iovec, c_int, i64) -> isize;
type OfFd = unsafe extern "C" fn(c_int) -> c_int;
type Truncate = unsafe extern "C" fn(c_int, i64) -> c_int;
type OfPath = unsafe extern "C" fn(*const c_char) -> c_int;
type OfPaths = unsafe extern "C" fn(*const c_char, *const c_char) -> c_int;

/// The function of this name behind ours, found once.
macro_rules! real {
    ($name:literal as $type:ty) => {{
        static FOUND: OnceLock<usize> = OnceLock::new();
        // Used in `unsafe` blocks: the name ends with a zero octet, and every C library has the function with this signature.
        let found = *FOUND.get_or_init(|| dlsym(RTLD_NEXT, concat!($name, "\0").as_ptr().cast()) as usize);
        std::mem::transmute::<usize, $type>(found)
    }};
}

struct Record {
    store: Vec<u8>,
    log: c_int,
    watched: Mutex<HashSet<c_int>>,
}

fn record() -> Option<&'static Record> {
    static RECORD: OnceLock<Option<Record>> = OnceLock::new();
    RECORD.get_or_init(begin).as_ref()
}

fn begin() -> Option<Record> {
    // SAFETY: names end with a zero octet; what the environment has lives as long as nobody changes it, and nobody does.
    let (store, log) = unsafe { (getenv(c"POWER_STORE".as_ptr()), getenv(c"POWER_LOG".as_ptr())) };
    if store.is_null() || log.is_null() {
        return None;
    }
    // SAFETY: both are texts that end with a zero octet.
    let (store, log) = unsafe {
        (CStr::from_ptr(store).to_bytes().to_vec(), real!("open" as Open)(log, O_WRONLY_CREAT_APPEND, 0o600))
    };
    (log >= 0).then(|| Record { store, log, watched: Mutex::new(HashSet::new()) })
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, HashSet<c_int>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is one of the store's files or their directory.
    fn concerns(&self, path: &[u8]) -> bool {
        let directory =
            self.store.iter().rposition(|octet| *octet == b'/').map_or(&[][..], |at| &self.store[..at]);
        path == directory || (path.starts_with(&self.store) && !path.ends_with(b"-shm"))
    }

    fn tell(&self, kind: u8, fd: c_int, number: u64, octets: &[u8]) {
        let mut now = Timespec { seconds: 0, nanoseconds: 0 };
        // SAFETY: the structure is the one that this call fills in on 64-bit systems.
        unsafe { clock_gettime(CLOCK_MONOTONIC, &mut now) };
        let nanoseconds = now.seconds as u64 * 1_000_000_000 + now.nanoseconds as u64;
        let mut told = Vec::with_capacity(25 + octets.len());
        told.push(kind);
        told.extend(nanoseconds.to_le_bytes());
        told.extend(fd.to_le_bytes());
        told.extend(number.to_le_bytes());
        told.extend((octets.len() as u32).to_le_bytes());
        told.extend(octets);
        // SAFETY: the octets are there for the call. What is not written whole makes the reader of the log fail.
        unsafe { real!("write" as Write)(self.log, told.as_ptr().cast(), told.len()) };
    }
}

/// What stands at `path`.
///
/// # Safety
/// It must end with a zero octet.
unsafe fn octets<'a>(path: *const c_char) -> &'a [u8] {
    // SAFETY: the caller's.
    unsafe { CStr::from_ptr(path) }.to_bytes()
}

unsafe fn opened(path: *const c_char, flags: c_int, open: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: as the C function.
    let path = unsafe { octets(path) };
    let Some(record) = record().filter(|record| record.concerns(path)) else { return open() };
    let mut watched = record.lock();
    let fd = open();
    if fd >= 0 {
        watched.insert(fd);
        record.tell(b'O', fd, flags as u64, path);
    }
    fd
}

unsafe fn written(fd: c_int, at: Option<i64>, octets: &[u8], write: impl FnOnce() -> isize) -> isize {
    let Some(record) = record() else { return write() };
    let watched = record.lock();
    if !watched.contains(&fd) {
        drop(watched);
        return write();
    }
    // SAFETY: it only asks.
    let at = at.unwrap_or_else(|| unsafe { lseek(fd, 0, SEEK_CUR) });
    let count = write();
    if let Some(written) = usize::try_from(count).ok().and_then(|count| octets.get(..count)) {
        record.tell(b'W', fd, at as u64, written);
    }
    count
}

fn done(kind: u8, fd: c_int, number: u64, act: impl FnOnce() -> c_int) -> c_int {
    let Some(record) = record() else { return act() };
    let mut watched = record.lock();
    if !watched.contains(&fd) {
        drop(watched);
        return act();
    }
    let result = act();
    if result == 0 {
        record.tell(kind, fd, number, &[]);
    }
    if kind == b'C' {
        watched.remove(&fd);
    }
    result
}

unsafe fn named(kind: u8, from: *const c_char, to: *const c_char, act: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: as the C functions.
    let (from, to) = unsafe { (octets(from), octets(to)) };
    let Some(record) = record().filter(|record| record.concerns(from) || record.concerns(to)) else {
        return act();
    };
    let _order = record.lock();
    let result = act();
    if result == 0 {
        record.tell(kind, -1, from.len() as u64, &[from, to].concat());
    }
    result
}

macro_rules! interpose {
    ($($open:ident $name:literal)*; $($open_at:ident $name_at:literal)*; $($pwrite:ident $name_pwrite:literal)*;
     $($pwritev:ident $name_pwritev:literal)*; $($truncate:ident $name_truncate:literal)*; $($sync:ident $name_sync:literal)*) => {
        $(#[unsafe(no_mangle)]
        pub unsafe extern "C" fn $open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
            unsafe { opened(path, flags, || real!($name as Open)(path, flags, mode)) }
        })*
        $(#[unsafe(no_mangle)]
        pub unsafe extern "C" fn $open_at(at: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int {
            unsafe { opened(path, flags, || real!($name_at as OpenAt)(at, path, flags, mode)) }
        })*
        $(#[unsafe(no_mangle)]
        pub unsafe extern "C" fn $pwrite(fd: c_int, octets: *const c_void, count: usize, at: i64) -> isize {
            unsafe {
                let seen = std::slice::from_raw_parts(octets.cast(), count);
                written(fd, Some(at), seen, || real!($name_pwrite as PWrite)(fd, octets, count, at))
            }
        })*
        $(#[unsafe(no_mangle)]
        pub unsafe extern "C" fn $pwritev(fd: c_int, parts: *const Iovec, count: c_int, at: i64) -> isize {
            unsafe {
                let list = std::slice::from_raw_parts(parts, count as usize);
                let seen = list.iter().map(|part| std::slice::from_raw_parts(part.base.cast::<u8>(), part.length));
                let seen: Vec<u8> = seen.flatten().copied().collect();
                written(fd, Some(at), &seen, || real!($name_pwritev as PWriteV)(fd, parts, count, at))
            }
        })*
        $(#[unsafe(no_mangle)]
        pub unsafe extern "C" fn $truncate(fd: c_int, length: i64) -> c_int {
            done(b'T', fd, length as u64, || unsafe { real!($name_truncate as Truncate)(fd, length) })
        })*
        $(#[unsafe(no_mangle)]
        pub unsafe extern "C" fn $sync(fd: c_int) -> c_int {
            done(b'S', fd, 0, || unsafe { real!($name_sync as OfFd)(fd) })
        })*
    };
}

interpose! {
    open "open" open64 "open64"; openat "openat" openat64 "openat64"; pwrite "pwrite" pwrite64 "pwrite64";
    pwritev "pwritev" pwritev64 "pwritev64"; ftruncate "ftruncate" ftruncate64 "ftruncate64"; fsync "fsync" fdatasync "fdatasync"
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, octets: *const c_void, count: usize) -> isize {
    unsafe {
        let seen = std::slice::from_raw_parts(octets.cast(), count);
        written(fd, None, seen, || real!("write" as Write)(fd, octets, count))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    done(b'C', fd, 0, || unsafe { real!("close" as OfFd)(fd) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    unsafe { named(b'U', path, c"".as_ptr(), || real!("unlink" as OfPath)(path)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    unsafe { named(b'R', from, to, || real!("rename" as OfPaths)(from, to)) }
}
