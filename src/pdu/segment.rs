//! Text of any length as SMS-SUBMITs: GSM 7 bit if every character allows, else UCS-2; one part if it fits, else parts
//! with an 8 bit concatenation element (TS 23.040 9.2.3.24.1).
//!
//! A part ends only between characters, as readers see them (`cut`): handsets show each half of a pair as rubbish. The
//! text is coded once, into one buffer, and the parts are places in it, for every message comes this way twice.

use std::time::Duration;

use super::gsm7::{self, Tables};
use super::{Address, Dcs, Flaws, Header, Payload, Pid, Submit, UserData, Validity, ValidityFormat, ucs2};
use crate::number::Number;
use crate::secret::Secret;
use crate::units::MessageRef;

mod cut;

use cut::Coding;

/// Septets of a message alone, and of a part behind the six octets of concatenation header (7 septets).
const GSM7_ALONE: usize = 160;
const GSM7_PART: usize = 153;
/// Octets of a UCS-2 message alone, and of a part behind six octets of header (67 whole units fit 134 octets).
const UCS2_ALONE: usize = 140;
const UCS2_PART: usize = 134;
/// Parts of one message; the element has one octet for it.
const PARTS_MAX: usize = 255;

/// Why a text cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// More parts than a concatenated message may have.
    #[error("the text needs {0} parts; a message has at most 255")]
    TooLong(usize),
}

/// The alphabet a text was planned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextAlphabet {
    /// GSM 7 bit default alphabet with extension.
    Gsm7,
    /// UCS-2 (UTF-16).
    Ucs2,
}

/// What is the same for all parts of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SubmitOptions {
    /// Concatenation reference; unused for a single part. Distinct per destination for as long as parts may be under way.
    pub concat_ref: u8,
    /// How long the service centre shall try; rounded down to what TP-VP can say in its format, see [`Validity::within`].
    pub validity: Option<Duration>,
    /// The format of TP-VP.
    pub validity_format: ValidityFormat,
    /// TP-SRR.
    pub status_report: bool,
    /// TP-RD.
    pub reject_duplicates: bool,
    /// Show at once and do not store ("flash").
    pub class0: bool,
}

/// A text cut into parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    coding: Coding,
    /// The units of all parts: a septet an octet, or UTF-16 in big-endian octets.
    units: Secret,
    /// Where each part ends in `units`, ascending; at least one, at most [`PARTS_MAX`].
    ends: Vec<usize>,
}

/// Cuts `text` into parts.
///
/// # Errors
/// When it needs more than 255 parts.
pub fn plan(text: &str) -> Result<Plan, SegmentError> {
    let (coding, units, room) = match gsm7::encode(text) {
        Some(septets) => (Coding::Septets(Tables::default()), septets, [GSM7_ALONE, GSM7_PART]),
        None => (Coding::Ucs2, ucs2::encode(text), [UCS2_ALONE, UCS2_PART]),
    };
    let ends = coding.cut(&units, room);
    if ends.len() > PARTS_MAX {
        return Err(SegmentError::TooLong(ends.len()));
    }
    Ok(Plan { coding, units: Secret::new(units), ends })
}

impl Plan {
    /// Number of parts, 1..=255: what the operator counts and bills.
    #[must_use]
    pub fn segments(&self) -> u8 {
        u8::try_from(self.ends.len()).unwrap_or(u8::MAX)
    }

    /// The alphabet that was chosen.
    #[must_use]
    pub fn alphabet(&self) -> TextAlphabet {
        match self.coding {
            Coding::Septets(_) => TextAlphabet::Gsm7,
            Coding::Ucs2 => TextAlphabet::Ucs2,
        }
    }

    /// Septets or UTF-16 units of each part.
    #[must_use]
    pub fn units(&self) -> Vec<usize> {
        self.parts().map(|part| part.len() / self.octets_a_unit()).collect()
    }

    /// Units that one of these parts has room for.
    #[must_use]
    pub fn room(&self) -> usize {
        let [alone, part] = match self.alphabet() {
            TextAlphabet::Gsm7 => [GSM7_ALONE, GSM7_PART],
            TextAlphabet::Ucs2 => [UCS2_ALONE, UCS2_PART],
        };
        let most = if self.ends.len() > 1 { part } else { alone };
        most / self.octets_a_unit()
    }

    /// The text of each part, as a handset reads it.
    #[must_use]
    pub fn texts(&self) -> Vec<Secret> {
        self.user_data(0, false).filter_map(|(dcs, data)| data.text(dcs)).collect()
    }

