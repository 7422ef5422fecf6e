//! Artifacts: files of builds that people hand in, streamed to the storage and back.

use super::load::find;
use crate::answer::{Answer, Answered};
use crate::context::{Context, Shared, caller, shared};
use crate::problem::Problem;
use crate::range::{Asked, asked};
use crate::storage::{About, Incoming, Kept, Key, Storage, StorageError};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, get, put, web};
use chrono::{DateTime, TimeDelta, Utc};
use delivr_app::usecases::access::{Role, digest_of, hex};
use delivr_app::usecases::callbacks;
use delivr_app::usecases::limit::within;
use delivr_domain::ids::{BuildId, TenantId};
use delivr_domain::release::state::Build;
use futures_util::StreamExt as _;
use ring::digest::{Context as Digest, SHA256};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use url::form_urlencoded;
use utoipa::ToSchema;

/// A sender may be silent for so long.
const SILENCE: Duration = Duration::from_secs(60);
/// Of what is refused so much is read and thrown away, in bytes, so that its sender reads why.
const PATIENCE: u64 = 8 * 1024 * 1024;
/// How long a link without credential is good.
const LINK: TimeDelta = TimeDelta::minutes(15);

/// The file of a build.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArtifactView {
    name: String,
    media_type: String,
    /// In bytes.
    size: u64,
    /// Lower-case hex SHA-256 of its bytes.
    sha256: String,
    uploaded_by: String,
    uploaded_at: DateTime<Utc>,
    /// Where it is downloaded without a credential, for a while. With a credential the same path does without the query.
    url: String,
    url_expires_at: DateTime<Utc>,
}

async fn view(cx: &Context, build: BuildId, about: About) -> Result<ArtifactView, Problem> {
    let expires = cx.now() + LINK;
    let seconds = expires.timestamp();
    let signature = callbacks::token(&cx.app, cx.tenant(), &signed(build, seconds)).await?;
    let base = cx
        .public_url
        .as_ref()
        .map_or("", |url| url.as_str().trim_end_matches('/'));
    Ok(ArtifactView {
        name: about.name,
        media_type: about.media_type,
        size: about.size,
        sha256: about.sha256,
        uploaded_by: about.by,
        uploaded_at: about.at,
        url: format!(
            "{base}{}?expires={seconds}&signature={signature}",
            cx.place(&format!("/builds/{build}/artifact"))
        ),
        url_expires_at: expires,
    })
}

/// What a link is signed for. The word before it keeps it apart from everything else the installation signs: runs are
/// named by other digests.
fn signed(build: BuildId, expires: i64) -> String {
    let mut digest = digest_of(format!("delivr artifact link v1/{build}/{expires}").as_bytes());
    digest.truncate(32);
    digest
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the storage of artifacts fails"
        );
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storage_unavailable",
            "the storage of artifacts cannot be used now; an operator finds the reason in the log",
        )
    }
}

fn storage(of: &Shared) -> Result<Arc<dyn Storage>, Problem> {
    of.storage.clone().ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storage_unavailable",
            "this server has no storage for artifacts",
        )
    })
}

/// What is kept of a build, if anything.
pub(crate) async fn of_build(cx: &Context, build: BuildId) -> Result<Option<ArtifactView>, Problem> {
    let Some(storage) = &shared(&cx.request)?.storage else {
        return Ok(None);
    };
    let tenant = cx.tenant();
    match storage.about(Key { tenant, build }).await? {
        Some(about) => view(cx, build, about).await.map(Some),
        None => Ok(None),
    }
}

/// Reads on a little, so that a sender who is refused comes to read why.
async fn drain(payload: &mut web::Payload, cx: &Context) {
    let reading = async {
        let mut length: u64 = 0;
        while let Some(Ok(piece)) = payload.next().await {
            length = length.saturating_add(size(&piece));
            if length > PATIENCE {
                break;
            }
        }
    };
    let _ended = within(cx.app.clock.as_ref(), SILENCE, reading).await;
}

fn size(piece: &[u8]) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}

fn too_large(limit: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("an artifact may have {limit} bytes at most"),
    )
}

/// What the headers say about the body, refused before it is read.
fn checked_head(request: &HttpRequest, limit: u64) -> Result<String, Problem> {
    let headers = request.headers();
    let coded = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|coding| coding != "identity");
    if coded {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "send the artifact without Content-Encoding",
        ));
    }
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    match media_type {
        None => Ok("application/octet-stream".to_owned()),
        Some(text) if text.len() <= 200 && text.contains('/') => Ok(text.to_owned()),
        Some(_) => Err(Problem::malformed_at("", "Content-Type must be a media type")),
    }
}

/// Streams the body into the storage: its length and digest.
async fn take_in(
    cx: &Context,
    payload: &mut web::Payload,
    incoming: &mut dyn Incoming,
    limit: u64,
) -> Result<(u64, String), Problem> {
    let mut digest = Digest::new(&SHA256);
    let mut length: u64 = 0;
    loop {
        let next = within(cx.app.clock.as_ref(), SILENCE, payload.next()).await;
        let piece = match next {
            Some(Some(Ok(piece))) => piece,
            Some(Some(Err(_))) => {
                return Err(Problem::malformed_at("", "the body could not be read to its end"));
            }
            Some(None) => break,
            None => {
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "body_too_slow",
                    format!("nothing came for {} s", SILENCE.as_secs()),
                ));
            }
        };
        length = length.saturating_add(size(&piece));
        if length > limit {
            return Err(too_large(limit));
        }
        digest.update(&piece);
        incoming.write(&piece).await?;
    }
    if length == 0 {
        return Err(Problem::malformed_at("", "send the artifact as the body"));
    }
    Ok((length, hex(digest.finish().as_ref())))
}

