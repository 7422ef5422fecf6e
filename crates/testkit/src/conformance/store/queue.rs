//! Cases of the queue: claims, fences, budgets, due times.

use super::Subject;
use super::samples::{
    DAY, LEASE, MARGIN, claim, claim_one, enqueue, insert, instant, message, perform, release, release_id,
    request, stop_by, tenant, tracker, watch,
};
use chrono::TimeDelta;
use delivr_domain::effect::Effect;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::EffectId;
use delivr_domain::ports::clock::Monotonic;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::exchange::{Exchange, Exchanges, Said};
use delivr_domain::ports::store::{
    AttemptRecord, Claimed, EffectRow, Finished, Heard, PutBack, Rooms, RowEnd, RowState, Stop,
};
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

async fn row(subject: &dyn Subject, id: EffectId) -> EffectRow {
    let rows = subject.store().rows(release_id("app"), true).await.unwrap();
    rows.into_iter().find(|row| row.id == id).expect("the row")
}

/// Ends a claim's row in a unit of its own.
async fn finish(
    subject: &dyn Subject,
    claim: &delivr_domain::ports::store::Claim,
    end: RowEnd,
) -> Result<Finished, StoreError> {
    let mut unit = subject.store().begin().await?;
    let finished = unit.finish(claim, end).await?;
    unit.commit().await?;
    Ok(finished)
}

fn put_back(after: Duration, failures: u16, unknown: bool) -> PutBack {
    PutBack {
        after,
        failures,
        unknown,
        trouble: Some("vendor said no".to_owned()),
    }
}

/// Many claimers at once: every row goes to exactly one of them, with attempt 1.
pub async fn a_row_has_one_claimer(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let effects: Vec<_> = (0..40).map(|step| perform(release_id("app"), step)).collect();
    enqueue(subject, tenant, &effects).await;
    let mut seen = BTreeSet::new();
    loop {
        let claimers = (0..4).map(|_| claim(subject, 3));
        let claimed: Vec<_> = join_all(claimers).await.into_iter().flatten().collect();
        if claimed.is_empty() {
            break;
        }
        for it in claimed {
            let claim = it.claim.expect("a claim");
            assert_eq!((claim.effect(), claim.attempt()), (it.row.id, 1));
            assert_eq!(claim.send_before(), Monotonic(Duration::from_secs(25)));
            assert!(seen.insert(claim.effect()), "claimed twice");
        }
    }
    assert_eq!(seen.len(), 40);
}

/// A lease over by more than the margin is taken over, which costs a failure and leaves the outcome unknown.
pub async fn an_expired_lease_is_taken_over_and_the_straggler_fenced(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let effect = perform(release_id("app"), 0);
    enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
    let straggler = claim_one(subject).await;
    let lease_until = row(subject, effect.id()).await.lease_until.expect("a lease");
    subject.advance(LEASE);
    subject.advance(MARGIN / 2);
    assert!(claim(subject, 10).await.is_empty(), "the margin is not over");
    subject.advance(MARGIN);
    let successor = claim_one(subject).await;
    assert_eq!(successor.attempt(), 2);
    let now = row(subject, effect.id()).await;
    assert_eq!((now.failures, now.unknown_since), (1, Some(lease_until)));
    assert!(matches!(
        finish(subject, &straggler, RowEnd::Done).await,
        Err(StoreError::Fenced)
    ));
    let back = put_back(SECOND, 1, true);
    assert!(matches!(
        subject.store().put_back(&straggler, &back).await,
        Err(StoreError::Fenced)
    ));
    assert!(matches!(
        subject.store().renew(&straggler, LEASE).await,
        Err(StoreError::Fenced)
    ));
    assert_eq!(
        finish(subject, &successor, RowEnd::Done).await.unwrap(),
        Finished::Now
    );
    assert!(matches!(
        finish(subject, &straggler, RowEnd::Done).await,
        Err(StoreError::Fenced)
    ));
}

