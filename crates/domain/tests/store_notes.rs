//! What the stores tell users: texts by language go out with the submission that begins after them, and no other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[allow(unreachable_pub, dead_code, reason = "shared by test binaries")]
mod common;

use common::{World, plan, run_row};
use delivr_domain::aggregate::{Aggregate, Command as Any, Input};
use delivr_domain::board::TaskState;
use delivr_domain::effect::Effect;
use delivr_domain::key::{AggregateKind, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::{GatedStage, Plan};
use delivr_domain::release::command::{Command, Force, Rejection, decide_command};
use delivr_domain::release::gate::Context;
use delivr_domain::release::store_notes::{nobody_wrote, readings};
use delivr_domain::release::{Event, Stage};
use delivr_domain::report::{Report, SubmissionStart};
use delivr_domain::submission;
use std::collections::BTreeMap;

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;
const IOS: TargetKey = TargetKey::IosAppStore;

fn notes(target: TargetKey, texts: &[(&str, Option<&str>)]) -> Command {
    let parsed = texts
        .iter()
        .map(|(language, text)| (language.parse().unwrap(), text.map(ToOwned::to_owned)));
    Command::ChangeStoreNotes {
        target,
        texts: parsed.collect(),
    }
}

fn decided(world: &World, command: &Command) -> Result<Vec<Event>, Rejection> {
    let cx = Context {
        now: world.now,
        actor: "pat",
        facts: &world.facts,
    };
    decide_command(world.release(), command, &cx)
}

/// The submission that is about to begin for the target.
fn born(world: &World, target: TargetKey) -> Option<&SubmissionStart> {
    world.live.values().find_map(|effect| match effect {
        Effect::Tell { report, .. } => match report.as_ref() {
            Report::StartSubmission { start } if start.target == target => Some(start.as_ref()),
            _ => None,
        },
        _ => None,
    })
}

/// Answers rows until the world is as wanted; a submission that is about to begin waits.
fn until(world: &mut World, what: impl Fn(&World) -> bool) {
    for _ in 0..2_000 {
        world.tick();
        if what(world) {
            return;
        }
        let begins = |effect: &Effect| matches!(effect, Effect::Tell { report, .. } if matches!(report.as_ref(), Report::StartSubmission { .. }));
        let row = world
            .live
            .iter()
            .find(|(_, effect)| !begins(effect))
            .map(|(row, _)| *row);
        match (row, world.next_wake()) {
            (Some(row), _) => run_row(world, row),
            (None, Some(at)) if at > world.now => world.now = at,
            (None, _) => break,
        }
    }
    panic!("it never came to that");
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(language, text)| ((*language).to_owned(), (*text).to_owned()));
    owned.collect()
}

#[test]
fn each_target_takes_its_own_texts_along_and_the_collected_ones_otherwise() {
    let mut world = World::new(plan(&[ANDROID, IOS]));
    assert!(world.command(notes(
        ANDROID,
        &[("de-de", Some("Geschenke.\r\n")), ("default", Some("Gifts."))]
    )));
    // Another person's text for another language stands beside them.
    assert!(world.command(notes(ANDROID, &[("fr-FR", Some("Cadeaux.")), ("it", None)])));
    assert!(world.command(notes(IOS, &[("ja", Some("贈り物"))])));
    until(&mut world, |it| {
        born(it, ANDROID).is_some() && born(it, IOS).is_some()
    });
    assert_eq!(
        born(&world, ANDROID).unwrap().version.notes,
        texts(&[
            ("de-DE", "Geschenke."),
            ("default", "Gifts."),
            ("fr-FR", "Cadeaux.")
        ])
    );
    assert_eq!(
        born(&world, IOS).unwrap().version.notes,
        texts(&[("default", "- a change"), ("ja", "贈り物")])
    );
    world.check();
}

/// The plan with default texts of a profile for a target.
fn with_defaults(target: TargetKey, defaults: &[(&str, &str)]) -> World {
    let mut planned = plan(&[ANDROID, IOS]);
    let parsed = defaults
        .iter()
        .map(|(language, text)| (language.parse().unwrap(), (*text).to_owned()));
    planned.targets.get_mut(&target).unwrap().notes = parsed.collect();
    World::new(planned)
}

