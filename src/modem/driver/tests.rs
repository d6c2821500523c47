//! The driver at a pty: what leaves when, and how each end is told.

use tokio::task::JoinHandle;

use super::*;
use crate::modem::machine::{PinPermission, Roaming, Uncertain};
use crate::modem::profile::Library;
use crate::modem::pty::Phone;
use crate::units::{MessageRef, UnixMs};

/// Longer than any of these tests.
const FAR: Duration = Duration::from_secs(3600);
const TPDU: [u8; 3] = [0x01, 0x00, 0x42];

struct Rig {
    phone: Phone,
    handle: DriverHandle,
    notices: mpsc::Receiver<Notice>,
    stop: CancellationToken,
    running: JoinHandle<Exit>,
}

impl Rig {
    /// A driver that found its modem ready, with room for `room` notices.
    async fn ready(room: usize) -> Self {
        let mut phone = Phone::new();
        let port = Port::open(phone.path(), 115_200).await.unwrap();
        let (notices_in, notices) = mpsc::channel(room);
        let stop = CancellationToken::new();
        let driver = Driver::new(
            port,
            Parts {
                name: "a-at1".into(),
                serial: 1,
                machine: Settings {
                    pin: None,
                    pin_permission: PinPermission::Never,
                    keep_alive: Some(FAR),
                    submit_limit: None,
                    hang_up_calls: true,
                    balance: None,
                    roaming: Roaming::Allow,
                    service_centre: None,
                    notes: Arc::clone(Library::compiled_in()),
                    profile: None,
                    likely: None,
                    cards: Arc::default(),
                    port_age: Duration::ZERO,
                },
                trace: Arc::default(),
                notices: notices_in,
                wake: Arc::default(),
                stop: stop.clone(),
                stop_limit: Duration::from_millis(200),
            },
        );
        let handle = driver.handle();
        let running = tokio::spawn(driver.run());
        let mut status = handle.status();
        let quiet = async {
            status.wait_for(|s| s.phase == Phase::Ready && s.identity.imsi.is_some()).await.unwrap();
        };
        tokio::select! {
            () = quiet => {}
            heard = phone.serve_until("never") => unreachable!("{heard}"),
        }
        let mut rig = Self { phone, handle, notices, stop, running };
        rig.settle().await;
        rig
    }

    /// Serves what the machine still asks of its own accord, until a mark on the wire has come back through the driver.
    async fn settle(&mut self) {
        let mut lines = self.handle.trace().subscribe();
        self.phone.say("MARK").await;
        let seen = async { while &*lines.recv().await.unwrap().line != "MARK" {} };
        tokio::select! {
            () = seen => {}
            heard = self.phone.serve_until("never") => unreachable!("{heard}"),
        }
    }

    /// The driver has taken what the phone said before.
    async fn heard_by_driver(&mut self) {
        let mut lines = self.handle.trace().subscribe();
        self.phone.say("MARK").await;
        while &*lines.recv().await.unwrap().line != "MARK" {}
    }

    fn submit(&self, within: Duration) -> (oneshot::Sender<bool>, JoinHandle<Ended>) {
        let (give, verdict) = oneshot::channel();
        let handle = self.handle.clone();
        let deadline = clock::wall().plus(within);
        let sending = async move {
            handle.submit(TPDU.to_vec(), false, async { verdict.await.unwrap_or(false) }, deadline).await
        };
        (give, tokio::spawn(sending))
    }

    /// A submit whose prompt is open and whose verdict is not given.
    async fn prompted(&mut self, within: Duration) -> (oneshot::Sender<bool>, JoinHandle<Ended>) {
        let submit = self.submit(within);
        self.phone.serve_until("AT+CMGS=3").await;
        self.phone.prompt().await;
        submit
    }
}

fn taken(reference: u8) -> Result<Done, Failure> {
    Ok(Done::Submitted { reference: MessageRef(reference) })
}

#[tokio::test]
async fn the_pdu_waits_for_the_verdict_and_the_command_does_not() {
    let mut rig = Rig::ready(4).await;
    let (give, ended) = rig.prompted(FAR).await;
    rig.heard_by_driver().await;
    assert!(!rig.phone.has_more(), "nothing leaves before the attempt is durable");
    give.send(true).unwrap();
    assert_eq!(rig.phone.hear().await, "00010042\u{1a}");
    rig.phone.say("+CMGS: 9\r\n\r\nOK").await;
    assert_eq!(ended.await.unwrap().result, taken(9));
}

#[tokio::test]
async fn a_verdict_of_no_answers_the_prompt_with_esc() {
    let mut rig = Rig::ready(4).await;
    let (give, ended) = rig.prompted(FAR).await;
    drop(give);
    assert_eq!(rig.phone.hear().await, "\u{1b}");
    assert_eq!(ended.await.unwrap().result, Err(NotSent::Abandoned.into()));
}

#[tokio::test]
async fn past_its_deadline_a_submit_is_abandoned_at_the_prompt() {
    let mut rig = Rig::ready(4).await;
    let (_give, ended) = rig.prompted(Duration::from_millis(300)).await;
    assert_eq!(rig.phone.hear().await, "\u{1b}");
    assert_eq!(ended.await.unwrap().result, Err(NotSent::Abandoned.into()));
    let handle = rig.handle.clone();
    let late = handle.submit(TPDU.to_vec(), false, async { true }, UnixMs(1)).await;
    assert_eq!(late.result, Err(NotSent::Abandoned.into()));
}

