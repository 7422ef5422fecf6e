//! Pipelines: a job of a CI system, for a platform and a purpose.

use super::integrations::{choices, of_category};
use super::remove::{Removal, asked};
use super::{FormPage, barred, control, remove, seen};
use crate::api::Call;
use crate::fields::{Choice, Field, Kind, Section, Sheet};
use crate::frame::{Frame, go, page};
use crate::model::{List, Problem};
use crate::pages::controls::Control;
use crate::setup::{Integration, Pipeline, Tested};
use crate::shown::words;
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use delivr_app::usecases::access::Role;
use delivr_domain::key::Platform;
use delivr_domain::plan::Purpose;
use serde_json::{Value, json};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/pipelines", web::get().to(list))
        .service(
            web::resource("/pipelines/new")
                .route(web::get().to(ask))
                .route(web::post().to(make)),
        )
        .route("/pipelines/{id}", web::get().to(show))
        .route("/pipelines/{id}/test", web::post().to(test))
        .service(
            web::resource("/pipelines/{id}/edit")
                .route(web::get().to(ask_change))
                .route(web::post().to(change)),
        )
        .service(
            web::resource("/pipelines/{id}/remove")
                .route(web::get().to(ask_remove))
                .route(web::post().to(take_away)),
        );
}

/// All pipelines.
pub(super) async fn all(visit: &Visit) -> Result<Vec<Pipeline>, Stop> {
    let found: List<Pipeline> = visit.look("/integrations/pipelines?limit=200").await?;
    Ok(found.items)
}

/// A pipeline with its CI system.
struct Row {
    it: Pipeline,
    ci: Option<Integration>,
}

#[derive(Template)]
#[template(path = "pipelines.html")]
struct Listed {
    frame: Frame,
    rows: Vec<Row>,
    controls: Vec<Control>,
}

async fn list(visit: Visit) -> Paged {
    let systems = of_category(&visit, "ci-cd").await?;
    let row = |it: Pipeline| Row {
        ci: systems.iter().find(|ci| ci.id == it.integration_id).cloned(),
        it,
    };
    let template = Listed {
        rows: all(&visit).await?.into_iter().map(row).collect(),
        controls: vec![
            control(&visit, Role::Admin, "New pipeline", "/pipelines/new"),
            control(&visit, Role::Viewer, "Integrations", "/integrations"),
        ],
        frame: visit.checked_frame("services").await,
    };
    Ok(page(StatusCode::OK, &template))
}

#[derive(Template)]
#[template(path = "pipeline.html")]
struct Page {
    frame: Frame,
    it: Pipeline,
    ci: Option<Integration>,
    scm: Option<Integration>,
    store: Option<Integration>,
    tested: Option<Tested>,
    controls: Vec<Control>,
    /// Why the visitor cannot test it.
    barred: Option<String>,
}

async fn find(visit: &Visit) -> Result<Pipeline, Stop> {
    let id = visit.segment("id")?;
    visit.look(format!("/integrations/pipelines/{id}")).await
}

async fn one(visit: &Visit, category: &str, id: Option<&str>) -> Result<Option<Integration>, Stop> {
    match id {
        Some(id) => visit
            .look(format!("/integrations/{category}/{id}"))
            .await
            .map(Some),
        None => Ok(None),
    }
}

async fn shown(visit: &Visit, it: Pipeline, tested: Option<Tested>) -> Paged {
    let path = format!("/pipelines/{}", it.id);
    let mut remove = control(visit, Role::Admin, "Remove", format!("{path}/remove"));
    remove.danger = true;
    let template = Page {
        ci: one(visit, "ci-cd", Some(&it.integration_id)).await?,
        scm: one(visit, "scm", it.scm_integration_id.as_deref()).await?,
        store: one(visit, "stores", it.store_integration_id.as_deref()).await?,
        tested,
        controls: vec![
            control(visit, Role::Admin, "Edit", format!("{path}/edit")),
            remove,
        ],
        barred: barred(visit, Role::Member),
        frame: visit.checked_frame("services").await,
        it,
    };
    Ok(page(StatusCode::OK, &template))
}

async fn show(visit: Visit) -> Paged {
    let it = find(&visit).await?;
    shown(&visit, it, None).await
}

/// Reads the job, starts nothing. What it finds is not kept: the answer itself is the page.
async fn test(visit: Visit, body: web::Bytes) -> Paged {
    visit.form(&body)?;
    let it = find(&visit).await?;
    let call = Call::post(format!("/integrations/pipelines/{}/test", it.id), json!({}));
    let reply = visit.api.call(&visit.who, call).await;
    let back = format!("/pipelines/{}", it.id);
    let tested: Tested = reply.read().map_err(|reply| visit.refuse_from(reply, &back))?;
    shown(&visit, it, Some(tested)).await
}

