//! What a firmware note says is what the machine does: one key after the other, against the scripted phone.

use super::bench::*;
use super::*;
use crate::modem::profile::Library;

/// A modem that a note with these keys is set for.
fn noted(keys: &str) -> Bench {
    let profile = Profile::parse(&format!("name='n'\ndescription='d'\n{keys}")).unwrap();
    Bench::with(Settings { profile: Some(Arc::new(profile)), ..settings() })
}

fn is_ready(bench: &Bench) -> bool {
    bench.machine.status().phase == Phase::Ready
}

#[test]
fn a_port_that_has_just_come_is_left_in_peace_for_the_time_its_note_says() {
    let mut bench = noted("settle-s={value=5,source='t'}");
    bench.run(Duration::from_millis(4900));
    assert!(bench.phone.heard.is_empty());
    bench.run(SECOND);
    assert!(is_ready(&bench));

    let profile = Profile::parse("name='n'\ndescription='d'\nsettle-s={value=5,source='t'}").unwrap();
    let settings = || Settings { likely: Some(Arc::new(profile.clone())), ..settings() };
    let mut bench = Bench::with(Settings { port_age: 4 * SECOND, ..settings() });
    bench.run(Duration::from_millis(900));
    assert!(bench.phone.heard.is_empty(), "by its USB identity");
    bench.run(SECOND);
    assert!(is_ready(&bench));
    let mut bench = Bench::with(Settings { port_age: 3600 * SECOND, ..settings() });
    bench.run(500 * MS);
    assert!(is_ready(&bench), "it has been there for an hour");
}

#[test]
fn a_first_command_that_is_lost_after_idling_is_not_the_message() {
    let mut bench = noted("first-lost={value=true,source='t'}");
    bench.run(5 * SECOND);
    bench.phone.heard.clear();
    bench.run(20 * SECOND);
    assert!(bench.phone.heard.is_empty(), "a modem that sleeps is not woken for nothing");
    bench.script("AT", &["", "\r\nOK\r\n"]);
    bench.submit(1);
    bench.durable(1);
    bench.run(3 * SECOND);
    assert!(matches!(bench.done(1), Some(Ok(Done::Submitted { .. }))));
    assert_eq!(bench.phone.heard, ["AT", "ESC", "AT", "AT+CMGS=9", "00010004912143000000^Z"]);
    assert_eq!(bench.machine.status().counters.timeouts, 0);
    bench.submit(2);
    assert_eq!(bench.phone.heard.last().unwrap(), "AT+CMGS=9", "awake");
}

#[test]
fn lines_end_as_the_note_says() {
    let mut bench = noted("line-end={value='cr-lf',source='t'}");
    bench.phone.wants_lf = true;
    bench.run(5 * SECOND);
    assert!(is_ready(&bench));
    bench.submit(1);
    bench.durable(1);
    bench.run(SECOND);
    assert_eq!(bench.phone.heard.last().unwrap(), "00010004912143000000^Z", "no LF in the PDU");
}

#[test]
fn who_answers_only_to_lf_can_say_what_it_is() {
    let note = "name='n'\ndescription='d'\nline-end={value='cr-lf',source='t'}\n[[match]]\nmodel='Model'";
    let notes = Library::clone(Library::compiled_in()).with(Profile::parse(note).unwrap());
    let mut bench = Bench::with(Settings { notes: Arc::new(notes), ..settings() });
    bench.phone.wants_lf = true;
    bench.run(15 * SECOND);
    assert!(is_ready(&bench), "{:?}", bench.phone.heard);
    assert_eq!(bench.machine.status().identity.profile, "n");
}

#[test]
fn a_modem_that_dozes_costs_less_than_two_seconds() {
    let mut bench = Bench::new();
    bench.script("AT", &["", "\r\nOK\r\n"]);
    bench.run(2 * SECOND);
    assert!(is_ready(&bench), "{:?}", bench.phone.heard);
    assert_eq!(bench.phone.heard[..4], ["AT", "ESC", "AT", "ATE0"]);
    assert!(bench.events().iter().all(|event| !matches!(event, Event::Down(_))));
}

#[test]
fn an_answer_without_its_ok_is_taken_where_the_note_says_so() {
    let only_line = "\r\n+CSQ: 17,99\r\n";
    let mut bench = noted("final-missing={value=['+CSQ'],source='t'}");
    bench.script("AT+CSQ", &[only_line]);
    bench.run(5 * SECOND);
    assert_eq!(bench.machine.status().signal, crate::units::Dbm::from_csq(17));
    assert_eq!(bench.machine.status().counters.timeouts, 0);
    let mut bench = Bench::new();
    bench.script("AT+CSQ", &[only_line]);
    bench.run(10 * SECOND);
    assert_eq!(bench.machine.status().counters.timeouts, 1, "everybody else owes an OK");
}

#[test]
fn the_card_gets_the_time_that_its_modem_needs() {
    let pin = crate::at::command::Pin::new("1234");
    let profile = Profile::parse(
        "name='n'\ndescription='d'\npin-pause-s={value=7,source='t'}\nbusy-s={value=50,source='t'}",
    );
    let profile = Some(Arc::new(profile.unwrap()));
    let mut bench =
        Bench::with(Settings { pin, pin_permission: PinPermission::AnyCard, profile, ..settings() });
    let busy = "\r\n+CME ERROR: 14\r\n";
    bench.script("AT+CPIN?", &["\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", busy]);
    bench.script("AT+CPIN=\"1234\"", &["\r\nOK\r\n"]);
    bench.run(Duration::from_millis(6900));
    assert_eq!(bench.heard("AT+CPIN?"), 1);
    bench.run(42 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Starting, "busy, and there is time");
    bench.run(3 * SECOND);
    assert!(matches!(bench.machine.status().phase, Phase::Down(Cause::Refused(_))));
}

