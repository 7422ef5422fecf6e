//! What is read of App Store Connect: app, build, version, texts, submissions.

use crate::client::Client;
use crate::errors::CONSOLE;
use crate::model::{Many, Resource};
use crate::states::{self, Standing};
use crate::{PLATFORM, PROVIDER};
use delivr_domain::effect::Reference;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// States of submissions that are not over; CANCELING is one until Apple has finished it.
const OPEN: &str = "READY_FOR_REVIEW,WAITING_FOR_REVIEW,IN_REVIEW,UNRESOLVED_ISSUES,CANCELING";

/// One app in App Store Connect.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) client: Client,
    pub(crate) bundle_id: String,
    pub(crate) locales: Vec<String>,
    /// Apple's id of the app never changes, so it is looked up once per connection.
    pub(crate) id: Arc<OnceCell<String>>,
}

/// A version with what is attached to it.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) string: String,
    /// State word, the new one where Apple gives it.
    pub(crate) word: String,
    pub(crate) release_type: String,
    pub(crate) earliest: String,
    /// Id and number of the attached build.
    pub(crate) build: Option<(String, String)>,
    /// Id, state word and day of the phased release.
    pub(crate) phased: Option<(String, String, i64)>,
    /// When it was made, as Apple writes it.
    created: String,
    app: String,
}

impl Version {
    pub(crate) fn standing(&self) -> Standing {
        states::standing(&self.word)
    }
    /// Whether the build with this number is attached.
    pub(crate) fn ships(&self, number: &str) -> bool {
        self.build
            .as_ref()
            .is_some_and(|(_, attached)| attached == number)
    }
    /// The number of the attached build, for people.
    pub(crate) fn shipped(&self) -> &str {
        self.build.as_ref().map_or("none", |(_, number)| number)
    }
    pub(crate) fn reference(&self) -> Reference {
        Reference::id(&self.id)
            .at(format!("{CONSOLE}/apps/{}/distribution", self.app))
            .with("version", &self.string)
            .with("state", &self.word)
    }
}

/// A review submission and the versions it holds.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) id: String,
    pub(crate) state: String,
    /// Version ids of its items; an item of another kind (event, product page) is none.
    pub(crate) items: Vec<Option<String>>,
}

impl Submission {
    pub(crate) fn holds(&self, version: &str) -> bool {
        self.items.iter().any(|item| item.as_deref() == Some(version))
    }
}

impl App {
    /// The app as Apple tells it now.
    async fn app(&self) -> Result<Resource, ProviderError> {
        let query = [("filter[bundleId]", self.bundle_id.as_str()), ("limit", "200")];
        let found = self.client.all("find_app", "v1/apps", &query).await?;
        // The filter also finds identifiers that only begin with ours.
        let app = found
            .data
            .into_iter()
            .find(|app| app.text("bundleId") == self.bundle_id);
        app.ok_or_else(|| {
            ProviderError::new(
                PROVIDER,
                "find_app",
                ProviderErrorKind::NotFound,
                format!(
                    "There is no app `{}` in App Store Connect that this API key may see; correct the bundle id or give the \
                     key access to the app.",
                    self.bundle_id
                ),
            )
        })
    }

    /// Apple's id of the app.
    pub(crate) async fn app_id(&self) -> Result<&str, ProviderError> {
        let id = self.id.get_or_try_init(|| async { Ok(self.app().await?.id) });
        id.await.map(String::as_str)
    }

    /// The app's own locale, and those of its newest version, with which the next one begins (vendor-apis 17.7).
    pub(crate) async fn locales(
        &self,
        operation: &'static str,
    ) -> Result<(Option<String>, Vec<String>), ProviderError> {
        let primary = self.app().await?.text("primaryLocale").to_owned();
        let versions = self.versions(operation, None).await?;
        let newest = versions
            .iter()
            .max_by(|one, other| one.created.cmp(&other.created));
        let texts = match newest {
            Some(newest) => self.texts(operation, &newest.id).await?,
            None => Vec::new(),
        };
        let locales = texts.into_iter().map(|(locale, ..)| locale).collect();
        Ok(((!primary.is_empty()).then_some(primary), locales))
    }

    /// All versions of the app, or the one with this number.
    pub(crate) async fn versions(
        &self,
        operation: &'static str,
        string: Option<&str>,
    ) -> Result<Vec<Version>, ProviderError> {
        let app = self.app_id().await?;
        let mut query = vec![
            ("filter[platform]", PLATFORM),
            ("include", "build,appStoreVersionPhasedRelease"),
            ("limit", "200"),
        ];
        query.extend(string.map(|string| ("filter[versionString]", string)));
        let page = self
            .client
            .all(operation, &format!("v1/apps/{app}/appStoreVersions"), &query)
            .await?;
        Ok(page.data.iter().map(|it| version(app, it, &page)).collect())
    }

