//! What one claimed effect comes to: what is sent, what is stored of it, and what a person is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[allow(unreachable_pub, dead_code, reason = "a bench for several tests")]
mod bench;

use bench::{Bench, Then, begin, integration, now, plan, tenant};
use delivr_app::connections;
use delivr_app::stored::read_state;
use delivr_app::usecases::callbacks;
use delivr_app::usecases::explain::{Reach, dry_run};
use delivr_app::usecases::integrations::verify;
use delivr_app::vault::Vault;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::board::TaskState;
use delivr_domain::effect::{Effect, Topic};
use delivr_domain::key::{AggregateKind, TaskKind};
use delivr_domain::plan::{ChatPlan, Plan, Purpose};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Directory as _, Queue as _, VerificationStatus};
use delivr_domain::release::hold::holds;
use delivr_domain::report::Outcome;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const BUILD: TaskKind = TaskKind::TriggerPreRegressionBuilds;

fn reachable() -> Arc<connections::Connections> {
    connections::reached_at("https://delivr.example.com/base/".parse().ok())
}

/// A plan whose build is given both words.
fn calling_back() -> Plan {
    let mut plan = plan();
    for target in plan.targets.values_mut() {
        let pipeline = target.pipelines.get_mut(&Purpose::PreRegressionBuild).unwrap();
        pipeline
            .parameters
            .insert("KEY".to_owned(), "{delivr_key}".to_owned());
        pipeline
            .parameters
            .insert("REPORT_TO".to_owned(), "{callbackUrl}?of={version}".to_owned());
    }
    plan
}

/// Everything that is stored or shown about the release, as one text.
fn all_that_is_kept(bench: &Bench) -> String {
    let events = now(bench.store.events(tenant(), bench.release, 0, 1_000)).unwrap();
    let attempts = now(bench.store.attempts(bench.release)).unwrap();
    format!("{:?} {:?} {:?} {attempts:?}", bench.state(), events, bench.rows())
}

#[test]
fn a_run_is_given_its_key_and_the_address_to_call_and_nothing_keeps_the_secret() {
    let bench = Bench::new(calling_back(), reachable());
    bench.work();
    let row = bench.write_of(BUILD);
    let key = row.effect.key().unwrap().short();
    let token = now(callbacks::token(&bench.app, tenant(), &key)).unwrap();
    let asked = bench.vendor.0.lock().unwrap().asked.join("\n");
    let address = format!("https://delivr.example.com/base/api/v1/callbacks/builds/{token}?of=1.4.0");
    assert!(asked.contains(&address), "{asked}");
    assert!(asked.contains(&format!("\"KEY\": \"{key}\"")), "{asked}");
    let caller = now(callbacks::verify(&bench.app, &token)).unwrap().unwrap();
    assert_eq!(caller.correlation, key);
    let kept = all_that_is_kept(&bench);
    assert!(!kept.contains(&token), "the token is a secret");
    assert!(kept.contains("{callbackUrl}"), "what is shown keeps the word");
}

#[test]
fn a_vendor_that_repeats_what_it_was_sent_does_not_bring_the_secret_into_a_failure() {
    let bench = Bench::new(calling_back(), reachable());
    let refused = Then::Refused("bad parameters".to_owned());
    // The ticket is refused too, whichever of the two is asked for first.
    bench
        .vendor
        .0
        .lock()
        .unwrap()
        .next
        .extend([refused.clone(), refused]);
    bench.work();
    let key = bench.write_of(BUILD).effect.key().unwrap().short();
    let token = now(callbacks::token(&bench.app, tenant(), &key)).unwrap();
    let task = bench.task(BUILD);
    let TaskState::Failed { cause, .. } = &bench.state().board.find(&task).unwrap().state.clone() else {
        panic!("it is refused");
    };
    assert!(
        cause.vendor.as_ref().unwrap().contains("(callback token)"),
        "{cause:?}"
    );
    assert!(!all_that_is_kept(&bench).contains(&token));
}

#[test]
fn without_a_public_address_the_run_is_not_started_and_the_dry_run_says_so_before() {
    let bench = Bench::new(calling_back(), connections::cache());
    let said = |reach| {
        let lines = dry_run(&bench.state(), Vec::new(), begin(), reach).lines;
        lines
            .into_iter()
            .filter(|it| it.does.contains("DELIVR_PUBLIC_URL"))
            .count()
    };
    assert_eq!(said(Reach::NoAddress), 1);
    assert_eq!(said(Reach::Reachable), 0);
    bench.work();
    let task = bench.task(BUILD);
    let TaskState::Failed { cause, .. } = &bench.state().board.find(&task).unwrap().state.clone() else {
        panic!("it cannot be started");
    };
    assert_eq!(cause.code, "public_url_missing");
    assert!(cause.sentence.contains("DELIVR_PUBLIC_URL"), "{}", cause.sentence);
    let asked = bench.vendor.0.lock().unwrap().asked.join("\n");
    assert!(!asked.contains("TriggerRun"), "nothing was sent: {asked}");
}

