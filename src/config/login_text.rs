//! What is unwise about the text of a login: people wait for it, so it should be one SMS whatever its tags stand for.

use crate::number::Number;
use crate::otp::template::{Fields, Template};
use crate::pdu::{Policy, SegmentError, plan_with};
use crate::secret::Secret;

/// What the tags stand for at their longest. A user's name may have any length; 20 is the longest login name of Active Directory.
const CODE: &str = "88888888";
const SERIAL: &str = "PISM88888888";
const USER: &str = "uuuuuuuuuuuuuuuuuuuu";
const PHONE: &str = "+888888888888888";

/// Why somebody will regret this template of a login message; `None` if nobody will, or if it is none.
pub(super) fn unwise(template: &str, sms: &Policy) -> Option<&'static str> {
    let template = Template::sms(template).ok()?;
    let phone = Number::parse(PHONE, None).ok()?;
    let otp = Secret::from(CODE);
    let text = template.fill(&Fields { otp: Some(&otp), serial: SERIAL, user: USER, phone: &phone });
    match plan_with(text.expose_str()?, sms) {
        Ok(plan) if plan.segments() <= 1 => None,
        Ok(_) | Err(SegmentError::TooLong(_)) => Some(
            "takes more than one SMS with the longest code: it costs more, and is there only when all its parts are",
        ),
        Err(SegmentError::Unencodable(_)) => {
            Some("has a character that `[sms] alphabet` does not allow: no code would ever leave")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::segment::Allowed;

    #[test]
    fn a_login_text_is_one_sms_with_the_longest_code() {
        let policy = Policy::default();
        let of = |blanks: usize, rest: &str| unwise(&format!("{}{rest}", "x".repeat(blanks)), &policy);
        assert_eq!(of(152, "<otp>"), None);
        assert!(of(153, "<otp>").unwrap().contains("more than one SMS"));
        assert_eq!(of(160 - 8 - 12 - 16 - 20, "<otp><serial>{phone}{user}"), None);
        assert!(of(160 - 8 - 12 - 16 - 20 + 1, "<otp><serial>{phone}{user}").is_some());
        assert_eq!(of(61, "<otp>\u{4e2d}"), None, "UCS-2 has room for 70");
        assert!(of(62, "<otp>\u{4e2d}").is_some());
        assert!(of(255 * 153, "<otp>").is_some());
        assert_eq!(of(500, "no code, which is told as a fault"), None);
        let narrow = Policy { allowed: Allowed::Gsm7, ..Policy::default() };
        assert!(unwise("<otp> \u{4e2d}", &narrow).unwrap().contains("alphabet"));
    }
}
