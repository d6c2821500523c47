//! Two appliances over one PostgreSQL on this machine: full cycles of both together, and whether anything was leased twice.
//!
//! The server has the settings it comes with, and its cluster lies on the ground. Where a commit has a pause, the server itself waits
//! that long before it syncs (`commit_delay`); others may join the same sync meanwhile, as they may on any disk.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::time::Duration;

use smsotpd::queue::message::{MessageId, State};
use smsotpd::secret::Secret;
use smsotpd::store::Operations;
use smsotpd::store::engine::{Settings, Store};
use smsotpd::store::seal::Keyring;

use crate::cluster::Cluster;
use crate::load::{self, PRODUCERS, Run};
use crate::scenes::runtime;
use crate::{Figure, Ground, Wanted, probe};

const APPLIANCES: usize = 2;
const CYCLES: f64 = 1_500.0;

/// Plays the scene.
pub(crate) fn play(ground: &Ground, rounds: usize, count: usize, tell: &mut dyn FnMut(Figure)) {
    let pause =
        ground.pause.map(|pause| format!("-c commit_delay={} -c commit_siblings=0", pause.as_micros()));
    // The server runs as nobody where this runs as root: it may pass through, and we clean up behind it.
    let room = tempfile::tempdir_in(&ground.dir).expect("a temporary directory");
    std::fs::set_permissions(room.path(), std::fs::Permissions::from_mode(0o711))
        .expect("a directory of ours");
    let Some(cluster) = Cluster::start(room.path(), &pause.unwrap_or_default()) else { return };
    let database = cluster.database();
    let places = [0, 1].map(|_| tempfile::tempdir_in(&ground.dir).expect("a temporary directory"));
    let key = places[0].path().join("key");
    Keyring::write_new(&key).expect("a key");
    let open = |place: usize| {
        let settings =
            Settings::new(places[place].path().join("store.db"), Keyring::read(&key).expect("the key"));
        Store::open(Settings { url: Some(Secret::from(database.url())), ..settings })
            .expect("the store opens")
    };
    let mut samples = Vec::new();
    let mut told = String::new();
    for round in 0..=rounds {
        // The first one warms up.
        let count = if round == 0 { count / 10 } else { count };
        let begun = Barrier::new(APPLIANCES);
        let sides: Vec<(Run, Vec<MessageId>)> = std::thread::scope(|scope| {
            let sides: Vec<_> = (0..APPLIANCES)
                .map(|place| {
                    let (open, begun) = (&open, &begun);
                    scope.spawn(move || side(&open(place), begun, count / APPLIANCES, place))
                })
                .collect();
            sides.into_iter().map(|side| side.join().expect("an appliance ends")).collect()
        });
        let all: HashSet<_> = sides.iter().flat_map(|(_, leased)| leased).collect();
        let leases: usize = sides.iter().map(|(_, leased)| leased.len()).sum();
        assert_eq!(all.len(), leases, "a message was leased twice");
        let longest = sides.iter().map(|(run, _)| run.time).max().unwrap_or_default();
        if round > 0 {
            samples.push(leases as f64 / longest.as_secs_f64());
            told = sides.iter().map(|(run, _)| run.told()).collect::<Vec<_>>().join(" and ");
        }
    }
    whole(&open(0));
    let beside = format!("{told}; sync back to back {}", probe::sync(&ground.dir, 200, Duration::ZERO));
    let name = format!(
        "full cycles of {APPLIANCES} appliances on one PostgreSQL, {PRODUCERS} producers and lines each"
    );
    tell(ground.hold(Figure::new(name, samples, "messages/s", beside), Wanted::AtLeast(CYCLES)));
}

/// One appliance, from when both are there.
fn side(store: &Store, begun: &Barrier, count: usize, place: usize) -> (Run, Vec<MessageId>) {
    begun.wait();
    runtime().block_on(async {
        let run = load::cycle_at(store, count, false, place).await;
        store.close().await;
        run
    })
}

/// Every message came through.
fn whole(store: &Store) {
    let counts = runtime().block_on(async {
        let counts = store.counts().await.expect("counts");
        store.close().await;
        counts
    });
    let others: u64 =
        counts.iter().filter(|count| count.state != State::Delivered).map(|count| count.messages).sum();
    assert_eq!(others, 0, "all are delivered");
}
