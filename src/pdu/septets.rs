//! Septets packed into octets and back (TS 23.038 6.1.2.1), and the padding of USSD strings (6.1.2.3.1).
//!
//! Eight septets are seven octets, so both ways work on one 64 bit word: the bits that lie between the septets of a word are
//! squeezed out, or let in, by three shifts of ever larger groups.

/// Fills seven spare bits at the end of a USSD string, where 0 would read as `@`; TS 23.038 6.1.2.3.1.
const CR: u8 = 0x0d;
/// Septets of a word, and the octets that they take.
const GROUP: usize = 8;
const GROUP_OCTETS: usize = 7;

/// Packs septets into octets behind `fill` zero bits (0..=6); TS 23.038 6.1.2.1.1. Spare bits at the end are zero.
#[must_use]
pub fn pack(septets: &[u8], fill: u8) -> Vec<u8> {
    let mut octets = Vec::with_capacity(packed_len(septets.len()) + GROUP);
    pack_into(&mut octets, septets, fill);
    octets
}

/// As [`pack`], behind what `octets` holds. Up to seven octets more than are written should be reserved.
pub fn pack_into(octets: &mut Vec<u8>, septets: &[u8], fill: u8) {
    let shift = u32::from(fill % 8);
    let bits = septets.len().saturating_mul(7).saturating_add(usize::from(fill % 8));
    let end = octets.len().saturating_add(bits.div_ceil(8));
    let (groups, rest) = septets.as_chunks::<GROUP>();
    // The group behind the last whole one also carries out the bits that the fill has pushed beyond it.
    let groups = groups.iter().copied().chain(std::iter::once(padded(rest)));
    let begin = octets.len();
    octets.resize(begin + (septets.len() / GROUP + 1) * GROUP_OCTETS, 0);
    let mut carried = 0;
    for (to, group) in octets.get_mut(begin..).unwrap_or_default().as_chunks_mut().0.iter_mut().zip(groups) {
        let [packed @ .., over] = (carried | squeezed(group) << shift).to_le_bytes();
        *to = packed;
        carried = u64::from(over);
    }
    octets.truncate(end);
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
    let bits = octets.len().saturating_mul(8).saturating_sub(usize::from(fill));
    let count = count.min(bits / 7);
    let mut septets = Vec::with_capacity(count.next_multiple_of(GROUP));
    let mut rest = octets.get(usize::from(fill / 8)..).unwrap_or_default();
    while septets.len() < count {
        let window = rest.first_chunk().copied().unwrap_or_else(|| padded(rest));
        septets.extend_from_slice(&spread(u64::from_le_bytes(window) >> (fill % 8)));
        rest = rest.get(GROUP_OCTETS..).unwrap_or_default();
    }
    septets.truncate(count);
    septets
}

/// Octets that `septets` septets need when packed without fill.
#[must_use]
pub fn packed_len(septets: usize) -> usize {
    septets.saturating_mul(7).div_ceil(8)
}

/// Fewer than eight octets with zeros behind.
fn padded(octets: &[u8]) -> [u8; GROUP] {
    let mut group = [0; GROUP];
    group.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    group
}

/// Eight septets as 56 bits, the first one lowest.
fn squeezed(group: [u8; GROUP]) -> u64 {
    let septets = u64::from_le_bytes(group) & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = septets & 0x007f_007f_007f_007f | (septets & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4
}

/// The lowest 56 bits as eight septets.
fn spread(packed: u64) -> [u8; GROUP] {
    let fours = packed & 0x0fff_ffff | (packed & 0x00ff_ffff_f000_0000) << 4;
    let pairs = fours & 0x0000_3fff_0000_3fff | (fours & 0x0fff_c000_0fff_c000) << 2;
    let septets = pairs & 0x007f_007f_007f_007f | (pairs & 0x3f80_3f80_3f80_3f80) << 1;
    septets.to_le_bytes()
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
    fn packing_goes_on_behind_what_is_there() {
        let mut octets = vec![5, 0, 3, 7, 2, 1];
        pack_into(&mut octets, b"12345678", 1);
        assert_eq!(octets, [5, 0, 3, 7, 2, 1, 0x62, 0xb2, 0x19, 0xad, 0x66, 0xbb, 0xe1, 0x00]);
        pack_into(&mut octets, b"", 0);
        assert_eq!(octets.len(), 14);
    }

    #[test]
    fn ussd_pads_where_spare_bits_would_read_as_at() {
        assert_eq!(pack_ussd(b"*100#12"), [0xaa, 0x18, 0x0c, 0x36, 0x8a, 0xc9, 0x1a]);
        assert_eq!(pack_ussd(b"1234567\r").len(), 8, "a text that ends in CR gets one more");
        assert_eq!(pack_ussd(b"*100#"), pack(b"*100#", 0));
    }

    /// Bit by bit, as the clause draws it.
    fn packed_by_bits(septets: &[u8], fill: u8) -> Vec<u8> {
        let bits = septets.iter().flat_map(|septet| (0..7).map(move |bit| septet >> bit & 1));
        let bits: Vec<u8> = std::iter::repeat_n(0, usize::from(fill)).chain(bits).collect();
        bits.chunks(8).map(|octet| octet.iter().rev().fold(0, |value, bit| value << 1 | bit)).collect()
    }

    proptest! {
        #[test]
        fn packing_is_what_the_clause_draws(septets in prop::collection::vec(0..128_u8, 0..200), fill in 0..7_u8) {
            prop_assert_eq!(pack(&septets, fill), packed_by_bits(&septets, fill));
        }

        #[test]
        fn unpacking_undoes_packing(septets in prop::collection::vec(0..128_u8, 0..200), fill in 0..7_u8) {
            prop_assert_eq!(unpack(&pack(&septets, fill), fill, septets.len()), septets);
        }

        #[test]
        fn any_octets_unpack(octets in prop::collection::vec(any::<u8>(), 0..50), fill: u8, count in 0..300_usize) {
            let septets = unpack(&octets, fill, count);
            let there = (octets.len() * 8).saturating_sub(usize::from(fill)) / 7;
            prop_assert_eq!(septets.len(), there.min(count));
        }
    }
}
