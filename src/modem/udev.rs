//! The udev rules, made from the firmware notes: which tty is an AT port is said in one place only.
//!
//! `udev/60-smsotpd.rules` is the checked-in result; a test holds it to the notes, and `SMSOTPD_BLESS=1` writes it anew. Its number is
//! below that of ModemManager's candidates (80), which must see our marks. What must not be spoken to is linked as `other`, so
//! that the daemon can say why it leaves it alone.

use std::fmt::Write as _;

use super::profile::{Device, Library, Profile, Usb};

const HEAD: &str = r#"# Made from firmware-notes/*.toml; do not edit. Anew: SMSOTPD_BLESS=1 cargo test udev
#
# Links each AT port of a known modem as /dev/smsotpd/<id-path>-<role>, gives it to the daemon's group, keeps
# ModemManager away and the device awake, and lets the group take the device off its bus and on again, which is the last
# thing that helps a modem that hangs. Other modems: a note in /etc/smsotpd/firmware-notes.d and `smsotpctl udev-rules`.

ACTION=="remove", GOTO="smsotpd_end"
SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", GOTO="smsotpd_device"
SUBSYSTEM!="tty", GOTO="smsotpd_end"
KERNEL!="ttyUSB*|ttyACM*", GOTO="smsotpd_end"
SUBSYSTEMS=="usb", ATTRS{bInterfaceNumber}=="?*", ENV{.SMSOTPD_IF}="$attr{bInterfaceNumber}"
SUBSYSTEMS=="usb", ATTRS{bInterfaceNumber}=="?*", ENV{.SMSOTPD_CLASS}="$attr{bInterfaceClass}/$attr{bInterfaceSubClass}/$attr{bInterfaceProtocol}"

# AT ports
"#;

const MIDDLE: &str = r#"
ENV{.SMSOTPD_ROLE}!="?*", GOTO="smsotpd_end"
ENV{ID_PATH}!="?*", IMPORT{builtin}="path_id"
ENV{ID_PATH}=="?*", SYMLINK+="smsotpd/$env{ID_PATH}-$env{.SMSOTPD_ROLE}"
ENV{.SMSOTPD_ROLE}=="other", GOTO="smsotpd_end"
GROUP="smsotp", MODE="0660", ENV{ID_MM_PORT_IGNORE}="1"
TAG+="systemd", ENV{SYSTEMD_WANTS}+="smsotpd.service"
GOTO="smsotpd_end"

# Whole devices
LABEL="smsotpd_device"
"#;

const END: &str = r#"GOTO="smsotpd_end"

LABEL="smsotpd_modem"
ENV{ID_MM_DEVICE_IGNORE}="1"
TEST=="power/control", ATTR{power/control}="on"
TEST=="authorized", RUN{program}+="/bin/chgrp smsotp %S%p/authorized", RUN{program}+="/bin/chmod g+w %S%p/authorized"

LABEL="smsotpd_end"
"#;

/// The rules file for these notes.
#[must_use]
pub fn rules(library: &Library) -> String {
    let mut text = String::from(HEAD);
    for (profile, usb) in known(library) {
        let _ = writeln!(text, "# {}: {}", profile.name, usb.what);
        ports(&mut text, usb);
    }
    text.push_str("\n# No modems, or none that may be spoken to\n");
    for (profile, device) in others(library) {
        let (vendor, product) = (device.vendor.as_str(), device.product.as_str());
        let _ = writeln!(text, "# {}: {}", profile.name, device.what);
        let _ = writeln!(
            text,
            "ATTRS{{idVendor}}==\"{vendor}\", ATTRS{{idProduct}}==\"{product}\", ENV{{.SMSOTPD_ROLE}}=\"other\""
        );
    }
    text.push_str(MIDDLE);
    for (_, usb) in known(library) {
        let (vendor, product) = (usb.vendor.as_str(), usb.product.as_str());
        let _ = writeln!(
            text,
            "ATTR{{idVendor}}==\"{vendor}\", ATTR{{idProduct}}==\"{product}\", GOTO=\"smsotpd_modem\""
        );
    }
    text.push_str(END);
    text
}

fn known(library: &Library) -> impl Iterator<Item = (&Profile, &Usb)> {
    library.all().flat_map(|profile| profile.usb.iter().map(move |usb| (&**profile, usb)))
}

fn others(library: &Library) -> impl Iterator<Item = (&Profile, &Device)> {
    library.all().flat_map(|profile| profile.not_a_modem.iter().map(move |device| (&**profile, device)))
}

/// One line a port; the best port is `at1`.
fn ports(text: &mut String, usb: &Usb) {
    let numbers = usb.at.iter().map(|number| ("IF", format!("{number:02x}")));
    let classes = usb.at_class.iter().map(|class| ("CLASS", class.as_str().to_owned()));
    let by_number = usb.at.len();
    for (at, (key, value)) in numbers.chain(classes).enumerate() {
        // Class triples are forms of one role: a device has one of them.
        let role = if at < by_number { at + 1 } else { 1 };
        let _ = writeln!(
            text,
            "ATTRS{{idVendor}}==\"{}\", ATTRS{{idProduct}}==\"{}\", ENV{{.SMSOTPD_{key}}}==\"{value}\", ENV{{.SMSOTPD_ROLE}}=\"at{role}\"",
            usb.vendor.as_str(),
            usb.product.as_str()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/udev/60-smsotpd.rules");

    #[test]
    fn the_file_is_what_the_notes_say() {
        let rules = rules(Library::compiled_in());
        if std::env::var_os("SMSOTPD_BLESS").is_some() {
            std::fs::write(FILE, &rules).unwrap();
        }
        let file = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(file == rules, "{FILE} is not what the notes say; SMSOTPD_BLESS=1 writes it anew");
    }

    #[test]
    fn what_is_no_modem_is_linked_as_other() {
        let rules = rules(Library::compiled_in());
        let line = "ATTRS{idVendor}==\"05c6\", ATTRS{idProduct}==\"9008\", ENV{.SMSOTPD_ROLE}=\"other\"";
        assert!(rules.lines().any(|rule| rule == line));
        let (ports, _) = rules.split_once("smsotpd_device\"\n\nATTR").unwrap_or((&rules, ""));
        assert!(!ports.contains("ATTRS{idVendor}==\"05c6\", ATTRS{idProduct}==\"9008\", ENV{.SMSOTPD_IF}"));
    }

    #[test]
    fn every_port_of_every_note_has_its_line_and_none_to_avoid_has() {
        let rules = rules(Library::compiled_in());
        for (profile, usb) in known(Library::compiled_in()) {
            let device =
                format!("\"{}\", ATTRS{{idProduct}}==\"{}\"", usb.vendor.as_str(), usb.product.as_str());
            let lines: Vec<_> = rules.lines().filter(|line| line.contains(&device)).collect();
            assert!(
                !lines.is_empty(),
                "{} {}:{} has no AT port",
                profile.name,
                usb.vendor.as_str(),
                usb.product.as_str()
            );
            for avoid in &usb.avoid {
                let number = format!("_IF}}==\"{avoid:02x}\"");
                assert!(!lines.iter().any(|line| line.contains(&number)), "{}", profile.name);
            }
        }
    }
}
