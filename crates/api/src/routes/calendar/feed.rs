//! The feed: what a calendar programme reads, again and again, without anybody signed in.
//!
//! It says when which version of which service begins, is tested and is due, and nothing else: no title, no name of a
//! person, no branch, and not why something waits. Whoever wants more follows its link and signs in.

use super::ical::{Event, calendar};
use super::{Gathered, gathered, is_over, slots};
use crate::context::{NamedTenant, caller, shared};
use crate::problem::Problem;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, get};
use chrono::{DateTime, TimeDelta, Utc};
use delivr_app::usecases::access;
use delivr_domain::ids::TenantId;
use delivr_domain::ports::store::Tenant;
use delivr_domain::release::Release;
use url::form_urlencoded;

/// A release that is over stays in calendars for so long.
const KEPT: TimeDelta = TimeDelta::days(90);

/// Whose calendar it is: of the link's tenant, or of the credential's.
async fn tenant(request: &HttpRequest) -> Result<Tenant, Problem> {
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
    let Some((_, link)) = pairs.find(|(name, _)| name == "link") else {
        return Ok(caller(request).await?.tenant);
    };
    let missing = || Problem::missing("calendar");
    let app = &shared(request)?.app;
    let tenant = access::by_link(app, &link).await?.ok_or_else(missing)?;
    let named = request.extensions().get::<NamedTenant>().cloned();
    match named {
        Some(NamedTenant(named))
            if named.parse::<TenantId>().ok() != Some(tenant.id) && named != tenant.slug =>
        {
            Err(missing())
        }
        Some(_) | None => Ok(tenant),
    }
}

/// Kickoffs, regression slots and target dates as an iCalendar feed (RFC 5545), for calendar programmes: by the secret of
/// a calendar link, or by a credential.
#[utoipa::path(tag = "Calendar", security(()),
    params(("link" = Option<String>, Query, description = "The secret of a calendar link.")),
    responses((status = 200, description = "The calendar", content_type = "text/calendar", body = String)))]
#[get("/calendar.ics")]
pub(crate) async fn feed(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let tenant = tenant(&request).await?;
    let shared = shared(&request)?;
    let Gathered { releases, .. } = gathered(&shared.app, tenant.id, None).await?;
    let now = shared.app.clock.now();
    let base = shared
        .public_url
        .as_ref()
        .map(|url| url.as_str().trim_end_matches('/'));
    let mut events: Vec<Event> = releases
        .iter()
        .filter(|release| !is_over(release) || now - release.updated_at < KEPT)
        .flat_map(|release| events(release, base))
        .collect();
    events.sort_by(|one, other| (one.at, &one.uid).cmp(&(other.at, &other.uid)));
    let text = calendar(&format!("Releases of {}", tenant.name), &events);
    Ok(HttpResponse::Ok()
        .content_type("text/calendar; charset=utf-8")
        .insert_header((
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("inline; filename=\"delivr.ics\""),
        ))
        .insert_header((
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, max-age=300"),
        ))
        .insert_header((header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
        .insert_header((
            HeaderName::from_static("x-robots-tag"),
            HeaderValue::from_static("noindex"),
        ))
        .body(text))
}

fn events(release: &Release, base: Option<&str>) -> Vec<Event> {
    let name = format!("{} {}", release.draft.service_slug, release.version_name());
    let event = |uid: String, what: &str, at: DateTime<Utc>| Event {
        uid: format!("{uid}@delivr"),
        at,
        summary: format!("{name}: {what} ({})", release.key()),
        changed: release.updated_at,
        url: base.map(|base| format!("{base}/releases/{}", release.key())),
    };
    let id = release.draft.id;
    let mut all = vec![event(
        format!("{id}-kickoff"),
        "kickoff",
        release.draft.kickoff_at,
    )];
    let planned = slots(release);
    all.extend(
        planned
            .iter()
            .map(|slot| event(format!("{id}-slot-{}", slot.id), "regression slot", slot.at)),
    );
    let target = release.draft.target_date;
    all.extend(target.map(|at| event(format!("{id}-target"), "target date", at)));
    all
}
