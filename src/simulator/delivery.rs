//! Messages and reports on their way from the network to the host: stored and announced, or handed over directly, as
//! `+CNMI` and `+CSMS` say (TS 27.005 3.4.1).

use std::time::Instant;

use super::modem::SimulatedModem;
use super::network::Incoming;
use super::reply::Lines;
use super::slots::Memory;
use crate::at::hex;
use crate::number::Number;
use crate::pdu::{Address, Deliver, Payload, Pdu, StatusReport, Timestamp, TypeOfNumber, ucs2};

/// Seconds in a quarter of an hour, the unit of a time zone.
const QUARTER_HOUR: i32 = 15 * 60;

/// What is done with something that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    /// `+CMT`, `+CDS`
    Direct,
    /// Into this store; announced or not.
    Store(Memory, bool),
    /// Nobody wants it.
    Drop,
}

impl SimulatedModem {
    /// Takes what the network has and the modem has room for; the time when the network has more.
    pub(super) fn fetch_incoming(&mut self, now: Instant) -> Option<Instant> {
        let network = self.network.clone();
        loop {
            let due = network.next_due(self.sim)?;
            if due > now {
                return Some(due);
            }
            let incoming = network.fetch(now, self.sim, |incoming| self.takes(incoming))?;
            self.hand_over(now, incoming);
        }
    }

    /// Announcements and direct deliveries end until the host asks again: it did not acknowledge in time.
    pub(super) fn stop_routing(&mut self) {
        let [_, mt, _, ds, _] = &mut self.settings.cnmi;
        (*mt, *ds) = (0, 0);
    }

    fn takes(&self, incoming: &Incoming) -> bool {
        self.registered
            && self.receives(incoming)
            && self.may_interrupt()
            && match self.route(incoming) {
                Route::Direct => self.unacknowledged.is_none(),
                Route::Store(memory, _) => !self.slots.is_full(memory),
                Route::Drop => true,
            }
    }

    fn route(&self, incoming: &Incoming) -> Route {
        let [_, mt, _, ds, _] = self.settings.cnmi;
        let [.., memory] = self.settings.memories;
        match (incoming, mt, ds) {
            // Class 2 always goes to the SIM; TS 23.038 4.
            (Incoming::Message(message), ..) if message.dcs.class() == Some(2) => {
                Route::Store(Memory::Sm, mt > 0)
            }
            (Incoming::Message(_), 2, _) => Route::Direct,
            (Incoming::Message(message), 3, _) if message.dcs.class() == Some(3) => Route::Direct,
            (Incoming::Message(_), ..) => Route::Store(memory, mt > 0),
            (Incoming::Report(_), _, 1) => Route::Direct,
            (Incoming::Report(_), _, 2) => Route::Store(Memory::Sr, true),
            (Incoming::Report(_), ..) => Route::Drop,
        }
    }

    fn hand_over(&mut self, now: Instant, incoming: Incoming) {
        let (direct, announced) = match &incoming {
            Incoming::Message(_) => ("+CMT", "+CMTI"),
            Incoming::Report(_) => ("+CDS", "+CDSI"),
        };
        // The network carries only what a modem could write.
        let Ok(tpdu) = incoming.encode() else { return };
        match self.route(&incoming) {
            Route::Drop => {}
            Route::Store(memory, announce) => {
                let place = self.slots.put(memory, tpdu).filter(|_| announce);
                if let Some((memory, index)) = place {
                    self.send_line(now, &format!("{announced}: \"{}\",{index}", memory.name()));
                }
            }
            Route::Direct => {
                let mut lines = Lines::new(self.style());
                if self.settings.text_mode {
                    let (head, text) = self.in_text(&tpdu);
                    lines.line(&format!("{direct}: {head}"));
                    if let Some(text) = text {
                        lines.body(&text);
                    }
                } else {
                    let alpha = if direct == "+CMT" { "," } else { "" };
                    lines.line(&format!("{direct}: {alpha}{}", tpdu.len()));
                    lines.body(&self.in_hex(&tpdu));
                }
                let (wire, told) = lines.into_parts();
                self.send(now, &wire, told);
                if self.settings.csms == 1 {
                    self.unacknowledged = Some((now, incoming));
                }
            }
        }
    }

    /// A TPDU with the service centre in front, in hex.
    pub(super) fn in_hex(&self, tpdu: &[u8]) -> String {
        let centre =
            Number::parse(&self.scenario.smsc, None).map(|number| Address::from(&number).to_service_centre());
        let mut octets = centre.unwrap_or_else(|_| vec![0]);
        octets.extend_from_slice(tpdu);
        hex::encode(&octets)
    }

    /// A TPDU as text mode shows it: fields of the header line and, for a message, the text.
    pub(super) fn in_text(&self, tpdu: &[u8]) -> (String, Option<String>) {
        match Pdu::decode(tpdu, None) {
            Ok(Pdu::Deliver(message)) => self.message_in_text(&message),
            Ok(Pdu::StatusReport(report)) => (report_in_text(&report), None),
            Ok(_) | Err(_) => (String::new(), None),
        }
    }

    fn message_in_text(&self, message: &Deliver) -> (String, Option<String>) {
        let charset = self.settings.charset;
        let from = charset_text(charset, &message.originator.text());
        let head = format!("\"{from}\",,\"{}\"", stamp(message.timestamp));
        let text = message.user_data.text(message.dcs);
        let text = match (text.as_ref().and_then(|text| text.expose_str()), &message.user_data.payload) {
            (Some(text), _) => charset_text(charset, text),
            (None, Payload::Septets(units) | Payload::Octets(units)) => hex::encode(units.expose()),
        };
        (head, Some(text))
    }
}

/// `<fo>,<mr>,<ra>,<tora>,<scts>,<dt>,<st>`
fn report_in_text(report: &StatusReport) -> String {
    let StatusReport { reference, recipient, timestamp, discharge, status, .. } = report;
    let toa = if recipient.type_of_number() == TypeOfNumber::International { 145 } else { 129 };
    let (taken, done) = (stamp(*timestamp), stamp(*discharge));
    format!("6,{reference},\"{}\",{toa},\"{taken}\",\"{done}\",{}", recipient.text(), status.0)
}

/// `yy/MM/dd,hh:mm:ss±zz`
fn stamp(at: Timestamp) -> String {
    at.read().map_or_else(String::new, |(local, offset)| {
        format!("{}{:+03}", local.strftime("%y/%m/%d,%H:%M:%S"), offset.seconds() / QUARTER_HOUR)
    })
}

/// Text in the character set of `+CSCS`.
pub(super) fn charset_text(charset: &str, text: &str) -> String {
    if charset == "UCS2" { hex::encode(&ucs2::encode(text)) } else { text.to_owned() }
}

/// The reverse; `None` if it is no text in that set.
pub(super) fn text_of_charset(charset: &str, text: &str) -> Option<String> {
    if charset == "UCS2" {
        hex::decode(text).ok().map(|octets| ucs2::decode(&octets))
    } else {
        Some(text.to_owned())
    }
}
