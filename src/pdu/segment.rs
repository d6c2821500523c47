//! Text of any length as SMS-SUBMITs: in GSM 7 bit, where it is allowed with national tables, or in UCS-2, whichever takes
//! the fewest parts (`choose`); one part if it fits, else parts with an 8 bit concatenation element (TS 23.040 9.2.3.24.1).
//!
//! A part ends only between characters, as readers see them (`cut`): handsets show each half of a pair as rubbish. The
//! text is coded once, into one buffer, and the parts are places in it, for every message comes this way twice.

use std::time::Duration;

use super::language::Language;
use super::transliterate::{Loss, Substitute, transliterate};
use super::{
    Address, Dcs, EncodeError, Flaws, Header, Payload, Pid, Submit, UserData, Validity, ValidityFormat,
};
use crate::number::Number;
use crate::secret::Secret;
use crate::units::MessageRef;

mod choose;
mod coding;
mod cut;

use choose::Written;
pub use coding::Coding;

/// Parts of one message; the element has one octet for it.
const PARTS_MAX: usize = 255;

/// Why a text cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// More parts than a concatenated message may have.
    #[error("the text needs {0} parts; a message has at most 255; shorten it")]
    TooLong(usize),
    /// Characters, each once, that no allowed alphabet has.
    #[error("the GSM 7 bit alphabet lacks {}, and UCS-2 is not allowed", named(.0))]
    Unencodable(Vec<char>),
}

/// Characters that a message of refusal names; a text in a foreign script has dozens.
const NAMED_MAX: usize = 8;

fn named(characters: &[char]) -> String {
    let named: Vec<String> =
        characters.iter().take(NAMED_MAX).map(|&c| format!("{c:?} (U+{:04X})", u32::from(c))).collect();
    let more = characters.len().saturating_sub(NAMED_MAX);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{rest}", named.join(", "))
}

/// Whether a text may be written in UCS-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allowed {
    /// It may.
    #[default]
    Any,
    /// Some service centres and old handsets cannot.
    Gsm7,
}

/// Whether characters may be replaced by what the default alphabet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transliteration {
    /// The text stays as it is.
    #[default]
    Never,
    /// Where that saves a segment, and then with the least loss that saves it.
    Save,
    /// Wherever there is a substitute.
    Always,
}

/// What the administrator allows for texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Languages whose shift tables may be used, single and locking.
    pub national: Vec<Language>,
    /// Whether characters may be replaced.
    pub transliteration: Transliteration,
    /// Whether UCS-2 may be used.
    pub allowed: Allowed,
}

/// The alphabet a text was planned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextAlphabet {
    /// GSM 7 bit default alphabet with extension, or national tables in their place.
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
    /// What stands in place of the text that was asked for, and why.
    replaced: Option<(Secret, Vec<Substitute>)>,
}

/// Cuts `text` into parts: in the default alphabet if it has every character, else in UCS-2.
///
/// # Errors
/// When it needs more than 255 parts.
pub fn plan(text: &str) -> Result<Plan, SegmentError> {
    Plan::of(choose::choose(text, &[], Allowed::Any)?)
}

/// Cuts `text` into parts as the policy allows: the fewest, and of several ways the simplest.
///
/// # Errors
/// When it needs more than 255 parts, or has characters that no allowed alphabet has.
pub fn plan_with(text: &str, policy: &Policy) -> Result<Plan, SegmentError> {
    let choose = |text: &str| Plan::of(choose::choose(text, &policy.national, policy.allowed)?);
    let asked = choose(text);
    let losses: &[Loss] = match policy.transliteration {
        Transliteration::Never => &[],
        Transliteration::Save => &[Loss::LookAlike, Loss::Spelling],
        Transliteration::Always => &[Loss::Spelling],
    };
    let parts = |plan: &Result<Plan, SegmentError>| plan.as_ref().map_or(usize::MAX, |plan| plan.ends.len());
    let mut best = asked;
    for &loss in losses {
        if policy.transliteration == Transliteration::Save && parts(&best) == 1 {
            break;
        }
        let Some((written, substitutes)) = transliterate(text, loss) else { continue };
        let mut other = choose(&written);
        if policy.transliteration == Transliteration::Always || parts(&other) < parts(&best) {
            if let Ok(plan) = &mut other {
                plan.replaced = Some((Secret::from(written), substitutes));
            }
            best = other;
        }
    }
    best
}