/// A repeated finish of a commit whose answer was lost succeeds, in every end.
pub async fn finish_is_idempotent_by_its_own_attempt(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    for (step, end) in [(0, RowEnd::Done), (1, RowEnd::Dead), (2, RowEnd::Parked)] {
        let effect = perform(release_id("app"), step);
        enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
        let claim = claim_one(subject).await;
        assert_eq!(finish(subject, &claim, end).await.unwrap(), Finished::Now);
        assert_eq!(finish(subject, &claim, end).await.unwrap(), Finished::Before);
        let now = row(subject, effect.id()).await;
        assert_eq!((now.state.word(), now.lease_until), (end.word(), None));
        assert!(matches!(
            subject.store().renew(&claim, LEASE).await,
            Err(StoreError::Fenced)
        ));
    }
}

/// A row put back is due later, with what its attempt cost.
pub async fn put_back_counts_failures_and_marks_the_unknown(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let effect = perform(release_id("app"), 0);
    enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
    let first = claim_one(subject).await;
    subject
        .store()
        .put_back(&first, &put_back(10 * SECOND, 1, true))
        .await
        .unwrap();
    let now = row(subject, effect.id()).await;
    let unknown = now.unknown_since.expect("the end of the send");
    assert_eq!(
        (now.state, now.failures, now.lease_until),
        (RowState::Ready, 1, None)
    );
    assert_eq!(now.trouble.as_deref(), Some("vendor said no"));
    assert!(claim(subject, 10).await.is_empty(), "not due yet");
    subject.advance(11 * SECOND);
    let second = claim_one(subject).await;
    assert_eq!(second.attempt(), 2);
    subject
        .store()
        .put_back(&second, &put_back(SECOND, 0, false))
        .await
        .unwrap();
    let now = row(subject, effect.id()).await;
    assert_eq!(
        (now.failures, now.unknown_since),
        (1, Some(unknown)),
        "a free wait keeps what is known"
    );
    assert!(matches!(
        subject
            .store()
            .put_back(&second, &put_back(SECOND, 1, false))
            .await,
        Err(StoreError::Fenced)
    ));
}

/// Never more claims than asked for.
pub async fn claims_keep_to_the_limit(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let effects: Vec<_> = (0..5).map(|step| perform(release_id("app"), step)).collect();
    enqueue(subject, tenant, &effects).await;
    assert!(claim(subject, 0).await.is_empty());
    assert_eq!(claim(subject, 2).await.len(), 2);
    assert_eq!(claim(subject, 10).await.len(), 3);
    assert!(claim(subject, 10).await.is_empty());
}

/// A tenant with many due rows does not keep another one waiting, whatever the limit.
pub async fn claims_are_fair_between_tenants(subject: &dyn Subject) {
    let (big, small) = (tenant(subject, "big").await, tenant(subject, "small").await);
    let many: Vec<_> = (0..20).map(|step| perform(release_id("app"), step)).collect();
    enqueue(subject, big, &many).await;
    subject.advance(SECOND);
    let few: Vec<_> = (0..3).map(|step| perform(release_id("tool"), step)).collect();
    enqueue(subject, small, &few).await;
    let first = claim(subject, 4).await;
    assert_eq!(first.iter().filter(|it| it.row.tenant == small).count(), 2);
    let (one, other) = (claim(subject, 1).await, claim(subject, 1).await);
    assert_ne!(one[0].row.tenant, other[0].row.tenant, "single claims take turns");
}

/// A stopped tenant, or installation, gets no claims until it is started again.
pub async fn a_stop_stops_claims(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    enqueue(
        subject,
        one,
        &[perform(release_id("app"), 0), watch(release_id("app"), 1, 60)],
    )
    .await;
    enqueue(subject, other, &[perform(release_id("tool"), 0)]).await;
    let store = subject.store();
    store.set_stop(None, Some(stop_by("maintenance"))).await.unwrap();
    assert!(claim(subject, 10).await.is_empty());
    assert_eq!(
        store.next_due().await.unwrap(),
        None,
        "what is stopped is not waited for"
    );
    store.set_stop(Some(one), Some(stop_by("asked"))).await.unwrap();
    store.set_stop(None, None).await.unwrap();
    let claimed = claim(subject, 10).await;
    assert!(claimed.len() == 1 && claimed[0].row.tenant == other);
    store.set_stop(Some(one), None).await.unwrap();
    assert_eq!(claim(subject, 10).await.len(), 2);
}

