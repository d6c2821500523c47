//! The budgets of all SIMs as the dispatcher keeps them: the store's counts at the start, then the same steps as the store takes
//! with each turn.

use std::collections::HashMap;

use crate::provider::ChannelId;
use crate::queue::message::Lane;
use crate::route::budget::{Account, Ask, Budgets, Full, Limits, Recipient, Spent, Windows};
use crate::store::{Leased, Operations, StoreError};
use crate::units::UnixMs;

/// One account a SIM.
#[derive(Debug)]
pub struct Ledger {
    budgets: Budgets,
    accounts: HashMap<ChannelId, Account>,
}

impl Ledger {
    /// With what the store says was spent.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(store: &impl Operations, budgets: Budgets, now: UnixMs) -> Result<Self, StoreError> {
        let mut accounts = HashMap::new();
        for record in store.spent().await? {
            let limits = budgets.of(&record.channel.0);
            let recipients = match limits.recipients {
                Some(_) => store.recipients(record.channel.clone(), now).await?,
                None => Vec::new(),
            };
            let spent = record.spent.by(Windows::at(now));
            accounts.insert(record.channel, Account::new(limits, spent, recipients));
        }
        Ok(Self { budgets, accounts })
    }

    /// Whether any SIM has a limit.
    pub(super) fn limits_any(&self) -> bool {
        let free = |limits: &Limits| *limits == Limits::default();
        !free(&self.budgets.general) || !self.budgets.own.values().all(free)
    }

    /// Whether this message, or its next segment if it began there, may leave over `channel`; `promised` is asked for the segments
    /// of others that are still to go there.
    pub(super) fn may(
        &self,
        channel: &ChannelId,
        message: &Leased,
        promised: impl FnOnce() -> u32,
        now: Windows,
    ) -> Result<(), Full> {
        let urgent = message.lane == Lane::Login;
        let Some(account) = self.accounts.get(channel) else {
            let new = self.open(channel);
            return new.may_begin(&ask(message), promised(), now);
        };
        if message.bound.as_ref() == Some(channel) {
            return if account.may_go_on(urgent, now) { Ok(()) } else { Err(Full::Minute) };
        }
        account.may_begin(&ask(message), promised(), now)
    }

    /// The window of this SIM that is full for all new messages.
    pub(super) fn full(&self, channel: &ChannelId, now: Windows) -> Option<Full> {
        self.accounts.get(channel).and_then(|account| account.full(now))
    }

    /// What is left of its budget, thousandths.
    pub(super) fn share(&self, channel: &ChannelId, now: Windows) -> u16 {
        self.accounts.get(channel).map_or(1000, |account| account.share(now))
    }

    /// An attempt begins; to whom, if that is counted.
    pub(super) fn begin(
        &mut self,
        channel: &ChannelId,
        recipient: Recipient,
        at: UnixMs,
    ) -> Option<Recipient> {
        if !self.accounts.contains_key(channel) {
            let new = self.open(channel);
            self.accounts.insert(channel.clone(), new);
        }
        let account = self.accounts.get_mut(channel)?;
        account.begin(recipient, Windows::at(at));
        account.counts_recipients().then_some(recipient)
    }

    /// An attempt that began then came to nothing.
    pub(super) fn take_back(&mut self, channel: &ChannelId, recipient: Recipient, begun: UnixMs) {
        if let Some(account) = self.accounts.get_mut(channel) {
            account.take_back(recipient, Windows::at(begun));
        }
    }

    fn open(&self, channel: &ChannelId) -> Account {
        Account::new(self.budgets.of(&channel.0), Spent::default(), [])
    }
}

fn ask(message: &Leased) -> Ask {
    Ask {
        urgent: message.lane == Lane::Login,
        segments: u32::try_from(message.open.len()).unwrap_or(u32::MAX),
        recipient: message.recipient,
    }
}
