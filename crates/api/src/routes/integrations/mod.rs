//! Integrations: a tenant's connections to vendors, by category.

pub(super) mod seed;
mod view;

use crate::answer::{Answer, Answered};
use crate::body::{Body, parse_value};
use crate::check::Checks;
use crate::context::Context;
use crate::problem::{FieldError, Problem};
use crate::query::{Paging, Query};
use crate::words::categories;
use actix_web::{delete, get, post, put};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::integrations::{self, Change, IntegrationError, NewIntegration};
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Change as SetUp, Integration};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use view::{IntegrationList, IntegrationView, ProviderList, Signs, UsageView, UserView, provider_view, view};

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(providers)
        .service(list)
        .service(create)
        .service(usage)
        .service(read)
        .service(change)
        .service(remove)
        .service(verify);
}

/// An integration to be made. Forms with the names of seed 004 (`scmType`, `repositoryUrl`, `accessToken` ...) are
/// understood too.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewIntegrationBody {
    /// Key of the provider, from the list of providers.
    provider: String,
    /// Name for people, unique in its category.
    name: String,
    /// Public configuration, by the provider's schema.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// Credentials, by the provider's schema. Never shown again.
    #[schema(value_type = Object)]
    #[serde(default)]
    credentials: BTreeMap<String, SecretString>,
}

/// The same in either form.
#[derive(Debug)]
pub(crate) struct NewIntegrationForm;

impl PartialSchema for NewIntegrationForm {
    fn schema() -> RefOr<Schema> {
        seed::either::<NewIntegrationBody>()
    }
}

impl ToSchema for NewIntegrationForm {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NewIntegrationBody::name().into(), NewIntegrationBody::schema()));
    }
}

/// What is to be changed; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeBody {
    /// Key of the provider; cannot be changed, and may be repeated.
    provider: Option<String>,
    /// Name for people.
    name: Option<String>,
    /// The whole new configuration.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// Credentials to set, or to remove by `null`; others stay.
    #[schema(value_type = Object)]
    #[serde(default)]
    credentials: BTreeMap<String, Option<SecretString>>,
}

fn category(cx: &Context) -> Result<Port, Problem> {
    cx.id(
        "category",
        &format!("integration category; there are {}", categories().join(", ")),
    )
}

pub(super) async fn find(cx: &Context) -> Result<Integration, Problem> {
    let port = category(cx)?;
    let id: IntegrationId = cx.id("integrationId", "integration")?;
    cx.app
        .store
        .integration(cx.tenant(), id)
        .await?
        .filter(|found| found.port == port)
        .ok_or_else(|| Problem::missing("integration"))
}

async fn answer(cx: &Context, found: &Integration) -> Answered {
    let signs = Signs::read(cx).await?;
    Ok(Answer::ok(&view(cx, found, &signs)).version(found.version))
}

/// Providers of a category: what can be connected, with the forms of configuration and credentials (JSON Schema).
#[utoipa::path(tag = "Integrations", responses((status = 200, description = "Providers", body = ProviderList)))]
#[get("/integrations/{category}/providers")]
pub(crate) async fn providers(cx: Context) -> Answered {
    let items = cx.app.registry.of(category(&cx)?).map(provider_view).collect();
    Ok(Answer::ok(&ProviderList {
        items,
        next_cursor: None,
    }))
}

/// Integrations of a category, by name.
#[utoipa::path(tag = "Integrations",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Integrations", body = IntegrationList)))]
#[get("/integrations/{category}")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    let found = cx
        .app
        .store
        .integrations(cx.tenant(), Some(category(&cx)?))
        .await?;
    let (items, next_cursor) = paging.0.page(found, |it| it.id.to_string())?;
    let signs = match items.as_slice() {
        [] => Signs::default(),
        [_, ..] => Signs::read(&cx).await?,
    };
    Ok(Answer::ok(&IntegrationList {
        items: items.iter().map(|it| view(&cx, it, &signs)).collect(),
        next_cursor,
    }))
}

