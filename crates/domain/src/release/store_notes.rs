//! What users read in a store about a version ("what's new"): for each store target of a release a default text and texts
//! by language, as people write them.
//!
//! They travel with the submission and change until it begins. Which languages the app has in its store is the adapter's to
//! find out (`Storefront::languages`): a text for another one is kept, since the language may yet be added, named to who
//! looks, and refused by name before a submission makes anything. None is dropped silently.
//!
//! Where nobody wrote a text for the release, the default one of the profile goes out that the release was planned with;
//! and only where there is none either, what was collected from the commits.

mod lines;
#[cfg(test)]
mod tests;

use super::command::{Rejection, illegal};
use super::event::Event;
use super::state::Release;
use crate::board::TaskState;
use crate::key::{Channel, TargetKey, UnknownWord, words};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Whom a text of the notes is for: readers of one language, or everybody who has no text of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language(String);

impl Language {
    /// The word of the default text, which languages without their own get.
    pub const DEFAULT: &'static str = "default";

    /// A BCP 47 tag as the stores write it (`de-DE`, `zh-Hans`), or `default`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Language {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        if text.eq_ignore_ascii_case(Self::DEFAULT) {
            return Ok(Self(Self::DEFAULT.to_owned()));
        }
        let wrong = || UnknownWord::new("language tag, such as `de-DE`, nor `default`", text);
        let mut parts = text.split(['-', '_']);
        let language = parts
            .next()
            .filter(|it| matches!(it.len(), 2 | 3))
            .ok_or_else(wrong)?;
        if text.len() > LONGEST_TAG || !language.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(wrong());
        }
        let mut tag = language.to_ascii_lowercase();
        for part in parts {
            if !(1..=8).contains(&part.len()) || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(wrong());
            }
            tag.push('-');
            // A region is written in capitals, a script with one, so that one language has one name.
            // The part is ASCII, as was just looked at, so that it splits after any byte.
            match part.len() {
                2 => tag.push_str(&part.to_ascii_uppercase()),
                4 => {
                    let (first, rest) = part.split_at(1);
                    tag.push_str(&first.to_ascii_uppercase());
                    tag.push_str(&rest.to_ascii_lowercase());
                }
                _ => tag.push_str(&part.to_ascii_lowercase()),
            }
        }
        Ok(Self(tag))
    }
}