/// A switch that is on says why, by whom and since when, to those whom it stops alone.
pub async fn a_stop_says_why_by_whom_and_since_when(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let store = subject.store();
    assert_eq!(store.stops(one).await.unwrap(), []);
    let since = store.now().await.unwrap();
    store.set_stop(Some(one), Some(stop_by("asked"))).await.unwrap();
    subject.advance(SECOND * 90);
    store
        .set_stop(Some(one), Some(stop_by("asked again")))
        .await
        .unwrap();
    let mine = store.stops(one).await.unwrap();
    assert_eq!(mine.len(), 1, "{mine:?}");
    assert_eq!(
        (mine[0].tenant, mine[0].reason.as_str()),
        (Some(one), "asked again")
    );
    assert_eq!(mine[0].by.as_deref(), Some("ada@example.org"));
    let late = mine[0].at - since;
    assert!(
        late >= TimeDelta::zero() && late < TimeDelta::seconds(60),
        "{late}"
    );
    store.set_stop(None, Some(stop_by("maintenance"))).await.unwrap();
    let scopes = |stops: Vec<Stop>| stops.into_iter().map(|it| it.tenant).collect::<Vec<_>>();
    assert_eq!(scopes(store.stops(one).await.unwrap()), [None, Some(one)]);
    assert_eq!(scopes(store.stops(other).await.unwrap()), [None]);
    store.set_stop(None, None).await.unwrap();
    store.set_stop(Some(one), None).await.unwrap();
    assert_eq!(store.stops(one).await.unwrap(), []);
}

/// Of an integration no more is claimed than it has room for, and of one without room nothing; others are served.
pub async fn an_integration_gets_no_more_claims_than_it_has_room_for(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let mut effects: Vec<_> = (0..5).map(|step| perform(release_id("app"), step)).collect();
    effects.extend((0..3).map(|ordinal| message(release_id("app"), ordinal)));
    enqueue(subject, tenant, &effects).await;
    let through = |claimed: &[Claimed], integration| {
        let same = |it: &&Claimed| it.row.effect.integration() == Some(integration);
        claimed.iter().filter(same).count()
    };
    let mut narrowed = request(10);
    narrowed.rooms = Rooms {
        each: 1,
        of: BTreeMap::from([(tracker(), 2)]),
    };
    let claimed = subject.store().claim(&narrowed).await.unwrap();
    assert_eq!((through(&claimed, tracker()), claimed.len()), (2, 3));
    narrowed.rooms.of.insert(tracker(), 0);
    narrowed.rooms.each = 7;
    let claimed = subject.store().claim(&narrowed).await.unwrap();
    assert_eq!((through(&claimed, tracker()), claimed.len()), (0, 2));
    assert!(
        subject.store().claim(&narrowed).await.unwrap().is_empty(),
        "the rest waits for room"
    );
    assert_eq!(claim(subject, 10).await.len(), 3);
}

/// Rows of one integration that stand before all others keep them from no more than one claim.
pub async fn rows_without_room_do_not_stand_in_the_way(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let many: Vec<_> = (0..20).map(|step| perform(release_id("app"), step)).collect();
    enqueue(subject, tenant, &many).await;
    subject.advance(SECOND);
    enqueue(subject, tenant, &[message(release_id("app"), 0)]).await;
    let mut narrowed = request(4);
    narrowed.rooms.of.insert(tracker(), 3);
    let mut claimed = subject.store().claim(&narrowed).await.unwrap();
    narrowed.rooms.of.insert(tracker(), 0);
    narrowed.limit = 1;
    claimed.extend(subject.store().claim(&narrowed).await.unwrap());
    let words: BTreeSet<_> = claimed.iter().map(|it| it.row.effect.word()).collect();
    assert_eq!((claimed.len(), words.len()), (4, 2));
}

