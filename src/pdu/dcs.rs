//! TP-DCS, the data coding scheme (TS 23.038 4): which alphabet, which class, and whether it is a waiting indication.

/// The data coding scheme as it stands in the TPDU; the methods read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dcs(pub u8);

/// How the user data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM 7 bit default alphabet, or the national table that the header names.
    Gsm7,
    /// Octets without a meaning as text.
    Octets,
    /// UCS-2, in practice UTF-16.
    Ucs2,
    /// A reserved value; TS 23.038 4 says to assume the GSM 7 bit default alphabet.
    Reserved,
}

impl Alphabet {
    /// Whether TP-UDL counts septets.
    #[must_use]
    pub fn is_septets(self) -> bool {
        matches!(self, Self::Gsm7 | Self::Reserved)
    }
}

/// A message waiting indication in the coding scheme; TS 23.038 4, groups 1100 to 1110.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Whether the indication is set or cleared.
    pub active: bool,
    /// What waits.
    pub what: WaitingKind,
    /// Whether the text is to be kept (groups 1101, 1110) or may be dropped (1100).
    pub store: bool,
}

/// What waits at the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingKind {
    /// Voicemail.
    Voicemail,
    /// Fax.
    Fax,
    /// Electronic mail.
    Email,
    /// Something else.
    Other,
}

impl Dcs {
    /// GSM 7 bit, no class.
    pub const GSM7: Self = Self(0x00);
    /// 8 bit data, no class.
    pub const OCTETS: Self = Self(0x04);
    /// UCS-2, no class.
    pub const UCS2: Self = Self(0x08);

    /// The scheme to send text with: GSM 7 bit or UCS-2, as class 0 ("flash") if so wished.
    #[must_use]
    pub fn for_text(ucs2: bool, class0: bool) -> Self {
        let alphabet = if ucs2 { Self::UCS2.0 } else { Self::GSM7.0 };
        Self(if class0 { alphabet | 0x10 } else { alphabet })
    }

    /// The alphabet.
    #[must_use]
    pub fn alphabet(self) -> Alphabet {
        match self.0 >> 4 {
            0b0000..=0b0111 => match (self.0 >> 2) & 0b11 {
                0 => Alphabet::Gsm7,
                1 => Alphabet::Octets,
                2 => Alphabet::Ucs2,
                _ => Alphabet::Reserved,
            },
            0b1000..=0b1011 => Alphabet::Reserved,
            0b1100 | 0b1101 => Alphabet::Gsm7,
            0b1110 => Alphabet::Ucs2,
            _ if self.0 & 0b100 == 0 => Alphabet::Gsm7,
            _ => Alphabet::Octets,
        }
    }

    /// Message class 0 (flash), 1 (ME), 2 (SIM), 3 (TE), if there is one.
    #[must_use]
    pub fn class(self) -> Option<u8> {
        let has_class = match self.0 >> 4 {
            0b0000..=0b0111 => self.0 & 0x10 != 0,
            group => group == 0b1111,
        };
        has_class.then_some(self.0 & 0b11)
    }

    /// Whether the user data is compressed (TS 23.042): it is then carried, not read.
    #[must_use]
    pub fn compressed(self) -> bool {
        self.0 < 0x80 && self.0 & 0x20 != 0
    }

    /// Whether the message is marked for automatic deletion once read.
    #[must_use]
    pub fn automatic_deletion(self) -> bool {
        (0x40..0x80).contains(&self.0)
    }

    /// The waiting indication, if it is one.
    #[must_use]
    pub fn waiting(self) -> Option<Waiting> {
        let store = match self.0 >> 4 {
            0b1100 => false,
            0b1101 | 0b1110 => true,
            _ => return None,
        };
        let what = match self.0 & 0b11 {
            0 => WaitingKind::Voicemail,
            1 => WaitingKind::Fax,
            2 => WaitingKind::Email,
            _ => WaitingKind::Other,
        };
        Some(Waiting { active: self.0 & 0b1000 != 0, what, store })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_its_alphabet_and_class() {
        let expected = [
            (0x00, Alphabet::Gsm7, None),
            (0x03, Alphabet::Gsm7, None),
            (0x04, Alphabet::Octets, None),
            (0x08, Alphabet::Ucs2, None),
            (0x0c, Alphabet::Reserved, None),
            (0x11, Alphabet::Gsm7, Some(1)),
            (0x18, Alphabet::Ucs2, Some(0)),
            (0x5a, Alphabet::Ucs2, Some(2)),
            (0x80, Alphabet::Reserved, None),
            (0xbf, Alphabet::Reserved, None),
            (0xc8, Alphabet::Gsm7, None),
            (0xd0, Alphabet::Gsm7, None),
            (0xe3, Alphabet::Ucs2, None),
            (0xf0, Alphabet::Gsm7, Some(0)),
            (0xf5, Alphabet::Octets, Some(1)),
            (0xfb, Alphabet::Gsm7, Some(3)),
        ];
        for (dcs, alphabet, class) in expected {
            assert_eq!((Dcs(dcs).alphabet(), Dcs(dcs).class()), (alphabet, class), "{dcs:#04x}");
        }
    }

    #[test]
    fn compression_deletion_and_waiting_are_read() {
        assert!(Dcs(0x20).compressed() && !Dcs(0xf0).compressed() && !Dcs(0xa0).compressed());
        assert!(Dcs(0x40).automatic_deletion() && !Dcs(0x80).automatic_deletion());
        let waiting = Waiting { active: true, what: WaitingKind::Fax, store: true };
        assert_eq!(Dcs(0xd9).waiting(), Some(waiting));
        assert_eq!(Dcs(0xc8).waiting().map(|w| w.store), Some(false));
        assert_eq!(Dcs(0xf8).waiting(), None);
    }

    #[test]
    fn text_is_sent_plain_or_as_flash() {
        let sent = [(false, false), (false, true), (true, false), (true, true)]
            .map(|(ucs2, class0)| Dcs::for_text(ucs2, class0).0);
        assert_eq!(sent, [0x00, 0x10, 0x08, 0x18]);
    }
}
