//! The clocks of the daemon: judged at the start, looked at now and then, and never followed in mid-run.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::clock::model::{self, Begin, Lives, Reading, Remembered};
use crate::store::engine::Store;
use crate::store::{Recovered, StoreError};

/// How often somebody looks whether the clock was set; who wants to know at once asks the metric.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The same while messages wait for it.
const LOOK_SOON: Duration = Duration::from_secs(5);
/// The system's bus answers in milliseconds; one that is not up yet must not hold the start up.
const ASK_LIMIT: Duration = Duration::from_secs(3);

/// systemd-timesyncd makes it when it has set the clock.
const SET_BY_TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

/// Ties the clock and lets the store begin.
pub(super) async fn begin(store: &Store) -> Result<(Begin, Recovered), StoreError> {
    let remembered = store.remembered().await?;
    let reading = read(remembered.as_ref()).await;
    let begin = model::begin(remembered.as_ref(), &reading);
    clock::tie(&begin.model);
    tell(&begin);
    let recovered = store.begin(&reading.boot, begin).await?;
    Ok((begin, recovered))
}

/// Watches the clocks until `stop`, or until one can be taken over that differs: then the daemon begins anew, since no time may jump while
/// anything lives by it.
pub(super) async fn watch(store: Store, mut doubted: bool, anew: CancellationToken, stop: CancellationToken) {
    let (mut apart, mut commits) = (0, 0);
    loop {
        tokio::select! {
            () = tokio::time::sleep(if doubted { LOOK_SOON } else { LOOK_EVERY }) => {}
            () = stop.cancelled() => return,
        }
        let found = clock::apart();
        let stepped = found.abs_diff(apart) >= model::TOLERANCE.as_millis() as u64;
        if stepped {
            apart = found;
            tracing::warn!(
                seconds = found / 1_000,
                "the wall clock was set; running life times keep to the old one until the next start"
            );
        }
        let written = store.stats().commits;
        if stepped || written != commits {
            match store.looked(apart).await {
                // Its own commit is no news.
                Ok(()) => commits = store.stats().commits,
                Err(error) => tracing::warn!(%error, "the time could not be stored"),
            }
        }
        if doubted {
            match resolve(&store).await {
                Ok(Doubt::Stays) => {}
                Ok(Doubt::Over) => doubted = false,
                Ok(Doubt::Anew) => {
                    anew.cancel();
                    return;
                }
                Err(error) => tracing::error!(%error, "what waits for the clock waits on"),
            }
        }
    }
}

/// What became of the doubt.
enum Doubt {
    Stays,
    Over,
    /// The clock is right now, and another than the one that this run goes by.
    Anew,
}

async fn resolve(store: &Store) -> Result<Doubt, StoreError> {
    let remembered = store.remembered().await?;
    let reading = read(remembered.as_ref()).await;
    let begin = model::begin(remembered.as_ref(), &reading);
    if begin.model.doubted.is_some() {
        return Ok(Doubt::Stays);
    }
    if begin.moved != 0 {
        tracing::warn!(
            seconds = begin.moved / 1_000,
            "the clock is right now; beginning anew to take it over"
        );
        return Ok(Doubt::Anew);
    }
    tell(&begin);
    store.settle_clock(&reading.boot, begin).await?;
    Ok(Doubt::Over)
}

fn tell(begin: &Begin) {
    if begin.moved != 0 {
        tracing::warn!(
            seconds = begin.moved / 1_000,
            "the wall clock was set meanwhile; stored life times move with it"
        );
    }
    match begin.lives {
        Lives::GoOn => {}
        Lives::Wait => {
            tracing::warn!(
                "the clock is not trusted after a boot: challenges and login messages of before end, other messages of \
                 before wait until a time service has set it, an hour at most"
            );
        }
        Lives::Resume => tracing::info!("what waited for the clock goes on"),
        Lives::Lost => {
            tracing::warn!("the clock is behind what is stored and nobody set it: what waited for it ends");
        }
    }
}

/// The clocks now. Whether they are synchronised is asked only where it matters: in another boot, or while they are doubted.
async fn read(remembered: Option<&Remembered>) -> Reading {
    let boot = clock::boot();
    let matters = remembered.is_some_and(|before| before.boot != boot || before.doubted.is_some());
    let synchronised = matters && synchronised().await;
    // Both at one moment, after the wait for an answer.
    Reading { boot, boottime: clock::boottime(), set: clock::set(), synchronised }
}

/// Whether a time service vouches for the wall clock. The kernel's own flag (`adjtimex`, STA_UNSYNC) is behind a system call that
/// the unit forbids (`ProtectClock=yes`), so systemd is asked, which reads it whoever the service is.
async fn synchronised() -> bool {
    if let Some(staged) = clock::staged_synchronised() {
        return staged;
    }
    if Path::new(SET_BY_TIMESYNCD).exists() {
        return true;
    }
    let mut ask = Command::new("timedatectl");
    ask.args(["show", "--property=NTPSynchronized", "--value"]).stdin(Stdio::null()).stderr(Stdio::null());
    match tokio::time::timeout(ASK_LIMIT, ask.kill_on_drop(true).output()).await {
        Ok(Ok(told)) => told.stdout.trim_ascii() == b"yes",
        Ok(Err(_)) | Err(_) => false,
    }
}
