//! The plan: a dry run of everything that is still to come, and taking up a changed profile.

use super::create::{guards, maybe, pipelines};
use super::load::{Success, act_on, find, last_sweep};
use super::view::{Include, ReleaseView, as_release, release};
use crate::answer::{Answer, Answered};
use crate::body::{Maybe, parse_value};
use crate::context::Context;
use crate::problem::Problem;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use delivr_app::stored::show_state;
use delivr_app::usecases::access::Role;
use delivr_app::usecases::create::{self, Replan};
use delivr_app::usecases::explain::{Line, Reach, dry_run};
use delivr_app::usecases::profile::Settings;
use delivr_domain::aggregate::{Aggregate, Command};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::TargetKey;
use delivr_domain::release::command::{PlanChange, changes};
use delivr_domain::release::{Command as ReleaseCommand, Release};
use delivr_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is still to come.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanView {
    release_id: String,
    key: String,
    /// The stage it comes to if all goes well.
    ends_in: &'static str,
    /// What will be done, in order. What is not known yet stands in round brackets.
    steps: Vec<PlanLineView>,
    /// What is not done, and why.
    left_out: Vec<LeftOutView>,
}

/// One thing that will be done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanLineView {
    /// What is done, with its exact names.
    does: String,
    /// PERFORM, RESOLVE, WATCH, MESSAGE, or PERSON where only a person can go on.
    by: &'static str,
    task: Option<String>,
    /// Kind of the task.
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    target: Option<&'static str>,
    cycle: Option<u16>,
    integration_id: Option<String>,
    provider: Option<String>,
    /// Not before this instant; how long vendors and people take is not foreseen.
    not_before: DateTime<Utc>,
}

/// A kind of task that is not done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeftOutView {
    #[serde(rename = "type")]
    kind: &'static str,
    reason: String,
}

fn line(line: Line, providers: &BTreeMap<IntegrationId, String>) -> PlanLineView {
    PlanLineView {
        does: line.does,
        by: line.kind,
        task: line.task.map(|task| task.to_string()),
        kind: line.task.map(|task| task.kind.word()),
        target: line.target.map(TargetKey::word),
        cycle: line.task.and_then(|task| task.cycle),
        integration_id: line.integration.map(|id| id.to_string()),
        provider: line.integration.and_then(|id| providers.get(&id).cloned()),
        not_before: line.not_before,
    }
}

impl PlanLineView {
    /// The same of a release that has no key yet.
    pub(super) fn of_no_key(self) -> Self {
        Self {
            does: without_key(&self.does),
            ..self
        }
    }
}

/// The sentence with words in the place of the key that a release has before it has one. `REL-01` and `PREREL-0` are
/// other words, of a branch or a title.
fn without_key(text: &str) -> String {
    const NO_KEY: &str = "REL-0";
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(NO_KEY) {
        told.push_str(before);
        let goes_on = after.starts_with(|it: char| it.is_ascii_alphanumeric());
        let begins_earlier = told.ends_with(|it: char| it.is_ascii_alphanumeric());
        told.push_str(if goes_on || begins_earlier {
            NO_KEY
        } else {
            "(its key)"
        });
        rest = after;
    }
    told.push_str(rest);
    told
}

/// Where a release comes to if all goes well, and by which steps.
pub(super) async fn lines(
    cx: &Context,
    release: &Release,
    children: Vec<Aggregate>,
    now: Timestamp,
) -> Result<(&'static str, Vec<PlanLineView>), Problem> {
    let integrations = cx.app.store.integrations(cx.tenant(), None).await?;
    let providers = integrations.into_iter().map(|it| (it.id, it.provider)).collect();
    let reach = match cx.app.connections.reached_at() {
        Some(_) => Reach::Reachable,
        None => Reach::NoAddress,
    };
    let run = dry_run(release, children, now, reach);
    let steps = run.lines.into_iter().map(|it| line(it, &providers)).collect();
    Ok((run.ends_in.word(), steps))
}

/// What the release's plan leaves out.
pub(super) fn left_out(release: &Release) -> Vec<LeftOutView> {
    let left_out = release.plan().left_out.iter();
    left_out
        .map(|(kind, reason)| LeftOutView {
            kind: kind.word(),
            reason: reason.clone(),
        })
        .collect()
}

