//! What a release brings, read from its repository.

use super::load::find;
use crate::answer::{Answer, Answered};
use crate::context::Context;
use actix_web::get;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::changes::{self, Span};
use delivr_domain::ports::vendor::Commit;
use serde::Serialize;
use utoipa::ToSchema;

/// A commit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommitView {
    sha: String,
    /// First line of its message.
    subject: String,
    /// Name of its author.
    author: String,
    at: DateTime<Utc>,
    /// Tickets that its first line names.
    tickets: Vec<String>,
    /// Pull requests that its first line names, as the host writes it when it merges.
    pull_requests: Vec<u64>,
}

/// Commits between two refs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpanView {
    /// The older ref.
    base: String,
    /// How many commits there are.
    count: usize,
    /// The newest first, at most 300.
    commits: Vec<CommitView>,
    /// Every ticket that they name.
    tickets: Vec<String>,
    /// Every pull request that they name.
    pull_requests: Vec<u64>,
}

/// What a release brings.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangesView {
    /// Where the release is now: its tag, else its branch, else the branch that it will fork from.
    head: String,
    /// Since the last release of the service that shipped; none when none has: then everything is new.
    shipped: Option<SpanView>,
    /// Number of the last regression cycle with a tag.
    cycle: Option<u16>,
    /// What was picked since that cycle.
    picked: Option<SpanView>,
}

fn commit(it: &Commit) -> CommitView {
    CommitView {
        sha: it.sha.to_string(),
        subject: it.subject.clone(),
        author: it.author.clone(),
        at: it.at,
        tickets: changes::tickets(&it.subject),
        pull_requests: changes::pull_requests(&it.subject),
    }
}

fn span(it: &Span) -> SpanView {
    let commits: Vec<CommitView> = it.commits.iter().map(commit).collect();
    let mut tickets: Vec<String> = commits.iter().flat_map(|it| it.tickets.clone()).collect();
    tickets.sort();
    tickets.dedup();
    let mut pull_requests: Vec<u64> = commits.iter().flat_map(|it| it.pull_requests.clone()).collect();
    pull_requests.sort_unstable();
    pull_requests.dedup();
    SpanView {
        base: it.base.to_string(),
        count: it.count,
        commits,
        tickets,
        pull_requests,
    }
}

/// What the release brings: commits since the last one that shipped, and since its last regression cycle, with the
/// tickets and pull requests that they name. The repository is read for it, within 10 s.
#[utoipa::path(tag = "Releases", responses((status = 200, description = "What it brings", body = ChangesView)))]
#[get("/releases/{releaseId}/changes")]
pub(crate) async fn read(cx: Context) -> Answered {
    // It makes work for the repository's host, which looking does not.
    cx.at_least(Role::Member)?;
    let (_row, release) = find(&cx).await?;
    let found = changes::read(&cx.app, cx.tenant(), &release).await?;
    Ok(Answer::ok(&ChangesView {
        head: found.head.to_string(),
        shipped: found.shipped.as_ref().map(span),
        cycle: found.cycle.as_ref().map(|(number, _)| *number),
        picked: found.cycle.as_ref().map(|(_, it)| span(it)),
    }))
}
