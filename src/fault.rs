//! Fault points: steps of a message's life at which a test lets the process die, as a power cut would, to see what the next
//! start makes of it.
//!
//! Without the feature `fault-points`, which no release has, a point is nothing at all. With it, `SMSOTPD_FAULT` names one and the
//! pass at which the process kills itself: `after-commit:3`.

/// Where the process may die. Each stands right before or after what cannot be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A transaction is written and not committed: acceptance, lease, attempt, outcome, report or what came in.
    BeforeCommit,
    /// It is durable, and nobody was told.
    AfterCommit,
    /// The dispatcher holds leases.
    Leased,
    /// Octets that end in Ctrl-Z are about to go to the modem.
    BeforeCtrlZ,
    /// They went.
    AfterCtrlZ,
    /// `+CMGS` or an error came, and the outcome is not stored.
    Answered,
    /// A report or a text came, and is not stored.
    Received,
    /// It is stored, and the modem was not told.
    Stored,
    /// Its acknowledgement or deletion is about to go to the modem.
    BeforeAcknowledge,
    /// It went.
    AfterAcknowledge,
}

/// Dies here if that was asked for.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub const fn point(_: Point) {}

/// Octets are about to go to a modem.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub const fn before_write(_: &[u8]) {}

/// Octets went to a modem.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub const fn after_write(_: &[u8]) {}

#[cfg(feature = "fault-points")]
pub use armed::{after_write, before_write, point};

#[cfg(feature = "fault-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Point;

    const CTRL_Z: u8 = 0x1a;
    /// Commands that let the modem forget what it showed; TS 27.005 3.4.4 and 3.5.4.
    const ACKNOWLEDGES: [&[u8]; 2] = [b"AT+CNMA", b"AT+CMGD"];

    impl Point {
        /// All of them, in the order of a life.
        pub const ALL: [Self; 10] = [
            Self::BeforeCommit,
            Self::AfterCommit,
            Self::Leased,
            Self::BeforeCtrlZ,
            Self::AfterCtrlZ,
            Self::Answered,
            Self::Received,
            Self::Stored,
            Self::BeforeAcknowledge,
            Self::AfterAcknowledge,
        ];

        /// Its name in `SMSOTPD_FAULT`.
        #[must_use]
        pub fn as_str(self) -> &'static str {
            match self {
                Self::BeforeCommit => "before-commit",
                Self::AfterCommit => "after-commit",
                Self::Leased => "leased",
                Self::BeforeCtrlZ => "before-ctrl-z",
                Self::AfterCtrlZ => "after-ctrl-z",
                Self::Answered => "answered",
                Self::Received => "received",
                Self::Stored => "stored",
                Self::BeforeAcknowledge => "before-acknowledge",
                Self::AfterAcknowledge => "after-acknowledge",
            }
        }
    }

    /// Dies here if that was asked for.
    pub fn point(here: Point) {
        static ASKED: OnceLock<Option<(Point, u64)>> = OnceLock::new();
        static PASSED: AtomicU64 = AtomicU64::new(0);
        let asked = *ASKED.get_or_init(|| read(&std::env::var("SMSOTPD_FAULT").ok()?));
        let Some((_, pass)) = asked.filter(|(point, _)| *point == here) else { return };
        if PASSED.fetch_add(1, Ordering::Relaxed) + 1 == pass {
            // Not even the handlers of a panic may run: a power cut runs none.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::process::abort();
        }
    }

    /// Octets are about to go to a modem.
    pub fn before_write(octets: &[u8]) {
        if octets.last() == Some(&CTRL_Z) {
            point(Point::BeforeCtrlZ);
        } else if acknowledges(octets) {
            point(Point::BeforeAcknowledge);
        }
    }

    /// Octets went to a modem.
    pub fn after_write(octets: &[u8]) {
        if octets.last() == Some(&CTRL_Z) {
            point(Point::AfterCtrlZ);
        } else if acknowledges(octets) {
            point(Point::AfterAcknowledge);
        }
    }

    fn acknowledges(octets: &[u8]) -> bool {
        ACKNOWLEDGES.iter().any(|command| octets.starts_with(command))
    }

    fn read(text: &str) -> Option<(Point, u64)> {
        let (name, pass) = text.split_once(':')?;
        let point = Point::ALL.into_iter().find(|point| point.as_str() == name)?;
        Some((point, pass.parse().ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_point_and_a_pass_are_read() {
            for point in Point::ALL {
                assert_eq!(read(&format!("{}:7", point.as_str())), Some((point, 7)));
            }
            assert_eq!(read("after-lunch:1"), None);
            assert_eq!(read("leased"), None);
        }
    }
}
