//! The decision table, case by case: PIN, PIN and code, transaction and code, and everything that must not be accepted.

use super::*;

const NOW: UnixMs = UnixMs(1_000_000);
/// RFC 4226 appendix D, counters 0 to 9.
const CODES: [&str; 10] =
    ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];

fn seed() -> Secret {
    Secret::from("12345678901234567890")
}

fn token<'a>(serial: &'a str, seed: &'a Secret, pin: PinFact) -> Token<'a> {
    Token { serial, seed, digits: 6, failures: 0, max_failures: 10, active: true, pin }
}

fn open<'a>(transaction: &'a str, serial: &'a str, counter: u64) -> Challenge<'a> {
    Challenge { transaction, serial, counter, expires: UnixMs(NOW.0 + 1), answered: false }
}

fn pass(pass: &str) -> Request<'_> {
    Request { pass, transaction: None, otp_only: false }
}

fn answer<'a>(transaction: &'a str, code: &'a str) -> Request<'a> {
    Request { pass: code, transaction: Some(transaction), otp_only: false }
}

#[test]
fn pass_is_split_by_characters_not_octets() {
    assert_eq!(split("1234287082", 6), Some(("1234", "287082")));
    assert_eq!(split("287082", 6), Some(("", "287082")));
    assert_eq!(split("28708", 6), None);
    assert_eq!(split("ßß287082", 6), Some(("ßß", "287082")));
    assert_eq!(split("ßßßßßß", 6), Some(("", "ßßßßßß")));
    assert_eq!(split("ßßß", 6), None);
    assert_eq!(split("", 6), None);
    assert_eq!(split("x", 0), None);
}

#[test]
fn nobody_without_a_token_gets_anywhere() {
    assert_eq!(decide(&pass("1234"), &[], &[], NOW), Decision::NoToken);
    assert_eq!(decide(&answer("1", "287082"), &[], &[], NOW), Decision::NoToken);
}

#[test]
fn the_pin_alone_opens_a_challenge_for_every_token_it_fits() {
    let seed = seed();
    let tokens = [
        token("A", &seed, PinFact::Whole),
        token("B", &seed, PinFact::Wrong),
        token("C", &seed, PinFact::Whole),
    ];
    assert_eq!(decide(&pass("1234"), &tokens, &[], NOW), Decision::Trigger(vec![0, 2]));
}

#[test]
fn pin_and_code_answer_the_newest_open_challenge() {
    let seed = seed();
    let tokens = [token("A", &seed, PinFact::Prefix)];
    let challenges = [open("2", "A", 2), open("1", "A", 1)];
    for (code, place) in [(CODES[2], 0), (CODES[1], 1)] {
        let text = format!("1234{code}");
        let expected = Decision::Accept { token: 0, challenge: place, path: Path::PinAndCode };
        assert_eq!(decide(&pass(&text), &tokens, &challenges, NOW), expected);
    }
}

#[test]
fn codes_that_were_never_sent_are_not_accepted() {
    let seed = seed();
    let tokens = [token("A", &seed, PinFact::Prefix)];
    let challenges = [open("1", "A", 3)];
    for (counter, code) in CODES.iter().enumerate().filter(|(counter, _)| *counter != 3) {
        let text = format!("1234{code}");
        let wrong = Decision::WrongCode { tokens: vec![0], used_before: false };
        assert_eq!(decide(&pass(&text), &tokens, &challenges, NOW), wrong, "counter {counter}");
        let asked = decide(&answer("1", code), &tokens, &challenges, NOW);
        assert_eq!(asked, Decision::WrongResponse(vec![0]), "counter {counter}");
    }
}