/// A watch stays READY, without claim and attempt, and comes again after its interval.
pub async fn a_watch_is_due_again_and_never_claimed(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let effect = watch(release_id("app"), 0, 60);
    enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
    for _round in 0..2 {
        let claimed = claim(subject, 10).await;
        assert_eq!(claimed.len(), 1);
        assert!(claimed[0].claim.is_none());
        assert_eq!(
            (claimed[0].row.state, claimed[0].row.attempt),
            (RowState::Ready, 0)
        );
        assert_eq!(claimed[0].row.due_at, claimed[0].now + Duration::from_secs(60));
        assert!(claim(subject, 10).await.is_empty());
        subject.advance(61 * SECOND);
    }
}

/// DONE, DEAD and PARKED rows are re-armed with a fresh budget; the fence and what is unknown stay.
pub async fn enqueue_re_arms_ended_rows_only(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let effect = perform(release_id("app"), 0);
    enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
    let claimed = claim_one(subject).await;
    subject
        .store()
        .put_back(&claimed, &put_back(10 * SECOND, 3, true))
        .await
        .unwrap();
    let before = row(subject, effect.id()).await;
    enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
    assert_eq!(
        row(subject, effect.id()).await,
        before,
        "a READY row is left alone"
    );
    subject.advance(11 * SECOND);
    let mut attempt = 1;
    for end in [RowEnd::Done, RowEnd::Dead, RowEnd::Parked] {
        let claimed = claim_one(subject).await;
        attempt += 1;
        assert_eq!(claimed.attempt(), attempt);
        let held = row(subject, effect.id()).await;
        enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
        assert_eq!(
            row(subject, effect.id()).await,
            held,
            "a CLAIMED row is left alone"
        );
        finish(subject, &claimed, end).await.unwrap();
        enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
        let now = row(subject, effect.id()).await;
        assert_eq!(
            (now.state, now.attempt, now.failures),
            (RowState::Ready, attempt, 0)
        );
        assert_eq!(now.unknown_since, before.unknown_since);
        assert!(
            matches!(finish(subject, &claimed, end).await, Err(StoreError::Fenced)),
            "a re-armed row is no longer the attempt's"
        );
    }
}

/// Removal ends READY and PARKED rows; a CLAIMED one reports late.
pub async fn end_leaves_a_claimed_row_alone(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let (ready, claimed) = (perform(release_id("app"), 0), perform(release_id("app"), 1));
    enqueue(subject, tenant, std::slice::from_ref(&claimed)).await;
    let claim = claim_one(subject).await;
    enqueue(subject, tenant, std::slice::from_ref(&ready)).await;
    let end = async |id: EffectId| {
        let mut unit = subject.store().begin().await.unwrap();
        unit.end(id).await.unwrap();
        unit.commit().await.unwrap();
    };
    end(ready.id()).await;
    end(claimed.id()).await;
    assert_eq!(row(subject, ready.id()).await.state, RowState::Dead);
    assert_eq!(row(subject, claimed.id()).await.state, RowState::Claimed);
    let live = subject.store().rows(release_id("app"), false).await.unwrap();
    assert_eq!(live.len(), 1, "ended rows are not live");
    finish(subject, &claim, RowEnd::Parked).await.unwrap();
    end(claimed.id()).await;
    assert_eq!(row(subject, claimed.id()).await.state, RowState::Dead);
}

/// A prompt makes a READY row due at once and touches nothing else.
pub async fn hasten_makes_a_ready_row_due(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let effect = watch(release_id("app"), 0, 600);
    enqueue(subject, tenant, std::slice::from_ref(&effect)).await;
    assert_eq!(claim(subject, 10).await.len(), 1);
    assert!(claim(subject, 10).await.is_empty());
    subject.store().hasten(effect.id()).await.unwrap();
    assert_eq!(claim(subject, 10).await.len(), 1);
    let other = perform(release_id("app"), 1);
    enqueue(subject, tenant, std::slice::from_ref(&other)).await;
    let claimed = claim_one(subject).await;
    let held = row(subject, other.id()).await;
    subject.store().hasten(other.id()).await.unwrap();
    assert_eq!(row(subject, other.id()).await, held);
    finish(subject, &claimed, RowEnd::Done).await.unwrap();
    subject.store().hasten(other.id()).await.unwrap();
    assert_eq!(row(subject, other.id()).await.state, RowState::Done);
}

