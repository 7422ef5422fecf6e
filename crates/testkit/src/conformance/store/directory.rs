//! Cases of the directory: uniqueness, references, versions, lists, and that tenants never see each other.

use super::Subject;
use super::samples::{
    append, enqueue, id, insert, instant, integration, key, perform, pipeline, profile, release, release_id,
    service, tenant, token, watch,
};
use chrono::TimeDelta;
use delivr_domain::ids::{DeliveryId, ServiceId, TenantId};
use delivr_domain::key::{AggregateId, AggregateKind};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{
    AggregateRow, Named, Page, ReleaseFilter, StoredAnswer, StoredDelivery, Tenant, VerificationStatus,
};
use serde_json::json;

/// Slugs and digests are unique; a revoked token keeps its first instant.
pub async fn tenants_and_tokens(subject: &dyn Subject) {
    let store = subject.store();
    let (second, first) = (tenant(subject, "zeta").await, tenant(subject, "alpha").await);
    let tenants: Vec<TenantId> = store.tenants().await.unwrap().iter().map(|it| it.id).collect();
    assert_eq!(tenants, [first, second]);
    assert_eq!(store.tenant_by_slug("zeta").await.unwrap().unwrap().id, second);
    assert_eq!(store.tenant(first).await.unwrap().unwrap().slug, "alpha");
    assert_eq!(store.tenant_by_slug("beta").await.unwrap(), None);
    let same_slug = Tenant {
        id: TenantId::from_uuid(id("x")),
        slug: "zeta".to_owned(),
        name: String::new(),
    };
    assert!(matches!(
        store.insert_tenant(&same_slug).await,
        Err(StoreError::Duplicate(_))
    ));

    let mut old = token(first, "old");
    old.created_at -= TimeDelta::microseconds(1);
    let mut new = token(first, "new");
    new.person = Some("ada@example.org".to_owned());
    store.insert_token(&old).await.unwrap();
    store.insert_token(&new).await.unwrap();
    assert!(matches!(
        store.insert_token(&new).await,
        Err(StoreError::Duplicate(_))
    ));
    assert_eq!(store.tokens(first).await.unwrap(), [new.clone(), old.clone()]);
    assert_eq!(store.token_by_digest(&old.digest).await.unwrap(), Some(old));
    for later in [0, 60] {
        let at = instant() + TimeDelta::seconds(later);
        assert!(store.revoke_token(first, new.id, at).await.unwrap());
        let revoked = store.token_by_digest(&new.digest).await.unwrap().unwrap();
        assert_eq!(revoked.revoked_at, Some(instant()));
    }
    let nobody = token(TenantId::from_uuid(id("nobody")), "t");
    assert!(matches!(
        store.insert_token(&nobody).await,
        Err(StoreError::Reference(_))
    ));
}

/// A tenant gets another slug, if it is free.
pub async fn tenants_are_renamed(subject: &dyn Subject) {
    let store = subject.store();
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    assert!(store.rename_tenant(one, "first", "The first").await.unwrap());
    let renamed = store.tenant_by_slug("first").await.unwrap().unwrap();
    assert_eq!((renamed.id, renamed.name.as_str()), (one, "The first"));
    assert_eq!(store.tenant_by_slug("one").await.unwrap(), None);
    // Its own slug is not taken by another.
    assert!(store.rename_tenant(one, "first", "First").await.unwrap());
    assert!(matches!(
        store.rename_tenant(other, "first", "x").await,
        Err(StoreError::Duplicate(_))
    ));
    let nobody = TenantId::from_uuid(id("nobody"));
    assert!(!store.rename_tenant(nobody, "third", "x").await.unwrap());
}

/// The newest delivery of each integration, and of no other tenant's.
pub async fn the_last_delivery_of_an_integration_is_known(subject: &dyn Subject) {
    let store = subject.store();
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let mut made = Vec::new();
    for (tenant, provider) in [(one, "github"), (one, "silent"), (other, "gitlab")] {
        let it = integration(tenant, Port::Scm, provider);
        store.insert_integration(&it).await.unwrap();
        made.push(it);
    }
    for (number, (it, seconds)) in [(&made[0], 5), (&made[0], 9), (&made[0], 7), (&made[2], 1)]
        .into_iter()
        .enumerate()
    {
        let delivery = StoredDelivery {
            id: DeliveryId::from_uuid(id(&format!("delivery {number}"))),
            tenant: it.tenant,
            integration: Some(it.id),
            source: it.provider.clone(),
            external: number.to_string(),
            payload: json!({}),
            at: instant() + TimeDelta::seconds(seconds),
        };
        assert!(store.insert_delivery(&delivery).await.unwrap());
    }
    let last = store.last_deliveries(one).await.unwrap();
    let expected = [(made[0].id, instant() + TimeDelta::seconds(9))];
    assert_eq!(last.into_iter().collect::<Vec<_>>(), expected);
}

