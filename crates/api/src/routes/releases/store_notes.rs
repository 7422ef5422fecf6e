//! What the stores tell users about a release: a default text and texts by language, for each store target.

use super::load::{Success, act_on, find, id};
use super::view::as_release;
use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::Checks;
use crate::context::Context;
use actix_web::{get, patch};
use delivr_app::usecases::access::Role;
use delivr_domain::aggregate::Command;
use delivr_domain::key::TargetKey;
use delivr_domain::release::store_notes::{closed, collected, longest};
use delivr_domain::release::{Command as ReleaseCommand, Release};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The notes of one store target.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreNotesView {
    target: &'static str,
    /// Most characters of one text in this store.
    longest: usize,
    /// Why they no longer change; none while they do.
    closed: Option<String>,
    /// Texts that people wrote, by language (`de-DE`); `default` is for every language without its own.
    notes: BTreeMap<String, String>,
    /// What goes out as the default text where nobody wrote one: the release notes as far as the store takes them, once
    /// they are collected.
    collected: Option<String>,
}

/// The notes of a release for its stores.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoreNotesList {
    items: Vec<StoreNotesView>,
}

fn view(release: &Release, target: TargetKey) -> Option<StoreNotesView> {
    let written = release.store_notes.get(&target).into_iter().flatten();
    Some(StoreNotesView {
        target: target.word(),
        longest: longest(target.channel())?,
        closed: closed(release, target),
        notes: written
            .map(|(language, text)| (language.to_string(), text.clone()))
            .collect(),
        collected: collected(release, target),
    })
}

/// What the stores tell users, for each store target.
#[utoipa::path(tag = "Distribution", responses((status = 200, description = "The notes", body = StoreNotesList)))]
#[get("/releases/{releaseId}/store-notes")]
pub(crate) async fn read(cx: Context) -> Answered {
    let (row, release) = find(&cx).await?;
    let targets = release.plan().targets.keys();
    let list = StoreNotesList {
        items: targets.filter_map(|target| view(&release, *target)).collect(),
    };
    Ok(Answer::ok(&list).version(row.version))
}

/// Texts to set or take away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StoreNotesBody {
    /// By language (`de-DE`, `zh-Hans`) or `default`; null or an empty text takes one away, and languages that are not
    /// named stay.
    notes: BTreeMap<String, Option<String>>,
}

/// Sets what one store tells users, until the target's submission begins: a withdrawn or rejected one begins anew with
/// what is written then. A text longer than the store takes is refused with its language and length; nothing is cut.
#[utoipa::path(tag = "Distribution", request_body = StoreNotesBody, responses((status = 200, description = "The notes of the target", body = StoreNotesView)))]
#[patch("/releases/{releaseId}/store-notes/{target}")]
pub(crate) async fn change(cx: Context, body: Body<StoreNotesBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let target: TargetKey = cx.id("target", "target")?;
    let Body(body) = body;
    let mut checks = Checks::new();
    let mut texts = BTreeMap::new();
    for (language, text) in body.notes {
        match language.parse() {
            Ok(known) if texts.contains_key(&known) => {
                checks.fail("/notes", format!("names {known} more than once"));
            }
            Ok(known) => {
                texts.insert(known, text);
            }
            Err(error) => {
                checks.fail("/notes", format!("{error}"));
            }
        }
    }
    checks.done()?;
    let command = Command::Release(ReleaseCommand::ChangeStoreNotes { target, texts });
    act_on(&cx, id(&cx).await?, &command, Success::Ok, &move |state| {
        as_release(state).and_then(|release| view(release, target))
    })
    .await
}
