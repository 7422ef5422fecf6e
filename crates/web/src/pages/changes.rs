//! What a release brings: commits, tickets and pull requests, read from its repository.

use crate::api::Call;
use crate::frame::{Frame, page};
use crate::model::Release;
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    sha: String,
    subject: String,
    author: String,
    at: DateTime<Utc>,
    tickets: Vec<String>,
    pull_requests: Vec<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    base: String,
    count: usize,
    commits: Vec<Commit>,
    tickets: Vec<String>,
    pull_requests: Vec<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    head: String,
    shipped: Option<Span>,
    cycle: Option<u16>,
    picked: Option<Span>,
}

/// A list of commits under its heading.
struct Part {
    id: &'static str,
    title: String,
    span: Span,
}

#[derive(Template)]
#[template(path = "changes.html")]
struct Page {
    frame: Frame,
    release: Release,
    head: String,
    /// Something shipped before it.
    shipped: bool,
    parts: Vec<Part>,
    /// Why nothing was read.
    blocked: Option<String>,
}

/// The page. It reads the repository, which nobody does by looking around: whoever may not is told so.
pub(super) async fn show(visit: Visit) -> Paged {
    let key = visit.segment("key")?;
    let release: Release = visit.look(format!("/releases/{key}?include=")).await?;
    let mut template = Page {
        frame: visit.checked_frame("releases").await,
        head: String::new(),
        shipped: false,
        parts: Vec::new(),
        blocked: None,
        release,
    };
    if visit.who.role < Role::Member {
        template.blocked = Some(format!(
            "Reading the repository needs the role MEMBER; yours is {}. An admin of your organisation can give you a \
             token that can.",
            visit.who.role
        ));
        return Ok(page(StatusCode::OK, &template));
    }
    let call = Call::get(format!("/releases/{key}/changes"));
    let reply = visit.api.call(&visit.who, call).await;
    let back = format!("/releases/{}", template.release.key);
    let found: Changes = reply.read().map_err(|reply| visit.refuse_from(reply, &back))?;
    template.head = found.head;
    template.shipped = found.shipped.is_some();
    if let (Some(number), Some(span)) = (found.cycle, found.picked) {
        template.parts.push(Part {
            id: "picked",
            title: format!("Picked since cycle {number}"),
            span,
        });
    }
    if let Some(span) = found.shipped {
        template.parts.push(Part {
            id: "shipped",
            title: "Since the last release".to_owned(),
            span,
        });
    }
    Ok(page(StatusCode::OK, &template))
}