/// Settings are overwritten; the installation's id is made once.
pub async fn settings_and_the_installation(subject: &dyn Subject) {
    let store = subject.store();
    store.ready().await.unwrap();
    assert_eq!(store.setting("restore_epoch").await.unwrap(), None);
    for value in ["1", "2"] {
        store.put_setting("restore_epoch", value).await.unwrap();
        assert_eq!(
            store.setting("restore_epoch").await.unwrap().as_deref(),
            Some(value)
        );
    }
    assert_eq!(store.install().await.unwrap(), store.install().await.unwrap());
}

/// An update needs the version before; names are unique per category.
pub async fn integrations_guard_their_version(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let store = subject.store();
    let mut it = integration(tenant, Port::Scm, "github");
    store.insert_integration(&it).await.unwrap();
    assert_eq!(
        store.integration(tenant, it.id).await.unwrap().as_ref(),
        Some(&it)
    );
    it.version = 2;
    it.status = VerificationStatus::Valid;
    it.status_detail = Some(json!({"login": "octo"}));
    it.verified_at = Some(instant());
    it.sealed = vec![1; 300];
    store.update_integration(&it).await.unwrap();
    assert_eq!(
        store.integration(tenant, it.id).await.unwrap().as_ref(),
        Some(&it)
    );
    // Who saw an older version deletes nothing.
    assert!(matches!(
        store.delete_integration(tenant, it.id, Some(1)).await,
        Err(StoreError::Conflict)
    ));
    assert!(matches!(
        store.update_integration(&it).await,
        Err(StoreError::Conflict)
    ));
    let mut other = integration(tenant, Port::Scm, "gitlab");
    other.name = "github".to_owned();
    assert!(matches!(
        store.insert_integration(&other).await,
        Err(StoreError::Duplicate(_))
    ));
    other.port = Port::Cicd;
    store.insert_integration(&other).await.unwrap();
    assert_eq!(store.integrations(tenant, None).await.unwrap().len(), 2);
    assert_eq!(
        store.integrations(tenant, Some(Port::Cicd)).await.unwrap(),
        [other]
    );
    assert_eq!(store.all_integrations().await.unwrap().len(), 2);
    assert!(store.delete_integration(tenant, it.id, Some(2)).await.unwrap());
    for expected in [None, Some(2)] {
        assert!(!store.delete_integration(tenant, it.id, expected).await.unwrap());
    }
}

/// A webhook's address names no tenant: the id alone finds the integration, and only that one.
pub async fn an_integration_is_found_by_its_id_alone(subject: &dyn Subject) {
    let store = subject.store();
    let mut made = Vec::new();
    for (slug, provider) in [("one", "github"), ("other", "gitlab")] {
        let it = integration(tenant(subject, slug).await, Port::Scm, provider);
        store.insert_integration(&it).await.unwrap();
        made.push(it);
    }
    for it in &made {
        assert_eq!(store.integration_by_id(it.id).await.unwrap().as_ref(), Some(it));
    }
    assert!(store.unreadable_integrations().await.unwrap().is_empty());
    let gone = made.remove(0);
    assert!(
        store
            .delete_integration(gone.tenant, gone.id, None)
            .await
            .unwrap()
    );
    assert_eq!(store.integration_by_id(gone.id).await.unwrap(), None);
    assert_eq!(store.all_integrations().await.unwrap(), made);
}

