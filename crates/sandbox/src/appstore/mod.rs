//! App Store Connect: builds, versions, texts, review submissions, release and phased release.

mod actions;
mod body;
mod errors;
mod moves;
mod query;
mod reads;
mod release;
mod review;
mod state;
mod texts;
mod versions;
mod views;

use serde_json::{Value, json};

use self::errors::{Outcome, forbidden, no_path, throttled, unauthorized};
use self::state::NAME;
use crate::answer::Answer;
use crate::call::Call;
use crate::jwt::{Algorithm, verify};
use crate::vendor::{Event, Vendor};
use crate::world::Context;

pub(crate) use self::state::AppStore;

/// Generated for this sandbox; it opens nothing else.
const KEY_PEM: &str = include_str!("../../keys/appstore-sandbox.p8");
const KEY_ID: &str = "SANDBOXK3Y";
const ISSUER: &str = "57246542-96fe-1a63-e053-0824d011072a";
const AUDIENCE: &str = "appstoreconnect-v1";
const LONGEST_SECONDS: i64 = 20 * 60;
const HOURLY: u32 = 3500;
impl Vendor for AppStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operation(&self, call: &Call) -> &'static str {
        let parts = call.parts();
        match (call.method.as_str(), parts.as_slice()) {
            ("GET", ["v1", "apps"]) => "list_apps",
            ("GET", ["v1", "builds", ..]) | ("GET", ["v1", "apps", _, "builds"]) => "list_builds",
            ("GET", ["v1", "apps", _, "appStoreVersions"]) => "list_versions",
            ("GET", ["v1", "appStoreVersions", ..]) => "get_version",
            ("GET", ["v1", "reviewSubmissions", ..]) | ("GET", ["v1", "apps", _, "reviewSubmissions"]) => {
                "list_submissions"
            }
            ("POST", ["v1", "appStoreVersions"]) => "create_version",
            ("PATCH", ["v1", "appStoreVersions", _]) => "update_version",
            ("DELETE", ["v1", "appStoreVersions", _]) => "delete_version",
            ("PATCH", ["v1", "appStoreVersions", _, "relationships", "build"]) => "attach_build",
            ("POST" | "PATCH", ["v1", "appStoreVersionLocalizations", ..]) => "set_notes",
            ("PATCH", ["v1", "builds", _]) => "update_build",
            ("POST", ["v1", "reviewSubmissions"]) => "create_submission",
            ("POST", ["v1", "reviewSubmissionItems"]) => "add_item",
            ("DELETE", ["v1", "reviewSubmissionItems", _]) => "remove_item",
            ("PATCH", ["v1", "reviewSubmissions", _]) => {
                let canceled = call
                    .json()
                    .ok()
                    .and_then(|body| body.pointer("/data/attributes/canceled").cloned());
                if canceled == Some(Value::Bool(true)) {
                    "cancel_submission"
                } else {
                    "submit"
                }
            }
            ("POST", ["v1", "appStoreVersionReleaseRequests"]) => "release",
            ("POST", ["v1", "appStoreVersionPhasedReleases"]) => "create_phased",
            ("PATCH", ["v1", "appStoreVersionPhasedReleases", _]) => "set_phased",
            ("DELETE", ["v1", "appStoreVersionPhasedReleases", _]) => "delete_phased",
            _ => "other",
        }
    }

    fn handle(&mut self, ctx: &mut Context, call: &Call) -> Answer {
        let answer = if self.remaining == 0 {
            throttled()
        } else {
            self.remaining -= 1;
            let checked = self.authorize(ctx, call);
            checked
                .and_then(|()| self.route(ctx, call))
                .unwrap_or_else(|refusal| refusal)
        };
        answer.header(
            "x-rate-limit",
            format!("user-hour-lim:{HOURLY};user-hour-rem:{};", self.remaining),
        )
    }

    fn advance(&mut self, ctx: &mut Context, action: &str, args: &Value) -> Result<Value, String> {
        actions::perform(self, ctx, action, args)
    }

    fn tick(&mut self, ctx: &mut Context) {
        self.advance_by_itself(ctx);
    }

    fn on_event(&mut self, ctx: &mut Context, event: &Event) {
        if let Event::IosBuild {
            version,
            build,
            bundle_id,
        } = event
        {
            // A number used before is refused at upload; the job succeeded all the same.
            self.upload(ctx, bundle_id.as_deref(), version, build);
        }
    }

    fn credentials(&self, base: &str) -> Value {
        json!({
            "key": "appstore",
            "config": {"issuerId": ISSUER, "keyId": KEY_ID, "bundleId": "com.example.shop", "baseUrl": base,
                       "locales": ["en-US", "de-DE"]},
            "credentials": {"privateKeyPem": KEY_PEM},
        })
    }

    fn throttled(&self, retry_after: Option<u64>) -> Answer {
        let answer = throttled().header("x-rate-limit", format!("user-hour-lim:{HOURLY};user-hour-rem:0;"));
        match retry_after {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    fn refused(&self, status: u16) -> Answer {
        let detail =
            "The server encountered an unexpected condition that prevented it from fulfilling the request.";
        errors::error(
            status,
            "UNEXPECTED_ERROR",
            "An unexpected error occurred.",
            detail,
            None,
            None,
        )
    }
}

impl AppStore {
    fn authorize(&self, ctx: &Context, call: &Call) -> Outcome<()> {
        let access = ctx.access(NAME);
        let token = call
            .bearer()
            .filter(|_| !access.revoked)
            .ok_or_else(unauthorized)?;
        let token = verify(token, Algorithm::Es256, KEY_PEM).map_err(|_| unauthorized())?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| token.claims.get(name).and_then(Value::as_i64);
        let now = ctx.now() / 1000;
        let lasting = number("exp").is_some_and(|exp| exp > now && exp - now <= LONGEST_SECONDS);
        let begun = number("iat").is_none_or(|iat| iat <= now);
        let ours = text(&token.header, "kid").as_deref() == Some(KEY_ID)
            && text(&token.claims, "iss").as_deref() == Some(ISSUER)
            && text(&token.claims, "aud").as_deref() == Some(AUDIENCE);
        if !(lasting && begun && ours) {
            return Err(unauthorized());
        }
        if self.agreements_missing {
            return Err(forbidden(
                "FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED",
                "A required agreement is missing or has expired. The Account Holder must accept it.",
            ));
        }
        if access.forbidden && call.method != "GET" {
            return Err(forbidden(
                "FORBIDDEN_ERROR",
                "The API key in use does not allow this request",
            ));
        }
        Ok(())
    }

    fn route(&mut self, ctx: &mut Context, call: &Call) -> Outcome<Answer> {
        let parts = call.parts();
        let ["v1", rest @ ..] = parts.as_slice() else {
            return Err(no_path(&call.path));
        };
        match (call.method.as_str(), rest) {
            ("GET", rest) => {
                self.count_read(rest);
                self.read(ctx, call, rest)
            }
            ("POST", ["appStoreVersions"]) => self.create_version(ctx, call),
            ("PATCH", ["appStoreVersions", id]) => self.update_version(ctx, call, id),
            ("DELETE", ["appStoreVersions", id]) => self.delete_version(ctx, id),
            ("PATCH", ["appStoreVersions", id, "relationships", "build"]) => self.link_build(ctx, call, id),
            ("POST", ["appStoreVersionLocalizations"]) => self.create_localization(ctx, call),
            ("PATCH", ["appStoreVersionLocalizations", id]) => self.update_localization(ctx, call, id),
            ("DELETE", ["appStoreVersionLocalizations", id]) => self.delete_localization(ctx, id),
            ("PATCH", ["builds", id]) => self.update_build(ctx, call, id),
            ("POST", ["reviewSubmissions"]) => self.create_submission(ctx, call),
            ("PATCH", ["reviewSubmissions", id]) => self.update_submission(ctx, call, id),
            ("POST", ["reviewSubmissionItems"]) => self.add_item(ctx, call),
            ("DELETE", ["reviewSubmissionItems", id]) => self.delete_item(ctx, id),
            ("POST", ["appStoreVersionReleaseRequests"]) => self.release(ctx, call),
            ("POST", ["appStoreVersionPhasedReleases"]) => self.create_phased(ctx, call),
            ("PATCH", ["appStoreVersionPhasedReleases", id]) => self.update_phased(ctx, call, id),
            ("DELETE", ["appStoreVersionPhasedReleases", id]) => self.delete_phased(ctx, id),
            ("POST", ["appStoreVersionSubmissions"]) => Err(forbidden(
                "FORBIDDEN_ERROR",
                "The resource 'appStoreVersionSubmissions' does not allow 'CREATE'. Allowed operation is: DELETE",
            )),
            _ => Err(no_path(&call.path)),
        }
    }
}
