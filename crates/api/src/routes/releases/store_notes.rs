//! What the stores tell users about a release: a default text and texts by language, for each store target.

use super::load::{Success, act_on, find, id};
use super::view::as_release;
use crate::answer::{Answer, Answered};
use crate::body::Body;
use crate::check::Checks;
use crate::context::Context;
use crate::problem::Problem;
use crate::query::Query;
use actix_web::{get, patch};
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::store_languages::{self, Known};
use delivr_app::usecases::store_notes::{self, Previous};
use delivr_domain::aggregate::Command;
use delivr_domain::key::TargetKey;
use delivr_domain::release::store_notes::{
    Reading, Texts, closed, collected, longest, nobody_wrote, readings,
};
use delivr_domain::release::{Command as ReleaseCommand, Release};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

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
    /// Languages of texts, a person's and the profile's, that the app does not have: nobody would read them, and a
    /// submission with them is refused. Add the language in the store before, or take the text away; where it is one of
    /// the profile, write a `default` text for this release.
    unread: Vec<String>,
}

/// A text that users read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadingView {
    /// Whom it is for: readers of this language, or with `default` everybody without a text of their own.
    language: String,
    /// WRITTEN by a person for this release, a default of the PROFILE, or the CHANGELOG that was collected from commits.
    source: &'static str,
    /// The very text that is sent.
    text: String,
}

/// What users read about an earlier release.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviousNotesView {
    /// Key of the release.
    release_key: String,
    version: String,
    /// By language, without the changelog.
    notes: BTreeMap<String, String>,
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
    /// Default texts of the profile, by language, as the release was planned with them. They go out where nobody wrote a
    /// text, and none of them beside a `default` that somebody wrote: that one is for every language without its own.
    defaults: BTreeMap<String, String>,
    /// Name of that profile; none where the release was planned without one.
    profile: Option<String>,
    /// The changelog, which goes out as the default text where there is none of a person nor of the profile: the release
    /// notes in whole lines as far as the store takes them, once they are collected.
    collected: Option<String>,
    /// What users read if the submission begins now, or did read, with where each text comes from.
    readings: Vec<ReadingView>,
    /// Why somebody should write notes; none where nothing is amiss, or they no longer change.
    warning: Option<&'static str>,
    /// The notes of the last version that users of the target have; none where nobody wrote any, or where they were not
    /// asked for.
    previous: Option<PreviousNotesView>,
    /// Languages of the app in this store; none when the notes no longer change.
    languages: Option<StoreLanguagesView>,
}

/// The notes of a release for its stores.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoreNotesList {
    items: Vec<StoreNotesView>,
}

fn languages(known: &Known, texts: &Texts) -> StoreLanguagesView {
    let told = known.languages.as_ref();
    StoreLanguagesView {
        known: told
            .map(|(it, _)| it.known.iter().cloned().collect())
            .unwrap_or_default(),
        default: told.and_then(|(it, _)| it.default.clone()),
        asked_at: told.map(|(_, at)| *at),
        failure: known.failure.clone(),
        unread: known.unread(texts),
    }
}

/// What stands behind the notes of a target.
#[derive(Debug, Default)]
struct Behind {
    known: Option<Known>,
    profile: Option<String>,
    previous: Option<Previous>,
}

impl Behind {
    /// All of it.
    async fn whole(cx: &Context, release: &Release, target: TargetKey) -> Result<Self, Problem> {
        Ok(Self {
            known: store_languages::of(&cx.app, cx.tenant(), release, target).await?,
            profile: store_notes::profile_name(&cx.app, cx.tenant(), release).await?,
            previous: store_notes::previous(&cx.app, cx.tenant(), release, target).await?,
        })
    }
    /// What can be said at once.
    async fn brief(cx: &Context, release: &Release) -> Result<Self, Problem> {
        Ok(Self {
            profile: store_notes::profile_name(&cx.app, cx.tenant(), release).await?,
            ..Self::default()
        })
    }
}

fn strings(texts: &Texts) -> BTreeMap<String, String> {
    let owned = texts
        .iter()
        .map(|(language, text)| (language.to_string(), text.clone()));
    owned.collect()
}

/// Why somebody should write notes of the target.
fn warning(release: &Release, target: TargetKey) -> Option<&'static str> {
    let open = !release.terminal() && closed(release, target).is_none();
    let written = release.store_notes.contains_key(&target);
    match open && nobody_wrote(release, target) {
        false => None,
        true if written => {
            Some("nobody wrote notes for the other languages: their readers would read the changelog")
        }
        true => Some("nobody wrote notes: users would read the changelog"),
    }
}

fn view(release: &Release, target: TargetKey, behind: &Behind) -> Option<StoreNotesView> {
    let none = Texts::new();
    let planned = release.plan().targets.get(&target)?;
    let all = readings(release, target);
    let texts: Texts = all
        .iter()
        .map(|(language, it)| (language.clone(), it.text.clone()))
        .collect();
    let reading = |(language, Reading { source, text })| ReadingView {
        language: String::from(language),
        source: source.word(),
        text,
    };
    Some(StoreNotesView {
        target: target.word(),
        longest: longest(target.channel())?,
        closed: closed(release, target),
        notes: strings(release.store_notes.get(&target).unwrap_or(&none)),
        defaults: strings(&planned.notes),
        profile: behind.profile.clone(),
        collected: collected(release, target),
        readings: all.into_iter().map(reading).collect(),
        warning: warning(release, target),
        previous: behind.previous.as_ref().map(|it| PreviousNotesView {
            release_key: it.key.clone(),
            version: it.version.clone(),
            notes: strings(&it.texts),
        }),
        languages: behind.known.as_ref().map(|known| languages(known, &texts)),
    })
}

/// How much is told.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StoreNotesQuery {
    /// false: no store is asked for its languages, and no earlier release is looked up.
    #[serde(default = "yes")]
    ask: bool,
}

const fn yes() -> bool {
    true
}

/// What the stores tell users, for each store target and with where each text comes from, and in which languages each
/// store has the app. A store that does not answer within three seconds is said not to have been asked.
#[utoipa::path(tag = "Distribution", params(StoreNotesQuery), responses((status = 200, description = "The notes", body = StoreNotesList)))]
#[get("/releases/{releaseId}/store-notes")]
pub(crate) async fn read(cx: Context, query: Query<StoreNotesQuery>) -> Answered {
    let (row, release) = find(&cx).await?;
    let targets = release.plan().targets.keys().copied();
    // The stores are asked side by side, so that the slowest one decides how long it takes.
    let asked = targets.map(async |target| {
        let behind = if query.0.ask {
            Behind::whole(&cx, &release, target).await?
        } else {
            Behind::brief(&cx, &release).await?
        };
        Ok::<_, Problem>(view(&release, target, &behind))
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
    let behind = Behind::whole(&cx, &before, target).await?;
    let command = Command::Release(ReleaseCommand::ChangeStoreNotes { target, texts });
    act_on(&cx, id(&cx).await?, &command, Success::Ok, &move |state| {
        as_release(state).and_then(|release| view(release, target, &behind))
    })
    .await
}
