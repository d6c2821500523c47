//! How answers look on the wire (V.250 5.7, TS 27.005 3.2.5, TS 27.007 9.2), and what of them a watcher is told.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Final {
    /// `OK`
    Ok,
    /// `ERROR`, whatever `+CMEE` says.
    Error,
    /// `+CME ERROR`
    Cme(u16),
    /// `+CMS ERROR`
    Cms(u16),
    /// `COMMAND NOT SUPPORT`, of some sticks.
    NotSupport,
    /// Nothing: a prompt stands there instead, or the modem is silent.
    Nothing,
    /// `OK`, then the modem leaves the bus.
    Reboot,
}

/// How the host wants answers: `ATV`, `ATQ`, `+CMEE`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) verbose: bool,
    pub(super) quiet: bool,
    pub(super) cmee: u8,
    /// Whether somebody watches the lines.
    pub(super) told: bool,
}

/// An answer under construction: one piece on the wire.
#[derive(Debug)]
pub(super) struct Lines {
    style: Style,
    wire: String,
    told: Vec<String>,
}

impl Lines {
    pub(super) fn new(style: Style) -> Self {
        Self { style, wire: String::new(), told: Vec::new() }
    }

    /// The host has changed its mind within the line: `ATV0` and `+CMEE=1` hold for their own result.
    pub(super) fn restyle(&mut self, style: Style) {
        self.style = style;
    }

    /// A line of information.
    pub(super) fn line(&mut self, text: &str) {
        self.put(text);
        self.tell(|| text.to_owned());
    }

    /// A PDU or the text of a message.
    pub(super) fn body(&mut self, text: &str) {
        // The second line of a pair follows at once: its CR LF ended the header line.
        self.wire.push_str(text);
        self.wire.push_str("\r\n");
        self.tell(|| format!("({} characters)", text.chars().count()));
    }

    /// The final result.
    pub(super) fn end(&mut self, result: Final) {
        let text = match result {
            Final::Nothing => return,
            Final::Ok | Final::Reboot => "OK".to_owned(),
            Final::Cme(code) if self.style.cmee > 0 => format!("+CME ERROR: {}", self.cause(code, CME_WORDS)),
            Final::NotSupport => "COMMAND NOT SUPPORT".to_owned(),
            Final::Error | Final::Cme(_) => "ERROR".to_owned(),
            Final::Cms(code) => format!("+CMS ERROR: {}", self.cause(code, CMS_WORDS)),
        };
        self.tell(|| text.clone());
        if self.style.quiet {
            return;
        }
        match (self.style.verbose, text.as_str()) {
            (false, "OK") => self.wire.push_str("0\r"),
            (false, "ERROR") => self.wire.push_str("4\r"),
            _ => self.put(&text),
        }
    }

    pub(super) fn into_parts(self) -> (String, Vec<String>) {
        (self.wire, self.told)
    }

    fn put(&mut self, text: &str) {
        if self.style.verbose {
            self.wire.push_str("\r\n");
        }
        self.wire.push_str(text);
        self.wire.push_str("\r\n");
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.style.told {
            self.told.push(line());
        }
    }

    /// The number, or the words that `+CMEE=2` asks for.
    fn cause(&self, code: u16, words: &[(u16, &str)]) -> String {
        let found = words.iter().find(|(known, _)| self.style.cmee == 2 && *known == code);
        found.map_or_else(|| code.to_string(), |(_, words)| (*words).to_owned())
    }
}

/// Words of the causes that the simulator gives of its own accord; TS 27.007 9.2.
const CME_WORDS: &[(u16, &str)] = &[
    (3, "operation not allowed"),
    (4, "operation not supported"),
    (10, "SIM not inserted"),
    (11, "SIM PIN required"),
    (12, "SIM PUK required"),
    (13, "SIM failure"),
    (14, "SIM busy"),
    (16, "incorrect password"),
    (30, "no network service"),
    (50, "incorrect parameters"),
];

/// The same of TS 27.005 3.2.5.
const CMS_WORDS: &[(u16, &str)] = &[
    (38, "network out of order"),
    (302, "operation not allowed"),
    (303, "operation not supported"),
    (304, "invalid PDU mode parameter"),
    (305, "invalid text mode parameter"),
    (310, "SIM not inserted"),
    (311, "SIM PIN required"),
    (313, "SIM failure"),
    (314, "SIM busy"),
    (316, "SIM PUK required"),
    (321, "invalid memory index"),
    (331, "no network service"),
    (340, "no +CNMA acknowledgement expected"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(style: Style, result: Final) -> String {
        let mut lines = Lines::new(style);
        lines.end(result);
        lines.into_parts().0
    }

    #[test]
    fn styles_change_the_look() {
        let style = Style { verbose: true, quiet: false, cmee: 0, told: false };
        assert_eq!(wire(style, Final::Ok), "\r\nOK\r\n");
        assert_eq!(wire(style, Final::Cme(4)), "\r\nERROR\r\n");
        assert_eq!(wire(style, Final::Cms(38)), "\r\n+CMS ERROR: 38\r\n");
        let wordy = Style { cmee: 2, ..style };
        assert_eq!(wire(wordy, Final::Cme(4)), "\r\n+CME ERROR: operation not supported\r\n");
        assert_eq!(wire(wordy, Final::Cms(41)), "\r\n+CMS ERROR: 41\r\n");
        assert_eq!(wire(Style { verbose: false, ..style }, Final::Ok), "0\r");
        assert_eq!(wire(Style { quiet: true, ..style }, Final::Error), "");
    }

    #[test]
    fn a_watcher_is_told_no_body() {
        let mut lines = Lines::new(Style { verbose: true, quiet: false, cmee: 1, told: true });
        lines.line("+CMT: ,23");
        lines.body("07911234");
        let (wire, told) = lines.into_parts();
        assert_eq!(wire, "\r\n+CMT: ,23\r\n07911234\r\n");
        assert_eq!(told, ["+CMT: ,23", "(8 characters)"]);
    }
}