/// Connects a vendor. The integration is PENDING until it is verified.
#[utoipa::path(tag = "Integrations", request_body(content = NewIntegrationForm, content_type = "application/json"),
    responses((status = 201, description = "The integration", body = IntegrationView)))]
#[post("/integrations/{category}")]
pub(crate) async fn create(cx: Context, body: Body<Value>) -> Answered {
    cx.at_least(Role::Admin)?;
    let port = category(&cx)?;
    let new = new_integration(&cx, port, &body.0)?;
    let made = insert(&cx, new).await?;
    let place = cx.place(&format!("/integrations/{}/{}", made.port, made.id));
    Ok(Answer::created(place, &view(&cx, &made, &Signs::default())).version(made.version))
}

fn new_integration(cx: &Context, port: Port, body: &Value) -> Result<NewIntegration, Problem> {
    let body: NewIntegrationBody = match seed::form(port, &cx.app.registry, body)? {
        Some(ours) => parse_value("", &ours)?,
        None => parse_value("", body)?,
    };
    Checks::new().text("/name", &body.name, 1, 100).done()?;
    Ok(NewIntegration {
        port,
        provider: body.provider,
        name: body.name,
        config: body
            .config
            .unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        credentials: body.credentials,
    })
}

/// Keeps a new integration, or finds the one that an earlier, interrupted request with the same key has kept.
async fn insert(cx: &Context, new: NewIntegration) -> Result<Integration, Problem> {
    let id = IntegrationId::from_uuid(cx.fresh().await?);
    if cx.may_repeat()
        && let Some(made) = cx.app.store.integration(cx.tenant(), id).await?
    {
        return Ok(made);
    }
    let mine = integrations::prepare(&cx.app, cx.tenant(), id, new)?;
    let (port, name) = (mine.port, mine.name.clone());
    match keep(cx, mine).await {
        Err(problem) if problem.is_duplicate() => Err(taken(cx, problem, port, &name).await?),
        made => made,
    }
}

/// The refusal of a name that another integration of the category has.
async fn taken(cx: &Context, problem: Problem, port: Port, name: &str) -> Result<Problem, Problem> {
    let all = cx.app.store.integrations(cx.tenant(), Some(port)).await?;
    let other = all.iter().find(|it| it.name == name);
    Ok(problem.taken_at("/name", other.map(|it| it.id.to_string())))
}

/// Keeps an integration that is checked and sealed.
pub(crate) async fn keep(cx: &Context, mine: Integration) -> Result<Integration, Problem> {
    let inserted = cx.set_up_new(&SetUp::InsertIntegration(&mine)).await;
    let twin = cx.app.store.integration(cx.tenant(), mine.id);
    cx.made(inserted, mine, twin).await
}

/// The CI system that a seed 004 pipeline brings along.
#[derive(Debug)]
pub(crate) enum Brought {
    /// The tenant has one at that address.
    Known(Box<Integration>),
    /// Checked, and to be kept with the pipeline.
    New(Box<Integration>),
}

/// The CI system and the rest of a seed 004 pipeline; none when the body is not in the seed's form.
pub(crate) async fn of_seed_pipeline(
    cx: &Context,
    body: &Value,
) -> Result<Option<(Brought, Value)>, Problem> {
    let Some((connection, pipeline)) = seed::pipeline(body)? else {
        return Ok(None);
    };
    let new = new_integration(cx, Port::Cicd, &connection)?;
    let address = |config: &Value| {
        let text = config.get("baseUrl").and_then(Value::as_str).unwrap_or_default();
        text.trim_end_matches('/').to_owned()
    };
    let known = cx.app.store.integrations(cx.tenant(), Some(Port::Cicd)).await?;
    let same = |it: &&Integration| it.provider == new.provider && address(&it.config) == address(&new.config);
    let brought = match known.iter().find(same) {
        Some(found) => Brought::Known(Box::new(found.clone())),
        None => {
            let id = IntegrationId::from_uuid(cx.fresh().await?);
            Brought::New(Box::new(integrations::prepare(&cx.app, cx.tenant(), id, new)?))
        }
    };
    Ok(Some((brought, pipeline)))
}

