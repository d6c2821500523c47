//! The tables behind [`super::codes`]: number, name in the words of the specification, disposition, remedy.

use super::codes::Disposition::{
    self, Duplicate, Harmless, Local, LocalReset, NetworkRefused, Permanent, SimBusy, Transient, Unknown,
    Unsupported,
};

/// One cause.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) code: u16,
    pub(super) name: &'static str,
    pub(super) disposition: Disposition,
    /// What a person can do; empty if there is nothing to do.
    pub(super) remedy: &'static str,
}

const fn e(code: u16, name: &'static str, disposition: Disposition, remedy: &'static str) -> Entry {
    Entry { code, name, disposition, remedy }
}

/// TS 27.005 3.2.5; 1..=127 are RP causes (TS 24.011 E.2), 128..=255 TP failure causes (TS 23.040 9.2.3.22), 256..=299 old
/// vendor codes. From 512 a number belongs to the vendor (TS 27.005 3.2.5): those here are SIMCom's unless another is named. Where
/// vendors clash all meanings stand, and the disposition is the one that is safe for each.
#[rustfmt::skip]
pub(super) const CMS: &[Entry] = &[
    e(1, "unassigned number", NetworkRefused, "check the number"),
    e(8, "operator determined barring", NetworkRefused, "the operator barred this SIM; stop sending and ask the operator"),
    e(10, "call barred", NetworkRefused, "the operator barred this SIM; stop sending and ask the operator"),
    e(21, "short message transfer rejected", NetworkRefused, "check credit, the service centre and whether the operator takes the traffic for abuse"),
    e(22, "memory capacity exceeded", Transient, ""),
    e(27, "destination out of service", Transient, ""),
    e(28, "unidentified subscriber", NetworkRefused, "check the number"),
    e(29, "facility rejected", NetworkRefused, "the tariff of this SIM has no SMS"),
    e(30, "unknown subscriber", NetworkRefused, "check the number"),
    e(38, "network out of order", Transient, ""),
    e(41, "temporary failure", Transient, ""),
    e(42, "congestion", Transient, ""),
    e(47, "resources unavailable, unspecified", Transient, ""),
    e(50, "requested facility not subscribed", NetworkRefused, "the tariff of this SIM has no SMS"),
    e(69, "requested facility not implemented", NetworkRefused, "the network of this SIM has no SMS"),
    e(81, "invalid short message transfer reference value", Transient, ""),
    e(95, "invalid message, unspecified", Permanent, ""),
    e(96, "invalid mandatory information", Permanent, ""),
    e(97, "message type non-existent or not implemented", Permanent, ""),
    e(98, "message not compatible with short message protocol state", Transient, ""),
    e(99, "information element non-existent or not implemented", Permanent, ""),
    e(111, "protocol error, unspecified", Transient, ""),
    e(127, "interworking, unspecified", Transient, "if it stays: check credit and the service centre address"),
    e(128, "telematic interworking not supported", Permanent, ""),
    e(129, "short message type 0 not supported", Permanent, ""),
    e(130, "cannot replace short message", Permanent, ""),
    e(143, "unspecified TP-PID error", Permanent, ""),
    e(144, "data coding scheme (alphabet) not supported", Permanent, ""),
    e(145, "message class not supported", Permanent, ""),
    e(159, "unspecified TP-DCS error", Permanent, ""),
    e(160, "command cannot be actioned", Permanent, ""),
    e(161, "command unsupported", Permanent, ""),
    e(175, "unspecified TP-command error", Permanent, ""),
    e(176, "TPDU not supported", Permanent, ""),
    e(192, "SC busy", Transient, ""),
    e(193, "no SC subscription", NetworkRefused, "this SIM may not use that service centre: check AT+CSCA"),
    e(194, "SC system failure", Transient, ""),
    e(195, "invalid SME address", NetworkRefused, "check the number"),
    e(196, "destination SME barred", NetworkRefused, ""),
    e(197, "SM rejected, duplicate SM", Duplicate, ""),
    e(198, "TP-VPF not supported", Permanent, "send without a validity period"),
    e(199, "TP-VP not supported", Permanent, "send without a validity period"),
    e(208, "SIM SMS storage full", Local, "empty the store"),
    e(209, "no SMS storage capability in SIM", Local, "use another store"),
    e(210, "error in MS", LocalReset, ""),
    e(211, "memory capacity exceeded in MS", Local, "empty the store"),
    e(212, "SIM application toolkit busy", SimBusy, ""),
    e(213, "SIM data download error", Local, ""),
    e(255, "unspecified error cause", Transient, ""),
    e(256, "temporarily not allowed", Transient, ""),
    e(257, "call barred", NetworkRefused, "the operator barred this SIM; stop sending and ask the operator"),
    e(258, "phone busy", Transient, ""),
    e(259, "user abort", Transient, ""),
    e(262, "SIM blocked", Local, "put in another SIM or enter the PUK by hand"),
    e(300, "ME failure", LocalReset, "restart the modem"),
    e(301, "SMS service of ME reserved", Local, "another program owns the message service: stop it"),
    e(302, "operation not allowed", Local, "check the registration and the mode of the modem"),
    e(303, "operation not supported", Unsupported, ""),
    e(304, "invalid PDU mode parameter", Permanent, ""),
    e(305, "invalid text mode parameter", Permanent, ""),
    e(310, "SIM not inserted", Local, "put in a SIM"),
    e(311, "SIM PIN required", Local, "configure the PIN"),
    e(312, "PH-SIM PIN required", Local, "unlock the phone lock by hand"),
    e(313, "SIM failure", LocalReset, "reseat the SIM"),
    e(314, "SIM busy", SimBusy, ""),
    e(315, "SIM wrong", LocalReset, "this modem accepts only its own operator's SIM"),
    e(316, "SIM PUK required", Local, "enter the PUK by hand"),
    e(317, "SIM PIN2 required", Local, ""),
    e(318, "SIM PUK2 required", Local, ""),
    e(320, "memory failure", LocalReset, ""),
    e(321, "invalid memory index", Harmless, ""),
    e(322, "memory full", Local, "empty the store"),
    e(330, "SMSC address unknown", Local, "set it with AT+CSCA"),
    e(331, "no network service", Transient, "check antenna and coverage"),
    e(332, "network timeout", Transient, ""),
    e(340, "no +CNMA acknowledgement expected", Harmless, ""),
    e(350, "failure without a published meaning", Transient, "if it stays: try another radio technology"),
    e(500, "unknown error", Unknown, ""),
    e(512, "user abort (SIMCom), MM establishment failure (Wavecom) or refused by the network (Huawei)", Transient, ""),
    e(513, "unable to store (SIMCom) or lower layer failure (Wavecom)", Unknown, "empty the store"),
    e(514, "CP error (Wavecom)", Transient, ""),
    e(515, "device busy (SIMCom) or initialisation in progress (Wavecom)", SimBusy, ""),
    e(517, "invalid character in PDU", Permanent, ""),
    e(518, "invalid parameter", Permanent, ""),
    e(519, "invalid length or character", Permanent, ""),
    e(520, "invalid character in text", Permanent, ""),
    e(521, "timer expired", Transient, ""),
    e(522, "operation temporarily not allowed", Transient, ""),
    e(532, "SIM not ready", SimBusy, ""),
    e(535, "protocol stack busy", Transient, ""),
    e(538, "invalid parameter", Permanent, ""),
    e(549, "wrong PDU length", Permanent, ""),
    e(550, "wrong TP-MTI", Permanent, ""),
    e(553, "wrong PDU length", Permanent, ""),
    e(554, "wrong length of the SC address", Permanent, ""),
    e(615, "network failure", Transient, ""),
    e(616, "network is down", Transient, "check antenna and coverage"),
    e(770, "SIM rejected by the network", NetworkRefused, "the network refuses this SIM: ask the operator"),
];

