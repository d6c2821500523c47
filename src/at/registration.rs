//! Network registration: `+CREG`, `+CGREG`, `+CEREG`, `+C5GREG` in all the forms that modems have for them.

use super::command::Domain;
use super::grammar::{Arg, Info};

/// `<stat>` of `+CREG` and its relatives; TS 27.007 7.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stat {
    /// 0: not registered, not searching.
    Idle,
    /// 1: home network.
    Home,
    /// 2: searching.
    Searching,
    /// 3: registration denied.
    Denied,
    /// 4, and all that is not listed.
    Unknown,
    /// 5: roaming.
    Roaming,
    /// 6: SMS only, home.
    SmsOnlyHome,
    /// 7: SMS only, roaming.
    SmsOnlyRoaming,
    /// 8: emergency only.
    Emergency,
    /// 9: home, CSFB not preferred.
    CsfbNotPreferredHome,
    /// 10: roaming, CSFB not preferred.
    CsfbNotPreferredRoaming,
    /// 11: attached for restricted local operator services.
    Restricted,
}

/// Where the modem is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Which registration.
    pub domain: Domain,
    /// `<n>`, if the line has it: the answer to the read command has, an unsolicited one has not.
    pub n: Option<u8>,
    /// The state.
    pub stat: Stat,
    /// `<stat>` as it came.
    pub code: u8,
    /// Location or tracking area.
    pub lac: Option<u32>,
    /// Routing area, which some Novatel firmware puts between area and cell.
    pub rac: Option<u32>,
    /// Cell; 36 bits in 5G.
    pub ci: Option<u64>,
    /// Access technology; 7 = LTE.
    pub act: Option<u8>,
    /// Whether cell fields were there at all, even if not readable.
    pub has_cell: bool,
}

impl Stat {
    /// From the number.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Idle,
            1 => Self::Home,
            2 => Self::Searching,
            3 => Self::Denied,
            5 => Self::Roaming,
            6 => Self::SmsOnlyHome,
            7 => Self::SmsOnlyRoaming,
            8 => Self::Emergency,
            9 => Self::CsfbNotPreferredHome,
            10 => Self::CsfbNotPreferredRoaming,
            11 => Self::Restricted,
            _ => Self::Unknown,
        }
    }

    /// Whether messages can be sent in this state.
    #[must_use]
    pub fn carries_sms(self) -> bool {
        self.is_home() || self.is_roaming()
    }

    /// A state of the home network that serves.
    #[must_use]
    pub fn is_home(self) -> bool {
        matches!(self, Self::Home | Self::SmsOnlyHome | Self::CsfbNotPreferredHome)
    }

    /// A state of a visited network that serves.
    #[must_use]
    pub fn is_roaming(self) -> bool {
        matches!(self, Self::Roaming | Self::SmsOnlyRoaming | Self::CsfbNotPreferredRoaming)
    }
}

/// The highest `<n>` of a registration command; `<stat>` reaches 11.
const REGISTRATION_N_MAX: u8 = 5;

impl Registration {
    /// Reads a registration line with or without `<n>`.
    ///
    /// The read command answers `<n>,<stat>[,<area>,<cell>[,<act>]]`, the unsolicited result lacks `<n>`; some firmware sends `<n>`
    /// there, too. What tells them apart is the second field: a state is one or two digits without quotes, an area
    /// is quoted, hex, or longer.
    #[must_use]
    pub fn parse(info: &Info<'_>) -> Option<Self> {
        let domain = Domain::from_name(info.name)?;
        let first: u8 = info.number(0)?;
        let has_n = first <= REGISTRATION_N_MAX && second_is_stat(&info.args);
        let (n, code, cell) = if has_n {
            (Some(first), info.number(1)?, info.args.get(2..).unwrap_or_default())
        } else {
            (None, first, info.args.get(1..).unwrap_or_default())
        };
        let mut registration = Self {
            domain,
            n,
            stat: Stat::from_code(code),
            code,
            lac: None,
            rac: None,
            ci: None,
            act: None,
            has_cell: cell.iter().filter(|arg| arg.text().is_some()).count() >= 2,
        };
        registration.read_cell(cell);
        Some(registration)
    }

