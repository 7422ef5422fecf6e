//! Calls of GitHub's REST API for one repository under one token.

use crate::errors::{self, fail};
use crate::{ApiVersion, Correlation, KEY};
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::header::{ACCEPT, HeaderName};
use delivr_provider_kit::paging::next_link;
use delivr_provider_kit::{Answer, Call, Deps, HttpClient, Method};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use url::Url;

/// Objects on a page: the most GitHub gives.
const PAGE: &str = "100";
/// Pages that are read of one list; GitHub shows no more than 1000 objects of a filtered one.
const MOST_PAGES: usize = 10;
const MOST_SHOWN: usize = 1000;
const MEDIA_TYPE: &str = "application/vnd.github+json";
const VERSION: HeaderName = HeaderName::from_static("x-github-api-version");

/// A connection to the workflows of one repository.
pub(crate) struct Actions {
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) correlation: Correlation,
}

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    operation: &'static str,
    method: Method,
    url: Url,
    body: Option<Value>,
    changes: bool,
}

impl Ask {
    /// With a JSON body.
    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
    /// With query parameters.
    pub(crate) fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.url.query_pairs_mut().extend_pairs(pairs);
        self
    }
    /// Changing nothing, whatever its method.
    pub(crate) const fn reads(mut self) -> Self {
        self.changes = false;
        self
    }
}

/// A list, and whether all of it was seen.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) complete: bool,
}

/// The API of one repository.
pub(crate) struct Client {
    http: HttpClient,
    base: Url,
    owner: String,
    repository: String,
    token: SecretString,
    version: ApiVersion,
}

impl Client {
    pub(crate) fn new(
        deps: &Deps,
        base: Url,
        owner: String,
        repository: String,
        token: SecretString,
        version: ApiVersion,
    ) -> Self {
        Self {
            http: deps.http.clone(),
            base,
            owner,
            repository,
            token,
            version,
        }
    }

    /// `owner/repository`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.owner, self.repository)
    }

    /// Whether a dispatch is asked to name its run. The newer version always does and refuses the question; Enterprise
    /// Servers speak the older one and may not know it.
    pub(crate) fn asks_for_the_run(&self) -> bool {
        let server = self.base.path().ends_with("/api/v3/");
        self.version == ApiVersion::First && !server
    }

    /// Where people look at something of the repository: github.com and ghe.com have a host of its own for them, servers
    /// a path.
    pub(crate) fn page(&self, rest: &str) -> String {
        let host = self.base.host_str().unwrap_or_default();
        let site = host
            .strip_prefix("api.")
            .filter(|site| *site == "github.com" || site.ends_with(".ghe.com"));
        let site = match site {
            Some(site) => format!("https://{site}/"),
            None => {
                let text = self.base.as_str();
                text.strip_suffix("api/v3/").unwrap_or(text).to_owned()
            }
        };
        format!("{site}{}/{rest}", self.name())
    }

    /// A question below the API's root; segments are encoded.
    pub(crate) fn root(&self, operation: &'static str, method: Method, segments: &[&str]) -> Ask {
        let mut url = self.base.clone();
        // A base URL of http(s) always has a path to append to.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        let changes = method != Method::GET;
        Ask {
            operation,
            method,
            url,
            body: None,
            changes,
        }
    }

    /// A question below the repository.
    pub(crate) fn ask(&self, operation: &'static str, method: Method, segments: &[&str]) -> Ask {
        let mut all = vec!["repos", self.owner.as_str(), self.repository.as_str()];
        all.extend_from_slice(segments);
        self.root(operation, method, &all)
    }

    /// A reading question below the repository.
    pub(crate) fn get(&self, operation: &'static str, segments: &[&str]) -> Ask {
        self.ask(operation, Method::GET, segments)
    }

    /// Asks once; the answer whatever its status. A renamed repository answers by redirects: reads would follow them for
    /// years, but one day another repository takes the old name, so the setting must be right and not just work.
    pub(crate) async fn answer(&self, ask: &Ask) -> Result<Answer, ProviderError> {
        let mut call = Call::new(KEY, ask.operation, ask.method.clone(), ask.url.clone())
            .bearer(&self.token)
            .header(ACCEPT, MEDIA_TYPE)
            .header(VERSION, self.version.word());
        if !ask.changes {
            call = call.reads();
        }
        if let Some(body) = &ask.body {
            call = call.json(body.clone());
        }
        let answer = self.http.send(call).await?;
        if answer.url != ask.url || answer.status.is_redirection() {
            let sentence = format!(
                "{} was renamed or moved; set owner and repository to where it is now",
                self.name()
            );
            return Err(answer.error(ProviderErrorKind::Misconfigured, sentence));
        }
        Ok(answer)
    }

    /// Asks once; anything but 2xx is an error of GitHub's table.
    pub(crate) async fn send(&self, ask: &Ask) -> Result<Answer, ProviderError> {
        let answer = self.answer(ask).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(errors::failure(&answer, &self.name()))
    }

    /// The JSON of the answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, ProviderError> {
        self.send(ask).await?.decode()
    }

    /// The JSON of the answer; none when GitHub has no such thing.
    pub(crate) async fn find<T: DeserializeOwned>(&self, ask: &Ask) -> Result<Option<T>, ProviderError> {
        match self.json(ask).await {
            Ok(it) => Ok(Some(it)),
            Err(error) if error.kind == ProviderErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every page of a list, each read by `items` into its objects and how many there are in all.
    pub(crate) async fn pages<P: DeserializeOwned, T>(
        &self,
        ask: Ask,
        items: impl Fn(P) -> (Vec<T>, usize) + Send,
    ) -> Result<Listed<T>, ProviderError> {
        let mut ask = ask.query(&[("per_page", PAGE)]);
        let (mut all, mut most) = (Vec::new(), 0);
        for _ in 0..MOST_PAGES {
            let answer = self.send(&ask).await?;
            let (some, total) = items(answer.decode()?);
            most = most.max(total);
            all.extend(some);
            match next_link(&answer)? {
                Some(next) => ask.url = next,
                None => {
                    // The count may be a little ahead of what is shown; only a list at GitHub's bound was cut.
                    let complete = all.len() < MOST_SHOWN || all.len() >= most;
                    return Ok(Listed { items: all, complete });
                }
            }
        }
        Ok(Listed {
            items: all,
            complete: false,
        })
    }

    /// A list of which nothing may be missing.
    pub(crate) async fn whole<P: DeserializeOwned, T>(
        &self,
        ask: Ask,
        items: impl Fn(P) -> (Vec<T>, usize) + Send,
    ) -> Result<Vec<T>, ProviderError> {
        let operation = ask.operation;
        let listed = self.pages(ask, items).await?;
        if listed.complete {
            return Ok(listed.items);
        }
        Err(fail(
            operation,
            ProviderErrorKind::Unsupported,
            format!("GitHub's list has more than {MOST_PAGES} pages of {PAGE}"),
        ))
    }
}
