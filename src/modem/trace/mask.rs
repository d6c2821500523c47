//! What a trace may not show, taken out of one line.

use std::fmt::Write as _;

/// A line of this many hexadecimal digits is taken for a PDU; `+CMGR` and `+CMT` have no shorter ones.
const PDU_DIGITS_MIN: usize = 16;
/// Hexadecimal digits shown of a PDU that cannot be walked.
const HEAD_SHOWN: usize = 12;
/// Digits in a row that are taken for a number, an IMSI or an ICCID.
const NUMBER_MIN: usize = 7;
/// Digits shown at the front of a number: the country code.
const NUMBER_FRONT: usize = 3;
/// Digits shown at its end.
const NUMBER_BACK: usize = 2;

/// The line as it may be kept.
pub(super) fn line(octets: &[u8]) -> String {
    let (body, end) = match octets.split_last() {
        Some((0x1a, body)) => (body, "<^Z>"),
        _ => (octets, ""),
    };
    if is_ussd(body) {
        return words(&printable(body));
    }
    let mut shown = if body.len() >= PDU_DIGITS_MIN && body.iter().all(u8::is_ascii_hexdigit) {
        pdu(body)
    } else {
        numbers(&printable(body))
    };
    shown.push_str(end);
    shown
}

/// A code for the network, or its words: a voucher, a balance.
fn is_ussd(line: &[u8]) -> bool {
    line.starts_with(b"+CUSD:") || line.starts_with(b"AT+CUSD=1,")
}

/// Whether the words of the network go on in the next line.
pub(super) fn begins_words(line: &[u8]) -> bool {
    is_ussd(line) && line.iter().filter(|&&b| b == b'"').count() % 2 == 1
}

/// A further line of them, masked, and whether yet another one follows.
pub(super) fn rest_of_words(line: &[u8]) -> (String, bool) {
    // Without an end they may be anything that the modem says later; a result is shown for what it is.
    if matches!(line, b"OK" | b"ERROR") {
        return (printable(line), false);
    }
    let text = printable(line);
    match text.rsplit_once('"') {
        Some((words, end)) if is_tail(end) => (format!("{}\"{end}", hidden(words)), false),
        _ => (hidden(&text), true),
    }
}

/// The line with its text hidden: from the first comma to the last quote, or to the end where there is none behind it.
fn words(line: &str) -> String {
    let Some((front, text)) = line.split_once(',') else { return line.to_owned() };
    match text.trim_start().strip_prefix('"').map(|text| text.rsplit_once('"').ok_or(text)) {
        Some(Ok((text, end))) if is_tail(end) => format!("{front},\"{}\"{end}", hidden(text)),
        Some(Ok(_)) | None => format!("{front},{}", hidden(text)),
        Some(Err(text)) => format!("{front},\"{}", hidden(text)),
    }
}

/// Whether this is what stands behind the quote that ends the words: nothing, or a comma and `<dcs>`.
fn is_tail(end: &str) -> bool {
    end.is_empty() || end.strip_prefix(',').is_some_and(|dcs| dcs.trim().parse::<u8>().is_ok())
}

fn hidden(text: &str) -> String {
    format!("<{} characters>", text.chars().count())
}

/// Control characters made visible, PINs hidden.
fn printable(octets: &[u8]) -> String {
    if let Some(rest) = octets.strip_prefix(b"AT+CPIN=") {
        return format!("AT+CPIN={}", "*".repeat(rest.len().min(4)));
    }
    let mut shown = String::with_capacity(octets.len());
    for &octet in octets {
        match octet {
            0x1b => shown.push_str("<ESC>"),
            0x1a => shown.push_str("<^Z>"),
            // An escape of a saved trace must not be a text of the modem's.
            b'\\' => shown.push_str("\\x5c"),
            b' '..=b'~' => shown.push(char::from(octet)),
            other => {
                let _ = write!(shown, "\\x{other:02x}");
            }
        }
    }
    shown
}

/// Long rows of digits shortened.
fn numbers(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut row = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            row.push(c);
            continue;
        }
        shorten(&row, &mut shown);
        row.clear();
        if c != '\0' {
            shown.push(c);
        }
    }
    shown
}

fn shorten(row: &str, shown: &mut String) {
    if row.len() < NUMBER_MIN {
        shown.push_str(row);
        return;
    }
    let back = row.len() - NUMBER_BACK;
    shown.extend(
        row.chars().enumerate().map(|(at, c)| if (NUMBER_FRONT..back).contains(&at) { '*' } else { c }),
    );
}

/// A PDU in hexadecimal digits: header shown, address shortened, user data replaced by its length.
fn pdu(digits: &[u8]) -> String {
    let text = String::from_utf8_lossy(digits);
    let mut walk = Walk { rest: &text, shown: String::with_capacity(64) };
    if walk.whole().is_none() {
        let head = text.get(..HEAD_SHOWN).unwrap_or_default();
        return format!("{head}<{} octets>", (text.len() - head.len()) / 2);
    }
    let hidden = walk.rest.len() / 2;
    if hidden > 0 {
        let _ = write!(walk.shown, "<{hidden} octets>");
    }
    walk.shown
}