/// What reads through an integration is listed: READY rows only, no writes, of this tenant and integration alone.
pub async fn watching_lists_what_an_integration_reads(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let watched = watch(release_id("app"), 0, 600);
    let write = perform(release_id("app"), 1);
    enqueue(subject, tenant, &[watched.clone(), write]).await;
    let integration = watched.integration().unwrap();
    let listed = subject.store().watching(tenant, integration).await.unwrap();
    assert_eq!(
        listed.iter().map(|row| row.id).collect::<Vec<_>>(),
        [watched.id()]
    );
    let other = IntegrationId::derived(&[b"another"]);
    assert!(subject.store().watching(tenant, other).await.unwrap().is_empty());
    let stranger = TenantId::derived(&[b"stranger"]);
    assert!(
        subject
            .store()
            .watching(stranger, integration)
            .await
            .unwrap()
            .is_empty()
    );
    let mut unit = subject.store().begin().await.unwrap();
    unit.end(watched.id()).await.unwrap();
    unit.commit().await.unwrap();
    assert!(
        subject
            .store()
            .watching(tenant, integration)
            .await
            .unwrap()
            .is_empty()
    );
}

/// A renewed lease is not taken over at its old end.
pub async fn renew_extends_the_lease(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    enqueue(subject, tenant, &[perform(release_id("app"), 0)]).await;
    let claimed = claim_one(subject).await;
    subject.advance(LEASE / 2);
    subject.store().renew(&claimed, LEASE).await.unwrap();
    subject.advance(LEASE / 2 + MARGIN + SECOND);
    assert!(claim(subject, 10).await.is_empty());
    assert_eq!(
        finish(subject, &claimed, RowEnd::Done).await.unwrap(),
        Finished::Now
    );
}

/// A stored value that cannot be read is told as such, and does not keep other rows from being claimed.
pub async fn an_unreadable_row_is_told_and_blocks_nobody(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let (bad, good) = (perform(release_id("app"), 0), perform(release_id("app"), 1));
    enqueue(subject, tenant, &[bad.clone(), good.clone()]).await;
    subject.corrupt_effect(bad.id()).await;
    let rows = subject.store().rows(release_id("app"), true).await;
    assert!(
        matches!(rows, Err(StoreError::Corrupt { what: "effect", .. })),
        "{rows:?}"
    );
    let claimed = claim(subject, 10).await;
    assert!(claimed.len() == 1 && claimed[0].row.id == good.id());
    assert!(claim(subject, 10).await.is_empty(), "the unreadable row rests");
}

/// The earliest of due rows, leases and agendas.
pub async fn due_times_are_told(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let store = subject.store();
    assert_eq!(store.next_due().await.unwrap(), None);
    let mut waiting = release(tenant, "app", 1);
    waiting.wake_at = Some(instant() + DAY * 10_000);
    insert(subject, &waiting).await;
    assert_eq!(store.next_due().await.unwrap(), waiting.wake_at);
    enqueue(subject, tenant, &[perform(release_id("app"), 0)]).await;
    let due = store.rows(release_id("app"), false).await.unwrap()[0].due_at;
    assert_eq!(store.next_due().await.unwrap(), Some(due));
    let claimed = claim(subject, 1).await;
    assert_eq!(store.next_due().await.unwrap(), claimed[0].row.lease_until);
    assert_eq!(claimed[0].row.lease_until, Some(claimed[0].now + LEASE));
}

