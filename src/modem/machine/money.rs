//! What the machine has to do with USSD and with the balance of a prepaid card.

use std::time::{Duration, Instant};

use super::{Ended, Kind, Machine, Noise, NotSent, RequestId, Turn, UssdFault};
use crate::modem::balance::{Balance, BalanceCheck};
use crate::modem::session::Order;

/// A balance that was not told is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_secs(3600);

impl Machine {
    pub(super) fn ussd_requested(
        &mut self,
        now: Instant,
        id: RequestId,
        kind: Kind,
    ) -> Result<(), UssdFault> {
        let ready = self.is_ready();
        let mut turn = turn!(self, now);
        match kind {
            Kind::Ussd(code) if ready => self.ussd.accept(&mut turn, id, code),
            Kind::UssdCancel if ready => Ok(self.ussd.cancel(&mut turn, id)?),
            _ => Err(NotSent::NotReady.into()),
        }
    }

    /// The question for the balance, when the modem has nothing else to do.
    pub(super) fn balance_order(&mut self, now: Instant) -> Option<Order> {
        let check = self.settings.balance.as_ref()?;
        let due = self.balance_due.is_some_and(|due| due <= now);
        if !(due && self.is_ready() && self.ussd.ask_balance(&mut turn!(self, now), &check.code)) {
            return None;
        }
        self.ussd.order(&mut turn!(self, now))
    }

    /// Takes over what the network said about it.
    pub(super) fn balance_told(&mut self, now: Instant) {
        let (Some(ended), Some(check)) = (self.ussd.take_balance(), &self.settings.balance) else { return };
        let balance = read(&ended, check);
        self.balance_due = Some(now + balance.map_or(ASK_AGAIN.min(check.every), |_| check.every));
        match balance {
            Some(balance) => self.status.balance = balance,
            None if ended.is_ok() => turn!(self, now).noise(Noise::BalanceUnread),
            None => {}
        }
    }

    /// Another card has another balance.
    pub(super) fn forget_balance(&mut self, now: Instant) {
        if self.settings.balance.is_some() {
            self.status.balance = Balance::Unknown;
            self.balance_due = Some(now);
        }
    }
}

fn read(ended: &Ended, check: &BalanceCheck) -> Option<Balance> {
    check.read(&ended.as_ref().ok()?.text)
}
