//! Tasks: the durable steps of a release, with their effects and attempts, and what people do about them.

use super::exchanges::{self, ExchangeView};
use super::load::{Success, act_on, find};
use super::view::as_release;
use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::{Checks, syntax};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use actix_web::{get, put};
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::{explain, releases};
use delivr_domain::aggregate::Command;
use delivr_domain::board::{AfterLookUp, Task, TaskState};
use delivr_domain::effect::Reference;
use delivr_domain::ids::TaskId;
use delivr_domain::key::{AggregateId, EffectId, TargetKey, TaskKey};
use delivr_domain::ports::store::{AttemptRecord, EffectRow, Heard};
use delivr_domain::release::command::Force;
use delivr_domain::release::{Command as ReleaseCommand, Release, hold};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A task.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskView {
    id: String,
    /// Its name in effect keys: kind, target, cycle.
    key: String,
    /// Kind, in the seeds' names.
    #[serde(rename = "type")]
    kind: &'static str,
    /// KICKOFF, REGRESSION, PRE_RELEASE, DISTRIBUTION or CLEAN_UP.
    stage: &'static str,
    status: &'static str,
    target: Option<&'static str>,
    cycle: Option<u16>,
    /// What a person must know: why it failed or was left out, what it waits for.
    detail: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<CauseView>,
    /// Whether a hold keeps it from starting.
    held: bool,
    /// Vendor's id of what it made.
    external_id: Option<String>,
    external_url: Option<String>,
    /// Everything its steps left.
    #[schema(value_type = Object)]
    external_data: Value,
    /// Spent predecessors of what it makes.
    generation: u16,
    /// Steps that are done, and all of them; none before it started.
    steps_done: usize,
    steps: usize,
    /// Tasks that come first.
    after: Vec<String>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    /// When its wait fails.
    deadline: Option<DateTime<Utc>>,
    /// What was found to exist beside what it made, and nobody waits for: a person removes it at the vendor.
    surplus: Vec<SurplusView>,
}

/// Something at a vendor that nobody waits for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SurplusView {
    id: String,
    url: Option<String>,
}

/// Why a task failed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CauseView {
    code: String,
    detail: String,
    /// TRANSIENT, PERMANENT or NEEDS_HUMAN.
    class: &'static str,
    /// What is known of the object: NOT_DONE, UNKNOWN or SPENT. A spent one is made anew by a retry.
    outcome: &'static str,
    /// The vendor's own words.
    vendor: Option<String>,
    integration_id: Option<String>,
}

fn detail(task: &Task) -> Option<String> {
    match &task.state {
        TaskState::Failed { cause, .. } => Some(cause.sentence.clone()),
        TaskState::AwaitingManual { what } => Some(what.sentence.clone()),
        TaskState::Skipped { reason } => Some(reason.clone()),
        TaskState::Running { .. } => match (&task.skip_after_look_up, &task.after_look_up) {
            (Some(reason), _) => Some(format!(
                "is left out once the vendor says that it does not exist: {reason}"
            )),
            (None, Some(AfterLookUp::Done { .. })) => Some(
                "a person did it by hand: it is complete once the vendor has said whether what was sent before exists"
                    .to_owned(),
            ),
            (None, Some(AfterLookUp::Again)) => Some(
                "what was sent before is looked for; if the vendor says that it does not exist, it is tried again"
                    .to_owned(),
            ),
            (None, None) => None,
        },
        TaskState::Pending
        | TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Cancelled => None,
    }
}

fn surplus(release: &Release, task: &Task) -> Vec<SurplusView> {
    let late = release.board.late.iter().filter(|(key, _)| key.task == task.key);
    late.map(|(_, reference)| SurplusView {
        id: reference.id.clone(),
        url: reference.url.clone(),
    })
    .collect()
}

