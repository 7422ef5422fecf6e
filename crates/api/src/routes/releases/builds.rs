//! Builds: what pipelines made, and what people made elsewhere.

use super::artifacts::of_build;
use super::load::{Success, act_on, find};
use super::parts::{BuildView, build, builds};
use super::tasks::{TaskView, named, task};
use super::view::as_release;
use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::{Checks, syntax};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use actix_web::{get, post};
use delivr_app::usecases::access::Role;
use delivr_domain::aggregate::Command;
use delivr_domain::board::{Task, TaskState};
use delivr_domain::ids::IdError;
use delivr_domain::key::{TargetKey, TaskKey};
use delivr_domain::names::Sha;
use delivr_domain::release::command::Force;
use delivr_domain::release::hold::blocks;
use delivr_domain::release::{Command as ReleaseCommand, Release, gate, work};
use delivr_domain::report::RunProduct;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Builds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuildList {
    items: Vec<BuildView>,
    next_cursor: Option<String>,
}

/// Builds, the oldest first.
#[utoipa::path(tag = "Builds",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Builds", body = BuildList)))]
#[get("/releases/{releaseId}/builds")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    let (row, release) = find(&cx).await?;
    let (mut items, next_cursor) = paging.0.page(builds(&release), |it| it.id.clone())?;
    for item in &mut items {
        let id = item.id.parse().map_err(|_: IdError| Problem::missing("build"))?;
        item.artifact = of_build(&cx, id).await?;
    }
    Ok(Answer::ok(&BuildList { items, next_cursor }).version(row.version))
}

/// A build a person made, or (without `buildNumber`) the wish that the pipeline makes one now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BuildBody {
    /// For which target; not needed where the task is named.
    target: Option<String>,
    /// For which task, by id or key; left out, the one of the target that waits for a build, or whose build failed.
    task: Option<String>,
    /// Build number or version code of a build that a person made. Left out, the pipeline is started.
    build_number: Option<String>,
    /// The commit it was built from; a build without one does not pass the gate by itself.
    sha: Option<String>,
    /// Where the artifact lies: an https, http, s3 or gs address, kept as a reference.
    artifact_url: Option<String>,
    /// Where a person sees how it was made.
    build_url: Option<String>,
}

fn addresses(checks: &mut Checks, body: &BuildBody) {
    let fields = [
        (
            "/artifactUrl",
            &body.artifact_url,
            &["https", "http", "s3", "gs"][..],
        ),
        ("/buildUrl", &body.build_url, &["https", "http"][..]),
    ];
    for (pointer, text, schemes) in fields {
        if let Some(text) = text {
            let url = url::Url::parse(text).ok();
            let fits = url.as_ref().is_some_and(|it| schemes.contains(&it.scheme()));
            let bare = url.is_some_and(|it| it.password().is_none() && it.username().is_empty());
            checks
                .text(pointer, text, 1, 2_000)
                .holds(
                    pointer,
                    fits,
                    &format!("must be an address with {}", schemes.join(", ")),
                )
                .holds(pointer, bare || !fits, "must not contain a user name or password");
        }
    }
}

/// The task a build is for.
fn waiting(release: &Release, body: &BuildBody) -> Result<TaskKey, Problem> {
    let target: Option<TargetKey> = body
        .target
        .as_deref()
        .map(|text| syntax("/target", text))
        .transpose()?;
    if let Some(text) = &body.task {
        let found = named(release, text).filter(|it| target.is_none() || it.key.target == target);
        return found.map(|it| it.key).ok_or_else(|| {
            Problem::unsuitable(
                "unknown_reference",
                "/task",
                "this release has no such task (of this target)",
            )
        });
    }
    let Some(target) = target else {
        return Err(Problem::malformed_at(
            "/target",
            "name the target or the task the build is for",
        ));
    };
    if !release.plan().targets.contains_key(&target) {
        let detail = format!("the release does not ship {target}");
        return Err(Problem::unsuitable("unknown_reference", "/target", detail));
    }
    let open = || {
        release.board.iter().filter(|it| {
            it.key.target == Some(target)
                && work::makes_build(it.key.kind)
                && gate::accepts_upload(release, it)
        })
    };
    let waits = open().find(|it| matches!(it.state, TaskState::AwaitingManual { .. }));
    match (waits, open().count()) {
        (Some(task), _) => Ok(task.key),
        (None, 1) => open()
            .next()
            .map(|it| it.key)
            .ok_or_else(|| Problem::missing("task")),
        (None, 0) => Err(Problem::conflict(
            "upload_not_expected",
            format!("no task of {target} waits for a build now"),
        )),
        (None, _) => Err(Problem::unsuitable(
            "task_ambiguous",
            "/task",
            format!("several tasks of {target} could take the build; name one"),
        )),
    }
}

/// Build tasks that the body may mean, the newest first.
fn meant<'a>(release: &'a Release, body: &BuildBody) -> Result<Vec<&'a Task>, Problem> {
    let target: Option<TargetKey> = body
        .target
        .as_deref()
        .map(|text| syntax("/target", text))
        .transpose()?;
    if let Some(text) = &body.task {
        let found = named(release, text)
            .filter(|it| work::makes_build(it.key.kind) && (target.is_none() || it.key.target == target));
        let found = found.ok_or_else(|| {
            let detail = "this release has no such task that makes a build (of this target)";
            Problem::unsuitable("unknown_reference", "/task", detail)
        })?;
        return Ok(vec![found]);
    }
    let Some(target) = target else {
        return Err(Problem::malformed_at(
            "/target",
            "name the target or the task the build is for",
        ));
    };
    if !release.plan().targets.contains_key(&target) {
        let detail = format!("the release does not ship {target}");
        return Err(Problem::unsuitable("unknown_reference", "/target", detail));
    }
    let of_target = |it: &&Task| it.key.target == Some(target) && work::makes_build(it.key.kind);
    let mut found: Vec<&Task> = release.board.iter().filter(of_target).collect();
    found.sort_by_key(|it| std::cmp::Reverse((it.started_at, it.key)));
    Ok(found)
}