#[test]
fn a_code_belongs_to_its_challenge() {
    let seed = seed();
    let tokens = [token("A", &seed, PinFact::NotAsked)];
    let challenges = [open("second", "A", 2), open("first", "A", 1)];
    let accepted = |place| Decision::Accept { token: 0, challenge: place, path: Path::Transaction };
    let refused = Decision::WrongResponse(vec![0]);
    assert_eq!(decide(&answer("first", CODES[1]), &tokens, &challenges, NOW), accepted(1));
    assert_eq!(decide(&answer("second", CODES[2]), &tokens, &challenges, NOW), accepted(0));
    assert_eq!(decide(&answer("first", CODES[2]), &tokens, &challenges, NOW), refused);
    assert_eq!(decide(&answer("second", CODES[1]), &tokens, &challenges, NOW), refused);
}

#[test]
fn a_code_ends_with_its_challenge_on_every_path() {
    let seed = seed();
    let mut challenge = open("1", "A", 1);
    challenge.expires = NOW;
    let bare = Request { pass: CODES[1], transaction: None, otp_only: true };
    let asked = [token("A", &seed, PinFact::Prefix)];
    let wrong_code = Decision::WrongCode { tokens: vec![0], used_before: false };
    assert_eq!(decide(&pass("1234287082"), &asked, &[challenge], NOW), wrong_code);
    assert_eq!(decide(&answer("1", CODES[1]), &asked, &[challenge], NOW), Decision::WrongResponse(vec![0]));
    assert_eq!(decide(&bare, &asked, &[challenge], NOW), Decision::WrongBareCode(vec![0]));
    let before = UnixMs(NOW.0 - 1);
    assert!(matches!(decide(&pass("1234287082"), &asked, &[challenge], before), Decision::Accept { .. }));
    assert!(matches!(decide(&answer("1", CODES[1]), &asked, &[challenge], before), Decision::Accept { .. }));
    assert!(matches!(decide(&bare, &asked, &[challenge], before), Decision::Accept { .. }));
}

#[test]
fn a_used_challenge_is_as_good_as_none() {
    let seed = seed();
    let mut challenge = open("1", "A", 1);
    challenge.answered = true;
    let tokens = [token("A", &seed, PinFact::Prefix)];
    let again = Decision::WrongCode { tokens: vec![0], used_before: true };
    assert_eq!(decide(&pass("1234287082"), &tokens, &[challenge], NOW), again);
    assert_eq!(decide(&answer("1", CODES[1]), &tokens, &[challenge], NOW), Decision::WrongPin(vec![0]));
    let bare = Request { pass: CODES[1], transaction: None, otp_only: true };
    assert_eq!(decide(&bare, &tokens, &[challenge], NOW), Decision::WrongBareCode(vec![0]));
}

#[test]
fn unknown_transactions_never_fall_back_to_the_pin() {
    let seed = seed();
    let tokens = [token("A", &seed, PinFact::Whole), token("B", &seed, PinFact::Prefix)];
    let challenges = [open("1", "A", 1)];
    for transaction in ["", "2", "01"] {
        let decision = decide(&answer(transaction, "1234"), &tokens, &challenges, NOW);
        assert_eq!(decision, Decision::WrongPin(vec![0, 1]), "{transaction:?}");
    }
}

#[test]
fn wrong_answers_to_a_transaction_are_all_alike() {
    let seed = seed();
    let tokens = [token("A", &seed, PinFact::NotAsked)];
    let challenges = [open("1", "A", 1)];
    for code in ["", "00", "000000", "1234287082", "287 082", "287082 ", "٢٨٧٠٨٢"] {
        let decision = decide(&answer("1", code), &tokens, &challenges, NOW);
        assert_eq!(decision, Decision::WrongResponse(vec![0]), "{code:?}");
    }
}

#[test]
fn a_transaction_of_several_tokens_counts_on_each() {
    let (one, other) = (seed(), Secret::from("another seed of length"));
    let tokens = [token("A", &one, PinFact::NotAsked), token("B", &other, PinFact::NotAsked)];
    let challenges = [open("1", "B", 4), open("1", "A", 1)];
    assert_eq!(
        decide(&answer("1", "000000"), &tokens, &challenges, NOW),
        Decision::WrongResponse(vec![0, 1])
    );
    let code = hotp::hotp(&other, 4, 6, Hash::Sha1);
    let expected = Decision::Accept { token: 1, challenge: 0, path: Path::Transaction };
    assert_eq!(decide(&answer("1", code.expose_str().unwrap()), &tokens, &challenges, NOW), expected);
}

