//! TP-FCS, why a message was refused (TS 23.040 9.2.3.22).

use super::words::words;

/// TP-FCS as it came; the methods read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureCause(pub u8);

words! {
    /// What TP-FCS says; TS 23.040 9.2.3.22.
    pub enum Cause {
        /// 80
        TelematicInterworkingNotSupported = "telematic-interworking-not-supported",
        /// 81
        TypeZeroNotSupported = "type-0-not-supported",
        /// 82
        CannotReplace = "cannot-replace",
        /// 8F
        UnspecifiedPidError = "unspecified-pid-error",
        /// 90
        AlphabetNotSupported = "alphabet-not-supported",
        /// 91
        ClassNotSupported = "class-not-supported",
        /// 9F
        UnspecifiedDcsError = "unspecified-dcs-error",
        /// A0
        CommandCannotBeActioned = "command-cannot-be-actioned",
        /// A1
        CommandUnsupported = "command-unsupported",
        /// AF
        UnspecifiedCommandError = "unspecified-command-error",
        /// B0
        TpduNotSupported = "tpdu-not-supported",
        /// C0
        ServiceCentreBusy = "sc-busy",
        /// C1
        NoSubscription = "no-sc-subscription",
        /// C2
        ServiceCentreFailure = "sc-system-failure",
        /// C3
        InvalidAddress = "invalid-sme-address",
        /// C4
        DestinationBarred = "destination-sme-barred",
        /// C5
        DuplicateRejected = "duplicate-rejected",
        /// C6
        ValidityFormatNotSupported = "vpf-not-supported",
        /// C7
        ValidityNotSupported = "vp-not-supported",
        /// D0
        SimStorageFull = "sim-storage-full",
        /// D1
        NoStorageInSim = "no-storage-in-sim",
        /// D2
        ErrorInMobile = "error-in-ms",
        /// D3
        MemoryExceeded = "memory-capacity-exceeded",
        /// D4
        ToolkitBusy = "sim-toolkit-busy",
        /// D5
        DownloadError = "sim-data-download-error",
        /// E0 to FE
        ApplicationSpecific = "application-specific",
        /// FF
        Unspecified = "unspecified",
        /// 00 to 7F and the gaps between the assigned values.
        Reserved = "reserved",
    }
}

words! {
    /// Whether the same message may get through later.
    pub enum CauseVerdict {
        /// What stands in the way passes: memory, load, a failure at the other end.
        Temporary = "temporary",
        /// The same message is refused again.
        Permanent = "permanent",
        /// The cause does not tell.
        Unspecific = "unspecific",
    }
}

impl FailureCause {
    /// What the value stands for.
    #[must_use]
    pub fn cause(self) -> Cause {
        match self.0 {
            0x80 => Cause::TelematicInterworkingNotSupported,
            0x81 => Cause::TypeZeroNotSupported,
            0x82 => Cause::CannotReplace,
            0x8f => Cause::UnspecifiedPidError,
            0x90 => Cause::AlphabetNotSupported,
            0x91 => Cause::ClassNotSupported,
            0x9f => Cause::UnspecifiedDcsError,
            0xa0 => Cause::CommandCannotBeActioned,
            0xa1 => Cause::CommandUnsupported,
            0xaf => Cause::UnspecifiedCommandError,
            0xb0 => Cause::TpduNotSupported,
            0xc0 => Cause::ServiceCentreBusy,
            0xc1 => Cause::NoSubscription,
            0xc2 => Cause::ServiceCentreFailure,
            0xc3 => Cause::InvalidAddress,
            0xc4 => Cause::DestinationBarred,
            0xc5 => Cause::DuplicateRejected,
            0xc6 => Cause::ValidityFormatNotSupported,
            0xc7 => Cause::ValidityNotSupported,
            0xd0 => Cause::SimStorageFull,
            0xd1 => Cause::NoStorageInSim,
            0xd2 => Cause::ErrorInMobile,
            0xd3 => Cause::MemoryExceeded,
            0xd4 => Cause::ToolkitBusy,
            0xd5 => Cause::DownloadError,
            0xe0..=0xfe => Cause::ApplicationSpecific,
            0xff => Cause::Unspecified,
            _ => Cause::Reserved,
        }
    }

    /// Whether another try can help.
    #[must_use]
    pub fn verdict(self) -> CauseVerdict {
        match self.cause() {
            Cause::ServiceCentreBusy
            | Cause::ServiceCentreFailure
            | Cause::SimStorageFull
            | Cause::MemoryExceeded
            | Cause::ToolkitBusy => CauseVerdict::Temporary,
            Cause::UnspecifiedPidError
            | Cause::UnspecifiedDcsError
            | Cause::UnspecifiedCommandError
            | Cause::ErrorInMobile
            | Cause::DownloadError
            | Cause::ApplicationSpecific
            | Cause::Unspecified
            | Cause::Reserved => CauseVerdict::Unspecific,
            _ => CauseVerdict::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_values_and_their_gaps_are_told_apart() {
        let word = |value| FailureCause(value).cause().word();
        assert_eq!(
            [0x81, 0xc0, 0xd3, 0xe0, 0xfe, 0xff].map(word),
            [
                "type-0-not-supported",
                "sc-busy",
                "memory-capacity-exceeded",
                "application-specific",
                "application-specific",
                "unspecified"
            ]
        );
        for reserved in [0x00, 0x7f, 0x83, 0x8e, 0x92, 0xa2, 0xb1, 0xbf, 0xc8, 0xcf, 0xd6, 0xdf] {
            assert_eq!(FailureCause(reserved).cause(), Cause::Reserved, "{reserved:#04x}");
        }
    }

    #[test]
    fn full_memory_passes_and_a_barred_destination_does_not() {
        use CauseVerdict::{Permanent, Temporary, Unspecific};
        let verdict = |value| FailureCause(value).verdict();
        assert_eq!(
            [0xd3, 0xc2, 0xc4, 0x91, 0xff, 0x12].map(verdict),
            [Temporary, Temporary, Permanent, Permanent, Unspecific, Unspecific]
        );
    }
}
