//! Pipelines: CI jobs bound to a platform and a purpose.

mod job;
mod view;

use super::integrations::seed::either;
use super::integrations::{Brought, keep, of_seed_pipeline};
use crate::answer::{Answer, Answered};
use crate::body::{Body, parse_value};
use crate::check::{Checks, reference, syntax, unknown};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use actix_web::{delete, get, post, put};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::pipelines::unknown_words;
use delivr_domain::ids::{IntegrationId, PipelineId};
use delivr_domain::key::{Platform, TargetKey};
use delivr_domain::plan::Purpose;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Change, Integration, Pipeline};
use delivr_domain::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use view::{PipelineList, PipelineView, view};

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list)
        .service(create)
        .service(job::parameters)
        .service(job::test)
        .service(read)
        .service(change)
        .service(remove);
}

/// A pipeline to be made, or all of a pipeline that is to be changed. The form of seed 004 (`pipelineType`,
/// `jenkinsUrl`, `targetIntegrationId` ...) is understood by POST too.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PipelineBody {
    /// Name for people, unique.
    name: String,
    /// The ci-cd integration that runs it.
    integration_id: String,
    /// The source-control integration it builds from; a release must use the same.
    scm_integration_id: Option<String>,
    /// The store integration it ships to; a release's target must use the same.
    #[serde(alias = "targetIntegrationId")]
    store_integration_id: Option<String>,
    /// ANDROID, IOS, WEB or SERVICE.
    platform: String,
    /// PRE_REGRESSION_BUILD, REGRESSION_BUILD, AUTOMATION, TEST_FLIGHT_BUILD, AAB_BUILD, DEPLOY or CUSTOM.
    purpose: String,
    /// Job or workflow, as the CI system names it.
    job: String,
    /// Parameters of the job; values may contain {version}, {branch}, {tag}, {sha}, {platform} and {cycle}. Left out:
    /// the provider's default parameters.
    parameters: Option<BTreeMap<String, String>>,
}

/// The same in either form.
#[derive(Debug)]
pub(crate) struct PipelineForm;

impl PartialSchema for PipelineForm {
    fn schema() -> RefOr<Schema> {
        either::<PipelineBody>()
    }
}

impl ToSchema for PipelineForm {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((PipelineBody::name().into(), PipelineBody::schema()));
    }
}

async fn find(cx: &Context) -> Result<Pipeline, Problem> {
    let id: PipelineId = cx.id("pipelineId", "pipeline")?;
    cx.app
        .store
        .pipeline(cx.tenant(), id)
        .await?
        .ok_or_else(|| Problem::missing("pipeline"))
}

/// Pipelines of the tenant, by name.
#[utoipa::path(tag = "Pipelines",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Pipelines", body = PipelineList)))]
#[get("/integrations/pipelines")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    let found = cx.app.store.pipelines(cx.tenant()).await?;
    let (items, next_cursor) = paging.0.page(found, |it| it.id.to_string())?;
    Ok(Answer::ok(&PipelineList {
        items: items.iter().map(view).collect(),
        next_cursor,
    }))
}

/// Makes a pipeline.
#[utoipa::path(tag = "Pipelines", request_body(content = PipelineForm, content_type = "application/json"),
    responses((status = 201, description = "The pipeline", body = PipelineView)))]
#[post("/integrations/pipelines")]
pub(crate) async fn create(cx: Context, body: Body<Value>) -> Answered {
    cx.at_least(Role::Admin)?;
    let (body, brought) = ours(&cx, &body.0).await?;
    let id = PipelineId::from_uuid(cx.fresh().await?);
    let made = if cx.may_repeat() {
        cx.app.store.pipeline(cx.tenant(), id).await?
    } else {
        None
    };
    let made = match made {
        Some(made) => made,
        None => {
            let pipeline = build(&cx, body, brought.as_ref(), id, 1, cx.now()).await?;
            if let Some(Brought::New(integration)) = &brought {
                // The CI system is kept first, so what could refuse the pipeline is asked before that.
                let known = cx.app.store.pipelines(cx.tenant()).await?;
                if known.iter().any(|it| it.name == pipeline.name && it.id != id) {
                    return Err(StoreError::Duplicate("pipeline").into());
                }
                keep(&cx, integration.as_ref().clone()).await?;
            }
            let inserted = cx.set_up_new(&Change::InsertPipeline(&pipeline)).await;
            let twin = cx.app.store.pipeline(cx.tenant(), id);
            cx.made(inserted, pipeline, twin).await?
        }
    };
    let place = cx.place(&format!("/integrations/pipelines/{}", made.id));
    Ok(Answer::created(place, &view(&made)).version(made.version))
}