impl TryFrom<String> for Language {
    type Error = UnknownWord;
    fn try_from(text: String) -> Result<Self, UnknownWord> {
        text.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Longest tag that is read, in bytes.
const LONGEST_TAG: usize = 35;

/// Most texts of one target; the stores know fewer languages.
const MOST_TEXTS: usize = 100;

/// Texts by language.
pub type Texts = BTreeMap<Language, String>;

/// Most characters of one text in the channel's store (vendor-apis 17.7 and 18.4); none where there is no store.
#[must_use]
pub const fn longest(channel: Channel) -> Option<usize> {
    match channel {
        Channel::PlayStore => Some(500),
        Channel::AppStore => Some(4000),
        Channel::Environment => None,
    }
}

/// Why the notes of a target no longer change, as a sentence; none while they do.
#[must_use]
pub fn closed(release: &Release, target: TargetKey) -> Option<String> {
    let task = release.board.find(&super::catalogue::ship_task(target))?;
    match task.state {
        // A failed one begins anew, with the notes as they are then.
        TaskState::Pending | TaskState::Failed { .. } => None,
        TaskState::Running { .. }
        | TaskState::AwaitingCallback { .. }
        | TaskState::AwaitingManual { .. }
        | TaskState::AwaitingChild { .. } => Some(format!(
            "the notes of {target} have gone with its submission; withdraw it, change them, and submit anew"
        )),
        TaskState::Completed { .. } => Some(format!("users of {target} have the version with its notes")),
        TaskState::Skipped { .. } | TaskState::Cancelled => Some(format!(
            "{target} is left out of this release, and its notes with it"
        )),
    }
}

/// Texts set and taken away, in one step: all or none.
pub(super) fn change(
    release: &Release,
    target: TargetKey,
    texts: &BTreeMap<Language, Option<String>>,
) -> Result<Vec<Event>, Rejection> {
    if !release.plan().targets.contains_key(&target) {
        return Err(Rejection::Missing("target"));
    }
    let Some(most) = longest(target.channel()) else {
        return illegal(
            "no_store",
            format!("{target} ships to no store: nobody reads notes there"),
        );
    };
    if let Some(sentence) = closed(release, target) {
        return illegal("notes_sent", sentence);
    }
    let mut wrong = Vec::new();
    let mut now = release.store_notes.get(&target).cloned().unwrap_or_default();
    let mut changed = BTreeMap::new();
    for (language, text) in texts {
        let text = text.as_deref().and_then(tidy);
        if let Some(text) = &text {
            wrong.extend(faults(target, most, language, text));
        }
        let before = match &text {
            Some(text) => now.insert(language.clone(), text.clone()),
            None => now.remove(language),
        };
        if before != text {
            changed.insert(language.clone(), text);
        }
    }
    if now.len() > MOST_TEXTS {
        wrong.push(format!("a target has notes in at most {MOST_TEXTS} languages"));
    }
    if !wrong.is_empty() {
        return Err(Rejection::Unsuitable {
            pointer: "/notes",
            sentence: wrong.join("; "),
        });
    }
    Ok(if changed.is_empty() {
        Vec::new()
    } else {
        vec![Event::StoreNotesChanged {
            target,
            texts: changed,
        }]
    })
}

/// Why a store that takes so many characters would refuse the text, as sentences.
fn faults(target: TargetKey, most: usize, language: &Language, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let long = text.chars().count();
    if long > most {
        wrong.push(format!(
            "the notes of {target} for {language} have {long} characters, and its store takes {most}"
        ));
    }
    if text
        .chars()
        .any(|it| it.is_control() && !matches!(it, '\n' | '\t'))
    {
        wrong.push(format!(
            "the notes for {language} hold characters that are no text"
        ));
    }
    wrong
}

/// Why the target's store would refuse a default text for the language, as sentences; none when it would not.
#[must_use]
pub fn refused(target: TargetKey, language: &Language, text: &str) -> Vec<String> {
    match (longest(target.channel()), tidy(text)) {
        (Some(most), Some(text)) => faults(target, most, language, &text),
        (Some(_) | None, Some(_) | None) => Vec::new(),
    }
}

/// The default texts as a plan keeps them: without empty ones, and with one for every language without its own. Where none
/// is written for all of those, they get the English text, else the first one: users rather read another language than
/// the words of commits.
#[must_use]
pub fn planned(texts: &Texts) -> Texts {
    let mut texts: Texts = texts
        .iter()
        .filter_map(|(language, text)| Some((language.clone(), tidy(text)?)))
        .collect();
    let everybody = Language(Language::DEFAULT.to_owned());
    if !texts.contains_key(&everybody) {
        let english = texts.keys().find(|it| it.as_str() == "en-US");
        let english = english.or_else(|| texts.keys().find(|it| it.as_str().starts_with("en-")));
        if let Some(chosen) = english.or_else(|| texts.keys().next()).cloned()
            && let Some(text) = texts.remove(&chosen)
        {
            texts.insert(everybody, text);
        }
    }
    texts
}

/// The text as it is kept: with the line ends of here and without blanks around it; none when nothing is left.
fn tidy(text: &str) -> Option<String> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What the event changed, folded.
pub(super) fn fold(release: &mut Release, target: TargetKey, texts: &BTreeMap<Language, Option<String>>) {
    let now = release.store_notes.entry(target).or_default();
    for (language, text) in texts {
        match text {
            Some(text) => now.insert(language.clone(), text.clone()),
            None => now.remove(language),
        };
    }
    if now.is_empty() {
        release.store_notes.remove(&target);
    }
}

words! {
    /// Where a text comes from that users read.
    Source ("source of notes") {
        /// A person wrote it for this release.
        Written = "WRITTEN",
        /// It is a default text of the profile that the release was planned with.
        Profile = "PROFILE",
        /// Nobody wrote one: it was collected from the commits.
        Changelog = "CHANGELOG",
    }
}

/// A text that users read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Where it comes from.
    pub source: Source,
    /// The very text that is sent.
    pub text: String,
}

/// The default text where nobody has written one: the release's notes, in whole lines as far as the store takes them.
#[must_use]
pub fn collected(release: &Release, target: TargetKey) -> Option<String> {
    let most = longest(target.channel())?;
    lines::whole_lines(release.notes.as_ref()?, most)
}

/// What users read, by language, if the target's submission begins now. A default text that a person wrote for this
/// release is for every language without its own, so that no default of the profile stands beside it.
#[must_use]
pub fn readings(release: &Release, target: TargetKey) -> BTreeMap<Language, Reading> {
    let everybody = Language(Language::DEFAULT.to_owned());
    let reading = |source: Source| {
        move |(language, text): (&Language, &String)| {
            let text = text.clone();
            (language.clone(), Reading { source, text })
        }
    };
    let written = release.store_notes.get(&target).into_iter().flatten();
    let mut all: BTreeMap<Language, Reading> = written.map(reading(Source::Written)).collect();
    if longest(target.channel()).is_none() || all.contains_key(&everybody) {
        return all;
    }
    let plan = release.plan().targets.get(&target);
    for (language, default) in plan
        .into_iter()
        .flat_map(|it| &it.notes)
        .map(reading(Source::Profile))
    {
        all.entry(language).or_insert(default);
    }
    if !all.contains_key(&everybody)
        && let Some(text) = collected(release, target)
    {
        let source = Source::Changelog;
        all.insert(everybody, Reading { source, text });
    }
    all
}

/// Whether users would read the words of commits, or nothing, if nobody writes a text before the target's submission
/// begins: there is none for every language without its own, neither of a person nor of the profile.
#[must_use]
pub fn nobody_wrote(release: &Release, target: TargetKey) -> bool {
    let everybody = |(language, it): (&Language, &Reading)| {
        language.as_str() == Language::DEFAULT && it.source != Source::Changelog
    };
    longest(target.channel()).is_some() && !readings(release, target).iter().any(everybody)
}

/// The texts a submission that begins now takes along, by language.
pub(super) fn of_submission(release: &Release, target: TargetKey) -> BTreeMap<String, String> {
    let texts = readings(release, target).into_iter();
    texts
        .map(|(language, reading)| (language.to_string(), reading.text))
        .collect()
}