/// Neither under a pipeline nor under a live release.
pub async fn an_integration_in_use_is_not_deleted(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let store = subject.store();
    let ci = integration(tenant, Port::Cicd, "jenkins");
    store.insert_integration(&ci).await.unwrap();
    let job = pipeline(tenant, "job", ci.id);
    store.insert_pipeline(&job).await.unwrap();
    assert!(matches!(
        store.delete_integration(tenant, ci.id, None).await,
        Err(StoreError::Reference(_))
    ));
    assert!(store.delete_pipeline(tenant, job.id, None).await.unwrap());
    let mut live = release(tenant, "app", 1);
    live.projection.integrations = vec![ci.id];
    insert(subject, &live).await;
    assert_eq!(store.releases_using(tenant, ci.id).await.unwrap(), ["REL-1"]);
    assert!(matches!(
        store.delete_integration(tenant, ci.id, None).await,
        Err(StoreError::Reference(_))
    ));
    live.version = 2;
    live.projection.terminal = true;
    let mut unit = store.begin().await.unwrap();
    unit.save(&live, Some(1)).await.unwrap();
    unit.commit().await.unwrap();
    assert!(store.releases_using(tenant, ci.id).await.unwrap().is_empty());
    assert!(store.delete_integration(tenant, ci.id, None).await.unwrap());
}

/// A pipeline runs on a CI/CD integration of its own tenant, and on nothing else.
pub async fn pipelines_use_integrations_of_their_category(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let store = subject.store();
    let (ci, scm) = (
        integration(one, Port::Cicd, "jenkins"),
        integration(one, Port::Scm, "github"),
    );
    store.insert_integration(&ci).await.unwrap();
    store.insert_integration(&scm).await.unwrap();
    let mut job = pipeline(one, "job", ci.id);
    job.scm = Some(scm.id);
    store.insert_pipeline(&job).await.unwrap();
    assert_eq!(store.pipeline(one, job.id).await.unwrap().as_ref(), Some(&job));
    let wrong = pipeline(one, "wrong", scm.id);
    assert!(matches!(
        store.insert_pipeline(&wrong).await,
        Err(StoreError::Reference(_))
    ));
    let foreign = pipeline(other, "foreign", ci.id);
    assert!(matches!(
        store.insert_pipeline(&foreign).await,
        Err(StoreError::Reference(_))
    ));
    let mut same_name = pipeline(one, "other job", ci.id);
    same_name.name = "job".to_owned();
    assert!(matches!(
        store.insert_pipeline(&same_name).await,
        Err(StoreError::Duplicate(_))
    ));
    job.version = 2;
    job.purpose = "PRE_RELEASE".to_owned();
    store.update_pipeline(&job).await.unwrap();
    assert!(matches!(
        store.update_pipeline(&job).await,
        Err(StoreError::Conflict)
    ));
    assert_eq!(store.pipelines(one).await.unwrap(), [job.clone()]);
    assert!(matches!(
        store.delete_pipeline(one, job.id, Some(1)).await,
        Err(StoreError::Conflict)
    ));
    assert!(store.delete_pipeline(one, job.id, Some(2)).await.unwrap());
    assert!(!store.delete_pipeline(one, job.id, None).await.unwrap());
}

/// Services guard versions and releases; profiles keep every revision.
pub async fn services_and_profiles(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let store = subject.store();
    let mut shop = service(tenant, "shop");
    store.insert_service(&shop).await.unwrap();
    let mut twin = service(tenant, "twin");
    twin.slug = "shop".to_owned();
    assert!(matches!(
        store.insert_service(&twin).await,
        Err(StoreError::Duplicate(_))
    ));
    shop.version = 2;
    shop.name = "The shop".to_owned();
    store.update_service(&shop).await.unwrap();
    assert!(matches!(
        store.update_service(&shop).await,
        Err(StoreError::Conflict)
    ));
    assert_eq!(store.services(tenant).await.unwrap(), [shop.clone()]);
    assert_eq!(
        store.service(tenant, shop.id).await.unwrap().as_ref(),
        Some(&shop)
    );
    let mut row = release(tenant, "app", 1);
    row.projection.parent = Some(shop.id.uuid());
    insert(subject, &row).await;
    assert!(matches!(
        store.delete_service(tenant, shop.id, None).await,
        Err(StoreError::Reference(_))
    ));
    let web = service(tenant, "web");
    store.insert_service(&web).await.unwrap();
    assert!(matches!(
        store.delete_service(tenant, web.id, Some(2)).await,
        Err(StoreError::Conflict)
    ));
    assert!(store.delete_service(tenant, web.id, Some(1)).await.unwrap());
    assert!(!store.delete_service(tenant, web.id, None).await.unwrap());

    for revision in 1..=3 {
        store
            .insert_profile(&profile(tenant, "default", revision))
            .await
            .unwrap();
    }
    store
        .insert_profile(&profile(tenant, "careful", 1))
        .await
        .unwrap();
    let again = store.insert_profile(&profile(tenant, "default", 3)).await;
    assert!(matches!(again, Err(StoreError::Conflict)));
    let newest = store.profiles(tenant).await.unwrap();
    assert_eq!(
        newest,
        [profile(tenant, "careful", 1), profile(tenant, "default", 3)]
    );
    let of_id = newest[1].id;
    assert_eq!(
        store.profile(tenant, of_id, None).await.unwrap(),
        Some(profile(tenant, "default", 3))
    );
    assert_eq!(
        store.profile(tenant, of_id, Some(2)).await.unwrap(),
        Some(profile(tenant, "default", 2))
    );
    assert_eq!(store.profile(tenant, of_id, Some(9)).await.unwrap(), None);
}

