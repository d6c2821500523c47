//! Where the modem is registered, and the service centre that its messages go to.
//!
//! `+CREG` says all that is needed, where there is circuit-switched service. Only where it does not, and does not search either, LTE
//! and GPRS are asked for, because messages may go over them, too (SGs, IMS); so an ordinary modem is not asked more than once.

use super::{BringUp, Progress, Stage};
use crate::at::Final;
use crate::at::command::Domain;
use crate::at::reply::{self, Csca, Stat};
use crate::modem::session::Answer;

impl BringUp {
    /// The radio is switched on where nothing even searches: the port may have gone between `+CFUN=0` and `+CFUN=1` of a recovery.
    pub(super) fn registration_told(&mut self, domain: Domain, answer: &Answer) -> Progress {
        if domain == Domain::Circuit {
            self.setup.keeps_settings = keeps_settings(answer);
        }
        let registration = &mut self.setup.registration;
        let told = stat(answer, domain);
        if let Some(code) = told {
            registration.told(domain, code);
        }
        let searching = told.map(Stat::from_code) == Some(Stat::Searching) && domain == Domain::Circuit;
        let stage = match domain {
            _ if registration.carries_sms() || searching => Stage::Done,
            Domain::Circuit => Stage::RegistrationSet(Domain::Eps),
            Domain::Eps => Stage::RegistrationSet(Domain::Packet),
            _ if registration.is_idle() => Stage::RadioOn,
            _ => Stage::Done,
        };
        self.on(stage)
    }

    /// A card without a service centre is given the configured one; it keeps what it has.
    pub(super) fn centre_told(&mut self, answer: &Answer) -> Progress {
        self.setup.service_centre = has_service_centre(answer);
        let missing = self.setup.service_centre == Some(false);
        self.on(if missing { Stage::CentreSet } else { Stage::RegistrationSet(Domain::Circuit) })
    }

    pub(super) fn centre_set(&mut self, answer: &Answer) -> Progress {
        self.setup.service_centre = Some(answer.result == Final::Ok);
        self.next()
    }
}

/// `<stat>` in the answer to the read command of this registration.
pub(in crate::modem) fn stat(answer: &Answer, domain: Domain) -> Option<u8> {
    let read = answer.info().and_then(|info| reply::Registration::parse(&info))?;
    (read.domain == domain).then_some(read.code)
}

/// Whether `<n>` of `+CREG: <n>,<stat>` is not that of a modem that was just switched on; TS 27.007 7.2.
pub(in crate::modem) fn keeps_settings(answer: &Answer) -> bool {
    let read = answer.info().and_then(|info| reply::Registration::parse(&info));
    read.and_then(|read| read.n).is_some_and(|n| n != 0)
}

/// Whether the card knows a service centre; `None` if the modem does not say.
pub(in crate::modem) fn has_service_centre(answer: &Answer) -> Option<bool> {
    let told = answer.info().and_then(|info| Csca::parse(&info)).filter(|_| answer.result == Final::Ok)?;
    Some(told.address.bytes().any(|octet| octet.is_ascii_digit()))
}
