//! What sysfs says of the USB devices behind ports, judged by the firmware notes: which port must not be opened, and which device
//! looks like a modem and is none in service.
//!
//! The udev rules already link AT ports only. But a port may be configured or linked by hand, and an administrator who plugged
//! something in wants to know why no modem came: so both are told with cause and remedy, here and not in the log alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::fleet::LeftAlone;
use super::profile::{ClassTriple, Identity, Library, Profile, Role, Usb};

/// A tty of a USB device.
#[derive(Debug)]
struct Tty {
    name: String,
    device: Device,
    interface: u8,
    class: String,
}

/// A USB device by its directory in sysfs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Device {
    directory: PathBuf,
    vendor: String,
    product: String,
}

/// Why the port `target` must not be opened; `None` if nothing is against it.
pub(super) fn refusal(sysfs: &Path, target: &Path, notes: &Library) -> Option<String> {
    let target = target.canonicalize().ok()?;
    let tty = tty(sysfs, target.file_name()?.to_str()?)?;
    let shown = target.display();
    match notes.identity(&tty.device.vendor, &tty.device.product) {
        Identity::NoModem(note, what) => {
            Some(format!("{shown} is no modem's port: {}; {}", what.what, remedy(note)))
        }
        Identity::Modem(_, usb) if usb.role(tty.interface, &tty.class) == Role::Avoid => Some(format!(
            "{shown} is interface {:02x} of {}, which is for diagnosis, GNSS or the like and must not be opened; {}",
            tty.interface,
            usb.what,
            at_port(usb)
        )),
        Identity::Modem(..) | Identity::Storage(_) | Identity::Unknown => None,
    }
}

fn at_port(usb: &Usb) -> String {
    match usb.at.first() {
        Some(number) => format!("its AT port is interface {number:02x}"),
        None => {
            let classes: Vec<_> = usb.at_class.iter().map(ClassTriple::as_str).collect();
            format!("its AT port has the class {}", classes.join(" or "))
        }
    }
}

/// What the note says helps, or that there is nothing to help.
fn remedy(note: &Profile) -> String {
    match note.fault.first() {
        Some(fault) => fault.remedy.clone(),
        None => "smsotpd never opens it; leave it to the program that it is for".to_owned(),
    }
}

/// The devices that are no modem in service although one could take them for it. `served` has the names of the ttys that
/// the supervisor knows of. The order is that of the sockets.
pub(super) fn left_alone(sysfs: &Path, notes: &Library, served: &BTreeSet<String>) -> Vec<LeftAlone> {
    let ttys = ttys(sysfs);
    let mut devices: Vec<Device> = entries(&sysfs.join("bus/usb/devices"))
        .filter_map(|name| device(&sysfs.join("bus/usb/devices").join(name).canonicalize().ok()?))
        .collect();
    devices.sort_by(|a, b| a.directory.cmp(&b.directory));
    let told = devices.iter().filter_map(|device| {
        let own: Vec<&Tty> = ttys.iter().filter(|tty| tty.device == *device).collect();
        let (what, cause) = judge(device, &own, notes, served)?;
        let socket = device.directory.file_name().unwrap_or_default().to_string_lossy();
        let id = format!("{}:{}", device.vendor, device.product);
        Some(LeftAlone { device: format!("usb {socket}"), id, what, cause })
    });
    told.collect()
}

/// What a device is and why it is left alone.
fn judge(
    device: &Device,
    ttys: &[&Tty],
    notes: &Library,
    served: &BTreeSet<String>,
) -> Option<(String, String)> {
    match notes.identity(&device.vendor, &device.product) {
        Identity::NoModem(note, what) => Some((what.what.clone(), remedy(note))),
        Identity::Storage(what) => {
            let cause =
                "it is a storage device until its mode is switched; if it stays one, install usb_modeswitch";
            Some((what.what.clone(), cause.to_owned()))
        }
        Identity::Modem(note, usb) => {
            let unserved = !ttys.iter().any(|tty| served.contains(&tty.name));
            unserved.then(|| (usb.what.clone(), unlinked(note, usb, ttys)))
        }
        Identity::Unknown => {
            let relative = !ttys.is_empty() && notes.has_vendor(&device.vendor);
            let unserved = !ttys.iter().any(|tty| served.contains(&tty.name));
            (relative && unserved).then(|| {
                let cause = "no firmware note knows it; if it is a modem, firmware-notes/README.md tells how to add it";
                (format!("unknown, with {}", names(ttys)), cause.to_owned())
            })
        }
    }
}