/// One integration.
#[utoipa::path(tag = "Integrations", responses((status = 200, description = "The integration", body = IntegrationView)))]
#[get("/integrations/{category}/{integrationId}")]
pub(crate) async fn read(cx: Context) -> Answered {
    let found = find(&cx).await?;
    answer(&cx, &found).await
}

/// What uses an integration: live releases, pipelines, services. While anything does, it is not deleted.
#[utoipa::path(tag = "Integrations", responses((status = 200, description = "What uses it", body = UsageView)))]
#[get("/integrations/{category}/{integrationId}/usage")]
pub(crate) async fn usage(cx: Context) -> Answered {
    let found = find(&cx).await?;
    let users = integrations::users(&cx.app, cx.tenant(), found.id).await?;
    Ok(Answer::ok(&UsageView {
        used_by: users.iter().map(ToString::to_string).collect(),
        users: users.into_iter().map(UserView::from).collect(),
    }))
}

/// Changes an integration. New configuration or credentials must be verified anew.
#[utoipa::path(tag = "Integrations", request_body = ChangeBody,
    responses((status = 200, description = "The integration", body = IntegrationView)))]
#[put("/integrations/{category}/{integrationId}")]
pub(crate) async fn change(cx: Context, body: Body<ChangeBody>) -> Answered {
    cx.at_least(Role::Admin)?;
    let Body(body) = body;
    Checks::new()
        .text_if("/name", body.name.as_deref(), 1, 100)
        .done()?;
    let found = find(&cx).await?;
    cx.unchanged(found.version)?;
    if body
        .provider
        .as_ref()
        .is_some_and(|provider| *provider != found.provider)
    {
        return Err(Problem::unsuitable(
            "provider_is_fixed",
            "/provider",
            "an integration keeps its provider; make another one",
        ));
    }
    let change = Change {
        name: body.name,
        config: body.config,
        credentials: body.credentials,
    };
    let changed = integrations::change(&cx.app, found, change, cx.who.actor())
        .await
        .map_err(|error| match error {
            IntegrationError::Store(error) => cx.lost(error),
            other @ (IntegrationError::Provider { .. }
            | IntegrationError::Config(_)
            | IntegrationError::Vault(_)) => other.into(),
        })?;
    answer(&cx, &changed).await
}

/// Deletes an integration that nothing uses; otherwise says what does.
#[utoipa::path(tag = "Integrations", responses((status = 204, description = "It is gone")))]
#[delete("/integrations/{category}/{integrationId}")]
pub(crate) async fn remove(cx: Context) -> Answered {
    cx.at_least(Role::Admin)?;
    let found = find(&cx).await?;
    cx.unchanged(found.version)?;
    let users = integrations::users(&cx.app, cx.tenant(), found.id).await?;
    if !users.is_empty() {
        let users = users
            .into_iter()
            .map(|user| FieldError::new("", user.to_string()))
            .collect();
        return Err(Problem::conflict("integration_in_use", "it is in use; see `errors`").with_errors(users));
    }
    let removal = SetUp::DeleteIntegration(cx.tenant(), found.id, cx.if_match);
    cx.gone("integration", cx.set_up(&removal).await)
}

/// Tries the credential and each permission at the vendor, and keeps what came of it. Tasks that failed because the
/// integration did not work go on when it works.
#[utoipa::path(tag = "Integrations",
    responses((status = 200, description = "The integration, VALID or INVALID", body = IntegrationView)))]
#[post("/integrations/{category}/{integrationId}/verify")]
pub(crate) async fn verify(cx: Context) -> Answered {
    cx.at_least(Role::Admin)?;
    let found = find(&cx).await?;
    let verified = integrations::verify(&cx.app, cx.tenant(), found.id, cx.who.actor()).await?;
    answer(&cx, &verified).await
}