/// TS 27.007 9.2; 515 is Wavecom's, 527 Quectel's.
#[rustfmt::skip]
pub(super) const CME: &[Entry] = &[
    e(0, "phone failure", LocalReset, "restart the modem"),
    e(1, "no connection to phone", LocalReset, "restart the modem"),
    e(2, "phone-adaptor link reserved", LocalReset, "another program may hold the modem"),
    e(3, "operation not allowed", Unsupported, ""),
    e(4, "operation not supported", Unsupported, ""),
    e(5, "PH-SIM PIN required", Local, "unlock the phone lock by hand"),
    e(6, "PH-FSIM PIN required", Local, "unlock the phone lock by hand"),
    e(7, "PH-FSIM PUK required", Local, "unlock the phone lock by hand"),
    e(10, "SIM not inserted", Local, "put in a SIM"),
    e(11, "SIM PIN required", Local, "configure the PIN"),
    e(12, "SIM PUK required", Local, "enter the PUK by hand"),
    e(13, "SIM failure", LocalReset, "reseat the SIM"),
    e(14, "SIM busy", SimBusy, ""),
    e(15, "SIM wrong", LocalReset, "this modem accepts only its own operator's SIM"),
    e(16, "incorrect password", Local, "the PIN is wrong: correct it before any other try"),
    e(17, "SIM PIN2 required", Local, ""),
    e(18, "SIM PUK2 required", Local, ""),
    e(20, "memory full", Local, "empty the store"),
    e(21, "invalid index", Harmless, ""),
    e(22, "not found", Harmless, ""),
    e(23, "memory failure", LocalReset, ""),
    e(24, "text string too long", Unsupported, ""),
    e(25, "invalid characters in text string", Unsupported, ""),
    e(26, "dial string too long", Unsupported, ""),
    e(27, "invalid characters in dial string", Unsupported, ""),
    e(30, "no network service", Transient, "check antenna and coverage"),
    e(31, "network timeout", Transient, ""),
    e(32, "network not allowed - emergency calls only", Transient, "check whether the SIM is active and the network may be used"),
    e(40, "network personalisation PIN required", Local, "the modem is locked to a network: unlock it by hand"),
    e(41, "network personalisation PUK required", Local, "the modem is locked to a network: unlock it by hand"),
    e(42, "network subset personalisation PIN required", Local, "the modem is locked to a network: unlock it by hand"),
    e(43, "network subset personalisation PUK required", Local, "the modem is locked to a network: unlock it by hand"),
    e(44, "service provider personalisation PIN required", Local, "the modem is locked to a provider: unlock it by hand"),
    e(45, "service provider personalisation PUK required", Local, "the modem is locked to a provider: unlock it by hand"),
    e(46, "corporate personalisation PIN required", Local, "the modem is locked to a company: unlock it by hand"),
    e(47, "corporate personalisation PUK required", Local, "the modem is locked to a company: unlock it by hand"),
    e(50, "incorrect parameters", Unsupported, ""),
    e(51, "command implemented but currently disabled", Transient, ""),
    e(52, "command aborted by user", Transient, ""),
    e(53, "not attached to network due to MT functionality restrictions", Transient, ""),
    e(100, "unknown", Unknown, ""),
    e(103, "illegal MS", NetworkRefused, "the network refuses this SIM: ask the operator"),
    e(106, "illegal ME", NetworkRefused, "the network refuses this modem: its IMEI is barred"),
    e(107, "GPRS services not allowed", NetworkRefused, "the tariff of this SIM has no data service"),
    e(111, "PLMN not allowed", NetworkRefused, "the SIM may not use this network"),
    e(112, "location area not allowed", NetworkRefused, "the SIM may not be used here"),
    e(113, "roaming not allowed in this location area", NetworkRefused, "the SIM may not be used here"),
    e(132, "service option not supported", NetworkRefused, ""),
    e(133, "requested service option not subscribed", NetworkRefused, "the tariff of this SIM lacks the service"),
    e(134, "service option temporarily out of order", Transient, ""),
    e(148, "unspecified GPRS error", Transient, ""),
    e(149, "PDP authentication failure", Local, ""),
    e(150, "invalid mobile class", Local, ""),
    e(515, "please wait, initialisation in progress", SimBusy, ""),
    e(527, "please wait, start-up in progress", SimBusy, ""),
];

