//! Builds: what pipelines made, and what people made elsewhere.

use super::load::{Success, act_on, find};
use super::parts::{BuildView, build, builds};
use super::tasks::named;
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
use delivr_domain::board::TaskState;
use delivr_domain::key::{TargetKey, TaskKey};
use delivr_domain::names::Sha;
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
#[utoipa::path(tag = "Builds", responses((status = 200, description = "Builds", body = BuildList)))]
#[get("/releases/{releaseId}/builds")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    let (row, release) = find(&cx).await?;
    let (items, next_cursor) = paging.0.page(builds(&release), |it| it.id.clone())?;
    Ok(Answer::ok(&BuildList { items, next_cursor }).version(row.version))
}

/// A build a person made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BuildBody {
    /// For which target; not needed where the task is named.
    target: Option<String>,
    /// For which task, by id or key; left out, the one of the target that waits for a build.
    task: Option<String>,
    /// Build number or version code.
    build_number: String,
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

/// Hands in a build that a person made. The artifact stays where it is.
#[utoipa::path(tag = "Builds", request_body = BuildBody, responses((status = 201, description = "The build", body = BuildView)))]
#[post("/releases/{releaseId}/builds")]
pub(crate) async fn upload(cx: Context, body: Body<BuildBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let mut checks = Checks::new();
    checks.text("/buildNumber", &body.build_number, 1, 100);
    addresses(&mut checks, &body);
    checks.done()?;
    let sha: Option<Sha> = body.sha.as_deref().map(|text| syntax("/sha", text)).transpose()?;
    let (row, release) = find(&cx).await?;
    let task = waiting(&release, &body)?;
    let product = RunProduct {
        url: body.build_url,
        sha,
        artifact_url: body.artifact_url,
        build_number: Some(body.build_number),
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
