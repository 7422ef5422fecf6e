//! The rules Play holds a track's releases to.

use std::collections::BTreeMap;

use super::errors::{Outcome, forbidden, invalid};
use super::state::{App, Edit, Release, Status};

const NOTE_LIMIT: usize = 500;
const LANGUAGES: [&str; 51] = [
    "af", "am", "ar", "bg", "bn-BD", "ca", "cs-CZ", "da-DK", "de-DE", "el-GR", "en-AU", "en-CA", "en-GB",
    "en-IN", "en-US", "es-419", "es-ES", "es-US", "et", "fa", "fi-FI", "fil", "fr-CA", "fr-FR", "hi-IN",
    "hr", "hu-HU", "id", "it-IT", "iw-IL", "ja-JP", "ko-KR", "lt", "lv", "ms", "nl-NL", "no-NO", "pl-PL",
    "pt-BR", "pt-PT", "ro", "ru-RU", "sk", "sl", "sr", "sv-SE", "th", "tr-TR", "uk", "vi", "zh-CN",
];

/// The rules that Play holds releases of a track to.
pub(crate) fn check_releases(app: &App, edit: &Edit, track: &str, releases: &[Release]) -> Outcome<()> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let known = |code: &str| {
        app.bundles
            .iter()
            .chain(&edit.bundles)
            .any(|bundle| bundle.code.to_string() == code)
    };
    let processing = |code: &str| {
        let mut bundles = app.bundles.iter();
        bundles.any(|bundle| bundle.processing && bundle.code.to_string() == code)
    };
    for release in releases {
        check_release(app, release)?;
        if let Some(code) = release.version_codes.iter().find(|code| !known(code)) {
            return Err(invalid(&format!("Version code {code} does not exist.")));
        }
        if let Some(code) = release.version_codes.iter().find(|code| processing(code)) {
            return Err(invalid(&format!(
                "The bundle of version code {code} is still being processed."
            )));
        }
        let kind = match release.status {
            Status::Completed => "completed",
            Status::Draft => "draft",
            Status::InProgress | Status::Halted => "staged",
        };
        let count = counts.entry(kind).or_insert(0);
        *count += 1;
        if *count > 1 {
            return Err(invalid(&format!("Too many {kind} releases specified.")));
        }
    }
    let before = app.releases(track);
    let live = before
        .iter()
        .filter(|one| one.status == Status::Completed)
        .map(Release::highest)
        .max();
    for release in releases {
        let same = before
            .iter()
            .find(|one| one.version_codes == release.version_codes);
        let fresh = same.is_none_or(|one| one.status == Status::Draft);
        if !fresh && same.is_some_and(|one| one.in_app_update_priority != release.in_app_update_priority) {
            return Err(invalid(
                "The in-app update priority cannot be updated once the release is rolled out.",
            ));
        }
        match (release.status, same.map(|one| one.status)) {
            (Status::InProgress, Some(Status::Completed)) => {
                return Err(invalid("Fully released can not be staged."));
            }
            (Status::InProgress, Some(Status::InProgress | Status::Halted)) => {
                let old = same.and_then(|one| one.user_fraction).unwrap_or(0.0);
                if release.user_fraction.is_some_and(|new| new < old - 1e-6) {
                    return Err(invalid(
                        "The user fraction of a release in progress cannot be lowered.",
                    ));
                }
            }
            (Status::InProgress, _) if live.is_none() => {
                return Err(invalid("The first release on a track cannot be staged."));
            }
            _ => {}
        }
        let newer = live.is_none_or(|live| release.highest() > live);
        if fresh && release.status != Status::Draft && !newer {
            return Err(forbidden(
                "releaseDoesNotAllowUpgrade",
                "You cannot rollout this release because it does not allow any existing users to upgrade to the newly added APKs.",
            ));
        }
    }
    Ok(())
}

fn check_release(app: &App, release: &Release) -> Outcome<()> {
    if app.draft && release.status != Status::Draft {
        return Err(invalid(
            "Only releases with status draft may be created on draft app.",
        ));
    }
    if release.version_codes.is_empty() && release.status != Status::Draft {
        return Err(invalid("A release must have at least one version code."));
    }
    let inside = release
        .user_fraction
        .is_none_or(|fraction| fraction > 0.0 && fraction < 1.0);
    match (release.status, release.user_fraction) {
        (Status::InProgress, None) => {
            return Err(invalid(
                "A user fraction must be set for a release with status inProgress.",
            ));
        }
        (Status::Draft | Status::Completed, Some(_)) => {
            return Err(invalid(
                "The user fraction can only be set for releases with status inProgress or halted.",
            ));
        }
        _ if !inside => {
            return Err(invalid(
                "The user fraction must be greater than 0 and less than 1.",
            ));
        }
        _ => {}
    }
    if release
        .in_app_update_priority
        .is_some_and(|priority| priority > 5)
    {
        return Err(invalid("The in-app update priority must be between 0 and 5."));
    }
    let countries = release.country_targeting.iter().flat_map(|it| &it.countries);
    for country in countries {
        if country.len() != 2 || !country.chars().all(|it| it.is_ascii_uppercase()) {
            return Err(invalid(&format!("The country code '{country}' is not valid.")));
        }
    }
    for note in &release.release_notes {
        if !LANGUAGES.contains(&note.language.as_str()) {
            return Err(invalid(&format!(
                "The language code '{}' is not supported.",
                note.language
            )));
        }
        if note.text.chars().count() > NOTE_LIMIT {
            return Err(invalid(&format!(
                "The release notes for language {} are too long (max: {NOTE_LIMIT}).",
                note.language
            )));
        }
    }
    Ok(())
}
