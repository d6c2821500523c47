//! TP-PID, which protocol a message is for (TS 23.040 9.2.3.9).

use std::fmt;

/// TP-PID as it came; the methods read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pid(pub u8);

/// What TP-PID says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 00: a message from person to person, or an application that needs no name.
    Plain,
    /// 01-1F: another SME-to-SME protocol; these five bits are its number.
    SmeToSme(u8),
    /// 20-3F: telematic interworking with this device (00-1F).
    Telematic(u8),
    /// 40: to be acknowledged and thrown away.
    TypeZero,
    /// 41-47: replaces a stored message of the same type (1-7), sender and service centre.
    Replace(u8),
    /// 48: triggers a device.
    DeviceTriggering,
    /// 5E: enhanced message service, obsolete.
    EnhancedMessageService,
    /// 5F: asks to be called back.
    ReturnCall,
    /// 7C: ANSI-136 R-DATA.
    Ansi136,
    /// 7D: for the mobile equipment.
    MobileData,
    /// 7E: takes a network lock off the mobile.
    Depersonalisation,
    /// 7F: for the (U)SIM.
    SimDownload,
    /// 80-BF and the gaps between the assigned values: read as plain.
    Reserved,
    /// C0-FF: means what the service centre says.
    ServiceCentreSpecific,
}

impl Pid {
    /// A plain message.
    pub const PLAIN: Self = Self(0);

    /// What the value stands for.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self.0 {
            0x00 => Protocol::Plain,
            0x01..=0x1f => Protocol::SmeToSme(self.0),
            0x20..=0x3f => Protocol::Telematic(self.0 & 0x1f),
            0x40 => Protocol::TypeZero,
            0x41..=0x47 => Protocol::Replace(self.0 & 0x07),
            0x48 => Protocol::DeviceTriggering,
            0x5e => Protocol::EnhancedMessageService,
            0x5f => Protocol::ReturnCall,
            0x7c => Protocol::Ansi136,
            0x7d => Protocol::MobileData,
            0x7e => Protocol::Depersonalisation,
            0x7f => Protocol::SimDownload,
            0x49..=0x5d | 0x60..=0x7b | 0x80..=0xbf => Protocol::Reserved,
            0xc0..=0xff => Protocol::ServiceCentreSpecific,
        }
    }
}

/// In words, for people.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::SmeToSme(number) => return write!(f, "SME to SME protocol {number}"),
            Self::Telematic(device) => return write!(f, "telematic interworking, {}", device_name(*device)),
            Self::TypeZero => "short message type 0",
            Self::Replace(number) => return write!(f, "replace short message type {number}"),
            Self::DeviceTriggering => "device triggering",
            Self::EnhancedMessageService => "enhanced message service",
            Self::ReturnCall => "return call",
            Self::Ansi136 => "ANSI-136 R-DATA",
            Self::MobileData => "ME data download",
            Self::Depersonalisation => "ME de-personalisation",
            Self::SimDownload => "(U)SIM data download",
            Self::Reserved => "reserved",
            Self::ServiceCentreSpecific => "service centre specific",
        })
    }
}

/// The device of the five low bits.
fn device_name(device: u8) -> &'static str {
    match device {
        0x00 => "implicit",
        0x01 => "telex",
        0x02 => "group 3 telefax",
        0x03 => "group 4 telefax",
        0x04 => "voice telephone",
        0x05 => "ERMES",
        0x06 => "national paging system",
        0x07 => "Videotex",
        0x08 => "teletex, carrier unspecified",
        0x09 => "teletex, PSPDN",
        0x0a => "teletex, CSPDN",
        0x0b => "teletex, analogue PSTN",
        0x0c => "teletex, digital ISDN",
        0x0d => "UCI",
        0x10 => "message handling facility",
        0x11 => "X.400 message handling system",
        0x12 => "Internet electronic mail",
        0x18..=0x1e => "service centre specific",
        0x1f => "GSM or UMTS mobile",
        _ => "reserved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_has_its_protocol() {
        let expected = [
            (0x00, Protocol::Plain),
            (0x1f, Protocol::SmeToSme(31)),
            (0x32, Protocol::Telematic(0x12)),
            (0x40, Protocol::TypeZero),
            (0x41, Protocol::Replace(1)),
            (0x47, Protocol::Replace(7)),
            (0x48, Protocol::DeviceTriggering),
            (0x49, Protocol::Reserved),
            (0x5e, Protocol::EnhancedMessageService),
            (0x5f, Protocol::ReturnCall),
            (0x60, Protocol::Reserved),
            (0x7c, Protocol::Ansi136),
            (0x7e, Protocol::Depersonalisation),
            (0x7f, Protocol::SimDownload),
            (0xbf, Protocol::Reserved),
            (0xc0, Protocol::ServiceCentreSpecific),
        ];
        for (value, protocol) in expected {
            assert_eq!(Pid(value).protocol(), protocol, "{value:#04x}");
        }
        assert_eq!(Pid(0x32).protocol().to_string(), "telematic interworking, Internet electronic mail");
    }
}
