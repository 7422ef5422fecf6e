//! Google Play's publishing API: tokens, edits, bundles, tracks, reviews.

mod actions;
mod commit;
mod console;
mod edits;
mod errors;
mod rules;
mod state;

use serde_json::{Value, json};

use self::errors::{Outcome, forbidden, not_found, throttled, token, unauthenticated};
use self::state::NAME;
use crate::answer::Answer;
use crate::call::Call;
use crate::jwt::{Algorithm, verify};
use crate::vendor::{Event, Vendor};
use crate::world::Context;

pub(crate) use self::state::PlayStore;

/// Generated for this sandbox; it opens nothing else.
const KEY_PEM: &str = include_str!("../../keys/playstore-sandbox.pem");
const KEY_ID: &str = "5a9d0b0c0ffee0000000000000000000sandbox0";
const EMAIL: &str = "delivr@sandbox.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/androidpublisher";
const GOOGLE_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Skew that the token endpoint forgives.
const SKEW_SECONDS: i64 = 60;

/// `edits/{id}` with an optional `:verb`.
fn edit_and_verb(segment: &str) -> (&str, &str) {
    segment.split_once(':').unwrap_or((segment, ""))
}

impl Vendor for PlayStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operation(&self, call: &Call) -> &'static str {
        let parts = call.parts();
        match (call.method.as_str(), parts.as_slice()) {
            (_, ["token"]) => "token",
            ("POST", ["upload", .., "bundles"]) => "upload",
            (method, ["androidpublisher", "v3", "applications", _, rest @ ..]) => match (method, rest) {
                ("POST", ["edits"]) => "insert_edit",
                ("GET", ["edits", _]) => "get_edit",
                ("DELETE", ["edits", _]) => "delete_edit",
                ("POST", ["edits", edit]) => match edit_and_verb(edit).1 {
                    "commit" => "commit",
                    "validate" => "validate",
                    _ => "other",
                },
                ("GET", ["edits", _, "bundles"]) => "list_bundles",
                ("GET", ["edits", _, "details"]) => "get_details",
                ("GET", ["edits", _, "listings"]) => "list_listings",
                ("GET", ["edits", _, "tracks"]) => "list_tracks",
                ("GET", ["edits", _, "tracks", _]) => "get_track",
                ("PUT" | "PATCH", ["edits", _, "tracks", _]) => "put_track",
                ("GET", ["tracks", _, "releases"]) => "releases",
                _ => "other",
            },
            _ => "other",
        }
    }

    fn handle(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let operation = self.operation(call);
        if let Some(refusal) = self.refusal(operation) {
            return refusal;
        }
        self.let_others_act(ctx, operation);
        let parts = call.parts();
        let outcome = match parts.as_slice() {
            ["token"] => self.grant(ctx, call),
            parts => self
                .authorize(ctx, call)
                .and_then(|()| self.route(ctx, call, parts)),
        };
        outcome.unwrap_or_else(|refusal| refusal)
    }

    fn advance(&mut self, ctx: &mut Context, action: &str, args: &Value) -> Result<Value, String> {
        actions::perform(self, ctx, action, args)
    }

    fn tick(&mut self, ctx: &mut Context) {
        self.advance_by_itself(ctx);
    }

    fn on_event(&mut self, ctx: &mut Context, event: &Event) {
        if let Event::AndroidBundle {
            version,
            version_code,
            package,
        } = event
        {
            self.deliver(ctx, package.as_deref(), version, *version_code);
        }
    }

    fn credentials(&self, base: &str) -> Value {
        let token_uri = format!("{base}/token");
        let account = json!({
            "type": "service_account",
            "project_id": "sandbox",
            "private_key_id": KEY_ID,
            "private_key": KEY_PEM,
            "client_email": EMAIL,
            "client_id": "100000000000000000001",
            "token_uri": token_uri,
        });
        json!({
            "key": "playstore",
            "config": {"packageName": "com.example.shop", "track": "production", "baseUrl": base,
                       "tokenUri": token_uri},
            "credentials": {"serviceAccountJson": account.to_string()},
        })
    }

    fn throttled(&self, retry_after: Option<u64>) -> Answer {
        match retry_after {
            Some(seconds) => throttled().header("retry-after", seconds.to_string()),
            None => throttled(),
        }
    }

    fn refused(&self, status: u16) -> Answer {
        let (word, message) = match status {
            503 => ("UNAVAILABLE", "The service is currently unavailable."),
            _ => ("INTERNAL", "Internal error encountered."),
        };
        errors::error(status, word, "backendError", message)
    }
}

