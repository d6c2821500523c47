//! Texts of several segments: one reference, one SIM, what goes again, and when all of it is delivered.

use super::*;

pub(super) async fn one_turn_ends_a_segment_and_begins_the_next(store: impl Operations) {
    let l = one(&store, NewMessage { segments: 2, ..message(Lane::Bulk, 1) }).await;
    assert_eq!(l.open, [1, 2]);
    assert_eq!(begin(&store, &l, 1).await, Begun::Durable);
    let begun =
        Begin { id: l.id, epoch: l.epoch, seq: 2, channel: channel(1), whom: None, at: clock::wall() };
    let first = ended(&l, 1, AttemptState::Submitted, Some(7), Next::Continue);
    let turn = Turn { ended: vec![first], begun: vec![begun] };
    assert_eq!(store.turn(turn).await.unwrap(), [Begun::Durable]);
    // The second is refused: it comes back with only that one open, bound to the same SIM.
    end(&store, ended(&l, 2, AttemptState::Refused, None, Next::Retry(clock::wall()))).await;
    nothing_due(&store, Want { channels: vec![channel(2)], ..want(1) }).await;
    let again = leased(&store, want(1)).await.remove(0);
    assert_eq!((again.open, again.bound, again.concat_ref), (vec![2], Some(channel(1)), l.concat_ref));
}

pub(super) async fn a_message_is_delivered_when_all_its_segments_are(store: impl Operations) {
    let l = one(&store, NewMessage { segments: 2, ..message(Lane::Bulk, 1) }).await;
    submit(&store, &l, 1, 255, Next::Continue).await;
    // The first report overtakes the second segment.
    assert_eq!(store.report(report(255, Verdict::Delivered)).await.unwrap(), Some(l.id));
    assert_eq!(state(&store, l.id).await, State::Leased);
    submit(&store, &l, 2, 0, Next::Rest(State::Submitted)).await;
    assert_eq!(state(&store, l.id).await, State::Submitted);
    assert_eq!(store.report(report(0, Verdict::Trying)).await.unwrap(), Some(l.id));
    assert_eq!(state(&store, l.id).await, State::Submitted);
    assert_eq!(store.report(report(0, Verdict::Delivered)).await.unwrap(), Some(l.id));
    assert_eq!(state(&store, l.id).await, State::Delivered);
    store.report(report(0, Verdict::Failed)).await.unwrap();
    assert_eq!(state(&store, l.id).await, State::Delivered, "a final report is final");
    assert_eq!(store.report(report(9, Verdict::Delivered)).await.unwrap(), None);
    let stranger = Report { recipient: "+491709999999".to_owned(), ..report(0, Verdict::Failed) };
    assert_eq!(store.report(stranger).await.unwrap(), None);
    let attempts = store.message(l.id).await.unwrap().unwrap().attempts;
    assert!(attempts.len() == 2 && attempts.iter().all(|a| a.report == Some(0)));
    counts_agree(&store).await;
}

pub(super) async fn a_message_keeps_its_reference_and_its_sim(store: impl Operations) {
    let l = one(&store, NewMessage { segments: 3, ..message(Lane::Alert, 1) }).await;
    submit(&store, &l, 1, 1, Next::Continue).await;
    let mut open = vec![2, 3];
    for seq in [2, 3] {
        let before = if seq == 2 { l.clone() } else { leased(&store, want(1)).await.remove(0) };
        assert_eq!(begin(&store, &before, seq).await, Begun::Durable);
        end(&store, ended(&before, seq, AttemptState::Refused, None, Next::Retry(clock::wall()))).await;
        nothing_due(&store, Want { channels: vec![channel(2), channel(3)], ..want(1) }).await;
        let again = leased(&store, want(1)).await.remove(0);
        assert_eq!(again.bound, Some(channel(1)), "though it refused");
        assert_eq!((again.concat_ref, &again.open), (l.concat_ref, &open));
        submit(
            &store,
            &again,
            seq,
            seq,
            if seq == 2 { Next::Retry(clock::wall()) } else { Next::Rest(State::Submitted) },
        )
        .await;
        open.retain(|other| *other != seq);
    }
    assert_eq!(state(&store, l.id).await, State::Submitted);
    for (reference, after) in [(2, State::Submitted), (1, State::Submitted), (3, State::Delivered)] {
        store.report(report(reference, Verdict::Delivered)).await.unwrap();
        assert_eq!(state(&store, l.id).await, after);
    }
}

pub(super) async fn no_segment_in_doubt_goes_again_on_bulk(store: impl Operations) {
    let l = one(&store, NewMessage { segments: 3, ..message(Lane::Bulk, 1) }).await;
    begin(&store, &l, 1).await;
    end(&store, ended(&l, 1, AttemptState::Uncertain, None, Next::Continue)).await;
    begin(&store, &l, 2).await;
    end(&store, ended(&l, 2, AttemptState::Refused, None, Next::Retry(clock::wall()))).await;
    let again = leased(&store, want(1)).await.remove(0);
    assert_eq!((&again.open, again.bound.clone(), again.uncertain), (&vec![2, 3], Some(channel(1)), 1));
    submit(&store, &again, 2, 2, Next::Continue).await;
    submit(&store, &again, 3, 3, Next::Rest(State::Uncertain)).await;
    for reference in [2, 3] {
        store.report(report(reference, Verdict::Delivered)).await.unwrap();
        assert_eq!(state(&store, l.id).await, State::Uncertain, "one segment is still in doubt");
    }
    // Its report settles it and is the last.
    store.report(report(1, Verdict::Delivered)).await.unwrap();
    assert_eq!(state(&store, l.id).await, State::Delivered);
}

/// Whatever state the rules give it, a message is not delivered while a segment is in doubt.
pub(super) async fn a_segment_in_doubt_is_not_delivered_by_the_others(store: impl Operations) {
    let l = one(&store, NewMessage { segments: 2, ..message(Lane::Login, 1) }).await;
    begin(&store, &l, 1).await;
    end(&store, ended(&l, 1, AttemptState::Uncertain, None, Next::Continue)).await;
    submit(&store, &l, 2, 2, Next::Rest(State::Submitted)).await;
    store.report(report(2, Verdict::Delivered)).await.unwrap();
    assert_eq!(state(&store, l.id).await, State::Submitted);
}

pub(super) async fn a_failed_segment_fails_the_message(store: impl Operations) {
    let l = one(&store, NewMessage { segments: 2, ..message(Lane::Bulk, 1) }).await;
    submit(&store, &l, 1, 1, Next::Continue).await;
    store.report(report(1, Verdict::Failed)).await.unwrap();
    submit(&store, &l, 2, 2, Next::Rest(State::Submitted)).await;
    assert_eq!(state(&store, l.id).await, State::Failed);
}
