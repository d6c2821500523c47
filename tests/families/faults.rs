//! Faults that the machine sees, one by one: each ends in a status that names its cause, or is lived with; none makes it spin.

use std::time::Duration;

use smsotpd::at::Final;
use smsotpd::at::command::Pin;
use smsotpd::modem::machine::{Cause, Failure, Foreign, Phase, Settings, Step};
use smsotpd::simulator::{Card, EchoOff, ErrorEvery, Instead, Scenario, Speaks, Unknown};

use crate::rig::{HOUR, Rig, SECOND, settings};

/// Writes an hour, at most, to a modem that cannot be helped: one every four seconds.
const WRITES_AN_HOUR: u32 = 900;
const PIN: &str = "4711";

fn well() -> Scenario {
    Scenario::of_seed(9, 0)
}

fn with_pin(pin: &str) -> Settings {
    Settings { pin: Pin::new(pin), ..settings() }
}

fn locked(tries: u8) -> Scenario {
    Scenario { pin: Some(PIN.into()), pin_tries: tries, ..well() }
}

fn instead(command: &str, say: Option<&str>, after: Duration, times: Option<u32>) -> Instead {
    Instead { command: command.into(), say: say.map(str::to_owned), after, times }
}

/// Commands that began so.
fn count(rig: &Rig, start: &str) -> usize {
    rig.commands.iter().filter(|line| line.starts_with(start)).count()
}

/// Some hours of it, with an upper bound on what is written in each.
fn hours(rig: &mut Rig, hours: u32) {
    for _ in 0..hours {
        let before = rig.writes;
        rig.run(HOUR);
        let written = rig.writes - before;
        assert!(written <= WRITES_AN_HOUR, "{written} writes in an hour: {:?}", rig.commands.last());
    }
}

/// It is down for this cause and for no other, and says so once.
fn stays_down(mut rig: Rig, is: impl Fn(&Cause) -> bool) -> Rig {
    hours(&mut rig, 12);
    let Phase::Down(cause) = rig.phase() else { panic!("{:?}", rig.phase()) };
    assert!(is(cause), "{cause:?}");
    assert_eq!((rig.ups, rig.downs.len()), (0, 1), "told once: {:?}", rig.downs);
    assert!(rig.ladder.is_empty(), "no reset mends that");
    rig
}

/// Ready within three minutes, and able to send and to receive.
fn lives_with(scenario: Scenario) -> Rig {
    let mut rig = Rig::new(scenario);
    let up = rig.run_until(180 * SECOND, |rig| *rig.phase() == Phase::Ready);
    assert!(up, "{:?}: {:#?}", rig.phase(), rig.dialogue);
    rig.run(5 * SECOND);
    rig.works("the modem");
    rig
}

#[test]
fn a_card_that_wants_its_puk_waits_for_a_person() {
    let rig = stays_down(Rig::with(locked(0), with_pin(PIN)), |cause| *cause == Cause::Locked);
    assert_eq!(count(&rig, "AT+CPIN="), 0);
}

#[test]
fn a_wrong_pin_is_tried_once_and_never_again() {
    let rig = stays_down(Rig::with(locked(3), with_pin("1111")), |cause| matches!(cause, Cause::PinWrong(_)));
    assert_eq!(count(&rig, "AT+CPIN="), 1);
}

#[test]
fn the_last_try_of_a_pin_belongs_to_a_person() {
    let rig = stays_down(Rig::with(locked(1), with_pin(PIN)), |cause| matches!(cause, Cause::PinLastTry(_)));
    assert_eq!(count(&rig, "AT+CPIN="), 0);
}

#[test]
fn a_pin_that_nobody_told_is_wanted() {
    let rig = stays_down(Rig::new(locked(3)), |cause| matches!(cause, Cause::PinWanted(_)));
    assert_eq!(count(&rig, "AT+CPIN="), 0);
}

#[test]
fn a_card_that_is_not_there_or_does_not_work_is_named() {
    let of = |card| Rig::new(Scenario { card, ..well() });
    stays_down(of(Card::Absent), |cause| *cause == Cause::NoSim);
    let code = |wanted| move |cause: &Cause| matches!(cause, Cause::Refused(Final::Cme(e)) if e.code() == Some(wanted));
    stays_down(of(Card::Failing), code(13));
    let rig = stays_down(of(Card::Busy), code(14));
    assert!(rig.busy <= 12 * 20, "asked {} times in twelve hours", rig.busy);
}

#[test]
fn a_port_that_is_silent_is_handed_to_the_driver_and_rarely_asked() {
    let mut rig = Rig::new(Scenario { speaks: Speaks::Nothing, ..well() });
    hours(&mut rig, 12);
    assert!(rig.ups == 0 && rig.commands.is_empty());
    assert!(rig.downs.contains(&Cause::Silent), "{:?}", rig.downs);
    assert!(rig.ladder.contains(&Step::UsbReauthorise));
}