#[tokio::test]
async fn the_next_command_leaves_with_the_answer_to_the_last() {
    let mut rig = Rig::ready(4).await;
    let (give, first) = rig.prompted(FAR).await;
    let (_give, second) = rig.submit(FAR);
    give.send(true).unwrap();
    rig.phone.hear().await;
    rig.phone.say("+CMGS: 1\r\n\r\nOK").await;
    assert_eq!(rig.phone.hear().await, "AT+CMGS=3");
    assert_eq!(first.await.unwrap().result, taken(1));
    drop(second);
}

#[tokio::test]
async fn a_hang_up_after_ctrl_z_is_uncertain_and_ends_the_driver() {
    let mut rig = Rig::ready(4).await;
    let (give, ended) = rig.prompted(FAR).await;
    give.send(true).unwrap();
    rig.phone.hear().await;
    let Rig { phone, running, handle, .. } = rig;
    drop(phone);
    assert_eq!(ended.await.unwrap().result, Err(Uncertain::HangUp.into()));
    assert!(matches!(running.await.unwrap(), Exit::HungUp));
    let after = handle.submit(TPDU.to_vec(), false, async { true }, UnixMs(i64::MAX)).await;
    assert_eq!(after.result, Err(NotSent::HangUp.into()));
}

#[tokio::test]
async fn an_idle_driver_notices_the_hang_up() {
    let Rig { phone, running, .. } = Rig::ready(4).await;
    drop(phone);
    assert!(matches!(running.await.unwrap(), Exit::HungUp));
}

#[tokio::test]
async fn a_stop_leaves_the_prompt_and_gives_the_message_back() {
    let mut rig = Rig::ready(4).await;
    let (_give, ended) = rig.prompted(FAR).await;
    rig.heard_by_driver().await;
    rig.stop.cancel();
    assert_eq!(rig.phone.hear().await, "\u{1b}");
    assert_eq!(ended.await.unwrap().result, Err(NotSent::Abandoned.into()));
    assert!(matches!(rig.running.await.unwrap(), Exit::Stopped));
}

#[tokio::test]
async fn a_stop_waits_for_what_has_left_but_not_for_ever() {
    let mut rig = Rig::ready(4).await;
    let (give, ended) = rig.prompted(FAR).await;
    give.send(true).unwrap();
    rig.phone.hear().await;
    rig.stop.cancel();
    assert_eq!(ended.await.unwrap().result, Err(Uncertain::HangUp.into()));
    assert!(matches!(rig.running.await.unwrap(), Exit::Stopped));
}

#[tokio::test]
async fn a_message_is_deleted_when_it_is_stored_and_not_before() {
    let mut rig = Rig::ready(4).await;
    rig.phone.say("+CMTI: \"ME\",3").await;
    rig.phone.serve_until("AT+CMGR=3").await;
    rig.phone.say(&format!("+CMGR: 0,,{}\r\n{DELIVER}\r\n\r\nOK", DELIVER.len() / 2 - 8)).await;
    let Notice { modem, event } = rig.notices.recv().await.unwrap();
    let Event::Incoming { token, octets, .. } = event else { panic!("{event:?}") };
    assert_eq!(octets.len(), DELIVER.len() / 2);
    rig.heard_by_driver().await;
    assert!(!rig.phone.has_more(), "nothing is deleted before it is stored");
    modem.stored(token).await;
    rig.phone.serve_until("AT+CMGD=3").await;
}

#[tokio::test]
async fn submits_go_on_while_nobody_takes_the_notices() {
    let mut rig = Rig::ready(1).await;
    for slot in 1..=3 {
        rig.phone.say(&format!("+CMTI: \"ME\",{slot}")).await;
        rig.phone.serve_until("AT+CMGR=").await;
        rig.phone.say(&format!("+CMGR: 0,,{}\r\n{DELIVER}\r\n\r\nOK", DELIVER.len() / 2 - 8)).await;
    }
    let (give, ended) = rig.prompted(FAR).await;
    give.send(true).unwrap();
    rig.phone.hear().await;
    rig.phone.say("+CMGS: 5\r\n\r\nOK").await;
    assert_eq!(ended.await.unwrap().result, taken(5));
    for _ in 0..3 {
        assert!(matches!(rig.notices.recv().await.unwrap().event, Event::Incoming { .. }));
    }
}

#[tokio::test]
async fn the_trace_has_the_dialogue_without_the_text() {
    let mut rig = Rig::ready(4).await;
    let (give, ended) = rig.prompted(FAR).await;
    give.send(true).unwrap();
    rig.phone.hear().await;
    rig.phone.say("+CMGS: 9\r\n\r\nOK").await;
    ended.await.unwrap().result.unwrap();
    let lines = rig.handle.trace().lines();
    let shown: Vec<_> = lines.iter().rev().take(5).rev().map(|line| &*line.line).collect();
    assert_eq!(shown, ["AT+CMGS=3", "> ", "000***42<^Z>", "+CMGS: 9", "OK"]);
}

const DELIVER: &str = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";
