//! The udev rules, made from the firmware notes: which tty is an AT port is said in one place only.
//!
//! `udev/60-smsotpd.rules` is the checked-in result for the notes that are compiled in; a test holds the two together, and
//! `SMSOTPD_BLESS=1` writes it anew. `smsotpctl udev-rules` prints the rules for these notes and the site's own.
//!
//! 60 sorts behind 60-serial.rules, which finds `ID_PATH`, and before 80-mm-candidate.rules, where ModemManager decides what to
//! take. A port that a note says to avoid is kept from ModemManager too, but has neither link nor group of ours.

use std::fmt::Write as _;

use super::profile::{ClassTriple, Library, Profile, Usb, UsbId};

const HEAD: &str = r#"# Made from the firmware notes by `smsotpctl udev-rules`; do not edit. A modem of your own: firmware-notes/README.md.
#
# AT ports of known modems are linked as /dev/smsotpd/<id-path>-<role>, belong to the daemon's group and start it;
# ModemManager is kept away from the whole modem, the modem is kept awake, and the daemon may take it off its bus.

ACTION=="remove", GOTO="smsotpd_end"
SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", GOTO="smsotpd_device"
SUBSYSTEM!="tty", GOTO="smsotpd_end"
KERNEL!="ttyUSB*|ttyACM*", GOTO="smsotpd_end"
SUBSYSTEMS=="usb", ATTRS{bInterfaceNumber}=="?*", ENV{.SMSOTPD_IF}="$attr{bInterfaceNumber}"
ENV{.SMSOTPD_IF}!="?*", GOTO="smsotpd_end"
SUBSYSTEMS=="usb", ATTRS{bInterfaceNumber}=="?*", ENV{.SMSOTPD_CLASS}="$attr{bInterfaceClass}/$attr{bInterfaceSubClass}/$attr{bInterfaceProtocol}"

# Ports: what each is for
"#;

const MIDDLE: &str = r#"
ENV{.SMSOTPD_ROLE}!="?*", GOTO="smsotpd_end"
ENV{ID_MM_PORT_IGNORE}="1"
ENV{.SMSOTPD_ROLE}=="avoid", GOTO="smsotpd_end"
GROUP="smsotpd", MODE="0660", TAG+="smsotpd"
ENV{ID_PATH}!="?*", IMPORT{builtin}="path_id"
ENV{ID_PATH}=="?*", SYMLINK+="smsotpd/$env{ID_PATH}-$env{.SMSOTPD_ROLE}"
TAG+="systemd", ENV{SYSTEMD_WANTS}+="smsotpd.service"
GOTO="smsotpd_end"

# Devices: a modem, one that is a storage device until usb_modeswitch has been at it, or none that may be spoken to
LABEL="smsotpd_device"
"#;

const END: &str = r#"
ENV{SMSOTPD_DEVICE}=="?*", TAG+="smsotpd"
ENV{SMSOTPD_DEVICE}!="modem", GOTO="smsotpd_end"
ENV{ID_MM_DEVICE_IGNORE}="1"
TEST=="power/control", ATTR{power/control}="on"
TEST=="authorized", RUN+="/bin/chgrp smsotpd $sys$devpath/authorized", RUN+="/bin/chmod 0664 $sys$devpath/authorized"

LABEL="smsotpd_end"
"#;

