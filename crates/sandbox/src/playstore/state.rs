//! Packages, tracks, edits and reviews of the simulated Google Play.

use std::collections::{BTreeMap, BTreeSet};

use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auto::Step;
use crate::ids::hex;
use crate::world::Context;

/// Name of the vendor, its prefix.
pub(crate) const NAME: &str = "playstore";
/// Tracks that every package has.
pub(crate) const TRACKS: [&str; 4] = ["production", "beta", "alpha", "internal"];
/// How long an edit lives.
pub(crate) const EDIT_MS: i64 = 3_600_000;

/// Text in a language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    pub(crate) language: String,
    pub(crate) text: String,
}

/// Countries a release goes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Countries {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) countries: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) include_rest_of_world: Option<bool>,
}

/// A release of a track, as sent and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Release {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) version_codes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) release_notes: Vec<Note>,
    pub(crate) status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_fraction: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) country_targeting: Option<Countries>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_app_update_priority: Option<u8>,
}

/// Status of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Status {
    Draft,
    InProgress,
    Halted,
    Completed,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::InProgress => "inProgress",
            Self::Halted => "halted",
            Self::Completed => "completed",
        }
    }
}

impl Release {
    /// Highest version code; 0 without any.
    pub(crate) fn highest(&self) -> i64 {
        self.version_codes
            .iter()
            .filter_map(|code| code.parse().ok())
            .max()
            .unwrap_or(0)
    }

    /// `package,track,code,status,fraction`: what a person would call the same rollout step.
    pub(crate) fn subject(&self, package: &str, track: &str) -> String {
        let fraction = self
            .user_fraction
            .map(|fraction| format!(",userFraction={fraction}"))
            .unwrap_or_default();
        format!(
            "{package},{track},{},{}{fraction}",
            self.version_codes.join("+"),
            self.status.word()
        )
    }
}

/// A bundle.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    pub(crate) code: i64,
    /// Uploaded, not ready for use.
    pub(crate) processing: bool,
    pub(crate) sha1: String,
    pub(crate) sha256: String,
}

impl Bundle {
    pub(crate) fn of(code: i64, content: &[u8]) -> Self {
        let sha1 = hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, content).as_ref());
        Self {
            code,
            processing: false,
            sha1,
            sha256: hex(digest::digest(&digest::SHA256, content).as_ref()),
        }
    }

    pub(crate) fn view(&self) -> Value {
        json!({"versionCode": self.code, "sha1": self.sha1, "sha256": self.sha256})
    }
}

/// A committed release and where its review stands.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) release: Release,
    /// Lifecycle state without its long prefix.
    pub(crate) life: &'static str,
    pub(crate) step: Step,
}

/// A package.
#[derive(Debug, Clone, Default)]
pub(crate) struct App {
    pub(crate) bundles: Vec<Bundle>,
    pub(crate) tracks: BTreeMap<String, Vec<Committed>>,
    /// Never published: takes drafts only.
    pub(crate) draft: bool,
    /// A change was rejected: later ones are not sent for review by themselves.
    pub(crate) rejected: bool,
    /// Approved changes wait for a person to publish them.
    pub(crate) managed: bool,
    /// Languages of the store listing.
    pub(crate) languages: Vec<String>,
    /// The one that readers of all others get; none while nobody has chosen it.
    pub(crate) default_language: Option<String>,
}

impl App {
    pub(crate) fn releases(&self, track: &str) -> Vec<Release> {
        let committed = self.tracks.get(track).map(Vec::as_slice).unwrap_or_default();
        committed.iter().map(|one| one.release.clone()).collect()
    }
}

/// Why an edit can no longer be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The same account opened another one.
    Deleted,
    /// Someone else changed the app.
    Expired,
}

/// An edit: a working copy of the tracks.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) id: String,
    pub(crate) package: String,
    pub(crate) expiry: i64,
    pub(crate) tracks: BTreeMap<String, Vec<Release>>,
    pub(crate) touched: BTreeSet<String>,
    pub(crate) bundles: Vec<Bundle>,
    pub(crate) end: Option<End>,
}

impl Edit {
    pub(crate) fn view(&self) -> Value {
        json!({"id": self.id, "expiryTimeSeconds": (self.expiry / 1000).to_string()})
    }
}

/// The simulated Google Play.
#[derive(Debug)]
pub(crate) struct PlayStore {
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) edits: Vec<Edit>,
    /// Access token to the instant it expires.
    pub(crate) tokens: BTreeMap<String, i64>,
    pub(crate) token_seconds: i64,
    /// Inserts this close to the one before get its edit again.
    pub(crate) same_edit_ms: i64,
    /// The edit inserted last, and when.
    pub(crate) latest_edit: Option<(String, i64)>,
    /// The list of releases with the state of their review does not exist.
    pub(crate) without_lifecycle: bool,
    /// That list lags: it does not hold the newest release of a track.
    pub(crate) without_newest: bool,
    /// Lifecycle word given for every release in place of its own.
    pub(crate) lifecycle_word: Option<String>,
    /// What other people do in the Console, just before a call of the operation.
    pub(crate) meanwhile: Vec<(String, Value)>,
    /// How calls of an operation are refused next.
    pub(crate) refusals: Vec<(String, Value)>,
}

