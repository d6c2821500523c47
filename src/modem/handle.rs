//! The way to a driver: typed requests through bounded queues, one-shot replies.
//!
//! It knows nothing of queues and providers: durability is any future of a `bool`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::machine::{Done, Event, Failure, NotSent, RequestId, Status, Step, Token, Uncertain};
use super::trace::Trace;
use crate::at::command::UssdCode;
use crate::units::UnixMs;

/// Submits that wait in front of the machine: the dispatcher gives one a slot, the rest is for operators' impatience.
pub(super) const SUBMITS_WAITING: usize = 4;
/// Acknowledgements and resets that wait; the inbox stores in batches and then tells all at once.
pub(super) const CONTROLS_WAITING: usize = 64;

/// The id of a submit that never got one.
const NO_REQUEST: RequestId = RequestId(u64::MAX);

/// Resolves to `true` when the submit may become irrevocable, to `false` when it must not go on.
pub(super) type Verdict = Pin<Box<dyn Future<Output = bool> + Send>>;

/// How a submit ended, and its name in a later [`Event::Settled`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Unique among all submits of this handle.
    pub id: RequestId,
    /// Its end.
    pub result: Result<Done, Failure>,
}

/// Something that a driver's modem told unasked, with the way back to it.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Who.
    pub modem: DriverHandle,
    /// What: only [`Event::Incoming`] and [`Event::Settled`] are passed on, the rest is in the status.
    pub event: Event,
}

/// What a driver is asked for besides submits.
pub(super) enum Control {
    /// A received message is safe.
    Stored(Token),
    /// An operator wants this step.
    Reset(Step, oneshot::Sender<Result<Done, Failure>>),
    /// An operator wants this step of a USSD dialogue, or its end.
    Ussd(Option<UssdCode>, oneshot::Sender<Result<Done, Failure>>),
}

/// One submit on its way to the machine.
pub(super) struct Submit {
    pub(super) tpdu: Vec<u8>,
    pub(super) more: bool,
    pub(super) verdict: Verdict,
    pub(super) deadline: UnixMs,
    pub(super) reply: oneshot::Sender<Ended>,
}

/// The way to a running driver; cheap to clone, and useless (but harmless) once the driver has ended.
#[derive(Clone)]
pub struct DriverHandle {
    pub(super) serial: u64,
    pub(super) port: Arc<str>,
    pub(super) submits: mpsc::Sender<Submit>,
    pub(super) controls: mpsc::Sender<Control>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) trace: Arc<Trace>,
}

impl DriverHandle {
    /// Tells drivers apart that served the same port one after the other.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Name of the port.
    #[must_use]
    pub fn port(&self) -> &Arc<str> {
        &self.port
    }

    /// The machine's picture of the modem.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// The last wire events.
    #[must_use]
    pub fn trace(&self) -> &Arc<Trace> {
        &self.trace
    }

    /// Submits one TPDU (without SMSC octets). `AT+CMGS` leaves at once; PDU and Ctrl-Z only after `verdict` resolved to
    /// `true` and before `deadline`, by this machine's own clock.
    ///
    /// Dropping the future does not take the submit back; resolving `verdict` to `false` does.
    pub async fn submit(
        &self,
        tpdu: Vec<u8>,
        more: bool,
        verdict: impl Future<Output = bool> + Send + 'static,
        deadline: UnixMs,
    ) -> Ended {
        let (reply, ended) = oneshot::channel();
        let submit = Submit { tpdu, more, verdict: Box::pin(verdict), deadline, reply };
        if self.submits.send(submit).await.is_err() {
            return not_taken();
        }
        // A driver answers all it was given, so one that did not died with the submit in its hands.
        let lost = Ended { id: NO_REQUEST, result: Err(Uncertain::HangUp.into()) };
        ended.await.unwrap_or(lost)
    }

    /// Carries out one step of the health ladder.
    ///
    /// # Errors
    /// What the machine says; `NotSent(HangUp)` if the driver has ended.
    pub async fn reset(&self, step: Step) -> Result<Done, Failure> {
        let (reply, ended) = oneshot::channel();
        self.control(Control::Reset(step, reply), ended).await
    }

    /// Takes one step of a USSD dialogue; `None` ends it. Dropping the future does not take the step back.
    ///
    /// # Errors
    /// What the machine says; `NotSent(HangUp)` if the driver has ended.
    pub async fn ussd(&self, code: Option<UssdCode>) -> Result<Done, Failure> {
        let (reply, ended) = oneshot::channel();
        self.control(Control::Ussd(code, reply), ended).await
    }

    async fn control(
        &self,
        control: Control,
        ended: oneshot::Receiver<Result<Done, Failure>>,
    ) -> Result<Done, Failure> {
        if self.controls.send(control).await.is_err() {
            return Err(NotSent::HangUp.into());
        }
        ended.await.unwrap_or_else(|_| Err(NotSent::HangUp.into()))
    }

    /// Releases the acknowledgement of a received message. If the driver has ended, the modem still has it, and it comes again.
    pub async fn stored(&self, token: Token) {
        let _ = self.controls.send(Control::Stored(token)).await;
    }
}

/// The driver had ended before it saw the submit, so nothing has left.
fn not_taken() -> Ended {
    Ended { id: NO_REQUEST, result: Err(NotSent::HangUp.into()) }
}

impl fmt::Debug for DriverHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DriverHandle({} #{})", self.port, self.serial)
    }
}
