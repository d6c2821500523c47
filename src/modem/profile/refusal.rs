//! Which USB ports must not be opened, by the firmware notes: what looks like a modem and is none, and the ports of a modem that
//! hang, reset or lead it into a download state when they are spoken to.

use super::{Library, Profile};

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
    #[error("{what} ({vendor}:{product}) is not spoken to")]
    NotAModem {
        /// What it is, by the note.
        what: String,
        /// Vendor id.
        vendor: String,
        /// Product id.
        product: String,
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
        self.all().find_map(|note| not_a_modem(note, port).or_else(|| avoided(note, port)))
    }
}

fn not_a_modem(note: &Profile, port: &UsbPort) -> Option<Refusal> {
    let device = note
        .not_a_modem
        .iter()
        .find(|d| d.vendor.as_str() == port.vendor && d.product.as_str() == port.product)?;
    Some(Refusal::NotAModem {
        what: device.what.clone(),
        vendor: port.vendor.clone(),
        product: port.product.clone(),
    })
}

fn avoided(note: &Profile, port: &UsbPort) -> Option<Refusal> {
    let usb = note
        .usb
        .iter()
        .find(|usb| usb.vendor.as_str() == port.vendor && usb.product.as_str() == port.product)?;
    let avoided = usb.avoid.contains(&port.interface)
        || usb.avoid_class.iter().any(|class| class.as_str() == port.class);
    let numbers = usb.at.iter().map(|number| format!("{number:02x}"));
    let classes = usb.at_class.iter().map(|class| format!("of class {}", class.as_str()));
    let use_instead = numbers.chain(classes).collect::<Vec<_>>().join(" or ");
    avoided.then(|| Refusal::Interface {
        what: usb.what.clone(),
        interface: port.interface,
        note: note.name.clone(),
        use_instead,
    })
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