/// Cuts `text` into the very parts that it had when it was planned with this coding.
///
/// # Errors
/// When it cannot be written so, or needs more than 255 parts.
pub fn plan_as(text: &str, coding: Coding) -> Result<Plan, SegmentError> {
    let characters = || text.chars().filter(|&c| coding.tables().encode_char(c).is_none()).collect();
    Plan::of(Written::new(text, coding).ok_or_else(|| SegmentError::Unencodable(characters()))?)
}

impl Plan {
    fn of(Written { coding, units, ends }: Written) -> Result<Self, SegmentError> {
        if ends.len() > PARTS_MAX {
            return Err(SegmentError::TooLong(ends.len()));
        }
        Ok(Self { coding, units: Secret::new(units), ends, replaced: None })
    }

    /// How it is written.
    #[must_use]
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// What is sent in place of the text that was asked for, if characters were replaced.
    #[must_use]
    pub fn rewritten(&self) -> Option<&Secret> {
        self.replaced.as_ref().map(|(text, _)| text)
    }

    /// The characters that were replaced, each once.
    #[must_use]
    pub fn substitutes(&self) -> &[Substitute] {
        self.replaced.as_ref().map(|(_, substitutes)| substitutes.as_slice()).unwrap_or_default()
    }

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
        let [alone, part] = self.coding.room();
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
        (0..self.ends.len()).filter_map(|at| self.part(at))
    }

    /// The units of part `at`, counted from 0.
    fn part(&self, at: usize) -> Option<&[u8]> {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.units.expose().get(start..*self.ends.get(at)?)
    }

    fn octets_a_unit(&self) -> usize {
        match self.alphabet() {
            TextAlphabet::Gsm7 => 1,
            TextAlphabet::Ucs2 => 2,
        }
    }

    /// The coding scheme and the user data of each part, in order; `concat_ref` is unused for a single one.
    pub fn user_data(&self, concat_ref: u8, class0: bool) -> impl Iterator<Item = (Dcs, UserData)> {
        let dcs = self.dcs(class0);
        let data = move |(seq, units): (u8, &[u8])| self.data(concat_ref, seq, Secret::new(units.to_vec()));
        (1..=self.segments()).zip(self.parts()).map(move |part| (dcs, data(part)))
    }

    fn dcs(&self, class0: bool) -> Dcs {
        Dcs::for_text(self.alphabet() == TextAlphabet::Ucs2, class0)
    }

    /// The user data of part `seq`, counted from 1, with these units.
    fn data(&self, concat_ref: u8, seq: u8, units: Secret) -> UserData {
        let header = Header::of_part(concat_ref, self.segments(), seq, self.coding.tables());
        let payload = match self.coding {
            Coding::Septets(_) => Payload::Septets(units),
            Coding::Ucs2 => Payload::Octets(units),
        };
        UserData { header, payload }
    }

    /// The TPDUs in order. TP-MR is 0: the modem assigns it.
    #[must_use]
    pub fn submits(&self, to: &Number, options: &SubmitOptions) -> Vec<Submit> {
        let user_data = self.user_data(options.concat_ref, options.class0);
        user_data.map(|(dcs, user_data)| submit(to, options, dcs, user_data)).collect()
    }

    /// Part `seq`, counted from 1, as the octets of its TPDU: those of [`Self::submits`], without another copy of the text.
    /// `None` if there is no such part.
    ///
    /// # Errors
    /// When the destination does not fit a TPDU.
    pub fn tpdu(
        &self,
        seq: u8,
        to: &Number,
        options: &SubmitOptions,
    ) -> Result<Option<Vec<u8>>, EncodeError> {
        let Some(units) = usize::from(seq).checked_sub(1).and_then(|at| self.part(at)) else {
            return Ok(None);
        };
        let user_data = self.data(options.concat_ref, seq, Secret::new(Vec::new()));
        submit(to, options, self.dcs(options.class0), user_data).encode_with(units).map(Some)
    }
}

