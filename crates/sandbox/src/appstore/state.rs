//! Apps, builds, versions and reviews of the simulated App Store Connect.

use std::collections::BTreeMap;

use crate::auto::Step;
use crate::ids::Ids;
use chrono::{DateTime, FixedOffset};

/// Name of the vendor, its prefix.
pub(crate) const NAME: &str = "appstore";
/// States in which a version's contents may be changed.
pub(crate) const EDITABLE: [&str; 6] = [
    "PREPARE_FOR_SUBMISSION",
    "READY_FOR_REVIEW",
    "DEVELOPER_REJECTED",
    "REJECTED",
    "METADATA_REJECTED",
    "INVALID_BINARY",
];

/// An app.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) bundle_id: String,
    pub(crate) name: String,
}

/// An uploaded build.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) platform: String,
    /// CFBundleShortVersionString.
    pub(crate) version: String,
    /// CFBundleVersion.
    pub(crate) number: String,
    pub(crate) state: String,
    pub(crate) uploaded: i64,
    pub(crate) expired: bool,
    pub(crate) encryption: Option<bool>,
    pub(crate) step: Step,
}

/// A version.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) platform: String,
    pub(crate) string: String,
    pub(crate) state: String,
    pub(crate) release_type: String,
    pub(crate) earliest: Option<String>,
    pub(crate) copyright: Option<String>,
    pub(crate) build: Option<String>,
    pub(crate) created: i64,
    /// The first version of an app has no release notes.
    pub(crate) first: bool,
    pub(crate) step: Step,
}

/// Texts of a version in one locale.
#[derive(Debug, Clone)]
pub(crate) struct Localization {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) locale: String,
    pub(crate) fields: BTreeMap<String, String>,
}

/// A phased release.
#[derive(Debug, Clone)]
pub(crate) struct Phased {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) state: String,
    pub(crate) started: Option<i64>,
    pub(crate) day: i64,
    pub(crate) paused_days: i64,
    pub(crate) step: Step,
}

/// An item of a submission.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) state: String,
}

/// A submission for review.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) platform: String,
    pub(crate) state: String,
    pub(crate) submitted: Option<i64>,
    pub(crate) items: Vec<Item>,
    pub(crate) step: Step,
}

/// The simulated App Store Connect.
#[derive(Debug, Default)]
pub(crate) struct AppStore {
    pub(crate) apps: Vec<App>,
    pub(crate) builds: Vec<Build>,
    pub(crate) versions: Vec<Version>,
    pub(crate) localizations: Vec<Localization>,
    pub(crate) phased: Vec<Phased>,
    pub(crate) submissions: Vec<Submission>,
    /// New versions stay out of lists for so long, as reads lag behind writes.
    pub(crate) lag_ms: i64,
    /// States that reads go on showing, by id of version or submission.
    pub(crate) frozen: BTreeMap<String, String>,
    /// The account holder has an agreement to accept.
    pub(crate) agreements_missing: bool,
    /// Requests left in this hour.
    pub(crate) remaining: u32,
}

impl AppStore {
    /// The state that reads show, which may lag behind.
    pub(crate) fn shown<'a>(&'a self, id: &str, state: &'a str) -> &'a str {
        self.frozen.get(id).map_or(state, String::as_str)
    }

    /// Reads go on showing the states as they are now; or no longer do.
    pub(crate) fn freeze(&mut self, on: bool) -> usize {
        self.frozen.clear();
        if on {
            let versions = self.versions.iter().map(|it| (it.id.clone(), it.state.clone()));
            let submissions = self
                .submissions
                .iter()
                .map(|it| (it.id.clone(), it.state.clone()));
            self.frozen = versions.chain(submissions).collect();
        }
        self.frozen.len()
    }

    /// A fresh account: one app with a live version, one whose id has the first as prefix, one without a version.
    pub(crate) fn new() -> Self {
        let mut store = Self {
            remaining: 3500,
            ..Self::default()
        };
        // Built from a counter of its own, so that other vendors' objects do not shift these ids.
        let mut ids = Ids::new(0);
        for (bundle_id, name) in [
            ("com.example.shop", "Example Shop"),
            ("com.example.shop.lite", "Example Shop Lite"),
            ("com.example.fresh", "Example Fresh"),
        ] {
            store.apps.push(App {
                id: ids.decimal("app"),
                bundle_id: bundle_id.into(),
                name: name.into(),
            });
        }
        let Some(app) = store.apps.first().map(|app| app.id.clone()) else {
            return store;
        };
        let build = ids.uuid("live build");
        let version = ids.uuid("live version");
        store.builds.push(Build {
            id: build.clone(),
            app: app.clone(),
            platform: "IOS".into(),
            version: "1.0.0".into(),
            number: "40".into(),
            state: "VALID".into(),
            uploaded: 1_790_000_000_000,
            expired: false,
            encryption: Some(false),
            step: Step::default(),
        });
        for locale in ["en-US", "de-DE"] {
            let fields = [("description", "A shop."), ("keywords", "shop")];
            store.localizations.push(Localization {
                id: ids.uuid("live localization"),
                version: version.clone(),
                locale: locale.into(),
                fields: fields
                    .iter()
                    .map(|&(name, text)| (name.to_owned(), text.to_owned()))
                    .collect(),
            });
        }
        store.versions.push(Version {
            id: version,
            app,
            platform: "IOS".into(),
            string: "1.0.0".into(),
            state: "READY_FOR_DISTRIBUTION".into(),
            release_type: "MANUAL".into(),
            earliest: None,
            copyright: None,
            build: Some(build),
            created: 1_790_000_000_000,
            first: true,
            step: Step::default(),
        });
        store
    }

    pub(crate) fn app(&self, id: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.id == id)
    }

    pub(crate) fn bundle(&self, app: &str) -> String {
        self.app(app).map(|app| app.bundle_id.clone()).unwrap_or_default()
    }

    pub(crate) fn build(&self, id: &str) -> Option<&Build> {
        self.builds.iter().find(|build| build.id == id)
    }

    pub(crate) fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    pub(crate) fn version_mut(&mut self, id: &str) -> Option<&mut Version> {
        self.versions.iter_mut().find(|version| version.id == id)
    }

    pub(crate) fn phased_of(&self, version: &str) -> Option<&Phased> {
        self.phased.iter().find(|phased| phased.version == version)
    }

    /// The open submission that holds a version.
    pub(crate) fn submission_of(&self, version: &str) -> Option<&Submission> {
        self.submissions.iter().find(|submission| {
            submission.state != "COMPLETE" && submission.items.iter().any(|item| item.version == version)
        })
    }

    /// `bundle,platform,version`: how subjects name a version.
    pub(crate) fn subject(&self, version: &Version) -> String {
        format!(
            "{},{},{}",
            self.bundle(&version.app),
            version.platform,
            version.string
        )
    }

    /// The subject of a submission of a version with the build it has now.
    pub(crate) fn submit_subject(&self, version: &Version) -> String {
        let build = version
            .build
            .as_deref()
            .and_then(|id| self.build(id))
            .map(|build| build.number.as_str());
        format!("{},build={}", self.subject(version), build.unwrap_or("none"))
    }
}

/// A time as Apple writes it: with an offset, without fractions.
pub(crate) fn date(millis: i64) -> Option<String> {
    let zone = FixedOffset::west_opt(7 * 3600)?;
    let instant = DateTime::from_timestamp_millis(millis)?.with_timezone(&zone);
    Some(instant.format("%Y-%m-%dT%H:%M:%S%:z").to_string())
}
