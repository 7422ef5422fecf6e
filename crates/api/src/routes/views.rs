//! Saved views of releases: filters, order and columns under a name, of one account or of the whole organisation.
//!
//! A view belongs to whoever made it. Shared, everybody of the organisation sees it; its owner and admins change it. A
//! view that somebody does not see is none to them.

use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::{Checks, unknown};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use crate::routes::releases::list::Narrowing;
use actix_web::{delete, get, patch, post, put};
use delivr_app::usecases::access::{Principal, Role};
use delivr_domain::ids::ViewId;
use delivr_domain::ports::store::View;
use delivr_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Views of one account, at most.
const MOST: usize = 100;
/// What a table of releases can show beside the release, by the names of a release's fields.
const COLUMNS: &[&str] = &[
    "serviceSlug",
    "version",
    "status",
    "phase",
    "priority",
    "pilot",
    "kickoffAt",
    "targetDate",
    "updatedAt",
];

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list)
        .service(create)
        .service(read)
        .service(replace)
        .service(change)
        .service(remove)
        .service(choose)
        .service(leave);
}

/// What a view shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    filter: Narrowing,
    columns: Option<Vec<String>>,
}

/// A saved view.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SavedView {
    id: String,
    name: String,
    /// Everybody of the organisation sees it.
    shared: bool,
    /// It is the caller's own.
    mine: bool,
    /// The caller begins with it.
    is_default: bool,
    made_by: String,
    /// What it is narrowed to, and its order, as `GET /releases` takes them.
    filter: Narrowing,
    /// Columns of the table in their order; null is the usual ones.
    columns: Option<Vec<String>>,
    version: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Views.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SavedViewList {
    items: Vec<SavedView>,
    next_cursor: Option<String>,
}

/// A view to be made, or to stand in the place of one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SavedViewBody {
    /// 1 to 60 characters; no two of one account have the same.
    name: String,
    /// Everybody of the organisation sees it; needs MEMBER.
    #[serde(default)]
    shared: bool,
    /// What it is narrowed to, and its order, as `GET /releases` takes them; `pilot: me` is whoever looks.
    #[serde(default)]
    filter: Narrowing,
    /// Any of serviceSlug, version, status, phase, priority, pilot, kickoffAt, targetDate, updatedAt; the usual ones
    /// unless said.
    columns: Option<Vec<String>>,
}

/// A change of a view: what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SavedViewChange {
    /// 1 to 60 characters; no two of one account have the same.
    name: Option<String>,
    /// Everybody of the organisation sees it; needs MEMBER.
    shared: Option<bool>,
    /// What it is narrowed to, and its order: the whole of it.
    filter: Option<Narrowing>,
    /// The columns, all of them.
    columns: Option<Vec<String>>,
}

/// The account somebody acts as: the person, whichever of their tokens is used, else the service token.
fn account(who: &Principal) -> String {
    match &who.person {
        Some(person) => person.to_string(),
        // No address of a person looks so.
        None => format!("token {}", who.token),
    }
}

fn view(it: &View, account: &str, first: Option<ViewId>) -> Result<SavedView, Problem> {
    let content: Content = serde_json::from_value(it.content.clone()).map_err(|error| {
        Problem::from(delivr_domain::ports::error::StoreError::Corrupt {
            what: "view",
            why: error.to_string(),
        })
    })?;
    Ok(SavedView {
        id: it.id.to_string(),
        name: it.name.clone(),
        shared: it.shared,
        mine: it.owner == account,
        is_default: first == Some(it.id),
        made_by: it.made_by.clone(),
        filter: content.filter,
        columns: content.columns,
        version: it.version,
        created_at: it.created_at,
        updated_at: it.updated_at,
    })
}

async fn shown(cx: &Context, it: &View) -> Result<SavedView, Problem> {
    let account = account(&cx.who);
    let first = cx.app.store.default_view(cx.tenant(), &account).await?;
    view(it, &account, first)
}

