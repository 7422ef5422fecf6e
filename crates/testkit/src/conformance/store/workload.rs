//! Cases of the count of a tenant's live effects.

use super::Subject;
use super::samples::{
    DAY, claim, claim_one, enqueue, id, insert, perform, release, release_id, tenant, watch,
};
use delivr_domain::effect::Effect;
use delivr_domain::ids::TenantId;
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::store::{AggregateRow, PutBack, RowEnd, Troubled, Workload};
use std::time::Duration;

/// Longer than any case takes: what is put back for so long does not become due by itself.
const HOUR: Duration = Duration::from_secs(3_600);

async fn load(subject: &dyn Subject, tenant: TenantId) -> Workload {
    subject.store().workload(tenant, 1_000, 50).await.unwrap()
}

/// Due, waiting, claimed, parked.
fn numbers(of: &Workload) -> [u32; 4] {
    [of.due, of.waiting, of.claimed, of.parked]
}

/// A submission or rollout of a release.
fn child(tenant: TenantId, kind: AggregateKind, name: &str, of: &str) -> AggregateRow {
    let mut row = release(tenant, name, 0);
    row.id.kind = kind;
    row.projection.key = String::new();
    row.projection.parent = Some(release_id(of).id);
    row
}

/// Claims the one row that is due and gives it back, in trouble, due after so long.
async fn fails(subject: &dyn Subject, after: Duration, failures: u16, trouble: Option<&str>) {
    let claim = claim_one(subject).await;
    let back = PutBack {
        after,
        failures,
        unknown: false,
        trouble: trouble.map(ToOwned::to_owned),
    };
    subject.store().put_back(&claim, &back).await.unwrap();
}

async fn ends(subject: &dyn Subject, end: RowEnd) {
    let claim = claim_one(subject).await;
    let mut unit = subject.store().begin().await.unwrap();
    unit.finish(&claim, end).await.unwrap();
    unit.commit().await.unwrap();
}

/// Every live row of the tenant is counted once, by what it is; what has ended is not, nor is another tenant's.
pub async fn live_effects_are_counted_by_what_they_are(subject: &dyn Subject) {
    let one = tenant(subject, "one").await;
    let other = tenant(subject, "other").await;
    let empty = load(subject, one).await;
    assert_eq!((numbers(&empty), empty.oldest_due_at), ([0, 0, 0, 0], None));
    for (step, end) in [(0, RowEnd::Parked), (1, RowEnd::Done), (2, RowEnd::Dead)] {
        enqueue(subject, one, &[perform(release_id("app"), step)]).await;
        ends(subject, end).await;
    }
    enqueue(subject, one, &[perform(release_id("app"), 3)]).await;
    let _held = claim_one(subject).await;
    let mut unit = subject.store().begin().await.unwrap();
    let later = perform(release_id("app"), 4);
    unit.enqueue(one, &later, DAY, DAY).await.unwrap();
    unit.commit().await.unwrap();
    let due: Vec<Effect> = (5..8).map(|step| perform(release_id("app"), step)).collect();
    enqueue(subject, one, &due).await;
    enqueue(subject, other, &[watch(release_id("web"), 0, 60)]).await;
    let now = load(subject, one).await;
    assert_eq!(numbers(&now), [3, 1, 1, 1]);
    let rows = subject.store().rows(release_id("app"), false).await.unwrap();
    let oldest = rows
        .iter()
        .filter(|row| row.due_at <= now.now && row.lease_until.is_none());
    let oldest = oldest
        .filter(|row| row.state.word() == "READY")
        .map(|row| row.due_at);
    assert_eq!(now.oldest_due_at, oldest.min());
    assert_eq!(now.troubled, [], "nothing failed");
    assert_eq!(numbers(&load(subject, other).await), [1, 0, 0, 0]);
    // What waits is due when its time has come, by the database's clock.
    subject.advance(DAY);
    let then = load(subject, one).await;
    assert_eq!(
        (numbers(&then), then.oldest_due_at),
        ([4, 0, 1, 1], now.oldest_due_at)
    );
    assert!(then.now >= now.now + chrono::TimeDelta::days(1));
    // Counted so far and no further.
    let some = subject.store().workload(one, 2, 50).await.unwrap();
    assert_eq!(numbers(&some), [2, 0, 1, 1]);
}

/// What failed or tells of trouble is told, the longest due first, with the release that it belongs to; what has ended in
/// trouble is not, nor is another tenant's.
pub async fn effects_in_trouble_are_told_with_their_releases(subject: &dyn Subject) {
    let one = tenant(subject, "one").await;
    let other = tenant(subject, "other").await;
    let (submission, rollout) = (AggregateKind::Submission, AggregateKind::Rollout);
    insert(subject, &release(one, "app", 7)).await;
    insert(subject, &child(one, submission, "submitted", "app")).await;
    insert(subject, &child(one, rollout, "rolled", "app")).await;
    insert(subject, &release(other, "web", 8)).await;
    let of = |kind, name| AggregateId { kind, id: id(name) };
    let owners = [
        (release_id("app"), 3 * HOUR, 1, None),
        (of(submission, "submitted"), 2 * HOUR, 0, Some("the store waits")),
        (of(rollout, "rolled"), HOUR, 2, Some("refused")),
        (release_id("nobody's"), 4 * HOUR, 1, None),
    ];
    for (owner, after, failures, trouble) in owners {
        enqueue(subject, one, &[perform(owner, 0)]).await;
        fails(subject, after, failures, trouble).await;
    }
    enqueue(subject, other, &[perform(release_id("web"), 0)]).await;
    fails(subject, HOUR, 1, Some("theirs")).await;
    let told = |of: &Workload| {
        let tell = |it: &Troubled| (it.release.clone(), it.row.failures, it.row.trouble.clone());
        of.troubled.iter().map(tell).collect::<Vec<_>>()
    };
    let line = |release: &str, failures, trouble: Option<&str>| {
        (release.to_owned(), failures, trouble.map(ToOwned::to_owned))
    };
    let all = [
        line("REL-7", 2, Some("refused")),
        line("REL-7", 0, Some("the store waits")),
        line("REL-7", 1, None),
    ];
    assert_eq!(told(&load(subject, one).await), all);
    assert_eq!(
        told(&load(subject, other).await),
        [line("REL-8", 1, Some("theirs"))]
    );
    let some = subject.store().workload(one, 1_000, 2).await.unwrap();
    assert_eq!((told(&some), some.waiting), (all[..2].to_vec(), 4));
    // Claimed and held ones are in trouble still; one that has ended is not.
    subject.advance(3 * HOUR / 2);
    let claimed = claim(subject, 10).await;
    assert_eq!(claimed.len(), 2, "one of each tenant");
    let now = load(subject, one).await;
    assert_eq!((told(&now), now.claimed), (all.to_vec(), 1));
    for it in claimed {
        let mut unit = subject.store().begin().await.unwrap();
        unit.finish(&it.claim.expect("a claim"), RowEnd::Done)
            .await
            .unwrap();
        unit.commit().await.unwrap();
    }
    assert_eq!(load(subject, other).await.troubled, []);
    assert_eq!(told(&load(subject, one).await), all[1..]);
    subject.advance(HOUR);
    ends(subject, RowEnd::Parked).await;
    let now = load(subject, one).await;
    assert_eq!((told(&now), now.parked), (all[1..].to_vec(), 1));
    // One that cannot be read is counted, as is that of no release that is stored, and hides no other.
    subject.corrupt_effect(perform(release_id("app"), 0).id()).await;
    let now = load(subject, one).await;
    assert_eq!((told(&now), now.waiting), (vec![all[1].clone()], 2));
}