/// The rules file for these notes.
#[must_use]
pub fn rules(library: &Library) -> String {
    let mut text = String::from(HEAD);
    for (profile, usb) in modems(library) {
        let _ = writeln!(text, "# {}: {}", profile.name, usb.what);
        ports(&mut text, usb);
    }
    text.push_str(MIDDLE);
    for (_, usb) in modems(library) {
        device(&mut text, &usb.vendor, &usb.product, r#"ENV{SMSOTPD_DEVICE}="modem""#);
    }
    for one in library.all().flat_map(|profile| &profile.storage) {
        device(&mut text, &one.vendor, &one.product, r#"ENV{SMSOTPD_DEVICE}="storage""#);
    }
    for one in library.all().flat_map(|profile| &profile.not_a_modem) {
        device(&mut text, &one.vendor, &one.product, r#"ENV{ID_MM_DEVICE_IGNORE}="1""#);
    }
    text.push_str(END);
    text
}

fn modems(library: &Library) -> impl Iterator<Item = (&Profile, &Usb)> {
    library.all().flat_map(|profile| profile.usb.iter().map(move |usb| (&**profile, usb)))
}

/// One line a port. The best port is `at1`; what is to be avoided comes last, so that it wins over a class triple.
fn ports(text: &mut String, usb: &Usb) {
    let numbered = usb.at.iter().zip(1..).map(|(number, at)| (by_number(*number), format!("at{at}")));
    // Class triples are forms of one role: a device has one of them.
    let classed = usb.at_class.iter().map(|class| (by_class(class), "at1".to_owned()));
    let avoided = usb.avoid.iter().map(|number| by_number(*number));
    let avoided = avoided.chain(usb.avoid_class.iter().map(by_class)).map(|test| (test, "avoid".to_owned()));
    let (vendor, product) = (usb.vendor.as_str(), usb.product.as_str());
    for (test, role) in numbered.chain(classed).chain(avoided) {
        let _ = writeln!(
            text,
            "ATTRS{{idVendor}}==\"{vendor}\", ATTRS{{idProduct}}==\"{product}\", {test}, ENV{{.SMSOTPD_ROLE}}=\"{role}\""
        );
    }
}

fn by_number(number: u8) -> String {
    format!("ENV{{.SMSOTPD_IF}}==\"{number:02x}\"")
}

fn by_class(class: &ClassTriple) -> String {
    format!("ENV{{.SMSOTPD_CLASS}}==\"{}\"", class.as_str())
}

fn device(text: &mut String, vendor: &UsbId, product: &UsbId, what: &str) {
    let (vendor, product) = (vendor.as_str(), product.as_str());
    let _ = writeln!(text, "ATTR{{idVendor}}==\"{vendor}\", ATTR{{idProduct}}==\"{product}\", {what}");
}

#[cfg(test)]
mod tests {
    use std::process::Command;

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

    /// `udevadm verify` is there from systemd 254 on; `SMSOTPD_UDEVADM` names one that is not in the path.
    #[test]
    fn udev_takes_the_file_without_a_complaint() {
        let udevadm = std::env::var_os("SMSOTPD_UDEVADM").unwrap_or_else(|| "udevadm".into());
        let knows = Command::new(&udevadm).args(["verify", "--help"]).output();
        if !knows.is_ok_and(|told| told.status.success()) {
            eprintln!("skipped: {} has no `verify` (systemd 254 has)", udevadm.display());
            return;
        }
        // The group need not exist where this is tested.
        let told = Command::new(&udevadm).args(["verify", "--resolve-names=never", FILE]).output().unwrap();
        let said = [told.stdout, told.stderr].concat();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&said));
    }

    /// The role that the lines give a port, as udev reads them: the last that fits is right.
    fn role(rules: &str, usb: &Usb, number: u8, class: &str) -> Option<String> {
        let device = format!(
            "ATTRS{{idVendor}}==\"{}\", ATTRS{{idProduct}}==\"{}\", ",
            usb.vendor.as_str(),
            usb.product.as_str()
        );
        let tests = [by_number(number), format!("ENV{{.SMSOTPD_CLASS}}==\"{class}\"")];
        let mut given = rules.lines().filter_map(|line| line.strip_prefix(&device)).filter_map(|rest| {
            let role = tests.iter().find_map(|test| rest.strip_prefix(test.as_str()))?;
            role.split('"').nth(1).map(str::to_owned)
        });
        given.next_back()
    }

    #[test]
    fn every_port_of_every_note_has_its_role() {
        let rules = rules(Library::compiled_in());
        for (profile, usb) in modems(Library::compiled_in()) {
            let name = &profile.name;
            for (number, at) in usb.at.iter().zip(1..) {
                assert_eq!(role(&rules, usb, *number, "").as_deref(), Some(&*format!("at{at}")), "{name}");
            }
            for class in &usb.at_class {
                assert_eq!(role(&rules, usb, 0xee, class.as_str()).as_deref(), Some("at1"), "{name}");
            }
            for avoid in &usb.avoid {
                assert_eq!(role(&rules, usb, *avoid, "").as_deref(), Some("avoid"), "{name}");
            }
            for class in &usb.avoid_class {
                assert_eq!(role(&rules, usb, 0xee, class.as_str()).as_deref(), Some("avoid"), "{name}");
            }
            assert_eq!(role(&rules, usb, 0xee, "00/00/00"), None, "{name}");
        }
    }

    #[test]
    fn only_a_modem_is_kept_awake_and_what_is_none_is_only_kept_from_modem_manager() {
        let note = "name='x'\ndescription='x'\n\
            [[storage]]\nvendor='aaaa'\nproduct='0001'\nwhat='x'\nsource='x'\n\
            [[not-a-modem]]\nvendor='aaaa'\nproduct='0002'\nwhat='x'\nsource='x'";
        let library = Library::clone(Library::compiled_in()).with(Profile::parse(note).unwrap());
        let rules = rules(&library);
        let lines: Vec<_> = rules.lines().filter(|line| line.contains("aaaa")).collect();
        let [storage, other] = lines[..] else { panic!("{lines:?}") };
        assert!(storage.ends_with(r#""0001", ENV{SMSOTPD_DEVICE}="storage""#), "{storage}");
        assert!(other.ends_with(r#""0002", ENV{ID_MM_DEVICE_IGNORE}="1""#), "{other}");
    }
}