    /// `<area>,<cell>[,<act>]`, or in LTE with the routing area as second of four.
    fn read_cell(&mut self, cell: &[Arg<'_>]) {
        let hex = |at: usize| cell.get(at).and_then(Arg::hex);
        let with_rac = self.domain == Domain::Eps
            && cell.len() == 4
            && cell.get(1).and_then(Arg::text).is_some_and(|rac| rac.len() <= 2);
        self.lac = hex(0);
        let rest = if with_rac {
            self.rac = hex(1);
            2
        } else {
            1
        };
        self.ci = cell.get(rest).and_then(Arg::text).and_then(|ci| u64::from_str_radix(ci.trim(), 16).ok());
        self.act = cell.get(rest.saturating_add(1)).and_then(Arg::number);
    }
}

/// Whether the second field of a registration line is a `<stat>`: bare and a number up to 11. Four digits or more are an
/// area; `002,0011` of a modem that fills up with zeros is told by the zeros of its first field.
fn second_is_stat(args: &[Arg<'_>]) -> bool {
    let (Some(Arg::Bare(first)), Some(Arg::Bare(second))) = (args.first(), args.get(1)) else { return false };
    let short = second.len() <= 2 || (first.len() == 3 && second.len() <= 4);
    short && second.parse::<u8>().is_ok_and(|code| code <= 11)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Registration {
        Registration::parse(&Info::parse(line).unwrap()).unwrap()
    }

    fn cell(line: &str) -> (Option<u8>, u8, Option<u32>, Option<u64>, Option<u8>) {
        let got = read(line);
        (got.n, got.code, got.lac, got.ci, got.act)
    }

    #[test]
    fn answers_and_unsolicited_results_are_told_apart_by_their_fields() {
        assert_eq!(cell("+CREG: 0, 1"), (Some(0), 1, None, None, None));
        assert_eq!(cell("+CREG: 5"), (None, 5, None, None, None));
        assert_eq!(cell("+CREG: 2,,"), (None, 2, None, None, None));
        assert_eq!(
            cell("+CREG: 2,5,\"9E9A\",\"019624BD\",2"),
            (Some(2), 5, Some(0x9e9a), Some(0x0196_24bd), Some(2))
        );
        assert_eq!(cell("+CREG: 1,\"CE00\",\"00005449\""), (None, 1, Some(0xce00), Some(0x5449), None));
        assert_eq!(cell("+CREG: 1,8BE3,2BAF"), (None, 1, Some(0x8be3), Some(0x2baf), None));
        assert_eq!(cell("+CREG: 11,\"33FE\",\"a3fb477\""), (None, 11, Some(0x33fe), Some(0x0a3f_b477), None));
        assert_eq!(
            cell("+CGREG:002,0011,\"0f0d\",\"14c3\""),
            (Some(2), 11, Some(0x0f0d), Some(0x14c3), None)
        );
        assert_eq!(
            cell("+CEREG: 2,1, 1F00, 79D903 ,7"),
            (Some(2), 1, Some(0x1f00), Some(0x0079_d903), Some(7))
        );
    }

    #[test]
    fn the_routing_area_of_novatel_is_no_cell() {
        let got = read("+CEREG: 1, 1F00, 20 ,79D903 ,7");
        assert_eq!((got.rac, got.ci, got.act), (Some(0x20), Some(0x0079_d903), Some(7)));
    }

    #[test]
    fn sms_is_carried_where_the_network_serves() {
        let serving: Vec<u8> = (0..=12).filter(|&code| Stat::from_code(code).carries_sms()).collect();
        assert_eq!(serving, vec![1, 5, 6, 7, 9, 10]);
        assert!(!Stat::SmsOnlyHome.is_roaming());
    }

    proptest! {
        #[test]
        fn never_panics(args in "[0-9A-F,\" ]{0,40}") {
            if let Some(info) = Info::parse(&format!("+CREG: {args}")) {
                let _ = Registration::parse(&info);
            }
        }
    }
}