/// What a unit enqueues it may claim too: with its commit, and not without; nobody else gets it.
pub async fn what_is_enqueued_may_be_claimed_with_it(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let store = subject.store();
    let steps: Vec<_> = (0..4).map(|step| perform(release_id("app"), step)).collect();
    let ids: Vec<EffectId> = steps.iter().map(delivr_domain::effect::Effect::id).collect();
    enqueue(subject, tenant, &steps[3..]).await;
    let other = claim_one(subject).await;
    let born = async |commit: bool| {
        let mut unit = store.begin().await.unwrap();
        for step in &steps[..2] {
            unit.enqueue(tenant, step, Duration::ZERO, DAY).await.unwrap();
        }
        // Not due, and somebody else's.
        unit.enqueue(tenant, &steps[2], SECOND, DAY).await.unwrap();
        unit.enqueue(tenant, &steps[3], Duration::ZERO, DAY)
            .await
            .unwrap();
        let named = [ids[0], ids[2], ids[3]];
        let claimed = unit.claim_enqueued(&named, &request(1)).await.unwrap();
        if commit {
            unit.commit().await.unwrap();
        }
        claimed
    };
    assert_eq!(born(false).await.len(), 1);
    assert_eq!(
        store.rows(release_id("app"), false).await.unwrap().len(),
        1,
        "nothing was committed"
    );
    let claimed = born(true).await;
    assert_eq!(claimed.len(), 1);
    let (one, now) = (claimed[0].claim.as_ref().unwrap(), claimed[0].now);
    assert_eq!((one.effect(), one.attempt()), (ids[0], 1));
    assert_eq!(one.send_before(), Monotonic(Duration::from_secs(25)));
    assert_eq!(claimed[0].row.lease_until, Some(now + LEASE));
    assert_eq!(row(subject, ids[0]).await, claimed[0].row);
    let rest: Vec<EffectId> = claim(subject, 9).await.iter().map(|it| it.row.id).collect();
    assert_eq!(rest, [ids[1]], "the others are claimed, or not due");
    assert_eq!(finish(subject, one, RowEnd::Done).await.unwrap(), Finished::Now);
    assert_eq!(
        finish(subject, &other, RowEnd::Done).await.unwrap(),
        Finished::Now
    );
    // Of a stopped tenant nothing is claimed.
    let last = perform(release_id("app"), 9);
    for stopped in [Some(tenant), None] {
        store
            .set_stop(stopped, Some(stop_by("maintenance")))
            .await
            .unwrap();
        let mut unit = store.begin().await.unwrap();
        unit.enqueue(tenant, &last, Duration::ZERO, DAY).await.unwrap();
        assert!(
            unit.claim_enqueued(&[last.id()], &request(1))
                .await
                .unwrap()
                .is_empty()
        );
        drop(unit);
        store.set_stop(stopped, None).await.unwrap();
    }
    // A watch moves on with its claim.
    let look = watch(release_id("app"), 5, 30);
    let mut unit = store.begin().await.unwrap();
    unit.enqueue(tenant, &look, Duration::ZERO, DAY).await.unwrap();
    let claimed = unit.claim_enqueued(&[look.id()], &request(1)).await.unwrap();
    unit.commit().await.unwrap();
    assert!(claimed[0].claim.is_none());
    let stored = row(subject, look.id()).await;
    assert_eq!(
        (stored.state, stored.due_at),
        (RowState::Ready, claimed[0].now + 30 * SECOND)
    );
}

/// Attempts are kept in order, also two lines of one attempt; of unknown effects and other tenants none.
pub async fn attempts_are_recorded(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let effect = message(release_id("app"), 0);
    enqueue(subject, one, std::slice::from_ref(&effect)).await;
    let line = |outcome: &str| AttemptRecord {
        effect: effect.id(),
        attempt: 1,
        outcome: outcome.to_owned(),
        reference: Some("ts-1".to_owned()),
        detail: None,
        at: instant(),
        exchanges: None,
    };
    let store = subject.store();
    store.record_attempt(one, &line("UNKNOWN")).await.unwrap();
    store.record_attempt(one, &line("DONE")).await.unwrap();
    assert!(matches!(
        store.record_attempt(other, &line("DONE")).await,
        Err(StoreError::Reference(_))
    ));
    // A line that is written with other things is there when they are.
    let mut lost = store.begin().await.unwrap();
    lost.record_attempt(one, &line("LOST")).await.unwrap();
    drop(lost);
    let mut unit = store.begin().await.unwrap();
    assert!(matches!(
        unit.record_attempt(other, &line("FOREIGN")).await,
        Err(StoreError::Reference(_))
    ));
    unit.record_attempt(one, &line("ADOPTED")).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(
        store.attempts(release_id("app")).await.unwrap(),
        [line("UNKNOWN"), line("DONE"), line("ADOPTED")]
    );
}