fn read(world: &World, target: TargetKey) -> Vec<(String, &'static str, String)> {
    let all = readings(world.release(), target).into_iter();
    all.map(|(language, it)| (language.to_string(), it.source.word(), it.text))
        .collect()
}

#[test]
fn a_default_of_the_profile_stands_behind_what_people_wrote_and_before_the_changelog() {
    let defaults = [("default", "Bug fixes."), ("de-DE", "Fehler behoben.")];
    let mut world = with_defaults(ANDROID, &defaults);
    assert!(!nobody_wrote(world.release(), ANDROID) && nobody_wrote(world.release(), IOS));
    assert!(world.command(notes(ANDROID, &[("de-DE", Some("Geschenke."))])));
    let row = |language: &str, source, text: &str| (language.to_owned(), source, text.to_owned());
    assert_eq!(
        read(&world, ANDROID),
        [
            row("de-DE", "WRITTEN", "Geschenke."),
            row("default", "PROFILE", "Bug fixes.")
        ]
    );
    assert_eq!(read(&world, IOS), [], "nothing is collected yet");
    until(&mut world, |it| {
        born(it, ANDROID).is_some() && born(it, IOS).is_some()
    });
    // What is shown is what is sent.
    assert_eq!(
        born(&world, ANDROID).unwrap().version.notes,
        texts(&[("de-DE", "Geschenke."), ("default", "Bug fixes.")])
    );
    assert_eq!(read(&world, IOS), [row("default", "CHANGELOG", "- a change")]);
    assert!(nobody_wrote(world.release(), IOS));
    world.check();
}

#[test]
fn a_default_text_written_for_the_release_is_for_every_language() {
    let defaults = [("default", "Bug fixes."), ("de-DE", "Fehler behoben.")];
    let mut world = with_defaults(IOS, &defaults);
    assert!(world.command(notes(IOS, &[("default", Some("Gifts."))])));
    until(&mut world, |it| born(it, IOS).is_some());
    assert_eq!(
        born(&world, IOS).unwrap().version.notes,
        texts(&[("default", "Gifts.")])
    );
    // Those of one store are none of another's.
    assert_eq!(
        born(&world, ANDROID).unwrap().version.notes,
        texts(&[("default", "- a change")])
    );
}

#[test]
fn a_plan_from_before_there_were_defaults_is_read() {
    let planned = plan(&[ANDROID]);
    let stored = serde_json::to_value(&planned).unwrap();
    assert!(stored["targets"][ANDROID.word()].get("notes").is_none());
    assert_eq!(serde_json::from_value::<Plan>(stored).unwrap(), planned);
}

#[test]
fn what_changes_nothing_is_no_event() {
    let mut world = World::new(plan(&[ANDROID]));
    world.command(notes(ANDROID, &[("de-DE", Some("Geschenke."))]));
    for same in [
        notes(ANDROID, &[("de-DE", Some(" Geschenke. \n"))]),
        notes(ANDROID, &[("fr-FR", None), ("it", Some("  "))]),
        notes(ANDROID, &[]),
    ] {
        assert_eq!(decided(&world, &same).unwrap(), []);
    }
    world.command(notes(ANDROID, &[("de-DE", Some(""))]));
    assert!(world.release().store_notes.is_empty());
}

