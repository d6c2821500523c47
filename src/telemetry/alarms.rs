//! Keeps the store's alarms in step with what is seen: a condition is raised when it has stood long enough, told once in the
//! log, and cleared when it is over.
//!
//! [`Watch`] decides and knows neither clock nor store; [`run`] carries out. What the store holds open from an earlier run is
//! taken over at the start, so a condition that outlives the daemon stays one alarm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::alarm::{Alarm, AlarmKind, Finding, Progress, Severity};
use crate::clock;
use crate::store::{AlarmId, AlarmRecord, Alarms, Operations, StoreError};
use crate::units::Imei;

pub mod own;

/// Between two tries when the store fails.
const STORE_PAUSE: Duration = Duration::from_secs(10);

/// What is the matter, and with which modem or port.
type Condition = (String, AlarmKind);

/// What is to be done in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It stands, or has another cause than was told.
    Raise(Alarm),
    /// It is over.
    Clear(AlarmId, Alarm),
}

/// An open alarm.
#[derive(Debug)]
struct Told {
    id: AlarmId,
    cause: String,
    /// By this watch: what an earlier daemon told is told again if it still stands.
    now: bool,
}

/// What stands, what may come to stand, and who is missed.
#[derive(Debug, Default)]
pub struct Watch {
    open: BTreeMap<Condition, Told>,
    /// What has not stood long enough, and since when.
    pending: BTreeMap<Condition, Instant>,
    /// Modems that were seen, and at which port last.
    modems: BTreeMap<String, String>,
    /// Modems and ports that are not there, and since when.
    absent: BTreeMap<String, Instant>,
}

impl Watch {
    /// With the alarms that are open in the store.
    #[must_use]
    pub fn new(open: &[AlarmRecord]) -> Self {
        let told = |record: &AlarmRecord| {
            let kind = AlarmKind::from_word(&record.kind)?;
            let told = Told { id: record.id, cause: record.cause.clone(), now: false };
            Some(((record.subject.clone(), kind), told))
        };
        Self { open: open.iter().filter_map(told).collect(), ..Self::default() }
    }

    /// What is to be done about what is seen now; told again until it is [`done`](Self::done).
    pub fn look(&mut self, now: Instant, findings: &[Finding]) -> Vec<Change> {
        let seen = Seen::new(findings);
        self.miss(now, &seen);
        self.pending.retain(|condition, _| seen.has(&condition.0) && !seen.is_over(condition));
        let mut changes = self.over(now, &seen);
        for (condition, cause) in seen.standing() {
            let due = match self.open.get(&condition) {
                Some(told) => !told.now || told.cause != cause,
                None => {
                    let since = *self.pending.entry(condition.clone()).or_insert(now);
                    now.duration_since(since) >= condition.1.patience()
                }
            };
            if due {
                changes.push(Change::Raise(alarm(condition, cause)));
            }
        }
        changes.extend(self.lost(now).map(Change::Raise));
        changes
    }

    /// It is in the store; `id` is the number of the alarm.
    pub fn done(&mut self, change: Change, id: AlarmId) {
        match change {
            Change::Raise(Alarm { kind, subject, cause }) => {
                let condition = (subject, kind);
                self.pending.remove(&condition);
                self.open.insert(condition, Told { id, cause, now: true });
            }
            Change::Clear(_, Alarm { kind, subject, .. }) => {
                self.open.remove(&(subject, kind));
            }
        }
    }

    /// When to look again, even if nothing changes.
    #[must_use]
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let pending = self.pending.iter().map(|((_, kind), since)| *since + kind.patience());
        let absent = self.absent.values().map(|since| *since + AlarmKind::ModemLost.patience());
        pending.chain(absent).filter(|moment| *moment > now).min()
    }

    /// Notes who is there, and who that was there or has an alarm is not.
    fn miss(&mut self, now: Instant, seen: &Seen<'_>) {
        for (modem, finding) in &seen.modems {
            self.modems.insert((*modem).to_owned(), finding.port.clone());
        }
        self.absent.retain(|subject, _| !seen.has(subject));
        for subject in self.modems.keys().chain(self.open.keys().map(|(subject, _)| subject)) {
            if !seen.has(subject) && !self.absent.contains_key(subject) {
                self.absent.insert(subject.clone(), now);
            }
        }
    }

    /// Open alarms that are over, and those of what has gone: nobody can tell any more whether they stand.
    fn over(&self, now: Instant, seen: &Seen<'_>) -> Vec<Change> {
        let over = |condition: &Condition| {
            let lost = condition.1 == AlarmKind::ModemLost && is_modem(&condition.0);
            seen.is_over(condition) || (self.is_gone(now, &condition.0) && !lost)
        };
        let open = self.open.iter().filter(|(condition, _)| over(condition));
        open.map(|(condition, told)| Change::Clear(told.id, alarm(condition.clone(), told.cause.clone())))
            .collect()
    }

    /// Modems that went and did not come back.
    fn lost(&self, now: Instant) -> impl Iterator<Item = Alarm> {
        let gone = self.absent.keys().filter(move |subject| is_modem(subject) && self.is_gone(now, subject));
        gone.map(|subject| (subject.clone(), AlarmKind::ModemLost))
            .filter(|condition| !self.open.contains_key(condition))
            .map(|condition| {
                let place = self.modems.get(&condition.0);
                let place = place.map_or_else(String::new, |port| format!("; it was at {port}"));
                alarm(condition, format!("the modem is not plugged in{place}"))
            })
    }

    fn is_gone(&self, now: Instant, subject: &str) -> bool {
        let since = self.absent.get(subject);
        since.is_some_and(|since| now.duration_since(*since) >= AlarmKind::ModemLost.patience())
    }
}

