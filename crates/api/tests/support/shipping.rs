//! Releases that went their way at times of the test's choosing: saved so, since nobody can wait for weeks.

use chrono::{DateTime, Utc};
use delivr_domain::ids::TenantId;
use delivr_domain::key::AggregateKind;
use delivr_domain::ports::store::{AggregateRow, Store};
use delivr_testkit::conformance::store::samples;

/// Saves a release at each step: status, phase, and when it came there.
pub async fn walked(store: &dyn Store, row: &AggregateRow, steps: &[(&str, &str, DateTime<Utc>)]) {
    assert_eq!(row.id.kind, AggregateKind::Release);
    for (status, phase, at) in steps {
        let mut row = row.clone();
        (*status).clone_into(&mut row.projection.status);
        (*phase).clone_into(&mut row.projection.phase);
        row.projection.listing.changed_at = Some(*at);
        let known = store.look(row.tenant, row.id).await.unwrap();
        let known = known.map(|known| known.version);
        row.version = known.map_or(1, |known| known + 1);
        let mut unit = store.begin().await.unwrap();
        unit.save(&row, known).await.unwrap();
        unit.commit().await.unwrap();
    }
}

/// A release that was shipped, after so many hours in each of the four stages.
pub async fn shipped(
    store: &dyn Store,
    tenant: TenantId,
    number: i64,
    shipped_at: DateTime<Utc>,
    hours: [i64; 4],
) -> AggregateRow {
    let mut row = samples::release(tenant, &format!("{} {number}", tenant.uuid()), number);
    row.projection.terminal = true;
    let mut at = shipped_at - chrono::TimeDelta::hours(hours.iter().sum());
    let mut steps = vec![("PLANNING", "NOT_STARTED", at - chrono::TimeDelta::hours(5))];
    let stages = [
        ("IN_DEVELOPMENT", "KICKOFF"),
        ("IN_STAGING", "REGRESSION"),
        ("READY_PRODUCTION", "PRE_RELEASE"),
        ("READY_PRODUCTION", "DISTRIBUTION"),
    ];
    for ((status, phase), hours) in stages.into_iter().zip(hours) {
        steps.push((status, phase, at));
        at += chrono::TimeDelta::hours(hours);
    }
    steps.push(("DEPLOYED", "DISTRIBUTION", shipped_at));
    walked(store, &row, &steps).await;
    row
}
