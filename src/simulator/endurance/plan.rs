//! What one life is about: the modem, its port, its card and what the operator set.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::at::command::Pin;
use crate::modem::profile::{Library, Profile};
use crate::simulator::{ErrorEvery, Scenario};

/// PIN of the card, and one that is not.
const PINS: [&str; 2] = ["4711", "0815"];

/// A note for the simulated modem with messages that are delivered directly and acknowledged.
const DIRECT: &str = "name = 'direct'\ndescription = 'direct delivery'\n\
    delivery = { value = 'direct', source = 'endurance' }\n\
    cmms = { value = true, source = 'endurance' }";

/// The facts.
#[derive(Debug)]
pub(super) struct Plan {
    /// The port comes and goes with the modem; otherwise it is a UART and stays.
    pub(super) usb: bool,
    /// There is a power switch.
    pub(super) hook: bool,
    /// The operator set another PIN than the card's.
    pub(super) wrong_pin: bool,
    pub(super) direct: bool,
    pub(super) scenario: Scenario,
}

impl Plan {
    pub(super) fn draw(seed: u64, rng: &mut Rng) -> Self {
        let locked = rng.u8(..10) < 4;
        let chunked = rng.u8(..4) == 0;
        let [pin, _] = PINS;
        let scenario = Scenario {
            pin: locked.then(|| pin.to_owned()),
            registration_delay: Duration::from_millis(rng.u64(500..8000)),
            latency: Duration::from_millis(rng.u64(200..4000)),
            command_latency: Duration::from_millis(rng.u64(1..30)),
            report_after: Duration::from_secs(rng.u64(1..90)),
            chunk: if chunked { rng.usize(8..64) } else { 0 },
            chunk_gap: Duration::from_millis(rng.u64(1..5)),
            error_every: rng.bool().then(|| ErrorEvery::new(rng.u64(5..60))),
            slots: rng.u16(5..40),
            reboot: Duration::from_secs(rng.u64(4..30)),
            ..Scenario::of_seed(seed, 0)
        };
        Self {
            usb: rng.u8(..4) > 0,
            hook: rng.bool(),
            wrong_pin: locked && rng.u8(..3) == 0,
            direct: rng.u8(..4) == 0,
            scenario,
        }
    }

    /// The PIN that the operator set.
    pub(super) fn pin(&self) -> Option<Pin> {
        let [right, wrong] = PINS;
        self.scenario.pin.as_ref()?;
        Pin::new(if self.wrong_pin { wrong } else { right })
    }

    /// The note to go by, if it is not the modem's own.
    pub(super) fn profile(&self) -> Option<Arc<Profile>> {
        let named = Library::compiled_in().named("simulator");
        let direct = Profile::parse(DIRECT).ok().map(Arc::new);
        if self.direct { direct.or(named) } else { None }
    }
}
