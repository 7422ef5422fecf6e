//! On PostgreSQL creations of a tenant wait for each other on the line of a service only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{Fresh, on_postgres, open};
use delivr_domain::ports::store::{Directory as _, Service, Sought, Store as _, UnitOfWork};
use delivr_testkit::conformance::store::samples;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use std::pin::pin;

async fn furnish(here: &Fresh) -> (Service, Service) {
    let tenant = samples::tenant(here, "one").await;
    let (shop, admin) = (
        samples::service(tenant, "shop"),
        samples::service(tenant, "admin"),
    );
    for service in [&shop, &admin] {
        here.store.insert_service(service).await.unwrap();
    }
    (shop, admin)
}

/// Whether a connection to the database waits for a lock.
async fn somebody_waits(database: &DatabaseConnection) -> bool {
    let text = "select count(*) as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let statement = Statement::from_string(database.get_database_backend(), text);
    let row = database.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get::<i64>("", "waiting").unwrap() > 0
}

/// As a creation does it: what stands there is asked for, then a number.
async fn draw(unit: &mut dyn UnitOfWork, service: &Service) -> i64 {
    let sought = [Sought::highest("BRANCH/release".to_owned())];
    let standing = unit.standing(service.tenant, service.id, &sought).await.unwrap();
    assert!(standing.is_empty());
    unit.next_number(service.tenant, "release").await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_service_and_the_tenants_counter_are_not_waited_for() {
    on_postgres(|server| async move {
        let here = open(server.fresh().unwrap(), None).await;
        let (shop, admin) = furnish(&here).await;
        let mut first = here.store.begin().await.unwrap();
        assert_eq!(draw(first.as_mut(), &shop).await, 1);
        let mut second = here.store.begin().await.unwrap();
        assert_eq!(
            draw(second.as_mut(), &admin).await,
            2,
            "while the first is not over"
        );
        // Of one and the same service the next creation waits until the first is over.
        let mut third = here.store.begin().await.unwrap();
        let mut third = pin!(async {
            let number = draw(third.as_mut(), &shop).await;
            third.commit().await.unwrap();
            number
        });
        second.commit().await.unwrap();
        let watch = Database::connect(&here.url).await.unwrap();
        let mut waiting = pin!(async { while !somebody_waits(&watch).await {} });
        tokio::select! {
            number = third.as_mut() => panic!("number {number} was drawn while somebody else held the line"),
            () = waiting.as_mut() => {}
        }
        first.commit().await.unwrap();
        assert_eq!(third.await, 3);
    })
    .await;
}