/// Goes over a PDU element by element; TS 23.040 9.2.2.
struct Walk<'a> {
    rest: &'a str,
    shown: String,
}

impl Walk<'_> {
    /// Everything up to the user data; `None` if it is no PDU.
    fn whole(&mut self) -> Option<()> {
        let smsc = self.octet()?;
        self.show(usize::from(smsc.min(12)))?;
        let first = self.octet()?;
        match first & 0b11 {
            0 => {
                self.address()?;
                // TP-PID, TP-DCS, TP-SCTS, TP-UDL
                self.show(10)
            }
            1 => {
                self.show(1)?;
                self.address()?;
                let validity = match (first >> 3) & 0b11 {
                    0 => 0,
                    2 => 1,
                    _ => 7,
                };
                // TP-PID, TP-DCS, TP-VP, TP-UDL
                self.show(3 + validity)
            }
            2 => {
                self.show(1)?;
                self.address()?;
                // TP-SCTS, TP-DT, TP-ST
                self.show(15)
            }
            _ => None,
        }
    }

    fn octet(&mut self) -> Option<u8> {
        let value = u8::from_str_radix(self.rest.get(..2)?, 16).ok()?;
        self.show(1)?;
        Some(value)
    }

    fn show(&mut self, octets: usize) -> Option<()> {
        let (shown, rest) = self.rest.split_at_checked(octets * 2)?;
        self.shown.push_str(shown);
        self.rest = rest;
        Some(())
    }

    /// First and last octet shown: the country code and the last two digits, half swapped.
    fn address(&mut self) -> Option<()> {
        let octets = usize::from(self.octet()?.div_ceil(2));
        self.show(1)?;
        if octets <= 2 {
            return self.show(octets);
        }
        self.show(1)?;
        let (hidden, rest) = self.rest.split_at_checked((octets - 2) * 2)?;
        self.shown.extend(hidden.chars().map(|_| '*'));
        self.rest = rest;
        self.show(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submit_shows_its_header_and_neither_number_nor_text() {
        let shown = line(b"0011000C919471103254760000A709C834888E2ECBCB21\x1a");
        assert_eq!(shown, "0011000C9194********760000A709<8 octets><^Z>");
    }

    #[test]
    fn a_deliver_and_a_report_are_masked_too() {
        let deliver = line(b"0791947106004034040C9194711032547600005211200291004005C8329BFD06");
        assert!(deliver.ends_with("05<5 octets>"), "{deliver}");
        assert!(!deliver.contains("C8329BFD06"));
        let report = line(b"0006050C91947110325476521120029100405211200291004000");
        assert!(report.contains("********"), "{report}");
    }

    #[test]
    fn what_is_no_pdu_shows_only_its_head() {
        assert_eq!(line(b"FFFFFFFFFFFFFFFFFFFF"), "FFFFFFFFFFFF<4 octets>");
        assert_eq!(line(b"89490200001005155450"), "894902000010<4 octets>");
    }

    #[test]
    fn codes_and_words_of_the_network_are_hidden() {
        for (wire, shown) in [
            ("AT+CUSD=1,\"*100*1234#\",15", "AT+CUSD=1,\"<10 characters>\",15"),
            ("AT+CUSD=2", "AT+CUSD=2"),
            ("+CUSD: 0,\"You have 3,20\",15", "+CUSD: 0,\"<13 characters>\",15"),
            ("+CUSD: 1,\"You have 3,20", "+CUSD: 1,\"<13 characters>"),
            ("+CUSD: 1,\"Say \"Yes\" for 3,20", "+CUSD: 1,<19 characters>"),
            ("+CUSD: 0,You have 3,20", "+CUSD: 0,<13 characters>"),
            ("+CUSD: 4", "+CUSD: 4"),
        ] {
            assert_eq!(line(wire.as_bytes()), shown);
        }
        assert!(begins_words(b"+CUSD: 1,\"first") && !begins_words(b"+CUSD: 1,\"all\",15"));
        assert_eq!(rest_of_words(b"5 EUR"), ("<5 characters>".to_owned(), true));
        assert_eq!(rest_of_words(b"5 EUR\",15"), ("<5 characters>\",15".to_owned(), false));
        assert_eq!(rest_of_words(b"OK"), ("OK".to_owned(), false));
    }

    #[test]
    fn pins_and_numbers_are_hidden() {
        assert_eq!(line(b"AT+CPIN=\"1234\""), "AT+CPIN=****");
        assert_eq!(line(b"+CLIP: \"+491701234567\",145"), "+CLIP: \"+491*******67\",145");
        assert_eq!(line(b"+CSQ: 17,99"), "+CSQ: 17,99");
        assert_eq!(line(b"\x1b"), "<ESC>");
        assert_eq!(line(b"AT\x00\xff"), "AT\\x00\\xff");
        assert_eq!(line(b"a\\x00"), "a\\x5cx00");
    }
}
