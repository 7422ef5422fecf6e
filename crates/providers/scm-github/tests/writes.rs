//! Each write is done once, whatever gets lost, and never over somebody else's work.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::description::Description;
use common::{Bench, branch, delete, deps, foreign, ids, key, log, name, pull, release, scm, tag};
use delivr_domain::effect::{OperationKind, ScmWrite};
use delivr_domain::names::Sha;
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::vendor::{Recognition, Scm};
use delivr_provider_kit::AddressPolicy;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A repository with `release/1.1` one commit ahead of `main` and the tag `v1.1.0` on it.
async fn bench() -> (Bench, Arc<dyn Scm>, Sha) {
    let bench = Bench::start().await;
    let sha = bench.push("release/1.1");
    bench.advance("set_ref", json!({"ref": "refs/tags/v1.1.0", "sha": sha.as_str()}));
    let scm = bench.connect("credentials").await;
    (bench, scm, sha)
}

/// Every write with the name of its effect in the journal.
fn writes(sha: &Sha) -> Vec<(&'static str, ScmWrite)> {
    vec![
        ("create_ref", branch("hotfix/1.1.1", sha)),
        ("create_ref", tag("v1.1.1", sha)),
        ("create_release", release("v1.1.0")),
        ("create_pull", pull("release/1.1")),
        ("delete_ref", delete("release/1.1")),
    ]
}

