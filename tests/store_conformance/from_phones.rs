//! What every engine must do with what phones send.

use std::time::Duration;

use smsotpd::clock;
use smsotpd::number::Number;
use smsotpd::pdu::reassemble::{PARTS_MAX, SENDER_PARTS_MAX, WAIT};
use smsotpd::pdu::{self, Address, Concat, Deliver, Flaws, Header, Timestamp, UserData};
use smsotpd::provider::Segment;
use smsotpd::secret::Secret;
use smsotpd::store::*;
use smsotpd::units::UnixMs;

use super::channel;

pub(crate) const PHONE: &str = "+491709999999";

/// A message as a modem gives it, taken by the service centre at the beginning of a minute.
pub(crate) fn from_phone(text: &str, concat: Option<Concat>, minute: i64) -> Incoming {
    let (dcs, data) = UserData::from_text(text);
    let sent = UnixMs(1_750_000_020_000 + minute * 60_000);
    let header = concat.map(|concat| {
        let [high, low] = concat.reference.to_be_bytes();
        let place = [concat.total, concat.seq];
        let narrow = [&[0, 3, low][..], &place].concat();
        Header::parse(&if concat.wide { [&[8, 4, high, low][..], &place].concat() } else { narrow })
    });
    let deliver = Deliver {
        more: false,
        loop_prevention: false,
        status_report: false,
        reply_path: false,
        originator: Address::from(&Number::parse(PHONE, None).unwrap()),
        pid: pdu::Pid::PLAIN,
        dcs,
        timestamp: Timestamp::new(sent, 0).unwrap(),
        user_data: UserData { header, ..data },
        flaws: Flaws::default(),
    };
    let octets = pdu::with_default_smsc(&deliver.encode().unwrap());
    let hex: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    let segment = Segment {
        from: PHONE.to_owned(),
        sent: Some(sent),
        concat,
        body: Secret::from(text),
        content: Secret::from(text),
        pdu: Secret::from(hex),
    };
    Incoming { channel: channel(1), segment, at: clock::wall() }
}

pub(crate) fn part(reference: u16, total: u8, seq: u8, text: &str) -> Incoming {
    from_phone(text, Some(Concat { reference, wide: false, total, seq }), 0)
}

pub(crate) async fn inbox(store: &impl Operations) -> Vec<(String, u8)> {
    let records = store.inbox(None, 1000).await.unwrap();
    records.iter().map(|text| (text.body.expose_str().unwrap().to_owned(), text.missing)).collect()
}

pub(crate) fn whole(text: &str) -> (String, u8) {
    (text.to_owned(), 0)
}

pub(crate) async fn what_a_channel_shows_again_is_stored_once(store: impl Operations) {
    let hello = from_phone("hello", None, 0);
    store.incoming(hello.clone()).await.unwrap();
    let again = Incoming { at: hello.at.plus(SHOWN_AGAIN).minus(Duration::from_millis(1)), ..hello.clone() };
    store.incoming(again).await.unwrap();
    assert_eq!(inbox(&store).await, [whole("hello")]);
    let record = store.inbox(None, 1).await.unwrap().remove(0);
    let named = store.received(record.id.to_string().parse().unwrap()).await.unwrap().expect("it is there");
    assert_eq!((&named.id, &named.body), (&record.id, &Secret::from("hello")));
    assert!(store.received("00ff".parse().unwrap()).await.unwrap().is_none());
    assert!(
        "".parse::<InboxId>().is_err() && "0".parse::<InboxId>().is_err() && "x0".parse::<InboxId>().is_err()
    );
    assert_eq!((record.channel, record.from.as_str()), (channel(1), PHONE));
    assert_eq!((record.sent, record.received, record.parts), (hello.segment.sent, hello.at, 1));
    store.incoming(from_phone("hello", None, 1)).await.unwrap();
    store.incoming(from_phone("Hello", None, 0)).await.unwrap();
    store.incoming(Incoming { channel: channel(2), ..hello.clone() }).await.unwrap();
    store.incoming(Incoming { at: hello.at.plus(SHOWN_AGAIN), ..hello }).await.unwrap();
    let all: Vec<_> = store.inbox(None, 9).await.unwrap().into_iter().map(|text| text.id).collect();
    let mut paged = Vec::new();
    let mut before = None;
    loop {
        let page = store.inbox(before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id.clone());
        paged.extend(page.into_iter().map(|text| text.id));
    }
    assert_eq!(paged, all, "pages are the whole, without gap or repetition");
    assert_eq!(inbox(&store).await.len(), 5, "another time, text or SIM, or long after: another message");
}