    /// The version with this number.
    pub(crate) async fn version(
        &self,
        operation: &'static str,
        string: &str,
    ) -> Result<Option<Version>, ProviderError> {
        let all = self.versions(operation, Some(string)).await?;
        Ok(all.into_iter().find(|it| it.string == string))
    }

    /// The version with this number, which an earlier step made.
    pub(crate) async fn expect_version(
        &self,
        operation: &'static str,
        string: &str,
    ) -> Result<Version, ProviderError> {
        self.version(operation, string).await?.ok_or_else(|| {
            // Lists lag behind writes for seconds (vendor-apis 17.2), so it may yet appear.
            ProviderError::new(
                PROVIDER,
                operation,
                ProviderErrorKind::Precondition,
                format!("App Store Connect does not list version {string} (yet); if somebody deleted it, prepare it again."),
            )
        })
    }

    /// The processed builds of a version, newest first, expired ones left out.
    pub(crate) async fn builds(
        &self,
        operation: &'static str,
        version: &str,
        number: Option<&str>,
    ) -> Result<Vec<Resource>, ProviderError> {
        let app = self.app_id().await?;
        let mut query = vec![
            ("filter[app]", app),
            ("filter[preReleaseVersion.version]", version),
            ("filter[preReleaseVersion.platform]", PLATFORM),
            ("sort", "-uploadedDate"),
            ("limit", "200"),
        ];
        query.extend(number.map(|number| ("filter[version]", number)));
        let mut page = self.client.all(operation, "v1/builds", &query).await?.data;
        page.retain(|build| {
            !build.flag("expired") && number.is_none_or(|number| build.text("version") == number)
        });
        Ok(page)
    }

    /// Texts of a version: locale, id and the notes there are.
    pub(crate) async fn texts(
        &self,
        operation: &'static str,
        version: &str,
    ) -> Result<Vec<(String, String, String)>, ProviderError> {
        let path = format!("v1/appStoreVersions/{version}/appStoreVersionLocalizations");
        let page = self.client.all(operation, &path, &[("limit", "200")]).await?;
        let texts = page.data.into_iter();
        Ok(texts
            .map(|it| {
                (
                    it.text("locale").to_owned(),
                    it.text("whatsNew").to_owned(),
                    it.id,
                )
            })
            .collect())
    }

    /// Submissions that are not over.
    pub(crate) async fn submissions(
        &self,
        operation: &'static str,
    ) -> Result<Vec<Submission>, ProviderError> {
        let app = self.app_id().await?;
        let query = [
            ("filter[app]", app),
            ("filter[platform]", PLATFORM),
            ("filter[state]", OPEN),
            ("limit", "200"),
        ];
        let open = self
            .client
            .all(operation, "v1/reviewSubmissions", &query)
            .await?
            .data;
        let mut all = Vec::new();
        for one in open {
            let path = format!("v1/reviewSubmissions/{}/items", one.id);
            let query = [("include", "appStoreVersion"), ("limit", "200")];
            let items = self.client.all(operation, &path, &query).await?.data;
            // What was taken out of a submission stays listed as REMOVED and no longer belongs to it.
            let items = items.iter().filter(|item| item.text("state") != "REMOVED");
            all.push(Submission {
                state: one.text("state").to_owned(),
                items: items
                    .map(|item| item.related("appStoreVersion").map(str::to_owned))
                    .collect(),
                id: one.id,
            });
        }
        Ok(all)
    }
}

fn version(app: &str, it: &Resource, page: &Many) -> Version {
    let included = |kind: &str, name: &str| {
        let id = it.related(name)?;
        page.included
            .iter()
            .find(|other| other.kind == kind && other.id == id)
    };
    let word = match it.text("appVersionState") {
        "" => it.text("appStoreState"),
        word => word,
    };
    Version {
        id: it.id.clone(),
        string: it.text("versionString").to_owned(),
        word: word.to_owned(),
        release_type: it.text("releaseType").to_owned(),
        earliest: it.text("earliestReleaseDate").to_owned(),
        build: included("builds", "build").map(|build| (build.id.clone(), build.text("version").to_owned())),
        phased: included("appStoreVersionPhasedReleases", "appStoreVersionPhasedRelease").map(|phased| {
            let day = phased.number("currentDayNumber").unwrap_or(0);
            (
                phased.id.clone(),
                phased.text("phasedReleaseState").to_owned(),
                day,
            )
        }),
        created: it.text("createdDate").to_owned(),
        app: app.to_owned(),
    }
}
