//! The file of a build: streamed from the browser to where the API keeps it, never held in memory.

use super::{barred, subject};
use crate::api::Call;
use crate::form::{Form, comes_from_elsewhere};
use crate::frame::{Frame, go, page};
use crate::model::{Build, List, Problem, Release};
use crate::parts::{Broken, Parts};
use crate::visit::{Paged, Stop, Visit, no};
use actix_web::http::{Method, StatusCode, header};
use actix_web::web;
use askama::Template;
use delivr_app::usecases::limit::within;
use serde::Deserialize;
use std::time::Duration;

/// A sender may be silent for so long before its file begins.
const SILENCE: Duration = Duration::from_secs(60);
/// The secret of a form is shorter than so many bytes.
const SECRET: usize = 1_000;

/// What is kept of a build.
#[derive(Debug, Clone, Deserialize)]
struct Kept {
    size: u64,
    sha256: String,
}

/// A build with its file.
#[derive(Debug, Clone, Deserialize)]
struct Shown {
    #[serde(flatten)]
    build: Build,
    artifact: Option<Kept>,
}

#[derive(Template)]
#[template(path = "amend_file.html")]
struct Page {
    frame: Frame,
    release: Release,
    it: Build,
    kept: Option<Kept>,
    problem: Option<Problem>,
    blocked: Option<String>,
}

async fn read(visit: &Visit, problem: Option<Problem>) -> Result<Page, Stop> {
    let wanted = visit.segment("build")?;
    let release = subject(visit, "").await?;
    let path = format!("/releases/{}/builds?limit=200", release.key);
    let all: List<Shown> = visit.look(path).await?;
    let found = all.items.into_iter().find(|it| it.build.id == wanted);
    let Some(found) = found else {
        return Err(visit.refuse(no(StatusCode::NOT_FOUND, "there is no such build")));
    };
    Ok(Page {
        frame: visit.frame("releases"),
        blocked: barred(visit, &release),
        release,
        it: found.build,
        kept: found.artifact,
        problem,
    })
}

pub(super) async fn ask(visit: Visit) -> Paged {
    Ok(page(StatusCode::OK, &read(&visit, None).await?))
}

/// A refusal in words of ours.
fn problem(detail: &str) -> Problem {
    Problem {
        detail: detail.to_owned(),
        ..Problem::default()
    }
}

/// The page again, with what was wrong.
async fn refused(visit: &Visit, problem: Problem, status: StatusCode) -> Paged {
    if status == StatusCode::UNAUTHORIZED {
        return Err(visit.refuse(no(status, &problem.detail)));
    }
    Ok(page(status, &read(visit, Some(problem)).await?))
}

/// Takes the file in. The form's secret comes in front of the file, so that nothing of a file is read that no page of
/// ours sends.
pub(super) async fn send(visit: Visit, payload: web::Payload) -> Paged {
    let said = visit.request.headers().get(header::CONTENT_TYPE);
    let said = said
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let clock = visit.api.app().clock.clone();
    let begun = async {
        let mut parts = Parts::of(&said, payload)?;
        let first = parts.next().await?;
        let secret = match first {
            Some(part) if part.name == crate::form::FIELD => parts.text(SECRET).await?,
            Some(_) | None => String::new(),
        };
        Ok::<_, Broken>((secret, parts))
    };
    let begun = within(clock.as_ref(), SILENCE, begun).await;
    let stranger = || {
        visit.refuse(no(
            StatusCode::FORBIDDEN,
            "this form does not come from a page of this session; open the page again and send it from there",
        ))
    };
    let Some(Ok((secret, mut parts))) = begun else {
        return Err(stranger());
    };
    let ours = Form::default().filled(crate::form::FIELD, &secret);
    if comes_from_elsewhere(&visit.request) || !ours.carries(&visit.session.csrf) {
        return Err(stranger());
    }
    let file = match within(clock.as_ref(), SILENCE, parts.next()).await {
        Some(Ok(Some(part))) if part.name == "file" => part,
        Some(Ok(_) | Err(_)) | None => {
            return refused(
                &visit,
                problem("The form came without its file."),
                StatusCode::BAD_REQUEST,
            )
            .await;
        }
    };
    if file.file.is_none_or(|it| it.is_empty()) {
        return refused(&visit, problem("Choose the file first."), StatusCode::BAD_REQUEST).await;
    }
    let (key, build) = (visit.segment("key")?, visit.segment("build")?);
    let call = Call::bare(Method::PUT, format!("/releases/{key}/builds/{build}/artifact"));
    let media_type = file.media_type.as_deref().unwrap_or("application/octet-stream");
    let reply = visit
        .api
        .send(&visit.who, call, media_type, parts.content())
        .await;
    if reply.status.is_success() {
        return Ok(go(&format!("/releases/{key}/builds/{build}/file?done=file-kept")));
    }
    refused(&visit, Problem::of(&reply), reply.status).await
}
