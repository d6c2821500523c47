//! USSD dialogues and the question for the balance, against the scripted phone.

use super::bench::*;
use super::*;
use crate::at::Final;
use crate::at::command::UssdCode;
use crate::modem::balance::{Amount, BalanceCheck, Pattern};
use crate::modem::ussd::UssdAnswer;

const ASK: &str = "AT+CUSD=1,\"*100#\",15";
const HANG_UP: &str = "AT+CUSD=2";

fn ready() -> Bench {
    let mut bench = Bench::ready();
    bench.script(ASK, &["\r\nOK\r\n"]);
    bench.script("AT+CUSD=1,\"1\",15", &["\r\nOK\r\n"]);
    bench.script(HANG_UP, &["\r\nOK\r\n"]);
    bench
}

fn ask(bench: &mut Bench, id: u64, code: &str) {
    let kind = Kind::Ussd(UssdCode::new(code).unwrap());
    bench.input(Input::Request(Request { id: RequestId(id), kind }));
}

fn cancel(bench: &mut Bench, id: u64) {
    bench.input(Input::Request(Request { id: RequestId(id), kind: Kind::UssdCancel }));
}

fn answer(bench: &Bench, id: u64) -> Option<UssdAnswer> {
    match bench.done(id) {
        Some(Ok(Done::Ussd(answer))) => Some(answer),
        None => None,
        other => panic!("{other:?}"),
    }
}

