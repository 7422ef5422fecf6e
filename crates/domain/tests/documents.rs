//! What the outside may rely on: the document of the state machine, and the form events are stored in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "tests; they read and write the files they compare"
)]

#[allow(unreachable_pub, dead_code, reason = "shared by test binaries")]
mod common;

#[path = "documents/children.rs"]
mod children;
#[path = "documents/events.rs"]
mod events;
#[path = "documents/inputs.rs"]
mod inputs;
#[path = "documents/lab.rs"]
mod lab;
#[path = "documents/page.rs"]
mod page;
#[path = "documents/scenarios.rs"]
mod scenarios;
#[path = "documents/source.rs"]
mod source;
#[path = "documents/stored.rs"]
mod stored;
#[path = "documents/tables.rs"]
mod tables;

use delivr_domain::board::{Lane, StepKind};
use delivr_domain::effect::{FactKind, Topic};
use delivr_domain::key::{TargetKey, TaskKind};
use delivr_domain::plan::{BuildMode, GatedStage, MissedSlot, Purpose, ShaOrigin, SubmitMode};
use delivr_domain::release::hold::Scope;
use delivr_domain::release::state::{AutomationWanted, BuildsWanted, CycleState, Decision, Stage, Verdict};
use delivr_domain::report::{Class, ExposureWord, Outcome, ReviewWord};
use delivr_domain::rollout;
use delivr_domain::version::Bump;
use std::path::Path;

fn everything() -> lab::Seen {
    let mut seen = lab::Seen::default();
    scenarios::releases(&mut seen);
    children::all(&mut seen);
    seen
}

/// See `docs/testing.md`, "Generated documents".
#[test]
fn docs_are_current() {
    let seen = everything();
    let text = page::write(&seen);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/state-machine.md");
    if std::env::var_os("DELIVR_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = stored.lines().zip(text.lines()).find(|(old, new)| old != new);
    assert!(
        stored == text,
        "docs/state-machine.md is not what the code says; run `cargo xtask docs generate`. First difference: {differs:?}"
    );
}

/// What an installation has stored is read by this version, and written in the same form.
#[test]
fn stored_events_keep_their_form() {
    stored::check("release", &events::of_release());
    stored::check("submission", &events::of_submission());
    stored::check("rollout", &events::of_rollout());
    stored::check_completeness();
}

/// States and waiting rows of an earlier version are read by this one.
#[test]
fn stored_states_and_rows_are_still_read() {
    let seen = everything();
    stored::check_still_read("rows", &seen.rows);
    let mut states = children::begun();
    states.push(scenarios::in_distribution(&mut lab::Seen::default()));
    let named = states
        .into_iter()
        .map(|state| (state.id().kind.word().to_owned(), state));
    stored::check_still_read("states", &named.collect());
}

/// A stored word is never lost or renamed.
#[test]
fn stored_words_stay_known() {
    macro_rules! words {
        ($($of:ty),* $(,)?) => {
            vec![$((stringify!($of), <$of>::ALL.iter().map(|it| it.word()).collect()),)*]
        };
    }
    stored::check_words(&words![
        AutomationWanted,
        BuildMode,
        BuildsWanted,
        Bump,
        Class,
        CycleState,
        Decision,
        ExposureWord,
        FactKind,
        GatedStage,
        Lane,
        MissedSlot,
        Outcome,
        Purpose,
        ReviewWord,
        rollout::Status,
        Scope,
        ShaOrigin,
        Stage,
        StepKind,
        SubmitMode,
        TargetKey,
        TaskKind,
        Topic,
        Verdict,
    ]);
}
