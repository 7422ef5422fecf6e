//! API tokens of the tenant.

use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::{Checks, micros, syntax};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use actix_web::{delete, get, post};
use delivr_app::usecases::access::{self, NewToken, Person, Role};
use delivr_domain::ids::TokenId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::Token;
use delivr_domain::time::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list).service(create).service(revoke);
}

/// A token without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenView {
    id: String,
    name: String,
    /// The person behind it; none behind a service token.
    person: Option<String>,
    /// OWNER, ADMIN, MEMBER or VIEWER; CALENDAR for a calendar link, which is no credential.
    role: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// What its holder sends; shown once, at creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

fn view(token: &Token, secret: Option<String>) -> TokenView {
    TokenView {
        id: token.id.to_string(),
        name: token.name.clone(),
        person: token.person.clone(),
        role: token.role.clone(),
        expires_at: token.expires_at,
        revoked_at: token.revoked_at,
        created_at: token.created_at,
        token: secret,
    }
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenList {
    items: Vec<TokenView>,
    next_cursor: Option<String>,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenBody {
    /// Name for people; events show it as the actor of a service token.
    name: String,
    /// The person who will hold it, by e-mail address: all tokens of a person are one approver, and events show the
    /// person. Left out, it is a service token. For another person than oneself an OWNER makes it.
    person: Option<String>,
    /// OWNER, ADMIN, MEMBER or VIEWER; not above one's own.
    role: String,
    /// Not valid from here on.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Tokens of the tenant, newest first.
#[utoipa::path(tag = "Tokens",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Tokens", body = TokenList)))]
#[get("/tokens")]
pub(crate) async fn list(cx: Context, paging: Query<Paging>) -> Answered {
    cx.at_least(Role::Admin)?;
    let found = cx.app.store.tokens(cx.tenant()).await?;
    let (items, next_cursor) = paging.0.page(found, |it| it.id.to_string())?;
    Ok(Answer::ok(&TokenList {
        items: items.iter().map(|token| view(token, None)).collect(),
        next_cursor,
    }))
}

/// Tokens of the name and person that are valid: nobody could tell them apart.
async fn live(cx: &Context, name: &str, person: Option<&Person>) -> Result<Vec<Token>, StoreError> {
    let now = cx.now();
    let mut tokens = cx.app.store.tokens(cx.tenant()).await?;
    tokens.retain(|it| {
        it.name == name
            && it.role != access::CALENDAR
            && it.person.as_deref() == person.map(Person::as_str)
            && it.revoked_at.is_none()
            && it.expires_at.is_none_or(|expires| expires > now)
    });
    Ok(tokens)
}

fn name_taken() -> Problem {
    Problem::conflict(
        "duplicate",
        "a valid token has this name already; revoke it or take another name",
    )
}

/// Makes a token; its secret is shown this once.
#[utoipa::path(tag = "Tokens", request_body = TokenBody, responses((status = 201, description = "The token with its secret", body = TokenView)))]
#[post("/tokens")]
pub(crate) async fn create(cx: Context, body: Body<TokenBody>) -> Answered {
    cx.at_least(Role::Admin)?;
    let Body(body) = body;
    Checks::new().text("/name", &body.name, 1, 100).done()?;
    let role: Role = syntax("/role", &body.role)?;
    if role > cx.who.role {
        return Err(Problem::forbidden("nobody grants a role above their own"));
    }
    let expires_at = body.expires_at.map(micros);
    if expires_at.is_some_and(|at| at <= cx.now()) {
        return Err(Problem::unsuitable(
            "past_date",
            "/expiresAt",
            "the expiry lies in the past",
        ));
    }
    let person: Option<Person> = body
        .person
        .as_deref()
        .map(|text| syntax("/person", text))
        .transpose()?;
    // Whoever could make tokens for others could approve as them.
    if person.is_some() && person != cx.who.person && cx.who.role < Role::Owner {
        return Err(Problem::forbidden(
            "only an OWNER makes tokens for other people than themselves",
        ));
    }
    if let Some(detail) = access::reserved(&body.name) {
        return Err(Problem::unsuitable("reserved_name", "/name", detail));
    }
    let id = cx.fresh().await?;
    // One that this very request made before it was interrupted is no other one.
    if live(&cx, &body.name, person.as_ref())
        .await?
        .iter()
        .any(|it| it.id.uuid() != id)
    {
        return Err(name_taken());
    }
    cx.shows_a_secret();
    let new = NewToken {
        name: &body.name,
        person: person.as_ref(),
        role,
        expires_at,
    };
    let issued = match access::issue_by(&cx.app, cx.tenant(), id, &new, cx.who.actor()).await {
        // An earlier request with this key made it, and was interrupted before its answer was kept.
        Err(StoreError::Duplicate(_)) if cx.may_repeat() => return Err(Problem::already_shown()),
        issued => issued?,
    };
    // Another request may have come to the same name at the same time: the one that sees the other as earlier yields.
    let mine = (issued.token.created_at, issued.token.id);
    let rivals = live(&cx, &body.name, person.as_ref()).await?;
    if rivals.iter().any(|it| (it.created_at, it.id) < mine) {
        access::revoke(&cx.app, cx.tenant(), issued.token.id, cx.who.actor()).await?;
        return Err(name_taken());
    }
    let secret = issued.secret.expose_secret().to_owned();
    let place = cx.place(&format!("/tokens/{}", issued.token.id));
    Ok(Answer::created(place, &view(&issued.token, Some(secret))))
}

/// Revokes a token at once.
#[utoipa::path(tag = "Tokens", responses((status = 204, description = "It is revoked")))]
#[delete("/tokens/{tokenId}")]
pub(crate) async fn revoke(cx: Context) -> Answered {
    cx.at_least(Role::Admin)?;
    let id: TokenId = cx.id("tokenId", "token")?;
    let tokens = cx.app.store.tokens(cx.tenant()).await?;
    let token = tokens
        .iter()
        .find(|token| token.id == id)
        .ok_or_else(|| Problem::missing("token"))?;
    if token.role.parse::<Role>().is_ok_and(|role| role > cx.who.role) {
        return Err(Problem::forbidden(
            "nobody revokes a token with a role above their own",
        ));
    }
    if access::revoke(&cx.app, cx.tenant(), id, cx.who.actor()).await? {
        Ok(Answer::none())
    } else {
        Err(Problem::missing("token"))
    }
}
