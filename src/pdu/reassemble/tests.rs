//! The rules held against every order, duplicate and cut, and against senders that do it wrong.

use proptest::prelude::*;

use super::*;

const NOW: UnixMs = UnixMs(1_750_000_000_000);

fn part<C>(reference: u16, total: u8, seq: u8, content: C) -> Part<C> {
    let concat = Concat { reference, wide: false, total, seq };
    Part { from: "+491701234567".to_owned(), concat, sent: Some(NOW), received: NOW, content }
}

fn septets(units: &[u8]) -> Content {
    Content::Septets(Tables::default(), Secret::new(units.to_vec()))
}

fn ucs2(octets: &[u8]) -> Content {
    Content::Ucs2(Secret::new(octets.to_vec()))
}

fn read<'a>(total: u8, parts: impl IntoIterator<Item = (u8, &'a Content)>) -> String {
    text(total, parts).expose_str().unwrap().to_owned()
}

fn read_set(set: &Set<Content>) -> String {
    read(set.total(), set.parts().iter().map(|part| (part.concat.seq, &part.content)))
}

/// Offers parts of which none completes or pushes out anything.
fn offer_all<C: PartialEq + std::fmt::Debug>(
    all: &mut Reassembler<C>,
    parts: impl IntoIterator<Item = Part<C>>,
) {
    for part in parts {
        assert!(all.offer(part).1.is_empty());
    }
}

#[test]
fn a_reference_of_another_width_is_the_same() {
    let mut all = Reassembler::default();
    let wide = Concat { reference: 0x2a, wide: true, total: 2, seq: 2 };
    offer_all(&mut all, [part(0x2a, 2, 1, 'a')]);
    let (taken, given) = all.offer(Part { concat: wide, ..part(0, 0, 0, 'b') });
    assert_eq!((taken, given.len()), (Taken::Into(0), 1));
    assert!(given[0].is_whole() && all.waiting().is_empty());
}

#[test]
fn other_senders_references_and_totals_are_other_texts() {
    let mut all = Reassembler::default();
    let other = Part { from: "+491709999999".to_owned(), ..part(1, 2, 2, 'b') };
    offer_all(&mut all, [part(1, 2, 1, 'a'), other, part(2, 2, 2, 'c'), part(1, 3, 2, 'd')]);
    assert_eq!(all.waiting().len(), 4);
}

#[test]
fn a_reused_reference_begins_a_new_text() {
    let mut all = Reassembler::default();
    offer_all(&mut all, [part(1, 2, 1, "old 1"), part(1, 2, 1, "new 1")]);
    assert_eq!(all.offer(part(1, 2, 1, "old 1")), (Taken::Duplicate, vec![]), "of the older one, too");
    let (_, given) = all.offer(part(1, 2, 2, "new 2"));
    let whole: Vec<_> = given[0].parts().iter().map(|part| part.content).collect();
    assert_eq!(whole, ["new 1", "new 2"], "with nothing else to tell, the newest");
    assert_eq!(all.waiting()[0].parts()[0].content, "old 1");
}

#[test]
fn time_stamps_tell_texts_with_one_reference_apart() {
    let stamped = |seq, content, minutes: u64| {
        let sent = Some(NOW.plus(Duration::from_secs(60 * minutes)));
        Part { sent, ..part(1, 2, seq, content) }
    };
    let mut all = Reassembler::default();
    offer_all(&mut all, [stamped(1, "old 1", 0), stamped(1, "new 1", 60)]);
    let (_, given) = all.offer(stamped(2, "old 2", 1));
    assert_eq!((given[0].id(), given[0].is_whole()), (0, true));
    let day = 24 * 60;
    offer_all(&mut all, [stamped(2, "of the next day", 60 + day)]);
    assert_eq!(all.waiting().len(), 2);
}

#[test]
fn what_comes_a_day_later_is_another_text() {
    let mut all = Reassembler::default();
    offer_all(&mut all, [part(1, 2, 1, 'a'), Part { received: NOW.plus(WAIT), ..part(1, 2, 2, 'b') }]);
    assert_eq!(all.waiting().len(), 2);
}