/// Checks what a view shows, as the list itself would, and that it names no service of somebody else.
async fn checked(
    cx: &Context,
    name: &str,
    filter: &Narrowing,
    columns: Option<&Vec<String>>,
) -> Result<(), Problem> {
    let mut checks = Checks::new();
    checks.text("/name", name, 1, 60);
    if let Some(columns) = columns {
        for (at, column) in columns.iter().enumerate() {
            let known = COLUMNS.contains(&column.as_str());
            let once = columns.iter().filter(|other| *other == column).count() == 1;
            checks.holds(
                &format!("/columns/{at}"),
                known && once,
                "must be one of serviceSlug, version, status, phase, priority, pilot, kickoffAt, targetDate, updatedAt, once",
            );
            // One wrong column too many is enough to be told of.
            if !known {
                break;
            }
        }
    }
    checks.done()?;
    let narrowed = filter.filter("/filter", cx.who.actor(), cx.app.clock.now())?;
    if let Some(service) = narrowed.service {
        let found = cx.app.store.service(cx.tenant(), service).await?;
        found.ok_or_else(|| unknown("/filter/serviceId", "service"))?;
    }
    Ok(())
}

/// The view that the path names, if the caller sees it.
async fn find(cx: &Context) -> Result<View, Problem> {
    let id: ViewId = cx.id("viewId", "view")?;
    let found = cx.app.store.view(cx.tenant(), id).await?;
    found
        .filter(|it| it.seen_by(&account(&cx.who)))
        .ok_or_else(|| Problem::missing("view"))
}

/// The same, if the caller may change it.
async fn own(cx: &Context) -> Result<View, Problem> {
    let found = find(cx).await?;
    if found.owner != account(&cx.who) && cx.who.role < Role::Admin {
        return Err(Problem::forbidden(format!(
            "this view is {}'s: only they and admins change it; save it as one of your own",
            found.made_by
        )));
    }
    Ok(found)
}

/// Sharing concerns others.
fn may_share(cx: &Context, shared: bool) -> Result<(), Problem> {
    if shared { cx.at_least(Role::Member) } else { Ok(()) }
}

/// Saved views that the caller sees: their own and those that are shared, by name.
#[utoipa::path(tag = "Views",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Views", body = SavedViewList)))]
#[get("/views")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    let account = account(&cx.who);
    let found = cx.app.store.views(cx.tenant(), &account).await?;
    let first = cx.app.store.default_view(cx.tenant(), &account).await?;
    let (items, next_cursor) = paging.0.page(found, |it| it.id.to_string())?;
    let items: Result<Vec<SavedView>, Problem> = items.iter().map(|it| view(it, &account, first)).collect();
    Ok(Answer::ok(&SavedViewList {
        items: items?,
        next_cursor,
    }))
}

/// Saves a view. Each account may have its own, whatever its role; sharing one needs MEMBER.
#[utoipa::path(tag = "Views", request_body = SavedViewBody, responses((status = 201, description = "The view", body = SavedView)))]
#[post("/views")]
pub(crate) async fn create(cx: Context, body: Body<SavedViewBody>) -> Answered {
    let Body(body) = body;
    may_share(&cx, body.shared)?;
    checked(&cx, &body.name, &body.filter, body.columns.as_ref()).await?;
    let id = ViewId::from_uuid(cx.fresh().await?);
    let store = &cx.app.store;
    let made = if cx.may_repeat() {
        store.view(cx.tenant(), id).await?
    } else {
        None
    };
    let made = match made {
        Some(made) => made,
        None => {
            let owner = account(&cx.who);
            let all = store.views(cx.tenant(), &owner).await?;
            if all.iter().filter(|it| it.owner == owner).count() >= MOST {
                return Err(Problem::conflict(
                    "too_many",
                    format!("an account has {MOST} views at most: delete one first"),
                ));
            }
            let view = View {
                id,
                tenant: cx.tenant(),
                owner,
                made_by: cx.who.actor().to_owned(),
                name: body.name,
                shared: body.shared,
                content: json!(Content {
                    filter: body.filter,
                    columns: body.columns,
                }),
                version: 1,
                created_at: cx.now(),
                updated_at: cx.now(),
            };
            let inserted = store.insert_view(&view).await;
            let twin = store.view(cx.tenant(), id);
            cx.made(inserted, view, twin).await?
        }
    };
    let place = cx.place(&format!("/views/{}", made.id));
    Ok(Answer::created(place, &shown(&cx, &made).await?).version(made.version))
}

