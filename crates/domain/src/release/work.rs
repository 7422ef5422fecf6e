//! What a release's steps contain: the one place where plan and state become vendor writes.

use super::catalogue;
use super::hold;
use super::state::{Cycle, Release};
use crate::board::{Board, Owner, Step, StepKind, StepResult, Task, Wait};
use crate::effect::{
    CicdWrite, Effect, Operation, Reading, RunRef, ScmWrite, TestingWrite, TicketDraft, TrackerWrite, Watched,
};
use crate::ids::{IntegrationId, SubmissionId};
use crate::key::{AggregateId, AggregateKind, EffectKey, TargetKey, TaskKey, TaskKind};
use crate::names::{NameContext, RefName, Sha};
use crate::plan::{BuildMode, Plan, PlannedPipeline, Purpose};
use crate::report::Finding;
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// What a build task's pipeline is for.
#[must_use]
pub const fn purpose_of(kind: TaskKind) -> Option<Purpose> {
    match kind {
        TaskKind::TriggerPreRegressionBuilds => Some(Purpose::PreRegressionBuild),
        TaskKind::TriggerRegressionBuilds => Some(Purpose::RegressionBuild),
        TaskKind::TriggerAutomationRuns | TaskKind::AutomationRuns => Some(Purpose::Automation),
        TaskKind::TriggerTestFlightBuild => Some(Purpose::TestFlightBuild),
        TaskKind::CreateAabBuild => Some(Purpose::AabBuild),
        TaskKind::Deploy => Some(Purpose::Deploy),
        TaskKind::ForkBranch
        | TaskKind::CreateProjectManagementTicket
        | TaskKind::CreateTestSuite
        | TaskKind::ResetTestSuite
        | TaskKind::CreateRcTag
        | TaskKind::CreateReleaseNotes
        | TaskKind::CreateReleaseTag
        | TaskKind::CreateFinalReleaseNotes
        | TaskKind::SubmitToStore
        | TaskKind::MergeBack
        | TaskKind::CloseReleaseTickets
        | TaskKind::CleanupCloseTickets
        | TaskKind::CleanupDeleteBranch
        | TaskKind::PrepareSubmission
        | TaskKind::SubmitForReview
        | TaskKind::AwaitReview
        | TaskKind::ReleaseToUsers
        | TaskKind::WithdrawSubmission
        | TaskKind::SetExposure
        | TaskKind::PauseRollout
        | TaskKind::ResumeRollout
        | TaskKind::HaltRollout
        | TaskKind::WatchRollout
        | TaskKind::CompleteRollout => None,
    }
}

/// Whether a task makes a build that people may also upload.
#[must_use]
pub const fn makes_build(kind: TaskKind) -> bool {
    matches!(
        kind,
        TaskKind::TriggerPreRegressionBuilds
            | TaskKind::TriggerRegressionBuilds
            | TaskKind::TriggerTestFlightBuild
            | TaskKind::CreateAabBuild
    )
}

/// The pipeline a task runs.
#[must_use]
pub fn pipeline_of<'a>(plan: &'a Plan, key: &TaskKey) -> Option<&'a PlannedPipeline> {
    plan.targets
        .get(&key.target?)?
        .pipelines
        .get(&purpose_of(key.kind)?)
}

/// Whether a person makes this task's build: by choice, or because there is no pipeline.
#[must_use]
pub fn is_manual(plan: &Plan, key: &TaskKey) -> bool {
    let by_choice = key
        .target
        .and_then(|target| plan.targets.get(&target))
        .is_some_and(|target| target.builds == BuildMode::Manual);
    (makes_build(key.kind) && by_choice)
        || (purpose_of(key.kind).is_some() && pipeline_of(plan, key).is_none())
}

