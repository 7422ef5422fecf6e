//! What lines say, and that altered ones are found.

use super::*;
use crate::ports::provider::Port;
use crate::ports::store::VerificationStatus;
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn tenant() -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(1))
}

fn integration() -> Integration {
    Integration {
        id: IntegrationId::from_uuid(Uuid::from_u128(2)),
        tenant: tenant(),
        port: Port::Cicd,
        provider: "jenkins".to_owned(),
        name: "ci".to_owned(),
        config: json!({"baseUrl": "https://ci.example/", "deep": {"flag": true}, "none": null}),
        sealed: b"canary-sealed".to_vec(),
        hints: BTreeMap::from([
            ("apiToken".to_owned(), "6789".to_owned()),
            ("user".to_owned(), String::new()),
        ]),
        status: VerificationStatus::Pending,
        status_detail: None,
        verified_at: None,
        version: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn token(role: &str) -> Token {
    Token {
        id: TokenId::from_uuid(Uuid::from_u128(3)),
        tenant: tenant(),
        name: "bot".to_owned(),
        person: None,
        role: role.to_owned(),
        digest: "canary-digest".to_owned(),
        expires_at: None,
        revoked_at: None,
        created_at: at(0),
    }
}

fn by(second: i64) -> By<'static> {
    By {
        actor: "ada@x.example",
        at: at(second),
    }
}

fn altered(draft: &Draft) -> Vec<(&str, Option<&str>, Option<&str>)> {
    let all = draft.changes.iter();
    all.map(|it| (it.field.as_str(), it.before.as_deref(), it.after.as_deref()))
        .collect()
}

#[test]
fn what_is_made_is_told_in_words_and_without_secrets() {
    let it = integration();
    let draft = Change::InsertIntegration(&it).line(by(0), None).unwrap();
    assert_eq!(
        altered(&draft),
        [
            ("category", None, Some("ci-cd")),
            ("credential apiToken", None, Some("set, ends with 6789")),
            ("credential user", None, Some("set")),
            ("name", None, Some("ci")),
            ("provider", None, Some("jenkins")),
            ("settings.baseUrl", None, Some("https://ci.example/")),
            ("settings.deep.flag", None, Some("true")),
        ]
    );
    assert_eq!((draft.subject, draft.deed), (Subject::Integration, Deed::Created));
    let token = token("ADMIN");
    let made = Change::InsertToken(&token).line(by(0), None).unwrap();
    assert!(!format!("{draft:?}{made:?}").contains("canary"));
}

#[test]
fn what_is_changed_is_told_before_and_after_and_nothing_else() {
    let old = integration();
    let mut new = old.clone();
    new.name = "our\0ci".to_owned();
    new.config = json!({"baseUrl": "x".repeat(1_000)});
    new.version = 2;
    new.status = VerificationStatus::Valid;
    let before = Facts::of_integration(&old);
    let given = ["apiToken".to_owned()];
    let draft = Change::UpdateIntegration(&new, &given)
        .line(by(0), Some(&before))
        .unwrap();
    let long = format!("{}…", "x".repeat(300));
    assert_eq!(
        altered(&draft),
        [
            (
                "credential apiToken",
                Some("set, ends with 6789"),
                Some("replaced, ends with 6789")
            ),
            ("name", Some("ci"), Some("our\u{fffd}ci")),
            (
                "settings.baseUrl",
                Some("https://ci.example/"),
                Some(long.as_str())
            ),
            ("settings.deep.flag", Some("true"), None),
        ]
    );
    assert_eq!(
        (draft.deed, draft.name.as_str()),
        (Deed::Changed, "our\u{fffd}ci")
    );
    // Tried, and nothing else.
    let mut tried = old.clone();
    tried.status = VerificationStatus::Invalid;
    assert_eq!(
        Change::UpdateIntegration(&tried, &[]).line(by(0), Some(&before)),
        None
    );
}

#[test]
fn what_is_taken_away_is_told_with_what_it_was() {
    let it = integration();
    let before = Facts::of_integration(&it);
    let draft = Change::DeleteIntegration(it.tenant, it.id, None)
        .line(by(0), Some(&before))
        .unwrap();
    assert_eq!((draft.deed, draft.name.as_str()), (Deed::Removed, "ci"));
    assert!(altered(&draft).contains(&("provider", Some("jenkins"), None)));
    let link = token("CALENDAR");
    let change = Change::RevokeToken(link.tenant, link.id, at(9));
    let draft = change.line(by(9), Some(&Facts::of_token(&link))).unwrap();
    assert_eq!(
        (draft.subject, draft.deed),
        (Subject::CalendarLink, Deed::Revoked)
    );
    assert_eq!(draft.changes.len(), 1);
    // Revoked twice, it is revoked since the first time.
    let revoked = Token {
        revoked_at: Some(at(1)),
        ..link
    };
    assert_eq!(change.line(by(9), Some(&Facts::of_token(&revoked))), None);
}

#[test]
fn the_line_is_stopped_and_let_go_on_with_a_reason() {
    let (off, on) = (
        Facts::of_stop(tenant(), None),
        Facts::of_stop(tenant(), Some("fire")),
    );
    let stop = Change::SetStop(tenant(), true, "fire");
    let draft = stop.line(by(0), Some(&off)).unwrap();
    assert_eq!(altered(&draft), [("stopped because", None, Some("fire"))]);
    assert_eq!((draft.subject, draft.deed), (Subject::Line, Deed::Stopped));
    assert_eq!(
        stop.line(by(0), Some(&on)),
        None,
        "stopped for the same reason already"
    );
    let draft = Change::SetStop(tenant(), false, "it is out")
        .line(by(0), Some(&on))
        .unwrap();
    assert_eq!(
        altered(&draft),
        [
            ("stopped because", Some("fire"), None),
            ("let go on because", None, Some("it is out"))
        ]
    );
    assert_eq!(Change::SetStop(tenant(), false, "").line(by(0), Some(&off)), None);
}

#[test]
fn a_profile_with_many_values_has_a_line_of_a_bounded_length() {
    let settings = (0..200).map(|n| (format!("value{n:03}"), json!(n)));
    let profile = Profile {
        id: crate::ids::ProfileId::from_uuid(Uuid::from_u128(4)),
        tenant: tenant(),
        name: "weekly".to_owned(),
        service: None,
        revision: 1,
        settings: Value::Object(settings.collect()),
        created_at: at(0),
    };
    let draft = Change::InsertProfile(&profile).line(by(0), None).unwrap();
    assert_eq!(draft.changes.len(), 61);
    assert_eq!(draft.changes[60].after.as_deref(), Some("142 values"));
    let next = Profile {
        revision: 2,
        ..profile.clone()
    };
    let change = Change::InsertProfile(&next);
    let draft = change.line(by(0), Some(&Facts::of_profile(&profile))).unwrap();
    assert_eq!(draft.deed, Deed::Changed);
    assert_eq!(altered(&draft), [("revision", Some("1"), Some("2"))]);
}

#[test]
fn an_altered_line_and_one_that_is_missing_are_found() {
    let it = integration();
    let draft = Change::InsertIntegration(&it).line(by(0), None).unwrap();
    let mut lines: Vec<AuditLine> = Vec::new();
    for second in 0..4 {
        let said = Draft {
            at: at(second),
            ..draft.clone()
        };
        let (number, digest) = lines.last().map_or((0, ""), |it| (it.number, it.digest.as_str()));
        let line = AuditLine::after(number, digest, said);
        lines.push(line);
    }
    assert_eq!(broken(&lines, (0, "")), None);
    assert_eq!(broken(&lines[2..], (2, lines[1].digest.as_str())), None);
    let mut altered = lines.clone();
    altered[2].said.actor = "eve@x.example".to_owned();
    assert_eq!(broken(&altered, (0, "")), Some(3));
    let mut words = lines.clone();
    words[1].said.changes[0].after = Some("other".to_owned());
    assert_eq!(broken(&words, (0, "")), Some(2));
    let mut missing = lines.clone();
    missing.remove(1);
    assert_eq!(broken(&missing, (0, "")), Some(2));
}

#[test]
fn lines_are_narrowed_by_subject_actor_text_and_time() {
    let it = integration();
    let draft = Change::InsertIntegration(&it).line(by(10), None).unwrap();
    let filter = |change: fn(&mut AuditFilter)| {
        let mut filter = AuditFilter::default();
        change(&mut filter);
        filter.fits(&draft)
    };
    assert!(AuditFilter::default().fits(&draft));
    assert!(filter(|it| it.subject = Some(Subject::Integration)));
    assert!(!filter(|it| it.subject = Some(Subject::Token)));
    assert!(filter(|it| it.actor = Some("ADA".to_owned())));
    assert!(!filter(|it| it.actor = Some("eve".to_owned())));
    assert!(filter(|it| it.text = Some("Jenkins".to_owned())));
    assert!(!filter(|it| it.text = Some("canary".to_owned())));
    assert!(filter(|it| it.since = Some(at(10))) && !filter(|it| it.since = Some(at(11))));
    assert!(filter(|it| it.until = Some(at(11))) && !filter(|it| it.until = Some(at(10))));
}