/// Why a known modem has no port in service.
fn unlinked(note: &Profile, usb: &Usb, ttys: &[&Tty]) -> String {
    if ttys.is_empty() {
        return "it has no serial port: its driver is not loaded (modprobe option), or it is set up as a network card"
            .to_owned();
    }
    let at: Vec<&Tty> =
        ttys.iter().filter(|tty| usb.role(tty.interface, &tty.class) == Role::At).copied().collect();
    if at.is_empty() {
        return format!("none of {} is an AT port by the note {}; correct the note", names(ttys), note.name);
    }
    format!(
        "{} is not linked below /dev/smsotpd; install udev/60-smsotpd.rules, then run udevadm trigger",
        names(&at)
    )
}

fn names(ttys: &[&Tty]) -> String {
    ttys.iter().map(|tty| tty.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// All USB ttys, by name.
fn ttys(sysfs: &Path) -> Vec<Tty> {
    let mut ttys: Vec<_> = entries(&sysfs.join("class/tty"))
        .filter(|name| name.starts_with("ttyUSB") || name.starts_with("ttyACM"))
        .filter_map(|name| tty(sysfs, &name))
        .collect();
    ttys.sort_by(|a, b| a.name.cmp(&b.name));
    ttys
}

fn tty(sysfs: &Path, name: &str) -> Option<Tty> {
    let above = sysfs.join("class/tty").join(name).join("device").canonicalize().ok()?;
    let interface = above.ancestors().find(|above| above.join("bInterfaceNumber").is_file())?;
    let class = ["bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"];
    let class: Option<Vec<_>> = class.iter().map(|file| value(&interface.join(file))).collect();
    Some(Tty {
        name: name.to_owned(),
        device: device(interface.parent()?)?,
        interface: u8::from_str_radix(&value(&interface.join("bInterfaceNumber"))?, 16).ok()?,
        class: class?.join("/"),
    })
}

/// Interfaces have no `idVendor`, so they are none.
fn device(directory: &Path) -> Option<Device> {
    let (vendor, product) = (value(&directory.join("idVendor"))?, value(&directory.join("idProduct"))?);
    Some(Device { directory: directory.to_owned(), vendor, product })
}

fn value(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

fn entries(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;

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
            ("1546:01a8", &[("ttyACM0", 0)], "u-blox GNSS receiver: smsotpd never opens it"),
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

    #[test]
    fn a_port_to_avoid_is_refused_and_an_unknown_one_is_not() {
        let (root, dev) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sysfs = Sysfs::at(root.path().to_owned());
        sysfs.plug("1-1", "2c7c:0125", &[("ttyUSB0", 0), ("ttyUSB2", 2), ("ttyUSB4", 9)]);
        sysfs.plug("1-2", "1546:01a8", &[("ttyACM0", 0)]);
        let refusal = |tty: &str| {
            let node = dev.path().join(tty);
            fs::write(&node, "").unwrap();
            refusal(sysfs.path(), &node, Library::compiled_in())
        };
        let diag = refusal("ttyUSB0").unwrap();
        assert!(diag.contains("interface 00 of EC20") && diag.contains("interface 02"), "{diag}");
        assert!(refusal("ttyACM0").unwrap().contains("u-blox GNSS receiver"));
        assert_eq!(["ttyUSB2", "ttyUSB4", "ttyS0"].map(refusal), [None, None, None]);
    }
}
