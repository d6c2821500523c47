//! UCS-2 as networks use it: UTF-16, big endian (TS 23.038 6.2.3 names UCS-2; handsets send surrogate pairs).

/// The text as big-endian octets.
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    // One unit for each character, that is for each octet that begins one, and one more beyond the basic plane.
    let begun = text.bytes().filter(|octet| octet & 0xc0 != 0x80).count();
    let beyond = text.bytes().filter(|&octet| octet >= 0xf0).count();
    let mut octets = vec![0; begun.saturating_add(beyond).saturating_mul(2)];
    let (slots, _) = octets.as_chunks_mut();
    for (slot, unit) in slots.iter_mut().zip(text.encode_utf16()) {
        *slot = unit.to_be_bytes();
    }
    octets
}

/// The text of big-endian octets. A lone surrogate becomes U+FFFD; an odd octet at the end is no character and is dropped.
#[must_use]
pub fn decode(octets: &[u8]) -> String {
    let (pairs, _odd) = octets.as_chunks();
    let units = pairs.iter().map(|&pair| u16::from_be_bytes(pair));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogates_pair_up_or_are_replaced() {
        assert_eq!(encode("ü😁"), [0x00, 0xfc, 0xd8, 0x3d, 0xde, 0x01]);
        assert_eq!(decode(&encode("ü😁")), "ü😁");
        assert_eq!(decode(&[0xd8, 0x3d, 0x00, 0x41]), "\u{fffd}A");
        assert_eq!(decode(&[0x00, 0x41, 0xd8]), "A");
    }
}
