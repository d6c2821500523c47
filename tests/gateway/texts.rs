//! How texts are written is decided when they are admitted: the parts that leave are those that were counted.

use serde_json::json;

use crate::rig::{Daemon, Place, Simulator};

#[test]
fn a_text_leaves_as_it_was_admitted_whatever_the_configuration_has_become() {
    let place = Place::new();
    let turkish = place.configure("[sms]\nnational-languages = [\"turkish\"]\ntransliterate = \"save\"\n");
    let daemon = Daemon::start(&place, &turkish);
    let (long, quoted) = ("ışğ".repeat(60), format!("“{}”", "x".repeat(120)));
    let messages =
        [json!({"to": "+491700000001", "text": long}), json!({"to": "+491700000002", "text": quoted})];
    let accepted = daemon.submit(&messages);
    assert_eq!(daemon.stop(), Some(0));

    let plain = place.configure("");
    let simulator = Simulator::start(&[place.ports().join("modem0")], &["--events", "phone", "--seed", "23"]);
    let daemon = Daemon::start(&place, &plain);
    let records = daemon.settled(&accepted);
    let segments: Vec<_> = records.iter().map(|record| record["segments"].as_u64()).collect();
    assert_eq!(segments, [Some(2), Some(1)], "180 septets, and 122 instead of 122 UTF-16 units");
    let mut shown = simulator.shown();
    shown.sort();
    let straight = format!("\"{}\"", "x".repeat(120));
    let wanted = [("+491700000001".to_owned(), long), ("+491700000002".to_owned(), straight)];
    assert_eq!(shown, wanted);
    assert_eq!(daemon.stop(), Some(0));
}
