//! All integrations of the organisation, and connecting another one.

use super::{barred, control};
use crate::api::Call;
use crate::fields::{Choice, Field, Section, Sheet, of_config, of_credentials};
use crate::form::Form;
use crate::frame::{Frame, go, page};
use crate::model::{List, Problem};
use crate::pages::controls::Control;
use crate::setup::{CATEGORIES, Integration, Provider, category_name};
use crate::visit::{Paged, Stop, Visit, no};
use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use delivr_app::usecases::access::Role;
use serde_json::json;

/// The integrations of a category.
struct Group {
    word: &'static str,
    name: &'static str,
    about: &'static str,
    integrations: Vec<Integration>,
    controls: Vec<Control>,
}

#[derive(Template)]
#[template(path = "integrations.html")]
struct Listed {
    frame: Frame,
    groups: Vec<Group>,
    broken: usize,
    controls: Vec<Control>,
}

/// Integrations of a category.
pub(super) async fn of_category(visit: &Visit, category: &str) -> Result<Vec<Integration>, Stop> {
    let found: List<Integration> = visit.look(list_of(category)).await?;
    Ok(found.items)
}

fn list_of(category: &str) -> String {
    format!("/integrations/{category}?limit=200")
}

/// Integrations of each category, in the order of [`CATEGORIES`].
pub(super) async fn by_category(visit: &Visit) -> Result<Vec<Vec<Integration>>, Stop> {
    let paths = CATEGORIES.iter().map(|(word, _, _)| list_of(word));
    let found: Vec<List<Integration>> = visit.look_each(paths).await?;
    Ok(found.into_iter().map(|list| list.items).collect())
}