/// Newest first, page by page, narrowed by what stands in the row.
pub async fn releases_are_listed_and_narrowed(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let shop = service(tenant, "shop");
    subject.store().insert_service(&shop).await.unwrap();
    for number in 1..=5 {
        let mut row = release(tenant, &format!("app {number}"), number);
        if number == 2 {
            row.projection.title = "100%_Über".to_owned();
            row.projection.status = "IN_PROGRESS".to_owned();
            row.projection.phase = "REGRESSION".to_owned();
            row.projection.parent = Some(shop.id.uuid());
        }
        insert(subject, &row).await;
    }
    let list = async |filter: ReleaseFilter, limit: u16, cursor: Option<String>| {
        let page = Page { limit, cursor };
        let listed = subject.store().releases(tenant, &filter, &page).await.unwrap();
        let numbers: Vec<i64> = listed.items.iter().map(|row| row.projection.number).collect();
        (numbers, listed.next)
    };
    let everything = ReleaseFilter::default;
    let (first, next) = list(everything(), 2, None).await;
    assert_eq!(first, [5, 4]);
    let (second, next) = list(everything(), 2, next).await;
    assert_eq!(second, [3, 2]);
    assert_eq!(list(everything(), 2, next).await, (vec![1], None));
    assert_eq!(
        list(everything(), 5, None).await.1,
        None,
        "a full last page has no next"
    );
    assert!(
        list(everything(), 5, Some("garbage".to_owned()))
            .await
            .0
            .is_empty()
    );
    let text = |text: &str| ReleaseFilter {
        text: Some(text.to_owned()),
        ..everything()
    };
    assert_eq!(list(text("%_üB"), 9, None).await.0, [2]);
    assert_eq!(list(text("rel-4"), 9, None).await.0, [4]);
    assert_eq!(list(text("100 über"), 9, None).await.0, [2]);
    assert_eq!(
        list(text("5"), 9, None).await.0,
        [5],
        "a number alone is also the key's"
    );
    let (found, next) = list(text("rel"), 2, None).await;
    assert_eq!(found, [5, 4]);
    assert_eq!(list(text("rel"), 9, next.clone()).await.0, [3, 2, 1]);
    assert!(
        list(everything(), 9, next).await.0.is_empty(),
        "a cursor of another list"
    );
    for nothing in ["_e_", "el-4", "%", "über 101"] {
        assert!(list(text(nothing), 9, None).await.0.is_empty(), "{nothing}");
    }
    let by_status = ReleaseFilter {
        status: Some("IN_PROGRESS".to_owned()),
        ..everything()
    };
    let by_phase = ReleaseFilter {
        phase: Some("REGRESSION".to_owned()),
        ..everything()
    };
    let by_service = ReleaseFilter {
        service: Some(shop.id),
        ..everything()
    };
    for filter in [by_status, by_phase, by_service] {
        assert_eq!(list(filter, 9, None).await.0, [2]);
    }
    let nothing = ReleaseFilter {
        service: Some(ServiceId::from_uuid(id("none"))),
        ..everything()
    };
    assert!(list(nothing, 9, None).await.0.is_empty());
}

fn child(of: &AggregateRow, kind: AggregateKind, seconds: i64) -> AggregateRow {
    let mut row = release(of.tenant, "child", 0);
    row.id = AggregateId {
        kind,
        id: id(&format!("child {seconds}")),
    };
    row.projection.parent = Some(of.id.id);
    row.projection.created_at = Some(instant() + TimeDelta::seconds(seconds));
    row
}