/// The integration a task calls first.
#[must_use]
pub fn integration_of(plan: &Plan, key: &TaskKey) -> Option<IntegrationId> {
    match key.kind {
        TaskKind::ForkBranch
        | TaskKind::CreateRcTag
        | TaskKind::CreateReleaseNotes
        | TaskKind::CreateReleaseTag
        | TaskKind::CreateFinalReleaseNotes
        | TaskKind::MergeBack
        | TaskKind::CleanupDeleteBranch => Some(plan.scm.integration),
        TaskKind::CreateProjectManagementTicket
        | TaskKind::CloseReleaseTickets
        | TaskKind::CleanupCloseTickets => plan.tracker.as_ref().map(|tracker| tracker.integration),
        TaskKind::CreateTestSuite | TaskKind::ResetTestSuite => {
            plan.testing.as_ref().map(|testing| testing.integration)
        }
        TaskKind::TriggerPreRegressionBuilds
        | TaskKind::TriggerRegressionBuilds
        | TaskKind::TriggerAutomationRuns
        | TaskKind::AutomationRuns
        | TaskKind::TriggerTestFlightBuild
        | TaskKind::CreateAabBuild
        | TaskKind::Deploy => pipeline_of(plan, key).map(|pipeline| pipeline.integration),
        TaskKind::SubmitToStore
        | TaskKind::PrepareSubmission
        | TaskKind::SubmitForReview
        | TaskKind::AwaitReview
        | TaskKind::ReleaseToUsers
        | TaskKind::WithdrawSubmission
        | TaskKind::SetExposure
        | TaskKind::PauseRollout
        | TaskKind::ResumeRollout
        | TaskKind::HaltRollout
        | TaskKind::WatchRollout
        | TaskKind::CompleteRollout => plan.targets.get(&key.target?)?.store,
    }
}

/// The steps of a task, as frozen when it starts. Empty for tasks that a person or a child does.
#[must_use]
pub fn steps(release: &Release, key: &TaskKey) -> Vec<Step> {
    let plan = release.plan();
    let of = |kinds: &[StepKind]| kinds.iter().copied().map(Step::new).collect::<Vec<_>>();
    match key.kind {
        TaskKind::ForkBranch if plan.scm.existing_branch.is_some() => of(&[StepKind::ResolveHead]),
        TaskKind::ForkBranch | TaskKind::CreateRcTag => of(&[StepKind::ResolveHead, StepKind::Perform]),
        // Nothing to reset where the test run was left out.
        TaskKind::ResetTestSuite if key.target.is_none_or(|target| release.test_run(target).is_none()) => {
            Vec::new()
        }
        TaskKind::CreateProjectManagementTicket
        | TaskKind::CreateTestSuite
        | TaskKind::ResetTestSuite
        | TaskKind::MergeBack
        | TaskKind::CleanupDeleteBranch => of(&[StepKind::Perform]),
        TaskKind::CreateReleaseNotes => of(&[StepKind::ResolveNotes]),
        TaskKind::CreateReleaseTag => {
            let mut kinds = Vec::new();
            // Without a regression cycle nobody has said which commit ships: the branch's head, fixed here.
            if release.judged_cycle().is_none() {
                kinds.push(StepKind::ResolveHead);
            }
            // Without published releases the tag's annotation is the one place that keeps the notes.
            if !plan.scm.publishes_releases {
                kinds.push(StepKind::ResolveNotes);
            }
            kinds.push(StepKind::Perform);
            of(&kinds)
        }
        TaskKind::CreateFinalReleaseNotes if plan.scm.publishes_releases => {
            of(&[StepKind::ResolveNotes, StepKind::Perform])
        }
        TaskKind::CreateFinalReleaseNotes => of(&[StepKind::ResolveNotes]),
        // Built is what the branch has then, also when people have mended it: its head is read anew for each try.
        TaskKind::TriggerPreRegressionBuilds => {
            of(&[StepKind::ResolveHead, StepKind::PerformRun, StepKind::Watch])
        }
        TaskKind::TriggerRegressionBuilds | TaskKind::Deploy => of(&[StepKind::PerformRun, StepKind::Watch]),
        TaskKind::TriggerTestFlightBuild | TaskKind::CreateAabBuild => {
            of(&[StepKind::PerformRun, StepKind::Watch, StepKind::ResolveStoreBuild])
        }
        TaskKind::TriggerAutomationRuns => of(&[StepKind::PerformRun]),
        // Without a test run (its task was left out) the run itself says whether it passed.
        TaskKind::AutomationRuns
            if key
                .target
                .is_some_and(|target| release.test_run(target).is_some()) =>
        {
            of(&[StepKind::Watch, StepKind::ResolveTotals])
        }
        TaskKind::AutomationRuns => of(&[StepKind::Watch]),
        TaskKind::CloseReleaseTickets | TaskKind::CleanupCloseTickets => catalogue::tickets(release)
            .into_iter()
            .map(Step::perform)
            .collect(),
        TaskKind::SubmitToStore
        | TaskKind::PrepareSubmission
        | TaskKind::SubmitForReview
        | TaskKind::AwaitReview
        | TaskKind::ReleaseToUsers
        | TaskKind::WithdrawSubmission
        | TaskKind::SetExposure
        | TaskKind::PauseRollout
        | TaskKind::ResumeRollout
        | TaskKind::HaltRollout
        | TaskKind::WatchRollout
        | TaskKind::CompleteRollout => Vec::new(),
    }
}