#[tokio::test]
async fn a_release_goes_from_branch_to_merge_back_as_the_description_says() {
    let bench = Bench::start().await;
    bench.advance("record", json!({"on": true}));
    let mut checked = 0;
    let mut description = Description::load();
    let mut check = |bench: &Bench| {
        let kept = bench.advance("record", json!({"on": true}));
        let exchanges = kept["exchanges"].as_array().unwrap().clone();
        assert!(!exchanges.is_empty());
        if let Some(description) = &mut description {
            exchanges.iter().for_each(|one| description.check(one));
            checked += exchanges.len();
        }
    };
    for credentials in ["credentials", "classic", "app"] {
        let scm = bench.connect(credentials).await;
        let verification = scm.verify().await.unwrap();
        assert!(verification.passed(), "{verification:?}");
        check(&bench);
    }
    let scm = bench.connect("app").await;
    let base = scm.resolve(&name("main")).await.unwrap().unwrap();
    let made = scm.create(&key(1), &branch("release/1.1", &base)).await.unwrap();
    assert_eq!(
        (made.id.as_str(), made.detail["sha"].as_str()),
        ("release/1.1", base.as_str())
    );
    assert!(made.url.unwrap().ends_with("/acme/shop/tree/release/1.1"));
    let head = bench.push("release/1.1");
    assert_eq!(
        ids(scm.find(&key(1), &branch("release/1.1", &base)).await.unwrap()),
        ["release/1.1"]
    );
    let made = scm.create(&key(2), &tag("v1.1.0", &head)).await.unwrap();
    assert_eq!(made.detail["sha"], head.as_str());
    assert_eq!(scm.resolve(&name("v1.1.0")).await.unwrap(), Some(head.clone()));
    assert_eq!(
        ids(scm.find(&key(2), &tag("v1.1.0", &head)).await.unwrap()),
        ["v1.1.0"]
    );
    let notes = scm
        .release_notes(Some(&name("v1.0.0")), &name("v1.1.0"))
        .await
        .unwrap();
    assert!(
        notes.contains("Count gifts once") && notes.contains("Full Changelog"),
        "{notes}"
    );
    let made = scm.create(&key(3), &release("v1.1.0")).await.unwrap();
    assert!(made.url.unwrap().ends_with("/releases/tag/v1.1.0"));
    assert_eq!(
        ids(scm.find(&key(3), &release("v1.1.0")).await.unwrap()),
        ["v1.1.0"]
    );
    let opened = scm.create(&key(4), &pull("release/1.1")).await.unwrap();
    let found = scm.find(&key(4), &pull("release/1.1")).await.unwrap();
    assert_eq!(ids(found), [opened.id.as_str()]);
    let commits = scm.compare(Some(&name("v1.0.0")), &name("v1.1.0")).await.unwrap();
    assert_eq!(commits[0].sha, head, "newest first");
    assert_eq!(scm.compare(None, &name("main")).await.unwrap().len(), 3);
    assert_eq!(scm.branches().await.unwrap(), ["main", "release/1.1"]);
    scm.create(&key(5), &delete("release/1.1")).await.unwrap();
    assert_eq!(
        ids(scm.find(&key(5), &delete("release/1.1")).await.unwrap()),
        ["release/1.1"]
    );
    // Refusals are exchanges too.
    let lost = "1".repeat(40).parse().unwrap();
    scm.create(&key(6), &branch("x", &lost)).await.unwrap_err();
    scm.create(&key(7), &pull("release/1.1")).await.unwrap_err();
    scm.create(&key(8), &release("v9")).await.unwrap_err();
    check(&bench);
    bench.assert_no_duplicates();
    log(&if description.is_some() {
        assert!(checked > 30);
        format!("CHECKED: {checked} exchanges, scm-github against the published github.json")
    } else {
        "SKIPPED: github.json is absent (DELIVR_SPECS names the folder)".to_owned()
    });
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_found_and_not_repeated() {
    for fault in ["response_lost", "status_after"] {
        for at in 0..5 {
            let (bench, scm, sha) = bench().await;
            let (effect, write) = writes(&sha).swap_remove(at);
            assert_eq!(
                ids(scm.find(&key(1), &write).await.unwrap()),
                [""; 0],
                "{write:?}"
            );
            bench.fault(effect, fault).await;
            let error = scm.create(&key(1), &write).await.unwrap_err();
            assert_eq!(error.certainty, Certainty::Unknown, "{fault} {write:?}");
            assert_eq!(error.kind, ProviderErrorKind::Unavailable);
            assert_eq!(
                ids(scm.find(&key(1), &write).await.unwrap()).len(),
                1,
                "{fault} {write:?}"
            );
            // Another attempt that did not look first does no harm either.
            scm.create(&key(1), &write).await.unwrap();
            assert_eq!(bench.effects(effect), 1, "{fault} {write:?}");
            bench.assert_no_duplicates();
        }
    }
}

#[tokio::test]
async fn a_write_that_never_arrived_is_done_by_the_next_attempt() {
    for fault in ["reset", "status_before", "throttle", "html", "huge", "redirect"] {
        let (bench, scm, sha) = bench().await;
        for (effect, write) in writes(&sha) {
            bench.fault_with(effect, fault, json!({"retryAfter": 17})).await;
            let error = scm.create(&key(1), &write).await.unwrap_err();
            let kind = match fault {
                "reset" | "status_before" => ProviderErrorKind::Unavailable,
                "throttle" => ProviderErrorKind::Throttled,
                "html" | "huge" => ProviderErrorKind::Malformed,
                _ => ProviderErrorKind::Refused,
            };
            assert_eq!(error.kind, kind, "{fault} {write:?}");
            if fault == "throttle" {
                assert_eq!(error.retry_after, Some(Duration::from_secs(17)));
            }
            let sure = fault == "throttle";
            assert_eq!(
                error.certainty == Certainty::NotDone,
                sure,
                "{fault} {write:?}: {error:?}"
            );
            assert_eq!(ids(scm.find(&key(1), &write).await.unwrap()), [""; 0]);
            scm.create(&key(1), &write).await.unwrap();
        }
        assert_eq!(bench.effects("create_ref"), 2);
        bench.assert_no_duplicates();
    }
}

#[tokio::test]
async fn the_object_of_a_tag_costs_nothing_when_it_is_lost() {
    let (bench, scm, sha) = bench().await;
    for fault in ["response_lost", "status_after", "reset"] {
        bench.fault("create_tag_object", fault).await;
        let error = scm.create(&key(1), &tag("v1.1.1", &sha)).await.unwrap_err();
        assert_eq!(
            error.certainty,
            Certainty::NotDone,
            "{fault}: there is no tag yet"
        );
    }
    scm.create(&key(1), &tag("v1.1.1", &sha)).await.unwrap();
    assert_eq!(
        bench.effects("create_tag_object"),
        1,
        "equal content is one object"
    );
    bench.assert_no_duplicates();
}

#[tokio::test]
async fn a_slow_answer_leaves_the_effect_unknown_and_findable() {
    let (bench, _, sha) = bench().await;
    let settings = bench.settings().await;
    let hasty = deps(
        AddressPolicy::allowing_loopback(),
        bench.clock.clone(),
        Duration::from_millis(300),
    );
    let hasty = scm(&hasty, &settings["config"], &settings["credentials"]);
    bench
        .fault_with("create_ref", "slow_body", json!({"delayMs": 5000}))
        .await;
    let error = hasty.create(&key(1), &branch("x", &sha)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unavailable, Certainty::Unknown)
    );
    assert_eq!(ids(hasty.find(&key(1), &branch("x", &sha)).await.unwrap()), ["x"]);
}