#[test]
fn a_run_that_names_no_address_needs_none() {
    let bench = Bench::new(plan(), connections::cache());
    bench.work();
    let asked = bench.vendor.0.lock().unwrap().asked.join("\n");
    assert!(asked.contains("TriggerRun"), "{asked}");
}

#[test]
fn the_dry_run_lifts_a_hold_before_it_goes_on() {
    let bench = Bench::new(plan(), connections::cache());
    bench.command(delivr_domain::release::Command::Pause { note: None });
    let lines = dry_run(&bench.state(), Vec::new(), begin(), Reach::Reachable).lines;
    let first = lines
        .iter()
        .find(|it| matches!(it.kind, "PERSON" | "PERFORM"))
        .unwrap();
    assert_eq!(
        (first.kind, first.does.as_str()),
        ("PERSON", "resume the release")
    );
}

const TICKET: TaskKind = TaskKind::CreateProjectManagementTicket;

/// A ticket that was made by a send without an answer, adopted, and looked for once more.
fn doubted(doubled: bool) -> Bench {
    let mut plan = plan();
    plan.pre_regression_builds = false;
    let bench = Bench::new(plan, connections::cache());
    bench.vendor.0.lock().unwrap().next.push_back(Then::MadeUnsaid);
    bench.work();
    assert!(bench.write_of(TICKET).unknown_since.is_some());
    bench.later(60);
    bench.work();
    let task = bench.task(TICKET);
    assert!(
        bench.state().board.find(&task).unwrap().state.settled(),
        "it is adopted"
    );
    if doubled {
        bench.vendor.double();
    }
    // Ten times the delivery bound and the lag until a look-up sees it.
    bench.later(399);
    assert!(bench.claim().is_empty(), "not before its time");
    bench.later(2);
    bench.work();
    assert_eq!(
        bench.vendor.0.lock().unwrap().asked.len(),
        1,
        "nothing is made by looking"
    );
    bench
}

#[test]
fn what_was_adopted_after_a_lost_answer_is_looked_for_once_more() {
    let bench = doubted(false);
    assert!(bench.state().holds.is_empty());
    let bench = doubted(true);
    let holds: Vec<String> = bench
        .state()
        .holds
        .iter()
        .map(delivr_domain::release::hold::Hold::sentence)
        .collect();
    assert_eq!(holds.len(), 1);
    assert!(
        holds[0].contains("object-0") && holds[0].contains("its-double"),
        "{holds:?}"
    );
    bench.later(10_000);
    assert!(
        bench
            .claim()
            .iter()
            .all(|it| it.row.effect.key().is_none_or(|key| key.task.kind != TICKET))
    );
}

#[test]
fn what_is_over_is_taken_for_ones_own_by_whoever_may_have_sent_it_and_made_by_who_has_not() {
    let bench = |then: Option<Then>| {
        let mut plan = plan();
        plan.pre_regression_builds = false;
        let bench = Bench::new(plan, connections::cache());
        bench.vendor.0.lock().unwrap().next.extend(then);
        bench
    };
    // Nobody knows whether it was made, and when it is looked for, one is there that a review has refused.
    let lost = bench(Some(Then::MadeUnsaid));
    lost.work();
    assert!(lost.write_of(TICKET).unknown_since.is_some());
    let asked = lost.vendor.0.lock().unwrap().asked.len();
    lost.vendor.0.lock().unwrap().over = true;
    lost.later(60);
    lost.work();
    let task = lost.task(TICKET);
    assert!(lost.state().board.find(&task).unwrap().state.settled());
    assert_eq!(
        lost.vendor.0.lock().unwrap().asked.len(),
        asked,
        "nothing is sent again"
    );
    // The one that is over was somebody else's: this one has sent nothing yet.
    let fresh = bench(None);
    fresh.vendor.0.lock().unwrap().over = true;
    fresh.work();
    assert!(!fresh.vendor.0.lock().unwrap().asked.is_empty());
}

#[test]
fn a_process_without_the_master_key_leaves_the_work_to_others() {
    let bench = Bench::new(plan(), connections::cache());
    let other = Vault::new(
        &"new:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
            .to_owned()
            .into(),
    )
    .unwrap();
    let sealed_by = |vault: &Vault| {
        let id = integration(Port::ProjectManagement);
        let mut row = now(bench.store.integration(tenant(), id)).unwrap().unwrap();
        row.sealed = vault
            .seal(bench.app.entropy.as_ref(), tenant(), id, &BTreeMap::new())
            .unwrap();
        row.version += 1;
        now(bench.store.update_integration(&row)).unwrap();
    };
    // Another process sealed it with a key that this one does not have yet.
    sealed_by(&other);
    for _ in 0..20 {
        bench.work();
        bench.later(5);
    }
    let row = bench.write_of(TICKET);
    assert_eq!((row.failures, row.unknown_since), (0, None), "it costs nothing");
    let trouble = row.trouble.unwrap();
    assert!(trouble.contains("master key `new`"), "{trouble}");
    let task = bench.task(TICKET);
    assert!(bench.state().board.find(&task).unwrap().failure().is_none());
    let held = holds(&bench.state());
    assert!(
        held.iter().all(|hold| hold.word() != "INTEGRATION_INVALID"),
        "nothing is wrong with it"
    );
    // And trying it says nothing about it.
    let id = integration(Port::ProjectManagement);
    now(verify(&bench.app, tenant(), id, "pat")).unwrap_err();
    let kept = now(bench.store.integration(tenant(), id)).unwrap().unwrap();
    assert_eq!(kept.status, VerificationStatus::Valid);
    // For a day nobody had it: a person is told.
    for _ in 0..30 {
        bench.later(60 * 60);
        bench.work();
    }
    assert!(bench.state().board.find(&task).unwrap().failure().is_some());
}

