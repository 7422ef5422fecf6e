//! What others send us: webhooks of vendors and callbacks of runs. Each is proved, stored, and answered at once; the
//! worker looks later, and reads the vendor instead of believing the message.

use crate::answer::{Answer, Answered};
use crate::body::Raw;
use crate::context::Shared;
use crate::problem::Problem;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, post, web};
use delivr_app::usecases::inbound::InboundError;
use delivr_app::usecases::{access, callbacks, inbound};
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::provider::WebhookError;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(jenkins).service(webhook).service(callback);
}

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceivedView {
    /// Always true: it is stored.
    received: bool,
    /// It was here before; it is not worked off again.
    repeated: bool,
    /// Slack's word, given back once to prove that the address is ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
}

fn received(repeated: bool, challenge: Option<String>) -> ReceivedView {
    ReceivedView {
        received: true,
        repeated,
        challenge,
    }
}

fn rejected(provider: &str, reason: &'static str) {
    let provider = provider.to_owned();
    metrics::counter!("delivr_webhook_rejections_total", "provider" => provider, "reason" => reason)
        .increment(1);
}

/// Counts what became of a delivery.
fn counted(provider: &str, stored: Result<bool, InboundError>) -> Result<bool, InboundError> {
    match &stored {
        Ok(_) => {
            metrics::counter!("delivr_webhooks_received_total", "provider" => provider.to_owned())
                .increment(1);
        }
        Err(error) => rejected(
            provider,
            match error {
                InboundError::Silent => "no_webhooks",
                InboundError::Webhook(WebhookError::Unsigned) => "signature",
                InboundError::Webhook(WebhookError::Malformed(_)) => "malformed",
                InboundError::Vault(_) => "credentials",
                InboundError::Store(_) => "store",
            },
        ),
    }
    stored
}

fn headers(request: &HttpRequest) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in request.headers() {
        if let Ok(value) = value.to_str() {
            // Of a repeated header the first counts.
            headers
                .entry(name.as_str().to_owned())
                .or_insert_with(|| value.to_owned());
        }
    }
    headers
}

/// A delivery of a vendor, through the integration whose secret signs it.
#[utoipa::path(tag = "Inbound", security(()), request_body(content = Object, description = "The vendor's own"),
    responses((status = 202, description = "Stored", body = ReceivedView),
        (status = 200, description = "The word that Slack asks back", body = ReceivedView)))]
#[post("/webhooks/{provider}/{integrationId}")]
pub(crate) async fn webhook(request: HttpRequest, shared: web::Data<Shared>, body: Raw) -> Answered {
    let segment = |name: &str| request.match_info().get(name).unwrap_or_default().to_owned();
    let missing = || Problem::missing("integration");
    let id: IntegrationId = segment("integrationId").parse().map_err(|_ignored| missing())?;
    let provider = segment("provider");
    let app = &shared.app;
    let found = inbound::integration(app, id).await?;
    let found = found.filter(|it| it.provider == provider).ok_or_else(|| {
        rejected("unknown", "unknown_integration");
        missing()
    })?;
    let headers = headers(&request);
    let stored = inbound::webhook(app, &found, &headers, &body.0).await;
    // The stored key, not the sender's word for it: no caller makes up labels.
    let stored = counted(&found.provider, stored)?;
    let challenge = challenge(&provider, &body.0);
    let view = received(!stored, challenge.clone());
    Ok(match challenge {
        // Slack takes only 200 for an answer to its question.
        Some(_) => Answer::ok(&view),
        None => Answer::accepted(&view),
    })
}

/// Slack asks once whether the address is ours (Events API, `url_verification`).
fn challenge(provider: &str, body: &[u8]) -> Option<String> {
    if provider != "slack" {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let asks = body.get("type")?.as_str()? == "url_verification";
    body.get("challenge")?
        .as_str()
        .filter(|_word| asks)
        .map(ToOwned::to_owned)
}

/// A delivery of a Jenkins notification step that knows no integration, proved by `X-Delivr-Token` (or a signature): the
/// integration whose webhook secret it is.
#[utoipa::path(tag = "Inbound", security(()),
    params(("X-Delivr-Token" = Option<String>, Header, description = "The integration's webhook secret")),
    request_body(content = Object, description = "buildNumber, status, artifactUrl; delivrKey, job, queueId, buildUrl"),
    responses((status = 202, description = "Stored", body = ReceivedView)))]
#[post("/webhooks/jenkins")]
pub(crate) async fn jenkins(request: HttpRequest, shared: web::Data<Shared>, body: Raw) -> Answered {
    let stored = inbound::jenkins(&shared.app, &headers(&request), &body.0).await;
    let stored = counted("jenkins", stored)?;
    Ok(Answer::accepted(&received(!stored, None)))
}

/// A run reports by the address it was given. The body is any JSON, and only makes us look.
#[utoipa::path(tag = "Inbound", security(()), request_body(content = Option<Object>, description = "Any JSON, or nothing"),
    responses((status = 202, description = "Stored", body = ReceivedView)))]
#[post("/callbacks/builds/{token}")]
pub(crate) async fn callback(request: HttpRequest, shared: web::Data<Shared>, body: Raw) -> Answered {
    let token = request.match_info().get("token").unwrap_or_default();
    let caller = callbacks::verify(&shared.app, token).await?.ok_or_else(|| {
        rejected("callback", "signature");
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "callback_not_ours",
            "this callback address was not made here",
        )
    })?;
    let said = match body.0.is_empty() {
        true => Value::Null,
        false => crate::body::parse(&body.0)?,
    };
    let digest = access::digest_of(&body.0);
    let stored = inbound::callback(&shared.app, &caller, &digest, said).await;
    let stored = counted("callback", stored)?;
    Ok(Answer::accepted(&received(!stored, None)))
}