fn alarm((subject, kind): Condition, cause: String) -> Alarm {
    Alarm { kind, subject, cause }
}

/// Whether it names a modem and not a port.
fn is_modem(subject: &str) -> bool {
    Imei::parse(subject).is_some()
}

/// The findings, by what they speak of.
struct Seen<'a> {
    ports: BTreeMap<&'a str, &'a Finding>,
    /// Of several ports of one modem, the one where it has come furthest.
    modems: BTreeMap<&'a str, &'a Finding>,
}

impl<'a> Seen<'a> {
    fn new(findings: &'a [Finding]) -> Self {
        let mut seen = Self { ports: BTreeMap::new(), modems: BTreeMap::new() };
        for finding in findings {
            seen.ports.insert(&finding.port, finding);
            let Some(modem) = &finding.modem else { continue };
            let furthest = seen.modems.entry(modem.as_str()).or_insert(finding);
            if finding.progress.stage() > furthest.progress.stage() {
                *furthest = finding;
            }
        }
        seen
    }

    fn has(&self, subject: &str) -> bool {
        self.ports.contains_key(subject) || self.modems.contains_key(subject)
    }

    /// Whether something seen shows that it is over. What was said of a port before its modem was known is the modem's from then on.
    fn is_over(&self, (subject, kind): &Condition) -> bool {
        let finding = self.modems.get(subject.as_str()).or_else(|| self.ports.get(subject.as_str()));
        let mut signs = finding.into_iter().flat_map(|finding| &finding.signs);
        if let Some(sign) = signs.find(|sign| sign.kind == *kind) {
            return sign.cause.is_none();
        }
        let at_port = |finding: &&Finding| {
            kind.is_over(finding.progress) || (finding.modem.is_some() && !kind.is_of_port())
        };
        self.ports.get(subject.as_str()).is_some_and(at_port)
            || self.modems.get(subject.as_str()).is_some_and(|finding| kind.is_over(finding.progress))
    }

    /// What keeps ports and modems from coming further, with the cause.
    fn standing(&self) -> impl Iterator<Item = (Condition, String)> {
        let of_ports = self.ports.values().filter(|finding| finding.modem.is_none() || is_of_port(finding));
        let of_ports = of_ports.map(|finding| (finding.port.as_str(), *finding));
        let of_modems = self.modems.iter().map(|(modem, finding)| (*modem, *finding));
        let of_modems = of_modems.filter(|(_, finding)| !is_of_port(finding));
        of_ports.chain(of_modems).flat_map(|(subject, finding)| {
            let stuck = match finding.progress {
                Progress::Stuck(kind) => Some((kind, finding.cause.clone())),
                Progress::Unknown | Progress::Reached(_) => None,
            };
            let signs = finding.signs.iter().filter_map(|sign| Some((sign.kind, sign.cause.clone()?)));
            stuck.into_iter().chain(signs).map(move |(kind, cause)| ((subject.to_owned(), kind), cause))
        })
    }
}

fn is_of_port(finding: &Finding) -> bool {
    matches!(finding.progress, Progress::Stuck(kind) if kind.is_of_port())
}

/// Keeps the store in step with what `findings` makes of `source`, and with `own`, until `stop` or the end of either.
pub async fn run<T>(
    store: impl Operations,
    mut source: watch::Receiver<Arc<T>>,
    findings: impl Fn(&T) -> Vec<Finding>,
    mut own: watch::Receiver<Vec<Finding>>,
    stop: CancellationToken,
) {
    let mut keeper: Option<Watch> = None;
    loop {
        let mut seen = findings(&source.borrow_and_update());
        seen.extend(own.borrow_and_update().iter().cloned());
        let step = step(&store, &mut keeper, &seen).await;
        let failed = step.is_err();
        let next = step.unwrap_or_else(|error| {
            tracing::error!(%error, "alarms cannot be kept; trying again");
            Some(clock::monotonic() + STORE_PAUSE)
        });
        tokio::select! {
            () = stop.cancelled() => return,
            changed = source.changed(), if !failed => if changed.is_err() { return },
            changed = own.changed(), if !failed => if changed.is_err() { return },
            () = until(next) => {}
        }
    }
}

/// Looks once and carries out what is due; gives the time of the next look.
async fn step(
    store: &impl Operations,
    keeper: &mut Option<Watch>,
    seen: &[Finding],
) -> Result<Option<Instant>, StoreError> {
    let watch = match keeper {
        Some(watch) => watch,
        None => keeper.insert(Watch::new(&store.alarms(Alarms::Open).await?)),
    };
    let now = clock::monotonic();
    for change in watch.look(now, seen) {
        let id = carry_out(store, &change).await?;
        watch.done(change, id);
    }
    Ok(watch.deadline(now))
}

async fn carry_out(store: &impl Operations, change: &Change) -> Result<AlarmId, StoreError> {
    match change {
        Change::Raise(alarm) => {
            let raised = store.raise_alarm(alarm.clone(), clock::wall()).await?;
            if raised.news {
                tell(alarm);
            }
            Ok(raised.id)
        }
        Change::Clear(id, Alarm { kind, subject, .. }) => {
            // An operator may have cleared it before.
            if store.clear_alarm(*id, clock::wall()).await? {
                tracing::info!(alarm = %kind, subject, "alarm cleared");
            }
            Ok(*id)
        }
    }
}

fn tell(Alarm { kind, subject, cause }: &Alarm) {
    let remedy = kind.remedy();
    match kind.severity() {
        Severity::Warning => tracing::warn!(alarm = %kind, subject, cause, remedy, "alarm raised"),
        Severity::Critical => tracing::error!(alarm = %kind, subject, cause, remedy, "alarm raised"),
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
