//! For tests: a modem at the other end of a pty that answers by rule until the test takes over.

use std::path::Path;

use super::Peer;

/// A modem that is ready for messages, unless told otherwise.
pub(crate) struct Phone {
    peer: Peer,
    imei: String,
    iccid: String,
    /// The PIN that it wants and what it did with those it was given.
    pin: Option<String>,
    pub(crate) pins_tried: Vec<String>,
    reference: u8,
}

pub(crate) const IMEI: &str = "490154203237518";
pub(crate) const ICCID: &str = "89490200001005155450";

impl Phone {
    pub(crate) fn new() -> Self {
        Self::of(IMEI, ICCID)
    }

    pub(crate) fn of(imei: &str, iccid: &str) -> Self {
        Self {
            peer: Peer::new(),
            imei: imei.to_owned(),
            iccid: iccid.to_owned(),
            pin: None,
            pins_tried: Vec::new(),
            reference: 0,
        }
    }

    pub(crate) fn locked(mut self, pin: &str) -> Self {
        self.pin = Some(pin.to_owned());
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.peer.path()
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.peer.write(format!("\r\n{text}\r\n").as_bytes()).await;
    }

    pub(crate) async fn prompt(&mut self) {
        self.peer.write(b"\r\n> ").await;
    }

    /// Whether something waits to be heard.
    pub(crate) fn has_more(&mut self) -> bool {
        self.peer.has_more()
    }

    /// The next command, PDU with `^Z`, or ESC, not answered.
    pub(crate) async fn hear(&mut self) -> String {
        let octets = self.peer.read_any(&[b'\r', 0x1a, 0x1b]).await;
        String::from_utf8(octets).unwrap().trim_start_matches('\n').replace('\r', "")
    }

    /// Answers by rule until something begins with `start`, which is not answered.
    pub(crate) async fn serve_until(&mut self, start: &str) -> String {
        loop {
            let heard = self.hear().await;
            if heard.starts_with(start) {
                return heard;
            }
            self.answer(&heard).await;
        }
    }

    /// Answers by rule for as long as the test runs.
    pub(crate) async fn serve(mut self) {
        self.serve_until("never").await;
    }

    pub(crate) async fn answer(&mut self, heard: &str) {
        let text = match heard {
            "AT+CGSN" => format!("{}\r\n\r\nOK", self.imei),
            "AT+CCID" => format!("+CCID: {}\r\n\r\nOK", self.iccid),
            "AT+CPIN?" if self.pin.is_some() => "+CPIN: SIM PIN\r\n\r\nOK".to_owned(),
            "AT+CPIN?" => "+CPIN: READY\r\n\r\nOK".to_owned(),
            "AT+CREG?" => "+CREG: 1,1\r\n\r\nOK".to_owned(),
            "AT+CSQ" => "+CSQ: 20,99\r\n\r\nOK".to_owned(),
            "AT+COPS?" => "+COPS: 0,0,\"Net\",7\r\n\r\nOK".to_owned(),
            "AT+CIMI" => "262011234567890\r\n\r\nOK".to_owned(),
            "AT+CNMI=?" => "+CNMI: (0-2),(0-2),(0,2),(0-2),(0,1)\r\n\r\nOK".to_owned(),
            "\u{1b}" => "OK".to_owned(),
            _ if heard.starts_with("AT+CPIN=") => self.unlock(heard),
            _ if heard.starts_with("AT+CPMS=") => "+CPMS: 0,99,0,99,0,99\r\n\r\nOK".to_owned(),
            _ if heard.starts_with("AT+CMGS=") => return self.prompt().await,
            _ if heard.ends_with('\u{1a}') => {
                self.reference = self.reference.wrapping_add(1);
                format!("+CMGS: {}\r\n\r\nOK", self.reference)
            }
            _ => "OK".to_owned(),
        };
        self.say(&text).await;
    }

    fn unlock(&mut self, heard: &str) -> String {
        let given = heard.trim_start_matches("AT+CPIN=").trim_matches('"').to_owned();
        let right = self.pin.as_ref() == Some(&given);
        self.pins_tried.push(given);
        if !right {
            return "+CME ERROR: 16".to_owned();
        }
        self.pin = None;
        "OK".to_owned()
    }
}
