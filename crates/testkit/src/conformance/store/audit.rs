//! Cases of the audit of the set-up.

use super::Subject;
use super::samples::{id, instant, integration, status_link, tenant};
use chrono::TimeDelta;
use delivr_domain::ids::{IntegrationId, TokenId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{
    AuditFilter, AuditLine, By, Change, Deed, Subject as About, Token, broken,
};

fn by(actor: &str, second: i64) -> By<'_> {
    By {
        actor,
        at: instant() + TimeDelta::seconds(second),
    }
}

async fn lines(subject: &dyn Subject, of: delivr_domain::ids::TenantId) -> Vec<AuditLine> {
    let mut all = subject
        .store()
        .audit(of, &AuditFilter::default(), None, 200)
        .await
        .unwrap();
    all.reverse();
    all
}

/// A change and its line are one: what is refused leaves neither, what alters nothing leaves no line, and lines are a
/// tenant's own, in order, without gap, and as they were written.
pub async fn changes_of_the_set_up_leave_a_line_each(subject: &dyn Subject) {
    let store = subject.store();
    let (one, other) = (tenant(subject, "one").await, tenant(subject, "other").await);
    let it = integration(one, Port::Scm, "re\0po");
    let theirs = integration(other, Port::Scm, "theirs");
    assert!(
        store
            .set_up(&Change::InsertIntegration(&it), by("ada", 0))
            .await
            .unwrap()
    );
    assert!(
        store
            .set_up(&Change::InsertIntegration(&theirs), by("eve", 0))
            .await
            .unwrap()
    );
    // Taken already, and at another version: neither a change nor a line.
    let refused = store.set_up(&Change::InsertIntegration(&it), by("ada", 1)).await;
    assert!(matches!(refused, Err(StoreError::Duplicate(_))), "{refused:?}");
    let refused = store
        .set_up(&Change::UpdateIntegration(&it, &[]), by("ada", 1))
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    let gone = IntegrationId::from_uuid(id("gone"));
    for nothing in [
        Change::DeleteIntegration(one, gone, None),
        Change::DeleteIntegration(one, theirs.id, None),
        Change::RevokeToken(one, TokenId::from_uuid(id("gone")), instant()),
    ] {
        assert!(
            !store.set_up(&nothing, by("ada", 1)).await.unwrap(),
            "{nothing:?}"
        );
    }
    let mut changed = it.clone();
    changed.name = "renamed".to_owned();
    changed.version += 1;
    let given = ["token".to_owned()];
    assert!(
        store
            .set_up(&Change::UpdateIntegration(&changed, &given), by("bob", 2))
            .await
            .unwrap()
    );
    let token = Token {
        id: TokenId::from_uuid(id("token")),
        tenant: one,
        name: "bot".to_owned(),
        person: None,
        role: "ADMIN".to_owned(),
        digest: "canary digest".to_owned(),
        expires_at: None,
        revoked_at: None,
        created_at: instant(),
    };
    store
        .set_up(&Change::InsertToken(&token), by("ada", 3))
        .await
        .unwrap();
    // Revoked twice, it is revoked since the first time, and there is one line.
    for second in 4..6 {
        let at = instant() + TimeDelta::seconds(second);
        let revoke = Change::RevokeToken(one, token.id, at);
        assert!(store.set_up(&revoke, by("ada", second)).await.unwrap());
    }
    let link = status_link(one, "link");
    store
        .set_up(&Change::InsertStatusLink(&link), by("ada", 6))
        .await
        .unwrap();
    for (stopped, reason, second) in [
        (true, "fire", 7),
        (true, "fire", 8),
        (false, "out", 9),
        (false, "", 10),
    ] {
        let stop = Change::SetStop(one, stopped, reason);
        store.set_up(&stop, by("ada", second)).await.unwrap();
        assert_eq!(store.stops(one).await.unwrap().len(), usize::from(stopped));
    }
    store
        .set_up(&Change::RenameTenant(one, "one", "The one"), by("ada", 11))
        .await
        .unwrap();
    assert!(
        store
            .set_up(&Change::DeleteIntegration(one, it.id, None), by("ada", 12))
            .await
            .unwrap()
    );

    let all = lines(subject, one).await;
    let said: Vec<(u64, About, Deed)> = all
        .iter()
        .map(|it| (it.number, it.said.subject, it.said.deed))
        .collect();
    assert_eq!(
        said,
        [
            (1, About::Integration, Deed::Created),
            (2, About::Integration, Deed::Changed),
            (3, About::Token, Deed::Created),
            (4, About::Token, Deed::Revoked),
            (5, About::StatusLink, Deed::Created),
            (6, About::Line, Deed::Stopped),
            (7, About::Line, Deed::Resumed),
            (8, About::Organisation, Deed::Changed),
            (9, About::Integration, Deed::Removed),
        ]
    );
    assert_eq!(broken(&all, (0, "")), None, "what is read is what was written");
    assert_eq!(
        (all[1].said.actor.as_str(), all[1].said.at),
        ("bob", by("", 2).at)
    );
    let name = all[1].said.changes.iter().find(|it| it.field == "name").unwrap();
    assert_eq!(name.after.as_deref(), Some("renamed"));
    assert!(!format!("{all:?}").contains("canary"));
    assert_eq!(lines(subject, other).await.len(), 1);
}

/// Lines are narrowed, and read page by page from the newest on.
pub async fn the_audit_is_narrowed_and_paged(subject: &dyn Subject) {
    let store = subject.store();
    let one = tenant(subject, "one").await;
    for number in 0..7 {
        let it = integration(one, Port::Scm, &format!("repository {number}"));
        let actor = if number % 2 == 0 { "Ada@x.example" } else { "bob" };
        store
            .set_up(&Change::InsertIntegration(&it), by(actor, number))
            .await
            .unwrap();
    }
    let all = AuditFilter::default();
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store.audit(one, &all, before, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        seen.extend(page.iter().map(|it| it.number));
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    let numbers = async |filter: AuditFilter| -> Vec<u64> {
        let found = store.audit(one, &filter, None, 3).await.unwrap();
        found.iter().map(|it| it.number).collect()
    };
    let actor = |text: &str| AuditFilter {
        actor: Some(text.to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(numbers(actor("ADA@")).await, [7, 5, 3]);
    assert_eq!(numbers(actor("eve")).await, [0_u64; 0]);
    let text = AuditFilter {
        text: Some("Repository 2".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(numbers(text).await, [3]);
    let span = AuditFilter {
        since: Some(by("", 1).at),
        until: Some(by("", 3).at),
        subject: Some(About::Integration),
        ..AuditFilter::default()
    };
    assert_eq!(numbers(span).await, [3, 2]);
    let tokens = AuditFilter {
        subject: Some(About::Token),
        ..AuditFilter::default()
    };
    assert_eq!(numbers(tokens).await, [0_u64; 0]);
}

/// Two processes at once change the set-up of one tenant: no number is given twice, and none is left out.
pub async fn two_changes_at_once_have_a_line_each(subject: &dyn Subject) {
    let store = subject.store();
    let one = tenant(subject, "one").await;
    let all: Vec<_> = (0..8)
        .map(|number| integration(one, Port::Scm, &format!("r{number}")))
        .collect();
    let changes = all.iter().map(|it| async move {
        store
            .set_up(&Change::InsertIntegration(it), by("ada", 0))
            .await
            .unwrap();
    });
    futures_util::future::join_all(changes).await;
    let lines = lines(subject, one).await;
    assert_eq!(lines.len(), 8);
    assert_eq!(broken(&lines, (0, "")), None);
}