/// Submissions and rollouts, oldest first; they share the number 0.
pub async fn children_of_a_release(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let parent = release(tenant, "app", 1);
    insert(subject, &parent).await;
    insert(subject, &release(tenant, "other", 2)).await;
    let mut children = vec![
        child(&parent, AggregateKind::Submission, 3),
        child(&parent, AggregateKind::Rollout, 2),
        child(&parent, AggregateKind::Submission, 1),
    ];
    for row in &children {
        insert(subject, row).await;
    }
    children.reverse();
    assert_eq!(
        subject.store().children(tenant, parent.id.id).await.unwrap(),
        children
    );
    assert!(
        subject
            .store()
            .children(tenant, id("other"))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        subject.store().peek(children[0].id).await.unwrap().as_ref(),
        Some(&children[0])
    );
}

/// What belongs to a release is known by its name, and its history is read as one.
pub async fn a_family_has_one_name_and_one_history(subject: &dyn Subject) {
    let (tenant, stranger) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let parent = release(tenant, "app", 1);
    insert(subject, &parent).await;
    let other = release(tenant, "other", 2);
    insert(subject, &other).await;
    let submission = child(&parent, AggregateKind::Submission, 3);
    let rollout = child(&parent, AggregateKind::Rollout, 2);
    for row in [&submission, &rollout] {
        insert(subject, row).await;
    }
    let store = subject.store();
    let unknown = release_id("nobody");
    let asked = [other.id, submission.id, unknown, rollout.id, parent.id, parent.id];
    let named = store.releases_of(tenant, &asked).await.unwrap();
    let key_of = |id| named.get(&id).map(|it: &Named| (it.id, it.key.as_str()));
    let ours = Some((parent.id, parent.projection.key.as_str()));
    assert_eq!(key_of(submission.id), ours);
    assert_eq!(key_of(rollout.id), ours);
    assert_eq!(key_of(parent.id), ours);
    assert_eq!(key_of(other.id), Some((other.id, other.projection.key.as_str())));
    assert_eq!(named.len(), 4, "nobody knows the unknown one");
    assert_eq!(named[&parent.id].title, parent.projection.title);
    assert!(store.releases_of(stranger, &asked).await.unwrap().is_empty());
    assert!(store.releases_of(tenant, &[]).await.unwrap().is_empty());

    for (owner, sequence) in [
        (parent.id, 1),
        (other.id, 1),
        (submission.id, 1),
        (parent.id, 2),
        (rollout.id, 1),
        (other.id, 2),
        (submission.id, 2),
    ] {
        append(subject, tenant, owner, sequence).await;
    }
    let family = [parent.id, submission.id, rollout.id];
    let all = store
        .family_feed_backwards(tenant, &family, None, 10)
        .await
        .unwrap();
    let told: Vec<_> = all.iter().map(|event| (event.owner, event.sequence)).collect();
    assert_eq!(
        told,
        [
            (submission.id, 2),
            (rollout.id, 1),
            (parent.id, 2),
            (submission.id, 1),
            (parent.id, 1)
        ]
    );
    // Named twice, a member's events are told once, and a page is as long as it can be.
    let named_twice = [parent.id, submission.id, parent.id, rollout.id];
    let page =
        |before: Option<i64>, limit: u16| store.family_feed_backwards(tenant, &named_twice, before, limit);
    assert_eq!(page(None, 2).await.unwrap(), all[..2]);
    assert_eq!(page(Some(all[1].position), 2).await.unwrap(), all[2..4]);
    assert_eq!(page(Some(all[4].position), 2).await.unwrap(), []);
    let theirs = store
        .family_feed_backwards(stranger, &family, None, 10)
        .await
        .unwrap();
    assert!(theirs.is_empty());
    let none = store.family_feed_backwards(tenant, &[], None, 10).await.unwrap();
    assert!(none.is_empty());
}

/// A callback's correlation key names the write that started the run, also when it is over.
pub async fn correlation_finds_the_write_before_the_watch(subject: &dyn Subject) {
    let tenant = tenant(subject, "one").await;
    let (wait, write) = (watch(release_id("app"), 0, 60), perform(release_id("app"), 0));
    let correlation = key(release_id("app"), 0).short();
    let found = async || {
        subject
            .store()
            .effect_by_correlation(tenant, &correlation)
            .await
            .unwrap()
    };
    assert_eq!(found().await, None);
    enqueue(subject, tenant, std::slice::from_ref(&wait)).await;
    assert_eq!(found().await.map(|row| row.effect), Some(wait));
    enqueue(subject, tenant, std::slice::from_ref(&write)).await;
    let mut unit = subject.store().begin().await.unwrap();
    unit.end(write.id()).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(found().await.map(|row| row.effect), Some(write));
}

