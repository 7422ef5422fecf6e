//! Cases of how it goes with integrations.

use super::Subject;
use super::samples::{id, instant, integration, tenant};
use chrono::TimeDelta;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::health::{Called, Health, LastCall, Quota};
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::HealthOf;
use std::collections::BTreeMap;

fn answered(second: i64) -> Health {
    Health::of(LastCall::answered(instant() + TimeDelta::seconds(second), "read"))
}

fn refused(second: i64) -> Health {
    let error =
        ProviderError::new("test", "write", ProviderErrorKind::Forbidden, "grant it").vendor("no\0pe");
    let at = instant() + TimeDelta::seconds(second);
    Health::of(LastCall::failed(at, "write", Called::Refused, &error))
}

fn of(tenant: TenantId, integration: IntegrationId, health: Health) -> HealthOf {
    HealthOf {
        tenant,
        integration,
        health,
    }
}

/// What processes gathered comes together by time, of whatever order they write in; it is its tenant's alone, and goes with
/// its integration.
pub async fn health_is_merged_by_time_and_goes_with_its_integration(subject: &dyn Subject) {
    let store = subject.store();
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let (mine, also, theirs) = (
        integration(one, Port::Scm, "mine"),
        integration(one, Port::Cicd, "also"),
        integration(other, Port::Scm, "theirs"),
    );
    for it in [&mine, &also, &theirs] {
        store.insert_integration(it).await.unwrap();
    }
    assert_eq!(store.health(one).await.unwrap(), BTreeMap::new());
    let mut told = refused(10);
    told.quotas.insert(
        "core".to_owned(),
        Quota {
            limit: 5_000,
            remaining: 7,
            resets_at: Some(instant()),
            told_at: instant(),
        },
    );
    // One that is gone, and one that is not the tenant's, keep the others from nothing.
    let gone = IntegrationId::from_uuid(id("gone"));
    store
        .add_health(&[
            of(one, gone, answered(1)),
            of(one, theirs.id, answered(1)),
            of(one, mine.id, told.clone()),
            of(one, also.id, answered(3)),
        ])
        .await
        .unwrap();
    // Another process wrote later what it had gathered before.
    let late = [
        of(one, mine.id, answered(5)),
        of(one, mine.id, refused(12)),
        of(one, also.id, refused(2)),
    ];
    store.add_health(&late).await.unwrap();
    let kept = store.health(one).await.unwrap();
    assert_eq!(kept.len(), 2);
    let clean = |mut health: Health| {
        if let Some(call) = &mut health.last_call {
            // PostgreSQL keeps no NUL.
            call.vendor = call.vendor.as_ref().map(|it| it.replace('\0', "\u{fffd}"));
        }
        health
    };
    let expected = told.merged(answered(5)).merged(refused(12));
    let seen = kept[&mine.id].clone();
    assert_eq!(clean(seen.clone()), clean(expected));
    assert_eq!(seen.failing.as_ref().unwrap().calls, 2);
    assert_eq!(kept[&also.id], answered(3).merged(refused(2)));
    assert_eq!(store.health(other).await.unwrap(), BTreeMap::new());

    assert!(store.delete_integration(one, mine.id, None).await.unwrap());
    assert_eq!(store.health(one).await.unwrap().len(), 1);
    store.add_health(&[of(one, mine.id, answered(20))]).await.unwrap();
    assert_eq!(store.health(one).await.unwrap().len(), 1);
}
