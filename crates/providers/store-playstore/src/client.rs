//! The calls of Google Play's publishing API (vendor-apis 18.2 to 18.6).

use crate::auth::Tokens;
use crate::track::Release;
use crate::{PROVIDER, errors};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::StoreLanguages;
use delivr_provider_kit::{Answer, Call, HttpClient, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

/// One app in Google Play.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) http: HttpClient,
    /// Ends with a slash.
    pub(crate) base: Url,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) package: String,
}

#[derive(Debug, Deserialize)]
struct Edit {
    id: String,
}

/// A track and what is on it.
#[derive(Debug, Deserialize)]
pub(crate) struct Track {
    /// Its name.
    #[serde(default)]
    pub(crate) track: String,
    /// All that is active on it.
    #[serde(default)]
    pub(crate) releases: Vec<Release>,
}

#[derive(Debug, Deserialize)]
struct Tracks {
    #[serde(default)]
    tracks: Vec<Track>,
}

/// What a commit does to changes that are in review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InReview {
    /// It is refused.
    Stays,
    /// Their review is cancelled, and they are sent anew together with the edit.
    Cancelled,
}

/// A release as its lifecycle is told, without an edit.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    /// The lifecycle's word.
    pub(crate) word: String,
    /// Its version codes.
    pub(crate) codes: Vec<i64>,
}

/// What the list of lifecycles says of a version code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// This word.
    Word(String),
    /// Nothing (yet): others are listed, or none.
    Unlisted,
    /// The API has no such list.
    NoList,
}

#[derive(Debug, Deserialize)]
struct Bundles {
    #[serde(default)]
    bundles: Vec<Bundle>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    version_code: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(default)]
    default_language: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Listings {
    #[serde(default)]
    listings: Vec<Listing>,
}

#[derive(Debug, Deserialize)]
struct Listing {
    #[serde(default)]
    language: String,
}

#[derive(Debug, Deserialize)]
struct Summaries {
    #[serde(default)]
    releases: Vec<Summary>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(default)]
    release_lifecycle_state: String,
    #[serde(default)]
    active_artifacts: Vec<Value>,
}

impl Client {
    fn url(&self, operation: &'static str, path: &str) -> Result<Url, ProviderError> {
        let path = format!("androidpublisher/v3/applications/{}/{path}", self.package);
        self.base.join(&path).map_err(|_ignored| {
            ProviderError::new(
                PROVIDER,
                operation,
                ProviderErrorKind::Misconfigured,
                "The base URL of the Google Play integration does not make an address; correct it.",
            )
        })
    }

    async fn send(&self, call: Call) -> Result<Answer, ProviderError> {
        let token = self.tokens.current().await?;
        let answer = self.http.send(call.bearer(&token)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.tokens.forget().await;
        }
        Ok(answer)
    }

    /// A call that leaves nothing behind that anybody sees: reads, and everything in an edit before its commit. A
    /// token that Google revoked early is replaced once.
    async fn quiet(&self, call: Call) -> Result<Answer, ProviderError> {
        let call = call.reads();
        let answer = self.send(call.clone()).await?;
        let answer = if answer.status == StatusCode::UNAUTHORIZED {
            self.send(call).await?
        } else {
            answer
        };
        errors::accepted(answer)
    }

    /// Opens an edit.
    pub(crate) async fn open(&self, operation: &'static str) -> Result<String, ProviderError> {
        let call = Call::post(PROVIDER, operation, self.url(operation, "edits")?).json(json!({}));
        Ok(self.quiet(call).await?.decode::<Edit>()?.id)
    }

    /// Throws an edit away; whether Google says that it is at its end. One that stays expires by itself.
    pub(crate) async fn discard(&self, operation: &'static str, edit: &str) -> bool {
        let Ok(url) = self.url(operation, &format!("edits/{edit}")) else {
            return false;
        };
        let call = Call::new(PROVIDER, operation, Method::DELETE, url).reads();
        match self.quiet(call).await {
            Ok(_) => true,
            Err(error) => error.kind == ProviderErrorKind::NotFound || errors::edit_is_gone(&error),
        }
    }

    /// Releases of a track in an edit.
    pub(crate) async fn track(
        &self,
        operation: &'static str,
        edit: &str,
        track: &str,
    ) -> Result<Vec<Release>, ProviderError> {
        let url = self.url(operation, &format!("edits/{edit}/tracks/{track}"))?;
        Ok(self
            .quiet(Call::get(PROVIDER, operation, url))
            .await?
            .decode::<Track>()?
            .releases)
    }

    /// All tracks in an edit, those without releases included.
    pub(crate) async fn tracks(
        &self,
        operation: &'static str,
        edit: &str,
    ) -> Result<Vec<Track>, ProviderError> {
        let url = self.url(operation, &format!("edits/{edit}/tracks"))?;
        let all: Tracks = self.quiet(Call::get(PROVIDER, operation, url)).await?.decode()?;
        Ok(all.tracks)
    }