/// The newest heartbeat of any worker, by the database's clock.
pub async fn heartbeats_are_kept(subject: &dyn Subject) {
    let store = subject.store();
    assert_eq!(store.last_beat().await.unwrap(), None);
    let before = store.now().await.unwrap();
    store.beat("one").await.unwrap();
    subject.advance(10 * SECOND);
    store.beat("one").await.unwrap();
    assert!(store.last_beat().await.unwrap().unwrap() >= before + 10 * SECOND);
}

/// What was exchanged in an attempt is kept with its line and found by its effect: the newest first, as many as asked for,
/// by nobody of another tenant, and not where attempts are listed.
pub async fn exchanges_are_kept_with_attempts(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let (first, second) = (message(release_id("app"), 0), message(release_id("app"), 1));
    enqueue(subject, one, &[first.clone(), second.clone()]).await;
    let said = |text: &str| Said {
        kind: Some("application/json".to_owned()),
        text: Some(text.to_owned()),
        bytes: 9_000,
        cut: true,
    };
    let exchanges = |operation: &str| Exchanges {
        list: vec![Exchange {
            provider: "jira".to_owned(),
            operation: operation.to_owned(),
            method: "POST".to_owned(),
            address: "https://vendor.example/issue".to_owned(),
            sent: Some(said("{\"é\":\"a\\u0000b ' $1 ?\"}")),
            status: Some(201),
            failure: None,
            headers: vec![("x-request-id".to_owned(), "7".to_owned())],
            received: None,
            at: instant(),
            took_ms: 12,
        }],
        left_out: 3,
    };
    let line = |effect: &Effect, attempt: u32, exchanged: Option<&str>| AttemptRecord {
        effect: effect.id(),
        attempt,
        outcome: "DONE".to_owned(),
        reference: None,
        detail: None,
        at: instant(),
        exchanges: exchanged.map(exchanges),
    };
    let heard = |effect: &Effect, attempt: u32, operation: &str| Heard {
        effect: effect.id(),
        attempt,
        at: instant(),
        exchanges: exchanges(operation),
    };
    let store = subject.store();
    store
        .record_attempt(one, &line(&first, 1, Some("a")))
        .await
        .unwrap();
    store.record_attempt(one, &line(&first, 2, None)).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.record_attempt(one, &line(&second, 1, Some("b")))
        .await
        .unwrap();
    unit.record_attempt(one, &line(&first, 3, Some("c")))
        .await
        .unwrap();
    unit.commit().await.unwrap();

    let listed = store.attempts(release_id("app")).await.unwrap();
    assert_eq!(listed.len(), 4);
    assert!(listed.iter().all(|it| it.exchanges.is_none()));
    let of = async |tenant, effects: &[&Effect], limit| {
        let ids: Vec<EffectId> = effects.iter().map(|it| it.id()).collect();
        store.exchanges(tenant, &ids, limit).await.unwrap()
    };
    assert_eq!(
        of(one, &[&first], 9).await,
        [heard(&first, 3, "c"), heard(&first, 1, "a")]
    );
    assert_eq!(
        of(one, &[&first, &second], 2).await,
        [heard(&first, 3, "c"), heard(&second, 1, "b")]
    );
    assert_eq!(of(one, &[], 9).await, []);
    assert_eq!(of(other, &[&first, &second], 9).await, []);
}
