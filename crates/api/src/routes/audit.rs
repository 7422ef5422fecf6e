//! The audit of the set-up: who changed which integration, pipeline, service, profile, token, link, switch or name, and
//! what it was before.
//!
//! A line is written in the transaction of its change and never changed afterwards; each carries a digest of itself and of
//! the one before it.

use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{DEFAULT_LIMIT, MOST, Query};
use crate::routes::activities::sought;
use actix_web::get;
use delivr_app::usecases::access::Role;
use delivr_domain::ports::store::{Altered, AuditFilter, AuditLine, Deed, Subject, broken};
use delivr_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(verify).service(list);
}

/// A value that is another one than before.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlteredView {
    /// Which, e.g. `settings.baseUrl` or `credential apiToken`.
    field: String,
    /// What it was; none when there was none. Of a credential, only that it was set.
    before: Option<String>,
    /// What it is; none when there is none any more.
    after: Option<String>,
}

/// A change of the set-up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditView {
    /// Its place among the organisation's lines: 1 is the first, without gap.
    number: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who: a principal's name, `operator` for whoever runs the installation, or `system`.
    actor: String,
    /// INTEGRATION, PIPELINE, SERVICE, PROFILE, TOKEN, LINE, ORGANISATION, STATUS_LINK or CALENDAR_LINK.
    about: &'static str,
    /// Id of that.
    subject_id: String,
    /// What it was called then.
    name: String,
    /// CREATED, CHANGED, REMOVED, REVOKED, STOPPED or RESUMED.
    deed: &'static str,
    /// What happened, in one line.
    summary: String,
    /// What is another one than before.
    changes: Vec<AlteredView>,
    /// SHA-256 of the line and of the one before it.
    digest: String,
}

/// Changes of the set-up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditList {
    items: Vec<AuditView>,
    next_cursor: Option<String>,
}

/// Whether the lines are what was written.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditProof {
    /// None was altered, and none is missing.
    intact: bool,
    /// How many there are.
    lines: u64,
    /// The first number at which something is not what was written.
    broken_at: Option<u64>,
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// At most so many items, 1 to 200; 50 unless said.
    limit: Option<u16>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// About what: INTEGRATION, PIPELINE, SERVICE, PROFILE, TOKEN, LINE, ORGANISATION, STATUS_LINK or CALENDAR_LINK.
    about: Option<String>,
    /// In the name of whoever did it, in whatever case.
    actor: Option<String>,
    /// In what it was called or in what was changed, in whatever case.
    q: Option<String>,
    /// Not before: a day of UTC, or an instant.
    since: Option<String>,
    /// Not after: a day of UTC, which belongs to it, or an instant, which does not.
    until: Option<String>,
}

/// What a thing is called in a sentence.
const fn thing(subject: Subject) -> &'static str {
    match subject {
        Subject::Integration => "integration",
        Subject::Pipeline => "pipeline",
        Subject::Service => "service",
        Subject::Profile => "profile",
        Subject::Token => "token",
        Subject::Line => "line",
        Subject::Organisation => "organisation",
        Subject::StatusLink => "status link",
        Subject::CalendarLink => "calendar link",
    }
}

/// What happened, in one line.
fn summary(line: &AuditLine) -> String {
    let said = &line.said;
    let (thing, name) = (thing(said.subject), &said.name);
    let after = |of: &str| {
        let mut found = said.changes.iter().filter(|it| it.field.starts_with(of));
        found.next().and_then(|it| it.after.clone())
    };
    let with = |text: &str, why: Option<String>| match why {
        Some(why) => format!("{text}: {why}"),
        None => text.to_owned(),
    };
    match said.deed {
        Deed::Created => format!("made the {thing} {name}"),
        Deed::Removed => format!("removed the {thing} {name}"),
        Deed::Revoked => format!("revoked the {thing} {name}"),
        Deed::Stopped => with("stopped the line", after("stopped")),
        Deed::Resumed => with("let the line go on", after("let go on")),
        Deed::Changed => {
            let fields: Vec<&str> = said.changes.iter().map(|it| it.field.as_str()).collect();
            match fields.split_at_checked(4) {
                Some((first, rest)) if !rest.is_empty() => format!(
                    "changed the {thing} {name}: {} and {} more",
                    first.join(", "),
                    rest.len()
                ),
                Some(_) | None => format!("changed the {thing} {name}: {}", fields.join(", ")),
            }
        }
    }
}

