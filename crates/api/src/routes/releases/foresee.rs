//! A release that is only asked about: everything it would be and do, and nothing of it stored.

use super::create::{ReleaseBody, guards, read};
use super::plan::{LeftOutView, PlanLineView, left_out, lines};
use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::context::Context;
use crate::problem::Problem;
use crate::query::Query;
use actix_web::post;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::create::{self, CreateError, Warning};
use delivr_app::usecases::plan::names;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::ids::ReleaseId;
use delivr_domain::release::gate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// One target of a release that is only asked about.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForeseenTarget {
    target: &'static str,
    /// Asked for, or the next of its line.
    version: String,
    store_integration_id: Option<String>,
    /// PIPELINE or MANUAL.
    builds: &'static str,
    /// What users of a store would read where nobody writes notes of the release: the profile's defaults, by language or
    /// `default`; empty where they would read the changelog.
    store_notes: BTreeMap<String, String>,
}

/// What a release would be and do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForeseenView {
    title: String,
    service_id: String,
    /// The highest of its targets'.
    version: String,
    targets: Vec<ForeseenTarget>,
    /// The branch that would be forked, or used.
    branch: String,
    /// The tag of the first regression cycle.
    rc_tag: String,
    release_tag: String,
    kickoff_at: DateTime<Utc>,
    target_date: Option<DateTime<Utc>>,
    /// The profile that its settings come from.
    profile_id: Option<String>,
    profile_revision: Option<u32>,
    /// The stage it comes to if all goes well.
    ends_in: &'static str,
    /// What would be done, in order. What is not known yet stands in round brackets.
    steps: Vec<PlanLineView>,
    /// What would not be done, and why.
    left_out: Vec<LeftOutView>,
    /// What the creation would let pass, and is likely a mistake.
    warnings: Vec<WarningView>,
}

/// Something that is likely a mistake.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarningView {
    /// JSON pointer into the body.
    pointer: &'static str,
    /// What it is, for people.
    detail: String,
}

impl From<Warning> for WarningView {
    fn from(warning: Warning) -> Self {
        Self {
            pointer: warning.pointer,
            detail: warning.sentence,
        }
    }
}

/// How far is looked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ForeseeQuery {
    /// true: source control is asked whether the branch is there that the release begins from, for 5 s at most.
    #[serde(default)]
    check: bool,
}

/// Everything that creating the release with this body would come to: versions, exact names, and each step in order, by
/// stepping the same machine forward on assumed successes. It is refused as the creation would be. Nothing is stored and
/// no vendor is asked, but for `check`.
#[utoipa::path(tag = "Releases", params(ForeseeQuery), request_body = ReleaseBody,
    responses((status = 200, description = "What it would be and do", body = ForeseenView)))]
#[post("/releases/plan")]
pub(crate) async fn foresee(cx: Context, asked: Query<ForeseeQuery>, body: Body<ReleaseBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let wanted = read(ReleaseId::from_uuid(cx.app.entropy.uuid()), body)?;
    guards(&cx, wanted.settings.as_ref().and_then(create::guarded_setting))?;
    let draft = create::draft(&cx.app, cx.tenant(), wanted).await?;
    let mut warnings = Vec::new();
    warnings.extend(create::pilot_warning(&cx.app, cx.tenant(), &draft).await?);
    warnings.extend(create::notes_warning(&draft));
    if asked.0.check {
        warnings.extend(create::branch_warning(&cx.app, cx.tenant(), &draft).await);
    }
    let version = draft.plan.targets.values().map(|it| it.version).max();
    let version = version.map_or_else(String::new, |it| it.to_string());
    let named =
        names(&draft.plan, &draft.service_slug, &version, draft.kickoff_at).map_err(CreateError::from)?;
    let facts = BTreeMap::new();
    let now = cx.now();
    let seen = gate::Context {
        now,
        actor: cx.who.actor(),
        facts: &facts,
    };
    let Aggregate::Release(release) = Aggregate::create(draft.clone(), &seen).state else {
        return Err(Problem::missing("release"));
    };
    let (ends_in, steps) = lines(&cx, &release, Vec::new(), now).await?;
    let targets = draft.plan.targets.iter().map(|(target, plan)| ForeseenTarget {
        target: target.word(),
        version: plan.version.to_string(),
        store_integration_id: plan.store.map(|id| id.to_string()),
        builds: plan.builds.word(),
        store_notes: plan
            .notes
            .iter()
            .map(|(language, text)| (language.to_string(), text.clone()))
            .collect(),
    });
    Ok(Answer::ok(&ForeseenView {
        title: draft.title.clone(),
        service_id: draft.service.to_string(),
        version,
        targets: targets.collect(),
        branch: named.branch.to_string(),
        rc_tag: named.rc_tag.to_string(),
        release_tag: named.release_tag.to_string(),
        kickoff_at: draft.kickoff_at,
        target_date: draft.target_date,
        profile_id: draft.plan.profile.map(|(id, _)| id.to_string()),
        profile_revision: draft.plan.profile.map(|(_, revision)| revision),
        ends_in,
        steps: steps.into_iter().map(PlanLineView::of_no_key).collect(),
        left_out: left_out(&release),
        warnings: warnings.into_iter().map(WarningView::from).collect(),
    }))
}