/// A file name from what the build is called.
fn name(build: &Build) -> String {
    let number = build.build_number.as_deref().unwrap_or("build");
    let text = format!("{}-{number}", build.target.word());
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    text.chars().map(plain).take(120).collect()
}

/// Takes the file of a build in, as the whole body: streamed to the storage, never held in memory. It is kept once: the
/// same file again is answered like the first time (200), another one is refused (409).
#[utoipa::path(tag = "Builds",
    request_body(content = String, content_type = "*/*", description = "The file itself."),
    responses((status = 201, description = "It is kept", body = ArtifactView),
        (status = 200, description = "It was kept before", body = ArtifactView)))]
#[put("/releases/{releaseId}/builds/{buildId}/artifact")]
pub(crate) async fn upload(cx: Context, mut payload: web::Payload) -> Answered {
    let answered = receive(&cx, &mut payload).await;
    if answered.is_err() {
        drain(&mut payload, &cx).await;
    }
    answered
}

async fn receive(cx: &Context, payload: &mut web::Payload) -> Answered {
    cx.at_least(Role::Member)?;
    let (row, release) = find(cx).await?;
    cx.unchanged(row.version)?;
    let id: BuildId = cx.id("buildId", "build")?;
    let build = release.builds.iter().find(|it| it.id == id);
    let build = build.ok_or_else(|| Problem::missing("build"))?;
    if release.terminal() {
        let detail = format!("{} is closed and takes no more artifacts", release.key());
        return Err(Problem::conflict("release_closed", detail));
    }
    let shared = shared(&cx.request)?;
    let storage = storage(&shared)?;
    let media_type = checked_head(&cx.request, shared.upload_limit)?;
    let key = Key {
        tenant: cx.tenant(),
        build: id,
    };
    let mut incoming = storage.begin(key).await?;
    let (size, sha256) = take_in(cx, payload, incoming.as_mut(), shared.upload_limit).await?;
    let about = About {
        release: release.draft.id,
        name: name(build),
        media_type,
        size,
        sha256,
        by: cx.who.actor().to_owned(),
        at: cx.now(),
    };
    match incoming.keep(&about).await? {
        Kept::Now => {
            tracing::info!(release = %release.key(), build = %id, size, by = cx.who.actor(), "an artifact was kept");
            let place = cx.place(&format!("/builds/{id}/artifact"));
            Ok(Answer::created(place, &view(cx, id, about).await?))
        }
        Kept::Before(before) if before.sha256 == about.sha256 => Ok(Answer::ok(&view(cx, id, before).await?)),
        Kept::Before(_) => Err(Problem::conflict(
            "artifact_exists",
            "the build has another artifact already, which stays; hand another build in for this one",
        )),
    }
}

/// Whose artifact is asked for: the tenant of the credential, or of a link that is good.
async fn tenant(request: &HttpRequest, shared: &Shared, build: BuildId) -> Result<TenantId, Problem> {
    let given = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let found = pairs.find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.into_owned())
    };
    let Some(signature) = given("signature") else {
        return Ok(caller(request).await?.tenant.id);
    };
    let refused = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            "link_expired",
            "this link is not good, or no longer; read the build again for another one",
        )
    };
    let expires: i64 = given("expires")
        .and_then(|text| text.parse().ok())
        .ok_or_else(refused)?;
    let named = callbacks::verify(&shared.app, &signature)
        .await?
        .ok_or_else(refused)?;
    let good = named.correlation == signed(build, expires) && expires > shared.app.clock.now().timestamp();
    if good { Ok(named.tenant) } else { Err(refused()) }
}

/// The file of a build: whole, or the range that `Range` names. By a credential, or by the link in the build's artifact.
#[utoipa::path(tag = "Builds", security(()),
    params(("expires" = Option<i64>, Query, description = "Of a link."), ("signature" = Option<String>, Query, description = "Of a link."),
        ("Range" = Option<String>, Header, description = "One range of bytes.")),
    responses((status = 200, description = "The file", content_type = "*/*", body = String),
        (status = 206, description = "The range", content_type = "*/*", body = String)))]
#[get("/builds/{buildId}/artifact")]
pub(crate) async fn download(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let shared = shared(&request)?;
    let missing = || Problem::missing("artifact");
    let build = request.match_info().get("buildId").unwrap_or_default().parse();
    let tenant = match &build {
        Ok(build) => tenant(&request, &shared, *build).await?,
        // Who may not ask learns nothing about what there is.
        Err(_) => caller(&request).await?.tenant.id,
    };
    let build: BuildId = build.map_err(|_: delivr_domain::ids::IdError| missing())?;
    // Without a storage nothing was ever kept.
    let storage = shared.storage.clone().ok_or_else(missing)?;
    let key = Key { tenant, build };
    let about = storage.about(key).await?.ok_or_else(missing)?;
    let tag = format!("\"{}\"", about.sha256);
    let (status, range) = match asked(&request, about.size, &tag) {
        Asked::Whole => (StatusCode::OK, 0..about.size),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Outside => {
            return Err(Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range_outside",
                format!("the artifact has {} bytes", about.size),
            ));
        }
    };
    let content = storage.open(key, range.clone()).await?.ok_or_else(missing)?;
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((header::CONTENT_TYPE, about.media_type.clone()))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        // Never shown as a page of ours, whatever its sender called it.
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}\"", about.name),
        ))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"))
        .insert_header(("x-content-sha256", about.sha256.clone()));
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end.saturating_sub(1);
        answer.insert_header((
            header::CONTENT_RANGE,
            format!("bytes {}-{last}/{}", range.start, about.size),
        ));
    }
    Ok(answer
        .no_chunking(range.end.saturating_sub(range.start))
        .streaming(content))
}
