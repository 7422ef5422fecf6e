//! Services: what is released over and over.

use super::integrations::choices;
use super::remove::{Removal, asked};
use super::{FormPage, barred, control, remove, seen};
use crate::api::Call;
use crate::fields::{Choice, Field, Kind, Section, Sheet};
use crate::frame::{Frame, go, page};
use crate::model::{List, Problem, Release};
use crate::pages::controls::Control;
use crate::setup::{Integration, Profile, Service, User};
use crate::shown::words;
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use delivr_app::usecases::access::Role;
use serde_json::Value;

const KINDS: &[&str] = &["MOBILE", "WEB", "BACKEND", "LIBRARY", "OTHER"];

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/services", web::get().to(list))
        .service(
            web::resource("/services/new")
                .route(web::get().to(ask))
                .route(web::post().to(make)),
        )
        .route("/services/{id}", web::get().to(show))
        .service(
            web::resource("/services/{id}/edit")
                .route(web::get().to(ask_change))
                .route(web::post().to(change)),
        )
        .service(
            web::resource("/services/{id}/remove")
                .route(web::get().to(ask_remove))
                .route(web::post().to(take_away)),
        );
}

/// All services.
pub(super) async fn all(visit: &Visit) -> Result<Vec<Service>, Stop> {
    let found: List<Service> = visit.look("/services?limit=200").await?;
    Ok(found.items)
}

#[derive(Template)]
#[template(path = "services.html")]
struct Listed {
    frame: Frame,
    services: Vec<Service>,
    controls: Vec<Control>,
}

async fn list(visit: Visit) -> Paged {
    let template = Listed {
        services: all(&visit).await?,
        controls: vec![
            control(&visit, Role::Member, "New service", "/services/new"),
            control(&visit, Role::Viewer, "Release profiles", "/profiles"),
            control(&visit, Role::Viewer, "Pipelines", "/pipelines"),
        ],
        frame: visit.checked_frame("services").await,
    };
    Ok(page(StatusCode::OK, &template))
}

#[derive(Template)]
#[template(path = "service.html")]
struct Page {
    frame: Frame,
    it: Service,
    scm: Option<Integration>,
    profiles: Vec<Profile>,
    releases: Vec<Release>,
    controls: Vec<Control>,
}

async fn find(visit: &Visit) -> Result<Service, Stop> {
    let id = visit.segment("id")?;
    visit.look(format!("/services/{id}")).await
}

async fn show(visit: Visit) -> Paged {
    let it = find(&visit).await?;
    let releases: List<Release> = visit
        .look(format!("/releases?serviceId={}&limit=10", it.id))
        .await?;
    let profiles: List<Profile> = visit.look("/profiles?limit=200").await?;
    let scm = match &it.scm_integration_id {
        Some(id) => Some(
            visit
                .look::<Integration>(format!("/integrations/scm/{id}"))
                .await?,
        ),
        None => None,
    };
    let path = format!("/services/{}", it.id);
    let mut remove = control(&visit, Role::Admin, "Remove", format!("{path}/remove"));
    remove.danger = true;
    let template = Page {
        scm,
        profiles: profiles
            .items
            .into_iter()
            .filter(|profile| profile.service_id.as_deref().is_none_or(|id| id == it.id))
            .collect(),
        releases: releases.items,
        controls: vec![
            control(
                &visit,
                Role::Member,
                "New release",
                format!("/releases/new?service={}", it.id),
            ),
            control(&visit, Role::Member, "Edit", format!("{path}/edit")),
            remove,
        ],
        frame: visit.checked_frame("services").await,
        it,
    };
    Ok(page(StatusCode::OK, &template))
}

async fn sheet(visit: &Visit, made: bool) -> Result<Sheet, Stop> {
    let mut kinds = vec![Choice::new("", "Not said")];
    kinds.extend(KINDS.iter().map(|word| Choice::new(*word, words(word))));
    let mut basics = vec![Field::line("/name", "Name").must().like("Shop for Android")];
    if !made {
        let slug = Field::line("/slug", "Short name")
            .must()
            .about("Lower-case letters, digits and hyphens. It may stand in names of branches and tags, and never changes.")
            .like("shop-android");
        basics.push(slug);
    }
    basics.push(Field::choice("/kind", "Kind", kinds).clearing());
    basics.push(Field::new("/description", "Description", Kind::Long).clearing());
    let scm = choices(visit, "scm", "None: each release names one").await?;
    let code = vec![
        Field::choice("/scmIntegrationId", "Repository", scm)
            .about("The source-control integration that its releases branch in.")
            .clearing(),
        Field::line("/repository", "Where its code is read by people")
            .like("https://git.example.com/shop/app")
            .clearing(),
        Field::line("/jiraProjectKey", "Project key of its tickets")
            .like("SHOP")
            .clearing(),
    ];
    let mut look = vec![Field::new("/color", "Colour", Kind::Colour).with("#6366f1")];
    if made {
        look.push(Field::flag("/isActive", "Active").about(
            "Unticked, it is archived: it stays with its history, and is not offered for new releases.",
        ));
    }
    Ok(Sheet::new(vec![
        Section::new("What it is", basics),
        Section::new("Where it lives", code),
        Section::new("In lists", look),
    ]))
}

