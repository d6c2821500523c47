//! Septets in octets and back (TS 23.038 6.1.2.1): eight septets at a time as one 56 bit number, because every message goes
//! through here.

/// Fills seven spare bits at the end of a USSD string, where 0 would read as `@`; TS 23.038 6.1.2.3.1.
const CR: u8 = 0x0d;

/// Packs septets into octets behind `fill` zero bits (0..=6); TS 23.038 6.1.2.1.1. Spare bits at the end are zero.
#[must_use]
pub fn pack(septets: &[u8], fill: u8) -> Vec<u8> {
    let mut octets = Vec::with_capacity(packed_len(septets.len()) + 1);
    pack_into(&mut octets, septets, fill);
    octets
}

/// Packs like [`pack`], behind what `octets` holds already.
pub fn pack_into(octets: &mut Vec<u8>, septets: &[u8], fill: u8) {
    let fill = u32::from(fill.min(6));
    let (mut carry, mut bits) = (0_u64, fill);
    let (groups, rest) = septets.as_chunks::<8>();
    for group in groups {
        // At most 6 bits carried and 56 new ones.
        let all = carry | (squeeze(u64::from_le_bytes(*group)) << bits);
        let [a, b, c, d, e, f, g, _] = all.to_le_bytes();
        octets.extend_from_slice(&[a, b, c, d, e, f, g]);
        carry = all >> 56;
    }
    for &septet in rest {
        carry |= u64::from(septet & 0x7f) << bits;
        bits += 7;
    }
    // At most 6 bits carried and 7 septets: 55 bits.
    let used = usize::try_from(bits.div_ceil(8)).unwrap_or(0);
    octets.extend(carry.to_le_bytes().iter().take(used));
}

/// Packs for USSD: seven spare bits hold a carriage return, and a full last octet that ends in one gets another;
/// TS 23.038 6.1.2.3.1.
#[must_use]
pub fn pack_ussd(septets: &[u8]) -> Vec<u8> {
    let ambiguous = septets.len().is_multiple_of(8) && septets.last() == Some(&CR);
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
    let fill = usize::from(fill);
    let there = octets.len().saturating_mul(8).saturating_sub(fill) / 7;
    let count = count.min(there);
    let mut septets = Vec::with_capacity(count.next_multiple_of(8));
    let octets = octets.get(fill / 8..).unwrap_or_default();
    let shift = fill % 8;
    let mut groups = octets.chunks(7).peekable();
    while septets.len() < count {
        let Some(group) = groups.next() else { break };
        // The bits of the next octet that the shift brings in.
        let next = groups.peek().and_then(|next| next.first()).copied().unwrap_or(0);
        let all = (u64::from_le_bytes(eight(group, next))) >> shift;
        septets.extend_from_slice(&spread(all).to_le_bytes());
    }
    septets.truncate(count);
    septets
}

/// Seven octets or fewer, and the one behind them.
fn eight(group: &[u8], next: u8) -> [u8; 8] {
    match *group {
        [a, b, c, d, e, f, g] => [a, b, c, d, e, f, g, next],
        _ => {
            let mut octets = [0; 8];
            for (to, from) in octets.iter_mut().zip(group) {
                *to = *from;
            }
            octets
        }
    }
}

/// Octets that `septets` septets need when packed without fill.
#[must_use]
pub fn packed_len(septets: usize) -> usize {
    septets.saturating_mul(7).div_ceil(8)
}

/// Eight septets, one an octet, to 56 bits: pairs, then fours, then all.
const fn squeeze(octets: u64) -> u64 {
    let pairs = (octets & 0x007f_007f_007f_007f) | ((octets & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4)
}

/// 56 bits to eight septets, one an octet: what [`squeeze`] undoes.
const fn spread(bits: u64) -> u64 {
    let fours = (bits & 0x0fff_ffff) | ((bits & 0x00ff_ffff_f000_0000) << 4);
    let pairs = (fours & 0x0000_3fff_0000_3fff) | ((fours & 0x0fff_c000_0fff_c000) << 2);
    (pairs & 0x007f_007f_007f_007f) | ((pairs & 0x3f80_3f80_3f80_3f80) << 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn eight_septets_fill_seven_octets() {
        assert_eq!(pack(&[0x31; 8], 0).len(), 7);
        assert_eq!(pack(b"hellohello", 0), [0xe8, 0x32, 0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37]);
        assert_eq!(pack(b"12345678", 1), [0x62, 0xb2, 0x19, 0xad, 0x66, 0xbb, 0xe1, 0x00]);
    }

    #[test]
    fn ussd_pads_where_spare_bits_would_read_as_at() {
        assert_eq!(pack_ussd(b"*100#12"), [0xaa, 0x18, 0x0c, 0x36, 0x8a, 0xc9, 0x1a]);
        assert_eq!(pack_ussd(b"1234567\r").len(), 8, "a text that ends in CR gets one more");
        assert_eq!(pack_ussd(b"*100#"), pack(b"*100#", 0));
    }

    /// Bit by bit, as the tables of TS 23.038 6.1.2.1.1 draw it.
    fn pack_by_bits(septets: &[u8], fill: u8) -> Vec<u8> {
        let bits = septets.iter().flat_map(|septet| (0..7).map(move |bit| septet >> bit & 1));
        let bits: Vec<u8> = std::iter::repeat_n(0, usize::from(fill)).chain(bits).collect();
        bits.chunks(8).map(|octet| octet.iter().rev().fold(0, |all, bit| all << 1 | bit)).collect()
    }

    proptest! {
        #[test]
        fn packing_is_what_the_tables_draw(septets in prop::collection::vec(0..128_u8, 0..200), fill in 0..7_u8) {
            let packed = pack(&septets, fill);
            prop_assert_eq!(&packed, &pack_by_bits(&septets, fill));
            prop_assert_eq!(unpack(&packed, fill, septets.len()), septets);
        }

        #[test]
        fn any_octets_unpack(octets in prop::collection::vec(any::<u8>(), 0..50), fill: u8, count in 0..300_usize) {
            let septets = unpack(&octets, fill, count);
            let there = (octets.len() * 8).saturating_sub(fill.into()) / 7;
            prop_assert_eq!(septets.len(), count.min(there));
            prop_assert!(septets.iter().all(|&septet| septet < 128));
        }
    }
}
