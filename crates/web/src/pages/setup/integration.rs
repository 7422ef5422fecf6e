//! One integration: how it is, what it was tried for, changing it, replacing its secrets, removing it.

use super::integrations::{provider_of, secrets, tried};
use super::remove::{Removal, asked};
use super::{FormPage, barred, control, seen};
use crate::api::Call;
use crate::fields::{Field, Section, Sheet, of_config};
use crate::frame::{Frame, go, page};
use crate::model::Problem;
use crate::pages::controls::Control;
use crate::setup::{CATEGORIES, Check, Doctor, Integration, Provider, Usage, User, category_name};
use crate::visit::{Paged, Stop, Visit, no};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use delivr_app::usecases::access::Role;
use serde_json::{Value, json};
use uuid::Uuid;

async fn find(visit: &Visit) -> Result<Integration, Stop> {
    let (category, id) = (visit.segment("category")?, visit.segment("id")?);
    let known = CATEGORIES.iter().any(|(word, _, _)| *word == category);
    if !known || Uuid::parse_str(id).is_err() {
        // Other things live below the same address.
        return Err(visit.refuse(no(StatusCode::NOT_FOUND, "there is no such integration")));
    }
    visit.look(format!("/integrations/{category}/{id}")).await
}

/// A setting, or a credential, as it stands.
struct Row {
    label: String,
    value: String,
}

#[derive(Template)]
#[template(path = "integration.html")]
struct Page {
    frame: Frame,
    it: Integration,
    category_name: &'static str,
    provider_name: String,
    webhooks: bool,
    checks: Vec<Check>,
    settings: Vec<Row>,
    secrets: Vec<Row>,
    used_by: Vec<User>,
    controls: Vec<Control>,
    /// Why the visitor cannot try it.
    barred: Option<String>,
    /// The vendor did not answer the last try.
    silent: bool,
}

fn label(schema: &Value, name: &str) -> String {
    let title = schema.get("properties").and_then(|it| it.get(name)?.get("title"));
    title.and_then(Value::as_str).unwrap_or(name).to_owned()
}

fn settings(it: &Integration, provider: &Provider) -> Vec<Row> {
    let fields = of_config(&provider.config_schema);
    let body = json!({"config": it.config});
    let shown = fields.into_iter().filter_map(|mut field| {
        field.show(&body);
        let value = match field.shape() {
            "flag" if !field.value.is_empty() => "yes".to_owned(),
            _ => field.value,
        };
        (!value.is_empty()).then_some(Row {
            label: field.label,
            value,
        })
    });
    shown.collect()
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    let it = find(&visit).await?;
    let provider = provider_of(&visit, &it).await?;
    let doctor: Doctor = visit.look("/doctor").await?;
    let usage: Usage = visit.look(format!("{}/usage", it.path())).await?;
    let path = it.path();
    let mut remove = control(&visit, Role::Admin, "Remove", format!("{path}/remove"));
    remove.danger = true;
    let template = Page {
        category_name: category_name(&it.category),
        webhooks: provider.webhooks,
        checks: doctor
            .checks
            .into_iter()
            .filter(|check| check.id.as_deref() == Some(&it.id))
            .collect(),
        settings: settings(&it, &provider),
        secrets: it
            .credentials
            .iter()
            .map(|(name, set)| Row {
                label: label(&provider.credentials_schema, name),
                value: match &set.last_four {
                    Some(four) => format!("set, ends with {four}"),
                    None => "set".to_owned(),
                },
            })
            .collect(),
        provider_name: provider.display_name,
        used_by: usage.users,
        controls: vec![
            control(&visit, Role::Admin, "Edit", format!("{path}/edit")),
            control(&visit, Role::Admin, "Replace secrets", format!("{path}/secrets")),
            remove,
        ],
        barred: barred(&visit, Role::Admin),
        silent: visit.query().ticked("silent"),
        frame: visit.checked_frame("integrations").await,
        it,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Tries it at its vendor now.
pub(super) async fn verify(visit: Visit, body: web::Bytes) -> Paged {
    visit.form(&body)?;
    let it = find(&visit).await?;
    let path = it.path();
    let reply = visit
        .api
        .call(&visit.who, Call::post(format!("{path}/verify"), json!({})))
        .await;
    if reply.status.is_success() {
        Ok(go(&format!("{path}?done=tried")))
    } else {
        Err(visit.refuse_from(reply, &path))
    }
}

/// Which of the two forms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Settings,
    Secrets,
}

impl What {
    const fn word(self) -> &'static str {
        match self {
            Self::Settings => "edit",
            Self::Secrets => "secrets",
        }
    }
}