/// The entry with this number.
pub(super) fn by_code(table: &'static [Entry], code: u16) -> Option<&'static Entry> {
    table.iter().find(|entry| entry.code == code)
}

/// The entry with these words, whatever their case.
pub(super) fn by_name(table: &'static [Entry], name: &str) -> Option<&'static Entry> {
    table.iter().find(|entry| entry.name.eq_ignore_ascii_case(name.trim()))
}

/// `CMS 330 (SMSC address unknown): set it with AT+CSCA`.
pub(super) fn describe(kind: &str, entry: Option<&Entry>, code: Option<u16>, words: &str) -> String {
    match (entry, code) {
        (Some(entry), _) if entry.remedy.is_empty() => format!("{kind} {} ({})", entry.code, entry.name),
        (Some(entry), _) => format!("{kind} {} ({}): {}", entry.code, entry.name, entry.remedy),
        (None, Some(code)) => format!("{kind} {code} (no published meaning)"),
        (None, None) if words.is_empty() => format!("{kind} error without a cause"),
        (None, None) => format!("{kind} error \"{words}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_free_of_doubles() {
        for table in [CMS, CME] {
            assert!(table.windows(2).all(|pair| pair[0].code < pair[1].code));
            assert!(table.iter().all(|entry| !entry.name.is_empty()));
        }
    }
}