/// Why a build task's pipeline is not started now.
fn not_now(release: &Release, task: &Task) -> Problem {
    let key = task.key;
    match &task.state {
        TaskState::Pending => {
            let held = release
                .holds
                .iter()
                .any(|hold| blocks(release.plan(), hold, task));
            let why = if held {
                "a hold keeps it from starting; lift it"
            } else {
                "it starts by itself when the tasks before it are done"
            };
            Problem::conflict("build_not_due", format!("{key} is PENDING: {why}"))
        }
        TaskState::Running { .. } | TaskState::AwaitingCallback { .. } | TaskState::AwaitingChild { .. } => {
            Problem::conflict("build_under_way", format!("{key} is being built already"))
        }
        TaskState::AwaitingManual { .. } => Problem::conflict(
            "build_by_hand",
            format!(
                "{key} waits for a build that a person hands in (`buildNumber`); PATCH the target with `builds` PIPELINE \
                 to have later ones built"
            ),
        ),
        TaskState::Completed { .. } => Problem::conflict(
            "build_exists",
            format!("{key} has its build; `rework` sends the release back for a new one"),
        ),
        TaskState::Failed { .. } | TaskState::Skipped { .. } | TaskState::Cancelled => Problem::conflict(
            "build_not_wanted",
            format!("{key} is {}; nothing waits for its build", task.state.word()),
        ),
    }
}

/// The task whose pipeline is started anew: the one whose run came to nothing.
fn to_trigger(release: &Release, body: &BuildBody) -> Result<TaskKey, Problem> {
    let found = meant(release, body)?;
    let failed = |it: &&&Task| matches!(it.state, TaskState::Failed { .. });
    let task = found.iter().find(failed).or_else(|| found.first());
    let Some(task) = task else {
        let detail = "no build of the target is planned yet: its stage has not begun";
        return Err(Problem::conflict("build_not_due", detail));
    };
    let key = task.key;
    let planned = key.target.and_then(|target| release.plan().targets.get(&target));
    let has_pipeline = planned
        .zip(work::purpose_of(key.kind))
        .is_some_and(|(planned, purpose)| planned.pipelines.contains_key(&purpose));
    if !has_pipeline {
        return Err(Problem::conflict(
            "no_pipeline",
            format!("the plan has no pipeline for {key}; hand its build in (`buildNumber`)"),
        ));
    }
    if matches!(task.state, TaskState::Failed { .. }) {
        Ok(key)
    } else {
        Err(not_now(release, task))
    }
}

/// Starts the pipeline of a build that came to nothing: what a retry of its task does, found by the target.
async fn trigger(cx: &Context, body: &BuildBody) -> Answered {
    let only_with_number = [
        ("/sha", body.sha.is_some()),
        ("/artifactUrl", body.artifact_url.is_some()),
        ("/buildUrl", body.build_url.is_some()),
    ];
    let mut checks = Checks::new();
    for (pointer, given) in only_with_number {
        checks.holds(
            pointer,
            !given,
            "only a build that a person made says this: name its buildNumber",
        );
    }
    checks.done()?;
    let (row, release) = find(cx).await?;
    cx.unchanged(row.version)?;
    let key = to_trigger(&release, body)?;
    let command = Command::Release(ReleaseCommand::RetryTask {
        task: key,
        force: Force::No,
    });
    let seen = cx.looked_at(row.version);
    act_on(&seen, row.id, &command, Success::Accepted, &|state| {
        as_release(state).and_then(|release| release.board.find(&key).map(|it| task(release, it)))
    })
    .await
}

/// Hands in a build that a person made, whose artifact stays where it is or is sent to `…/artifact`; or, without
/// `buildNumber`, starts the pipeline anew for a build that failed. A build that is handed in counts at once; a run that may
/// have been started for it before is looked for later, and what is found brings no second build. A build that has not come to its turn, is under way
/// or is there already is not started (409).
#[utoipa::path(tag = "Builds", request_body = BuildBody, responses(
    (status = 201, description = "The build that was handed in", body = BuildView),
    (status = 202, description = "The task whose pipeline is started", body = TaskView)))]
#[post("/releases/{releaseId}/builds")]
pub(crate) async fn upload(cx: Context, body: Body<BuildBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let Some(build_number) = body.build_number.clone() else {
        return trigger(&cx, &body).await;
    };
    let mut checks = Checks::new();
    checks.text("/buildNumber", &build_number, 1, 100);
    addresses(&mut checks, &body);
    checks.done()?;
    let sha: Option<Sha> = body.sha.as_deref().map(|text| syntax("/sha", text)).transpose()?;
    let (row, release) = find(&cx).await?;
    let task = waiting(&release, &body)?;
    let product = RunProduct {
        url: body.build_url,
        sha,
        artifact_url: body.artifact_url,
        build_number: Some(build_number),
        ..RunProduct::default()
    };
    let command = Command::Release(ReleaseCommand::UploadBuild { task, product });
    let place = cx.place(&format!("/releases/{}/builds", release.draft.id));
    act_on(&cx, row.id, &command, Success::Created(place), &|state| {
        as_release(state).and_then(|release| {
            let newest = release.builds.iter().rev().find(|it| it.task == task);
            newest.map(|it| build(release, it))
        })
    })
    .await
}
