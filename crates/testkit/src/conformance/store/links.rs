//! Cases of links to status pages.

use super::Subject;
use super::samples::{id, instant, status_link, tenant};
use chrono::TimeDelta;
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;

/// A link is found by its digest, listed and revoked by its own tenant, and once revoked keeps the first instant.
pub async fn status_links_are_found_listed_and_revoked(subject: &dyn Subject) {
    let store = subject.store();
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let mut old = status_link(one, "old");
    old.created_at -= TimeDelta::seconds(1);
    let new = status_link(one, "new");
    for link in [&old, &new] {
        store.insert_status_link(link).await.unwrap();
        assert!(matches!(
            store.insert_status_link(link).await,
            Err(StoreError::Duplicate(_))
        ));
    }
    let mut twin = status_link(other, "twin");
    twin.digest.clone_from(&new.digest);
    assert!(matches!(
        store.insert_status_link(&twin).await,
        Err(StoreError::Duplicate(_))
    ));
    let nobody = status_link(TenantId::from_uuid(id("nobody")), "nobody");
    assert!(matches!(
        store.insert_status_link(&nobody).await,
        Err(StoreError::Reference(_))
    ));
    assert_eq!(store.status_links(one).await.unwrap(), [new.clone(), old.clone()]);
    assert_eq!(store.status_links(other).await.unwrap(), []);
    assert_eq!(store.status_link(&old.digest).await.unwrap(), Some(old.clone()));
    assert_eq!(store.status_link("of nothing").await.unwrap(), None);
    assert!(!store.revoke_status_link(other, new.id, instant()).await.unwrap());
    for later in [0, 60] {
        let at = instant() + TimeDelta::seconds(later);
        assert!(store.revoke_status_link(one, new.id, at).await.unwrap());
        let revoked = store.status_link(&new.digest).await.unwrap().unwrap();
        assert_eq!(revoked.revoked_at, Some(instant()));
    }
    assert_eq!(
        store.status_link(&old.digest).await.unwrap(),
        Some(old),
        "another link stays"
    );
}
