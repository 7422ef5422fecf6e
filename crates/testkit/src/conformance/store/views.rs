//! Cases of saved views.

use super::Subject;
use super::samples::{id, instant, tenant};
use delivr_domain::ids::{TenantId, ViewId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::View;
use serde_json::json;

fn view(tenant: TenantId, owner: &str, name: &str) -> View {
    View {
        id: ViewId::from_uuid(id(&format!("{owner} {name}"))),
        tenant,
        owner: owner.to_owned(),
        made_by: "Ada".to_owned(),
        name: name.to_owned(),
        shared: false,
        content: json!({"filter": {"q": "ü"}, "columns": ["status"]}),
        version: 1,
        created_at: instant(),
        updated_at: instant(),
    }
}

/// An account sees its own views and those that are shared; names are its own; versions guard; nothing of another tenant.
pub async fn views_belong_to_accounts_and_may_be_shared(subject: &dyn Subject) {
    let store = subject.store();
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let mine = view(one, "ada", "b of mine");
    let mut shared = view(one, "bob", "a of bob's");
    shared.shared = true;
    let theirs = view(one, "bob", "c of bob's");
    let mut far = view(other, "far", "far away");
    far.shared = true;
    for it in [&mine, &shared, &theirs, &far] {
        store.insert_view(it).await.unwrap();
        let again = store.insert_view(it).await;
        assert!(matches!(again, Err(StoreError::Duplicate(_))), "{again:?}");
    }
    let mut twin = view(one, "ada", "b of mine");
    twin.id = ViewId::from_uuid(id("twin"));
    assert!(matches!(
        store.insert_view(&twin).await,
        Err(StoreError::Duplicate(_))
    ));
    let nobody = view(TenantId::from_uuid(id("nobody")), "ada", "x");
    assert!(matches!(
        store.insert_view(&nobody).await,
        Err(StoreError::Reference(_))
    ));
    // Another account may call its own so.
    twin.owner = "eve".to_owned();
    store.insert_view(&twin).await.unwrap();

    assert_eq!(
        store.views(one, "ada").await.unwrap(),
        [shared.clone(), mine.clone()]
    );
    assert_eq!(store.views(one, "zoe").await.unwrap(), [shared.clone()]);
    assert_eq!(store.views(other, "ada").await.unwrap(), [far.clone()]);
    assert_eq!(store.view(one, theirs.id).await.unwrap(), Some(theirs.clone()));
    assert_eq!(store.view(other, theirs.id).await.unwrap(), None);

    let mut changed = mine.clone();
    (changed.version, changed.content) = (2, json!({"columns": []}));
    changed.name = "renamed".to_owned();
    store.update_view(&changed).await.unwrap();
    assert!(matches!(
        store.update_view(&changed).await,
        Err(StoreError::Conflict)
    ));
    assert_eq!(store.view(one, mine.id).await.unwrap(), Some(changed.clone()));
    let mut stolen = changed.clone();
    (stolen.tenant, stolen.version) = (other, 3);
    assert!(matches!(
        store.update_view(&stolen).await,
        Err(StoreError::Conflict)
    ));
    let mut taken = theirs.clone();
    (taken.version, taken.name) = (2, shared.name.clone());
    assert!(matches!(
        store.update_view(&taken).await,
        Err(StoreError::Duplicate(_))
    ));

    assert!(!store.delete_view(other, mine.id, None).await.unwrap());
    assert!(matches!(
        store.delete_view(one, mine.id, Some(1)).await,
        Err(StoreError::Conflict)
    ));
    assert!(store.delete_view(one, mine.id, Some(2)).await.unwrap());
    assert!(!store.delete_view(one, mine.id, Some(2)).await.unwrap());
}

/// Each account begins with a view of its choice, as long as it sees it.
pub async fn an_account_begins_with_a_view(subject: &dyn Subject) {
    let store = subject.store();
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let mine = view(one, "ada", "mine");
    let mut shared = view(one, "bob", "shared");
    shared.shared = true;
    for it in [&mine, &shared] {
        store.insert_view(it).await.unwrap();
    }
    let first = async |owner: &str| store.default_view(one, owner).await.unwrap();
    assert_eq!(first("ada").await, None);
    for it in [&mine, &shared, &shared] {
        store.set_default_view(one, "ada", Some(it.id)).await.unwrap();
        assert_eq!(first("ada").await, Some(it.id));
    }
    assert_eq!(first("bob").await, None);
    assert_eq!(store.default_view(other, "ada").await.unwrap(), None);
    for (tenant, id) in [(other, shared.id), (one, ViewId::from_uuid(id("none")))] {
        let set = store.set_default_view(tenant, "ada", Some(id)).await;
        assert!(matches!(set, Err(StoreError::Reference(_))), "{set:?}");
    }
    // What is not shared any more is nobody else's beginning.
    (shared.shared, shared.version) = (false, 2);
    store.update_view(&shared).await.unwrap();
    assert_eq!(first("ada").await, None);
    store.set_default_view(one, "ada", Some(mine.id)).await.unwrap();
    store.set_default_view(one, "ada", None).await.unwrap();
    assert_eq!(first("ada").await, None);
    store.set_default_view(one, "ada", Some(mine.id)).await.unwrap();
    assert!(store.delete_view(one, mine.id, None).await.unwrap());
    assert_eq!(first("ada").await, None);
}
