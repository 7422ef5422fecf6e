//! Services: what is released over and over.

use crate::answer::{Answer, Answered};
use crate::body::{Body, given};
use crate::check::{Checks, reference, unknown};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use actix_web::{delete, get, patch, post};
use delivr_app::usecases::access::{Role, is_slug};
use delivr_app::usecases::services::SCM_OF_SERVICE;
use delivr_domain::ids::{IntegrationId, ServiceId};
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Change, Service};
use delivr_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list)
        .service(create)
        .service(read)
        .service(change)
        .service(remove);
}

/// What a service can be.
pub(crate) const KINDS: &[&str] = &["MOBILE", "WEB", "BACKEND", "LIBRARY", "OTHER"];

/// A service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceView {
    id: String,
    slug: String,
    name: String,
    #[schema(value_type = Object)]
    #[serde(flatten)]
    detail: Map<String, Value>,
    version: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Services.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceList {
    items: Vec<ServiceView>,
    next_cursor: Option<String>,
}

fn view(service: &Service) -> ServiceView {
    ServiceView {
        id: service.id.to_string(),
        slug: service.slug.clone(),
        name: service.name.clone(),
        detail: service.detail.as_object().cloned().unwrap_or_default(),
        version: service.version,
        created_at: service.created_at,
    }
}

/// A service to be made or changed: what is left out of a change stays, `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceBody {
    /// Lower-case letters, digits and hyphens; unique; names may contain it. Never changes.
    slug: Option<String>,
    /// Name for people.
    name: Option<String>,
    /// MOBILE, WEB, BACKEND, LIBRARY or OTHER.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    kind: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// `#rrggbb`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    color: Option<Option<String>>,
    /// Where its code lies.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    repository: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    jira_project_key: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    is_active: Option<Option<bool>>,
    /// The source-control integration of its repository.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    scm_integration_id: Option<Option<String>>,
}

/// The same with what a new service must have.
#[derive(Debug)]
pub(crate) struct NewServiceForm;

impl PartialSchema for NewServiceForm {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let needed = ObjectBuilder::new()
            .property("slug", text())
            .property("name", text())
            .required("slug")
            .required("name");
        let all = AllOfBuilder::new().item(Ref::from_schema_name(ServiceBody::name()));
        all.item(needed).into()
    }
}

impl ToSchema for NewServiceForm {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ServiceBody::name().into(), ServiceBody::schema()));
    }
}

impl ServiceBody {
    fn check(&self, checks: &mut Checks) {
        let text = |it: &Option<Option<String>>| it.clone().flatten();
        checks
            .text_if("/description", text(&self.description).as_deref(), 0, 500)
            .text_if("/repository", text(&self.repository).as_deref(), 1, 500)
            .text_if("/jiraProjectKey", text(&self.jira_project_key).as_deref(), 1, 20);
        if let Some(kind) = text(&self.kind) {
            let known = KINDS.contains(&kind.as_str());
            checks.holds(
                "/kind",
                known,
                "must be one of MOBILE, WEB, BACKEND, LIBRARY, OTHER",
            );
        }
        if let Some(color) = text(&self.color) {
            let digits = color.strip_prefix('#').unwrap_or_default();
            let good = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            checks.holds("/color", good, "must look like #6366f1");
        }
    }

    async fn write(self, cx: &Context, into: &mut Value) -> Result<(), Problem> {
        let scm = match self.scm_integration_id {
            Some(Some(text)) => {
                let id: IntegrationId = reference("/scmIntegrationId", &text, "source-control integration")?;
                let found = cx.app.store.integration(cx.tenant(), id).await?;
                found
                    .filter(|it| it.port == Port::Scm)
                    .ok_or_else(|| unknown("/scmIntegrationId", "source-control integration"))?;
                Some(json!(id))
            }
            Some(None) => Some(Value::Null),
            None => None,
        };
        let fields = [
            ("kind", self.kind.map(|it| json!(it))),
            ("description", self.description.map(|it| json!(it))),
            ("color", self.color.map(|it| json!(it))),
            ("repository", self.repository.map(|it| json!(it))),
            ("jiraProjectKey", self.jira_project_key.map(|it| json!(it))),
            ("isActive", self.is_active.map(|it| json!(it.unwrap_or(true)))),
            (SCM_OF_SERVICE, scm),
        ];
        if let Some(map) = into.as_object_mut() {
            for (name, value) in fields {
                if let Some(value) = value {
                    map.insert(name.to_owned(), value);
                }
            }
        }
        Ok(())
    }
}

async fn find(cx: &Context) -> Result<Service, Problem> {
    let id: ServiceId = cx.id("serviceId", "service")?;
    cx.app
        .store
        .service(cx.tenant(), id)
        .await?
        .ok_or_else(|| Problem::missing("service"))
}