#[test]
fn a_challenge_of_another_token_is_no_answer() {
    let seed = seed();
    let tokens = [token("B", &seed, PinFact::NotAsked)];
    let challenges = [open("1", "A", 1)];
    assert_eq!(decide(&answer("1", CODES[1]), &tokens, &challenges, NOW), Decision::WrongPin(vec![0]));
}

#[test]
fn locked_and_disabled_tokens_are_skipped() {
    let seed = seed();
    let mut locked = token("A", &seed, PinFact::Whole);
    locked.failures = 10;
    let mut disabled = token("B", &seed, PinFact::Whole);
    disabled.active = false;
    let challenges = [open("1", "A", 1)];
    let first = |tokens: &[Token<'_>]| decide(&pass("1234"), tokens, &challenges, NOW);
    assert_eq!(first(&[locked, disabled]), Decision::Unusable(Unusable::Locked));
    assert_eq!(first(&[disabled, locked]), Decision::Unusable(Unusable::Disabled));
    assert_eq!(first(&[locked, token("C", &seed, PinFact::Whole)]), Decision::Trigger(vec![1]));
    let right = decide(&answer("1", CODES[1]), &[locked], &challenges, NOW);
    assert_eq!(right, Decision::Unusable(Unusable::Locked), "a right answer does not unlock");
}

#[test]
fn the_order_is_valid_then_trigger_then_wrong_code_then_wrong_pin() {
    let seed = seed();
    let whole = token("A", &seed, PinFact::Whole);
    let prefix = token("B", &seed, PinFact::Prefix);
    let wrong = token("C", &seed, PinFact::Wrong);
    let text = "1234287082";
    let with = [open("1", "B", 1)];
    let accepted = Decision::Accept { token: 1, challenge: 0, path: Path::PinAndCode };
    assert_eq!(decide(&pass(text), &[whole, prefix, wrong], &with, NOW), accepted);
    assert_eq!(decide(&pass(text), &[whole, prefix, wrong], &[], NOW), Decision::Trigger(vec![0]));
    let wrong_code = Decision::WrongCode { tokens: vec![0], used_before: false };
    assert_eq!(decide(&pass(text), &[prefix, wrong], &[], NOW), wrong_code);
    assert_eq!(decide(&pass(text), &[wrong], &[], NOW), Decision::WrongPin(vec![0]));
}

#[test]
fn only_the_newest_open_challenges_are_answered_without_a_transaction() {
    let seed = seed();
    let tokens = [token("A", &seed, PinFact::Prefix)];
    let challenges =
        [open("4", "A", 4), open("3", "A", 3), open("2", "A", 2), open("1", "A", 1), open("0", "A", 0)];
    for (code, counter) in CODES.iter().zip(0..5) {
        let text = format!("1234{code}");
        let accepted = matches!(decide(&pass(&text), &tokens, &challenges, NOW), Decision::Accept { .. });
        assert_eq!(accepted, counter >= 2, "counter {counter}");
    }
    let own = decide(&answer("0", CODES[0]), &tokens, &challenges, NOW);
    assert!(matches!(own, Decision::Accept { .. }), "its own transaction answers any open challenge");
}

#[test]
fn eight_digit_tokens_take_eight_digits() {
    let seed = seed();
    let mut long = token("A", &seed, PinFact::Prefix);
    long.digits = 8;
    let code = hotp::hotp(&seed, 1, 8, Hash::Sha1);
    let text = format!("1234{}", code.expose_str().unwrap());
    assert!(matches!(decide(&pass(&text), &[long], &[open("1", "A", 1)], NOW), Decision::Accept { .. }));
    let refused = decide(&pass("1234287082"), &[long], &[open("1", "A", 1)], NOW);
    assert_eq!(refused, Decision::WrongCode { tokens: vec![0], used_before: false });
}
