//! The status page: how a release or a service stands, for people without a way in, by a link.

use crate::frame::{Frame, page, refused};
use crate::shown::percent;
use crate::visit::{api, bare, is_segment, no};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;

/// How something stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    organisation: String,
    service: Option<String>,
    as_of: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    releases: Vec<ReleaseStatus>,
}

/// How a release stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseStatus {
    key: String,
    title: String,
    version: String,
    stage: String,
    waits: Option<String>,
    kickoff_at: DateTime<Utc>,
    target_date: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    targets: Vec<TargetStatus>,
}

/// How a target stands.
#[derive(Debug, Clone, Deserialize)]
struct TargetStatus {
    target: String,
    version: String,
    status: String,
    exposure: u16,
    live: bool,
}

/// A step on the way of a release.
struct Step {
    name: &'static str,
    /// `done`, `current` or `next`.
    state: &'static str,
    mark: &'static str,
}

const STEPS: &[(&str, &str)] = &[
    ("KICKOFF", "Preparation"),
    ("REGRESSION", "Testing"),
    ("PRE_RELEASE", "Final build"),
    ("DISTRIBUTION", "Release to users"),
];

impl ReleaseStatus {
    fn steps(&self) -> Vec<Step> {
        let at = match self.stage.as_str() {
            "NOT_STARTED" => None,
            "COMPLETED" => Some(STEPS.len()),
            word => STEPS.iter().position(|(known, _)| *known == word),
        };
        // What was given up or rolled back is on no way any more.
        let steps = STEPS.iter().enumerate().map(|(index, (_, name))| {
            let (state, mark) = match at {
                Some(at) if index < at => ("done", "good"),
                Some(at) if index == at => ("current", "busy"),
                Some(_) | None => ("next", "plain"),
            };
            Step { name, state, mark }
        });
        steps.collect()
    }
    /// Where it stands, in a few words, and how good or bad that is.
    fn word(&self) -> (&'static str, &'static str) {
        match (self.stage.as_str(), self.waits.as_deref()) {
            ("COMPLETED", _) => ("Released", "good"),
            ("ROLLED_BACK", _) => ("Rolled back", "bad"),
            ("ARCHIVED", _) => ("Given up", "plain"),
            (_, Some("TROUBLE")) => ("Delayed by a problem", "bad"),
            (_, Some("PAUSED")) => ("Paused", "warn"),
            ("NOT_STARTED", _) => ("Planned", "plain"),
            (_, Some(_)) => ("Waits for a decision", "warn"),
            (_, None) => ("On its way", "busy"),
        }
    }
}

impl TargetStatus {
    fn share(&self) -> String {
        percent(self.exposure)
    }
}

#[derive(Template)]
#[template(path = "status.html")]
struct Page {
    frame: Frame,
    status: Status,
}

/// Nobody learns from where the page was come from or gone to, and no search finds it.
fn private(mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex, nofollow"),
    );
    response
}

/// The page.
pub(super) async fn show(request: HttpRequest) -> HttpResponse {
    let frame = bare(&request);
    let missing = || {
        no(
            StatusCode::NOT_FOUND,
            "this link shows nothing: it is not whole, or it has expired, or was revoked; ask whoever gave it to you",
        )
    };
    let word = request.match_info().get("link").unwrap_or_default();
    let Some(api) = api(&request).filter(|_| is_segment(word)) else {
        return private(refused(&frame, &missing(), None));
    };
    let reply = api.open(&format!("/status/{word}")).await;
    let response = match reply.read::<Status>() {
        Ok(status) => page(StatusCode::OK, &Page { frame, status }),
        Err(reply) if reply.status == StatusCode::NOT_FOUND => refused(&frame, &missing(), None),
        Err(reply) => refused(&frame, &reply, None),
    };
    private(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(stage: &str, waits: Option<&str>) -> ReleaseStatus {
        ReleaseStatus {
            key: "REL-1".to_owned(),
            title: String::new(),
            version: String::new(),
            stage: stage.to_owned(),
            waits: waits.map(ToOwned::to_owned),
            kickoff_at: DateTime::default(),
            target_date: None,
            updated_at: DateTime::default(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn steps_follow_the_stage() {
        for (stage, states) in [
            ("NOT_STARTED", ["next"; 4]),
            ("REGRESSION", ["done", "current", "next", "next"]),
            ("DISTRIBUTION", ["done", "done", "done", "current"]),
            ("COMPLETED", ["done"; 4]),
            ("ARCHIVED", ["next"; 4]),
        ] {
            let found: Vec<&str> = release(stage, None).steps().iter().map(|it| it.state).collect();
            assert_eq!(found, states, "{stage}");
        }
    }

    #[test]
    fn an_end_is_told_before_what_it_waited_for() {
        assert_eq!(release("COMPLETED", Some("TROUBLE")).word().0, "Released");
        assert_eq!(release("NOT_STARTED", Some("PAUSED")).word().0, "Paused");
        assert_eq!(release("NOT_STARTED", None).word().0, "Planned");
        assert_eq!(
            release("REGRESSION", Some("PEOPLE")).word().0,
            "Waits for a decision"
        );
    }
}
