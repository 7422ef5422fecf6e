//! Profiles: reusable settings of releases, kept in revisions.

use crate::answer::{Answer, Answered};
use crate::body::{Body, parse_value};
use crate::check::{Checks, reference, unknown};
use crate::context::Context;
use crate::problem::{FieldError, Problem};
use crate::query::{Paging, Query};
use actix_web::{get, post, put};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::profile::{self, Fault, Settings};
use delivr_domain::ids::{ProfileId, ServiceId};
use delivr_domain::ports::store::{Change, Profile};
use delivr_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list).service(create).service(read).service(change);
}

/// A profile to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewProfileBody {
    /// Name for people, unique. Never changes.
    name: String,
    /// The service it is for; left out, it is for all.
    service_id: Option<String>,
    /// Settings; what is left out has its default.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
}

/// A new revision of a profile.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RevisionBody {
    /// May be repeated; never changes.
    name: Option<String>,
    /// The service it is for; left out, it is for all.
    service_id: Option<String>,
    /// All settings; what is left out has its default.
    #[schema(value_type = Object)]
    settings: Value,
}

/// A revision of a profile.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileView {
    id: String,
    name: String,
    service_id: Option<String>,
    revision: u32,
    #[schema(value_type = Object)]
    settings: Value,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Profiles.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileList {
    items: Vec<ProfileView>,
    next_cursor: Option<String>,
}

fn view(it: &Profile) -> ProfileView {
    ProfileView {
        id: it.id.to_string(),
        name: it.name.clone(),
        service_id: it.service.map(|id| id.to_string()),
        revision: it.revision,
        settings: it.settings.clone(),
        created_at: it.created_at,
    }
}

fn answer(it: &Profile) -> Answer {
    Answer::ok(&view(it)).version(it.revision.into())
}

async fn service(cx: &Context, text: Option<&str>) -> Result<Option<ServiceId>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let id: ServiceId = reference("/serviceId", text, "service")?;
    cx.app
        .store
        .service(cx.tenant(), id)
        .await?
        .map(|found| Some(found.id))
        .ok_or_else(|| unknown("/serviceId", "service"))
}

/// Reads settings and writes them down in full, so that a later default does not change what was saved.
async fn settings(cx: &Context, service: Option<ServiceId>, given: &Value) -> Result<Value, Problem> {
    let settings: Settings = parse_value("/settings", given)?;
    let at = |faults: Vec<Fault>| -> Vec<FieldError> {
        let place = |fault: Fault| FieldError::new(format!("/settings{}", fault.pointer), fault.detail);
        faults.into_iter().map(place).collect()
    };
    let faults = settings.faults();
    if !faults.is_empty() {
        return Err(Problem::malformed(at(faults)));
    }
    let mut refused = settings.refused_notes();
    if let Some(first) = refused.first().cloned() {
        refused.truncate(20);
        let pointer = format!("/settings{}", first.pointer);
        return Err(Problem::unsuitable("notes_unsuitable", pointer, first.detail).with_errors(at(refused)));
    }
    let mut collisions = profile::collisions(&cx.app, cx.tenant(), service, &settings).await?;
    if let Some(first) = collisions.first().cloned() {
        collisions.truncate(20);
        return Err(Problem::unsuitable(
            "names_collide",
            format!("/settings{}", first.pointer),
            first.detail,
        )
        .with_errors(at(collisions)));
    }
    serde_json::to_value(&settings).map_err(|error| Problem::malformed_at("/settings", error.to_string()))
}

async fn find(cx: &Context, revision: Option<u32>) -> Result<Profile, Problem> {
    let id: ProfileId = cx.id("profileId", "profile")?;
    cx.app
        .store
        .profile(cx.tenant(), id, revision)
        .await?
        .ok_or_else(|| Problem::missing("profile"))
}

/// Profiles of the tenant in their newest revision, by name.
#[utoipa::path(tag = "Profiles",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Profiles", body = ProfileList)))]
#[get("/profiles")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    let found = cx.app.store.profiles(cx.tenant()).await?;
    let (items, next_cursor) = paging.0.page(found, |it| it.id.to_string())?;
    Ok(Answer::ok(&ProfileList {
        items: items.iter().map(view).collect(),
        next_cursor,
    }))
}

/// Makes a profile.
#[utoipa::path(tag = "Profiles", request_body = NewProfileBody,
    responses((status = 201, description = "The profile", body = ProfileView)))]
#[post("/profiles")]
pub(crate) async fn create(cx: Context, body: Body<NewProfileBody>) -> Answered {
    cx.at_least(Role::Admin)?;
    let Body(body) = body;
    Checks::new().text("/name", &body.name, 1, 100).done()?;
    let id = ProfileId::from_uuid(cx.fresh().await?);
    let made = if cx.may_repeat() {
        cx.app.store.profile(cx.tenant(), id, Some(1)).await?
    } else {
        None
    };
    let made = match made {
        Some(made) => made,
        None => {
            let service = service(&cx, body.service_id.as_deref()).await?;
            let given = body.settings.unwrap_or_else(|| Value::Object(Map::new()));
            let profile = Profile {
                id,
                tenant: cx.tenant(),
                name: body.name,
                service,
                revision: 1,
                settings: settings(&cx, service, &given).await?,
                created_at: cx.now(),
            };
            let inserted = cx.set_up_new(&Change::InsertProfile(&profile)).await;
            let twin = cx.app.store.profile(cx.tenant(), id, Some(1));
            cx.made(inserted, profile, twin).await?
        }
    };
    let place = cx.place(&format!("/profiles/{}", made.id));
    Ok(Answer::created(place, &view(&made)).version(made.revision.into()))
}

/// Which revision.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revision {
    revision: Option<u32>,
}

/// One profile: its newest revision, or the one asked for.
#[utoipa::path(tag = "Profiles", params(("revision" = Option<u32>, Query, description = "1 is the first")),
    responses((status = 200, description = "The profile", body = ProfileView)))]
#[get("/profiles/{profileId}")]
pub(crate) async fn read(cx: Context, query: Query<Revision>) -> Answered {
    let found = find(&cx, query.0.revision).await?;
    Ok(answer(&found))
}

/// Makes a new revision. Releases keep the copy they were planned with.
#[utoipa::path(tag = "Profiles", request_body = RevisionBody,
    responses((status = 200, description = "The profile", body = ProfileView)))]
#[put("/profiles/{profileId}")]
pub(crate) async fn change(cx: Context, body: Body<RevisionBody>) -> Answered {
    cx.at_least(Role::Admin)?;
    let Body(body) = body;
    let found = find(&cx, None).await?;
    cx.unchanged(found.revision.into())?;
    if body.name.as_ref().is_some_and(|name| *name != found.name) {
        return Err(Problem::unsuitable(
            "name_is_fixed",
            "/name",
            "a profile keeps its name",
        ));
    }
    let service = service(&cx, body.service_id.as_deref()).await?;
    let revised = Profile {
        service,
        revision: found.revision.saturating_add(1),
        settings: settings(&cx, service, &body.settings).await?,
        created_at: cx.now(),
        ..found
    };
    let stored = cx.set_up(&Change::InsertProfile(&revised)).await;
    stored.map_err(|error| cx.lost(error))?;
    Ok(answer(&revised))
}