/// A task.
pub(crate) fn task(release: &Release, task: &Task) -> TaskView {
    let reference = task.reference();
    TaskView {
        id: release.task_id(&task.key).to_string(),
        key: task.key.to_string(),
        kind: task.key.kind.word(),
        stage: task.lane.word(),
        status: task.state.word(),
        target: task.key.target.map(TargetKey::word),
        cycle: task.key.cycle,
        detail: detail(task),
        cause: task.failure().map(|(cause, outcome)| CauseView {
            code: cause.code.clone(),
            detail: cause.sentence.clone(),
            class: cause.class.word(),
            outcome: outcome.word(),
            vendor: cause.vendor.clone(),
            integration_id: cause.integration.map(|id| id.to_string()),
        }),
        held: matches!(task.state, TaskState::Pending) && hold::is_blocked(release, task),
        external_id: reference.map(|it| it.id.clone()),
        external_url: reference.and_then(|it| it.url.clone()),
        external_data: json!({ "steps": task.done, "state": task.state }),
        generation: task.generation.0,
        steps_done: task.done.len(),
        steps: task.steps.len(),
        after: task.after.iter().map(ToString::to_string).collect(),
        started_at: task.started_at,
        ended_at: task.ended_at,
        deadline: task.deadline(),
        surplus: surplus(release, task),
    }
}

/// Tasks of a release, by stage and start.
pub(crate) fn tasks(release: &Release) -> Vec<TaskView> {
    let mut all: Vec<&Task> = release.board.iter().collect();
    all.sort_by_key(|it| {
        (
            it.lane,
            it.key.cycle,
            it.started_at.is_none(),
            it.started_at,
            it.key,
        )
    });
    all.into_iter().map(|it| task(release, it)).collect()
}

/// Tasks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskList {
    items: Vec<TaskView>,
    next_cursor: Option<String>,
}

/// Tasks planned so far, stage by stage.
#[utoipa::path(tag = "Tasks",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Tasks", body = TaskList)))]
#[get("/releases/{releaseId}/tasks")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    let (row, release) = find(&cx).await?;
    let (items, next_cursor) = paging.0.page(tasks(&release), |it| it.id.clone())?;
    Ok(Answer::ok(&TaskList { items, next_cursor }).version(row.version))
}

/// A task with its effects.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskDetail {
    #[serde(flatten)]
    task: TaskView,
    effects: Vec<EffectView>,
}

/// One durable piece of work of a task.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EffectView {
    id: String,
    /// RESOLVE, PERFORM, WATCH or CANCEL_RUN.
    effect: &'static str,
    /// What it does, with its exact names.
    does: String,
    /// The key under which the vendor's object is recognised, as `delivr_key`.
    correlation: Option<String>,
    integration_id: Option<String>,
    /// READY, CLAIMED, PARKED, DONE or DEAD.
    status: &'static str,
    due_at: DateTime<Utc>,
    /// Claims so far.
    attempt: u32,
    /// The budget used so far.
    failures: u16,
    /// Last trouble.
    trouble: Option<String>,
    attempts: Vec<AttemptView>,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptView {
    attempt: u32,
    /// Word for what came of it.
    outcome: String,
    /// Vendor's id of what exists now.
    reference: Option<String>,
    detail: Option<String>,
    at: DateTime<Utc>,
    /// What was said to the vendor and by it, the first five and the last fifteen calls; of the 40 newest attempts.
    exchanges: Vec<ExchangeView>,
    /// Calls between the first five and the last fifteen.
    exchanges_left_out: u32,
}