#[tokio::test]
async fn of_two_workers_one_makes_it_and_both_have_it() {
    let (bench, scm, sha) = bench().await;
    for (_, write) in writes(&sha) {
        let key = key(1);
        let (one, two) = tokio::join!(scm.create(&key, &write), scm.create(&key, &write));
        assert_eq!(one.unwrap().id, two.unwrap().id, "{write:?}");
    }
    assert_eq!(bench.effects("create_ref"), 2);
    assert_eq!(bench.effects("create_release"), 1);
    assert_eq!(bench.effects("create_pull"), 1);
    bench.assert_no_duplicates();
}

#[tokio::test]
async fn what_others_made_under_the_name_is_a_conflict() {
    let (bench, scm, sha) = bench().await;
    bench.advance("push", json!({"branch": "hotfix/1.1.1", "orphan": true}));
    bench.advance("set_ref", json!({"ref": "refs/tags/v1.1.1", "sha": "main"}));
    bench.advance("add_release", json!({"tag": "v1.1.0", "body": "by hand"}));
    let other = scm.create(&key(9), &pull("release/1.1")).await.unwrap();
    let effects = bench.running.journal()["effects"].as_array().unwrap().len();
    for (effect, write) in writes(&sha).into_iter().take(4) {
        let why = foreign(scm.find(&key(1), &write).await.unwrap());
        assert!(why.contains("exists") || why.contains("this step"), "{why}");
        let error = scm.create(&key(1), &write).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Conflict, Certainty::NotDone),
            "{effect}"
        );
    }
    let journal = bench.running.journal();
    let made = journal["effects"].as_array().unwrap().len();
    // A tag object without a name is no change that anybody sees.
    assert_eq!(made - effects, bench.effects("create_tag_object"));
    assert_eq!(
        ids(scm.find(&key(9), &pull("release/1.1")).await.unwrap()),
        [other.id]
    );
}

#[tokio::test]
async fn drafts_and_closed_pull_requests_of_others_are_in_nobodys_way() {
    let (bench, scm, _) = bench().await;
    bench.advance("add_release", json!({"tag": "v1.1.0", "draft": true}));
    assert_eq!(ids(scm.find(&key(1), &release("v1.1.0")).await.unwrap()), [""; 0]);
    scm.create(&key(1), &release("v1.1.0")).await.unwrap();
    let first = scm.create(&key(9), &pull("release/1.1")).await.unwrap();
    let number: u64 = first.id.parse().unwrap();
    bench.advance("close_pull", json!({"number": number}));
    assert_eq!(
        ids(scm.find(&key(1), &pull("release/1.1")).await.unwrap()),
        [""; 0]
    );
    let second = scm.create(&key(1), &pull("release/1.1")).await.unwrap();
    assert_ne!(first.id, second.id);
    // Ours is found however it ended.
    bench.advance("merge_pull", json!({"number": second.id.parse::<u64>().unwrap()}));
    assert_eq!(
        ids(scm.find(&key(1), &pull("release/1.1")).await.unwrap()),
        [second.id]
    );
    assert_eq!(
        ids(scm.find(&key(9), &pull("release/1.1")).await.unwrap()),
        [first.id]
    );
}

#[tokio::test]
async fn what_is_merged_already_needs_no_pull_request() {
    let (bench, scm, _) = bench().await;
    bench.advance("set_ref", json!({"ref": "refs/heads/even", "sha": "main"}));
    let done = scm.create(&key(1), &pull("even")).await.unwrap();
    assert_eq!(done.detail["state"], "nothing to merge");
    assert_eq!(bench.effects("create_pull"), 0);
    let error = scm.create(&key(1), &pull("nowhere")).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
}

#[tokio::test]
async fn rules_and_names_in_the_way_go_to_a_person() {
    let (bench, scm, sha) = bench().await;
    bench.advance("protect", json!({"ref": "refs/tags/v1.1.1"}));
    let error = scm.create(&key(1), &tag("v1.1.1", &sha)).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    assert!(error.sentence.contains("ruleset"), "{}", error.sentence);
    assert!(error.vendor.unwrap().contains("rule violations"));
    let error = scm.create(&key(1), &branch("release", &sha)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Conflict, Certainty::NotDone)
    );
    let lost = "1".repeat(40).parse().unwrap();
    for write in [branch("x", &lost), tag("x", &lost)] {
        let error = scm.create(&key(1), &write).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::NotFound, "{write:?}");
    }
    let error = scm.create(&key(1), &release("v7")).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    bench.advance("protect", json!({"ref": "refs/heads/release/1.1"}));
    let error = scm.create(&key(1), &delete("release/1.1")).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    assert_eq!(bench.effects("create_ref") + bench.effects("delete_ref"), 0);
}

