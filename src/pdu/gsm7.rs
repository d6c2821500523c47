//! The GSM 7 bit default alphabet with its extension table (TS 23.038 6.2.1), and septets packed into octets (6.1.2.1).
//!
//! A *septet string* here is one septet an octet; packing is a separate step, because the user data header shifts the
//! packed form by fill bits and because two septets of an escape pair must be counted before they are packed.

/// ESC: the next septet is looked up in the extension table; TS 23.038 6.2.1.
pub const ESCAPE: u8 = 0x1b;
/// Fills seven spare bits at the end of a USSD string, where 0 would read as `@`; TS 23.038 6.1.2.3.1.
const CR: u8 = 0x0d;

/// The default alphabet by code; position 1B is the escape, which shows as a space when it stands alone.
#[rustfmt::skip]
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ' ', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table; TS 23.038 6.2.1.1.
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// One character as septets: one, or two with the escape in front; they must never be separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded {
    /// A code of the default alphabet.
    Basic(u8),
    /// A code of the extension table, to be written behind an escape.
    Extended(u8),
}

impl Coded {
    /// Septets it costs.
    #[must_use]
    pub fn cost(self) -> usize {
        match self {
            Self::Basic(_) => 1,
            Self::Extended(_) => 2,
        }
    }

    /// Appends it to a septet string.
    pub fn push_to(self, septets: &mut Vec<u8>) {
        match self {
            Self::Basic(code) => septets.push(code),
            Self::Extended(code) => septets.extend([ESCAPE, code]),
        }
    }
}

/// How `c` is written, if the alphabet has it.
#[must_use]
pub fn encode_char(c: char) -> Option<Coded> {
    let basic = (0..).zip(BASIC).find(|&(code, basic)| basic == c && code != ESCAPE);
    basic.map(|(code, _)| Coded::Basic(code)).or_else(|| {
        EXTENSION.iter().find(|&&(_, extended)| extended == c).map(|&(code, _)| Coded::Extended(code))
    })
}

/// The text as a septet string; `None` if a character is not in the alphabet.
#[must_use]
pub fn encode(text: &str) -> Option<Vec<u8>> {
    let mut septets = Vec::with_capacity(text.len());
    for c in text.chars() {
        encode_char(c)?.push_to(&mut septets);
    }
    Some(septets)
}

/// The text of a septet string. An escape before a code without an extension shows the basic character, an escape before
/// an escape or at the end shows a space (TS 23.038 6.2.1.1).
#[must_use]
pub fn decode(septets: &[u8]) -> String {
    decode_with(septets, basic_char, extended_char)
}

/// As [`decode`], with the locking table `basic` and the single shift table `extended`.
pub(super) fn decode_with(
    septets: &[u8],
    basic: impl Fn(u8) -> char,
    extended: impl Fn(u8) -> Option<char>,
) -> String {
    let mut text = String::with_capacity(septets.len());
    let mut codes = septets.iter().copied();
    while let Some(code) = codes.next() {
        if code != ESCAPE {
            text.push(basic(code));
            continue;
        }
        text.push(match codes.next() {
            None | Some(ESCAPE) => ' ',
            Some(code) => extended(code).unwrap_or_else(|| basic(code)),
        });
    }
    text
}

pub(super) fn basic_char(code: u8) -> char {
    BASIC.get(usize::from(code & 0x7f)).copied().unwrap_or(' ')
}

pub(super) fn extended_char(code: u8) -> Option<char> {
    EXTENSION.iter().find(|&&(extended, _)| extended == code).map(|&(_, c)| c)
}

/// Packs septets into octets behind `fill` zero bits (0..=6); TS 23.038 6.1.2.1.1. Spare bits at the end are zero.
#[must_use]
pub fn pack(septets: &[u8], fill: u8) -> Vec<u8> {
    let mut octets = Vec::with_capacity(packed_len(septets.len()) + 1);
    let (mut bits, mut pending) = (u32::from(fill), 0_u32);
    for &septet in septets {
        pending |= u32::from(septet & 0x7f) << bits;
        bits += 7;
        while bits >= 8 {
            octets.push(low_octet(pending));
            pending >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        octets.push(low_octet(pending));
    }
    octets
}

/// Packs for USSD: seven spare bits hold a carriage return, and a full last octet that ends in one gets another;
/// TS 23.038 6.1.2.3.1.
#[must_use]
pub fn pack_ussd(septets: &[u8]) -> Vec<u8> {
    let ambiguous = septets.len() % 8 == 0 && septets.last() == Some(&CR);
    if septets.len() % 8 == 7 || ambiguous {
        let mut padded = septets.to_vec();
        padded.push(CR);
        pack(&padded, 0)
    } else {
        pack(septets, 0)
    }
}

/// Unpacks at most `count` septets that begin behind `fill` bits; fewer if the octets end before.
#[must_use]
pub fn unpack(octets: &[u8], fill: u8, count: usize) -> Vec<u8> {
    let mut septets = Vec::with_capacity(count.min(octets.len().saturating_mul(8) / 7));
    let (mut bits, mut pending, mut skip) = (0_u32, 0_u32, u32::from(fill));
    for &octet in octets {
        pending |= u32::from(octet) << bits;
        bits += 8;
        let skipped = skip.min(bits);
        pending >>= skipped;
        bits -= skipped;
        skip -= skipped;
        while bits >= 7 && septets.len() < count {
            septets.push(low_octet(pending) & 0x7f);
            pending >>= 7;
            bits -= 7;
        }
        if septets.len() >= count {
            break;
        }
    }
    septets
}

/// Octets that `septets` septets need when packed without fill.
#[must_use]
pub fn packed_len(septets: usize) -> usize {
    septets.saturating_mul(7).div_ceil(8)
}

fn low_octet(bits: u32) -> u8 {
    let [low, ..] = bits.to_le_bytes();
    low
}
