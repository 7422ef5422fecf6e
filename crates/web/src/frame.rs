//! What every page has: its frame, its headers, and the refusals that stand in for it.

use crate::api::Reply;
use crate::assets;
use crate::bidi::contained;
use crate::model::Problem;
use crate::setup::Stopped;
use crate::shown::{brief, face, initials, known, person, short, told, tone, words};
use crate::when::{Instant, When};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;
use chrono::{DateTime, Utc};

/// Nothing but what this server sends is loaded, run, asked or sent to.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Theme {
    /// As the system has it.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
    pub(crate) fn read(word: &str) -> Self {
        match word {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }
}

/// Whom the page is for.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) actor: String,
    pub(crate) role: &'static str,
    pub(crate) organisation: String,
    pub(crate) csrf: String,
}

/// What stands around a page's content.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) css: &'static str,
    pub(crate) js: &'static str,
    pub(crate) theme: Theme,
    /// The entry of the navigation that this page belongs to.
    pub(crate) nav: &'static str,
    pub(crate) who: Option<Visitor>,
    /// What was just done, from a fixed list of sentences.
    pub(crate) done: Option<&'static str>,
    /// What the whole installation suffers from.
    pub(crate) warnings: Vec<String>,
    /// What stops the line of the visitor's organisation.
    pub(crate) stops: Vec<Stopped>,
    /// Whether this is practice: every page says so.
    pub(crate) practice: bool,
    pub(crate) now: DateTime<Utc>,
}

impl Frame {
    /// The frame of a page for nobody in particular.
    pub(crate) fn bare(theme: Theme, now: DateTime<Utc>) -> Self {
        Self {
            css: assets::style(),
            js: assets::script(),
            theme,
            nav: "",
            who: None,
            done: None,
            warnings: Vec::new(),
            stops: Vec::new(),
            practice: false,
            now,
        }
    }
    /// An instant with its distance.
    pub(crate) fn when(&self, at: impl Instant) -> When {
        When::new(at.instant(), self.now)
    }
    /// The same for where there is little room.
    pub(crate) fn both(&self, at: impl Instant) -> When {
        When::short(at.instant(), self.now)
    }
    /// A word of the API as people write it.
    pub(crate) fn words(&self, word: impl AsRef<str>) -> String {
        words(word.as_ref())
    }
    /// What is known of the object of a failed attempt, as a sentence.
    pub(crate) fn known(&self, outcome: impl AsRef<str>) -> String {
        known(outcome.as_ref())
    }
    /// A target in one word.
    pub(crate) fn brief(&self, target: impl AsRef<str>) -> String {
        brief(target.as_ref())
    }
    /// A sentence of the API as people write it.
    pub(crate) fn told(&self, sentence: impl AsRef<str>) -> String {
        told(sentence.as_ref())
    }
    /// How good or bad a word is, as a class.
    pub(crate) fn tone(&self, word: impl AsRef<str>) -> &'static str {
        tone(word.as_ref())
    }
    /// A commit as people name it.
    pub(crate) fn short(&self, sha: impl AsRef<str>) -> String {
        short(sha.as_ref()).to_owned()
    }
    /// The name of somebody, as far as their address tells it.
    pub(crate) fn person(&self, who: impl AsRef<str>) -> String {
        person(who.as_ref())
    }
    /// The first letters of somebody's name.
    pub(crate) fn initials(&self, who: impl AsRef<str>) -> String {
        initials(who.as_ref())
    }
    /// The colour that somebody has everywhere, as a class.
    pub(crate) fn face(&self, who: impl AsRef<str>) -> &'static str {
        face(who.as_ref())
    }
    /// The server's time, from which a page's script counts: the visitor's clock may be wrong.
    pub(crate) fn iso(&self) -> String {
        self.now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }
    /// The visitor's secret for forms.
    pub(crate) fn csrf(&self) -> &str {
        self.who.as_ref().map_or("", |who| &who.csrf)
    }
}

/// The start of every answer that is a page.
pub(crate) fn respond(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.content_type("text/html; charset=utf-8");
    let fixed = [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ];
    for (name, value) in fixed {
        response.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
    }
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response
}

/// A page from its template.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(text) => respond(status).body(contained(text)),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            respond(StatusCode::INTERNAL_SERVER_ERROR)
                .body("<!doctype html><html lang=\"en\"><title>Delivr</title><p>This page could not be written.</p></html>")
        }
    }
}

/// Another page is to be read. The answer to a form, so that going back does not send it again.
pub(crate) fn go(path: &str) -> HttpResponse {
    let mut response = respond(StatusCode::SEE_OTHER);
    match HeaderValue::from_str(path) {
        Ok(path) => response.insert_header((header::LOCATION, path)),
        Err(_) => response.insert_header((header::LOCATION, HeaderValue::from_static("/"))),
    };
    response.finish()
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused<'a> {
    frame: &'a Frame,
    title: &'a str,
    problem: &'a Problem,
    back: Option<&'a str>,
}

/// A refusal as a page: what was refused, why, who can clear it.
pub(crate) fn refused(frame: &Frame, reply: &Reply, back: Option<&str>) -> HttpResponse {
    let problem = Problem::of(reply);
    let title = match reply.status {
        StatusCode::NOT_FOUND => "This is not here",
        StatusCode::FORBIDDEN => "This is not for you to do",
        StatusCode::CONFLICT => "This cannot be done now",
        StatusCode::PRECONDITION_FAILED => "Somebody was faster",
        StatusCode::TOO_MANY_REQUESTS => "Too often",
        status if status.is_server_error() => "Something is broken",
        _ => "This does not fit",
    };
    let template = Refused {
        frame,
        title,
        problem: &problem,
        back,
    };
    page(reply.status, &template)
}