fn shown(visit: &Visit, status: StatusCode, it: &Integration, what: What, sheet: Sheet) -> Paged {
    let (title, lead, button) = match what {
        What::Settings => (
            "Edit",
            "What is saved is tried at the vendor at once. Releases that were planned with it go on with the new settings.",
            "Save and try it",
        ),
        What::Secrets => (
            "Replace secrets",
            "Fill in what is new; what is left empty stays. What is saved is tried at the vendor at once, and the old \
             one can be revoked there afterwards.",
            "Replace and try it",
        ),
    };
    let form = FormPage {
        frame: visit.frame("integrations"),
        crumbs: vec![
            ("/integrations".to_owned(), "Integrations".to_owned()),
            (it.path(), it.name.clone()),
        ],
        title: title.to_owned(),
        lead,
        action: format!("{}/{}", it.path(), what.word()),
        button,
        back: it.path(),
        hidden: vec![("version", it.version.to_string())],
        sheet,
        blocked: barred(visit, Role::Admin),
    };
    form.show(status)
}

async fn sheet(visit: &Visit, it: &Integration, what: What) -> Result<Sheet, Stop> {
    let provider = provider_of(visit, it).await?;
    let kept: Vec<String> = it.credentials.keys().cloned().collect();
    let mut secrets = secrets(&provider, &kept);
    // A switch that is off and a list that is empty are left out of what is stored; the form shows them so.
    let sections = match what {
        What::Secrets => {
            for field in &mut secrets.fields {
                field.required = false;
            }
            vec![secrets]
        }
        What::Settings => {
            let name = Field::line("/name", "Name").must();
            let mut all = vec![
                Section::new("Name", vec![name]),
                Section::new("Settings", of_config(&provider.config_schema)),
            ];
            if !secrets.fields.is_empty() {
                secrets.about = Some(
                    "Left empty, they stay. When an address changes, each must be given again: they are sent there."
                        .to_owned(),
                );
                all.push(secrets);
            }
            all
        }
    };
    Ok(Sheet::new(sections).showing(&json!({"name": it.name, "config": it.config})))
}

async fn asked_for(visit: Visit, what: What) -> Paged {
    let it = find(&visit).await?;
    let sheet = sheet(&visit, &it, what).await?;
    shown(&visit, StatusCode::OK, &it, what, sheet)
}

/// The form of the settings.
pub(super) async fn ask_change(visit: Visit) -> Paged {
    asked_for(visit, What::Settings).await
}

/// The form of the secrets.
pub(super) async fn ask_secrets(visit: Visit) -> Paged {
    asked_for(visit, What::Secrets).await
}

async fn put(visit: Visit, body: web::Bytes, what: What) -> Paged {
    let form = visit.form(&body)?;
    let mut it = find(&visit).await?;
    it.version = seen(&form).unwrap_or(it.version);
    let mut sheet = sheet(&visit, &it, what).await?;
    let Some(mut wanted) = sheet.take(&form) else {
        return shown(&visit, StatusCode::BAD_REQUEST, &it, what, sheet);
    };
    if what == What::Settings
        && let Some(members) = wanted.as_object_mut()
    {
        // All of it may have been cleared; left out, the old one would stay.
        members.entry("config").or_insert_with(|| json!({}));
    }
    let call = Call::with(Method::PUT, it.path(), wanted).of_version(Some(it.version));
    let reply = visit.api.call(&visit.who, call).await;
    if !reply.status.is_success() {
        sheet.refuse(&Problem::of(&reply));
        return shown(&visit, reply.status, &it, what, sheet);
    }
    Ok(go(&tried(&visit, &it, "saved").await))
}

/// Changes the settings, and tries them.
pub(super) async fn change(visit: Visit, body: web::Bytes) -> Paged {
    put(visit, body, What::Settings).await
}

/// Replaces secrets, and tries them.
pub(super) async fn rotate(visit: Visit, body: web::Bytes) -> Paged {
    put(visit, body, What::Secrets).await
}

async fn removal(visit: &Visit) -> Result<Removal, Stop> {
    let it = find(visit).await?;
    let usage: Usage = visit.look(format!("{}/usage", it.path())).await?;
    Ok(Removal {
        kind: "integration",
        name: it.name.clone(),
        path: it.path(),
        page: it.path(),
        list: "/integrations",
        nav: "integrations",
        version: it.version,
        effect: "Its sealed credentials are deleted with it. What it made at the vendor stays there; webhooks that the \
                 vendor still sends are refused.",
        used_by: usage.users,
        needed: Role::Admin,
    })
}

/// What removing it would do.
pub(super) async fn ask_remove(visit: Visit) -> Paged {
    let removal = removal(&visit).await?;
    asked(&visit, removal)
}

/// Removes it.
pub(super) async fn remove(visit: Visit, body: web::Bytes) -> Paged {
    let removal = removal(&visit).await?;
    super::remove::done(&visit, &body, removal).await
}