#[test]
fn waiting_ends_with_time_in_either_direction() {
    let mut all = Reassembler::default();
    offer_all(&mut all, [part(1, 2, 1, 'a'), Part { received: NOW.plus(WAIT), ..part(2, 2, 1, 'b') }]);
    assert!(all.clone().expire(NOW.plus(WAIT).minus(Duration::from_millis(1))).is_empty());
    let given = all.expire(NOW.plus(WAIT));
    assert_eq!((given.len(), given[0].begun(), given[0].is_whole()), (1, NOW, false));
    assert_eq!(all.expire(NOW).len(), 1, "a clock set back must not keep it for ever");
}

#[test]
fn too_much_of_one_sender_gives_out_its_oldest() {
    let mut all = Reassembler::default();
    let other = Part { from: "oldest of all".to_owned(), ..part(0, 2, 1, 0) };
    offer_all(&mut all, [other]);
    offer_all(&mut all, (1..=255).map(|n| part(n, 2, 1, n)));
    let (taken, given) = all.offer(part(256, 2, 1, 256));
    assert_eq!((taken, given.len(), given[0].parts()[0].content), (Taken::Into(256), 1, 1));
    let longest = (1..=255).flat_map(|seq| all.offer(part(1000, 255, seq, 0)).1).last().unwrap();
    assert!(longest.is_whole(), "room is made for the longest text");
    assert_eq!(all.waiting()[0].parts()[0].from, "oldest of all", "at the cost of nobody else");
}

#[test]
fn too_much_in_all_gives_out_the_oldest() {
    let mut all = Reassembler::default();
    let of = |n: usize| Part { from: n.to_string(), ..part(1, 2, 1, n) };
    offer_all(&mut all, (0..PARTS_MAX).map(of));
    let (_, given) = all.offer(of(PARTS_MAX));
    assert_eq!((given.len(), given[0].parts()[0].content), (1, 0));
}

#[test]
fn escapes_are_joined_within_one_alphabet_only() {
    let turkish = Content::Septets(Tables { locking: 0, single: 1 }, Secret::new(vec![0x53]));
    let ends_in_escape = septets(&[0x61, 0x1b]);
    assert_eq!(read(2, [(1, &ends_in_escape), (2, &septets(&[0x65]))]), "a€");
    assert_eq!(read(2, [(1, &ends_in_escape), (2, &turkish)]), "a S");
    assert_eq!(read(3, [(1, &ends_in_escape), (3, &septets(&[0x65]))]), "a [part 2 of 3 missing]e");
    assert_eq!(read(2, [(1, &ends_in_escape), (2, &ucs2(&[0x04, 0x28]))]), "a Ш");
}

#[test]
fn an_octet_too_many_does_not_spoil_what_follows() {
    let smile = [0xd8, 0x3d, 0xde, 0x01];
    assert_eq!(read(2, [(1, &ucs2(&smile[..1])), (2, &ucs2(&smile[1..]))]), "😁", "a unit cut in half");
    assert_eq!(
        read(2, [(1, &ucs2(&[0xd8, 0x3d, 0xff])), (2, &ucs2(&smile[2..]))]),
        "😁",
        "one octet too many"
    );
    assert_eq!(read(2, [(1, &ucs2(&smile[..2])), (2, &ucs2(&[0, 0x41]))]), "\u{fffd}A");
}

#[test]
fn gaps_are_named_in_their_place() {
    let hello = septets(b"hello");
    assert_eq!(read(3, [(1, &hello), (3, &hello)]), "hello[part 2 of 3 missing]hello");
    assert_eq!(read(9, [(4, &hello)]), "[parts 1-3 of 9 missing]hello[parts 5-9 of 9 missing]");
    assert_eq!(read(255, []), "[parts 1-255 of 255 missing]");
}

#[test]
fn data_is_no_text() {
    let (dcs, data) = UserData::from_text("Щ");
    assert!(matches!(Content::of(&data, dcs), Some(Content::Ucs2(_))));
    assert_eq!(Content::of(&data, Dcs::OCTETS), None);
    assert_eq!(Content::of(&data, Dcs(0x28)), None, "compressed");
}

#[test]
fn no_content_is_printed() {
    let shown = format!("{:?}", part(1, 2, 1, septets(b"Your code is 314159")));
    assert!(!shown.contains("314159") && !shown.contains("51, 49"), "{shown}");
}