/// A row of the queue with its attempts.
fn effect(row: &EffectRow, attempts: &[AttemptRecord], heard: &[Heard]) -> EffectView {
    let attempt = |it: &AttemptRecord| {
        let (exchanges, exchanges_left_out) = exchanges::of_attempt(heard, it);
        AttemptView {
            attempt: it.attempt,
            outcome: it.outcome.clone(),
            reference: it.reference.clone(),
            detail: it.detail.clone(),
            at: it.at,
            exchanges,
            exchanges_left_out,
        }
    };
    EffectView {
        id: row.id.to_string(),
        effect: row.effect.word(),
        does: explain::sentence(&row.effect),
        correlation: row.effect.key().map(delivr_domain::key::EffectKey::short),
        integration_id: row.effect.integration().map(|id| id.to_string()),
        status: row.state.word(),
        due_at: row.due_at,
        attempt: row.attempt,
        failures: row.failures,
        trouble: row.trouble.clone(),
        attempts: attempts
            .iter()
            .filter(|it| it.effect == row.id)
            .map(attempt)
            .collect(),
    }
}

/// Effects of one task (or, without one, of all tasks) of an aggregate.
pub(crate) async fn effects(
    cx: &Context,
    owner: AggregateId,
    key: Option<&TaskKey>,
) -> Result<Vec<EffectView>, Problem> {
    let rows = cx.app.store.rows(owner, true).await?;
    let attempts = cx.app.store.attempts(owner).await?;
    let of = |row: &&EffectRow| {
        row.effect
            .key()
            .is_some_and(|it| key.is_none_or(|key| it.task == *key))
    };
    let rows: Vec<&EffectRow> = rows.iter().filter(of).collect();
    let ids: Vec<EffectId> = rows.iter().map(|row| row.id).collect();
    let heard = cx
        .app
        .store
        .exchanges(cx.tenant(), &ids, exchanges::NEWEST)
        .await?;
    Ok(rows.iter().map(|row| effect(row, &attempts, &heard)).collect())
}

/// The task a text names: its id, or its key with `/` sent as `%2F`.
pub(crate) fn named<'a>(release: &'a Release, text: &str) -> Option<&'a Task> {
    if let Ok(id) = text.parse::<TaskId>() {
        return release.board.iter().find(|it| release.task_id(&it.key) == id);
    }
    let key = text.replace("%2F", "/").replace("%2f", "/");
    release.board.find(&key.parse().ok()?)
}

/// One task with its effects and attempts.
#[utoipa::path(tag = "Tasks", responses((status = 200, description = "The task", body = TaskDetail)))]
#[get("/releases/{releaseId}/tasks/{taskId}")]
pub(crate) async fn read(cx: Context) -> Answered {
    let (row, release) = find(&cx).await?;
    let found = named(&release, cx.segment("taskId")).ok_or_else(|| Problem::missing("task"))?;
    let effects = effects(&cx, row.id, Some(&found.key)).await?;
    Ok(Answer::ok(&TaskDetail {
        task: task(&release, found),
        effects,
    })
    .version(row.version))
}

/// What is done about a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TaskBody {
    /// RETRY, SKIP or COMPLETE.
    action: Option<String>,
    /// The same by the state wanted (seed 000): PENDING, SKIPPED or COMPLETED.
    task_status: Option<String>,
    /// Why; needed to skip and to complete.
    reason: Option<String>,
    /// What exists now, where a person made it.
    reference: Option<ReferenceBody>,
    /// While it is unknown whether the object exists, do not look for it first (ADMIN). RETRY makes another one, at the risk
    /// of a duplicate; SKIP and COMPLETE count at once, and what is found later comes to the clean-up list.
    #[serde(default)]
    accept_duplicate: bool,
}

/// Something at a vendor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReferenceBody {
    /// The vendor's own id: a branch, a tag, a ticket.
    id: String,
    url: Option<String>,
}

