//! Edits: the working copies through which Google Play is read and changed (vendor-apis 18.2).

use crate::auth::Tokens;
use crate::track::Release;
use crate::{PROVIDER, errors};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
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

#[derive(Debug, Deserialize)]
struct Track {
    #[serde(default)]
    releases: Vec<Release>,
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

    /// Throws an edit away. Best effort: one that stays expires by itself.
    pub(crate) async fn discard(&self, operation: &'static str, edit: &str) {
        let Ok(url) = self.url(operation, &format!("edits/{edit}")) else {
            return;
        };
        // A failure leaves an edit that nobody sees.
        let _left_to_expire = self
            .send(Call::new(PROVIDER, operation, Method::DELETE, url).reads())
            .await;
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

    /// Version codes of all bundles.
    pub(crate) async fn bundles(
        &self,
        operation: &'static str,
        edit: &str,
    ) -> Result<Vec<i64>, ProviderError> {
        let url = self.url(operation, &format!("edits/{edit}/bundles"))?;
        let all: Bundles = self.quiet(Call::get(PROVIDER, operation, url)).await?.decode()?;
        Ok(all.bundles.into_iter().map(|it| it.version_code).collect())
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
        self.quiet(call.json(json!({"track": track, "releases": releases})))
            .await
            .map(drop)
    }

    /// Makes the edit real: the only call that changes anything, so the only one that may leave a doubt.
    pub(crate) async fn commit(
        &self,
        operation: &'static str,
        edit: &str,
        unsent: bool,
    ) -> Result<(), ProviderError> {
        let mut url = self.url(operation, &format!("edits/{edit}:commit"))?;
        // Without it Google silently cancels a running review.
        url.query_pairs_mut()
            .append_pair("changesInReviewBehavior", "ERROR_IF_IN_REVIEW");
        if unsent {
            url.query_pairs_mut()
                .append_pair("changesNotSentForReview", "true");
        }
        let answer = self.send(Call::post(PROVIDER, operation, url)).await?;
        // The body repeats the edit; a page in its place means that the commit never reached Google.
        errors::accepted(answer)?.decode::<Edit>().map(drop)
    }

    /// The lifecycle word of a version code on a track; none where the API does not tell it.
    pub(crate) async fn lifecycle(
        &self,
        operation: &'static str,
        track: &str,
        code: i64,
    ) -> Result<Option<String>, ProviderError> {
        let url = self.url(operation, &format!("tracks/{track}/releases"))?;
        let all: Summaries = match self.quiet(Call::get(PROVIDER, operation, url)).await {
            Ok(answer) => answer.decode()?,
            // The list is new; where it is missing, the track itself must do.
            Err(error) if error.kind == ProviderErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let has = |it: &Summary| it.active_artifacts.iter().any(|one| code_of(one) == Some(code));
        Ok(all
            .releases
            .into_iter()
            .find(has)
            .map(|it| it.release_lifecycle_state))
    }
}

/// A version code, written as a number or as text.
fn code_of(artifact: &Value) -> Option<i64> {
    let code = artifact.get("versionCode")?;
    code.as_i64().or_else(|| code.as_str()?.parse().ok())
}