pub(crate) async fn parts_make_one_text_in_any_order(store: impl Operations) {
    let wide = Concat { reference: 7, wide: true, total: 3, seq: 2 };
    let middle = from_phone("b€", Some(wide), 0);
    let parts = [part(7, 3, 3, "c"), part(7, 3, 1, "a"), middle];
    for (n, part) in parts.iter().enumerate() {
        assert_eq!(inbox(&store).await, [], "after {n} parts");
        store.incoming(part.clone()).await.unwrap();
        store.incoming(parts[0].clone()).await.unwrap();
    }
    assert_eq!(inbox(&store).await, [whole("ab€c")]);
    let record = store.inbox(None, 1).await.unwrap().remove(0);
    assert_eq!((record.parts, record.sent), (3, parts[0].segment.sent));
    for part in parts {
        store.incoming(part).await.unwrap();
    }
    store.sweep(clock::wall().plus(WAIT), Duration::MAX).await.unwrap();
    assert_eq!(
        inbox(&store).await,
        [whole("ab€c")],
        "shown again, its parts do not wait for each other anew"
    );
}

pub(crate) async fn senders_and_sims_are_kept_apart(store: impl Operations) {
    let mut other = part(7, 2, 2, "other");
    other.segment.from = "+491708888888".to_owned();
    let elsewhere = Incoming { channel: channel(2), ..part(7, 2, 2, "elsewhere") };
    for one in [part(7, 2, 1, "a"), other, elsewhere] {
        store.incoming(one).await.unwrap();
    }
    assert_eq!(inbox(&store).await, []);
    store.incoming(part(7, 2, 2, "b")).await.unwrap();
    assert_eq!(inbox(&store).await, [whole("ab")]);
}

pub(crate) async fn a_text_that_stays_incomplete_is_given_out_with_its_gaps(store: impl Operations) {
    let (late, lost) = (part(7, 2, 2, "late"), part(8, 3, 2, "b"));
    store.incoming(lost.clone()).await.unwrap();
    let early = Incoming { at: lost.at.plus(Duration::from_secs(1)), ..part(7, 2, 1, "not yet ") };
    store.incoming(early).await.unwrap();
    store.sweep(lost.at.plus(WAIT), Duration::MAX).await.unwrap();
    let gaps = "[part 1 of 3 missing]b[part 3 of 3 missing]".to_owned();
    assert_eq!(inbox(&store).await, [(gaps, 2)]);
    let at = lost.at.plus(WAIT).plus(Duration::from_millis(1));
    store.incoming(Incoming { at, ..late }).await.unwrap();
    assert_eq!(inbox(&store).await[0], whole("not yet late"));
}

pub(crate) async fn what_waits_is_bounded(store: impl Operations) {
    let most = u16::try_from(SENDER_PARTS_MAX).unwrap();
    for reference in 0..=most {
        store.incoming(part(reference, 2, 1, &format!("{reference} "))).await.unwrap();
    }
    assert_eq!(inbox(&store).await, [("0 [part 2 of 2 missing]".to_owned(), 1)]);
    for n in SENDER_PARTS_MAX..=PARTS_MAX {
        let mut one = part(1, 2, 1, &format!("{n}"));
        one.segment.from = format!("+4917{n:08}");
        store.incoming(one).await.unwrap();
    }
    let given = inbox(&store).await;
    assert!(given.contains(&("1 [part 2 of 2 missing]".to_owned(), 1)) && given.len() == 2, "{given:?}");
    store.sweep(clock::wall().plus(WAIT), Duration::MAX).await.unwrap();
    assert_eq!(inbox(&store).await.len(), 1000, "the listing has its own bound");
}

pub(crate) async fn received_texts_are_purged(store: impl Operations) {
    let hello = from_phone("hello", None, 0);
    store.incoming(hello.clone()).await.unwrap();
    store.sweep(hello.at.plus(Duration::from_secs(60)), Duration::from_secs(60)).await.unwrap();
    assert_eq!(inbox(&store).await, [whole("hello")]);
    store.sweep(hello.at.plus(Duration::from_secs(61)), Duration::from_secs(60)).await.unwrap();
    assert_eq!(inbox(&store).await, []);
    store.incoming(hello).await.unwrap();
    assert_eq!(inbox(&store).await, [], "it is still known");
}
