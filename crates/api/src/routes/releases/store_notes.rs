//! What the stores tell users about a release: a default text and texts by language, for each store target.

use super::load::{Success, act_on, find, id};
use super::view::as_release;
use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::Checks;
use crate::context::Context;
use crate::problem::Problem;
use actix_web::{get, patch};
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::store_languages::{self, Known};
use delivr_domain::aggregate::Command;
use delivr_domain::key::TargetKey;
use delivr_domain::release::store_notes::{Texts, closed, collected, longest};
use delivr_domain::release::{Command as ReleaseCommand, Release};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The languages of a target's app in its store, as far as the store could be asked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreLanguagesView {
    /// Those that it has, as the store writes them; empty while the store has not told them.
    known: Vec<String>,
    /// The one that readers of all others get; none where the store does not tell it.
    default: Option<String>,
    /// When the store said so; an answer is kept for five minutes. None while it never answered.
    asked_at: Option<DateTime<Utc>>,
    /// Why the store could not be asked now; none when it could.
    failure: Option<String>,
    /// Languages of written texts that the app does not have: nobody would read them, and a submission with them is
    /// refused. Add the language in the store before, or take the text away.
    unread: Vec<String>,
}

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
    /// Languages of the app in this store; none when the notes no longer change.
    languages: Option<StoreLanguagesView>,
}

/// The notes of a release for its stores.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoreNotesList {
    items: Vec<StoreNotesView>,
}

fn languages(known: &Known, texts: Option<&Texts>) -> StoreLanguagesView {
    let told = known.languages.as_ref();
    StoreLanguagesView {
        known: told
            .map(|(it, _)| it.known.iter().cloned().collect())
            .unwrap_or_default(),
        default: told.and_then(|(it, _)| it.default.clone()),
        asked_at: told.map(|(_, at)| *at),
        failure: known.failure.clone(),
        unread: texts.map(|texts| known.unread(texts)).unwrap_or_default(),
    }
}

fn view(release: &Release, target: TargetKey, known: Option<&Known>) -> Option<StoreNotesView> {
    let texts = release.store_notes.get(&target);
    let written = texts.into_iter().flatten();
    Some(StoreNotesView {
        target: target.word(),
        longest: longest(target.channel())?,
        closed: closed(release, target),
        notes: written
            .map(|(language, text)| (language.to_string(), text.clone()))
            .collect(),
        collected: collected(release, target),
        languages: known.map(|known| languages(known, texts)),
    })
}

/// What the stores tell users, for each store target, and in which languages each store has the app. A store that does
/// not answer within three seconds is said not to have been asked.
#[utoipa::path(tag = "Distribution", responses((status = 200, description = "The notes", body = StoreNotesList)))]
#[get("/releases/{releaseId}/store-notes")]
pub(crate) async fn read(cx: Context) -> Answered {
    let (row, release) = find(&cx).await?;
    let targets = release.plan().targets.keys().copied();
    // The stores are asked side by side, so that the slowest one decides how long it takes.
    let asked = targets.map(async |target| {
        let known = store_languages::of(&cx.app, cx.tenant(), &release, target).await?;
        Ok::<_, Problem>(view(&release, target, known.as_ref()))
    });
    let items = try_join_all(asked).await?.into_iter().flatten();
    let list = StoreNotesList {
        items: items.collect(),
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
/// what is written then. A text longer than the store takes is refused with its language and length; nothing is cut. One
/// for a language that the app does not have in the store yet is kept, and named in the answer.
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
    let (_, before) = find(&cx).await?;
    let known = store_languages::of(&cx.app, cx.tenant(), &before, target).await?;
    let command = Command::Release(ReleaseCommand::ChangeStoreNotes { target, texts });
    act_on(&cx, id(&cx).await?, &command, Success::Ok, &move |state| {
        as_release(state).and_then(|release| view(release, target, known.as_ref()))
    })
    .await
}