/// A release that tells of its kickoff in a chat, which nobody did until this much later.
fn told_late(seconds: u64) -> Bench {
    let mut plan = plan();
    plan.pre_regression_builds = false;
    plan.chat = Some(ChatPlan {
        integration: integration(Port::Communication),
        topics: Topic::ALL.iter().copied().collect(),
    });
    let bench = Bench::new(plan, connections::cache());
    bench.tick();
    bench.clock.advance(Duration::from_secs(seconds));
    bench.vendor.0.lock().unwrap().forgotten = true;
    bench
}

fn posts(bench: &Bench) -> usize {
    let shelf = bench.vendor.0.lock().unwrap();
    shelf.asked.iter().filter(|it| it.starts_with("post ")).count()
}

#[test]
fn a_message_that_was_never_sent_is_posted_however_long_the_outage_was() {
    // Nobody worked for hours: the chat's history says nothing so far back, and nothing was sent that it could hold.
    let bench = told_late(3 * 60 * 60);
    bench.work();
    let messages = || {
        let rows = bench.rows().into_iter();
        rows.filter(|row| matches!(row.effect, Effect::Message { .. }))
            .count()
    };
    assert!(messages() > 0);
    assert_eq!(posts(&bench), messages());
    // What may have been sent is not sent again where the history does not say.
    let lost = told_late(3 * 60 * 60);
    lost.vendor.0.lock().unwrap().next.push_back(Then::MadeUnsaid);
    lost.work();
    lost.vendor.0.lock().unwrap().made.clear();
    let before = posts(&lost);
    for _ in 0..6 {
        lost.later(600);
        lost.work();
    }
    assert_eq!(posts(&lost), before);
}

#[test]
fn where_a_second_time_would_undo_the_work_of_others_a_person_is_asked_in_doubt() {
    let bench = |then: Then| {
        let mut plan = plan();
        plan.pre_regression_builds = false;
        let bench = Bench::new(plan, connections::cache());
        {
            let mut shelf = bench.vendor.0.lock().unwrap();
            shelf.careful = true;
            shelf.next.push_back(then);
        }
        bench.work();
        bench
    };
    let lost = bench(Then::MadeUnsaid);
    assert!(lost.write_of(TICKET).unknown_since.is_some());
    let asked = lost.vendor.0.lock().unwrap().asked.len();
    // Others have worked on: its state no longer says that it was done.
    lost.vendor.0.lock().unwrap().blind = true;
    lost.later(60);
    lost.work();
    let task = lost.task(TICKET);
    let state = lost.state();
    let TaskState::Failed { cause, outcome } = &state.board.find(&task).unwrap().state else {
        panic!("a person is to look: {:?}", state.board.find(&task));
    };
    assert_eq!((cause.code.as_str(), *outcome), ("unsure", Outcome::Unknown));
    assert_eq!(
        lost.vendor.0.lock().unwrap().asked.len(),
        asked,
        "nothing is sent again"
    );
    // Where it still says so, it is taken for done.
    let there = bench(Then::MadeUnsaid);
    there.later(60);
    there.work();
    let task = there.task(TICKET);
    assert!(there.state().board.find(&task).unwrap().state.settled());
}

#[test]
fn what_was_made_without_doubt_is_not_looked_for_again() {
    let mut plan = plan();
    plan.pre_regression_builds = false;
    let bench = Bench::new(plan, connections::cache());
    bench.work();
    bench.vendor.double();
    bench.later(10_000);
    bench.work();
    assert!(bench.state().holds.is_empty());
}

#[test]
fn a_state_is_read_as_what_its_row_says_or_not_at_all() {
    let bench = Bench::new(plan(), reachable());
    let row = now(bench.store.peek(bench.release)).unwrap().unwrap();
    assert!(matches!(read_state(&row), Ok(Aggregate::Release(_))));
    let mut mistaken = row.clone();
    mistaken.id.kind = AggregateKind::Rollout;
    let mut garbled = row.clone();
    garbled.state = serde_json::json!({"aggregate": "RELEASE"}).into();
    let mut bare = row;
    bare.state = serde_json::Value::Null.into();
    for wrong in [mistaken, garbled, bare] {
        let refused = read_state(&wrong).unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    }
}
