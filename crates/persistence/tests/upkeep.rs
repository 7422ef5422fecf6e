//! What operators ask of a database: how much waits, what was told, and that forgetting takes nothing that is alive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{Fresh, on_postgres, open, sqlite_url};
use delivr_domain::effect::Effect;
use delivr_domain::ids::{DeliveryId, IntegrationId, TenantId};
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::store::{
    AggregateRow, AttemptRecord, Directory, Page, PutBack, Queue, RowEnd, RowState, Store, StoredAnswer,
    StoredDelivery, StoredEvent,
};
use delivr_domain::time::Span;
use delivr_persistence::{Forgotten, MessagesOf, SHORTEST};
use delivr_testkit::conformance::store::{Subject as _, samples};
use serde_json::json;
use std::time::Duration;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

macro_rules! on_both {
    ($($sqlite:ident, $postgres:ident => $test:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $sqlite() {
            let (url, directory) = sqlite_url();
            $test(open(url, Some(directory)).await).await;
        }
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $postgres() {
            on_postgres(|server| async move { $test(open(server.fresh().unwrap(), None).await).await }).await;
        }
    )*};
}

on_both! {
    sqlite_tells_what_waits, postgres_tells_what_waits => what_waits_is_told;
    sqlite_lists_messages, postgres_lists_messages => messages_are_listed_and_sent_again;
    sqlite_tells_strays, postgres_tells_strays => strays_are_told;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_forgets_what_ended() {
    let (url, directory) = sqlite_url();
    what_ended_is_forgotten(open(url, Some(directory)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_forgets_what_ended() {
    on_postgres(
        |server| async move { what_ended_is_forgotten(open(server.fresh().unwrap(), None).await).await },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_what_lives() {
    let (url, directory) = sqlite_url();
    what_lives_is_kept(open(url, Some(directory)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_what_lives() {
    on_postgres(|server| async move { what_lives_is_kept(open(server.fresh().unwrap(), None).await).await })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_forgets_once() {
    let (url, directory) = sqlite_url();
    several_forget_at_once(open(url, Some(directory)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_forgets_once() {
    on_postgres(
        |server| async move { several_forget_at_once(open(server.fresh().unwrap(), None).await).await },
    )
    .await;
}

fn child(kind: AggregateKind, name: &str) -> AggregateId {
    AggregateId {
        kind,
        id: samples::id(name),
    }
}

/// Ends the one due row of a claim.
async fn finish(here: &Fresh, end: RowEnd) {
    let claim = samples::claim_one(here).await;
    let mut unit = here.store.begin().await.unwrap();
    unit.finish(&claim, end).await.unwrap();
    unit.commit().await.unwrap();
}

/// An aggregate with one event, which happened now.
async fn aggregate(here: &Fresh, row: &AggregateRow) {
    samples::insert(here, row).await;
    happened(here, row, 1).await;
}

async fn happened(here: &Fresh, row: &AggregateRow, sequence: u64) {
    let event = StoredEvent {
        at: here.store.now().await.unwrap(),
        ..samples::event(row.id, sequence)
    };
    let mut unit = here.store.begin().await.unwrap();
    unit.append(row.tenant, &[event]).await.unwrap();
    unit.commit().await.unwrap();
}

/// A release that is over, with a write that was done, an attempt at it and a message that was posted.
async fn ended(here: &Fresh, tenant: TenantId, name: &str, number: i64) -> AggregateRow {
    let mut row = samples::release(tenant, name, number);
    row.projection.terminal = true;
    aggregate(here, &row).await;
    done(here, tenant, &samples::perform(row.id, 0)).await;
    done(here, tenant, &samples::message(row.id, 0)).await;
    row
}

async fn done(here: &Fresh, tenant: TenantId, effect: &Effect) {
    samples::enqueue(here, tenant, std::slice::from_ref(effect)).await;
    let record = AttemptRecord {
        effect: effect.id(),
        attempt: 1,
        outcome: "created".to_owned(),
        reference: Some("7".to_owned()),
        detail: None,
        at: samples::instant(),
        exchanges: None,
    };
    here.store.record_attempt(tenant, &record).await.unwrap();
    finish(here, RowEnd::Done).await;
}

async fn rows(here: &Fresh, owner: AggregateId) -> usize {
    here.store.rows(owner, true).await.unwrap().len()
}

async fn what_waits_is_told(here: Fresh) {
    let (one, other) = (
        samples::tenant(&here, "one").await,
        samples::tenant(&here, "other").await,
    );
    let empty = here.store.backlog().await.unwrap();
    assert!(empty.due.is_empty() && empty.releases.is_empty());
    assert_eq!((empty.inbox.count, empty.messages.count), (0, 0));
    let mut row = samples::release(one, "app", 1);
    row.projection.status = "PLANNING".to_owned();
    samples::insert(&here, &row).await;
    let mut over = samples::release(one, "old", 2);
    over.projection.terminal = true;
    samples::insert(&here, &over).await;
    let work = [
        samples::perform(row.id, 0),
        samples::perform(row.id, 1),
        samples::message(row.id, 0),
    ];
    samples::enqueue(&here, one, &work).await;
    samples::enqueue(
        &here,
        other,
        &[samples::perform(samples::release_id("theirs"), 0)],
    )
    .await;
    let delivery = StoredDelivery {
        id: DeliveryId::from_uuid(samples::id("delivery")),
        tenant: one,
        integration: None,
        source: "callback".to_owned(),
        external: "1".to_owned(),
        payload: json!({}),
        at: here.store.now().await.unwrap(),
    };
    here.store.insert_delivery(&delivery).await.unwrap();
    here.advance(Duration::from_secs(90));
    let told = here.store.backlog().await.unwrap();
    assert_eq!(told.due["PERFORM"].count, 3);
    assert_eq!((told.due["MESSAGE"].count, told.messages.count), (1, 1));
    assert!(told.due["PERFORM"].oldest >= Duration::from_secs(90), "{told:?}");
    assert_eq!(told.inbox.count, 1);
    assert!(told.inbox.oldest >= Duration::from_secs(90), "{told:?}");
    let releases: Vec<_> = told.releases.into_iter().collect();
    assert_eq!(releases, [(("NOT_STARTED".to_owned(), "PLANNING".to_owned()), 1)]);
    // Nobody is late with what was stopped.
    here.store
        .set_stop(Some(other), Some(samples::stop_by("test")))
        .await
        .unwrap();
    assert_eq!(here.store.backlog().await.unwrap().due["PERFORM"].count, 2);
    here.store
        .set_stop(None, Some(samples::stop_by("test")))
        .await
        .unwrap();
    assert!(here.store.backlog().await.unwrap().due.is_empty());
    let open = here.store.connections();
    assert!(open.busy + open.idle > 0, "{open:?}");
}

async fn messages_are_listed_and_sent_again(here: Fresh) {
    let (one, other) = (
        samples::tenant(&here, "one").await,
        samples::tenant(&here, "other").await,
    );
    let release = samples::release(one, "app", 1);
    samples::insert(&here, &release).await;
    let mut rollout = samples::release(one, "rollout", 0);
    rollout.id = child(AggregateKind::Rollout, "rollout");
    rollout.projection.parent = Some(release.id.id);
    samples::insert(&here, &rollout).await;
    // Each a moment after the other, so that their order is certain.
    for effect in [
        samples::message(release.id, 0),
        samples::perform(release.id, 0),
        samples::message(rollout.id, 0),
        samples::message(release.id, 1),
    ] {
        samples::enqueue(&here, one, std::slice::from_ref(&effect)).await;
        here.advance(Duration::from_secs(1));
    }
    let page = |limit, cursor| Page { limit, cursor };
    let of = MessagesOf::Release(release.id.id);
    let first = here.store.messages(one, of, &page(2, None)).await.unwrap();
    let second = here
        .store
        .messages(one, of, &page(2, first.next.clone()))
        .await
        .unwrap();
    let ids: Vec<_> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|(row, _)| row.id)
        .collect();
    let newest_first = [
        samples::message(release.id, 1).id(),
        samples::message(rollout.id, 0).id(),
        samples::message(release.id, 0).id(),
    ];
    assert_eq!(ids, newest_first);
    assert!(second.next.is_none());
    let chat = MessagesOf::Integration(IntegrationId::from_uuid(samples::id("chat")));
    assert_eq!(
        here.store
            .messages(one, chat, &page(50, None))
            .await
            .unwrap()
            .items
            .len(),
        3
    );
    for nobodys in [of, chat] {
        let found = here
            .store
            .messages(other, nobodys, &page(50, None))
            .await
            .unwrap();
        assert!(found.items.is_empty(), "of another tenant");
    }

    // One is given up with an unknown outcome.
    let unknown = samples::message(release.id, 0).id();
    let again = |tenant| here.store.send_again(tenant, unknown, "alice", samples::DAY);
    assert!(!again(one).await.unwrap(), "it is under way");
    let claimed = samples::claim(&here, 10).await;
    for one_of_them in claimed {
        let claim = one_of_them.claim.unwrap();
        if claim.effect() == unknown {
            let how = PutBack {
                after: Duration::ZERO,
                failures: 5,
                unknown: true,
                trouble: Some("no answer".to_owned()),
            };
            here.store.put_back(&claim, &how).await.unwrap();
        }
    }
    finish(&here, RowEnd::Dead).await;
    assert!(!again(other).await.unwrap(), "it is not theirs");
    let (won, lost) = tokio::join!(again(one), again(one));
    assert!(won.unwrap() ^ lost.unwrap(), "one of two who ask at once");
    let listed = here.store.messages(one, of, &page(1, None)).await.unwrap();
    let (row, attempts) = &listed.items[0];
    assert_eq!(
        (row.id, row.state),
        (unknown, RowState::Ready),
        "the latest is the first"
    );
    assert_eq!((row.failures, row.unknown_since, row.attempt), (0, None, 2));
    let said = attempts.last().unwrap();
    assert_eq!(
        (said.outcome.as_str(), said.detail.as_deref()),
        ("sent_again", Some("asked for by alice"))
    );
}

async fn what_ended_is_forgotten(here: Fresh) {
    let tenant = samples::tenant(&here, "one").await;
    let mut releases = Vec::new();
    for number in 1..=3 {
        releases.push(ended(&here, tenant, &format!("app {number}"), number).await);
    }
    let mut submission = samples::release(tenant, "submission", 0);
    submission.id = child(AggregateKind::Submission, "submission");
    submission.projection.parent = Some(releases[0].id.id);
    submission.projection.terminal = true;
    aggregate(&here, &submission).await;
    done(&here, tenant, &samples::perform(submission.id, 0)).await;
    let now = here.store.now().await.unwrap();
    for (name, processed) in [("worked off", true), ("open", false)] {
        let delivery = StoredDelivery {
            id: DeliveryId::from_uuid(samples::id(name)),
            tenant,
            integration: None,
            source: "callback".to_owned(),
            external: name.to_owned(),
            payload: json!({}),
            at: now,
        };
        here.store.insert_delivery(&delivery).await.unwrap();
        if processed {
            let mut unit = here.store.begin().await.unwrap();
            unit.finish_delivery(delivery.id).await.unwrap();
            unit.commit().await.unwrap();
        }
    }
    let answer = StoredAnswer {
        request: "r".to_owned(),
        status: 200,
        body: "{}".to_owned(),
        expires_at: now + Span::hours(24),
    };
    here.store.insert_answer(tenant, "key", &answer).await.unwrap();
    here.store.beat("gone").await.unwrap();

    // Not before its time.
    here.advance(WEEK - Duration::from_secs(3_600));
    let early = here.store.forget(WEEK).await.unwrap();
    assert_eq!(
        early,
        Forgotten {
            answers: 1,
            ..Forgotten::default()
        },
        "but an answer's time is a day"
    );
    here.advance(Duration::from_secs(7_200));
    here.store.beat("alive").await.unwrap();
    let done = here.store.forget(WEEK).await.unwrap();
    let expected = Forgotten {
        deliveries: 1,
        answers: 0,
        beats: 1,
        effects: 7,
        releases: 3,
    };
    assert_eq!(done, expected);
    for row in releases.iter().chain([&submission]) {
        assert_eq!(rows(&here, row.id).await, 0);
        assert!(
            here.store.peek(row.id).await.unwrap().is_some(),
            "the release itself stays"
        );
        assert_eq!(
            here.store.events(tenant, row.id, 0, 9).await.unwrap().len(),
            1,
            "and its history"
        );
    }
    assert_eq!(here.store.open_deliveries(9).await.unwrap().len(), 1);
    assert!(here.store.last_beat().await.unwrap().is_some());
    assert_eq!(here.store.forget(WEEK).await.unwrap(), Forgotten::default());
}

async fn what_lives_is_kept(here: Fresh) {
    let tenant = samples::tenant(&here, "one").await;
    // Goes on: its done rows are the memory that keeps them from being done twice.
    let alive = samples::release(tenant, "alive", 1);
    aggregate(&here, &alive).await;
    done(&here, tenant, &samples::perform(alive.id, 0)).await;
    // Over, but its rollout is not.
    let parent = ended(&here, tenant, "parent", 2).await;
    let mut rollout = samples::release(tenant, "rollout", 0);
    rollout.id = child(AggregateKind::Rollout, "rollout");
    rollout.projection.parent = Some(parent.id.id);
    aggregate(&here, &rollout).await;
    done(&here, tenant, &samples::perform(rollout.id, 0)).await;
    // Over, but something of it is still to be done: one row for each state that waits.
    let busy = ended(&here, tenant, "busy", 3).await;
    let parked = ended(&here, tenant, "parked", 4).await;
    samples::enqueue(&here, tenant, &[samples::perform(parked.id, 1)]).await;
    finish(&here, RowEnd::Parked).await;
    // Over, but something happened to it lately.
    let touched = ended(&here, tenant, "touched", 5).await;
    // No event at all: nobody knows since when.
    let mut silent = samples::release(tenant, "silent", 6);
    silent.projection.terminal = true;
    samples::insert(&here, &silent).await;
    done(&here, tenant, &samples::perform(silent.id, 0)).await;
    samples::enqueue(&here, tenant, &[samples::perform(busy.id, 1)]).await;
    here.advance(2 * WEEK);
    happened(&here, &touched, 2).await;
    let kept = [
        (alive.id, 1),
        (parent.id, 2),
        (rollout.id, 1),
        (busy.id, 3),
        (parked.id, 3),
        (touched.id, 2),
        (silent.id, 1),
    ];
    assert_eq!(here.store.forget(WEEK).await.unwrap(), Forgotten::default());
    // A claimed row waits like one that is due.
    let claimed = samples::claim(&here, 1).await;
    assert_eq!(claimed[0].row.effect.owner(), busy.id);
    assert_eq!(here.store.forget(WEEK).await.unwrap(), Forgotten::default());
    for (owner, count) in kept {
        assert_eq!(rows(&here, owner).await, count, "{owner}");
    }
    assert_eq!(here.store.attempts(alive.id).await.unwrap().len(), 1);
    // However short the time is said to be, a day is the least.
    here.advance(SHORTEST - Duration::from_secs(60));
    here.store.forget(Duration::ZERO).await.unwrap();
    assert_eq!(rows(&here, touched.id).await, 2);
}

/// A mark that a vendor knows and the database does not, as after a restore.
async fn strays_are_told(here: Fresh) {
    let (tenant, other) = (
        samples::tenant(&here, "one").await,
        samples::tenant(&here, "other").await,
    );
    let effect = samples::perform(samples::release_id("app"), 0);
    samples::enqueue(&here, tenant, std::slice::from_ref(&effect)).await;
    let known = effect.key().unwrap().short();
    let told = async |number: u32, of: TenantId, correlation: &str| {
        let delivery = StoredDelivery {
            id: DeliveryId::from_uuid(samples::id(&number.to_string())),
            tenant: of,
            integration: None,
            source: "jenkins".to_owned(),
            external: number.to_string(),
            payload: json!({"correlations": [correlation], "objects": []}),
            at: here.store.now().await.unwrap(),
        };
        here.store.insert_delivery(&delivery).await.unwrap();
        let mut unit = here.store.begin().await.unwrap();
        unit.finish_delivery(delivery.id).await.unwrap();
        unit.commit().await.unwrap();
    };
    told(1, tenant, "forgotten long ago").await;
    here.advance(2 * WEEK);
    told(2, tenant, &known).await;
    told(3, tenant, "forgotten").await;
    told(4, tenant, "forgotten").await;
    // Known to one tenant is not known to another.
    told(5, other, &known).await;
    let found = here.store.strays(WEEK).await.unwrap();
    let mut named: Vec<_> = found
        .iter()
        .map(|it| (it.tenant, it.correlation.as_str()))
        .collect();
    named.sort_unstable();
    let mut expected = [(tenant, "forgotten"), (other, known.as_str())];
    expected.sort_unstable();
    assert_eq!(named, expected);
}

async fn several_forget_at_once(here: Fresh) {
    let tenant = samples::tenant(&here, "one").await;
    for number in 1..=8 {
        ended(&here, tenant, &format!("app {number}"), number).await;
    }
    here.advance(2 * WEEK);
    let all = futures_util::future::join_all((0..4).map(|_| here.store.forget(WEEK))).await;
    let done: Vec<Forgotten> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(done.iter().map(|it| it.effects).sum::<u64>(), 16, "{done:?}");
    for number in 1..=8 {
        assert_eq!(
            rows(&here, samples::release_id(&format!("app {number}"))).await,
            0
        );
    }
}
