//! The profile: who is signed in, the organisation's tokens, light or dark.

use crate::api::Call;
use crate::form::Form;
use crate::frame::{Frame, Theme, go, page};
use crate::model::{List, Me, Token};
use crate::visit::{Paged, Stop, THEME, Visit, cookie, no};
use actix_web::cookie::time::Duration;
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use delivr_app::usecases::access::Role;
use serde_json::{Map, Value};

/// How long a browser remembers its theme, in days.
const REMEMBERED: i64 = 365;

#[derive(Template)]
#[template(path = "profile.html")]
struct Profile {
    frame: Frame,
    me: Me,
    /// None where the role may not see them.
    tokens: Option<Vec<Token>>,
    /// The token that was just made, with its secret.
    made: Option<Token>,
    /// Roles that can be granted.
    roles: Vec<&'static str>,
    organisation: String,
}

#[derive(Template)]
#[template(path = "revoke.html")]
struct Revoke {
    frame: Frame,
    token: Token,
    own: bool,
}

async fn profile(visit: &Visit, made: Option<Token>) -> Result<Profile, Stop> {
    let me: Me = visit.ask(Call::get("/me")).await?;
    let tokens = if visit.who.role >= Role::Admin {
        let found: List<Token> = visit.ask(Call::get("/tokens?limit=200")).await?;
        Some(found.items)
    } else {
        None
    };
    let roles = Role::ALL.iter().filter(|role| **role <= visit.who.role);
    Ok(Profile {
        frame: visit.frame("profile"),
        me,
        tokens,
        made,
        roles: roles.map(|role| role.word()).collect(),
        organisation: visit.who.tenant.name.clone(),
    })
}

/// The profile.
pub(super) async fn show(visit: Visit) -> Paged {
    Ok(page(StatusCode::OK, &profile(&visit, None).await?))
}

/// Sets light or dark.
pub(super) async fn choose_theme(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let theme = Theme::read(form.get("theme").unwrap_or_default());
    let mut response = go("/profile?done=theme");
    let mut chosen = cookie(THEME, theme.word().to_owned());
    chosen.set_max_age(Duration::days(REMEMBERED));
    // Words of our own always make a header.
    let _always = response.add_cookie(&chosen);
    Ok(response)
}

fn new_token(form: &Form) -> Value {
    let fields = [("name", "name"), ("person", "person"), ("role", "role")];
    let mut body: Map<String, Value> = fields
        .iter()
        .filter_map(|(ours, theirs)| Some(((*theirs).to_owned(), form.get(ours)?.into())))
        .collect();
    // A day without an hour: until its end.
    if let Some(day) = form.get("expires") {
        body.insert("expiresAt".to_owned(), format!("{day}T23:59:59Z").into());
    }
    Value::Object(body)
}

/// Makes a token, and shows its secret this once: the answer itself is the page, so that no address ever has it.
pub(super) async fn make_token(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let call = Call::post("/tokens", new_token(&form));
    let reply = visit.api.call(&visit.who, call).await;
    let made: Token = reply
        .read()
        .map_err(|reply| visit.refuse_from(reply, "/profile"))?;
    Ok(page(StatusCode::CREATED, &profile(&visit, Some(made)).await?))
}

/// Asks before a token is revoked.
pub(super) async fn ask_revoke(visit: Visit) -> Paged {
    let id = visit.segment("token")?;
    let found: List<Token> = visit.ask(Call::get("/tokens?limit=200")).await?;
    let token = found.items.into_iter().find(|it| it.id == id);
    let token = token.ok_or_else(|| visit.refuse(no(StatusCode::NOT_FOUND, "there is no such token")))?;
    let template = Revoke {
        own: token.id == visit.who.token.to_string(),
        frame: visit.frame("profile"),
        token,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Revokes a token. Whoever came with it is no longer signed in.
pub(super) async fn revoke_token(visit: Visit, body: web::Bytes) -> Paged {
    visit.form(&body)?;
    let id = visit.segment("token")?;
    let call = Call::bare(Method::DELETE, format!("/tokens/{id}"));
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        Ok(go("/profile?done=revoked"))
    } else {
        Err(visit.refuse_from(reply, "/profile"))
    }
}
