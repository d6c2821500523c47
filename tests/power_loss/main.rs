//! Power loss: the real daemon works under a preloaded shim that writes down every write and sync of its store; then the power
//! fails at seeded points, the files are rebuilt as a disk may hold them, and the store is held against what the daemon had
//! answered and sent until then.
//!
//! 200 points in a full run (`SMSOTPD_TEST_FULL`), a tenth otherwise. That the judge can say no is shown with syncs left away.

#![cfg(target_os = "linux")]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no users of its modules")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests read the real clock")]

#[path = "../gateway/http.rs"]
#[allow(dead_code, reason = "shared with the tests of the gateway, which use more of it")]
mod http;
#[path = "../gateway/rig.rs"]
#[allow(dead_code, reason = "shared with the whole-daemon tests, which use the rest of it")]
mod rig;

mod deeds;
mod disk;

use std::path::{Path, PathBuf};
use std::process::Command;

use deeds::Deeds;
use disk::{Disk, Record, Syncs};
use rig::{Daemon, Place, Simulator};

const POINTS: usize = 200;
const SEED: u64 = 20_261_124;

#[test]
fn what_was_answered_outlives_a_power_cut_at_any_point() {
    let place = Place::new();
    let shim = build_shim(place.path());
    let config = place.configure("");
    let (store, log) = (place.path().join("store.db"), place.path().join("power.log"));
    let options = ["--events", "phone,ctrl-z", "--latency", "2ms", "--report-after", "5ms", "--seed", "5"];
    let mut simulator = Simulator::start(&[place.ports().join("modem0")], &options);
    let text = |path: &Path| path.to_str().expect("a temporary directory has a plain name").to_owned();
    let env = [("LD_PRELOAD", text(&shim)), ("POWER_STORE", text(&store)), ("POWER_LOG", text(&log))];
    let daemon =
        Daemon::start_with(&place, &config, &env.each_ref().map(|(name, value)| (*name, value.as_str())));
    let deeds = Deeds::of(&daemon, &mut simulator);
    assert_eq!(daemon.stop(), Some(0));

    let log = std::fs::read(&log).expect("the shim writes a log");
    let records = disk::read(&log);
    let mut all = Disk::new(place.path(), Syncs::All);
    records.iter().for_each(|record| all.play(record));
    let [log_synced, store_synced] = all.synced;
    let (operations, size) = (records.len(), log.len() >> 20);
    println!("{operations} operations, {log_synced} commits, {store_synced} checkpoints, {size} MiB");
    assert!(log_synced > 200 && store_synced > 3, "the shim sees what the store does: {:?}", all.synced);

    let points = if std::env::var_os("SMSOTPD_TEST_FULL").is_some() { POINTS } else { POINTS / 10 };
    let key = place.path().join("key");
    let lost = cut(&records, &place, &deeds, &key, Syncs::All, points);
    assert!(lost.is_empty(), "{} of {points} power cuts: {lost:#?}", lost.len());
    let lost = cut(&records, &place, &deeds, &key, Syncs::NotOfTheLog, 10);
    assert!(!lost.is_empty(), "a store that does not sync its log is not found out");
}

/// Cuts the power at so many points, and tells what was wrong after which.
fn cut(
    records: &[Record<'_>],
    place: &Place,
    deeds: &Deeds,
    key: &Path,
    syncs: Syncs,
    points: usize,
) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut at: Vec<usize> = (0..points).map(|_| random.usize(1..=records.len())).collect();
    at.sort_unstable();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut disk = Disk::new(place.path(), syncs);
    let mut played = 0;
    let mut wrong = Vec::new();
    for point in at {
        records[played..point].iter().for_each(|record| disk.play(record));
        played = point;
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (path, content) in disk.after_cut(&mut random) {
            let path = Path::new(std::str::from_utf8(path).expect("a plain name"));
            std::fs::write(dir.path().join(path.file_name().expect("a file")), content).expect("room for it");
        }
        let store = dir.path().join("store.db");
        if let Err(what) = runtime.block_on(deeds.judge(&store, key, records[point - 1].at)) {
            wrong.push(format!("after operation {point}: {what}"));
        }
    }
    wrong
}

/// Compiles the shim with the compiler that compiles everything else.
fn build_shim(dir: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power_loss/shim.rs");
    let library = dir.join("libpower.so");
    let mut compiler = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    compiler.args([
        "--edition",
        "2024",
        "--crate-type",
        "cdylib",
        "-O",
        "-C",
        "panic=abort",
        "-D",
        "warnings",
        "-o",
    ]);
    let built = compiler.arg(&library).arg(source).status().expect("rustc is there");
    assert!(built.success(), "the shim does not compile");
    library
}
