//! What was told to people through chat: whether it arrived, in the vendor's words, and sending it again.

use super::integrations;
use super::releases::load;
use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use crate::told::{DeliveryLog, Message, MessagesOf};
use actix_web::{get, post};
use delivr_app::usecases::access::Role;
use delivr_domain::effect::Effect;
use delivr_domain::key::EffectId;
use delivr_domain::ports::store::{Listed, Page, RowState};
use delivr_domain::time::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Registers the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(of_release)
        .service(of_integration)
        .service(read)
        .service(resend);
}

/// One attempt at a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageAttemptView {
    /// 1 is the first.
    attempt: u32,
    /// What came of it: `posted`, `adopted` (an earlier attempt had arrived), `not_done`, `not_delivered`,
    /// `sent_again` (somebody asked for it) and the like.
    outcome: String,
    /// The vendor's id of what was posted.
    reference: Option<String>,
    /// The vendor's words, or why it was not tried.
    detail: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageView {
    /// Its id.
    id: String,
    /// Whose news it is: RELEASE, SUBMISSION or ROLLOUT.
    about: String,
    /// Id of that.
    about_id: String,
    /// Through which integration.
    integration_id: String,
    /// Its topic, which the integration maps to a channel.
    topic: String,
    /// What kind of news.
    kind: String,
    /// Its headline.
    title: String,
    /// The rest of it.
    lines: Vec<String>,
    /// QUEUED, DELIVERED, NOT_DELIVERED, or UNKNOWN: it may have arrived, the vendor's answer did not.
    state: &'static str,
    /// Whether `resend` sends it again. One whose state is UNKNOWN may stand twice then.
    may_resend: bool,
    /// Vendor's id of what was posted.
    reference: Option<String>,
    /// The last trouble, while it is queued.
    trouble: Option<String>,
    /// Attempts, the oldest first.
    attempts: Vec<MessageAttemptView>,
}

/// Messages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageList {
    items: Vec<MessageView>,
    next_cursor: Option<String>,
}

fn view((row, attempts): Message) -> Option<MessageView> {
    let Effect::Message {
        from,
        integration,
        topic,
        note,
        ..
    } = row.effect
    else {
        return None;
    };
    let state = match row.state {
        RowState::Ready | RowState::Claimed | RowState::Parked => "QUEUED",
        RowState::Done => "DELIVERED",
        RowState::Dead if row.unknown_since.is_some() => "UNKNOWN",
        RowState::Dead => "NOT_DELIVERED",
    };
    Some(MessageView {
        id: row.id.to_string(),
        about: from.kind.word().to_owned(),
        about_id: from.id.to_string(),
        integration_id: integration.to_string(),
        topic: topic.word().to_owned(),
        kind: note.kind,
        title: note.title,
        lines: note.lines,
        state,
        may_resend: row.state == RowState::Dead,
        reference: attempts.iter().rev().find_map(|it| it.reference.clone()),
        trouble: row.trouble,
        attempts: attempts
            .into_iter()
            .map(|it| MessageAttemptView {
                attempt: it.attempt,
                outcome: it.outcome,
                reference: it.reference,
                detail: it.detail,
                at: it.at,
            })
            .collect(),
    })
}

fn log(cx: &Context) -> Result<Arc<dyn DeliveryLog>, Problem> {
    cx.log.clone().ok_or_else(|| Problem::missing("delivery log"))
}

async fn listed(cx: &Context, of: MessagesOf, paging: &Paging) -> Answered {
    let page = Page {
        limit: paging.limit()?,
        cursor: cursor(paging)?,
    };
    let Listed { items, next } = log(cx)?.messages(cx.tenant(), of, &page).await?;
    Ok(Answer::ok(&MessageList {
        items: items.into_iter().filter_map(view).collect(),
        next_cursor: next,
    }))
}

fn cursor(paging: &Paging) -> Result<Option<String>, Problem> {
    let given = paging.cursor().map(Uuid::try_parse).transpose();
    let id = given.map_err(|_ignored| {
        Problem::malformed_at("/cursor", "is of no message; begin with the first page")
    })?;
    Ok(id.map(|id| id.to_string()))
}

/// Messages about the release and its submissions and rollouts, the latest first.
#[utoipa::path(tag = "Messages",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Messages", body = MessageList)))]
#[get("/releases/{releaseId}/messages")]
pub(crate) async fn of_release(cx: Context, paging: Query<Paging>) -> Answered {
    let (row, _release) = load::find(&cx).await?;
    listed(&cx, MessagesOf::Release(row.id.id), &paging.0).await
}

/// Messages through the integration, the latest first.
#[utoipa::path(tag = "Messages",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Messages", body = MessageList)))]
#[get("/integrations/{category}/{integrationId}/messages")]
pub(crate) async fn of_integration(cx: Context, paging: Query<Paging>) -> Answered {
    let found = integrations::find(&cx).await?;
    listed(&cx, MessagesOf::Integration(found.id), &paging.0).await
}

async fn found(cx: &Context) -> Result<(EffectId, Message), Problem> {
    let missing = || Problem::missing("message");
    let id = EffectId::from_uuid(cx.id("messageId", "message")?);
    let message = log(cx)?.message(cx.tenant(), id).await?.ok_or_else(missing)?;
    Ok((id, message))
}

/// One message.
#[utoipa::path(tag = "Messages", responses((status = 200, description = "The message", body = MessageView)))]
#[get("/messages/{messageId}")]
pub(crate) async fn read(cx: Context) -> Answered {
    let (_id, message) = found(&cx).await?;
    let view = view(message).ok_or_else(|| Problem::missing("message"))?;
    Ok(Answer::ok(&view))
}

/// Sends a message again that was not delivered, or of which that is not known. It is sent under the same mark, but one
/// that did arrive may stand twice: that is for whoever asks to know.
#[utoipa::path(tag = "Messages", responses((status = 202, description = "It is queued", body = MessageView)))]
#[post("/messages/{messageId}/resend")]
pub(crate) async fn resend(cx: Context) -> Answered {
    cx.at_least(Role::Member)?;
    let (id, (row, _)) = found(&cx).await?;
    let refused = || {
        Problem::conflict(
            "message_not_given_up",
            "only a message that was not delivered, or of which that is not known, is sent again",
        )
    };
    if row.state != RowState::Dead {
        return Err(refused());
    }
    if !log(&cx)?.send_again(cx.tenant(), id, cx.who.actor()).await? {
        return Err(refused());
    }
    let (_id, message) = found(&cx).await?;
    let view = view(message).ok_or_else(|| Problem::missing("message"))?;
    Ok(Answer::accepted(&view))
}