/// Every method that names a tenant answers another tenant as if nothing were there.
pub async fn tenants_never_see_each_other(subject: &dyn Subject) {
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let store = subject.store();
    let ci = integration(one, Port::Cicd, "jenkins");
    let job = pipeline(one, "job", ci.id);
    let shop = service(one, "shop");
    let template = profile(one, "default", 1);
    let secret = token(one, "token");
    store.insert_integration(&ci).await.unwrap();
    store.insert_pipeline(&job).await.unwrap();
    store.insert_service(&shop).await.unwrap();
    store.insert_profile(&template).await.unwrap();
    store.insert_token(&secret).await.unwrap();
    let mut row = release(one, "app", 1);
    row.projection.integrations = vec![ci.id];
    insert(subject, &row).await;
    insert(subject, &child(&row, AggregateKind::Submission, 1)).await;
    append(subject, one, row.id, 1).await;
    enqueue(subject, one, &[perform(row.id, 0)]).await;
    let expires_at = store.now().await.unwrap() + TimeDelta::hours(1);
    let answer = StoredAnswer {
        request: String::new(),
        status: 200,
        body: String::new(),
        expires_at,
    };
    store.insert_answer(one, "k", &answer).await.unwrap();

    assert!(store.tokens(other).await.unwrap().is_empty());
    assert!(!store.revoke_token(other, secret.id, instant()).await.unwrap());
    assert!(store.integrations(other, None).await.unwrap().is_empty());
    assert_eq!(store.integration(other, ci.id).await.unwrap(), None);
    assert!(!store.delete_integration(other, ci.id, None).await.unwrap());
    assert!(store.releases_using(other, ci.id).await.unwrap().is_empty());
    assert!(store.pipelines(other).await.unwrap().is_empty());
    assert_eq!(store.pipeline(other, job.id).await.unwrap(), None);
    assert!(!store.delete_pipeline(other, job.id, None).await.unwrap());
    assert!(store.services(other).await.unwrap().is_empty());
    assert_eq!(store.service(other, shop.id).await.unwrap(), None);
    assert!(!store.delete_service(other, shop.id, None).await.unwrap());
    assert!(store.profiles(other).await.unwrap().is_empty());
    assert_eq!(store.profile(other, template.id, None).await.unwrap(), None);
    assert_eq!(store.read(other, row.id).await.unwrap(), None);
    let page = Page {
        limit: 10,
        cursor: None,
    };
    assert!(
        store
            .releases(other, &ReleaseFilter::default(), &page)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(store.children(other, row.id.id).await.unwrap().is_empty());
    let correlation = key(row.id, 0).short();
    assert_eq!(
        store.effect_by_correlation(other, &correlation).await.unwrap(),
        None
    );
    assert!(store.events(other, row.id, 0, 10).await.unwrap().is_empty());
    assert!(store.feed(other, 0, 10).await.unwrap().is_empty());
    assert!(store.feed_backwards(other, None, 10).await.unwrap().is_empty());
    assert_eq!(store.answer(other, "k").await.unwrap(), None);
    store.insert_answer(other, "k", &answer).await.unwrap();

    // Writes that name the other tenant find no row, or no version of it.
    let mut stolen = ci.clone();
    (stolen.tenant, stolen.version) = (other, 2);
    assert!(matches!(
        store.update_integration(&stolen).await,
        Err(StoreError::Conflict)
    ));
    let mut stolen = shop.clone();
    (stolen.tenant, stolen.version) = (other, 2);
    assert!(matches!(
        store.update_service(&stolen).await,
        Err(StoreError::Conflict)
    ));
    let mut stolen = job.clone();
    (stolen.tenant, stolen.version) = (other, 2);
    assert!(matches!(
        store.update_pipeline(&stolen).await,
        Err(StoreError::Conflict)
    ));
    let mut stolen = row.clone();
    (stolen.tenant, stolen.version) = (other, 2);
    let mut unit = store.begin().await.unwrap();
    let saved = unit.save(&stolen, Some(1)).await;
    drop(unit);
    assert!(matches!(saved, Err(StoreError::Conflict)), "{saved:?}");
    assert_eq!(store.peek(row.id).await.unwrap(), Some(row));
}