fn first_release(name: &str, code: i64) -> Committed {
    let release = Release {
        name: Some(name.to_owned()),
        version_codes: vec![code.to_string()],
        release_notes: Vec::new(),
        status: Status::Completed,
        user_fraction: None,
        country_targeting: None,
        in_app_update_priority: None,
    };
    Committed {
        release,
        life: "PUBLISHED",
        step: Step::default(),
    }
}

impl PlayStore {
    /// A fresh account: one published package, one that only takes drafts.
    pub(crate) fn new() -> Self {
        let tracks = |live: bool| {
            let releases = |track: &str| {
                if live && ["production", "internal"].contains(&track) {
                    vec![first_release("1.0.0", 100)]
                } else {
                    Vec::new()
                }
            };
            TRACKS
                .iter()
                .map(|&track| (track.to_owned(), releases(track)))
                .collect()
        };
        let shop = App {
            bundles: vec![Bundle::of(100, b"bundle 100")],
            tracks: tracks(true),
            languages: ["de-DE", "en-US", "ja-JP"].map(str::to_owned).to_vec(),
            default_language: Some("en-US".to_owned()),
            ..App::default()
        };
        let draft = App {
            bundles: vec![Bundle::of(1, b"bundle 1")],
            tracks: tracks(false),
            draft: true,
            ..App::default()
        };
        let apps = [
            ("com.example.shop".to_owned(), shop),
            ("com.example.draft".to_owned(), draft),
        ];
        Self {
            apps: apps.into(),
            edits: Vec::new(),
            tokens: BTreeMap::new(),
            token_seconds: 3599,
            same_edit_ms: -1,
            latest_edit: None,
            without_lifecycle: false,
            without_newest: false,
            lifecycle_word: None,
            meanwhile: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// Ends every open edit of a package but one.
    pub(crate) fn end_edits(&mut self, package: &str, but: Option<&str>, why: End) {
        let open =
            |edit: &&mut Edit| edit.package == package && edit.end.is_none() && Some(edit.id.as_str()) != but;
        for edit in self.edits.iter_mut().filter(open) {
            edit.end = Some(why);
        }
    }

    /// A bundle arrives from outside, on the internal track. A code that was used before is refused.
    pub(crate) fn deliver(&mut self, ctx: &Context, package: Option<&str>, version: &str, code: i64) -> bool {
        let name = package.unwrap_or("com.example.shop").to_owned();
        let Some(app) = self.apps.get_mut(&name) else {
            return false;
        };
        if app.bundles.iter().any(|bundle| bundle.code == code) {
            return false;
        }
        app.bundles.push(Bundle::of(
            code,
            format!("bundle {name} {code} {}", ctx.ids.seed()).as_bytes(),
        ));
        let mut committed = first_release(version, code);
        committed.step = Step::at(ctx.now());
        app.tracks.insert("internal".to_owned(), vec![committed]);
        self.end_edits(&name, None, End::Expired);
        true
    }

    /// Releases in a lifecycle state, of a package and track when given.
    pub(crate) fn select(
        &mut self,
        package: Option<&str>,
        track: Option<&str>,
        life: &str,
    ) -> Vec<(String, String, &mut Committed)> {
        let apps = self
            .apps
            .iter_mut()
            .filter(|(name, _)| package.is_none_or(|wanted| wanted == name.as_str()));
        apps.flat_map(|(name, app)| {
            let tracks = app
                .tracks
                .iter_mut()
                .filter(|(one, _)| track.is_none_or(|wanted| wanted == one.as_str()));
            tracks.flat_map(move |(track, releases)| {
                releases
                    .iter_mut()
                    .map(move |one| (name.clone(), track.clone(), one))
            })
        })
        .filter(|(_, _, one)| one.life == life)
        .collect()
    }

    /// Reviews pass.
    pub(crate) fn approve(&mut self, ctx: &Context, package: Option<&str>, track: Option<&str>) -> usize {
        let managed: BTreeSet<String> = self
            .apps
            .iter()
            .filter(|(_, app)| app.managed)
            .map(|(name, _)| name.clone())
            .collect();
        let now = ctx.now();
        let reviewed = self.select(package, track, "IN_REVIEW");
        let count = reviewed.len();
        for (name, _, one) in reviewed {
            one.life = if managed.contains(&name) {
                "APPROVED_NOT_PUBLISHED"
            } else {
                "PUBLISHED"
            };
            one.step = Step::at(now);
        }
        count
    }

    /// Lets reviews pass in auto mode.
    pub(crate) fn advance_by_itself(&mut self, ctx: &Context) {
        let due = self.select(None, None, "IN_REVIEW");
        let due: Vec<(String, String)> = due
            .into_iter()
            .filter(|(_, _, one)| ctx.due(NAME, one.step))
            .map(|(package, track, _)| (package, track))
            .collect();
        for (package, track) in due {
            self.approve(ctx, Some(&package), Some(&track));
        }
    }
}
