//! Where a modem may be registered, by which of its networks messages go, and the service centre that they go to.

use super::bench::*;
use super::*;
use crate::at::command::{Address, Domain};

const LTE_ONLY: &str = "\r\n+CEREG: 1,1\r\n\r\nOK\r\n";

fn taken(bench: &Bench, id: u64) -> bool {
    matches!(bench.done(id), Some(Ok(Done::Submitted { .. })))
}

#[test]
fn a_modem_whose_creg_says_nothing_goes_by_lte() {
    for silent in ["\r\nERROR\r\n", "\r\n+CREG: 1,0\r\n\r\nOK\r\n", "\r\n+CREG: 1,3\r\n\r\nOK\r\n"] {
        let mut bench = Bench::new();
        bench.script("AT+CREG?", &[silent]);
        bench.script("AT+CEREG=1", &["\r\nOK\r\n"]);
        bench.script("AT+CEREG?", &[LTE_ONLY]);
        bench.run(SECOND);
        assert_eq!(bench.machine.status().phase, Phase::Ready, "{silent:?}");
        let serving = bench.machine.status().registration.serving().unwrap();
        assert_eq!((serving.0, bench.heard("AT+CGREG?"), bench.heard("AT+CFUN=1")), (Domain::Eps, 0, 0));
        bench.submit(1);
        bench.durable(1);
        bench.run(SECOND);
        assert!(taken(&bench, 1));
        bench.say("\r\n+CEREG: 2\r\n");
        assert_eq!(bench.machine.status().phase, Phase::Searching);
        bench.run(60 * SECOND);
        assert_eq!(bench.machine.status().phase, Phase::Ready, "the search looks at LTE, too");
    }
}

#[test]
fn packet_service_alone_is_the_last_resort() {
    let mut bench = Bench::new();
    bench.script("AT+CREG?", &["\r\n+CREG: 1,4\r\n\r\nOK\r\n"]);
    bench.script("AT+CGREG?", &["\r\n+CGREG: 0,1\r\n\r\nOK\r\n"]);
    bench.run(SECOND);
    assert_eq!(bench.machine.status().registration.serving().unwrap().0, Domain::Packet);
    bench.say("\r\n+CREG: 1\r\n");
    let registration = bench.machine.status().registration;
    assert_eq!((registration.serving().unwrap().0, registration.packet), (Domain::Circuit, None));
}

#[test]
fn while_it_searches_lte_is_no_answer_yet() {
    let mut bench = Bench::new();
    bench.script("AT+CREG?", &["\r\n+CREG: 1,2\r\n\r\nOK\r\n"]);
    bench.script("AT+CEREG?", &[LTE_ONLY]);
    bench.run(SECOND);
    bench.say("\r\n+CEREG: 1\r\n");
    assert_eq!((&bench.machine.status().phase, bench.heard("AT+CEREG?")), (&Phase::Searching, 0));
    bench.run(5 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready, "it has searched long enough");
}

#[test]
fn a_visited_network_is_used_only_where_that_is_allowed() {
    let mut bench = Bench::with(Settings { roaming: Roaming::Refuse, ..settings() });
    bench.script("AT+CREG?", &["\r\n+CREG: 1,5\r\n\r\nOK\r\n"]);
    bench.run(5 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Searching);
    assert_eq!(bench.events(), [Event::Down(Cause::Roaming)]);
    bench.submit(1);
    assert_eq!(bench.done(1), Some(Err(NotSent::NotReady.into())));
    bench.say("\r\n+CREG: 1\r\n");
    assert_eq!(bench.machine.status().phase, Phase::Ready);
    for visited in [5, 7, 10] {
        bench.say(&format!("\r\n+CREG: {visited}\r\n"));
        assert_eq!(bench.machine.status().hindrance(), Cause::Roaming, "{visited}");
        assert_eq!(bench.machine.status().phase, Phase::Searching);
        bench.say("\r\n+CREG: 6\r\n");
        assert_eq!(bench.machine.status().phase, Phase::Ready);
    }
    let mut bench = Bench::ready();
    bench.say("\r\n+CREG: 5\r\n");
    assert_eq!(bench.machine.status().phase, Phase::Ready);
}

#[test]
fn a_network_that_refuses_the_card_is_named() {
    let mut bench = Bench::new();
    bench.script("AT+CREG?", &["\r\n+CREG: 1,3\r\n\r\nOK\r\n"]);
    bench.run(5 * SECOND);
    assert_eq!(bench.events(), [Event::Down(Cause::Denied)]);
    bench.say("\r\n+CREG: 2\r\n");
    assert_eq!(bench.machine.status().hindrance(), Cause::NoNetwork);
}

#[test]
fn a_missing_service_centre_is_seen_and_looked_for_again() {
    let mut bench = Bench::new();
    bench.script(
        "AT+CSCA?",
        &["\r\n+CSCA: \"\",129\r\n\r\nOK\r\n", "\r\n+CSCA: \"+49171\",145\r\n\r\nOK\r\n"],
    );
    bench.run(5 * SECOND);
    assert_eq!(
        (bench.machine.status().service_centre, &bench.machine.status().phase),
        (Some(false), &Phase::Ready)
    );
    bench.run(310 * SECOND);
    assert_eq!(bench.machine.status().service_centre, Some(true));
    bench.run(310 * SECOND);
    assert_eq!((bench.heard("AT+CSCA?"), bench.heard("AT+CSCA=")), (2, 0));
}

#[test]
fn a_configured_service_centre_is_given_to_a_card_without_one() {
    let with_centre = || Settings { service_centre: Address::new("+491710760000"), ..settings() };
    let mut bench = Bench::with(with_centre());
    bench.script("AT+CSCA?", &["\r\n+CSCA: \"+49172\",145\r\n\r\nOK\r\n"]);
    bench.run(5 * SECOND);
    assert_eq!((bench.machine.status().service_centre, bench.heard("AT+CSCA=")), (Some(true), 0));

    let mut bench = Bench::with(with_centre());
    bench.script("AT+CSCA?", &["\r\n+CSCA: \"\",129\r\n\r\nOK\r\n"]);
    bench.script("AT+CSCA=\"+491710760000\",145", &["\r\nOK\r\n"]);
    bench.run(5 * SECOND);
    assert_eq!((bench.machine.status().service_centre, bench.heard("AT+CSCA=")), (Some(true), 1));
    bench.script("AT+CSCA=\"+491710760000\",145", &["\r\n+CMS ERROR: 302\r\n"]);
    bench.say("\r\nRDY\r\n");
    bench.run(5 * SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Ready, "a refusal is shown and keeps nothing up");
    assert_eq!(bench.machine.status().service_centre, Some(false));
}

#[test]
fn a_message_refused_for_want_of_a_network_is_a_reason_to_look() {
    let mut bench = Bench::ready();
    bench.script("AT+CREG?", &["\r\n+CREG: 1,0\r\n\r\nOK\r\n"]);
    bench.script("AT+CMGS", &["\r\n+CMS ERROR: 331\r\n"]);
    bench.submit(1);
    bench.durable(1);
    bench.run(SECOND);
    assert_eq!(bench.machine.status().phase, Phase::Searching, "the registration was told long ago");
}
