//! The contract of leases: one suite for memory, SQLite and PostgreSQL. A case fails by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a suite of tests: it tells by panicking that a store breaks the contract"
)]

use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::lease::{Leases, Taking};
use futures_util::future::join_all;
use std::time::Duration;

const SPAN: Duration = Duration::from_secs(30);

/// Every case. `advance` lets the database's clock go forward; `others` are further processes on the same database.
pub async fn all(leases: &dyn Leases, others: &[&dyn Leases], advance: impl Fn(Duration)) {
    one_holder_at_a_time(leases, others).await;
    a_dead_holder_is_outlived_and_fenced(leases, others, &advance).await;
    what_was_noted_is_left_to_the_next(leases, &advance).await;
    what_is_urgent_waits_for_nobody(leases).await;
    names_are_apart(leases).await;
}

async fn one_holder_at_a_time(leases: &dyn Leases, others: &[&dyn Leases]) {
    let everybody: Vec<&dyn Leases> = std::iter::once(leases).chain(others.iter().copied()).collect();
    let mut fences = Vec::new();
    for round in 0..4 {
        let takers = everybody.iter().cycle().take(12);
        let taken = join_all(takers.map(|it| it.take("one", Taking::WhenFree, SPAN))).await;
        let taken: Vec<_> = taken.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(taken.len(), 1, "round {round}: {taken:?}");
        fences.push(taken[0].fence());
        assert_eq!(taken[0].name(), "one");
        everybody[round % everybody.len()]
            .give_back(&taken[0])
            .await
            .unwrap();
    }
    assert!(
        fences.windows(2).all(|pair| pair[0] < pair[1]),
        "a fence only grows: {fences:?}"
    );
}

async fn a_dead_holder_is_outlived_and_fenced(
    leases: &dyn Leases,
    others: &[&dyn Leases],
    advance: &impl Fn(Duration),
) {
    let next = others.first().copied().unwrap_or(leases);
    let dead = leases
        .take("dead", Taking::WhenFree, SPAN)
        .await
        .unwrap()
        .unwrap();
    advance(SPAN - Duration::from_secs(1));
    assert_eq!(next.take("dead", Taking::WhenFree, SPAN).await.unwrap(), None);
    leases.keep(&dead, SPAN, None).await.unwrap();
    advance(SPAN - Duration::from_secs(1));
    assert_eq!(
        next.take("dead", Taking::WhenFree, SPAN).await.unwrap(),
        None,
        "a kept lease lasts"
    );
    advance(Duration::from_secs(1));
    // One that only slept goes on while nobody has come.
    leases.keep(&dead, Duration::ZERO, None).await.unwrap();
    let heir = next.take("dead", Taking::WhenFree, SPAN).await.unwrap().unwrap();
    assert!(heir.fence() > dead.fence());
    let late = leases.keep(&dead, SPAN, None).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
    leases.give_back(&dead).await.unwrap();
    assert_eq!(
        leases.take("dead", Taking::WhenFree, SPAN).await.unwrap(),
        None,
        "a fenced holder gives nothing back"
    );
    next.keep(&heir, SPAN, None).await.unwrap();
}

async fn what_was_noted_is_left_to_the_next(leases: &dyn Leases, advance: &impl Fn(Duration)) {
    let first = leases
        .take("note", Taking::WhenFree, SPAN)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.left(), None);
    leases.keep(&first, SPAN, Some("ed\u{fc}t 1")).await.unwrap();
    advance(SPAN);
    let second = leases
        .take("note", Taking::WhenFree, SPAN)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(second.left(), Some("ed\u{fc}t 1"));
    // A successor that dies before it noted anything of its own leaves what it found.
    advance(SPAN);
    let third = leases
        .take("note", Taking::WhenFree, SPAN)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(third.left(), Some("ed\u{fc}t 1"));
    leases.keep(&third, SPAN, Some("edit 3")).await.unwrap();
    leases.give_back(&third).await.unwrap();
    let fourth = leases
        .take("note", Taking::WhenFree, SPAN)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(fourth.left(), None, "who gives it back leaves nothing behind");
}

async fn what_is_urgent_waits_for_nobody(leases: &dyn Leases) {
    let held = leases
        .take("urgent", Taking::WhenFree, SPAN)
        .await
        .unwrap()
        .unwrap();
    leases.keep(&held, SPAN, Some("half")).await.unwrap();
    let urgent = leases
        .take("urgent", Taking::AtOnce, SPAN)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((urgent.fence(), urgent.left()), (held.fence() + 1, Some("half")));
    let overtaken = leases.keep(&held, SPAN, None).await;
    assert!(matches!(overtaken, Err(StoreError::Fenced)), "{overtaken:?}");
    assert_eq!(leases.take("urgent", Taking::WhenFree, SPAN).await.unwrap(), None);
    leases.give_back(&urgent).await.unwrap();
}

async fn names_are_apart(leases: &dyn Leases) {
    let one = leases.take("apart 1", Taking::WhenFree, SPAN).await.unwrap();
    let two = leases.take("apart 2", Taking::WhenFree, SPAN).await.unwrap();
    assert!(one.is_some() && two.is_some());
}
