//! Settings of the organisation: its name and people, where messages go, the stop switch.

use super::integrations::of_category;
use super::{FormPage, barred, control, line};
use crate::api::Call;
use crate::fields::{Field, Section, Sheet};
use crate::frame::{Frame, go, page};
use crate::model::{List, Problem};
use crate::pages::controls::Control;
use crate::setup::{Integration, Line, Profile, Stopped, Team};
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use delivr_app::usecases::access::Role;
use delivr_domain::effect::Topic;
use serde_json::{Value, json};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/settings", web::get().to(show)).service(
        web::resource("/settings/name")
            .route(web::get().to(ask_name))
            .route(web::post().to(rename)),
    );
}

/// A profile that sends messages of a topic.
struct Sender {
    id: String,
    name: String,
}

/// Where the messages of a topic go.
struct Row {
    name: &'static str,
    about: &'static str,
    channel: Option<String>,
    /// Where they go while the topic has no channel of its own.
    fallback: Option<String>,
    profiles: Vec<Sender>,
}

/// A chat, and what goes where in it.
struct Chat {
    /// Everything goes to one channel, which only the chat knows.
    hook: bool,
    rows: Vec<Row>,
    controls: Vec<Control>,
    it: Integration,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Page {
    frame: Frame,
    team: Team,
    rename: Vec<Control>,
    chats: Vec<Chat>,
    /// Whether any profile says what is sent.
    any_profile: bool,
    stops: Vec<Stopped>,
    line: Vec<Control>,
}

/// What is told under a topic.
const fn about(topic: Topic) -> &'static str {
    match topic {
        Topic::Releases => "a release starts, passes a stage, waits for people, ships",
        Topic::Builds => "builds start, end and fail",
        Topic::Regression => "regression cycles, their results and their slots",
        Topic::Critical => "what needs a person now",
    }
}

/// Whether releases of the profile send messages of the topic: all of them, unless it says which.
fn sends(profile: &Profile, topic: Topic) -> bool {
    match profile.settings.pointer("/chat/topics").and_then(Value::as_array) {
        Some(topics) => topics.iter().any(|it| it.as_str() == Some(topic.word())),
        None => true,
    }
}

fn chat(visit: &Visit, it: Integration, profiles: &[Profile]) -> Chat {
    let channel = |topic: Topic| {
        let found = it.config.get("channels").and_then(|all| all.get(topic.word()));
        found.and_then(Value::as_str).map(ToOwned::to_owned)
    };
    let rows = Topic::ALL.iter().map(|topic| Row {
        name: topic.word(),
        about: about(*topic),
        channel: channel(*topic),
        fallback: channel(Topic::Releases),
        profiles: profiles
            .iter()
            .filter(|profile| sends(profile, *topic))
            .map(|profile| Sender {
                id: profile.id.clone(),
                name: profile.name.clone(),
            })
            .collect(),
    });
    Chat {
        hook: it.credentials.contains_key("webhookUrl"),
        rows: rows.collect(),
        controls: vec![control(
            visit,
            Role::Admin,
            "Change its channels",
            format!("{}/edit", it.path()),
        )],
        it,
    }
}

/// The page.
async fn show(visit: Visit) -> Paged {
    let team: Team = visit.look("/team/settings").await?;
    let now: Line = visit.look("/line/stop").await?;
    let profiles: List<Profile> = visit.look("/profiles?limit=200").await?;
    let found = of_category(&visit, "communication").await?;
    let template = Page {
        rename: vec![control(&visit, Role::Admin, "Rename", "/settings/name")],
        chats: found
            .into_iter()
            .map(|it| chat(&visit, it, &profiles.items))
            .collect(),
        any_profile: !profiles.items.is_empty(),
        line: vec![line::control(&visit, &now.stops)],
        stops: now.stops,
        frame: visit.checked_frame("settings").await,
        team,
    };
    Ok(page(StatusCode::OK, &template))
}

fn sheet() -> Sheet {
    let name = Field::line("/name", "Name").must().about("What people call it.");
    Sheet::new(vec![Section::new("Organisation", vec![name])])
}

fn asked(visit: &Visit, status: StatusCode, sheet: Sheet) -> Paged {
    let form = FormPage {
        frame: visit.frame("settings"),
        crumbs: vec![("/settings".to_owned(), "Settings".to_owned())],
        title: "Rename the organisation".to_owned(),
        lead: "Its short name in paths stays, and with it every address, token and webhook.",
        action: "/settings/name".to_owned(),
        button: "Save",
        back: "/settings".to_owned(),
        hidden: Vec::new(),
        sheet,
        blocked: barred(visit, Role::Admin),
    };
    form.show(status)
}

async fn named(visit: &Visit) -> Result<Team, Stop> {
    visit.look("/team/settings").await
}

async fn ask_name(visit: Visit) -> Paged {
    let team = named(&visit).await?;
    asked(
        &visit,
        StatusCode::OK,
        sheet().showing(&json!({"name": team.name})),
    )
}

async fn rename(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let mut sheet = sheet();
    let Some(wanted) = sheet.take(&form) else {
        return asked(&visit, StatusCode::BAD_REQUEST, sheet);
    };
    let call = Call::with(Method::PATCH, "/team/settings", wanted);
    let reply = visit.api.call(&visit.who, call).await;
    if !reply.status.is_success() {
        sheet.refuse(&Problem::of(&reply));
        return asked(&visit, reply.status, sheet);
    }
    Ok(go("/settings?done=renamed"))
}