    /// Version codes of all bundles that are processed.
    pub(crate) async fn bundles(
        &self,
        operation: &'static str,
        edit: &str,
    ) -> Result<Vec<i64>, ProviderError> {
        let url = self.url(operation, &format!("edits/{edit}/bundles"))?;
        let all: Bundles = self.quiet(Call::get(PROVIDER, operation, url)).await?.decode()?;
        Ok(all.bundles.into_iter().map(|it| it.version_code).collect())
    }

    /// Languages of the app's store listing, the default one among them.
    pub(crate) async fn languages(
        &self,
        operation: &'static str,
        edit: &str,
    ) -> Result<StoreLanguages, ProviderError> {
        let url = self.url(operation, &format!("edits/{edit}/details"))?;
        let details: Details = self.quiet(Call::get(PROVIDER, operation, url)).await?.decode()?;
        let url = self.url(operation, &format!("edits/{edit}/listings"))?;
        let all: Listings = self.quiet(Call::get(PROVIDER, operation, url)).await?.decode()?;
        let default = details.default_language.filter(|it| !it.is_empty());
        let listed = all.listings.into_iter().map(|it| it.language);
        Ok(StoreLanguages {
            known: listed
                .chain(default.clone())
                .filter(|it| !it.is_empty())
                .collect(),
            default,
        })
    }

    /// Puts releases on a track in an edit; seen by nobody until the commit.
    pub(crate) async fn put(
        &self,
        operation: &'static str,
        edit: &str,
        track: &str,
        releases: &[Release],
    ) -> Result<(), ProviderError> {
        let url = self.url(operation, &format!("edits/{edit}/tracks/{track}"))?;
        let call = Call::new(PROVIDER, operation, Method::PUT, url);
        let put = self.quiet(call.json(json!({"track": track, "releases": releases})));
        put.await.map(drop).map_err(errors::of_change)
    }

    /// Has Google try an edit without committing it.
    pub(crate) async fn validate(&self, operation: &'static str, edit: &str) -> Result<(), ProviderError> {
        let url = self.url(operation, &format!("edits/{edit}:validate"))?;
        let tried = self.quiet(Call::post(PROVIDER, operation, url)).await;
        tried.map(drop).map_err(errors::of_change)
    }

    /// Makes the edit real: the only call that changes anything, so the only one that may leave a doubt.
    pub(crate) async fn commit(
        &self,
        operation: &'static str,
        edit: &str,
        reviews: InReview,
        unsent: bool,
    ) -> Result<(), ProviderError> {
        let mut url = self.url(operation, &format!("edits/{edit}:commit"))?;
        // Left out, Google silently cancels a running review.
        let behaviour = match reviews {
            InReview::Stays => "ERROR_IF_IN_REVIEW",
            InReview::Cancelled => "CANCEL_IN_REVIEW_AND_SUBMIT",
        };
        url.query_pairs_mut()
            .append_pair("changesInReviewBehavior", behaviour);
        if unsent {
            url.query_pairs_mut()
                .append_pair("changesNotSentForReview", "true");
        }
        let answer = self.send(Call::post(PROVIDER, operation, url)).await?;
        // The body repeats the edit; a page in its place means that the commit never reached Google.
        let accepted = errors::accepted(answer).map_err(errors::of_change)?;
        accepted.decode::<Edit>().map(drop)
    }

    /// Releases of a track with the state of their review, which needs no edit; none where the API does not tell it.
    pub(crate) async fn lifecycles(
        &self,
        operation: &'static str,
        track: &str,
    ) -> Result<Option<Vec<Lifecycle>>, ProviderError> {
        let url = self.url(operation, &format!("tracks/{track}/releases"))?;
        let all: Summaries = match self.quiet(Call::get(PROVIDER, operation, url)).await {
            Ok(answer) => answer.decode()?,
            // The list is new; where it is missing, the track itself must do.
            Err(error) if error.kind == ProviderErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let releases = all.releases.into_iter().map(|it| Lifecycle {
            codes: it.active_artifacts.iter().filter_map(code_of).collect(),
            word: it.release_lifecycle_state,
        });
        Ok(Some(releases.collect()))
    }

    /// The lifecycle of a version code on a track.
    pub(crate) async fn lifecycle(
        &self,
        operation: &'static str,
        track: &str,
        code: i64,
    ) -> Result<Told, ProviderError> {
        let Some(all) = self.lifecycles(operation, track).await? else {
            return Ok(Told::NoList);
        };
        let ours = all.into_iter().find(|it| it.codes.contains(&code));
        Ok(ours.map_or(Told::Unlisted, |it| Told::Word(it.word)))
    }
}

/// A version code, written as a number or as text.
fn code_of(artifact: &Value) -> Option<i64> {
    let code = artifact.get("versionCode")?;
    code.as_i64().or_else(|| code.as_str()?.parse().ok())
}
