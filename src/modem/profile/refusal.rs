//! Which USB ports must not be opened, by the firmware notes: what looks like a modem and is none, and the ports of a modem that
//! hang, reset or lead it into a download state when they are spoken to.

use super::{Identity, Library, Profile, Role, Usb};

/// A tty's place on USB, as sysfs tells it: hex digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbPort {
    /// `idVendor`.
    pub vendor: String,
    /// `idProduct`.
    pub product: String,
    /// `bInterfaceNumber`.
    pub interface: u8,
    /// `bInterfaceClass/SubClass/Protocol`.
    pub class: String,
}

/// Why a port is left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The whole device is none of ours.
    #[error("{what} ({vendor}:{product}) is not spoken to; {remedy}")]
    NotAModem {
        /// What it is, by the note.
        what: String,
        /// Vendor id.
        vendor: String,
        /// Product id.
        product: String,
        /// What helps.
        remedy: String,
    },
    /// This interface of a modem.
    #[error(
        "interface {interface:02x} of {what} must not be opened (note {note}); use interface {use_instead}"
    )]
    Interface {
        /// Which modem, by the note.
        what: String,
        /// The interface that was to be opened.
        interface: u8,
        /// The note that says so.
        note: String,
        /// The AT ports: numbers or class triples.
        use_instead: String,
    },
}

impl Library {
    /// Why `port` must not be opened, if a note says so.
    #[must_use]
    pub fn refusal(&self, port: &UsbPort) -> Option<Refusal> {
        match self.identity(&port.vendor, &port.product) {
            Identity::NoModem(note, device) => Some(Refusal::NotAModem {
                what: device.what.clone(),
                vendor: port.vendor.clone(),
                product: port.product.clone(),
                remedy: note.remedy(),
            }),
            Identity::Modem(note, usb) if usb.role(port.interface, &port.class) == Role::Avoid => {
                Some(avoided(note, usb, port))
            }
            Identity::Modem(..) | Identity::Storage(_) | Identity::Unknown => None,
        }
    }
}

impl Profile {
    /// What helps with a device that is no modem: the remedy of the note's first fault, if it has any.
    #[must_use]
    pub fn remedy(&self) -> String {
        let nothing = "leave it to the program that it is for";
        self.fault.first().map_or(nothing, |fault| &fault.remedy).to_owned()
    }
}

fn avoided(note: &Profile, usb: &Usb, port: &UsbPort) -> Refusal {
    let numbers = usb.at.iter().map(|number| format!("{number:02x}"));
    let classes = usb.at_class.iter().map(|class| format!("of class {}", class.as_str()));
    Refusal::Interface {
        what: usb.what.clone(),
        interface: port.interface,
        note: note.name.clone(),
        use_instead: numbers.chain(classes).collect::<Vec<_>>().join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(vendor: &str, product: &str, interface: u8) -> UsbPort {
        let text = str::to_owned;
        UsbPort { vendor: text(vendor), product: text(product), interface, class: text("ff/ff/ff") }
    }

    #[test]
    fn a_crashed_modem_and_a_receiver_are_left_alone() {
        let notes = Library::compiled_in();
        let qdl = notes.refusal(&port("05c6", "9008", 0)).unwrap().to_string();
        assert!(qdl.contains("QDL state: power-cycle it"), "{qdl}");
        assert!(notes.refusal(&port("1546", "01a8", 0)).unwrap().to_string().contains("GNSS"));
        assert_eq!(notes.refusal(&port("ffff", "0001", 0)), None, "nobody knows it");
    }

    #[test]
    fn no_note_refuses_its_own_at_ports() {
        for note in Library::compiled_in().all() {
            for usb in &note.usb {
                for &interface in &usb.at {
                    let port = port(usb.vendor.as_str(), usb.product.as_str(), interface);
                    assert_eq!(Library::compiled_in().refusal(&port), None, "{}", note.name);
                }
                for &interface in &usb.avoid {
                    let refusal = Library::compiled_in().refusal(&port(
                        usb.vendor.as_str(),
                        usb.product.as_str(),
                        interface,
                    ));
                    assert!(matches!(refusal, Some(Refusal::Interface { .. })), "{}", note.name);
                }
            }
        }
    }
}