/// All integrations, by category.
pub(super) async fn list(visit: Visit) -> Paged {
    let (frame, found) = visit.with_frame("integrations", by_category(&visit)).await?;
    let mut groups = Vec::new();
    for ((word, name, about), integrations) in CATEGORIES.iter().zip(found) {
        let add = control(
            &visit,
            Role::Admin,
            "Connect",
            format!("/integrations/{word}/new"),
        );
        groups.push(Group {
            word,
            name,
            about,
            integrations,
            controls: vec![add],
        });
    }
    let all = groups.iter().flat_map(|it| &it.integrations);
    let template = Listed {
        broken: all.filter(|it| !it.works()).count(),
        groups,
        controls: vec![
            control(&visit, Role::Viewer, "Ask the doctor", "/doctor"),
            control(&visit, Role::Admin, "Stop the line", "/operations/stop"),
        ],
        frame,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Providers of a category.
pub(super) async fn providers(visit: &Visit, category: &str) -> Result<Vec<Provider>, Stop> {
    let found: List<Provider> = visit.look(format!("/integrations/{category}/providers")).await?;
    Ok(found.items)
}

/// The provider of an integration.
pub(super) async fn provider_of(visit: &Visit, it: &Integration) -> Result<Provider, Stop> {
    let all = providers(visit, &it.category).await?;
    let known = all.into_iter().find(|known| known.provider == it.provider);
    known.ok_or_else(|| {
        visit.refuse(no(
            StatusCode::CONFLICT,
            "this build does not know the provider of the integration; update the installation",
        ))
    })
}

#[derive(Template)]
#[template(path = "connect.html")]
struct Connect<'a> {
    frame: Frame,
    category: &'a str,
    category_name: &'static str,
    providers: Vec<Provider>,
    chosen: Option<Provider>,
    sheet: Sheet,
    blocked: Option<String>,
}

/// The section of the credentials.
pub(super) fn secrets(provider: &Provider, kept: &[String]) -> Section {
    Section::new("Credentials", of_credentials(&provider.credentials_schema, kept))
        .about("They are sealed when they are saved, and never shown again.")
}

fn sheet(provider: &Provider) -> Sheet {
    let name = Field::line("/name", "Name")
        .must()
        .about("How your team calls it; unique in its category.")
        .with(provider.display_name.clone());
    let mut sections = vec![
        Section::new("Name", vec![name]),
        Section::new("Settings", of_config(&provider.config_schema)),
        secrets(provider, &[]),
    ];
    sections.retain(|it| !it.fields.is_empty());
    Sheet::new(sections)
}

async fn shown(
    visit: &Visit,
    status: StatusCode,
    category: &str,
    chosen: Option<Provider>,
    sheet: Sheet,
) -> Paged {
    let template = Connect {
        frame: visit.frame("integrations"),
        category,
        category_name: category_name(category),
        providers: providers(visit, category).await?,
        chosen,
        sheet,
        blocked: barred(visit, Role::Admin),
    };
    Ok(page(status, &template))
}

/// The provider that a form or an address names; the only one there is, if it names none.
async fn chosen(visit: &Visit, category: &str, form: &Form) -> Result<Option<Provider>, Stop> {
    let mut all = providers(visit, category).await?;
    match form.get("provider") {
        Some(key) => {
            let found = all.into_iter().find(|it| it.provider == key);
            let missing = || visit.refuse(no(StatusCode::NOT_FOUND, "there is no such provider"));
            found.map(Some).ok_or_else(missing)
        }
        None if all.len() == 1 => Ok(all.pop()),
        None => Ok(None),
    }
}

/// Which vendor; then its form.
pub(super) async fn ask(visit: Visit) -> Paged {
    let category = visit.segment("category")?;
    let chosen = chosen(&visit, category, &visit.query()).await?;
    let sheet = chosen.as_ref().map(sheet).unwrap_or_default();
    shown(&visit, StatusCode::OK, category, chosen, sheet).await
}

/// Connects it, and tries it at once.
pub(super) async fn connect(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let category = visit.segment("category")?;
    let Some(provider) = chosen(&visit, category, &form).await? else {
        return Err(visit.refuse(no(StatusCode::BAD_REQUEST, "choose a provider first")));
    };
    let mut sheet = sheet(&provider);
    let Some(mut wanted) = sheet.take(&form) else {
        return shown(&visit, StatusCode::BAD_REQUEST, category, Some(provider), sheet).await;
    };
    if let Some(members) = wanted.as_object_mut() {
        members.insert("provider".to_owned(), json!(provider.provider));
    }
    let reply = visit
        .api
        .call(
            &visit.who,
            Call::post(format!("/integrations/{category}"), wanted),
        )
        .await;
    if !reply.status.is_success() {
        sheet.refuse(&Problem::of(&reply));
        return shown(&visit, reply.status, category, Some(provider), sheet).await;
    }
    let status = reply.status;
    let made: Integration = reply.read().map_err(|reply| visit.refuse(reply))?;
    tracing::debug!(%status, integration = made.id, "an integration was connected by a page");
    Ok(go(&tried(&visit, &made, "connected").await))
}

/// Tries an integration, and says where its page is. A vendor that does not answer is told there.
pub(super) async fn tried(visit: &Visit, it: &Integration, done: &str) -> String {
    let path = it.path();
    let reply = visit
        .api
        .call(&visit.who, Call::post(format!("{path}/verify"), json!({})))
        .await;
    if reply.status.is_success() {
        format!("{path}?done={done}")
    } else {
        // What was saved is saved; the page offers to try it again.
        format!("{path}?done={done}&silent=1")
    }
}

/// A word to choose for each integration of a category, beginning with none.
pub(super) async fn choices(visit: &Visit, category: &str, none: &str) -> Result<Vec<Choice>, Stop> {
    let mut choices = vec![Choice::new("", none)];
    for it in of_category(visit, category).await? {
        let label = if it.works() {
            it.name
        } else {
            format!("{} ({})", it.name, crate::setup::state(&it.verification_status))
        };
        choices.push(Choice::new(it.id, label));
    }
    Ok(choices)
}
