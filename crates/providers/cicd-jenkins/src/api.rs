//! The connection: addresses, authentication, crumbs, and the errors Jenkins is known for.

use crate::wire::Crumb;
use crate::{KEY, KEY_PARAMETER};
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::header::{COOKIE, HeaderName, SET_COOKIE};
use delivr_provider_kit::{Answer, Call, HttpClient};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use url::Url;

/// A connection to one Jenkins.
pub struct Jenkins {
    http: HttpClient,
    base: Url,
    user: SecretString,
    token: SecretString,
    use_crumb: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Jenkins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jenkins")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Jenkins {
    /// A connection below a base URL that ends with `/`.
    #[must_use]
    pub fn new(
        http: HttpClient,
        base: Url,
        user: SecretString,
        token: SecretString,
        use_crumb: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            http,
            base,
            user,
            token,
            use_crumb,
            clock,
        }
    }

    /// An address below the base; each part becomes one encoded segment.
    pub(crate) fn address(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// An address below a job: `A/B` and `job/A/job/B` both name job B in folder A. A `%2F` inside a name (branches
    /// of multibranch jobs) is encoded once more, as Jenkins wants it.
    pub(crate) fn job_address(&self, job: &str, below: &[&str]) -> Url {
        let parts: Vec<&str> = job.split('/').filter(|part| !part.is_empty()).collect();
        let as_path = parts.len().is_multiple_of(2) && parts.iter().step_by(2).all(|part| *part == "job");
        let names = parts
            .into_iter()
            .skip(usize::from(as_path))
            .step_by(if as_path { 2 } else { 1 });
        let mut path: Vec<&str> = names.flat_map(|name| ["job", name]).collect();
        path.extend_from_slice(below);
        self.address(&path)
    }

    fn signed(&self, call: Call) -> Call {
        call.basic(self.user.expose_secret(), &self.token)
    }

    /// Reads an answer whatever its status.
    pub(crate) async fn read(&self, operation: &'static str, url: Url) -> Result<Answer, ProviderError> {
        self.http.send(self.signed(Call::get(KEY, operation, url))).await
    }

    /// Reads JSON, cut down to a `tree`.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        mut url: Url,
        tree: &str,
    ) -> Result<T, ProviderError> {
        url.query_pairs_mut().append_pair("tree", tree);
        let answer = self.read(operation, url).await?;
        if answer.status.is_success() {
            answer.decode()
        } else {
            Err(explain(&answer))
        }
    }

    /// The same, where 404 means that there is no such thing.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        url: Url,
        tree: &str,
    ) -> Result<Option<T>, ProviderError> {
        match self.get(operation, url, tree).await {
            Ok(it) => Ok(Some(it)),
            Err(error) if error.kind == ProviderErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Posts once; the answer is given back whatever its status, redirects included.
    pub(crate) async fn post(
        &self,
        operation: &'static str,
        url: Url,
        form: Vec<(String, String)>,
    ) -> Result<Answer, ProviderError> {
        let mut call = self.signed(Call::post(KEY, operation, url)).form(form);
        if self.use_crumb {
            call = self.with_crumb(operation, call).await?;
        }
        self.http.send(call).await
    }

    /// A crumb belongs to the session it was given in, so its cookie goes along.
    async fn with_crumb(&self, operation: &'static str, call: Call) -> Result<Call, ProviderError> {
        let answer = self
            .read(operation, self.address(&["crumbIssuer", "api", "json"]))
            .await?;
        if answer.status.as_u16() == 404 {
            // CSRF protection is off: there is nothing to send.
            return Ok(call);
        }
        if !answer.status.is_success() {
            return Err(explain(&answer));
        }
        let crumb: Crumb = answer.decode()?;
        let name: HeaderName = crumb.crumb_request_field.parse().map_err(|_ignored| {
            answer.error(
                ProviderErrorKind::Malformed,
                "Jenkins names a crumb header that cannot be sent",
            )
        })?;
        let cookies: Vec<&str> = answer
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .collect();
        let call = call.secret_header(name, crumb.crumb.into());
        Ok(if cookies.is_empty() {
            call
        } else {
            call.secret_header(COOKIE, cookies.join("; ").into())
        })
    }
}

/// Jenkins' error table: pages with well-known sentences, else the common table.
pub(crate) fn explain(answer: &Answer) -> ProviderError {
    let page = String::from_utf8_lossy(&answer.body);
    let says = |text: &str| page.contains(text);
    match answer.status.as_u16() {
        400 if says("is not parameterized") || says("Nothing is submitted") => {
            answer.error(ProviderErrorKind::Misconfigured, undeclared("the job"))
        }
        400 if says("Illegal choice") => answer.error(
            ProviderErrorKind::Misconfigured,
            "Jenkins refuses a parameter's value: it is none of the choices the job declares; correct the pipeline's \
             parameters",
        ),
        409 if says("is not buildable") => answer.error(
            ProviderErrorKind::Misconfigured,
            "the job is disabled; enable it in Jenkins or choose another one",
        ),
        403 if says("No valid crumb") => answer.error(
            ProviderErrorKind::Misconfigured,
            "Jenkins wants a crumb; use an API token instead of a password, or switch on `useCrumb`",
        ),
        401 => answer.error(
            ProviderErrorKind::Unauthenticated,
            "Jenkins does not accept user and API token; create a new token on the user's page and set it here",
        ),
        403 => answer.error(
            ProviderErrorKind::Forbidden,
            "the user lacks a permission; grant Overall/Read, Job/Read, Job/Build and Job/Cancel",
        ),
        404 => answer.error(
            ProviderErrorKind::NotFound,
            "it does not exist in Jenkins or the user may not see it (Job/Read)",
        ),
        _ => answer.failure(),
    }
}

/// What to do for a job that does not declare the key.
pub(crate) fn undeclared(job: &str) -> String {
    format!(
        "{job} does not declare the parameter {KEY_PARAMETER}, without which its runs cannot be found again; add to \
         the Jenkinsfile: parameters {{ string(name: '{KEY_PARAMETER}', defaultValue: '', description: 'Set by \
         Delivr') }} (then run the job once), or tick `This project is parameterized` and add a String Parameter \
         {KEY_PARAMETER}"
    )
}