fn view(line: AuditLine) -> AuditView {
    let summary = summary(&line);
    let AuditLine { number, said, digest } = line;
    let altered = |Altered { field, before, after }| AlteredView { field, before, after };
    AuditView {
        number,
        at: said.at,
        actor: said.actor,
        about: said.subject.word(),
        subject_id: said.subject_id,
        name: said.name,
        deed: said.deed.word(),
        summary,
        changes: said.changes.into_iter().map(altered).collect(),
        digest,
    }
}

/// What was changed in the set-up, the newest first.
#[utoipa::path(tag = "Activities", params(AuditQuery),
    responses((status = 200, description = "Changes of the set-up", body = AuditList)))]
#[get("/audit")]
pub(crate) async fn list(cx: Context, asked: Query<AuditQuery>) -> Answered {
    cx.at_least(Role::Viewer)?;
    let Query(asked) = asked;
    let limit = match asked.limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MOST => limit,
        _ => return Err(Problem::malformed_at("/limit", "must be 1 to 200")),
    };
    let before = asked.cursor.as_deref().map(str::parse).transpose();
    let before: Option<u64> = before
        .map_err(|_ignored| Problem::malformed_at("/cursor", "is not the nextCursor of an earlier page"))?;
    let about = asked.about.filter(|word| !word.is_empty());
    let subject = about.as_deref().map(str::parse::<Subject>).transpose();
    let (since, until) = sought::span(asked.since.as_deref(), asked.until.as_deref())?;
    let filter = AuditFilter {
        subject: subject.map_err(|why| Problem::malformed_at("/about", why.to_string()))?,
        actor: sought::text("/actor", asked.actor)?,
        text: sought::text("/q", asked.q)?,
        since,
        until,
    };
    let lines = cx.app.store.audit(cx.tenant(), &filter, before, limit).await?;
    let full = lines.len() == usize::from(limit);
    let next_cursor = lines.last().filter(|_last| full).map(|it| it.number.to_string());
    Ok(Answer::ok(&AuditList {
        items: lines.into_iter().map(view).collect(),
        next_cursor,
    }))
}

/// Whether the audit is what was written: no line altered, none missing in between.
#[utoipa::path(tag = "Activities", responses((status = 200, description = "Whether it is", body = AuditProof)))]
#[get("/audit/verify")]
pub(crate) async fn verify(cx: Context) -> Answered {
    cx.at_least(Role::Admin)?;
    let all = AuditFilter::default();
    let mut before = None;
    let mut lines: u64 = 0;
    // The first line of the page before, which the last one of this page leads to.
    let mut later: Option<AuditLine> = None;
    let mut broken_at = None;
    loop {
        let mut page = cx.app.store.audit(cx.tenant(), &all, before, MOST).await?;
        let full = page.len() == usize::from(MOST);
        page.reverse();
        lines = lines.saturating_add(page.len() as u64);
        before = page.first().map(|it| it.number);
        let first = page.first().cloned();
        page.extend(later);
        // From the second one on; the first one has its turn with the page before it, or is the first of all.
        let found = match page.split_first() {
            Some((first, rest)) if full => broken(rest, (first.number, &first.digest)),
            Some(_) | None => broken(&page, (0, "")),
        };
        broken_at = found.or(broken_at);
        later = first;
        if !full {
            break;
        }
    }
    Ok(Answer::ok(&AuditProof {
        intact: broken_at.is_none(),
        lines,
        broken_at,
    }))
}