/// The submission a shipping task's generation stands for.
#[must_use]
pub fn submission_id(release: &Release, task: &Task) -> SubmissionId {
    let target = task.key.target.map_or("-", TargetKey::word);
    SubmissionId::derived(&[
        release.draft.id.uuid().as_bytes(),
        target.as_bytes(),
        &task.generation.0.to_be_bytes(),
    ])
}

/// The aggregate of that submission.
#[must_use]
pub fn submission_aggregate(release: &Release, task: &Task) -> AggregateId {
    AggregateId {
        kind: AggregateKind::Submission,
        id: submission_id(release, task).uuid(),
    }
}

impl Release {
    fn name_context<'a>(
        &'a self,
        version: &'a str,
        date: &'a str,
        target: Option<TargetKey>,
        cycle: Option<u16>,
    ) -> NameContext<'a> {
        NameContext {
            service: &self.draft.service_slug,
            version,
            target,
            cycle,
            date,
        }
    }
    fn render(&self, template: &crate::names::NameTemplate, cycle: Option<u16>) -> Option<RefName> {
        let version = self.version_name();
        let date = self.draft.kickoff_at.format("%Y-%m-%d").to_string();
        template
            .render(&self.name_context(&version, &date, None, cycle))
            .ok()
    }
    /// Name of the release branch.
    #[must_use]
    pub fn branch_name(&self) -> Option<RefName> {
        self.plan()
            .scm
            .existing_branch
            .clone()
            .or_else(|| self.render(&self.plan().scm.branch, None))
    }
    /// Name of a cycle's tag.
    #[must_use]
    pub fn rc_tag_name(&self, cycle: u16) -> Option<RefName> {
        self.render(&self.plan().scm.rc_tag, Some(cycle))
    }
    /// Name of the release tag.
    #[must_use]
    pub fn release_tag_name(&self) -> Option<RefName> {
        let name = self.render(&self.plan().scm.release_tag, None)?;
        match self.rework.tags {
            0 => Some(name),
            // Build metadata, by semver: the same version, made once more.
            attempt => format!("{name}+{attempt}").parse().ok(),
        }
    }
    fn cycle_of(&self, key: &TaskKey) -> Option<&Cycle> {
        self.cycles.iter().find(|cycle| Some(cycle.number) == key.cycle)
    }
    fn previous_tag(&self, cycle: u16) -> Option<RefName> {
        let earlier = self
            .cycles
            .iter()
            .rev()
            .filter(|it| it.number < cycle)
            .find_map(|it| it.tag.clone());
        earlier.or_else(|| self.plan().scm.previous_tag.clone())
    }
    /// The ref and commit a task's run builds.
    fn run_source(&self, task: &Task) -> Option<(RefName, Sha)> {
        if task.key.kind == TaskKind::TriggerPreRegressionBuilds {
            // Tasks that started under earlier versions read no head: theirs is the one the branch was made at.
            let head = match task.finding() {
                Some(Finding::Head { sha }) => Some(sha),
                Some(
                    Finding::Notes { .. }
                    | Finding::Totals { .. }
                    | Finding::StoreBuild { .. }
                    | Finding::Exposure { .. },
                )
                | None => self.base_sha.as_ref(),
            };
            Some((self.branch.clone()?, head?.clone()))
        } else if let Some(cycle) = self.cycle_of(&task.key) {
            Some((cycle.tag.clone()?, cycle.sha.clone()?))
        } else {
            Some((self.tag.clone()?, self.shipped_sha()?.clone()))
        }
    }

    fn run_write(&self, task: &Task) -> Option<(IntegrationId, CicdWrite)> {
        let key = &task.key;
        let pipeline = pipeline_of(self.plan(), key)?;
        let (git_ref, sha) = self.run_source(task)?;
        let target = key.target?;
        let version = self.plan().targets.get(&target)?.version.to_string();
        let cycle = key.cycle.map_or_else(String::new, |cycle| cycle.to_string());
        let branch = self.branch.as_ref().map_or("", RefName::as_str);
        let fill = |template: &str| {
            template
                .replace("{version}", &version)
                .replace("{branch}", branch)
                .replace("{tag}", git_ref.as_str())
                .replace("{sha}", sha.as_str())
                .replace("{platform}", target.platform().word())
                .replace("{cycle}", &cycle)
        };
        let parameters: BTreeMap<String, String> = pipeline
            .parameters
            .iter()
            .map(|(name, value)| (name.clone(), fill(value)))
            .collect();
        Some((
            pipeline.integration,
            CicdWrite::TriggerRun {
                job: pipeline.job.clone(),
                git_ref,
                sha,
                parameters,
            },
        ))
    }

    fn operation(&self, task: &Task, step: &Step) -> Option<(IntegrationId, Operation)> {
        let plan = self.plan();
        let scm = plan.scm.integration;
        match task.key.kind {
            TaskKind::ForkBranch => Some((
                scm,
                Operation::Scm(ScmWrite::CreateBranch {
                    name: self.branch_name()?,
                    sha: self.base_sha.clone()?,
                }),
            )),
            TaskKind::CreateRcTag => {
                let cycle = self.cycle_of(&task.key)?;
                let message = format!("{} regression cycle {}", self.key(), cycle.number);
                Some((
                    scm,
                    Operation::Scm(ScmWrite::CreateTag {
                        name: self.rc_tag_name(cycle.number)?,
                        sha: cycle.sha.clone()?,
                        message,
                    }),
                ))
            }
            TaskKind::CreateReleaseTag => {
                let title = format!("{} {}", self.draft.service_slug, self.version_name());
                let message = match task.finding() {
                    Some(Finding::Notes { text }) => format!("{title}\n\n{text}"),
                    Some(
                        Finding::Head { .. }
                        | Finding::Totals { .. }
                        | Finding::StoreBuild { .. }
                        | Finding::Exposure { .. },
                    )
                    | None => title,
                };
                let sha = self.shipped_sha()?.clone();
                Some((
                    scm,
                    Operation::Scm(ScmWrite::CreateTag {
                        name: self.release_tag_name()?,
                        sha,
                        message,
                    }),
                ))
            }
            TaskKind::CreateFinalReleaseNotes => {
                let notes = self.notes.clone().unwrap_or_default();
                Some((
                    scm,
                    Operation::Scm(ScmWrite::PublishRelease {
                        tag: self.tag.clone()?,
                        title: self.draft.title.clone(),
                        notes,
                    }),
                ))
            }
            TaskKind::MergeBack => {
                let title = format!("Merge {} back into {}", self.branch.as_ref()?, plan.scm.base);
                let body = format!("{} {} is out.", self.draft.service_slug, self.version_name());
                let write = ScmWrite::OpenPullRequest {
                    head: self.branch.clone()?,
                    base: plan.scm.base.clone(),
                    title,
                    body,
                };
                Some((scm, Operation::Scm(write)))
            }
            TaskKind::CleanupDeleteBranch => Some((
                scm,
                Operation::Scm(ScmWrite::DeleteBranch {
                    name: self.branch.clone()?,
                }),
            )),
            TaskKind::CreateProjectManagementTicket => {
                let ticket = self.ticket(task.key.target)?;
                Some((
                    plan.tracker.as_ref()?.integration,
                    Operation::Tracker(TrackerWrite::CreateTicket { ticket }),
                ))
            }
            TaskKind::CloseReleaseTickets | TaskKind::CleanupCloseTickets => {
                let comment = if task.key.kind == TaskKind::CloseReleaseTickets {
                    format!("{} {} is out.", self.key(), self.version_name())
                } else {
                    format!("{} was archived.", self.key())
                };
                let write = TrackerWrite::CloseTicket {
                    ticket: step.item.clone()?,
                    comment,
                };
                Some((plan.tracker.as_ref()?.integration, Operation::Tracker(write)))
            }
            TaskKind::CreateTestSuite => {
                let target = task.key.target?;
                let name = format!(
                    "{} {} {}",
                    self.draft.service_slug,
                    self.version_name(),
                    target.platform()
                );
                let write = TestingWrite::CreateRun {
                    name,
                    description: format!("{} {}", self.key(), self.draft.title),
                    target: Some(target),
                };
                Some((plan.testing.as_ref()?.integration, Operation::Testing(write)))
            }
            TaskKind::ResetTestSuite => {
                let run = self.test_run(task.key.target?)?;
                Some((
                    plan.testing.as_ref()?.integration,
                    Operation::Testing(TestingWrite::ResetRun { run }),
                ))
            }
            TaskKind::TriggerPreRegressionBuilds
            | TaskKind::TriggerRegressionBuilds
            | TaskKind::TriggerAutomationRuns
            | TaskKind::TriggerTestFlightBuild
            | TaskKind::CreateAabBuild
            | TaskKind::Deploy => self
                .run_write(task)
                .map(|(integration, write)| (integration, Operation::Cicd(write))),
            TaskKind::CreateReleaseNotes
            | TaskKind::AutomationRuns
            | TaskKind::SubmitToStore
            | TaskKind::PrepareSubmission
            | TaskKind::SubmitForReview
            | TaskKind::AwaitReview
            | TaskKind::ReleaseToUsers
            | TaskKind::WithdrawSubmission
            | TaskKind::SetExposure
            | TaskKind::PauseRollout
            | TaskKind::ResumeRollout
            | TaskKind::HaltRollout
            | TaskKind::WatchRollout
            | TaskKind::CompleteRollout => None,
        }
    }

    fn ticket(&self, target: Option<TargetKey>) -> Option<TicketDraft> {
        let target = target?;
        let version = self.plan().targets.get(&target)?.version.to_string();
        let mut body = format!(
            "Release {} of {} for {}.\nKickoff: {}",
            self.key(),
            self.draft.service_slug,
            target,
            self.draft.kickoff_at
        );
        if let Some(date) = self.draft.target_date {
            body.push_str(&format!("\nTarget date: {date}"));
        }
        if let Some(text) = &self.draft.description {
            body.push_str(&format!("\n\n{text}"));
        }
        let title = format!("{} {} ({})", self.draft.service_slug, version, target.platform());
        Some(TicketDraft {
            title,
            body,
            target: Some(target),
            version,
        })
    }

    /// Vendor's id of the target's test run.
    #[must_use]
    pub fn test_run(&self, target: TargetKey) -> Option<String> {
        let task = self
            .board
            .find(&TaskKey::once(TaskKind::CreateTestSuite).target(target))?;
        task.reference().map(|reference| reference.id.clone())
    }

    fn reading(&self, task: &Task, step: &Step) -> Option<(IntegrationId, Reading)> {
        let plan = self.plan();
        let scm = plan.scm.integration;
        match step.kind {
            StepKind::ResolveHead => {
                let name = if task.key.kind == TaskKind::ForkBranch {
                    plan.scm
                        .existing_branch
                        .clone()
                        .unwrap_or_else(|| plan.scm.base.clone())
                } else {
                    self.branch.clone()?
                };
                Some((scm, Reading::RefHead { name }))
            }
            StepKind::ResolveNotes => {
                let (previous, current) = if let Some(number) = task.key.cycle {
                    (self.previous_tag(number), self.rc_tag_name(number)?)
                } else if task.key.kind == TaskKind::CreateReleaseTag {
                    let tested = self.judged_cycle().and_then(|cycle| cycle.tag.clone());
                    (
                        plan.scm.previous_tag.clone(),
                        tested.or_else(|| self.branch.clone())?,
                    )
                } else {
                    (plan.scm.previous_tag.clone(), self.tag.clone()?)
                };
                Some((scm, Reading::Notes { previous, current }))
            }
            StepKind::ResolveTotals => Some((
                plan.testing.as_ref()?.integration,
                Reading::TestTotals {
                    run: self.test_run(task.key.target?)?,
                },
            )),
            StepKind::ResolveStoreBuild => {
                let target = plan.targets.get(&task.key.target?)?;
                let build_number = task.product().and_then(|product| product.build_number.clone());
                Some((
                    target.store?,
                    Reading::StoreBuild {
                        version: target.version.to_string(),
                        build_number,
                    },
                ))
            }
            StepKind::ResolveExposure | StepKind::Perform | StepKind::PerformRun | StepKind::Watch => None,
        }
    }

    /// The run that automation of a target and cycle waits for.
    fn automation_run(&self, key: &TaskKey) -> Option<RunRef> {
        let trigger = TaskKey {
            kind: TaskKind::TriggerAutomationRuns,
            ..*key
        };
        let task = self.board.find(&trigger)?;
        self.run_ref(task, 0)
    }

    fn run_ref(&self, task: &Task, step: u16) -> Option<RunRef> {
        let pipeline = pipeline_of(self.plan(), &task.key)?;
        let reference = match task.done.get(usize::from(step)) {
            Some((_, StepResult::Made { reference })) => reference,
            Some((_, StepResult::Found { .. } | StepResult::Ran { .. } | StepResult::Seen)) | None => {
                return None;
            }
        };
        Some(self.run_of(task, step, pipeline, reference))
    }

    fn run_of(
        &self,
        task: &Task,
        step: u16,
        pipeline: &PlannedPipeline,
        reference: &crate::effect::Reference,
    ) -> RunRef {
        RunRef {
            job: pipeline.job.clone(),
            id: reference.id.clone(),
            correlation: self.effect_key(task, step).short(),
            url: reference.url.clone(),
        }
    }

    /// The wait a task's Watch begins with.
    #[must_use]
    pub fn wait_of(&self, task: &Task, now: Timestamp) -> Option<Wait> {
        let deadlines = self.plan().deadlines;
        if task.key.kind == TaskKind::AutomationRuns {
            let deadline = now + Span::minutes(i64::from(deadlines.automation_minutes));
            return Some(Wait {
                watched: Watched::Run {
                    run: self.automation_run(&task.key)?,
                },
                deadline,
            });
        }
        let deadline = now + Span::minutes(i64::from(deadlines.pipeline_minutes));
        let run = self.run_ref(task, task.next_step.checked_sub(1)?)?;
        Some(Wait {
            watched: Watched::Run { run },
            deadline,
        })
    }
}

