//! UCS-2 as networks use it: UTF-16, big endian (TS 23.038 6.2.3 names UCS-2; handsets send surrogate pairs).

/// The text as big-endian octets.
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(units(text).saturating_mul(2));
    for c in text.chars() {
        match u16::try_from(u32::from(c)) {
            Ok(unit) => octets.extend_from_slice(&unit.to_be_bytes()),
            Err(_) => {
                octets.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
            }
        }
    }
    octets
}

/// UTF-16 units of `text`: one for each character, and one more beyond the basic plane. So many octets are summed at a time
/// as one octet can count.
fn units(text: &str) -> usize {
    let beyond = |octets: &[u8]| octets.iter().map(|&octet| u8::from(octet >= 0xf0)).sum::<u8>();
    let beyond = text.as_bytes().chunks(255).map(|octets| usize::from(beyond(octets)));
    text.chars().count().saturating_add(beyond.sum())
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
    fn the_buffer_is_of_the_very_size() {
        for text in ["", "aü中😁", &"😁".repeat(300)] {
            let octets = encode(text);
            assert_eq!((octets.len(), octets.capacity()), (2 * text.encode_utf16().count(), octets.len()));
        }
    }

    #[test]
    fn surrogates_pair_up_or_are_replaced() {
        assert_eq!(encode("ü😁"), [0x00, 0xfc, 0xd8, 0x3d, 0xde, 0x01]);
        assert_eq!(decode(&encode("ü😁")), "ü😁");
        assert_eq!(decode(&[0xd8, 0x3d, 0x00, 0x41]), "\u{fffd}A");
        assert_eq!(decode(&[0x00, 0x41, 0xd8]), "A");
    }
}
