//! What the service manager is told: ready, alive, reloading, stopping. Outside systemd all of it is nothing.

use sd_notify::NotifyState;

/// The listener listens and the store is open.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// There was progress; without this the service manager ends the daemon and starts it again. Where it has set no watchdog
/// nothing is said: whoever does not read would hold us up.
pub(super) fn alive() {
    if sd_notify::watchdog_enabled().is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

/// A reload begins; systemd wants the monotonic time with it (`Type=notify-reload`).
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The end begins.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
