//! What an effect would be answered if all goes well.

use delivr_domain::aggregate::Aggregate;
use delivr_domain::effect::{
    Effect, Operation, Reading, Reference, ScmWrite, TestingWrite, TrackerWrite, Watched,
};
use delivr_domain::key::{Channel, EffectKey, TaskKind};
use delivr_domain::names::Sha;
use delivr_domain::release::Release;
use delivr_domain::report::{
    Exposure, ExposureWord, Finding, Performed, Report, Resolved, ReviewState, ReviewWord, RunProduct,
    RunResult, RunState, Sighting, StoreBuild, TestTotals,
};
use delivr_domain::rollout::{EVERYBODY, Rollout};
use delivr_domain::submission::Submission;

/// A build number that is not known yet.
pub(super) const BUILD: &str = "(new)";
/// Stands for a commit that is not known yet; no commit has this hash.
const COMMIT: &str = "0000000000000000000000000000000000000000";

/// What can be said of an answer.
pub(super) enum Foresight {
    /// This would come back.
    Report(Box<Report>),
    /// Nothing comes back by itself.
    Nothing,
}

/// The sentence with unknown commits in words.
pub(super) fn in_words(sentence: &str) -> String {
    let brief = COMMIT.get(..10).unwrap_or(COMMIT);
    sentence.replace(brief, "(the commit known then)")
}

fn commit() -> Option<Sha> {
    COMMIT.parse().ok()
}

/// The answer of an aggregate's effect.
pub(super) fn answer(of: &Aggregate, release: Option<&Release>, effect: &Effect) -> Foresight {
    let report = match effect {
        Effect::Resolve { key, reading, .. } => found(of, key, reading).map(|finding| Report::Resolved {
            key: *key,
            resolved: Resolved::Found { finding },
        }),
        Effect::Perform { key, operation, .. } => Some(Report::Performed {
            key: *key,
            performed: Performed::Done {
                reference: made(operation),
            },
        }),
        Effect::Watch { key, watched, .. } => {
            seen(of, release, watched).map(|sighting| Report::Seen { key: *key, sighting })
        }
        Effect::Probe { .. } | Effect::CancelRun { .. } | Effect::Tell { .. } | Effect::Message { .. } => {
            None
        }
    };
    report.map_or(Foresight::Nothing, |it| Foresight::Report(Box::new(it)))
}

fn found(of: &Aggregate, key: &EffectKey, reading: &Reading) -> Option<Finding> {
    match reading {
        Reading::RefHead { .. } => commit().map(|sha| Finding::Head { sha }),
        Reading::Notes { .. } => Some(Finding::Notes {
            text: "(the notes collected then)".to_owned(),
        }),
        Reading::TestTotals { .. } => Some(Finding::Totals {
            totals: TestTotals {
                total: 1,
                passed: 1,
                failed: 0,
                untested: 0,
            },
        }),
        Reading::StoreBuild { build_number, .. } => Some(Finding::StoreBuild {
            build: StoreBuild {
                build_number: build_number.clone().unwrap_or_else(|| BUILD.to_owned()),
                reference: Reference::id(BUILD),
            },
        }),
        Reading::Exposure { .. } => match of {
            Aggregate::Rollout(rollout) => Some(Finding::Exposure {
                exposure: read_back(rollout, key),
            }),
            Aggregate::Release(_) | Aggregate::Submission(_) => None,
        },
    }
}

/// The store stands as the decision wanted it.
fn read_back(rollout: &Rollout, key: &EffectKey) -> Exposure {
    let aimed = rollout
        .board
        .find(&key.task)
        .and_then(|task| task.steps.first())
        .and_then(|step| step.item.as_ref())
        .and_then(|item| item.parse().ok());
    let bps = aimed.unwrap_or(rollout.exposure);
    let word = if key.task.kind == TaskKind::CompleteRollout || bps >= EVERYBODY {
        ExposureWord::Completed
    } else if key.task.kind == TaskKind::HaltRollout {
        ExposureWord::Halted
    } else if key.task.kind == TaskKind::PauseRollout {
        ExposureWord::Paused
    } else {
        ExposureWord::Active
    };
    Exposure {
        word,
        bps,
        store_word: "(as decided)".to_owned(),
    }
}

fn made(operation: &Operation) -> Reference {
    match operation {
        Operation::Scm(ScmWrite::CreateBranch { name, .. } | ScmWrite::CreateTag { name, .. }) => {
            Reference::id(name.to_string())
        }
        Operation::Scm(ScmWrite::DeleteBranch { name }) => Reference::id(name.to_string()),
        Operation::Scm(ScmWrite::PublishRelease { tag, .. }) => Reference::id(tag.to_string()),
        Operation::Scm(ScmWrite::OpenPullRequest { .. }) => Reference::id("(new pull request)"),
        Operation::Tracker(TrackerWrite::CreateTicket { ticket }) => {
            Reference::id(format!("({})", ticket.title))
        }
        Operation::Tracker(TrackerWrite::CloseTicket { ticket, .. }) => Reference::id(ticket.clone()),
        Operation::Testing(TestingWrite::CreateRun { name, .. }) => Reference::id(format!("({name})")),
        Operation::Testing(TestingWrite::ResetRun { run }) => Reference::id(run.clone()),
        Operation::Cicd(_) => Reference::id("(new)"),
        Operation::Store(_) => Reference::id("(in the store)"),
    }
}

fn seen(of: &Aggregate, release: Option<&Release>, watched: &Watched) -> Option<Sighting> {
    match (of, watched) {
        (Aggregate::Release(_), Watched::Run { .. }) => Some(Sighting::Run {
            state: RunState::Ended {
                result: RunResult::Succeeded,
                product: RunProduct {
                    build_number: Some(BUILD.to_owned()),
                    sha: release
                        .and_then(Release::judged_cycle)
                        .and_then(|cycle| cycle.sha.clone())
                        .or_else(commit),
                    ..RunProduct::default()
                },
            },
        }),
        (Aggregate::Submission(it), Watched::Review { .. }) => review(it).map(|word| Sighting::Review {
            state: ReviewState {
                word,
                store_word: "(as hoped)".to_owned(),
                explanation: None,
            },
        }),
        // Apple raises by itself; on Play only our own decisions do.
        (Aggregate::Rollout(it), Watched::Rollout { .. })
            if it.start.target.channel() == Channel::AppStore =>
        {
            Some(Sighting::Rollout {
                exposure: Exposure {
                    word: ExposureWord::Completed,
                    bps: EVERYBODY,
                    store_word: "(after seven days)".to_owned(),
                },
            })
        }
        (Aggregate::Release(_) | Aggregate::Submission(_) | Aggregate::Rollout(_), _) => None,
    }
}

/// What the store says next; none while it waits for us.
fn review(it: &Submission) -> Option<ReviewWord> {
    use delivr_domain::effect::ReleaseTiming;
    let waits = it.start.target.channel() == Channel::AppStore
        && it.start.settings.timing == ReleaseTiming::Manual
        && !it.release_asked;
    match (waits, it.status) {
        (true, ReviewWord::Approved) => None,
        (true, _) => Some(ReviewWord::Approved),
        (false, _) => Some(ReviewWord::Live),
    }
}