#[test]
fn a_text_that_the_store_would_refuse_is_refused_with_language_length_and_limit() {
    let world = World::new(plan(&[ANDROID, IOS]));
    let long = "ü".repeat(501);
    let refused = decided(
        &world,
        &notes(ANDROID, &[("de-DE", Some(&long)), ("ja", Some("a"))]),
    )
    .unwrap_err();
    let sentence = refused.to_string();
    assert!(
        sentence.contains("de-DE have 501 characters") && sentence.contains("takes 500"),
        "{sentence}"
    );
    assert!(matches!(
        refused,
        Rejection::Unsuitable {
            pointer: "/notes",
            ..
        }
    ));
    assert!(decided(&world, &notes(ANDROID, &[("de-DE", Some(&"ü".repeat(500)))])).is_ok());
    assert!(decided(&world, &notes(IOS, &[("de-DE", Some(&long))])).is_ok());
    assert!(decided(&world, &notes(IOS, &[("default", Some(&"x".repeat(4_001)))])).is_err());
    for text in ["a\u{0}b", "a\u{1b}[31mb"] {
        assert!(
            decided(&world, &notes(IOS, &[("de-DE", Some(text))])).is_err(),
            "{text:?}"
        );
    }
    let many: Vec<String> = (b'a'..=b'z')
        .flat_map(|one| (b'a'..=b'd').map(move |other| [one, other].map(char::from).iter().collect()))
        .collect();
    let many: Vec<(&str, Option<&str>)> = many.iter().map(|it| (it.as_str(), Some("x"))).collect();
    assert!(
        decided(&world, &notes(IOS, &many))
            .unwrap_err()
            .to_string()
            .contains("at most 100")
    );
    assert!(decided(&world, &notes(IOS, &many[..100])).is_ok());
}

#[test]
fn only_a_store_of_the_release_has_notes() {
    let world = World::new(plan(&[ANDROID, TargetKey::WebEnvironment]));
    let refused = |target| decided(&world, &notes(target, &[("default", Some("x"))])).unwrap_err();
    assert_eq!(refused(IOS), Rejection::Missing("target"));
    assert!(matches!(
        refused(TargetKey::WebEnvironment),
        Rejection::Illegal { code: "no_store", .. }
    ));
}

#[test]
fn notes_change_until_the_submission_begins_and_again_once_it_has_ended() {
    let mut world = World::new(plan(&[ANDROID]));
    world.command(notes(ANDROID, &[("default", Some("First."))]));
    until(&mut world, |it| born(it, ANDROID).is_some());
    let second = notes(ANDROID, &[("default", Some("Second."))]);
    assert!(matches!(
        decided(&world, &second),
        Err(Rejection::Illegal {
            code: "notes_sent",
            ..
        })
    ));
    let begin = world
        .live
        .iter()
        .find(|(_, it)| matches!(it, Effect::Tell { .. }))
        .map(|(row, _)| *row);
    run_row(&mut world, begin.unwrap());
    let child = *world
        .aggregates
        .keys()
        .find(|id| id.kind == AggregateKind::Submission)
        .expect("a submission");
    world.input(
        child,
        Input::Command(&Any::Submission(submission::Command::Cancel {
            reason: "a bug".to_owned(),
        })),
        None,
    );
    let ship = TaskKey::once(TaskKind::SubmitToStore).target(ANDROID);
    let failed = |it: &World| {
        matches!(
            it.release().board.find(&ship).unwrap().state,
            TaskState::Failed { .. }
        )
    };
    until(&mut world, failed);
    assert!(world.command(second));
    assert!(world.command(Command::RetryTask {
        task: ship,
        force: Force::No,
    }));
    until(&mut world, |it| born(it, ANDROID).is_some());
    let again = born(&world, ANDROID).unwrap();
    assert_eq!(
        (again.attempt, &again.version.notes),
        (2, &texts(&[("default", "Second.")]))
    );
    // What the first one took along is history.
    let Aggregate::Submission(first) = &world.aggregates[&child] else {
        panic!("a submission");
    };
    assert_eq!(first.start.version.notes, texts(&[("default", "First.")]));
}

#[test]
fn sent_back_the_release_keeps_what_people_wrote() {
    let mut by_hand = plan(&[ANDROID]);
    by_hand.auto_start.remove(&GatedStage::Distribution);
    let mut world = World::new(by_hand);
    world.command(notes(ANDROID, &[("de-DE", Some("Geschenke."))]));
    until(&mut world, |it| it.release().stage == Stage::AwaitingDistribution);
    assert!(world.release().notes.is_some());
    let written = world.release().store_notes.clone();
    assert!(world.command(Command::Rework {
        to: GatedStage::Regression,
        reason: "a bad build".to_owned(),
    }));
    assert_eq!(world.release().store_notes, written);
    assert_eq!(world.release().notes, None, "those are collected anew");
}