/// The body in our form. The seed's pipeline holds its CI system's address and credential: that system becomes an
/// integration of its own, once.
async fn ours(cx: &Context, body: &Value) -> Result<(PipelineBody, Option<Brought>), Problem> {
    let Some((brought, mut rest)) = of_seed_pipeline(cx, body).await? else {
        return Ok((parse_value("", body)?, None));
    };
    let integration = match &brought {
        Brought::Known(integration) | Brought::New(integration) => integration.id,
    };
    let store = rest.get("storeIntegrationId").and_then(Value::as_str);
    let store = match store.and_then(|text| text.parse::<IntegrationId>().ok()) {
        Some(id) => cx.app.store.integration(cx.tenant(), id).await?,
        None => None,
    };
    // The seed's pipelines make what their store takes.
    let made_for = match store.as_ref().and_then(|store| first_target(cx, store)) {
        Some(TargetKey::IosAppStore) => Some((Platform::Ios, Purpose::TestFlightBuild)),
        Some(TargetKey::AndroidPlayStore) => Some((Platform::Android, Purpose::AabBuild)),
        Some(TargetKey::WebEnvironment | TargetKey::ServiceEnvironment) | None => None,
    };
    if let Some(map) = rest.as_object_mut() {
        map.insert("integrationId".to_owned(), Value::String(integration.to_string()));
        if let Some((platform, purpose)) = made_for {
            map.entry("platform").or_insert_with(|| platform.word().into());
            map.entry("purpose").or_insert_with(|| purpose.word().into());
        }
        if let Some(job) = map.get("job").and_then(Value::as_str).map(ToOwned::to_owned) {
            map.entry("name").or_insert_with(|| Value::String(job));
        }
    }
    Ok((parse_value("", &rest)?, Some(brought)))
}

async fn build(
    cx: &Context,
    body: PipelineBody,
    brought: Option<&Brought>,
    id: PipelineId,
    version: u64,
    created_at: Timestamp,
) -> Result<Pipeline, Problem> {
    let mut checks = Checks::new();
    checks
        .text("/name", &body.name, 1, 100)
        .text("/job", &body.job, 1, 500);
    let given = body.parameters.iter().flatten();
    for (name, template) in given {
        let pointer = format!("/parameters/{}", name.replace('~', "~0").replace('/', "~1"));
        checks
            .text(&pointer, name, 1, 200)
            .text(&pointer, template, 0, 2_000);
        for word in unknown_words(template) {
            checks.fail(&pointer, format!("{{{word}}} is not known here"));
        }
    }
    checks.holds(
        "/parameters",
        body.parameters.as_ref().is_none_or(|it| it.len() <= 100),
        "must be at most 100",
    );
    checks.done()?;
    let platform: Platform = syntax("/platform", &body.platform)?;
    let purpose: Purpose = syntax("/purpose", &body.purpose)?;
    fitting(platform, purpose)?;
    let ci = match brought {
        Some(Brought::Known(it) | Brought::New(it)) => it.as_ref().clone(),
        None => integration(cx, "/integrationId", &body.integration_id, Port::Cicd).await?,
    };
    let scm = match &body.scm_integration_id {
        Some(text) => Some(integration(cx, "/scmIntegrationId", text, Port::Scm).await?),
        None => None,
    };
    let store = match &body.store_integration_id {
        Some(text) => Some(integration(cx, "/storeIntegrationId", text, Port::Stores).await?),
        None => None,
    };
    if let Some(target) = store.as_ref().and_then(|store| first_target(cx, store))
        && target.platform() != platform
    {
        return Err(Problem::unsuitable(
            "platform_mismatch",
            "/storeIntegrationId",
            format!(
                "this store takes builds for {}, not {platform}",
                target.platform()
            ),
        ));
    }
    let filled = body.parameters.unwrap_or_else(|| default_parameters(cx, &ci));
    Ok(Pipeline {
        id,
        tenant: cx.tenant(),
        name: body.name,
        integration: ci.id,
        scm: scm.map(|it| it.id),
        store: store.map(|it| it.id),
        platform: platform.word().to_owned(),
        purpose: purpose.word().to_owned(),
        job: body.job,
        parameters: filled,
        version,
        created_at,
    })
}

