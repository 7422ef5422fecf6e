//! Who calls: tokens of a person, and the GitHub App with its installation tokens.

use chrono::DateTime;
use serde_json::{Value, json};

use super::errors::{Outcome, not_found, refused};
use super::state::{GitHub, LIMIT, NAME, OWNER, Token, instant};
use crate::answer::Answer;
use crate::call::Call;
use crate::jwt::{Algorithm, verify};
use crate::world::Context;

/// A fine-grained personal token.
pub(super) const TOKEN: &str = "github_pat_11SANDBOX00000000000_notasecretbutlookslikeone";
/// A classic personal token.
pub(super) const CLASSIC: &str = "ghp_sandboxclassic00000000000000000000";
pub(super) const APP_ID: u64 = 4242;
pub(super) const INSTALLATION: u64 = 777_001;
/// Generated for this sandbox; it opens nothing else.
pub(super) const KEY_PEM: &str = include_str!("../../keys/github-sandbox.pem");
const HOUR_MS: i64 = 3_600_000;

/// Kinds of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Fine-grained personal token.
    FineGrained,
    /// Classic personal token: the only kind with a header of scopes.
    Classic,
    /// The App itself, by its signed token.
    App,
    /// The App's installation in the organization.
    Installation,
}

impl GitHub {
    pub(super) fn authenticate(&self, ctx: &Context, call: &Call) -> Result<Caller, Answer> {
        let bad = || refused(401, "Bad credentials");
        let given = call
            .header("authorization")
            .ok_or_else(|| refused(401, "Requires authentication"))?;
        let (scheme, token) = given.split_once(' ').ok_or_else(bad)?;
        if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("token") {
            return Err(bad());
        }
        if ctx.access(NAME).revoked {
            return Err(bad());
        }
        match token.trim() {
            TOKEN => Ok(Caller::FineGrained),
            CLASSIC => Ok(Caller::Classic),
            token if token.split('.').count() == 3 => assertion(ctx, token).map(|()| Caller::App),
            token => {
                let known = self.tokens.iter().find(|known| known.token == token);
                if known.is_some_and(|known| ctx.now() < known.until) && !self.suspended {
                    Ok(Caller::Installation)
                } else {
                    Err(bad())
                }
            }
        }
    }

    /// What the App may do in the organization.
    pub(super) fn installation(&self, ctx: &Context, call: &Call, caller: Caller, id: &str) -> Outcome {
        only_app(caller)?;
        if id != INSTALLATION.to_string() {
            return Err(not_found());
        }
        let views = self.views(&call.base);
        let at = instant(self.window);
        Ok(Answer::json(
            200,
            &json!({"id": INSTALLATION, "account": views.account(OWNER), "repository_selection": "selected",
                    "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", call.base),
                    "repositories_url": format!("{}/installation/repositories", call.base),
                    "html_url": format!("{}/organizations/{OWNER}/settings/installations/{id}", call.base),
                    "app_id": APP_ID, "app_slug": "delivr-sandbox", "target_id": 9919, "target_type": "Organization",
                    "permissions": permissions(ctx), "events": ["push"], "single_file_name": null,
                    "created_at": at, "updated_at": at, "suspended_by": null,
                    "suspended_at": self.suspended.then_some(at.clone())}),
        ))
    }

    /// A new installation token.
    pub(super) fn grant(&mut self, ctx: &mut Context, call: &Call, caller: Caller, id: &str) -> Outcome {
        only_app(caller)?;
        if id != INSTALLATION.to_string() {
            return Err(not_found());
        }
        if self.suspended {
            return Err(refused(403, "This installation has been suspended"));
        }
        let body = call.json().unwrap_or_default();
        let foreign = body
            .get("repositories")
            .and_then(Value::as_array)
            .is_some_and(|list| list.iter().any(|name| name.as_str() != Some(self.repo.as_str())));
        if foreign {
            let words = "There is at least one repository that does not exist or is not accessible to the parent \
                         installation.";
            return Err(refused(422, words));
        }
        let number = ctx.ids.next("github token");
        let token = format!("ghs_{}", ctx.ids.hash(&format!("token {number}"), 36));
        let until = ctx.now() + self.token_seconds * 1000;
        self.tokens.push(Token {
            token: token.clone(),
            until,
        });
        Ok(Answer::json(
            201,
            &json!({"token": token, "expires_at": instant(until), "permissions": permissions(ctx),
                    "repository_selection": "selected"}),
        ))
    }

    /// Whether nothing is left of this hour.
    pub(super) fn spent(&mut self, now: i64) -> bool {
        if now >= self.window + HOUR_MS {
            self.window = now;
            self.used = 0;
        }
        self.used >= LIMIT
    }

    /// When the hour ends, in epoch seconds.
    pub(super) fn reset(&self) -> i64 {
        (self.window + HOUR_MS).div_euclid(1000) + 1
    }
}

fn permissions(ctx: &Context) -> Value {
    if ctx.access(NAME).forbidden {
        json!({"contents": "read", "metadata": "read"})
    } else {
        json!({"actions": "write", "contents": "write", "pull_requests": "write", "metadata": "read"})
    }
}

fn only_app(caller: Caller) -> Result<(), Answer> {
    match caller {
        Caller::App => Ok(()),
        Caller::FineGrained | Caller::Classic | Caller::Installation => {
            Err(refused(401, "A JSON web token could not be decoded"))
        }
    }
}

/// Checks the App's own token as documented: RS256, issued in the past, ten minutes at most.
fn assertion(ctx: &Context, token: &str) -> Result<(), Answer> {
    let bad = |words: &str| refused(401, words);
    let token = verify(token, Algorithm::Rs256, KEY_PEM)
        .map_err(|why| bad(&format!("A JSON web token could not be decoded: {why}")))?;
    let claim = |name: &str| token.claims.get(name);
    let issuer = claim("iss").map(|iss| iss.as_str().map_or_else(|| iss.to_string(), str::to_owned));
    if issuer != Some(APP_ID.to_string()) {
        return Err(bad("'Issuer' claim ('iss') must be an Integer"));
    }
    let seconds = |name: &str| {
        claim(name)
            .and_then(Value::as_i64)
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .map(|at| at.timestamp_millis())
    };
    let (Some(issued), Some(until)) = (seconds("iat"), seconds("exp")) else {
        return Err(bad("Missing 'issued at' claim ('iat') in assertion"));
    };
    let now = ctx.now();
    if issued > now {
        let words = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";
        return Err(bad(words));
    }
    if until <= now {
        return Err(bad(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time",
        ));
    }
    if until > now + 600_000 {
        return Err(bad("'Expiration time' claim ('exp') is too far in the future"));
    }
    Ok(())
}