/// Services of the tenant, by slug.
#[utoipa::path(tag = "Services",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Services", body = ServiceList)))]
#[get("/services")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    let found = cx.app.store.services(cx.tenant()).await?;
    let (items, next_cursor) = paging.0.page(found, |it| it.id.to_string())?;
    Ok(Answer::ok(&ServiceList {
        items: items.iter().map(view).collect(),
        next_cursor,
    }))
}

/// Makes a service.
#[utoipa::path(tag = "Services", request_body(content = NewServiceForm, content_type = "application/json"), responses((status = 201, description = "The service", body = ServiceView)))]
#[post("/services")]
pub(crate) async fn create(cx: Context, body: Body<ServiceBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let (slug, name) = (
        body.slug.clone().unwrap_or_default(),
        body.name.clone().unwrap_or_default(),
    );
    let mut checks = Checks::new();
    checks.text("/name", &name, 1, 100).holds(
        "/slug",
        is_slug(&slug),
        "must have 1 to 63 lower-case letters, digits or hyphens, with no hyphen at its ends",
    );
    body.check(&mut checks);
    checks.done()?;
    let id = ServiceId::from_uuid(cx.fresh().await?);
    let made = if cx.may_repeat() {
        cx.app.store.service(cx.tenant(), id).await?
    } else {
        None
    };
    let made = match made {
        Some(made) => made,
        None => {
            let wanted = slug.clone();
            let service = build(&cx, body, id, slug, name).await?;
            let inserted = cx.set_up_new(&Change::InsertService(&service)).await;
            let twin = cx.app.store.service(cx.tenant(), id);
            match cx.made(inserted, service, twin).await {
                Err(problem) if problem.is_duplicate() => return Err(taken(&cx, problem, &wanted).await?),
                made => made?,
            }
        }
    };
    let place = cx.place(&format!("/services/{}", made.id));
    Ok(Answer::created(place, &view(&made)).version(made.version))
}

/// The refusal of a slug that another service has.
async fn taken(cx: &Context, problem: Problem, slug: &str) -> Result<Problem, Problem> {
    let all = cx.app.store.services(cx.tenant()).await?;
    let other = all.iter().find(|it| it.slug == slug);
    Ok(problem.taken_at("/slug", other.map(|it| it.id.to_string())))
}

async fn build(
    cx: &Context,
    body: ServiceBody,
    id: ServiceId,
    slug: String,
    name: String,
) -> Result<Service, Problem> {
    let mut detail = json!({
        "kind": null, "description": null, "color": "#6366f1", "repository": null, "jiraProjectKey": null,
        "isActive": true, SCM_OF_SERVICE: null,
    });
    body.write(cx, &mut detail).await?;
    Ok(Service {
        id,
        tenant: cx.tenant(),
        slug,
        name,
        detail,
        version: 1,
        created_at: cx.now(),
    })
}

/// One service.
#[utoipa::path(tag = "Services", responses((status = 200, description = "The service", body = ServiceView)))]
#[get("/services/{serviceId}")]
pub(crate) async fn read(cx: Context) -> Answered {
    let service = find(&cx).await?;
    Ok(Answer::ok(&view(&service)).version(service.version))
}

/// Changes a service.
#[utoipa::path(tag = "Services", request_body = ServiceBody, responses((status = 200, description = "The service", body = ServiceView)))]
#[patch("/services/{serviceId}")]
pub(crate) async fn change(cx: Context, body: Body<ServiceBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let mut checks = Checks::new();
    checks.text_if("/name", body.name.as_deref(), 1, 100);
    checks.holds("/slug", body.slug.is_none(), "a slug never changes");
    body.check(&mut checks);
    checks.done()?;
    let mut service = find(&cx).await?;
    cx.unchanged(service.version)?;
    if let Some(name) = &body.name {
        service.name.clone_from(name);
    }
    body.write(&cx, &mut service.detail).await?;
    service.version += 1;
    let stored = cx.set_up(&Change::UpdateService(&service)).await;
    stored.map_err(|error| cx.lost(error))?;
    Ok(Answer::ok(&view(&service)).version(service.version))
}

/// Deletes a service that never had a release.
#[utoipa::path(tag = "Services", responses((status = 204, description = "It is gone")))]
#[delete("/services/{serviceId}")]
pub(crate) async fn remove(cx: Context) -> Answered {
    cx.at_least(Role::Admin)?;
    let service = find(&cx).await?;
    cx.unchanged(service.version)?;
    let removal = Change::DeleteService(cx.tenant(), service.id, cx.if_match);
    cx.gone("service", cx.set_up(&removal).await)
}
