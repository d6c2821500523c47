//! A submitted login that goes once more over another channel, because no report came.

use super::*;

fn round(id: MessageId) -> SecondRound {
    SecondRound { id, first: channel(1), lease: Duration::from_secs(60), at: clock::wall() }
}

async fn submitted(store: &impl Operations, message: NewMessage) -> Leased {
    let l = one(store, message).await;
    submit(store, &l, 1, 7, Next::Rest(State::Submitted)).await;
    l
}

async fn begin_over(store: &impl Operations, l: &Leased, over: ChannelId) -> Begun {
    let begun = Begin { id: l.id, epoch: l.epoch, seq: 1, channel: over, whom: None, at: clock::wall() };
    store.turn(Turn { ended: vec![], begun: vec![begun] }).await.unwrap()[0]
}

pub(super) async fn a_login_without_a_report_goes_once_more(store: impl Operations) {
    let first = submitted(&store, message(Lane::Login, 1)).await;
    let l = store.second_round(round(first.id)).await.unwrap().expect("it may");
    assert_eq!((l.id, &l.open, &l.bound), (first.id, &vec![1], &None));
    assert_eq!((l.body.clone(), l.concat_ref), (first.body, first.concat_ref), "the same text");
    assert_eq!(l.first_round, Some(channel(1)));
    assert!(l.epoch > first.epoch);
    assert!(store.second_round(round(l.id)).await.unwrap().is_none(), "it is on its way");
    assert_eq!(begin_over(&store, &l, channel(2)).await, Begun::Durable);
    end(&store, ended(&l, 1, AttemptState::Submitted, Some(7), Next::Rest(State::Submitted))).await;
    assert_eq!(state(&store, l.id).await, State::Submitted);
    assert!(store.second_round(round(l.id)).await.unwrap().is_none(), "two rounds are all");
    let other = Report { channel: channel(2), ..report(7, Verdict::Delivered) };
    assert_eq!(store.report(other).await.unwrap(), Some(l.id));
    assert_eq!(state(&store, l.id).await, State::Delivered, "the first report wins");
    store.report(Report { status: 0x41, ..report(7, Verdict::Failed) }).await.unwrap();
    let record = store.message(l.id).await.unwrap().unwrap();
    assert_eq!(record.state, State::Delivered);
    let said: Vec<_> = record.attempts.iter().map(|a| (a.channel.clone(), a.report)).collect();
    assert_eq!(said, [(channel(1), Some(0x41)), (channel(2), Some(0))], "both keep their reports");
    counts_agree(&store).await;
}

pub(super) async fn there_is_no_second_round_without_a_reason(store: impl Operations) {
    let waiting = one(&store, message(Lane::Login, 1)).await;
    assert!(store.second_round(round(waiting.id)).await.unwrap().is_none(), "it has not left");
    submit(&store, &waiting, 1, 1, Next::Rest(State::Submitted)).await;
    let late = SecondRound { at: waiting.deadline, ..round(waiting.id) };
    assert!(store.second_round(late).await.unwrap().is_none(), "nobody waits for it any more");
    store.report(report(1, Verdict::Delivered)).await.unwrap();
    assert!(store.second_round(round(waiting.id)).await.unwrap().is_none(), "it has arrived");
    for lane in [Lane::Alert, Lane::Bulk] {
        let l = submitted(&store, message(lane, 2 + lane as u8)).await;
        assert!(store.second_round(round(l.id)).await.unwrap().is_none(), "{lane} is no login");
    }
    store.add_token(token("PISM1")).await.unwrap();
    let opened = trigger("PISM1", "t1", 1, 9);
    store.trigger(vec![opened]).await.unwrap();
    let l = leased(&store, want(1)).await.remove(0);
    submit(&store, &l, 1, 9, Next::Rest(State::Submitted)).await;
    assert!(store.answer("t1".to_owned(), "PISM1".to_owned(), clock::wall()).await.unwrap());
    assert!(store.second_round(round(l.id)).await.unwrap().is_none(), "its challenge is answered");
    assert_eq!(state(&store, l.id).await, State::Submitted);
}

pub(super) async fn a_report_ends_the_second_round(store: impl Operations) {
    let first = submitted(&store, message(Lane::Login, 1)).await;
    let l = store.second_round(round(first.id)).await.unwrap().unwrap();
    store.report(report(7, Verdict::Delivered)).await.unwrap();
    assert_eq!(begin_over(&store, &l, channel(2)).await, Begun::Refused, "before it left");
    assert_eq!(state(&store, l.id).await, State::Delivered);

    let first = one(&store, message(Lane::Login, 2)).await;
    submit(&store, &first, 1, 8, Next::Rest(State::Submitted)).await;
    let l = store.second_round(round(first.id)).await.unwrap().unwrap();
    assert_eq!(begin_over(&store, &l, channel(2)).await, Begun::Durable);
    store.report(report(8, Verdict::Delivered)).await.unwrap();
    end(&store, ended(&l, 1, AttemptState::Refused, None, Next::Rest(State::Submitted))).await;
    assert_eq!(state(&store, l.id).await, State::Delivered, "while it was in the air");
    counts_agree(&store).await;
}

pub(super) async fn what_was_submitted_stays_so_whatever_the_second_round_comes_to(store: impl Operations) {
    let again = |n| {
        let store = &store;
        async move {
            let first = submitted(store, message(Lane::Login, n)).await;
            store.second_round(round(first.id)).await.unwrap().unwrap()
        }
    };
    let given_back = again(1).await;
    store.release(vec![(given_back.id, given_back.epoch)], None).await.unwrap();
    assert_eq!(state(&store, given_back.id).await, State::Submitted);
    let withdrawn = again(2).await;
    assert!(matches!(
        store.withdraw(withdrawn.id, None, clock::wall()).await.unwrap(),
        Withdrawn::TooLate(_)
    ));
    assert_eq!(state(&store, withdrawn.id).await, State::Submitted);
    assert_eq!(
        begin_over(&store, &withdrawn, channel(2)).await,
        Begun::Refused,
        "its second copy does not leave"
    );
    let (held, flying) = (again(3).await, again(4).await);
    assert_eq!(begin_over(&store, &flying, channel(2)).await, Begun::Durable);
    store.recover(clock::wall()).await.unwrap();
    for l in [&held, &flying] {
        assert_eq!(state(&store, l.id).await, State::Submitted);
    }
    store.sweep(held.deadline, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(state(&store, held.id).await, State::Submitted, "and does not expire");
    nothing_due(&store, want(1)).await;
    counts_agree(&store).await;
}