fn submit(to: &Number, options: &SubmitOptions, dcs: Dcs, user_data: UserData) -> Submit {
    Submit {
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

    #[test]
    fn substitutes_are_taken_where_they_save_a_segment() {
        let policy = |transliteration| Policy { transliteration, ..Policy::default() };
        let planned = |text: &str, transliteration| {
            let plan = plan_with(text, &policy(transliteration)).unwrap();
            (plan.alphabet(), plan.segments(), joined(&plan))
        };
        let (short, long) = ("– ą", format!("– ą{}", "x".repeat(100)));
        assert_eq!(planned(short, Transliteration::Save), (TextAlphabet::Ucs2, 1, short.to_owned()));
        assert_eq!(planned(short, Transliteration::Always), (TextAlphabet::Gsm7, 1, "- a".to_owned()));
        let saved = (TextAlphabet::Gsm7, 1, format!("- a{}", "x".repeat(100)));
        assert_eq!(planned(&long, Transliteration::Save), saved);
        let quoted = format!("“{}”", "x".repeat(100));
        let plan = plan_with(&quoted, &policy(Transliteration::Save)).unwrap();
        assert!(plan.substitutes().iter().all(|substitute| substitute.loss == Loss::LookAlike));
        let unchanged = plan_with("plain", &policy(Transliteration::Always)).unwrap();
        assert_eq!((unchanged.rewritten(), unchanged.substitutes()), (None, &[][..]));
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let policy = Policy { allowed: Allowed::Gsm7, ..Policy::default() };
        let refused = plan_with("Щи: 5 €", &policy).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the GSM 7 bit alphabet lacks 'Щ' (U+0429), 'и' (U+0438), and UCS-2 is not allowed"
        );
        let spelled = plan_with("Щи", &Policy { transliteration: Transliteration::Save, ..policy }).unwrap();
        assert_eq!(joined(&spelled), "Shchi");
        let script: String = ('а'..='я').collect();
        let named = SegmentError::Unencodable(script.chars().collect()).to_string();
        assert!(named.contains(" and 24 more,"), "{named}");
    }

    proptest! {
        #[test]
        fn parts_join_to_the_text(text in "(\\PC|[a-z€{}]){0,400}") {
            let plan = plan(&text).unwrap();
            prop_assert_eq!(joined(&plan), text);
        }

        /// However it is written, the phone reads the text, and the coding alone tells the same parts again.
        #[test]
        fn a_plan_is_made_again_from_its_coding(
            text in "[a-z ışğáêऄஅ€^–😁]{0,400}",
            national in prop::sample::subsequence(vec![Language::Turkish, Language::Portuguese, Language::Tamil], 0..3),
            transliteration in prop::sample::select(vec![
                Transliteration::Never, Transliteration::Save, Transliteration::Always,
            ]),
        ) {
            let policy = Policy { national, transliteration, allowed: Allowed::Any };
            let plan = plan_with(&text, &policy).unwrap();
            let sent = plan.rewritten().map_or(text.as_str(), |text| text.expose_str().unwrap()).to_owned();
            prop_assert_eq!(joined(&plan), &*sent);
            prop_assert_eq!(plan.rewritten().is_some(), sent != text);
            let again = plan_as(&sent, plan.coding()).unwrap();
            prop_assert_eq!((again.units(), again.coding()), (plan.units(), plan.coding()));
            prop_assert!(plan.units().iter().all(|&units| units <= plan.room()));
        }

        #[test]
        fn each_part_reads_as_it_was_written(text in "([a-z€^]{0,500}|[a-zш😁]{0,300})", concat_ref: u8) {
            let options = SubmitOptions { concat_ref, status_report: true, ..SubmitOptions::default() };
            let plan = plan(&text).unwrap();
            for (seq, submit) in (1..).zip(plan.submits(&to(), &options)) {
                let octets = submit.encode().unwrap();
                prop_assert_eq!(plan.tpdu(seq, &to(), &options), Ok(Some(octets.clone())));
                prop_assert_eq!(Submit::decode(&octets), Ok(submit));
            }
            prop_assert_eq!(plan.tpdu(0, &to(), &options), Ok(None));
            prop_assert_eq!(plan.tpdu(plan.segments().wrapping_add(1), &to(), &options), Ok(None));
        }
    }
}
