//! What a tty is on USB, by sysfs.

use std::path::{Path, PathBuf};

use super::profile::UsbPort;

/// Where sysfs has the ttys.
const TTYS: &str = "/sys/class/tty";

/// What is behind the tty `target`; `None` if it is not on USB or sysfs does not show it.
pub(super) fn port(target: &Path) -> Option<UsbPort> {
    port_in(Path::new(TTYS), target)
}

/// The switch that takes the device behind the tty `target` off its bus; `None` if it has none.
pub(super) fn authorised(target: &Path) -> Option<PathBuf> {
    authorised_in(Path::new(TTYS), target)
}

fn port_in(ttys: &Path, target: &Path) -> Option<UsbPort> {
    let device = directory(ttys, target)?;
    let interface = above(&device, "bInterfaceNumber")?;
    let usb = above(&device, "idVendor")?;
    let hex = |folder: &Path, name: &str| {
        std::fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().to_owned())
    };
    let class =
        ["bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"].map(|name| hex(interface, name));
    let class: Vec<String> = class.into_iter().flatten().collect();
    Some(UsbPort {
        vendor: hex(usb, "idVendor")?,
        product: hex(usb, "idProduct")?,
        interface: u8::from_str_radix(&hex(interface, "bInterfaceNumber")?, 16).ok()?,
        class: class.join("/"),
    })
}

/// The switch of the USB device, not of the interface, which has one of its own and no `idVendor`.
fn authorised_in(ttys: &Path, target: &Path) -> Option<PathBuf> {
    let device = directory(ttys, target)?;
    Some(above(&device, "idVendor")?.join("authorized")).filter(|switch| switch.is_file())
}

fn directory(ttys: &Path, target: &Path) -> Option<PathBuf> {
    // A path that an administrator named may be a link of any name.
    let tty = target.canonicalize().unwrap_or_else(|_| target.to_owned());
    ttys.join(tty.file_name()?).join("device").canonicalize().ok()
}

/// The nearest directory at or above `device` that has such a file.
fn above<'a>(device: &'a Path, file: &str) -> Option<&'a Path> {
    device.ancestors().find(|above| above.join(file).is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn device_and_interface_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let device = root.path().join("devices/1-2");
        let interface = device.join("1-2:1.2");
        fs::create_dir_all(interface.join("ttyUSB0")).unwrap();
        for (file, text) in [
            ("idVendor", "12d1\n"),
            ("idProduct", "1506\n"),
            ("authorized", "1\n"),
            ("1-2:1.2/authorized", "1\n"),
            ("1-2:1.2/bInterfaceNumber", "02\n"),
            ("1-2:1.2/bInterfaceClass", "ff\n"),
            ("1-2:1.2/bInterfaceSubClass", "02\n"),
            ("1-2:1.2/bInterfaceProtocol", "01\n"),
        ] {
            fs::write(device.join(file), text).unwrap();
        }
        let ttys = root.path().join("tty");
        fs::create_dir_all(ttys.join("ttyUSB0")).unwrap();
        symlink(interface.join("ttyUSB0"), ttys.join("ttyUSB0/device")).unwrap();
        let target = Path::new("/dev/ttyUSB0");
        let expect = UsbPort {
            vendor: "12d1".to_owned(),
            product: "1506".to_owned(),
            interface: 2,
            class: "ff/02/01".to_owned(),
        };
        assert_eq!(port_in(&ttys, target), Some(expect));
        let switch = device.canonicalize().unwrap().join("authorized");
        assert_eq!(authorised_in(&ttys, target), Some(switch));
        assert_eq!(
            (port_in(&ttys, Path::new("/dev/ttyS0")), authorised_in(&ttys, Path::new("/dev/ttyS0"))),
            (None, None)
        );
    }
}