/// One view.
#[utoipa::path(tag = "Views", responses((status = 200, description = "The view", body = SavedView)))]
#[get("/views/{viewId}")]
pub(crate) async fn read(cx: Context) -> Answered {
    let found = find(&cx).await?;
    Ok(Answer::ok(&shown(&cx, &found).await?).version(found.version))
}

/// Stores what became of a view.
async fn store(cx: &Context, mut it: View, content: Content) -> Answered {
    may_share(cx, it.shared)?;
    checked(cx, &it.name, &content.filter, content.columns.as_ref()).await?;
    it.content = json!(content);
    it.version += 1;
    it.updated_at = cx.now();
    let stored = cx.app.store.update_view(&it).await;
    stored.map_err(|error| cx.lost(error))?;
    Ok(Answer::ok(&shown(cx, &it).await?).version(it.version))
}

/// Replaces a view: its name, what it shows, and whether others see it. Its owner and admins may.
#[utoipa::path(tag = "Views", request_body = SavedViewBody, responses((status = 200, description = "The view", body = SavedView)))]
#[put("/views/{viewId}")]
pub(crate) async fn replace(cx: Context, body: Body<SavedViewBody>) -> Answered {
    let Body(body) = body;
    let mut it = own(&cx).await?;
    cx.unchanged(it.version)?;
    (it.name, it.shared) = (body.name, body.shared);
    let content = Content {
        filter: body.filter,
        columns: body.columns,
    };
    store(&cx, it, content).await
}

/// Changes a view, for example its name. Its owner and admins may.
#[utoipa::path(tag = "Views", request_body = SavedViewChange, responses((status = 200, description = "The view", body = SavedView)))]
#[patch("/views/{viewId}")]
pub(crate) async fn change(cx: Context, body: Body<SavedViewChange>) -> Answered {
    let Body(body) = body;
    let mut it = own(&cx).await?;
    cx.unchanged(it.version)?;
    let before = shown(&cx, &it).await?;
    it.name = body.name.unwrap_or(it.name);
    it.shared = body.shared.unwrap_or(it.shared);
    let content = Content {
        filter: body.filter.unwrap_or(before.filter),
        columns: body.columns.or(before.columns),
    };
    store(&cx, it, content).await
}

/// Deletes a view, for everybody who sees it. Its owner and admins may.
#[utoipa::path(tag = "Views", responses((status = 204, description = "It is gone")))]
#[delete("/views/{viewId}")]
pub(crate) async fn remove(cx: Context) -> Answered {
    let found = own(&cx).await?;
    cx.unchanged(found.version)?;
    let deleted = cx.app.store.delete_view(cx.tenant(), found.id, cx.if_match);
    cx.gone("view", deleted.await)
}

/// Begins with the view from now on: the table of releases shows it to the caller where nothing else is asked for.
#[utoipa::path(tag = "Views", responses((status = 204, description = "It is the caller's default")))]
#[put("/views/{viewId}/default")]
pub(crate) async fn choose(cx: Context) -> Answered {
    let found = find(&cx).await?;
    let store = &cx.app.store;
    store
        .set_default_view(cx.tenant(), &account(&cx.who), Some(found.id))
        .await?;
    Ok(Answer::none())
}

/// Begins with all releases again, if it was this view that the caller began with.
#[utoipa::path(tag = "Views", responses((status = 204, description = "It is not the caller's default")))]
#[delete("/views/{viewId}/default")]
pub(crate) async fn leave(cx: Context) -> Answered {
    let found = find(&cx).await?;
    let (store, account) = (&cx.app.store, account(&cx.who));
    if store.default_view(cx.tenant(), &account).await? == Some(found.id) {
        store.set_default_view(cx.tenant(), &account, None).await?;
    }
    Ok(Answer::none())
}
