//! Each family's modem is brought up, sends a message with a status report and receives one; no command is refused in vain.

use std::time::Duration;

use smsotpd::at::command::Pin;
use smsotpd::modem::machine::{Done, Input, Kind, Phase, Request, RequestId, Step};
use smsotpd::modem::profile::{Library, Profile};
use smsotpd::simulator::{Persona, Scenario};

use crate::rig::{Rig, SECOND, settings};

/// The slowest family (its start, a busy card) is ready by then.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// A restart as a family does it, and all of the bring-up again.
const BACK_WITHIN: Duration = Duration::from_secs(240);
/// Notes of devices that are no modems.
const NO_MODEMS: [&str; 2] = ["qualcomm-qdl", "ublox-gnss"];

/// The families with their modems.
fn families() -> impl Iterator<Item = (&'static Profile, Scenario)> {
    let notes = Library::compiled_in().all().map(AsRef::as_ref);
    notes.filter_map(|note: &Profile| {
        let persona = Persona::of(note).ok()?;
        Some((note, Scenario::of_seed(4, 0).of_family(persona)))
    })
}

fn ready(name: &str, rig: &mut Rig, within: Duration) {
    let ready = rig.run_until(within, |rig| *rig.phase() == Phase::Ready);
    assert!(ready, "{name} is {:?} after {:?}: {:#?}", rig.phase(), rig.elapsed(), rig.dialogue);
}

#[test]
fn every_note_of_a_modem_has_a_personality() {
    let without = Library::compiled_in().all().filter(|note| Persona::of(note).is_err());
    assert_eq!(without.map(|note| note.name.as_str()).collect::<Vec<_>>(), NO_MODEMS);
}

#[test]
fn every_family_is_brought_up_sends_and_receives() {
    for (note, scenario) in families() {
        let name = &note.name;
        let mut rig = Rig::new(scenario);
        ready(name, &mut rig, READY_WITHIN);
        assert_eq!(rig.machine.status().identity.profile, *name);
        assert!(rig.machine.status().identity.iccid.is_some(), "{name} tells its card");
        rig.run(5 * SECOND);
        rig.works(name);
        assert!(rig.refused.is_empty(), "{name} refused {:?}", rig.refused);
        assert_eq!((rig.ups, rig.downs.len()), (1, 0), "{name}: {:?}", rig.downs);
    }
}

#[test]
fn every_family_takes_its_pin_once_and_a_card_that_is_slow_and_refuses_plainly() {
    for (note, scenario) in families() {
        let name = &note.name;
        let busy = Some(Duration::from_secs(8));
        let scenario = Scenario { pin: Some("4711".into()), busy, busy_error: true, ..scenario };
        let pin = Pin::new("4711");
        let mut rig = Rig::with(scenario, smsotpd::modem::machine::Settings { pin, ..settings() });
        ready(name, &mut rig, READY_WITHIN);
        rig.run(5 * SECOND);
        rig.works(name);
        let entered = rig.commands.iter().filter(|line| line.starts_with("AT+CPIN=")).count();
        assert_eq!(entered, 1, "{name}");
    }
}

#[test]
fn every_family_works_through_its_own_chatter() {
    for (note, scenario) in families() {
        let mut rig = Rig::new(Scenario { noise: 20, ..scenario });
        ready(&note.name, &mut rig, READY_WITHIN);
        rig.run(5 * SECOND);
        rig.works(&note.name);
    }
}

#[test]
fn every_family_comes_back_from_its_restart() {
    for (note, scenario) in families() {
        let name = &note.name;
        let mut rig = Rig::new(Scenario { reboot: Duration::from_secs(8), ..scenario });
        ready(name, &mut rig, READY_WITHIN);
        rig.run(5 * SECOND);
        let request = Request { id: RequestId(900), kind: Kind::Reset(Step::CfunReset) };
        rig.machine.handle(rig.now, Input::Request(request));
        let up = rig.run_until(BACK_WITHIN, |rig| rig.ups == 2);
        assert!(up, "{name}: {:#?}", rig.dialogue);
        assert!(matches!(rig.done.get(&900), Some(Ok(Done::Reset))), "{name}: {:?}", rig.done);
        let restart = note.reset.value.as_ref().map_or("+CFUN=1,1", |command| command.as_str());
        let sent = rig.commands.iter().filter(|line| **line == format!("AT{restart}")).count();
        assert_eq!(sent, 1, "{name} is restarted by its own command: {:?}", rig.commands);
        rig.run(5 * SECOND);
        rig.works(name);
    }
}

#[test]
fn stores_that_must_all_be_named_are_all_named() {
    let wanted = ["huawei-brovi", "zte", "falcom", "foxconn-t77w968"];
    for (note, scenario) in families().filter(|(note, _)| wanted.contains(&note.name.as_str())) {
        let mut rig = Rig::new(Scenario { all_stores: true, ..scenario });
        ready(&note.name, &mut rig, READY_WITHIN);
        rig.run(5 * SECOND);
        rig.works(&note.name);
        assert!(rig.refused.is_empty(), "{} refused {:?}", note.name, rig.refused);
    }
}
