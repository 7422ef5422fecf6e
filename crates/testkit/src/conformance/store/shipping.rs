//! Cases of what was shipped, and when.

use super::Subject;
use super::samples::{insert, instant, release, tenant};
use chrono::TimeDelta;
use delivr_domain::ids::TenantId;
use delivr_domain::ports::store::{AggregateRow, Shipped};
use delivr_domain::release::Stage;
use delivr_domain::time::Timestamp;
use std::collections::BTreeMap;

fn at(hours: i64) -> Timestamp {
    instant() + TimeDelta::hours(hours)
}

/// Where a release goes, and at which hour.
type Walk<'a> = &'a [(&'a str, &'a str, i64)];

/// To the users at every target, by way of every stage.
const SHIPPED: Walk<'_> = &[
    ("PLANNING", "NOT_STARTED", 0),
    ("IN_DEVELOPMENT", "KICKOFF", 1),
    ("IN_REVIEW", "AWAITING_REGRESSION", 2),
    ("IN_STAGING", "REGRESSION", 4),
    ("READY_STAGING", "REGRESSION_AWAITING_NEXT_CYCLE", 5),
    ("READY_PRODUCTION", "PRE_RELEASE", 9),
    ("IN_STAGING", "REGRESSION", 10),
    ("READY_PRODUCTION", "PRE_RELEASE", 11),
    ("READY_PRODUCTION", "DISTRIBUTION", 13),
    ("DEPLOYED", "DISTRIBUTION", 20),
];

/// Saves a release at each place of its walk.
async fn walked(subject: &dyn Subject, mut row: AggregateRow, walk: Walk<'_>, later: i64) -> AggregateRow {
    for (status, phase, hour) in walk {
        (*status).clone_into(&mut row.projection.status);
        (*phase).clone_into(&mut row.projection.phase);
        row.projection.listing.changed_at = Some(at(hour + later));
        let known = subject.store().look(row.tenant, row.id).await.unwrap();
        match known {
            None => insert(subject, &row).await,
            Some(known) => {
                row.version = known.version + 1;
                let mut unit = subject.store().begin().await.unwrap();
                unit.save(&row, Some(known.version)).await.unwrap();
                unit.commit().await.unwrap();
            }
        }
    }
    row
}

async fn numbers(subject: &dyn Subject, tenant: TenantId, since: Timestamp, most: u16) -> Vec<i64> {
    let found = subject.store().shipped(tenant, since, most).await.unwrap();
    found.iter().map(|it| it.number).collect()
}

/// What was shipped is told with how long it was in each stage, the newest first; whatever becomes of it later, and to its
/// own tenant alone.
pub async fn what_was_shipped_stays_shipped(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    assert_eq!(numbers(subject, one, at(0), 9).await, [0_i64; 0]);
    let mut first = release(one, "first", 1);
    first.projection.target_date = Some(at(19));
    let first = walked(subject, first, SHIPPED, 0).await;
    let expected = Shipped {
        number: 1,
        begun_at: Some(at(1)),
        shipped_at: at(20),
        target_date: Some(at(19)),
        stayed: BTreeMap::from(
            [
                (Stage::Kickoff, 1),
                (Stage::AwaitingRegression, 2),
                (Stage::Regression, 6),
                (Stage::PreRelease, 3),
                (Stage::Distribution, 7),
            ]
            .map(|(stage, hours)| (stage, TimeDelta::hours(hours))),
        ),
    };
    let shipped = subject.store().shipped(one, at(20), 9).await.unwrap();
    assert_eq!(shipped, std::slice::from_ref(&expected));
    assert_eq!(shipped[0].on_time(), Some(false));

    walked(subject, release(one, "second", 2), SHIPPED, 5).await;
    walked(subject, release(other, "theirs", 1), SHIPPED, 5).await;
    walked(subject, release(one, "third", 3), &SHIPPED[..9], 5).await;
    assert_eq!(numbers(subject, one, at(0), 9).await, [2, 1]);
    assert_eq!(numbers(subject, one, at(0), 1).await, [2]);
    assert_eq!(numbers(subject, one, at(21), 9).await, [2]);
    assert_eq!(numbers(subject, other, at(0), 9).await, [1]);

    // Rolled back, taken up again, shipped once more and archived: it went out when it did first.
    let after: Walk<'_> = &[
        ("ROLLED_BACK", "ROLLED_BACK", 30),
        ("READY_PRODUCTION", "DISTRIBUTION", 31),
        ("DEPLOYED", "DISTRIBUTION", 40),
        ("CANCELLED", "ARCHIVED", 50),
    ];
    walked(subject, first, after, 0).await;
    let shipped = subject.store().shipped(one, at(0), 9).await.unwrap();
    assert_eq!(shipped[1], expected);
    assert_eq!(numbers(subject, one, at(26), 9).await, [0_i64; 0]);
    assert!(!subject.store().undated(one).await.unwrap());
}

/// A span counts what was shipped in it, each release once, up to a bound.
pub async fn shipped_releases_are_counted_in_spans(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    for number in 1..=3 {
        let row = release(one, &format!("one {number}"), number);
        let row = walked(subject, row, SHIPPED, 0).await;
        if number == 1 {
            let again: Walk<'_> = &[("ROLLED_BACK", "ROLLED_BACK", 20), ("DEPLOYED", "COMPLETED", 20)];
            walked(subject, row, again, 0).await;
        }
    }
    walked(subject, release(one, "later", 4), SHIPPED, 10).await;
    walked(subject, release(one, "never", 5), &SHIPPED[..9], 10).await;
    walked(subject, release(other, "theirs", 1), SHIPPED, 0).await;
    let spans = [
        (at(0), at(20)),
        (at(20), at(21)),
        (at(20), at(30)),
        (at(20), at(31)),
        (at(31), at(99)),
    ];
    let count = async |tenant, most| {
        let counted = subject.store().count_shipped(tenant, &spans, most).await;
        counted.unwrap()
    };
    assert_eq!(count(one, 9).await, [0, 3, 3, 4, 0]);
    assert_eq!(count(one, 2).await, [0, 2, 2, 2, 0]);
    assert_eq!(count(other, 9).await, [0, 1, 1, 1, 0]);
    let none = subject.store().count_shipped(one, &[], 9).await.unwrap();
    assert_eq!(none, [0_u32; 0]);
}
