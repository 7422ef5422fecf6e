//! Whoever follows the feed misses no event, however the commits of those who write overlap.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{on_postgres, open};
use delivr_domain::ids::TenantId;
use delivr_domain::ports::store::{Directory as _, Store as _};
use delivr_persistence::SqlStore;
use delivr_testkit::conformance::store::samples;
use sea_orm::{ConnectionTrait as _, Database, Statement, TransactionTrait as _};

/// Appends one event of a release and commits.
async fn tell(store: SqlStore, tenant: TenantId, name: &str) {
    let mut unit = store.begin().await.unwrap();
    let event = samples::event(samples::release_id(name), 1);
    unit.append(tenant, &[event]).await.unwrap();
    // Refused for the one that stood in the way of another.
    let _conflict = unit.commit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_not_shown_before_those_that_may_still_come_before_it() {
    on_postgres(|server| async move {
        let fresh = open(server.fresh().unwrap(), None).await;
        let tenant = samples::tenant(&fresh, "one").await;
        let store = fresh.store.clone();
        tell(store.clone(), tenant, "first").await;
        let start = store.feed_end(tenant).await.unwrap();
        assert_eq!(store.feed(tenant, 0, 9).await.unwrap().len(), 1);
        // Holds up the next writer between being given its position and its commit.
        let database = Database::connect(&fresh.url).await.unwrap();
        let obstacle = database.begin().await.unwrap();
        let text =
            "insert into state_history (tenant_id, owner_kind, owner_id, sequence, kind, payload, actor, at)
            select tenant_id, owner_kind, $1, 1, kind, payload, actor, at from state_history";
        let id = samples::release_id("slow").id;
        obstacle
            .execute_raw(Statement::from_sql_and_values(
                database.get_database_backend(),
                text,
                [id.into()],
            ))
            .await
            .unwrap();
        let slow = tokio::spawn(tell(store.clone(), tenant, "slow"));
        let waiting = "select 1 as one from pg_locks where not granted";
        let mut looks = 0;
        while database
            .query_one_raw(Statement::from_string(database.get_database_backend(), waiting))
            .await
            .unwrap()
            .is_none()
        {
            looks += 1;
            assert!(looks < 20_000, "the slow writer never waited");
        }
        // Others are not held up, and what they wrote waits to be shown.
        tell(store.clone(), tenant, "quick").await;
        assert_eq!(
            store.feed_backwards(tenant, None, 1).await.unwrap()[0].owner,
            samples::release_id("quick")
        );
        assert!(store.feed(tenant, start, 9).await.unwrap().is_empty());
        assert!(
            store.feed_end(tenant).await.unwrap()
                < store.feed_backwards(tenant, None, 1).await.unwrap()[0].position
        );
        obstacle.rollback().await.unwrap();
        slow.await.unwrap();
        let owners: Vec<_> = store
            .feed(tenant, start, 9)
            .await
            .unwrap()
            .iter()
            .map(|it| it.owner)
            .collect();
        assert_eq!(
            owners,
            [samples::release_id("slow"), samples::release_id("quick")]
        );
        database.close().await.unwrap();
    })
    .await;
}