impl From<releases::ByHandError> for Problem {
    fn from(error: releases::ByHandError) -> Self {
        match error {
            releases::ByHandError::Refused(refusal) => {
                Self::unsuitable(refusal.code, refusal.pointer, refusal.sentence)
            }
            releases::ByHandError::Connect(error) => error.into(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Retry,
    Skip,
    Complete,
}

fn action(body: &TaskBody) -> Result<Action, Problem> {
    match (body.action.as_deref(), body.task_status.as_deref()) {
        (Some("RETRY"), None) | (None, Some("PENDING")) => Ok(Action::Retry),
        (Some("SKIP"), None) | (None, Some("SKIPPED")) => Ok(Action::Skip),
        (Some("COMPLETE"), None) | (None, Some("COMPLETED")) => Ok(Action::Complete),
        (Some(_), Some(_)) => Err(Problem::malformed_at(
            "/taskStatus",
            "name either action or taskStatus",
        )),
        (None, Some(_)) => Err(Problem::malformed_at(
            "/taskStatus",
            "must be PENDING, SKIPPED or COMPLETED: a task is started by the machine alone",
        )),
        (Some(_) | None, None) => Err(Problem::malformed_at(
            "/action",
            "must be RETRY, SKIP or COMPLETE",
        )),
    }
}

async fn command(
    cx: &Context,
    release: &Release,
    key: TaskKey,
    body: TaskBody,
) -> Result<ReleaseCommand, Problem> {
    let action = action(&body)?;
    Checks::new()
        .text_if("/reason", body.reason.as_deref(), 1, 1_000)
        .holds(
            "/reason",
            action == Action::Retry || body.reason.is_some(),
            "say why it is skipped or what was done by hand",
        )
        .holds(
            "/reference",
            action == Action::Complete || body.reference.is_none(),
            "only a task completed by hand names what exists",
        )
        .done()?;
    let force = if body.accept_duplicate {
        cx.at_least(Role::Admin)?;
        Force::AcceptDuplicate
    } else {
        Force::No
    };
    let reason = body.reason.unwrap_or_default();
    match action {
        Action::Retry => Ok(ReleaseCommand::RetryTask { task: key, force }),
        Action::Skip => Ok(ReleaseCommand::SkipTask {
            task: key,
            reason,
            force,
        }),
        Action::Complete => {
            let reference = body.reference.map(reference).transpose()?;
            if let Some(named) = &reference {
                releases::check_by_hand(&cx.app, cx.tenant(), release, &key, named).await?;
            }
            Ok(ReleaseCommand::CompleteTask {
                task: key,
                reason,
                reference,
                force,
            })
        }
    }
}

fn reference(body: ReferenceBody) -> Result<Reference, Problem> {
    let mut checks = Checks::new();
    checks
        .text("/reference/id", &body.id, 1, 500)
        .text_if("/reference/url", body.url.as_deref(), 1, 2_000);
    checks.done()?;
    let reference = Reference::id(body.id);
    match body.url {
        Some(text) => {
            let url: url::Url = syntax("/reference/url", &text)?;
            if matches!(url.scheme(), "http" | "https") {
                Ok(reference.at(text))
            } else {
                Err(Problem::malformed_at(
                    "/reference/url",
                    "must be an http or https address",
                ))
            }
        }
        None => Ok(reference),
    }
}

/// Tries a failed task again, leaves one out, or says that a person did it. A branch or tag named for a task completed
/// by hand is looked up at the vendor first. So is what was sent with an unknown outcome, whatever is asked: what is found
/// is the task's own (beside another that was named, it comes to the clean-up list), and until it is known the task is
/// RUNNING and its `detail` says why. An early build is run anew on what the release branch has then.
#[utoipa::path(tag = "Tasks", request_body = TaskBody, responses((status = 200, description = "The task", body = TaskView)))]
#[put("/releases/{releaseId}/tasks/{taskId}")]
pub(crate) async fn change(cx: Context, body: Body<TaskBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let (row, release) = find(&cx).await?;
    cx.unchanged(row.version)?;
    let key = named(&release, cx.segment("taskId"))
        .ok_or_else(|| Problem::missing("task"))?
        .key;
    let command = Command::Release(command(&cx, &release, key, body.0).await?);
    act_on(&cx, row.id, &command, Success::Ok, &|state| {
        as_release(state).and_then(|release| release.board.find(&key).map(|it| task(release, it)))
    })
    .await
}