#[tokio::test]
async fn names_with_odd_characters_are_whole_names() {
    let (bench, scm, sha) = bench().await;
    for odd in ["release/1.1+5", "fix/#12", "a%2Fb", "ü/é", "x=z", "release/1"] {
        let made = scm.create(&key(1), &branch(odd, &sha)).await.unwrap();
        assert_eq!(made.id, odd);
        assert_eq!(ids(scm.find(&key(1), &branch(odd, &sha)).await.unwrap()), [odd]);
        assert_eq!(scm.resolve(&name(odd)).await.unwrap(), Some(sha.clone()), "{odd}");
        scm.create(&key(1), &delete(odd)).await.unwrap();
        assert_eq!(scm.resolve(&name(odd)).await.unwrap(), None, "{odd}");
    }
    assert_eq!(bench.effects("delete_ref"), 6);
    assert_eq!(
        scm.resolve(&name("release/1.1")).await.unwrap(),
        Some(sha),
        "a longer name is another one"
    );
}

#[tokio::test]
async fn long_histories_are_read_to_their_end() {
    let (bench, scm, _) = bench().await;
    // More than GitHub tells at once where nobody asks for pages.
    let pushed = bench.advance("push", json!({"branch": "long", "count": 330}));
    let commits = scm.compare(Some(&name("main")), &name("long")).await.unwrap();
    let told: Vec<Value> = commits.iter().rev().map(|one| json!(one.sha.as_str())).collect();
    assert_eq!(json!(told), pushed["commits"]);
    assert_eq!(commits[0].subject, "Change 330 of long");
    assert_eq!(commits[0].author, "Mona Lisa");
    assert_eq!(scm.compare(None, &name("long")).await.unwrap().len(), 333);
    for number in 0..120 {
        bench.advance(
            "set_ref",
            json!({"ref": format!("refs/heads/b/{number:03}"), "sha": "main"}),
        );
    }
    assert_eq!(scm.branches().await.unwrap().len(), 123);
    let error = scm
        .compare(Some(&name("nowhere")), &name("long"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    assert!(error.sentence.contains("nowhere"));
}

#[tokio::test]
async fn notes_come_from_github_and_from_commits_where_it_has_none() {
    let (bench, scm, _) = bench().await;
    bench.advance(
        "push",
        json!({"branch": "release/1.1", "message": "Ping @everyone <now>"}),
    );
    bench.advance(
        "set_ref",
        json!({"ref": "refs/tags/v1.1.0", "sha": "release/1.1"}),
    );
    bench.advance("set_ref", json!({"ref": "refs/tags/v1.0.1", "sha": "main"}));
    // Pull requests only: what GitHub writes is taken as it is.
    let notes = scm
        .release_notes(Some(&name("v1.0.0")), &name("v1.0.1"))
        .await
        .unwrap();
    assert!(
        notes.starts_with("## What's Changed\n* fix(cart): Count gifts once by @"),
        "{notes}"
    );
    let notes = scm
        .release_notes(Some(&name("v1.0.1")), &name("v1.1.0"))
        .await
        .unwrap();
    assert!(notes.contains("* Ping @\u{200b}everyone \\<now\\> ("), "{notes}");
    assert!(notes.contains("**Full Changelog**"), "{notes}");
    // A branch that is not tagged yet, and a beginning that is no tag.
    let notes = scm
        .release_notes(Some(&name("v1.0.1")), &name("release/1.1"))
        .await
        .unwrap();
    assert!(notes.contains("Ping"), "{notes}");
    let notes = scm
        .release_notes(Some(&name("main")), &name("release/1.1"))
        .await
        .unwrap();
    assert!(notes.contains("Ping") && !notes.contains("Changelog"), "{notes}");
    assert!(
        scm.release_notes(None, &name("v1.0.0"))
            .await
            .unwrap()
            .contains("Full Changelog")
    );
    assert_eq!(
        bench.running.journal()["effects"],
        json!([]),
        "reading changes nothing"
    );
}

#[tokio::test]
async fn operations_declare_how_they_are_recognised() {
    let (_bench, scm, _) = bench().await;
    for (kind, recognition) in [
        (OperationKind::CreateBranch, Recognition::ByName),
        (OperationKind::CreateTag, Recognition::ByName),
        (OperationKind::PublishRelease, Recognition::ByName),
        (OperationKind::OpenPullRequest, Recognition::ByName),
        (OperationKind::DeleteBranch, Recognition::ByState),
    ] {
        assert_eq!(scm.declared(kind).recognition, recognition, "{kind}");
    }
    assert!(scm.publishes_releases() && scm.has_pull_requests());
}