    /// The units of each part.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.units.expose().get(start..end).unwrap_or_default())
    }

    fn octets_a_unit(&self) -> usize {
        match self.alphabet() {
            TextAlphabet::Gsm7 => 1,
            TextAlphabet::Ucs2 => 2,
        }
    }

    /// The coding scheme and the user data of each part, in order; `concat_ref` is unused for a single one.
    pub fn user_data(&self, concat_ref: u8, class0: bool) -> impl Iterator<Item = (Dcs, UserData)> {
        let total = self.segments();
        let dcs = Dcs::for_text(self.alphabet() == TextAlphabet::Ucs2, class0);
        (1..=total).zip(self.parts()).map(move |(seq, units)| {
            let header = (total > 1).then(|| Header::concat(concat_ref, total, seq));
            let units = Secret::new(units.to_vec());
            let payload = match self.coding {
                Coding::Septets(_) => Payload::Septets(units),
                Coding::Ucs2 => Payload::Octets(units),
            };
            (dcs, UserData { header, payload })
        })
    }

    /// The TPDUs in order. TP-MR is 0: the modem assigns it.
    #[must_use]
    pub fn submits(&self, to: &Number, options: &SubmitOptions) -> Vec<Submit> {
        let submit = |(dcs, user_data)| Submit {
            reference: MessageRef(0),
            destination: Address::from(to),
            pid: Pid::PLAIN,
            dcs,
            validity: options.validity.map(|life| Validity::within(life, options.validity_format)),
            reject_duplicates: options.reject_duplicates,
            status_report: options.status_report,
            reply_path: false,
            user_data,
            flaws: Flaws::default(),
        };
        self.user_data(options.concat_ref, options.class0).map(submit).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to() -> Number {
        Number::parse("+491701234567", None).unwrap()
    }

    fn shape(text: &str) -> (TextAlphabet, u8) {
        let plan = plan(text).unwrap();
        (plan.alphabet(), plan.segments())
    }

    /// The text as a handset joins it.
    fn joined(plan: &Plan) -> String {
        let parts = plan.submits(&to(), &SubmitOptions::default()).into_iter();
        parts.map(|part| part.user_data.text(part.dcs).unwrap().expose_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn capacities_are_those_of_the_standard() {
        use TextAlphabet::{Gsm7, Ucs2};
        assert_eq!(shape(""), (Gsm7, 1));
        for (count, parts) in [(160, 1), (161, 2), (306, 2), (307, 3), (39_015, 255)] {
            assert_eq!(shape(&"a".repeat(count)), (Gsm7, parts), "{count}");
        }
        for (count, parts) in [(70, 1), (71, 2), (134, 2), (135, 3)] {
            assert_eq!(shape(&"ш".repeat(count)), (Ucs2, parts), "{count}");
        }
        assert_eq!(plan(&"a".repeat(39_016)), Err(SegmentError::TooLong(256)));
    }

    #[test]
    fn pairs_are_never_cut() {
        let euro = format!("{}€{}", "a".repeat(152), "b".repeat(20));
        let submits = plan(&euro).unwrap().submits(&to(), &SubmitOptions::default());
        assert_eq!(submits[0].user_data.payload.len(), 152, "the escape pair moved to the second part");
        let smile = format!("{}😁{}", "a".repeat(66), "b".repeat(20));
        let submits = plan(&smile).unwrap().submits(&to(), &SubmitOptions::default());
        assert_eq!(submits[0].user_data.payload.len(), 132, "the surrogate pair moved to the second part");
        assert_eq!(joined(&plan(&smile).unwrap()), smile);
    }

    #[test]
    fn options_reach_every_part() {
        let options = SubmitOptions {
            concat_ref: 7,
            validity: Some(Duration::from_secs(600)),
            validity_format: ValidityFormat::Relative,
            status_report: true,
            reject_duplicates: true,
            class0: true,
        };
        let submits = plan(&"x".repeat(200)).unwrap().submits(&to(), &options);
        assert_eq!(submits.len(), 2);
        for (seq, submit) in (1..).zip(&submits) {
            let concat = submit.user_data.header.as_ref().unwrap().concatenation().unwrap();
            assert_eq!((concat.reference, concat.total, concat.seq), (7, 2, seq));
            assert_eq!(submit.validity, Some(Validity::Relative(1)));
            assert_eq!(submit.dcs.class(), Some(0));
            assert_eq!(submit.encode().unwrap().first(), Some(&0b0111_0101));
            assert!(submit.encode().unwrap().len() <= 164);
        }
    }

    proptest! {
        #[test]
        fn parts_join_to_the_text(text in "(\\PC|[a-z€{}]){0,400}") {
            let plan = plan(&text).unwrap();
            prop_assert_eq!(joined(&plan), text);
        }

        #[test]
        fn each_part_reads_as_it_was_written(text in "([a-z€^]{0,500}|[a-zш😁]{0,300})", concat_ref: u8) {
            let options = SubmitOptions { concat_ref, status_report: true, ..SubmitOptions::default() };
            for submit in plan(&text).unwrap().submits(&to(), &options) {
                prop_assert_eq!(Submit::decode(&submit.encode().unwrap()), Ok(submit));
            }
        }
    }
}
