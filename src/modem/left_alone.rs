//! Which USB devices look like modems and are none in service, and why: no modem at all, not one yet, not linked, not known.
//!
//! An administrator who plugged something in wants to know why no modem came; so it is told with cause and remedy in the list of
//! modems. sysfs says what is there, the firmware notes what it is, the supervisor which ttys it has.

use std::collections::BTreeSet;
use std::path::Path;

use super::fleet::LeftAlone;
use super::profile::{Identity, Library, Profile, Role, Usb, UsbPort};
use super::usb::{self, UsbDevice};

/// The devices, in the order of the sockets. `served` has the names of the ttys that the supervisor knows of.
pub(super) fn left_alone(sysfs: &Path, notes: &Library, served: &BTreeSet<String>) -> Vec<LeftAlone> {
    let ttys = usb::ttys(sysfs);
    let devices = usb::devices(sysfs);
    let told = devices.iter().filter_map(|device| {
        let ports = ttys.iter().filter(|(_, of, _)| of == device).map(|(name, _, port)| Port { name, port });
        let (what, cause) = judge(device, &ports.collect::<Vec<_>>(), notes, served)?;
        let socket = device.directory.file_name().unwrap_or_default().to_string_lossy();
        let id = format!("{}:{}", device.vendor, device.product);
        Some(LeftAlone { device: format!("usb {socket}"), id, what, cause })
    });
    told.collect()
}

/// A port of the device in question.
struct Port<'a> {
    name: &'a str,
    port: &'a UsbPort,
}

/// What a device is and why it is left alone.
fn judge(
    device: &UsbDevice,
    ports: &[Port<'_>],
    notes: &Library,
    served: &BTreeSet<String>,
) -> Option<(String, String)> {
    let unserved = !ports.iter().any(|port| served.contains(port.name));
    match notes.identity(&device.vendor, &device.product) {
        Identity::NoModem(note, what) => Some((what.what.clone(), note.remedy())),
        Identity::Storage(what) => {
            let cause =
                "it is a storage device until its mode is switched; if it stays one, install usb_modeswitch";
            Some((what.what.clone(), cause.to_owned()))
        }
        Identity::Modem(note, usb) => unserved.then(|| (usb.what.clone(), unlinked(note, usb, ports))),
        Identity::Unknown => {
            let relative = !ports.is_empty() && notes.has_vendor(&device.vendor);
            (relative && unserved).then(|| {
                let cause =
                    "no firmware note knows it; if it is a modem, firmware-notes/README.md tells how to add it";
                (format!("unknown, with {}", names(ports.iter())), cause.to_owned())
            })
        }
    }
}

/// Why a known modem has no port in service.
fn unlinked(note: &Profile, usb: &Usb, ports: &[Port<'_>]) -> String {
    if ports.is_empty() {
        return "it has no serial port: its driver is not loaded (modprobe option), or it is set up as a network card"
            .to_owned();
    }
    let at = |port: &&Port<'_>| usb.role(port.port.interface, &port.port.class) == Role::At;
    let at = names(ports.iter().filter(at));
    if at.is_empty() {
        return format!(
            "none of {} is an AT port by the note {}; correct the note",
            names(ports.iter()),
            note.name
        );
    }
    format!("{at} is not linked below /dev/smsotpd; install udev/60-smsotpd.rules, then run udevadm trigger")
}

fn names<'a>(ports: impl Iterator<Item = &'a Port<'a>>) -> String {
    ports.map(|port| port.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// A sysfs of our own, in a directory that somebody else keeps.
    pub(in crate::modem) struct Sysfs(PathBuf);

    impl Sysfs {
        pub(in crate::modem) fn at(directory: PathBuf) -> Self {
            Self(directory)
        }

        fn path(&self) -> &Path {
            &self.0
        }

        /// Plugs a device in; each port is a tty with its interface number.
        pub(in crate::modem) fn plug(&self, socket: &str, id: &str, ports: &[(&str, u8)]) {
            let device = self.path().join("devices").join(socket);
            fs::create_dir_all(&device).unwrap();
            let (vendor, product) = id.split_once(':').unwrap();
            fs::write(device.join("idVendor"), format!("{vendor}\n")).unwrap();
            fs::write(device.join("idProduct"), format!("{product}\n")).unwrap();
            let bus = self.path().join("bus/usb/devices");
            fs::create_dir_all(&bus).unwrap();
            symlink(&device, bus.join(socket)).unwrap();
            for (tty, number) in ports {
                let interface = device.join(format!("{socket}:1.{number}"));
                let node = interface.join(tty);
                fs::create_dir_all(&node).unwrap();
                fs::write(interface.join("bInterfaceNumber"), format!("{number:02x}\n")).unwrap();
                for class in ["bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"] {
                    fs::write(interface.join(class), "ff\n").unwrap();
                }
                let class = self.path().join("class/tty").join(tty);
                fs::create_dir_all(&class).unwrap();
                symlink(&node, class.join("device")).unwrap();
            }
        }
    }

    /// Identity, ports, and what is told.
    type Case = (&'static str, &'static [(&'static str, u8)], &'static str);

    fn told(sysfs: &Sysfs, served: &[&str]) -> Vec<String> {
        let served = served.iter().map(|name| (*name).to_owned()).collect();
        let all = left_alone(sysfs.path(), Library::compiled_in(), &served);
        all.into_iter().map(|one| format!("{} {} {}: {}", one.device, one.id, one.what, one.cause)).collect()
    }

    #[test]
    fn each_device_that_is_no_modem_in_service_is_told_with_its_remedy() {
        let cases: [Case; 7] = [
            ("1546:01a8", &[("ttyACM0", 0)], "u-blox GNSS receiver: leave it to the program"),
            ("05c6:9008", &[("ttyUSB0", 0)], "power-cycle it: take its power away for ten seconds"),
            ("12d1:1446", &[], "before the mode switch: it is a storage device"),
            ("2c7c:0125", &[], "EG25: it has no serial port"),
            ("2c7c:0125", &[("ttyUSB0", 0)], "none of ttyUSB0 is an AT port by the note quectel-lte"),
            ("2c7c:0125", &[("ttyUSB0", 0), ("ttyUSB2", 2)], "ttyUSB2 is not linked"),
            ("2c7c:ffff", &[("ttyUSB0", 0)], "unknown, with ttyUSB0: no firmware note knows it"),
        ];
        for (id, ports, wanted) in cases {
            let root = tempfile::tempdir().unwrap();
            let sysfs = Sysfs::at(root.path().to_owned());
            sysfs.plug("1-1", id, ports);
            let told = told(&sysfs, &[]);
            assert!(
                told.len() == 1 && told[0].starts_with("usb 1-1 ") && told[0].contains(wanted),
                "{told:?}"
            );
        }
    }

    #[test]
    fn a_modem_in_service_a_stranger_and_a_mere_device_are_not_told() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path().to_owned());
        sysfs.plug("1-1", "2c7c:0125", &[("ttyUSB0", 0), ("ttyUSB2", 2), ("ttyUSB3", 3)]);
        sysfs.plug("1-2", "1a86:7523", &[("ttyUSB9", 0)]);
        sysfs.plug("1-3", "2c7c:ffff", &[]);
        sysfs.plug("1-4", "12d1:ffff", &[("ttyUSB5", 0)]);
        assert_eq!(told(&sysfs, &["ttyUSB3", "ttyUSB5"]), [""; 0]);
        assert_eq!(left_alone(Path::new("/nonexistent"), Library::compiled_in(), &BTreeSet::new()), []);
    }
}