fn fitting(platform: Platform, purpose: Purpose) -> Result<(), Problem> {
    let only = match purpose {
        Purpose::TestFlightBuild => Some(Platform::Ios),
        Purpose::AabBuild => Some(Platform::Android),
        Purpose::PreRegressionBuild
        | Purpose::RegressionBuild
        | Purpose::Automation
        | Purpose::Deploy
        | Purpose::Custom => None,
    };
    match only {
        Some(only) if only != platform => Err(Problem::unsuitable(
            "purpose_mismatch",
            "/purpose",
            format!("{purpose} is for {only} only"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The target that a store's provider serves.
fn first_target(cx: &Context, store: &Integration) -> Option<TargetKey> {
    let provider = cx.app.registry.find(store.port, &store.provider)?;
    provider
        .capabilities
        .get("targets")?
        .get(0)?
        .as_str()?
        .parse()
        .ok()
}

fn default_parameters(cx: &Context, ci: &Integration) -> BTreeMap<String, String> {
    cx.app
        .registry
        .find(ci.port, &ci.provider)
        .and_then(|provider| provider.capabilities.get("defaultParameters"))
        .and_then(|defaults| BTreeMap::deserialize(defaults).ok())
        .unwrap_or_default()
}

async fn integration(cx: &Context, pointer: &str, text: &str, port: Port) -> Result<Integration, Problem> {
    let what = format!("{port} integration");
    let id: IntegrationId = reference(pointer, text, &what)?;
    cx.app
        .store
        .integration(cx.tenant(), id)
        .await?
        .filter(|found| found.port == port)
        .ok_or_else(|| unknown(pointer, &what))
}

/// One pipeline.
#[utoipa::path(tag = "Pipelines", responses((status = 200, description = "The pipeline", body = PipelineView)))]
#[get("/integrations/pipelines/{pipelineId}")]
pub(crate) async fn read(cx: Context) -> Answered {
    let found = find(&cx).await?;
    Ok(Answer::ok(&view(&found)).version(found.version))
}

/// Replaces a pipeline. Releases keep the copy they were planned with.
#[utoipa::path(tag = "Pipelines", request_body = PipelineBody,
    responses((status = 200, description = "The pipeline", body = PipelineView)))]
#[put("/integrations/pipelines/{pipelineId}")]
pub(crate) async fn change(cx: Context, body: Body<PipelineBody>) -> Answered {
    cx.at_least(Role::Admin)?;
    let found = find(&cx).await?;
    cx.unchanged(found.version)?;
    let changed = build(
        &cx,
        body.0,
        None,
        found.id,
        found.version.saturating_add(1),
        found.created_at,
    )
    .await?;
    let stored = cx.set_up(&Change::UpdatePipeline(&changed)).await;
    stored.map_err(|error| cx.lost(error))?;
    Ok(Answer::ok(&view(&changed)).version(changed.version))
}

/// Deletes a pipeline. Releases keep the copy they were planned with.
#[utoipa::path(tag = "Pipelines", responses((status = 204, description = "It is gone")))]
#[delete("/integrations/pipelines/{pipelineId}")]
pub(crate) async fn remove(cx: Context) -> Answered {
    cx.at_least(Role::Admin)?;
    let found = find(&cx).await?;
    cx.unchanged(found.version)?;
    let removal = Change::DeletePipeline(cx.tenant(), found.id, cx.if_match);
    cx.gone("pipeline", cx.set_up(&removal).await)
}