fn fault(bench: &Bench, id: u64) -> UssdFault {
    match bench.done(id) {
        Some(Err(Failure::Ussd(fault))) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn words_come_behind_ok_and_messages_go_on_in_between() {
    let mut bench = ready();
    ask(&mut bench, 1, "*100#");
    bench.run(SECOND);
    assert_eq!(bench.done(1), None);
    bench.submit(2);
    bench.durable(2);
    bench.run(SECOND);
    assert!(matches!(bench.done(2), Some(Ok(Done::Submitted { .. }))), "the line is free");
    bench.say("\r\n+CUSD: 0,\"Balance 5\",15\r\n");
    let told = answer(&bench, 1).unwrap();
    assert_eq!((told.text.as_str(), told.raw.as_str(), told.more), ("Balance 5", "Balance 5", false));
    bench.run(300 * SECOND);
    assert_eq!(bench.heard(HANG_UP), 0, "nothing is open");
}

#[test]
fn words_may_come_before_ok_and_in_hex() {
    let mut bench = ready();
    bench.script(ASK, &["\r\n+CUSD: 0,\"00420061006C003A00200035\",72\r\n\r\nOK\r\n"]);
    ask(&mut bench, 1, "*100#");
    bench.run(SECOND);
    assert_eq!(answer(&bench, 1).unwrap().text, "Bal: 5");
    ask(&mut bench, 2, "*100#");
    bench.run(SECOND);
    assert!(answer(&bench, 2).is_some(), "the OK behind the words was not the next one's");
}

#[test]
fn a_text_of_several_lines_is_one_answer_with_or_without_its_end() {
    let mut bench = ready();
    ask(&mut bench, 1, "*100#");
    bench.run(SECOND);
    bench.say("\r\n+CUSD: 1,\"1: Balance\r\n2: Data\r\nAt last\",15\r\n");
    assert_eq!(answer(&bench, 1).unwrap().text, "1: Balance\n2: Data\nAt last");
    ask(&mut bench, 2, "1");
    bench.run(SECOND);
    bench.say("\r\n+CUSD: 0,\"Balance\r\n5 EUR\r\n");
    assert_eq!(bench.done(2), None);
    bench.run(2 * SECOND);
    let told = answer(&bench, 2).unwrap();
    assert_eq!((told.text.as_str(), told.more), ("Balance\n5 EUR", false));
}

#[test]
fn an_open_dialogue_is_continued_cancelled_or_ended_after_a_while() {
    let mut bench = ready();
    ask(&mut bench, 1, "*100#");
    bench.run(SECOND);
    bench.say("\r\n+CUSD: 1,\"1 Balance\",15\r\n");
    assert!(answer(&bench, 1).unwrap().more);
    ask(&mut bench, 2, "1");
    bench.run(SECOND);
    bench.say("\r\n+CUSD: 1,\"More?\",15\r\n");
    assert!(answer(&bench, 2).unwrap().more);
    assert_eq!(bench.heard(HANG_UP), 0);
    cancel(&mut bench, 3);
    bench.run(SECOND);
    assert_eq!((bench.done(3), bench.heard(HANG_UP)), (Some(Ok(Done::UssdEnded)), 1));
    ask(&mut bench, 4, "*100#");
    bench.run(SECOND);
    bench.say("\r\n+CUSD: 1,\"1 Balance\",15\r\n");
    bench.run(100 * SECOND);
    assert_eq!(bench.heard(HANG_UP), 1, "a person may think it over");
    bench.run(30 * SECOND);
    assert_eq!(bench.heard(HANG_UP), 2);
}

#[test]
fn a_message_goes_first_and_at_once_while_a_person_thinks() {
    let mut bench = ready();
    bench.submit(1);
    bench.durable(1);
    bench.submit(2);
    bench.durable(2);
    ask(&mut bench, 3, "*100#");
    bench.run(SECOND);
    let place =
        |bench: &Bench, what: &str| bench.phone.heard.iter().rposition(|heard| heard.starts_with(what));
    assert!(place(&bench, "AT+CMGS=") < place(&bench, ASK), "{:?}", bench.phone.heard);
    bench.say("\r\n+CUSD: 1,\"1 Balance\",15\r\n");
    assert!(answer(&bench, 3).unwrap().more);
    bench.submit(4);
    bench.durable(4);
    bench.run(SECOND);
    assert!(matches!(bench.done(4), Some(Ok(Done::Submitted { .. }))));
    ask(&mut bench, 5, "1");
    bench.run(SECOND);
    bench.say("\r\n+CUSD: 0,\"5 EUR\",15\r\n");
    assert_eq!(answer(&bench, 5).unwrap().text, "5 EUR", "the message did not end the dialogue");
}

#[test]
fn what_answers_nothing_is_not_sent() {
    let mut bench = ready();
    ask(&mut bench, 1, "1");
    assert_eq!(fault(&bench, 1), UssdFault::NoDialogue);
    bench.say("\r\n+CUSD: 1,\"The network asks by itself: 1 Yes\",15\r\n");
    ask(&mut bench, 2, "1");
    bench.run(SECOND);
    bench.say("\r\n+CUSD: 2,\"Thank you\",15\r\n");
    assert_eq!(answer(&bench, 2).unwrap().text, "Thank you");
    ask(&mut bench, 3, "1");
    assert_eq!(fault(&bench, 3), UssdFault::NoDialogue, "the network has ended it");
    bench.run(SECOND);
    assert_eq!(bench.heard("AT+CUSD=1,\"1\",15"), 1);
}

#[test]
fn a_network_without_words_is_given_up_and_a_late_answer_is_nobodys() {
    let mut bench = ready();
    ask(&mut bench, 1, "*100#");
    bench.run(59 * SECOND);
    assert_eq!((bench.done(1), bench.heard(HANG_UP)), (None, 0));
    bench.run(2 * SECOND);
    assert_eq!((fault(&bench, 1), bench.heard(HANG_UP)), (UssdFault::NoAnswer, 1));
    bench.say("\r\n+CUSD: 0,\"late\",15\r\n");
    ask(&mut bench, 2, "*100#");
    bench.run(SECOND);
    assert_eq!(bench.done(2), None);
    bench.say("\r\n+CUSD: 0,\"in time\",15\r\n");
    assert_eq!(answer(&bench, 2).unwrap().text, "in time");
    assert_eq!(bench.machine.status().phase, Phase::Ready);
}

#[test]
fn each_refusal_has_its_name() {
    let mut bench = ready();
    for (id, (words, name)) in (1..).zip([
        ("\r\n+CUSD: 2\r\n", UssdFault::Terminated),
        ("\r\n+CUSD: 3\r\n", UssdFault::OtherClient),
        ("\r\n+CUSD: 4\r\n", UssdFault::NotSupported),
        ("\r\n+CUSD: 5\r\n", UssdFault::NetworkTimeout),
    ]) {
        ask(&mut bench, id, "*100#");
        bench.run(SECOND);
        bench.say(words);
        assert_eq!(fault(&bench, id), name);
    }
    ask(&mut bench, 10, "*100#");
    ask(&mut bench, 11, "*100#");
    assert_eq!(fault(&bench, 11), UssdFault::NotAsked(NotSent::Busy), "one at a time");
    bench.run(SECOND);
    bench.say("\r\n+CUSD: 2,\"Bye\",15\r\n");
    assert_eq!(answer(&bench, 10).unwrap().text, "Bye", "the last words of the network");
    bench.script(ASK, &["\r\n+CME ERROR: 30\r\n"]);
    ask(&mut bench, 12, "*100#");
    bench.run(SECOND);
    let refused = fault(&bench, 12);
    assert!(matches!(refused, UssdFault::Refused(Final::Cme(_))));
    assert!(refused.to_string().contains("CME 30 ("), "{refused}");
}

#[test]
fn a_modem_that_wants_packed_septets_gets_them_from_then_on() {
    let mut bench = ready();
    let packed = "AT+CUSD=1,\"AA180C3602\",15";
    bench.script(ASK, &["\r\nERROR\r\n"]);
    bench.script(packed, &["\r\nOK\r\n\r\n+CUSD: 0,\"CF2135487D2E4130572D0682BB1A\",0\r\n"]);
    for id in 1..=2 {
        ask(&mut bench, id, "*100#");
        bench.run(SECOND);
        assert_eq!(answer(&bench, id).unwrap().text, "OCTATOK 0.51 p.");
    }
    assert_eq!((bench.heard(ASK), bench.heard(packed)), (1, 2));
    bench.script(packed, &["\r\nERROR\r\n"]);
    ask(&mut bench, 3, "*100#");
    bench.run(SECOND);
    assert_eq!(fault(&bench, 3), UssdFault::Refused(Final::Error));
}

#[test]
fn a_modem_that_goes_or_starts_anew_ends_the_dialogue() {
    let mut bench = ready();
    ask(&mut bench, 1, "*100#");
    bench.run(SECOND);
    bench.say("\r\nRDY\r\n");
    assert_eq!(fault(&bench, 1), UssdFault::NoAnswer);
    ask(&mut bench, 2, "*100#");
    assert_eq!(fault(&bench, 2), UssdFault::NotAsked(NotSent::NotReady));
    bench.run(30 * SECOND);
    ask(&mut bench, 3, "*100#");
    bench.input(Input::Abandon(RequestId(3)));
    assert_eq!(fault(&bench, 3), UssdFault::Cancelled);
    bench.run(SECOND);
    assert_eq!(bench.heard(HANG_UP), 1);
    ask(&mut bench, 4, "*100#");
    bench.run(SECOND);
    bench.input(Input::HangUp);
    assert_eq!(fault(&bench, 4), UssdFault::NoAnswer);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn a_code_without_ok_costs_a_resync_and_no_message() {
    let mut bench = ready();
    bench.script(ASK, &[""]);
    ask(&mut bench, 1, "*100#");
    bench.submit(2);
    bench.durable(2);
    bench.run(60 * SECOND);
    assert_eq!(fault(&bench, 1), UssdFault::NoAnswer);
    assert!(matches!(bench.done(2), Some(Ok(Done::Submitted { .. }))));
}

fn watched(threshold: &str) -> Bench {
    let balance = BalanceCheck {
        code: UssdCode::new("*100#").unwrap(),
        pattern: Pattern::new("Guthaben: {amount} EUR").unwrap(),
        every: Duration::from_secs(86_400),
        threshold: Amount::read(threshold),
    };
    let mut bench = Bench::with(Settings { balance: Some(balance), ..settings() });
    bench.script(ASK, &["\r\nOK\r\n\r\n+CUSD: 0,\"Guthaben: 3,20 EUR\",15\r\n"]);
    bench.script(HANG_UP, &["\r\nOK\r\n"]);
    bench
}

#[test]
fn the_balance_is_asked_for_when_the_modem_is_idle_and_once_a_day() {
    let mut bench = watched("3");
    assert_eq!(bench.machine.status().balance, Balance::Unknown);
    bench.run(10 * SECOND);
    let amount = Amount::read("3.20").unwrap();
    assert_eq!(bench.machine.status().balance, Balance::Enough(amount));
    let asked = bench.phone.heard.iter().position(|heard| heard == ASK).unwrap();
    let listed = bench.phone.heard.iter().rposition(|heard| heard == "AT+CIMI").unwrap();
    assert!(listed < asked, "after all else: {:?}", bench.phone.heard);
    bench.run(23 * 3600 * SECOND);
    assert_eq!(bench.heard(ASK), 1);
    bench.script(ASK, &["\r\nOK\r\n\r\n+CUSD: 1,\"Guthaben: 2,99 EUR. 1 = More\",15\r\n"]);
    bench.run(2 * 3600 * SECOND);
    assert_eq!(bench.heard(ASK), 2);
    assert!(matches!(bench.machine.status().balance, Balance::Low { .. }));
    assert_eq!(bench.heard(HANG_UP), 1, "nobody wants more");
}

#[test]
fn a_balance_that_is_not_told_is_asked_for_again_in_an_hour() {
    let mut bench = watched("3");
    bench.script(ASK, &["\r\nOK\r\n\r\n+CUSD: 0,\"Try again later\",15\r\n"]);
    bench.run(10 * SECOND);
    let unread = |event: &Event| matches!(event, Event::Noise(Noise::BalanceUnread));
    assert_eq!(bench.events().iter().filter(|event| unread(event)).count(), 1);
    assert_eq!((bench.machine.status().balance, bench.heard(ASK)), (Balance::Unknown, 1));
    bench.run(2 * 3600 * SECOND);
    assert_eq!(bench.heard(ASK), 2);
}