async fn sheet(visit: &Visit) -> Result<Sheet, Stop> {
    let mut systems = choices(visit, "ci-cd", "Choose one").await?;
    if systems.len() == 2 {
        systems.remove(0);
    }
    let named = |all: Vec<&'static str>| {
        all.into_iter()
            .map(|word| Choice::new(word, words(word)))
            .collect()
    };
    let platforms: Vec<Choice> = named(Platform::ALL.iter().map(|it| it.word()).collect());
    let purposes: Vec<Choice> = named(Purpose::ALL.iter().map(|it| it.word()).collect());
    let job = vec![
        Field::line("/name", "Name").must().like("Android bundle"),
        Field::choice("/integrationId", "CI system", systems).must(),
        Field::line("/job", "Job or workflow")
            .must()
            .about("As the CI system names it: a path below its root, or the file of a workflow.")
            .like("shop/release-android"),
    ];
    let fits = vec![
        Field::choice("/platform", "Platform", platforms).must(),
        Field::choice("/purpose", "Purpose", purposes).must(),
        Field::choice(
            "/scmIntegrationId",
            "Repository it builds from",
            choices(visit, "scm", "Any").await?,
        )
        .about("A release must use the same."),
        Field::choice(
            "/storeIntegrationId",
            "Store it ships to",
            choices(visit, "stores", "Any").await?,
        )
        .about("A release's target must use the same."),
    ];
    let parameters = Field::new("/parameters", "Parameters", Kind::Pairs)
        .about(
            "NAME=value, one a line; a line that begins with | goes on with the value above it. Values may contain {version}, {branch}, {tag}, {sha}, {platform} and {cycle}. Left \
             empty for a new pipeline: the CI system's usual ones.",
        )
        .like("VERSION={version}");
    Ok(Sheet::new(vec![
        Section::new("The job", job),
        Section::new("What it is for", fits),
        Section::new("What it is given", vec![parameters]),
    ]))
}

fn asking(visit: &Visit, sheet: Sheet, of: Option<&Pipeline>) -> FormPage {
    let above = ("/pipelines".to_owned(), "Pipelines".to_owned());
    let path = of.map(|it| format!("/pipelines/{}", it.id));
    FormPage {
        frame: visit.frame("services"),
        crumbs: std::iter::once(above)
            .chain(path.clone().zip(of.map(|it| it.name.clone())))
            .collect(),
        title: of.map_or_else(|| "New pipeline".to_owned(), |it| format!("Edit {}", it.name)),
        lead: "A job of your CI system that releases start: a build, automation, a deployment.",
        action: path
            .as_ref()
            .map_or_else(|| "/pipelines/new".to_owned(), |it| format!("{it}/edit")),
        button: if of.is_some() { "Save" } else { "Make the pipeline" },
        back: path.unwrap_or_else(|| "/pipelines".to_owned()),
        hidden: of
            .map(|it| ("version", it.version.to_string()))
            .into_iter()
            .collect(),
        sheet,
        blocked: barred(visit, Role::Admin),
    }
}

async fn ask(visit: Visit) -> Paged {
    let sheet = sheet(&visit).await?;
    asking(&visit, sheet, None).show(StatusCode::OK)
}

async fn make(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let mut sheet = sheet(&visit).await?;
    let Some(wanted) = sheet.take(&form) else {
        return asking(&visit, sheet, None).show(StatusCode::BAD_REQUEST);
    };
    let call = Call::post("/integrations/pipelines", wanted);
    let reply = visit.api.call(&visit.who, call).await;
    if !reply.status.is_success() {
        sheet.refuse(&Problem::of(&reply));
        return asking(&visit, sheet, None).show(reply.status);
    }
    let made: Pipeline = reply.read().map_err(|reply| visit.refuse(reply))?;
    Ok(go(&format!("/pipelines/{}?done=saved", made.id)))
}

async fn ask_change(visit: Visit) -> Paged {
    let it = find(&visit).await?;
    let stored: Value = visit.look(format!("/integrations/pipelines/{}", it.id)).await?;
    let sheet = sheet(&visit).await?.showing(&stored);
    asking(&visit, sheet, Some(&it)).show(StatusCode::OK)
}

async fn change(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let mut it = find(&visit).await?;
    it.version = seen(&form).unwrap_or(it.version);
    let mut sheet = sheet(&visit).await?;
    let Some(mut wanted) = sheet.take(&form) else {
        return asking(&visit, sheet, Some(&it)).show(StatusCode::BAD_REQUEST);
    };
    if let Some(members) = wanted.as_object_mut() {
        // Cleared, it is given nothing; left out, it would get the usual ones again.
        members.entry("parameters").or_insert_with(|| json!({}));
    }
    let path = format!("/integrations/pipelines/{}", it.id);
    let call = Call::with(Method::PUT, path, wanted).of_version(Some(it.version));
    let reply = visit.api.call(&visit.who, call).await;
    if !reply.status.is_success() {
        sheet.refuse(&Problem::of(&reply));
        return asking(&visit, sheet, Some(&it)).show(reply.status);
    }
    Ok(go(&format!("/pipelines/{}?done=saved", it.id)))
}

async fn removal(visit: &Visit) -> Result<Removal, Stop> {
    let it = find(visit).await?;
    Ok(Removal {
        kind: "pipeline",
        path: format!("/integrations/pipelines/{}", it.id),
        page: format!("/pipelines/{}", it.id),
        name: it.name,
        list: "/pipelines",
        nav: "services",
        version: it.version,
        effect: "The job itself stays in the CI system. Releases keep the copy they were planned with.",
        used_by: Vec::new(),
        needed: Role::Admin,
    })
}

async fn ask_remove(visit: Visit) -> Paged {
    let removal = removal(&visit).await?;
    asked(&visit, removal)
}

async fn take_away(visit: Visit, body: web::Bytes) -> Paged {
    let removal = removal(&visit).await?;
    remove::done(&visit, &body, removal).await
}