impl Owner for Release {
    fn aggregate(&self) -> AggregateId {
        self.aggregate_id()
    }
    fn board(&self) -> &Board {
        &self.board
    }
    fn effect_key(&self, task: &Task, step: u16) -> EffectKey {
        let generation = task
            .done
            .get(usize::from(step))
            .map_or(task.generation, |(generation, _)| *generation);
        EffectKey {
            install: self.draft.install,
            owner: self.aggregate_id(),
            task: task.key,
            generation,
            step,
        }
    }
    fn step_effect(&self, task: &Task, step: u16) -> Option<Effect> {
        let shape = task.steps.get(usize::from(step))?;
        let key = EffectKey {
            install: self.draft.install,
            owner: self.aggregate_id(),
            task: task.key,
            generation: task.generation,
            step,
        };
        match shape.kind {
            StepKind::Perform | StepKind::PerformRun => {
                let (integration, operation) = self.operation(task, shape)?;
                Some(Effect::Perform {
                    key,
                    integration,
                    operation,
                })
            }
            StepKind::ResolveHead
            | StepKind::ResolveNotes
            | StepKind::ResolveTotals
            | StepKind::ResolveStoreBuild
            | StepKind::ResolveExposure => {
                let (integration, reading) = self.reading(task, shape)?;
                Some(Effect::Resolve {
                    key,
                    integration,
                    reading,
                })
            }
            StepKind::Watch => None,
        }
    }
    fn watch_effect(&self, task: &Task, watched: &Watched) -> Option<Effect> {
        let key = EffectKey {
            install: self.draft.install,
            owner: self.aggregate_id(),
            task: task.key,
            generation: task.generation,
            step: task.next_step,
        };
        let integration = integration_of(self.plan(), &task.key)?;
        let every_seconds = self.plan().deadlines.poll_seconds;
        Some(Effect::Watch {
            key,
            integration,
            watched: watched.clone(),
            every_seconds,
        })
    }
    fn wait_after(&self, task: &Task, result: &StepResult, now: Timestamp) -> Option<Wait> {
        let StepResult::Made { reference } = result else {
            return None;
        };
        let pipeline = pipeline_of(self.plan(), &task.key)?;
        let run = self.run_of(task, task.next_step, pipeline, reference);
        let deadline = now + Span::minutes(i64::from(self.plan().deadlines.pipeline_minutes));
        Some(Wait {
            watched: Watched::Run { run },
            deadline,
        })
    }
    fn is_blocked(&self, task: &Task) -> bool {
        hold::is_blocked(self, task)
    }
}
