//! What an effect does, in one sentence with its exact names; and what is still to come of a release.

mod dry_run;
mod foresee;
mod wish;

pub use dry_run::{DryRun, Line, MAX_STEPS, Reach, dry_run};
pub use wish::{command, ended};

use delivr_domain::effect::{
    CicdWrite, Effect, FactKind, Operation, Reading, RolloutChange, ScmWrite, StoreWrite, TestingWrite,
    TrackerWrite, Watched,
};
use delivr_domain::key::TargetKey;
use delivr_domain::report::{Report, SubmissionStart};
use std::collections::BTreeMap;

/// What the effect does.
#[must_use]
pub fn sentence(effect: &Effect) -> String {
    match effect {
        Effect::Resolve { reading, .. } => read(reading),
        Effect::Perform { operation, .. } => perform(operation),
        Effect::Watch { watched, .. } => match watched {
            Watched::Run { run } => format!("follow run {} of `{}`", run.id, run.job),
            Watched::Review { version } => format!("follow the review of {}", version.version),
            Watched::Rollout { version } => format!("follow the rollout of {}", version.version),
        },
        Effect::Probe { fact, subject, .. } => match fact {
            FactKind::BranchHead => format!("read the head of {}", subject.join(", ")),
            FactKind::TicketsApproved => format!("read the state of {}", subject.join(", ")),
        },
        Effect::CancelRun { run, .. } => format!("ask the CI system to stop run {} of `{}`", run.id, run.job),
        Effect::Tell { to, report, .. } => match starting(report) {
            Some(start) => format!("begin the submission to {}", start.target),
            None => format!(
                "report to the {} it belongs to",
                to.kind.word().to_ascii_lowercase()
            ),
        },
        Effect::Message { topic, note, .. } => format!("post to {topic}: {}", note.title),
    }
}

/// The texts for users of a store that the effect takes along, by language; none where it takes none.
#[must_use]
pub fn notes(effect: &Effect) -> Option<&BTreeMap<String, String>> {
    let version = match effect {
        Effect::Perform {
            operation: Operation::Store(StoreWrite::SetNotes { version } | StoreWrite::Submit { version, .. }),
            ..
        } => version,
        Effect::Tell { report, .. } => &starting(report)?.version,
        Effect::Perform { .. }
        | Effect::Resolve { .. }
        | Effect::Watch { .. }
        | Effect::Probe { .. }
        | Effect::CancelRun { .. }
        | Effect::Message { .. } => return None,
    };
    Some(&version.notes).filter(|it| !it.is_empty())
}

/// The target of a submission that the effect brings to life.
#[must_use]
pub fn begun(effect: &Effect) -> Option<TargetKey> {
    if let Effect::Tell { report, .. } = effect {
        return starting(report).map(|it| it.target);
    }
    None
}

/// The submission that a report brings to life.
fn starting(report: &Report) -> Option<&SubmissionStart> {
    if let Report::StartSubmission { start } = report {
        return Some(start);
    }
    None
}

fn read(reading: &Reading) -> String {
    match reading {
        Reading::RefHead { name } => format!("read the commit of `{name}`"),
        Reading::Notes { previous, current } => match previous {
            Some(previous) => format!("collect notes from `{previous}` to `{current}`"),
            None => format!("collect notes up to `{current}`"),
        },
        Reading::TestTotals { run } => format!("read the totals of test run {run}"),
        Reading::StoreBuild {
            version,
            build_number,
        } => match build_number {
            Some(number) => format!("find build {number} of {version} in the store"),
            None => format!("find the build of {version} in the store"),
        },
        Reading::Exposure { version } => {
            format!("read the rollout of {} back from the store", version.version)
        }
    }
}

fn perform(operation: &Operation) -> String {
    match operation {
        Operation::Scm(write) => scm(write),
        Operation::Tracker(TrackerWrite::CreateTicket { ticket }) => {
            format!("create the ticket \u{201c}{}\u{201d}", ticket.title)
        }
        Operation::Tracker(TrackerWrite::CloseTicket { ticket, .. }) => format!("close the ticket {ticket}"),
        Operation::Testing(TestingWrite::CreateRun { name, .. }) => {
            format!("create the test run \u{201c}{name}\u{201d}")
        }
        Operation::Testing(TestingWrite::ResetRun { run }) => format!("reset test run {run}"),
        Operation::Cicd(CicdWrite::TriggerRun {
            job, git_ref, sha, ..
        }) => format!("start `{job}` on `{git_ref}` ({})", sha.brief()),
        Operation::Store(write) => store(write),
    }
}

fn scm(write: &ScmWrite) -> String {
    match write {
        ScmWrite::CreateBranch { name, sha } => format!("create the branch `{name}` at {}", sha.brief()),
        ScmWrite::CreateTag { name, sha, .. } => format!("create the tag `{name}` at {}", sha.brief()),
        ScmWrite::PublishRelease { tag, title, .. } => {
            format!("publish the release \u{201c}{title}\u{201d} of `{tag}`")
        }
        ScmWrite::OpenPullRequest { head, base, .. } => {
            format!("open a pull request from `{head}` to `{base}`")
        }
        ScmWrite::DeleteBranch { name } => format!("delete the branch `{name}`"),
    }
}

fn store(write: &StoreWrite) -> String {
    match write {
        StoreWrite::EnsureVersion { version, .. } => format!("make version {} in the store", version.version),
        StoreWrite::AttachBuild { version } => {
            format!(
                "attach build {} to version {}",
                version.build_number, version.version
            )
        }
        StoreWrite::SetNotes { version } if version.notes.is_empty() => {
            format!("write no notes of version {}: there are none", version.version)
        }
        StoreWrite::SetNotes { version } => {
            let languages: Vec<&str> = version.notes.keys().map(String::as_str).collect();
            format!(
                "write the notes of version {} ({})",
                version.version,
                languages.join(", ")
            )
        }
        StoreWrite::EnablePhasedRelease { version } => {
            format!("switch on the phased release of version {}", version.version)
        }
        StoreWrite::Submit {
            version, exposure, ..
        } if *exposure == 0 => format!(
            "submit version {} for review; no user gets it at first",
            version.version
        ),
        StoreWrite::Submit {
            version, exposure, ..
        } => format!(
            "submit version {} for review, first to {} of the users",
            version.version,
            percent(*exposure)
        ),
        StoreWrite::Withdraw { version } => format!("withdraw version {} from review", version.version),
        StoreWrite::ReleaseToUsers { version } => format!("release version {} to users", version.version),
        StoreWrite::ChangeRollout { version, change } => {
            let version = &version.version;
            match change {
                RolloutChange::SetExposure { bps } => {
                    format!("raise the rollout of {version} to {}", percent(*bps))
                }
                RolloutChange::Pause => format!("pause the rollout of {version}"),
                RolloutChange::Resume => format!("resume the rollout of {version}"),
                RolloutChange::Halt => format!("halt the rollout of {version}"),
                RolloutChange::Complete => format!("complete the rollout of {version}"),
            }
        }
    }
}

fn percent(bps: u16) -> String {
    match bps % 100 {
        0 => format!("{} %", bps / 100),
        rest => format!("{}.{rest:02} %", bps / 100),
    }
}
