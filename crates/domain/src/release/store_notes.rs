//! What users read in a store about a version ("what's new"): for each store target of a release a default text and texts
//! by language, as people write them.
//!
//! They travel with the submission and change until it begins. Which languages the app has in its store is the adapter's to
//! find out (`Storefront::languages`): a text for another one is kept, since the language may yet be added, named to who
//! looks, and refused by name before a submission makes anything. None is dropped silently.

use super::command::{Rejection, illegal};
use super::event::Event;
use super::state::Release;
use crate::board::TaskState;
use crate::key::{Channel, TargetKey, UnknownWord};
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

/// The default text where nobody has written one: the release's notes, cut to what the store takes.
#[must_use]
pub fn collected(release: &Release, target: TargetKey) -> Option<String> {
    let most = longest(target.channel())?;
    let text = release.notes.as_ref()?;
    tidy(&text.chars().take(most).collect::<String>())
}

/// The texts a submission that begins now takes along, by language.
pub(super) fn of_submission(release: &Release, target: TargetKey) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = release
        .store_notes
        .get(&target)
        .into_iter()
        .flatten()
        .map(|(language, text)| (language.to_string(), text.clone()))
        .collect();
    if !texts.contains_key(Language::DEFAULT)
        && let Some(text) = collected(release, target)
    {
        texts.insert(Language::DEFAULT.to_owned(), text);
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_one_name() {
        for (text, tag) in [
            ("de-DE", "de-DE"),
            ("DE_de", "de-DE"),
            ("zh-hans", "zh-Hans"),
            ("ZH-HANT-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("fil", "fil"),
            ("ja", "ja"),
            ("Default", "default"),
        ] {
            assert_eq!(text.parse::<Language>().unwrap().as_str(), tag, "{text}");
        }
        for text in [
            "",
            "d",
            "german",
            "de-",
            "de--DE",
            "de-DE/..",
            "d3-DE",
            "de-überall",
            "de DE",
            "en-aaaaaaaaa",
        ] {
            assert!(text.parse::<Language>().is_err(), "{text}");
        }
        assert!(
            format!("de{}", "-abcdefgh".repeat(5))
                .parse::<Language>()
                .is_err()
        );
    }

    #[test]
    fn line_ends_and_blanks_make_no_other_text() {
        assert_eq!(tidy(" a\r\nb \n").as_deref(), Some("a\nb"));
        assert_eq!(tidy(" \r\n "), None);
    }
}
