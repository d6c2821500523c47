//! Where received messages go and how they are told: the stages of `+CPMS`, `+CSMS` and `+CNMI`.

use std::time::Instant;

use super::{BringUp, Progress, Stage};
use crate::at::command::{Cnmi, StoreName};
use crate::at::reply::{CnmiSupport, Cpms};
use crate::at::{Command, Final};
use crate::modem::profile::{Delivery, Profile};
use crate::modem::session::{Answer, Order};

/// Most and fewest places of `+CPMS`; TS 27.005 3.2.2.
const PLACES_MAX: u8 = 3;
const PLACES_MIN: u8 = 1;

/// Where received messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::modem) struct StoreSetUp {
    pub(in crate::modem) receive: StoreName,
    pub(in crate::modem) places: u8,
    pub(in crate::modem) used: u16,
    pub(in crate::modem) total: u16,
}

impl StoreSetUp {
    /// The command that selects `read` to read from and leaves the others as they are.
    pub(in crate::modem) fn select(&self, read: StoreName) -> Command {
        let other = |place: u8| (self.places >= place).then(|| self.receive.clone());
        Command::CpmsSet { read, write: other(2), receive: other(3) }
    }
}

impl BringUp {
    /// How many stores `+CPMS` is first tried with.
    pub(super) fn most_places(&self) -> u8 {
        self.note.store_places.value.clamp(PLACES_MIN, PLACES_MAX)
    }

    /// Selects the store to stay with, if there is one more to try.
    pub(super) fn choose_store(&self, choice: usize, places: u8) -> Option<Order> {
        self.note.stores.value.get(choice).map(|store| all_in(store.name(), places))
    }

    /// Selects a store only so that it was selected.
    pub(super) fn toggle_store(&self, at: usize) -> Option<Order> {
        self.note.store_toggle.value.get(at).map(|store| all_in(store.name(), self.most_places()))
    }

    pub(super) fn stores_told(
        &mut self,
        now: Instant,
        choice: usize,
        places: u8,
        answer: &Answer,
    ) -> Progress {
        let stores = &self.note.stores.value;
        let last = choice.saturating_add(1) >= stores.len();
        if answer.result != Final::Ok {
            if last
                && places <= 1
                && answer.result == Final::Error
                && let Some(again) = self.again(now)
            {
                self.stage = Stage::Stores { choice: 0, places: self.most_places() };
                return again;
            }
            return self.next();
        }
        let fill = answer.info().and_then(|info| Cpms::parse(&info));
        let receiving = fill.as_ref().and_then(|cpms| cpms.stores.last());
        if receiving.is_some_and(|fill| fill.total == 0) && !last {
            return self.on(Stage::Stores { choice: choice.saturating_add(1), places: self.most_places() });
        }
        let reading = fill.as_ref().and_then(|cpms| cpms.stores.first());
        self.setup.store = stores.get(choice).map(|store| StoreSetUp {
            receive: store.name(),
            places,
            used: reading.map_or(0, |fill| fill.used),
            total: reading.map_or(0, |fill| fill.total),
        });
        self.on(Stage::Service)
    }
}

/// All that `+CPMS` selects is this store.
fn all_in(store: StoreName, places: u8) -> Order {
    StoreSetUp { receive: store.clone(), places, used: 0, total: 0 }.select(store).into()
}

/// Settings of `+CNMI` to try, the best first: those of the preference that the modem says it knows; all of it if it
/// says nothing.
pub(super) fn candidates(note: &Profile, support: &CnmiSupport) -> Vec<Cnmi> {
    let (mts, dss): (&[u8], &[u8]) = match note.delivery.value {
        Delivery::Store => (&[1], &[2, 1, 0]),
        Delivery::Direct => (&[2, 1], &[1, 2, 0]),
    };
    let own = note.cnmi_reports.value.as_slice();
    let dss = if own.is_empty() { dss } else { own };
    let knows = |known: &[u8], value: u8| known.is_empty() || known.contains(&value);
    let bfr = u8::from(!knows(&support.bfr, 0));
    let mut all = Vec::new();
    for &mt in mts.iter().filter(|&&mt| knows(&support.mt, mt)) {
        for &ds in dss.iter().filter(|&&ds| knows(&support.ds, ds)) {
            for &mode in note.cnmi_modes.value.iter().filter(|&&mode| knows(&support.mode, mode)) {
                all.push(Cnmi { mode, mt, bm: 0, ds, bfr });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modem::profile::Library;

    fn first(support: &CnmiSupport) -> Option<(u8, u8, u8, u8)> {
        candidates(&Library::compiled_in().generic(), support).first().map(|c| (c.mode, c.mt, c.ds, c.bfr))
    }

    #[test]
    fn a_note_names_its_own_order_of_reports() {
        let note = "name='n'\ndescription='d'\ncnmi-reports={ value=[0, 1], source='test' }";
        let note = Profile::parse(note).unwrap();
        let reports: Vec<_> =
            candidates(&note, &CnmiSupport::default()).iter().map(|c| (c.mode, c.ds)).collect();
        assert_eq!(reports, [(2, 0), (1, 0), (2, 1), (1, 1)]);
    }

    #[test]
    fn notifications_are_what_both_sides_know() {
        let support = |mode: &[u8], ds: &[u8], bfr: &[u8]| CnmiSupport {
            mode: mode.to_vec(),
            mt: vec![0, 1, 2],
            bm: vec![0],
            ds: ds.to_vec(),
            bfr: bfr.to_vec(),
        };
        assert_eq!(first(&CnmiSupport::default()), Some((2, 1, 2, 0)));
        assert_eq!(first(&support(&[0, 1, 2], &[0, 1, 2], &[0, 1])), Some((2, 1, 2, 0)));
        assert_eq!(first(&support(&[0, 1], &[0, 1], &[0])), Some((1, 1, 1, 0)));
        assert_eq!(first(&support(&[0, 1, 2], &[0], &[1])), Some((2, 1, 0, 1)));
        assert_eq!(first(&support(&[3], &[0, 1], &[1])), None);
    }
}