#[test]
fn a_ready_line_of_the_note_ends_the_wait_for_the_card() {
    let mut bench = noted("ready={value=['+WIND: 4'],source='t'}");
    bench.script("AT+CMGF=0", &["\r\n+CMS ERROR: 314\r\n", "\r\nOK\r\n"]);
    bench.run(500 * MS);
    assert_eq!(bench.heard("AT+CMGF=0"), 1);
    bench.say("\r\n+WIND: 3\r\n");
    assert_eq!(bench.heard("AT+CMGF=0"), 1);
    bench.say("\r\n+WIND: 4\r\n");
    assert_eq!(bench.heard("AT+CMGF=0"), 2);
}

#[test]
fn stores_are_toggled_and_as_many_named_as_the_note_says() {
    let mut bench = noted(
        "store-toggle={value=['ME','SM'],source='t'}\nstore-places={value=2,source='t'}\nstores={value=['MT'],source='t'}",
    );
    for store in ["ME", "MT"] {
        bench.script(&format!("AT+CPMS=\"{store}\",\"{store}\""), &["\r\n+CPMS: 0,9,0,9\r\n\r\nOK\r\n"]);
    }
    bench.run(SECOND);
    let selected: Vec<_> = bench.phone.heard.iter().filter(|heard| heard.starts_with("AT+CPMS=")).collect();
    assert_eq!(selected[..3], ["AT+CPMS=\"ME\",\"ME\"", "AT+CPMS=\"SM\",\"SM\"", "AT+CPMS=\"MT\",\"MT\""]);
    assert!(is_ready(&bench), "a refused toggle is no fault");
}

#[test]
fn the_first_bearer_that_is_taken_stays() {
    let mut bench = noted("bearer={value=[2,3,1],source='t'}");
    bench.script("AT+CGSMS=3", &["\r\nOK\r\n"]);
    bench.run(SECOND);
    assert_eq!((bench.heard("AT+CGSMS=2"), bench.heard("AT+CGSMS=3"), bench.heard("AT+CGSMS=1")), (1, 1, 0));
    assert!(is_ready(&bench));
}

#[test]
fn chatter_of_the_note_answers_nothing_and_parts_nothing() {
    let mut bench = noted(
        "noise={value=['ISIMAID','!P'],source='t'}\ndelivery={value='direct',source='t'}\ncnma={value='never',source='t'}",
    );
    bench.script("AT+CGMR", &["\r\nISIMAID 3\r\n\r\nRev 2\r\n\r\nOK\r\n"]);
    bench.run(5 * SECOND);
    assert_eq!(bench.machine.status().identity.revision.as_deref(), Some("Rev 2"));
    bench.say(&format!("\r\n+CMT: ,23\r\n!P 4\r\n{DELIVER}\r\n"));
    assert_eq!(bench.tokens().len(), 1);
}

#[test]
fn jamming_is_told_once_and_ends_as_the_note_says_or_with_a_restart() {
    let keys =
        "jammed={value=['#JDR: JAMMED'],source='t'}\njammed-over={value=['#JDR: OPERATIVE'],source='t'}";
    let mut bench = noted(&format!("{keys}\ndelivery={{value='direct',source='t'}}"));
    bench.run(5 * SECOND);
    bench.outputs.clear();
    bench.say(&format!("\r\n+CMT: ,23\r\n#JDR: JAMMED\r\n{DELIVER}\r\n"));
    assert_eq!(bench.tokens().len(), 1, "it parts no message");
    bench.say("\r\n#JDR: JAMMED\r\n");
    assert!(bench.machine.status().jammed);
    bench.say("\r\n#JDR: OPERATIVE\r\n");
    assert!(!bench.machine.status().jammed);
    bench.say("\r\n#JDR: JAMMED\r\n\r\nRDY\r\n");
    let told: Vec<_> = bench.events().into_iter().filter(|e| matches!(e, Event::Jamming(_))).collect();
    assert_eq!(told, [true, false, true, false].map(Event::Jamming));
}

#[test]
fn what_the_note_knows_of_the_signal_is_asked_once_the_modem_is_ready() {
    let mut bench = noted("signal={value=['qcsq','cesq'],source='t'}");
    bench.script("AT+CESQ", &["\r\n+CESQ: 99,99,255,255,20,80\r\n\r\nOK\r\n"]);
    bench.run(2 * SECOND);
    let radio = bench.machine.status().radio;
    assert_eq!((radio.rsrp, radio.rsrq, radio.sinr), (Some(crate::units::Dbm(-61)), Some(-10), None));
    assert_eq!((bench.heard("AT+QCSQ"), bench.heard("AT+CESQ")), (1, 1));
    bench.run(310 * SECOND);
    assert_eq!((bench.heard("AT+QCSQ"), bench.heard("AT+CESQ")), (1, 2), "the form that works stays");
}

#[test]
fn a_modem_that_started_anew_may_be_silent_for_as_long_as_its_note_says() {
    let mut bench = noted("away-s={value=20,source='t'}");
    bench.run(5 * SECOND);
    bench.phone.mute = true;
    bench.say("\r\nRDY\r\n");
    let silent = |bench: &Bench| bench.events().contains(&Event::Down(Cause::Silent));
    bench.run(19 * SECOND);
    assert!(!silent(&bench));
    bench.run(15 * SECOND);
    assert!(silent(&bench));
}
