//! The organisation: what it is called, and who has a way in.

use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::Checks;
use crate::context::Context;
use crate::problem::Problem;
use actix_web::{get, patch};
use delivr_app::usecases::access::{Role, token_digest};
use delivr_domain::ports::store::{Change, Tenant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(read).service(change);
}

/// Somebody with a valid token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberView {
    /// The person, by e-mail address.
    person: String,
    /// The highest role among their tokens.
    role: String,
}

/// The organisation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TeamView {
    id: String,
    /// What paths and programs call it.
    slug: String,
    /// What people call it.
    name: String,
    /// People with a valid token, by address.
    people: Vec<MemberView>,
    /// Valid tokens without a person: programs.
    service_tokens: usize,
}

/// What is to be changed; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TeamBody {
    /// What people call it, 1 to 100 characters.
    name: Option<String>,
}

/// A number that is another one for another name or slug: an organisation has no version of its own.
fn version(tenant: &Tenant) -> u64 {
    let digest = token_digest(&format!("{}\n{}", tenant.slug, tenant.name));
    digest
        .get(..12)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or_default()
}

async fn view(cx: &Context, tenant: &Tenant) -> Result<TeamView, Problem> {
    let now = cx.now();
    let mut people: BTreeMap<String, Role> = BTreeMap::new();
    let mut service_tokens = 0;
    for token in cx.app.store.tokens(tenant.id).await? {
        if token.revoked_at.is_some() || token.expires_at.is_some_and(|at| at <= now) {
            continue;
        }
        match (token.person, token.role.parse::<Role>()) {
            (Some(person), Ok(role)) => {
                let highest = people.entry(person).or_insert(role);
                *highest = (*highest).max(role);
            }
            (None, Ok(_)) => service_tokens += 1,
            // Of a role that this version does not know: it opens nothing here.
            (_, Err(_)) => {}
        }
    }
    let people = people.into_iter().map(|(person, role)| MemberView {
        person,
        role: role.word().to_owned(),
    });
    Ok(TeamView {
        id: tenant.id.to_string(),
        slug: tenant.slug.clone(),
        name: tenant.name.clone(),
        people: people.collect(),
        service_tokens,
    })
}

/// The organisation: what it is called, and who has a way in.
#[utoipa::path(tag = "Team", responses((status = 200, description = "The organisation", body = TeamView)))]
#[get("/team/settings")]
pub(crate) async fn read(cx: Context) -> Answered {
    let tenant = &cx.who.tenant;
    Ok(Answer::ok(&view(&cx, tenant).await?).version(version(tenant)))
}

/// Gives the organisation another name. Its slug, by which paths name it, stays.
#[utoipa::path(tag = "Team", request_body = TeamBody,
    responses((status = 200, description = "The organisation", body = TeamView)))]
#[patch("/team/settings")]
pub(crate) async fn change(cx: Context, body: Body<TeamBody>) -> Answered {
    cx.at_least(Role::Admin)?;
    let Body(body) = body;
    Checks::new()
        .text_if("/name", body.name.as_deref(), 1, 100)
        .done()?;
    let mut tenant = cx.who.tenant.clone();
    cx.unchanged(version(&tenant))?;
    if let Some(name) = body.name {
        tenant.name = name.trim().to_owned();
        let change = Change::RenameTenant(tenant.id, &tenant.slug, &tenant.name);
        if !cx.set_up(&change).await? {
            return Err(Problem::missing("tenant"));
        }
    }
    Ok(Answer::ok(&view(&cx, &tenant).await?).version(version(&tenant)))
}
