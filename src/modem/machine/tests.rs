//! Each rule of the dialogue, one by one, against the scripted phone.

use super::bench::*;
use super::*;
use crate::at::{Final, hex};

const TAKEN: Result<Done, Failure> = Ok(Done::Submitted { reference: crate::units::MessageRef(7) });

#[test]
fn a_quick_modem_is_ready_and_has_sent_within_150_ms() {
    let mut bench = Bench::new();
    while bench.machine.status().phase != Phase::Ready {
        bench.run(MS);
        assert!(bench.now - bench.start < 100 * MS, "{:?}", bench.phone.heard);
    }
    bench.submit(1);
    bench.durable(1);
    bench.run(20 * MS);
    assert_eq!(bench.done(1), Some(TAKEN));
    assert!(bench.now - bench.start < 150 * MS);
    let identity = &bench.machine.status().identity;
    assert_eq!(identity.imei.as_ref().unwrap().as_str(), "490154203237518");
    assert_eq!(identity.iccid.as_ref().unwrap().as_str(), "89490200001005155450");
    bench.run(SECOND);
    let status = bench.machine.status();
    assert_eq!(
        (status.operator.as_deref(), status.identity.revision.as_deref()),
        (Some("Net"), Some("Rev 1"))
    );
    assert_eq!(status.signal, crate::units::Dbm::from_csq(20));
    assert_eq!(bench.events().iter().filter(|event| matches!(event, Event::Up(_))).count(), 1);
}

#[test]
fn the_first_message_does_not_wait_for_the_drain() {
    let mut bench = Bench::new();
    while bench.machine.status().phase != Phase::Ready {
        bench.run(MS);
    }
    bench.run(100 * MS);
    assert_eq!(bench.phone.heard.last().unwrap(), "AT+CREG?");
    bench.submit(1);
    assert_eq!(bench.phone.heard.last().unwrap(), "AT+CMGS=9");
    bench.durable(1);
    bench.run(2 * SECOND);
    assert_eq!((bench.done(1), bench.heard("AT+CMGL")), (Some(TAKEN), 3));
}

#[test]
fn many_messages_go_on_end_before_the_drain() {
    let mut bench = Bench::new();
    while bench.machine.status().phase != Phase::Ready {
        bench.run(MS);
    }
    for id in 1..=20 {
        bench.submit(id);
        bench.durable(id);
        bench.run(10 * MS);
        assert_eq!(bench.done(id), Some(TAKEN), "message {id} waits for nothing");
    }
    assert_eq!(bench.heard("AT+CMGL"), 0, "the grace is not over yet");
}

#[test]
fn nothing_secret_is_shown_by_debug() {
    let output = Output::Write(bytes::Bytes::from_static(b"AT+CPIN=\"1234\"\r"));
    assert_eq!(format!("{output:?}"), "Write(15 octets)");
    let input = Input::Bytes(DELIVER.as_bytes());
    assert!(!format!("{input:?}").contains("0791"));
    let kind = Kind::Submit { tpdu: vec![0xab; 20], more: false };
    assert_eq!(format!("{kind:?}"), "Submit(20 octets, more: false)");
    let mut bench = Bench::with(pin_settings(PinPermission::AnyCard));
    bench.script("AT+CPIN?", &[WANTS_PIN]);
    bench.script("AT+CPIN=\"1234\"", &[""]);
    bench.run(SECOND);
    assert!(bench.heard("AT+CPIN=") == 1 && !format!("{:?}", bench.machine).contains("1234"));
}

