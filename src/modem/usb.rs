//! What is on USB, by sysfs: the device behind a tty, and all of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::profile::UsbPort;

/// A USB device by its directory in sysfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UsbDevice {
    pub(super) directory: PathBuf,
    /// Four hex digits in lower case, as the next.
    pub(super) vendor: String,
    pub(super) product: String,
}

/// What is behind the tty `target`; `None` if it is not on USB or sysfs does not show it.
pub(super) fn port(sysfs: &Path, target: &Path) -> Option<UsbPort> {
    port_of(sysfs, target).map(|(_, port)| port)
}

/// The switch that takes the device behind the tty `target` off its bus; `None` if it has none. It is that of the device, not
/// of the interface, which has one of its own and no `idVendor`.
pub(super) fn authorised(sysfs: &Path, target: &Path) -> Option<PathBuf> {
    let interface = directory(sysfs, target)?;
    Some(above(&interface, "idVendor")?.join("authorized")).filter(|switch| switch.is_file())
}

/// Every device on the bus, in the order of the sockets.
pub(super) fn devices(sysfs: &Path) -> Vec<UsbDevice> {
    let bus = sysfs.join("bus/usb/devices");
    let mut devices: Vec<_> =
        names(&bus).filter_map(|name| device(&bus.join(name).canonicalize().ok()?)).collect();
    devices.sort_by(|a, b| a.directory.cmp(&b.directory));
    devices
}

/// Every USB tty with its device and port, by name.
pub(super) fn ttys(sysfs: &Path) -> Vec<(String, UsbDevice, UsbPort)> {
    let mut ttys: Vec<_> = names(&sysfs.join("class/tty"))
        .filter(|name| name.starts_with("ttyUSB") || name.starts_with("ttyACM"))
        .filter_map(|name| port_of(sysfs, Path::new(&name)).map(|(device, port)| (name, device, port)))
        .collect();
    ttys.sort_by(|a, b| a.0.cmp(&b.0));
    ttys
}

fn port_of(sysfs: &Path, target: &Path) -> Option<(UsbDevice, UsbPort)> {
    let at = directory(sysfs, target)?;
    let interface = above(&at, "bInterfaceNumber")?;
    let device = device(above(&at, "idVendor")?)?;
    let class = ["bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"];
    let class: Option<Vec<_>> = class.iter().map(|name| value(interface, name)).collect();
    let port = UsbPort {
        vendor: device.vendor.clone(),
        product: device.product.clone(),
        interface: u8::from_str_radix(&value(interface, "bInterfaceNumber")?, 16).ok()?,
        class: class?.join("/"),
    };
    Some((device, port))
}

/// Interfaces have no `idVendor`, so they are none.
fn device(directory: &Path) -> Option<UsbDevice> {
    let (vendor, product) = (value(directory, "idVendor")?, value(directory, "idProduct")?);
    Some(UsbDevice { directory: directory.to_owned(), vendor, product })
}

fn directory(sysfs: &Path, target: &Path) -> Option<PathBuf> {
    // A path that an administrator named may be a link of any name.
    let tty = target.canonicalize().unwrap_or_else(|_| target.to_owned());
    sysfs.join("class/tty").join(tty.file_name()?).join("device").canonicalize().ok()
}

/// The nearest directory at or above `device` that has such a file.
fn above<'a>(device: &'a Path, file: &str) -> Option<&'a Path> {
    device.ancestors().find(|above| above.join(file).is_file())
}

fn value(directory: &Path, file: &str) -> Option<String> {
    fs::read_to_string(directory.join(file)).ok().map(|text| text.trim().to_owned())
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
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
        let ttys = root.path().join("class/tty");
        fs::create_dir_all(ttys.join("ttyUSB0")).unwrap();
        symlink(interface.join("ttyUSB0"), ttys.join("ttyUSB0/device")).unwrap();
        let target = Path::new("/dev/ttyUSB0");
        let expect = UsbPort {
            vendor: "12d1".to_owned(),
            product: "1506".to_owned(),
            interface: 2,
            class: "ff/02/01".to_owned(),
        };
        assert_eq!(port(root.path(), target), Some(expect));
        let switch = device.canonicalize().unwrap().join("authorized");
        assert_eq!(authorised(root.path(), target), Some(switch));
        assert_eq!(
            (port(root.path(), Path::new("/dev/ttyS0")), authorised(root.path(), Path::new("/dev/ttyS0"))),
            (None, None)
        );
    }
}