/// A text with its units, and where to cut them.
fn cut_text() -> impl Strategy<Value = (String, Vec<Content>)> {
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 1..8);
    let text = prop_oneof!["[a-z€^{}\\[~]{2,300}", "[a-z😁Ш𝄞]{2,150}"];
    (text, cuts).prop_map(|(text, cuts)| {
        let (_, data) = UserData::from_text(&text);
        let (Payload::Septets(units) | Payload::Octets(units)) = &data.payload;
        let units = units.expose();
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(units.len() - 1) + 1).collect();
        ends.push(units.len());
        ends.sort_unstable();
        ends.dedup();
        let starts = std::iter::once(0).chain(ends.clone());
        let pieces = starts.zip(&ends).map(|(start, end)| &units[start..*end]);
        let content = match data.payload {
            Payload::Septets(_) => septets,
            Payload::Octets(_) => ucs2,
        };
        (text, pieces.map(content).collect())
    })
}

/// Parts of few senders, references and contents, so that they meet.
fn any_part() -> impl Strategy<Value = Part<u8>> {
    let total = prop_oneof![1..=4_u8, Just(255)];
    let concat = (0..3_u16, any::<bool>(), total).prop_flat_map(|(reference, wide, total)| {
        (1..=total).prop_map(move |seq| Concat { reference, wide, total, seq })
    });
    let moment = || prop_oneof![(0..200_000_000_i64).prop_map(UnixMs), any::<i64>().prop_map(UnixMs)];
    ("[ab]", concat, prop::option::of(moment()), moment(), 0..3_u8)
        .prop_map(|(from, concat, sent, received, content)| Part { from, concat, sent, received, content })
}

proptest! {
    #[test]
    fn any_order_with_any_duplicates_gives_the_text(
        ((text, order), again) in (
            cut_text().prop_flat_map(|(text, parts)| {
                let numbered: Vec<_> = (1_u8..).zip(parts).collect();
                (Just(text), Just(numbered).prop_shuffle())
            }),
            prop::collection::vec(any::<prop::sample::Index>(), 8),
        ),
    ) {
        let total = u8::try_from(order.len()).unwrap();
        let mut all = Reassembler::default();
        for (at, (seq, content)) in order.iter().enumerate() {
            if let Some((seq, content)) = order[..at].get(again[at].index(at.max(1))) {
                prop_assert_eq!(all.offer(part(7, total, *seq, content.clone())), (Taken::Duplicate, vec![]));
            }
            // Between any two parts what waits may be put away and taken up again.
            let waiting = all.waiting().iter();
            let kept: Vec<_> =
                waiting.flat_map(|set| set.parts().iter().map(|part| (set.id(), part.clone()))).collect();
            all = Reassembler::resume(kept);
            let (_, given) = all.offer(part(7, total, *seq, content.clone()));
            prop_assert_eq!(given.len(), usize::from(at + 1 == order.len()));
            for set in given {
                prop_assert!(set.is_whole());
                prop_assert_eq!(read_set(&set), text.clone());
            }
        }
        prop_assert!(all.waiting().is_empty());
    }

    #[test]
    fn nothing_is_lost_and_bounds_hold(parts in prop::collection::vec(any_part(), 0..600)) {
        let mut all = Reassembler::default();
        let (mut kept, mut given) = (0, 0);
        for part in parts {
            let now = part.received;
            let (taken, out) = all.offer(part);
            kept += usize::from(taken != Taken::Duplicate);
            let expired = if now.0 % 16 == 0 { all.expire(now) } else { vec![] };
            for set in out.iter().chain(&expired) {
                given += set.parts().len();
                prop_assert!(set.parts().is_sorted_by(|a, b| a.concat.seq < b.concat.seq));
            }
            let waiting: usize = all.waiting().iter().map(|set| set.parts().len()).sum();
            prop_assert_eq!(kept, given + waiting);
            prop_assert!(waiting <= PARTS_MAX);
            prop_assert!(all.waiting().iter().all(|set| !set.is_whole()));
            for from in ["a", "b"] {
                let of = all.waiting().iter().flat_map(Set::parts).filter(|part| part.from == from);
                prop_assert!(of.count() <= SENDER_PARTS_MAX);
            }
        }
    }

    #[test]
    fn any_octets_read(
        parts in prop::collection::vec((any::<u8>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..9)), 0..9),
        total: u8,
    ) {
        let contents: Vec<_> =
            parts.iter().map(|(seq, wide, units)| (*seq, if *wide { ucs2(units) } else { septets(units) })).collect();
        let units: usize = parts.iter().map(|(_, _, units)| units.len()).sum();
        let text = text(total, contents.iter().map(|(seq, content)| (*seq, content)));
        prop_assert!(text.len() <= 3 * units + 40 * (parts.len() + 1));
    }
}