async fn children(cx: &Context, release: &Release) -> Result<Vec<Aggregate>, Problem> {
    let rows = cx
        .app
        .store
        .children(cx.tenant(), release.draft.id.uuid())
        .await?;
    Ok(rows.iter().map(show_state).collect::<Result<_, _>>()?)
}

/// What is still to come, by stepping the same machine forward on assumed successes. Nothing is stored and no vendor is
/// asked.
#[utoipa::path(tag = "Releases", responses((status = 200, description = "What is still to come", body = PlanView)))]
#[get("/releases/{releaseId}/plan")]
pub(crate) async fn read(cx: Context) -> Answered {
    let (row, release) = find(&cx).await?;
    let children = children(&cx, &release).await?;
    let (ends_in, steps) = lines(&cx, &release, children, cx.now()).await?;
    let view = PlanView {
        release_id: release.draft.id.to_string(),
        key: release.key(),
        ends_in,
        steps,
        left_out: left_out(&release),
    };
    Ok(Answer::ok(&view).version(row.version))
}

/// From what the plan is made anew.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReplanBody {
    /// Another profile; left out, the release's own in its newest revision.
    profile_id: Option<String>,
    /// Settings laid over the profile's. Those given at creation are not kept: name again what shall stay.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Pipelines; left out, the release's own as they are now.
    pipelines: Option<Vec<String>>,
    /// Only says what would change.
    #[serde(default)]
    dry_run: bool,
}

/// What taking up the present profile changes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplanView {
    /// Whether the release has the new plan now.
    applied: bool,
    changes: Vec<ChangeView>,
    release: Option<ReleaseView>,
}

/// One difference between the frozen plan and the one that would be made now.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeView {
    /// JSON pointer into the plan.
    pointer: String,
    /// Whatever stands there.
    before: Value,
    /// Whatever would stand there.
    after: Value,
    /// Why it can no longer change, if it cannot; then nothing is changed.
    refused: Option<String>,
}

fn change(change: PlanChange) -> ChangeView {
    ChangeView {
        pointer: change.pointer,
        before: change.before,
        after: change.after,
        refused: change.refused,
    }
}

/// Takes up what the profile, its pipelines and providers say now, and tells every difference. One that comes too late
/// refuses the whole. Another profile, and what keeps a gate closed, are an ADMIN's to take up.
#[utoipa::path(tag = "Releases", request_body = inline(Option<ReplanBody>), responses((status = 200, description = "What changed", body = ReplanView)))]
#[post("/releases/{releaseId}/replan")]
pub(crate) async fn replan(cx: Context, body: Maybe<ReplanBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Maybe(body) = body;
    if let Some(settings) = &body.settings {
        let _read: Settings = parse_value("/settings", settings)?;
    }
    let named = |ids: &Vec<String>| pipelines("/pipelines", Some(ids));
    let wanted = Replan {
        profile: maybe("/profileId", body.profile_id.as_deref(), "profile")?,
        pipelines: body.pipelines.as_ref().map(named).transpose()?,
        settings: body.settings,
    };
    let (row, found) = find(&cx).await?;
    cx.unchanged(row.version)?;
    let plan = create::replanned(&cx.app, cx.tenant(), &found, &wanted).await?;
    let changes: Vec<ChangeView> = changes(&found, &plan).into_iter().map(change).collect();
    if body.dry_run {
        let view = ReplanView {
            applied: false,
            changes,
            release: None,
        };
        return Ok(Answer::ok(&view).version(row.version));
    }
    guards(&cx, create::guarded_change(&found, &plan))?;
    let sweep = last_sweep(&cx).await?;
    // The difference that is told must be the one that is made.
    let seen = cx.looked_at(row.version);
    let command = Command::Release(ReleaseCommand::Replan { plan: Box::new(plan) });
    act_on(&seen, row.id, &command, Success::Ok, &|state| ReplanView {
        applied: true,
        changes: changes.clone(),
        release: as_release(state).map(|it| release(it, Include::DETAIL, sweep, &[])),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::without_key;

    #[test]
    fn only_the_key_itself_is_left_out() {
        for (text, shown) in [
            (
                "create the ticket \"REL-0 Shop\"",
                "create the ticket \"(its key) Shop\"",
            ),
            ("REL-0", "(its key)"),
            ("branch REL-07, then REL-0.", "branch REL-07, then (its key)."),
            ("PREREL-0 and REL-0x", "PREREL-0 and REL-0x"),
            ("nothing of it", "nothing of it"),
        ] {
            assert_eq!(without_key(text), shown);
        }
    }
}