impl PlayStore {
    /// Exchanges a signed assertion for an access token.
    fn grant(&mut self, ctx: &mut Context, call: &Call) -> Outcome<Answer> {
        if call.method != "POST" {
            return Err(token(405, "invalid_request", "Method not allowed."));
        }
        let form = call.form();
        let field = |name: &str| {
            form.iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        if field("grant_type") != Some(GRANT) {
            return Err(token(400, "unsupported_grant_type", "Invalid grant_type."));
        }
        let invalid = |description: &str| token(400, "invalid_grant", description);
        let assertion = field("assertion").ok_or_else(|| invalid("The assertion is missing."))?;
        let parts =
            verify(assertion, Algorithm::Rs256, KEY_PEM).map_err(|_| invalid("Invalid JWT Signature."))?;
        let text = |name: &str| parts.claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| parts.claims.get(name).and_then(Value::as_i64).unwrap_or(0);
        let kid = parts.header.get("kid").and_then(Value::as_str);
        if ctx.access(NAME).revoked || kid.is_some_and(|kid| kid != KEY_ID) {
            return Err(invalid("Invalid JWT Signature."));
        }
        if text("iss") != EMAIL {
            return Err(invalid("Invalid grant: account not found"));
        }
        if ![GOOGLE_TOKEN_URI, &format!("{}/token", call.base)].contains(&text("aud")) {
            return Err(invalid("Invalid JWT: Failed audience check."));
        }
        let (now, issued, expires) = (ctx.now() / 1000, number("iat"), number("exp"));
        let sane = issued <= now + SKEW_SECONDS && expires > now && expires - issued <= 3600;
        if !sane {
            return Err(invalid(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
            ));
        }
        if !text("scope").split(' ').any(|scope| scope == SCOPE) {
            return Err(token(
                400,
                "invalid_scope",
                "Invalid OAuth scope or ID token audience provided.",
            ));
        }
        let issued = ctx.ids.next("playstore token");
        let access = format!("ya29.{}", ctx.ids.hash(&format!("token {issued}"), 48));
        self.tokens
            .insert(access.clone(), ctx.now() + self.token_seconds * 1000);
        let body = json!({"access_token": access, "expires_in": self.token_seconds, "token_type": "Bearer"});
        Ok(Answer::json(200, &body))
    }

    fn authorize(&self, ctx: &Context, call: &Call) -> Outcome<()> {
        let access = ctx.access(NAME);
        let expiry = call.bearer().and_then(|token| self.tokens.get(token));
        if access.revoked || expiry.is_none_or(|expiry| *expiry <= ctx.now()) {
            return Err(unauthenticated());
        }
        if access.forbidden {
            return Err(forbidden("forbidden", "The caller does not have permission"));
        }
        Ok(())
    }

    fn route(&mut self, ctx: &mut Context, call: &Call, parts: &[&str]) -> Outcome<Answer> {
        let nothing = || Err(not_found("notFound", "Requested entity was not found."));
        let (upload, rest) = match parts {
            ["upload", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let ["androidpublisher", "v3", "applications", package, rest @ ..] = rest else {
            return nothing();
        };
        match (call.method.as_str(), upload, rest) {
            ("POST", true, ["edits", edit, "bundles"]) => self.upload(ctx, call, package, edit),
            (_, true, _) => nothing(),
            ("GET", _, ["tracks", track, "releases"]) => self.lifecycle(package, track),
            ("POST", _, ["edits"]) => self.insert_edit(ctx, call, package),
            ("GET", _, ["edits", edit]) => {
                let edit = self.edit(ctx, package, edit)?;
                Ok(Answer::json(200, &edit.view()))
            }
            ("DELETE", _, ["edits", edit]) => self.delete_edit(ctx, package, edit),
            ("POST", _, ["edits", edit]) => match edit_and_verb(edit) {
                (edit, "commit") => self.commit(ctx, call, package, edit),
                (edit, "validate") => self.validate(ctx, package, edit),
                _ => nothing(),
            },
            ("GET", _, ["edits", edit, "bundles"]) => self.list_bundles(ctx, package, edit),
            ("GET", _, ["edits", edit, "details"]) => self.details(ctx, package, edit),
            ("GET", _, ["edits", edit, "listings"]) => self.listings(ctx, package, edit),
            ("GET", _, ["edits", edit, "tracks"]) => self.list_tracks(ctx, package, edit),
            ("GET", _, ["edits", edit, "tracks", track]) => self.get_track(ctx, package, edit, track),
            ("PUT" | "PATCH", _, ["edits", edit, "tracks", track]) => {
                self.put_track(ctx, call, package, edit, track)
            }
            _ => nothing(),
        }
    }
}
