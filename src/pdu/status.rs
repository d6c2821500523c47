//! TP-ST, what became of a message (TS 23.040 9.2.3.15), and what it means for the sender.

use super::words::words;

/// TP-ST as it came; the methods read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u8);

/// What TP-ST says about the message; TS 23.040 9.2.3.15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// 00-1F: it arrived (01: was forwarded without knowing, 02: was replaced). Final.
    Delivered,
    /// 20-3F: the service centre still tries; another report follows.
    Trying,
    /// 40-5F: a permanent error. Final.
    Failed,
    /// 60-7F: a temporary error, and the service centre gave up. Final.
    FailedTemporary,
    /// 80-FF: reserved; treat as failed for unknown reasons. Final.
    Reserved,
}

words! {
    /// What the value stands for within its group.
    pub enum StatusMeaning {
        /// 00: received by the addressee.
        Received = "received",
        /// 01: forwarded, and the service centre cannot confirm that it arrived.
        Forwarded = "forwarded",
        /// 02: replaced by the service centre.
        Replaced = "replaced",
        /// 20, 60
        Congestion = "congestion",
        /// 21, 61
        Busy = "busy",
        /// 22, 62
        NoResponse = "no-response",
        /// 23, 63
        ServiceRejected = "service-rejected",
        /// 24, 44, 64
        QualityNotAvailable = "quality-not-available",
        /// 25, 65
        ErrorInAddressee = "error-in-sme",
        /// 40
        RemoteProcedureError = "remote-procedure-error",
        /// 41
        IncompatibleDestination = "incompatible-destination",
        /// 42
        RejectedByAddressee = "rejected-by-sme",
        /// 43
        NotObtainable = "not-obtainable",
        /// 45
        NoInterworking = "no-interworking",
        /// 46
        ValidityExpired = "validity-expired",
        /// 47
        DeletedBySender = "deleted-by-sender",
        /// 48
        DeletedByServiceCentre = "deleted-by-sc",
        /// 49
        DoesNotExist = "does-not-exist",
        /// 10-1F, 30-3F, 50-5F, 70-7F: of the service centre's own making.
        ServiceCentreSpecific = "sc-specific",
        /// All others.
        Reserved = "reserved",
    }
}

impl Status {
    /// Its group; specific and reserved values count as their group.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self.0 {
            0x00..=0x1f => Verdict::Delivered,
            0x20..=0x3f => Verdict::Trying,
            0x40..=0x5f => Verdict::Failed,
            0x60..=0x7f => Verdict::FailedTemporary,
            0x80..=0xff => Verdict::Reserved,
        }
    }

    /// What it stands for; with the verdict it is the whole value.
    #[must_use]
    pub fn meaning(self) -> StatusMeaning {
        match self.0 {
            0x00 => StatusMeaning::Received,
            0x01 => StatusMeaning::Forwarded,
            0x02 => StatusMeaning::Replaced,
            0x20 | 0x60 => StatusMeaning::Congestion,
            0x21 | 0x61 => StatusMeaning::Busy,
            0x22 | 0x62 => StatusMeaning::NoResponse,
            0x23 | 0x63 => StatusMeaning::ServiceRejected,
            0x24 | 0x44 | 0x64 => StatusMeaning::QualityNotAvailable,
            0x25 | 0x65 => StatusMeaning::ErrorInAddressee,
            0x40 => StatusMeaning::RemoteProcedureError,
            0x41 => StatusMeaning::IncompatibleDestination,
            0x42 => StatusMeaning::RejectedByAddressee,
            0x43 => StatusMeaning::NotObtainable,
            0x45 => StatusMeaning::NoInterworking,
            0x46 => StatusMeaning::ValidityExpired,
            0x47 => StatusMeaning::DeletedBySender,
            0x48 => StatusMeaning::DeletedByServiceCentre,
            0x49 => StatusMeaning::DoesNotExist,
            0x10..=0x1f | 0x30..=0x3f | 0x50..=0x5f | 0x70..=0x7f => StatusMeaning::ServiceCentreSpecific,
            _ => StatusMeaning::Reserved,
        }
    }
}

impl Verdict {
    /// Whether no further report is to be expected.
    #[must_use]
    pub fn is_final(self) -> bool {
        self != Self::Trying
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_groups_follow_the_two_top_bits() {
        use Verdict::{Delivered, Failed, FailedTemporary, Reserved, Trying};
        let verdicts =
            [0x00, 0x1f, 0x25, 0x3f, 0x46, 0x5f, 0x60, 0x7f, 0x80, 0xff].map(|s| Status(s).verdict());
        let expected = [Delivered, Trying, Failed, FailedTemporary, Reserved].map(|verdict| [verdict; 2]);
        assert_eq!(verdicts.as_slice(), expected.as_flattened());
        assert!(!Trying.is_final() && Reserved.is_final());
    }

    #[test]
    fn every_range_has_its_meaning() {
        let words =
            [0x00, 0x46, 0x65, 0x15, 0x3f, 0x03, 0x4a, 0x66, 0x80].map(|s| Status(s).meaning().word());
        let expected = [
            "received",
            "validity-expired",
            "error-in-sme",
            "sc-specific",
            "sc-specific",
            "reserved",
            "reserved",
            "reserved",
            "reserved",
        ];
        assert_eq!(words, expected);
    }
}