#[test]
fn a_busy_card_is_waited_for() {
    let mut bench = Bench::new();
    let busy = "\r\n+CME ERROR: 14\r\n";
    bench.script("AT+CPIN?", &[busy, busy, "\r\n+CPIN: READY\r\n\r\nOK\r\n"]);
    bench.script("AT+CMGF=0", &["\r\n+CMS ERROR: 314\r\n", "\r\nERROR\r\n", "\r\nOK\r\n"]);
    bench.run(10 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
    assert_eq!((bench.heard("AT+CPIN?"), bench.heard("AT+CMGF=0")), (3, 3));
}

#[test]
fn a_card_that_stays_busy_brings_the_modem_down_and_is_looked_at_again() {
    let mut bench = Bench::new();
    bench.script("AT+CPIN?", &["\r\n+CME ERROR: 14\r\n"]);
    bench.run(40 * SECOND);
    assert!(matches!(bench.machine.status().phase, Phase::Down(Cause::Refused(_))));
    bench.script("AT+CPIN?", &["\r\n+CPIN: READY\r\n\r\nOK\r\n"]);
    bench.run(90 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
}

#[test]
fn a_card_that_is_always_busy_is_asked_ever_more_seldom() {
    for (command, busy) in [("AT+CPIN?", "\r\n+CME ERROR: 14\r\n"), ("AT+CMGF=0", "\r\n+CMS ERROR: 314\r\n")]
    {
        let mut bench = Bench::new();
        bench.script(command, &[busy]);
        bench.run(20 * SECOND);
        let first = bench.heard(command);
        assert!((10..=15).contains(&first), "{first} in the first 20 s, in which most cards become ready");
        bench.run(3580 * SECOND);
        let first_hour = bench.heard(command);
        assert!(first_hour <= 40, "{first_hour} in the first hour");
        bench.run(3600 * SECOND);
        assert!(bench.heard(command) - first_hour <= 12, "{} in two hours", bench.heard(command));
        assert!(bench.phone.heard.len() < 600, "{} lines in two hours", bench.phone.heard.len());
        bench.script(command, &["\r\n+CPIN: READY\r\n\r\nOK\r\n"]);
        bench.run(310 * SECOND);
        assert_eq!(bench.machine.status().phase, Phase::Ready, "{command}");
    }
}

#[test]
fn optional_commands_may_all_fail() {
    let mut bench = Bench::new();
    for command in ["ATE0", "AT+CMEE=1", "AT+CGSN", "AT+CGMI", "AT+CGMM", "AT+CCID", "AT+CNMI=?", "AT+CREG=1"]
    {
        bench.script(command, &["\r\nERROR\r\n"]);
    }
    bench.script("AT+CNMI=2,1,0,2,0", &["\r\n+CMS ERROR: 303\r\n"]);
    bench.run(10 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
    assert!(bench.heard("AT+CNMI=1,1,0,2,0") == 1 && bench.heard("AT+CNMI=2,1,0,1,0") == 1);
}

#[test]
fn stores_fall_back_to_two_and_one_and_to_the_next() {
    let mut bench = Bench::new();
    bench.script("AT+CPMS=\"ME\",\"ME\",\"ME\"", &["\r\nERROR\r\n"]);
    bench.script("AT+CPMS=\"ME\",\"ME\"", &["\r\nERROR\r\n"]);
    bench.script("AT+CPMS=\"ME\"", &["\r\nERROR\r\n"]);
    bench.script("AT+CPMS=\"SM\",\"SM\",\"SM\"", &["\r\nERROR\r\n"]);
    bench.script("AT+CPMS=\"SM\",\"SM\"", &["\r\n+CPMS: 0,20,0,20\r\n\r\nOK\r\n"]);
    bench.run(10 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
    assert_eq!(bench.heard("AT+CPMS=\"SM\",\"SM\""), 2);
}

fn pin_settings(pin_permission: PinPermission) -> Settings {
    Settings { pin: crate::at::command::Pin::new("1234"), pin_permission, ..settings() }
}

const WANTS_PIN: &str = "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n";

#[test]
fn a_pin_is_tried_once_and_only_with_permission() {
    for permission in [
        PinPermission::Never,
        PinPermission::ForCard(crate::units::Iccid::parse("1234567890123456789").unwrap()),
    ] {
        let mut bench = Bench::with(pin_settings(permission));
        bench.script("AT+CPIN?", &[WANTS_PIN]);
        bench.run(300 * SECOND);
        assert_eq!(bench.heard("AT+CPIN=\"1234\""), 0);
        let iccid = crate::units::Iccid::parse("89490200001005155450");
        assert_eq!(bench.events(), [Event::Down(Cause::PinWanted(iccid))]);
    }
    let mut bench = Bench::with(pin_settings(PinPermission::AnyCard));
    bench.script("AT+CPIN?", &[WANTS_PIN]);
    bench.script("AT+CPIN=\"1234\"", &["\r\n+CME ERROR: 16\r\n"]);
    bench.run(600 * SECOND);
    assert_eq!(bench.heard("AT+CPIN=\"1234\""), 1);
    assert!(matches!(bench.machine.status().phase, Phase::Down(Cause::PinWrong(_))));
}

#[test]
fn a_right_pin_opens_the_card_and_the_last_try_is_kept() {
    let mut bench = Bench::with(pin_settings(PinPermission::AnyCard));
    bench.script("AT+CPIN?", &[WANTS_PIN, "\r\n+CPIN: READY\r\n\r\nOK\r\n"]);
    bench.script("AT+CPIN=\"1234\"", &["\r\nOK\r\n"]);
    bench.run(10 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);

    let mut bench = Bench::with(pin_settings(PinPermission::AnyCard));
    bench.script("AT+CPIN?", &[WANTS_PIN]);
    bench.script("AT+CPINR=\"SIM PIN\"", &["\r\n+CPINR: SIM PIN,1,3\r\n\r\nOK\r\n"]);
    bench.run(10 * SECOND);
    assert_eq!(bench.heard("AT+CPIN=\"1234\""), 0);
    assert!(matches!(bench.machine.status().phase, Phase::Down(Cause::PinLastTry(_))));
}

#[test]
fn a_card_that_is_locked_anew_is_opened_by_the_next_machine_not_by_this_one() {
    let mut bench = Bench::with(pin_settings(PinPermission::AnyCard));
    let ready = "\r\n+CPIN: READY\r\n\r\nOK\r\n";
    bench.script("AT+CPIN?", &[WANTS_PIN, ready, WANTS_PIN]);
    bench.script("AT+CPIN=\"1234\"", &["\r\nOK\r\n"]);
    bench.run(10 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
    bench.say("\r\nRDY\r\n");
    bench.run(10 * SECOND);
    assert!(
        matches!(bench.machine.status().phase, Phase::Down(Cause::PinWanted(_))),
        "whoever remembers decides"
    );
    assert_eq!(bench.heard("AT+CPIN=\"1234\""), 1);
}

#[test]
fn another_card_than_the_modem_had_is_announced_once() {
    let imei = crate::units::Imei::parse("490154203237518").unwrap();
    let iccid = |text: &str| crate::units::Iccid::parse(text).unwrap();
    let (here, former) = (iccid("89490200001005155450"), iccid("89490200001005155468"));
    let with = |card: &crate::units::Iccid| {
        let cards = Arc::new([(imei.clone(), card.clone())].into());
        Bench::with(Settings { cards, ..settings() })
    };
    let announced = |bench: &Bench| {
        bench
            .events()
            .into_iter()
            .filter(|event| matches!(event, Event::OtherCard { .. }))
            .collect::<Vec<_>>()
    };
    let mut bench = with(&here);
    bench.run(SECOND);
    assert_eq!((announced(&bench), &bench.machine.status().former_card), (vec![], &None));

    let mut bench = with(&former);
    bench.run(SECOND);
    bench.say("\r\nRDY\r\n");
    bench.run(5 * SECOND);
    assert_eq!(announced(&bench), [Event::OtherCard { former: former.clone(), card: here.clone() }]);
    assert_eq!(bench.machine.status().former_card.as_ref(), Some(&former));

    bench.script("AT+CCID", &["\r\n+CCID: 89490200001005155468\r\n\r\nOK\r\n"]);
    bench.say("\r\nRDY\r\n");
    bench.run(5 * SECOND);
    assert_eq!((announced(&bench).len(), &bench.machine.status().former_card), (1, &None), "it is back");
}

#[test]
fn nothing_leaves_before_prompt_and_durable() {
    for durable_first in [false, true] {
        let mut bench = Bench::ready();
        bench.submit(1);
        assert_eq!(bench.phone.heard, ["AT+CMGS=9"]);
        if durable_first {
            bench.durable(1);
            assert_eq!(bench.phone.heard.len(), 1, "no prompt yet");
        } else {
            bench.run(SECOND);
            assert_eq!(bench.phone.heard.len(), 1, "not durable yet");
            bench.durable(1);
        }
        bench.run(SECOND);
        assert_eq!(bench.phone.heard, ["AT+CMGS=9", "00010004912143000000^Z"]);
        assert_eq!(bench.done(1), Some(TAKEN));
    }
}

#[test]
fn the_next_message_leaves_with_the_ok_of_the_last() {
    let mut bench = Bench::ready();
    bench.script("PDU", &[""]);
    bench.submit(1);
    bench.durable(1);
    bench.submit(2);
    bench.durable(2);
    bench.submit(3);
    assert_eq!(bench.done(3), Some(Err(NotSent::Busy.into())));
    bench.run(SECOND);
    bench.say("\r\n+CMGS: 7\r\n");
    assert_eq!(bench.done(1), Some(TAKEN), "the reference is enough");
    assert_eq!(bench.heard("AT+CMGS"), 1);
    bench.say("\r\nOK\r\n");
    assert_eq!(bench.heard("AT+CMGS"), 2);
}

#[test]
fn errors_before_and_after_the_prompt_are_rejections() {
    let mut bench = Bench::ready();
    bench.script("AT+CMGS", &["\r\n+CMS ERROR: 500\r\n", "\r\n> "]);
    bench.script("PDU", &["\r\n+CMS ERROR: 38\r\n"]);
    bench.submit(1);
    bench.durable(1);
    bench.run(SECOND);
    assert!(matches!(bench.done(1), Some(Err(Failure::Rejected(Final::Cms(_))))));
    bench.submit(2);
    bench.durable(2);
    bench.run(SECOND);
    assert!(matches!(bench.done(2), Some(Err(Failure::Rejected(Final::Cms(_))))));
    assert_eq!(bench.machine.status().counters.rejected, 2);
}

#[test]
fn an_abandoned_message_is_answered_by_esc_at_every_stage() {
    // Queued.
    let mut bench = Bench::ready();
    bench.submit(1);
    bench.submit(2);
    bench.input(Input::Abandon(RequestId(2)));
    assert_eq!(bench.done(2), Some(Err(NotSent::Abandoned.into())));
    // At the prompt.
    bench.run(SECOND);
    bench.input(Input::Abandon(RequestId(1)));
    assert_eq!(bench.done(1), Some(Err(NotSent::Abandoned.into())));
    assert_eq!(bench.phone.heard, ["AT+CMGS=9", "ESC"]);
    // Before the prompt.
    bench.run(SECOND);
    bench.submit(3);
    bench.input(Input::Abandon(RequestId(3)));
    bench.durable(3);
    assert_eq!(bench.done(3), Some(Err(NotSent::Abandoned.into())));
    bench.run(SECOND);
    assert!(!bench.phone.in_prompt && bench.heard("00") == 0);
    // And the line is in step.
    bench.submit(4);
    bench.durable(4);
    bench.run(SECOND);
    assert_eq!(bench.done(4), Some(TAKEN));
    // Too late.
    bench.input(Input::Abandon(RequestId(4)));
    assert_eq!(bench.done(4), Some(TAKEN));
}

#[test]
fn waits_for_prompt_and_durable_are_bounded() {
    let mut bench = Bench::ready();
    bench.script("AT+CMGS", &["", "\r\n> "]);
    bench.submit(1);
    bench.durable(1);
    bench.run(11 * SECOND);
    assert_eq!(bench.done(1), Some(Err(NotSent::PromptTimeout.into())));
    assert_eq!(bench.heard("ESC"), 1);
    bench.run(SECOND);
    bench.submit(2);
    bench.run(11 * SECOND);
    assert_eq!(bench.done(2), Some(Err(NotSent::DurableTimeout.into())));
    assert_eq!((bench.heard("ESC"), bench.heard("00")), (2, 0));
}

#[test]
fn a_late_reference_settles_and_never_answers_the_next_command() {
    let mut bench = Bench::ready();
    bench.script("PDU", &["", "\r\n+CMGS: 7\r\n\r\nOK\r\n"]);
    bench.script("AT", &["", "\r\nOK\r\n"]);
    bench.submit(1);
    bench.durable(1);
    bench.run(181 * SECOND);
    assert_eq!(bench.done(1), Some(Err(Uncertain::Timeout.into())));
    bench.submit(2);
    bench.durable(2);
    assert_eq!(bench.heard("AT+CMGS"), 1, "not before the line is in step");
    bench.say("\r\n+CMGS: 99\r\n\r\nOK\r\n");
    let settled = Event::Settled { id: RequestId(1), reference: crate::units::MessageRef(99) };
    assert!(bench.events().contains(&settled));
    assert_eq!(bench.done(2), None);
    bench.run(10 * SECOND);
    assert_eq!(bench.done(2), Some(TAKEN));
}

#[test]
fn what_is_read_with_the_prompt_is_no_answer_to_the_pdu() {
    for durable_first in [true, false] {
        let mut bench = Bench::ready();
        bench.script("AT+CMGS", &["\r\n> \r\n+CMGS: 99\r\n\r\nOK\r\n"]);
        bench.submit(1);
        if durable_first {
            bench.durable(1);
        }
        bench.run(2 * MS);
        assert_eq!(bench.done(1), None);
        bench.durable(1);
        assert_eq!((bench.heard("00"), bench.done(1)), (1, None));
        bench.run(SECOND);
        assert_eq!(bench.done(1), Some(TAKEN));
        assert_eq!(bench.machine.status().counters.noise_lines, 2);
    }
}

#[test]
fn a_line_that_had_begun_before_the_command_left_is_no_answer() {
    let mut bench = Bench::ready();
    bench.script("AT+CMGS", &[""]);
    bench.script("PDU", &["9\r\n\r\n+CMGS: 7\r\n\r\nOK\r\n"]);
    bench.say("\r\n+CMS ERR");
    bench.submit(1);
    bench.durable(1);
    bench.say("OR: 500\r\n");
    assert_eq!(bench.done(1), None);
    bench.phone.in_prompt = true;
    bench.say("\r\n> \r\n+CMGS: 9");
    assert_eq!((bench.heard("00"), bench.done(1)), (1, None));
    bench.run(SECOND);
    assert_eq!(bench.done(1), Some(TAKEN));
    // Nor is the prompt of an earlier one.
    bench.say("\r\n> ");
    bench.script("AT+CMGS", &["\r\n> "]);
    bench.submit(2);
    bench.durable(2);
    bench.say("\r\n");
    assert_eq!(bench.heard("00"), 1);
    bench.run(SECOND);
    assert_eq!((bench.heard("00"), bench.done(2)), (2, Some(TAKEN)));
}

#[test]
fn a_slow_modem_is_waited_for_until_it_owes_nothing() {
    let mut bench = Bench::ready();
    bench.run(290 * SECOND);
    bench.phone.latency = 6 * SECOND;
    while bench.heard("AT+CREG?") == 0 {
        bench.run(MS);
    }
    bench.run(Duration::from_millis(6500));
    bench.phone.latency = 2 * MS;
    bench.submit(1);
    bench.durable(1);
    bench.run(4 * SECOND);
    assert_eq!(bench.phone.heard, ["AT+CREG?", "AT"], "the OK of the probe is still to come");
    bench.run(3 * SECOND);
    assert_eq!(bench.done(1), Some(TAKEN));
}

#[test]
fn a_hang_up_ends_everything_once_and_silences_the_machine() {
    let mut bench = Bench::ready();
    bench.script("PDU", &[""]);
    bench.submit(1);
    bench.durable(1);
    bench.submit(2);
    bench.run(SECOND);
    bench.outputs.clear();
    bench.input(Input::HangUp);
    assert_eq!(bench.done(1), Some(Err(Uncertain::HangUp.into())));
    assert_eq!(bench.done(2), Some(Err(NotSent::HangUp.into())));
    bench.submit(3);
    bench.say("\r\n+CMTI: \"ME\",1\r\n");
    assert_eq!(bench.done(3), Some(Err(NotSent::HangUp.into())));
    assert!(bench.outputs.iter().all(|o| matches!(o, Output::Done(..) | Output::Status(_))));
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn echo_is_swallowed_even_if_it_cannot_be_turned_off() {
    let mut bench = Bench::new();
    bench.phone.echo = true;
    bench.run(5 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
    bench.submit(1);
    bench.durable(1);
    bench.run(SECOND);
    assert_eq!(bench.done(1), Some(TAKEN));
    assert_eq!(bench.machine.status().counters.noise_lines, 0);
}

#[test]
fn unsolicited_lines_may_stand_anywhere() {
    let mut bench = Bench::ready();
    let creg = "\r\n+CREG: 5\r\n\r\n+CREG: 1,1\r\n\r\n+CREG: 5\r\n\r\nOK\r\n";
    bench.script("AT+CREG?", &[creg]);
    bench.script("AT+CMGS", &[&format!("\r\n^RSSI:20\r\n\r\n+CDS: 25\r\n{REPORT}\r\n\r\n> ")]);
    bench.script("PDU", &[&format!("\r\n+CMT: ,30\r\n{DELIVER}\r\ngarbage\r\n\r\n+CMGS: 7\r\n\r\nOK\r\n")]);
    bench.submit(1);
    bench.durable(1);
    bench.run(SECOND);
    assert_eq!(bench.done(1), Some(TAKEN));
    let kinds: Vec<_> = bench.tokens().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [IncomingKind::StatusReport, IncomingKind::Deliver]);
    bench.run(400 * SECOND);
    assert_eq!(bench.machine.status().registration.circuit, Some(5));
    assert!(bench.machine.status().counters.noise_lines >= 1);
}

#[test]
fn a_stored_message_is_deleted_only_after_it_is_stored_here() {
    let mut bench = Bench::ready();
    bench.script("AT+CMGR=3", &[&format!("\r\n+CMGR: 0,,30\r\n{DELIVER}\r\n\r\nOK\r\n")]);
    bench.script("AT+CMGR=0", &[&format!("\r\n+CMGR: 0,,25\r\n{REPORT}\r\n\r\nOK\r\n")]);
    bench.script("AT+CPMS=\"ME\",\"ME\",\"ME\"", &["\r\n+CPMS: 1,99,1,99,1,99\r\n\r\nOK\r\n"]);
    bench.say("\r\n+CMTI: \"ME\",3\r\n\r\n+CMTI: \"ME\",3\r\n\r\n+CDSI: \"SR\",0\r\n");
    bench.run(10 * SECOND);
    let tokens = bench.tokens();
    assert_eq!(tokens.len(), 2);
    assert_eq!((tokens[0].1, tokens[1].1), (IncomingKind::Deliver, IncomingKind::StatusReport));
    assert_eq!(bench.heard("AT+CMGD"), 0);
    bench.input(Input::Stored(tokens[0].0));
    bench.run(SECOND);
    bench.input(Input::Stored(tokens[1].0));
    bench.input(Input::Stored(tokens[1].0));
    bench.run(SECOND);
    assert_eq!((bench.heard("AT+CMGD=3"), bench.heard("AT+CMGD=0")), (1, 1));
    let selected: Vec<_> = bench.phone.heard.iter().filter(|heard| heard.starts_with("AT+CPMS")).collect();
    assert!(selected.contains(&&"AT+CPMS=\"SR\",\"ME\",\"ME\"".to_owned()), "{selected:?}");
}

#[test]
fn an_empty_slot_is_no_error_and_garbage_stays_in_the_modem() {
    let mut bench = Bench::ready();
    bench.script("AT+CMGR=1", &["\r\n+CMS ERROR: 321\r\n"]);
    bench.script("AT+CMGR=2", &["\r\n+CMGR: 0,,23\r\nFFFF\r\n\r\nOK\r\n"]);
    bench.say("\r\n+CMTI: \"ME\",1\r\n\r\n+CMTI: \"ME\",2\r\n");
    bench.run(60 * SECOND);
    assert_eq!((bench.heard("AT+CMGR=1"), bench.heard("AT+CMGR=2"), bench.heard("AT+CMGD")), (1, 2, 0));
    assert_eq!(bench.machine.status().counters.bad_pdus, 2);
}

#[test]
fn a_pdu_that_lost_octets_on_the_line_is_read_again() {
    let mut bench = Bench::ready();
    let cut = &DELIVER[..DELIVER.len() - 8];
    let whole = format!("\r\n+CMGR: 0,,30\r\n{DELIVER}\r\n\r\nOK\r\n");
    bench.script("AT+CMGR=1", &[&format!("\r\n+CMGR: 0,,30\r\n{cut}\r\n\r\nOK\r\n"), &whole]);
    bench.script("AT+CMGR=2", &["\r\n+CMGR: 0,,30\r\n\r\nOK\r\n", &whole]);
    bench.script("AT+CMGR=3", &[&whole]);
    bench.script("AT+CMGL=4", &[&format!("\r\n+CMGL: 3,1,,30\r\n{cut}\r\n\r\nOK\r\n"), "\r\nOK\r\n"]);
    bench.say("\r\n+CMTI: \"ME\",1\r\n\r\n+CMTI: \"ME\",2\r\n\r\n^SMMEMFULL: \"ME\"\r\n");
    bench.run(60 * SECOND);
    let octets: Vec<_> = bench.events().into_iter().filter_map(received).collect();
    assert_eq!(octets, vec![hex::decode(DELIVER).unwrap(); 3]);
}

#[test]
fn a_slot_that_is_taken_again_before_its_delete_is_answered_is_read() {
    let mut bench = Bench::ready();
    bench.script("AT+CMGR=1", &[&format!("\r\n+CMGR: 0,,30\r\n{DELIVER}\r\n\r\nOK\r\n")]);
    bench.script("AT+CMGD=1", &["\r\n+CMTI: \"ME\",1\r\n\r\nOK\r\n", "\r\nOK\r\n"]);
    bench.say("\r\n+CMTI: \"ME\",1\r\n");
    bench.run(SECOND);
    bench.input(Input::Stored(bench.tokens()[0].0));
    bench.run(SECOND);
    assert_eq!((bench.tokens().len(), bench.heard("AT+CMGR=1"), bench.heard("AT+CMGD=1")), (2, 2, 1));
}

#[test]
fn a_delete_without_an_answer_is_not_repeated_unseen() {
    let mut bench = Bench::ready();
    bench.script("AT+CMGR=1", &[&format!("\r\n+CMGR: 0,,30\r\n{DELIVER}\r\n\r\nOK\r\n")]);
    bench.script("AT+CMGD=1", &["", "\r\nOK\r\n"]);
    bench.say("\r\n+CMTI: \"ME\",1\r\n");
    bench.run(SECOND);
    bench.input(Input::Stored(bench.tokens()[0].0));
    bench.run(60 * SECOND);
    assert_eq!((bench.tokens().len(), bench.heard("AT+CMGD=1")), (2, 1), "it may be another message by now");
    bench.input(Input::Stored(bench.tokens()[1].0));
    bench.run(SECOND);
    assert_eq!(bench.heard("AT+CMGD=1"), 2);
}

#[test]
fn every_store_is_looked_into_in_case_a_notification_was_lost() {
    let mut bench = Bench::ready();
    bench.run(SECOND);
    bench.phone.heard.clear();
    bench.run(Duration::from_secs(2 * 3600));
    for store in ["ME", "SM", "SR"] {
        let at = bench.phone.heard.iter().position(|heard| heard.starts_with(&format!("AT+CPMS=\"{store}")));
        let list = at.and_then(|at| bench.phone.heard.get(at + 1));
        assert_eq!(list.map(String::as_str), Some("AT+CMGL=4"), "{store}: {:?}", bench.phone.heard);
    }
}

#[test]
fn a_restart_that_nobody_heard_of_shows_in_the_registration() {
    for sign in ["\r\nSMS Ready\r\n", "\r\n+CPIN: READY\r\n", ""] {
        let mut bench = Bench::ready();
        bench.run(SECOND);
        bench.script("AT+CREG?", &["\r\n+CREG: 0,1\r\n\r\nOK\r\n", "\r\n+CREG: 1,1\r\n\r\nOK\r\n"]);
        bench.phone.heard.clear();
        bench.say(sign);
        bench.run(if sign.is_empty() { 301 } else { 2 } * SECOND);
        assert_eq!(bench.heard("AT+CNMI=2"), 1, "{sign:?}: set up again");
        bench.run(2 * Duration::from_secs(3600));
        assert_eq!(bench.heard("AT+CNMI=2"), 1, "{sign:?}: once");
        assert_eq!(bench.machine.status().counters.restarts, 1);
    }
}

#[test]
fn a_modem_that_miscounts_is_believed_the_second_time() {
    let mut bench = Bench::ready();
    bench.script("AT+CMGR=1", &[&format!("\r\n+CMGR: 0,,38\r\n{DELIVER}\r\n\r\nOK\r\n")]);
    bench.say("\r\n+CMTI: \"ME\",1\r\n");
    bench.run(60 * SECOND);
    assert_eq!((bench.tokens().len(), bench.heard("AT+CMGR=1")), (1, 2));
}

fn received(event: Event) -> Option<Vec<u8>> {
    if let Event::Incoming { octets, .. } = event { Some(octets) } else { None }
}

#[test]
fn what_was_stored_before_the_start_is_drained_within_the_bound() {
    let mut bench = Bench::new();
    let list: String = (0..80).map(|at| format!("\r\n+CMGL: {at},1,,30\r\n{DELIVER}\r\n")).collect();
    bench.script("AT+CMGL=4", &[&format!("{list}\r\nOK\r\n"), "\r\nOK\r\n"]);
    bench.run(10 * SECOND);
    assert_eq!(bench.tokens().len(), 64);
    assert!(bench.events().contains(&Event::Noise(Noise::IncomingFull)));
    let rest: String = (64..80).map(|at| format!("\r\n+CMGL: {at},1,,30\r\n{DELIVER}\r\n")).collect();
    bench.script("AT+CMGL=4", &[&format!("{rest}\r\nOK\r\n"), "\r\nOK\r\n"]);
    for (token, _) in bench.tokens() {
        bench.input(Input::Stored(token));
    }
    bench.run(10 * SECOND);
    assert_eq!((bench.tokens().len(), bench.heard("AT+CMGD")), (80, 64));
}

#[test]
fn a_store_is_full_of_what_stays_and_not_of_what_is_drained() {
    let mut bench = Bench::new();
    bench.script("AT+CPMS=\"ME\",\"ME\",\"ME\"", &["\r\n+CPMS: 2,2,2,2,2,2\r\n\r\nOK\r\n"]);
    let draft = format!("\r\n+CMGL: 0,2,,30\r\n{DELIVER}\r\n");
    let text = format!("\r\n+CMGL: 1,1,,30\r\n{DELIVER}\r\n");
    let no_pdu = "\r\n+CMGL: 2,1,,1\r\n0001\r\n";
    bench.script("AT+CMGL=4", &[&format!("{draft}{text}\r\nOK\r\n"), "\r\nOK\r\n"]);
    assert_eq!(bench.machine.status().stores_full, None);
    bench.run(10 * SECOND);
    assert_eq!((bench.machine.status().stores_full, bench.tokens().len()), (Some(false), 1));

    let mut look = |list: &str| {
        bench.script("AT+CMGL=4", &[&format!("{list}\r\nOK\r\n"), "\r\nOK\r\n"]);
        bench.say("\r\n^SMMEMFULL: \"ME\"\r\n");
        bench.run(10 * SECOND);
        bench.machine.status().stores_full
    };
    assert_eq!(look(&format!("{draft}{no_pdu}")), Some(true), "a draft, and what is no message");
    assert_eq!(look(&format!("{draft}{no_pdu}")), Some(true), "which is left alone by now");
    assert_eq!(look(&draft), Some(false), "somebody made room");
}

#[test]
fn another_card_has_the_bound_but_not_the_slots_of_the_last() {
    let mut bench = Bench::new();
    let list: String = (0..80).map(|at| format!("\r\n+CMGL: {at},1,,30\r\n{DELIVER}\r\n")).collect();
    bench.script("AT+CMGL=4", &[&format!("{list}\r\nOK\r\n")]);
    bench.run(10 * SECOND);
    let first = bench.tokens();
    assert_eq!(first.len(), 64);
    bench.script("AT+CCID", &["\r\n+CCID: 89490200001005155451\r\n\r\nOK\r\n"]);
    bench.input(Input::Request(Request { id: RequestId(1), kind: Kind::Reset(Step::Reinitialise) }));
    bench.run(10 * SECOND);
    assert_eq!((bench.done(1), bench.tokens().len()), (Some(Ok(Done::Reset)), 64));
    for (token, _) in first {
        bench.input(Input::Stored(token));
    }
    bench.run(10 * SECOND);
    assert_eq!((bench.tokens().len(), bench.heard("AT+CMGD")), (128, 0));
}

#[test]
fn where_listing_fails_every_slot_of_every_store_is_read() {
    let mut bench = Bench::new();
    bench.script("AT+CMGL=4", &["\r\n+CMS ERROR: 303\r\n"]);
    for slot in 0..100 {
        bench.script(&format!("AT+CMGR={slot}"), &["\r\n+CMS ERROR: 321\r\n"]);
    }
    bench.script("AT+CMGR=5", &[&format!("\r\n+CMGR: 1,,30\r\n{DELIVER}\r\n\r\nOK\r\n")]);
    bench.run(60 * SECOND);
    // 99 slots of the modem, 20 each of the card's messages and of reports, which may count from 0 or from 1.
    assert_eq!(bench.heard("AT+CMGR="), 100 + 21 + 21);
    assert_eq!(bench.tokens().len(), 3, "one in each store");
}

#[test]
fn direct_deliveries_are_acknowledged_first_of_all() {
    let note = "name='d'\ndescription='d'\ndelivery={ value='direct', source='test' }";
    let profile = Some(Arc::new(Profile::parse(note).unwrap()));
    let mut bench = Bench::with(Settings { profile, ..settings() });
    bench.script("AT+CSMS=1", &["\r\n+CSMS: 1,1,1\r\n\r\nOK\r\n"]);
    bench.script("AT+CNMI=2,2,0,1,0", &["\r\nOK\r\n"]);
    bench.run(5 * SECOND);
    bench.script("PDU", &[""]);
    bench.submit(1);
    bench.durable(1);
    bench.submit(2);
    bench.run(SECOND);
    bench.say(&format!("\r\n+CMT: ,30\r\n{DELIVER}\r\n"));
    bench.run(SECOND);
    bench.say(&format!("\r\n+CMT: ,30\r\n{}\r\n", &DELIVER[..40]));
    assert_eq!(bench.tokens().len(), 1, "octets are missing; it comes again");
    assert_eq!(bench.heard("AT+CNMA"), 0, "not stored");
    bench.input(Input::Stored(bench.tokens()[0].0));
    bench.say("\r\n+CMGS: 7\r\n\r\nOK\r\n");
    assert_eq!(bench.phone.heard.last().unwrap(), "AT+CNMA");
    bench.run(SECOND);
    assert_eq!((bench.heard("AT+CNMA"), bench.heard("AT+CMGS")), (1, 2));
}

#[test]
fn messages_in_are_not_starved_by_messages_out() {
    let mut bench = Bench::ready();
    bench.script("AT+CMGR=1", &[&format!("\r\n+CMGR: 0,,30\r\n{DELIVER}\r\n\r\nOK\r\n")]);
    for id in 0..3 {
        bench.submit(id);
        bench.durable(id);
    }
    bench.say("\r\n+CMTI: \"ME\",1\r\n");
    for id in 3..20 {
        bench.run(5 * MS);
        bench.submit(id);
        bench.durable(id);
        bench.submit(id + 100);
        bench.durable(id + 100);
    }
    let read = bench.phone.heard.iter().position(|heard| heard == "AT+CMGR=1").expect("read");
    let sends = bench.phone.heard[..read].iter().filter(|heard| heard.starts_with("AT+CMGS")).count();
    assert!(sends <= 5, "{sends}");
}

#[test]
fn losing_the_network_is_told_and_is_no_reset() {
    let mut bench = Bench::ready();
    bench.say("\r\n+CREG: 2\r\n");
    assert_eq!(bench.machine.status().phase, Phase::Searching);
    bench.submit(1);
    assert_eq!(bench.done(1), Some(Err(NotSent::NotReady.into())));
    bench.run(5 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready, "polled");
    assert_eq!(bench.events().first(), Some(&Event::Down(Cause::NoNetwork)));
    assert_eq!(bench.heard("ATE0"), 0);
}

#[test]
fn an_idle_modem_hears_only_the_keep_alive() {
    let mut bench = Bench::ready();
    bench.run(290 * SECOND);
    assert_eq!(bench.phone.heard, Vec::<String>::new());
    bench.run(3310 * SECOND);
    assert!((11..=12).contains(&bench.heard("AT+CREG?")), "{}", bench.heard("AT+CREG?"));
}

#[test]
fn the_ladder_is_climbed_to_its_end_and_left_by_work() {
    let mut bench = Bench::ready();
    let deaf: Vec<String> = bench.phone.replies.keys().cloned().collect();
    let kept = bench.phone.replies.clone();
    for command in &deaf {
        bench.script(command, &[""]);
    }
    bench.run(7200 * SECOND);
    let steps: Vec<_> = bench
        .outputs
        .iter()
        .filter_map(|o| if let Output::Ladder(s) = o { Some(*s) } else { None })
        .collect();
    assert_eq!(steps[..2], [Step::UsbReauthorise, Step::SiteHook]);
    assert!(steps.len() < 12 && steps[1..].iter().all(|step| *step == Step::SiteHook), "{steps:?}");
    assert!(
        bench.heard("AT+CFUN=4") == 1 && bench.heard("AT+CFUN=1,1") == 1,
        "{:?}",
        bench.machine.status().counters
    );
    bench.phone.replies = kept;
    bench.run(7200 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
    bench.submit(1);
    bench.durable(1);
    bench.run(SECOND);
    assert_eq!(bench.done(1), Some(TAKEN));
}

#[test]
fn a_modem_that_refuses_without_end_is_reset() {
    let mut bench = Bench::ready();
    bench.script("PDU", &["\r\n+CMS ERROR: 500\r\n"]);
    for id in 0..3 {
        bench.submit(id);
        bench.durable(id);
        bench.run(SECOND);
        assert!(matches!(bench.done(id), Some(Err(Failure::Rejected(_)))));
    }
    assert_eq!(bench.machine.status().phase, Phase::Recovering(Step::CfunCycle));
    bench.run(60 * SECOND);
    assert_eq!((bench.machine.status().phase.clone(), bench.heard("AT+CFUN=4")), (Phase::Ready, 1));
}

#[test]
fn a_restart_of_the_modem_is_seen_and_mended() {
    let mut bench = Bench::ready();
    bench.script("PDU", &["", "\r\n+CMGS: 7\r\n\r\nOK\r\n"]);
    bench.submit(1);
    bench.durable(1);
    bench.run(SECOND);
    bench.say("\r\nRDY\r\n");
    assert_eq!(bench.done(1), Some(Err(Uncertain::Restart.into())));
    bench.run(5 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
    assert_eq!(bench.heard("AT+CNMI=2"), 1);
}

#[test]
fn the_operator_may_reset() {
    let mut bench = Bench::ready();
    for (id, step) in
        [(1, Step::Poke), (2, Step::Reinitialise), (3, Step::CfunCycle), (4, Step::UsbReauthorise)]
    {
        bench.input(Input::Request(Request { id: RequestId(id), kind: Kind::Reset(step) }));
        bench.run(120 * SECOND);
        assert_eq!(bench.done(id), Some(Ok(Done::Reset)), "{step:?}");
        assert_eq!(bench.machine.status().phase, Phase::Ready, "{step:?}");
    }
    assert!(bench.outputs.contains(&Output::Ladder(Step::UsbReauthorise)));
    bench.input(Input::Request(Request { id: RequestId(5), kind: Kind::Reset(Step::CfunReset) }));
    bench.input(Input::HangUp);
    assert_eq!(bench.done(5), Some(Ok(Done::Reset)));
}

#[test]
fn the_link_is_kept_only_where_the_profile_allows() {
    let note = "name='c'\ndescription='c'\ncmms={ value=true, source='test' }";
    let profile = Some(Arc::new(Profile::parse(note).unwrap()));
    let mut bench = Bench::with(Settings { profile, ..settings() });
    bench.script("AT+CMMS=1", &["\r\nOK\r\n"]);
    bench.run(5 * SECOND);
    for id in 0..5 {
        let kind = Kind::Submit { tpdu: vec![1; 20], more: true };
        bench.input(Input::Request(Request { id: RequestId(id), kind }));
        bench.durable(id);
        bench.run(10 * MS);
        assert_eq!(bench.done(id), Some(TAKEN));
    }
    assert_eq!(bench.heard("AT+CMMS=1"), 1);
}

#[test]
fn a_modem_that_hangs_in_a_prompt_from_before_is_freed() {
    let mut bench = Bench::new();
    bench.phone.in_prompt = true;
    bench.run(5 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
}

/// The port may go between `+CFUN=4` and `+CFUN=1` of a recovery; whoever finds the modem next must not wait for ever.
#[test]
fn a_radio_that_was_left_off_is_switched_on() {
    let mut bench = Bench::new();
    bench.script("AT+CREG?", &["\r\n+CREG: 1,0\r\n\r\nOK\r\n", "\r\n+CREG: 1,1\r\n\r\nOK\r\n"]);
    bench.run(60 * SECOND);
    assert_eq!(bench.heard("AT+CFUN=1"), 1);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
}

#[test]
fn a_call_is_hung_up_once_the_line_is_free() {
    let mut bench = Bench::ready();
    bench.submit(1);
    for _ in 0..3 {
        bench.say("\r\nRING\r\n");
    }
    bench.run(SECOND);
    assert_eq!(bench.heard("AT+CHUP"), 0, "a message is on its way out");
    bench.input(Input::Durable(RequestId(1)));
    bench.run(5 * SECOND);
    assert_eq!(bench.heard("AT+CHUP"), 1);
}

#[test]
fn a_modem_that_knows_no_airplane_mode_is_switched_off_the_other_way() {
    let mut bench = Bench::ready();
    bench.script("AT+CFUN=4", &["\r\nERROR\r\n"]);
    bench.input(Input::Request(Request { id: RequestId(1), kind: Kind::Reset(Step::CfunCycle) }));
    bench.run(30 * SECOND);
    let heard = ["AT+CFUN=4", "AT+CFUN=0", "AT+CFUN=1"].map(|command| bench.heard(command));
    assert_eq!((heard, bench.machine.status().phase.clone()), ([1, 1, 1], Phase::Ready));
}

#[test]
fn a_restart_is_the_one_of_the_note_or_else_everybodys() {
    for (answer, everybodys) in [("\r\nOK\r\n", 0), ("\r\nERROR\r\n", 1)] {
        let mut bench = Bench::new();
        bench.script("AT+CGMI", &["\r\nTelit\r\n\r\nOK\r\n"]);
        bench.script("AT+CGMM", &["\r\nLE910-EUG\r\n\r\nOK\r\n"]);
        bench.script("AT#REBOOT", &[answer]);
        bench.run(30 * SECOND);
        assert_eq!(bench.machine.status().identity.profile, "telit-lte");
        bench.input(Input::Request(Request { id: RequestId(1), kind: Kind::Reset(Step::CfunReset) }));
        bench.run(30 * SECOND);
        assert_eq!((bench.heard("AT#REBOOT"), bench.heard("AT+CFUN=1,1")), (1, everybodys));
    }
}

/// A radio may be switched off while the modem is up, or `+CFUN=1` of a bring-up not be heard.
#[test]
fn a_radio_that_goes_off_is_switched_on() {
    let mut bench = Bench::ready();
    bench.script("AT+CREG?", &["\r\n+CREG: 1,0\r\n\r\nOK\r\n"]);
    bench.say("\r\n+CREG: 0\r\n");
    while bench.heard("AT+CFUN=1") == 0 {
        bench.run(SECOND);
        assert!(bench.now - bench.start < 600 * SECOND);
    }
    bench.script("AT+CREG?", &["\r\n+CREG: 1,1\r\n\r\nOK\r\n"]);
    bench.run(60 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready);
}

#[test]
fn a_reset_of_a_silent_modem_begins_at_once_and_each_ends() {
    for step in [Step::Poke, Step::Reinitialise, Step::CfunCycle, Step::CfunReset] {
        let mut bench = Bench::new();
        bench.phone.mute = true;
        bench.run(SECOND);
        bench.input(Input::Request(Request { id: RequestId(1), kind: Kind::Reset(step) }));
        let begun = matches!(bench.machine.status().phase, Phase::Recovering(_));
        assert_eq!(begun, step != Step::Poke, "{step:?}");
        bench.phone.mute = false;
        bench.run(120 * SECOND);
        assert_eq!(bench.done(1), Some(Ok(Done::Reset)), "{step:?}");
    }
}