#[test]
fn what_is_no_modem_is_named_and_never_reset() {
    let all = [
        (Speaks::Echo, Foreign::Echo),
        (Speaks::Nmea, Foreign::Receiver),
        (Speaks::Garbage, Foreign::Garbage),
        (Speaks::Console, Foreign::Console),
    ];
    for (speaks, foreign) in all {
        let rig = stays_down(Rig::new(Scenario { speaks, ..well() }), |is| *is == Cause::NoModem(foreign));
        assert!(rig.commands.is_empty(), "{speaks:?} takes no commands");
        assert!(rig.writes < 12 * 250, "{} writes in twelve hours to {speaks:?}", rig.writes);
    }
}

#[test]
fn an_echo_that_stays_is_lived_with() {
    for echo_off in [EchoOff::Refused, EchoOff::Ignored] {
        let rig = lives_with(Scenario { echo_off, ..well() });
        assert_eq!(count(&rig, "ATE0"), 1);
    }
}

#[test]
fn a_flood_of_lines_is_lived_with() {
    let rig = lives_with(Scenario { noise: 300, ..well() });
    assert!(rig.writes < 100, "{} writes", rig.writes);
}

#[test]
fn unknown_commands_are_refused_in_words_and_lived_with() {
    for unknown in [Unknown::NotSupport, Unknown::Error] {
        let other_iccid = instead("+CCID", Some("COMMAND NOT SUPPORT"), Duration::ZERO, None);
        let rig = lives_with(Scenario { unknown, instead: vec![other_iccid], ..well() });
        assert!(rig.machine.status().identity.iccid.is_some(), "another command tells the card");
    }
}

#[test]
fn notifications_that_are_refused_are_replaced_by_looking() {
    let refused = instead("+CNMI=", Some("+CMS ERROR: 303"), Duration::ZERO, None);
    let test_works = instead("+CNMI=?", None, Duration::ZERO, None);
    let mut rig = Rig::new(Scenario { instead: vec![test_works, refused], ..well() });
    assert!(rig.run_until(60 * SECOND, |rig| *rig.phase() == Phase::Ready), "{:?}", rig.phase());
    let forms = count(&rig, "AT+CNMI=") - count(&rig, "AT+CNMI=?");
    assert!((1..=6).contains(&forms), "{forms} forms were tried");
    rig.run(60 * SECOND);
    rig.deliver("STOP");
    rig.run(400 * SECOND);
    assert_eq!(rig.texts(), ["STOP"]);
}

#[test]
fn answers_that_come_too_late_are_not_taken_for_others() {
    let late = |command: &str, seconds: u64| instead(command, None, Duration::from_secs(seconds), Some(1));
    let all = vec![late("+CPMS=", 12), late("+CGSN", 7), late("+CNMI=?", 6), late("+CREG?", 8)];
    let imei = well().imei;
    let rig = lives_with(Scenario { instead: all, ..well() });
    assert_eq!(rig.machine.status().identity.imei, Some(imei));
}

#[test]
fn a_command_that_is_never_answered_is_left_behind() {
    let never = |command: &str| instead(command, Some(""), Duration::ZERO, Some(1));
    lives_with(Scenario { instead: vec![never("+CMEE"), never("+CMGF"), never("+CSQ")], ..well() });
}

#[test]
fn a_refusal_after_135_seconds_belongs_to_its_message() {
    let after = Duration::from_secs(135);
    let error_every = Some(ErrorEvery { n: 2, code: 350, after });
    let mut rig = lives_with(Scenario { error_every, ..well() });
    let id = rig.submit("late");
    rig.run(134 * SECOND);
    assert_eq!(rig.done.get(&id), None);
    rig.run(2 * SECOND);
    let refused = |result: &Final| matches!(result, Final::Cms(error) if error.code() == Some(350));
    assert!(
        matches!(rig.done.get(&id), Some(Err(Failure::Rejected(result))) if refused(result)),
        "{:?}",
        rig.done
    );
    rig.works("after it");
    assert!(rig.downs.is_empty() && rig.ladder.is_empty());
}

#[test]
fn full_stores_are_emptied_before_anything_can_come() {
    let scenario = well();
    let full = usize::from(scenario.slots) * 2;
    let mut rig = Rig::new(Scenario { stored: scenario.slots, ..scenario });
    assert!(rig.run_until(60 * SECOND, |rig| *rig.phase() == Phase::Ready), "{:?}", rig.phase());
    rig.run(60 * SECOND);
    assert_eq!(rig.texts().len(), full);
    rig.works("emptied");
}

#[test]
fn prompts_of_all_kinds_are_seen() {
    for prompt in ["\r\n> ", "\r\n>", "\n>", ">", "\r\r\n\r\n> "] {
        lives_with(Scenario { prompt: prompt.into(), ..well() });
    }
}