fn asking(visit: &Visit, sheet: Sheet, of: Option<&Service>) -> FormPage {
    let above = ("/services".to_owned(), "Services".to_owned());
    let path = of.map(|it| format!("/services/{}", it.id));
    FormPage {
        frame: visit.frame("services"),
        crumbs: std::iter::once(above)
            .chain(path.clone().zip(of.map(|it| it.name.clone())))
            .collect(),
        title: of.map_or_else(|| "New service".to_owned(), |it| format!("Edit {}", it.name)),
        lead: "What you release over and over: an app, a site, a backend. It has its own line of versions.",
        action: path
            .as_ref()
            .map_or_else(|| "/services/new".to_owned(), |it| format!("{it}/edit")),
        button: if of.is_some() { "Save" } else { "Make the service" },
        back: path.unwrap_or_else(|| "/services".to_owned()),
        hidden: of
            .map(|it| ("version", it.version.to_string()))
            .into_iter()
            .collect(),
        sheet,
        blocked: barred(visit, Role::Member),
    }
}

async fn ask(visit: Visit) -> Paged {
    let sheet = sheet(&visit, false).await?;
    // With one repository there is nothing to choose.
    let mut sheet = sheet;
    for field in sheet.sections.iter_mut().flat_map(|it| &mut it.fields) {
        if let ("/scmIntegrationId", [_, only]) = (field.pointer.as_str(), field.choices()) {
            field.value = only.value.clone();
        }
    }
    asking(&visit, sheet, None).show(StatusCode::OK)
}

async fn make(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let mut sheet = sheet(&visit, false).await?;
    let Some(wanted) = sheet.take(&form) else {
        return asking(&visit, sheet, None).show(StatusCode::BAD_REQUEST);
    };
    let reply = visit.api.call(&visit.who, Call::post("/services", wanted)).await;
    if !reply.status.is_success() {
        sheet.refuse(&Problem::of(&reply));
        return asking(&visit, sheet, None).show(reply.status);
    }
    let made: Service = reply.read().map_err(|reply| visit.refuse(reply))?;
    Ok(go(&format!("/services/{}?done=saved", made.id)))
}

async fn ask_change(visit: Visit) -> Paged {
    let it = find(&visit).await?;
    let stored: Value = visit.look(format!("/services/{}", it.id)).await?;
    let sheet = sheet(&visit, true).await?.showing(&stored);
    asking(&visit, sheet, Some(&it)).show(StatusCode::OK)
}

async fn change(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let mut it = find(&visit).await?;
    it.version = seen(&form).unwrap_or(it.version);
    let mut sheet = sheet(&visit, true).await?;
    let Some(wanted) = sheet.take(&form) else {
        return asking(&visit, sheet, Some(&it)).show(StatusCode::BAD_REQUEST);
    };
    let path = format!("/services/{}", it.id);
    let call = Call::with(Method::PATCH, path.clone(), wanted).of_version(Some(it.version));
    let reply = visit.api.call(&visit.who, call).await;
    if !reply.status.is_success() {
        sheet.refuse(&Problem::of(&reply));
        return asking(&visit, sheet, Some(&it)).show(reply.status);
    }
    Ok(go(&format!("{path}?done=saved")))
}

async fn removal(visit: &Visit) -> Result<Removal, Stop> {
    let it = find(visit).await?;
    let releases: List<Release> = visit
        .look(format!("/releases?serviceId={}&limit=5", it.id))
        .await?;
    let path = format!("/services/{}", it.id);
    Ok(Removal {
        kind: "service",
        name: it.name,
        page: path.clone(),
        path,
        list: "/services",
        nav: "services",
        version: it.version,
        effect: "It never had a release, so no history goes with it. To keep one with a history out of the way, edit it \
                 and untick Active.",
        used_by: releases
            .items
            .into_iter()
            .map(|it| User::release(it.key))
            .collect(),
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

/// Services to choose from, as far as releases are made of them.
pub(super) fn offered(services: &[Service]) -> Vec<Choice> {
    let active = services.iter().filter(|it| it.active());
    active
        .map(|it| Choice::new(it.id.clone(), it.name.clone()))
        .collect()
}
