//! Calls of GitHub's REST API for one repository under one credential.

use crate::Adapter;
use crate::auth::Auth;
use crate::errors::failure;
use crate::transport::{Guarded, Meant, answer_of, error_of};
use delivr_domain::names::RefName;
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_provider_kit::paging::next_link;
use delivr_provider_kit::{Answer, HttpClient, Intent, Method};
use http::header::ACCEPT;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use url::Url;

/// Objects on a page: the most GitHub gives.
const PAGE: &str = "100";
const MEDIA_TYPE: &str = "application/vnd.github+json";

/// One question.
#[derive(Debug, Clone)]
pub struct Ask {
    pub(crate) operation: &'static str,
    method: Method,
    url: Url,
    body: Option<Value>,
    intent: Intent,
}

impl Ask {
    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
    /// Changing nothing, whatever its method.
    #[must_use]
    pub const fn reads(mut self) -> Self {
        self.intent = Intent::Read;
        self
    }
    /// With query parameters.
    #[must_use]
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.url.query_pairs_mut().extend_pairs(pairs);
        self
    }
}

/// A list, and whether all of it was seen.
#[derive(Debug)]
pub struct Listed<T> {
    /// What was seen.
    pub items: Vec<T>,
    /// Whether that is all there is.
    pub complete: bool,
}

impl<T> Listed<T> {
    /// The items, if they are all there are.
    ///
    /// # Errors
    /// Says that the list is too long.
    pub fn whole(self, adapter: &Adapter, operation: &'static str) -> Result<Vec<T>, ProviderError> {
        if self.complete {
            return Ok(self.items);
        }
        Err(adapter.fail(
            operation,
            ProviderErrorKind::Unsupported,
            format!(
                "GitHub's list is longer than the {} that are read of it; ask for a smaller range",
                self.items.len()
            ),
        ))
    }
}

/// The API of one repository.
pub struct Client {
    /// Whose requests these are.
    pub adapter: Adapter,
    transport: Guarded,
    /// The time by which tokens end.
    pub clock: Arc<dyn Clock>,
    base: Url,
    /// Where people look at repositories.
    site: String,
    /// The organization or user the repository belongs to.
    pub owner: String,
    repository: String,
    pub(crate) auth: Auth,
}

// By hand: nothing of a credential is ever printed.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("adapter", &self.adapter.key)
            .field("repository", &self.name())
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new(
        adapter: Adapter,
        (http, clock): (HttpClient, Arc<dyn Clock>),
        base: Url,
        owner: String,
        repository: String,
        auth: Auth,
    ) -> Self {
        Self {
            adapter,
            transport: Guarded::new(http),
            clock,
            site: site_of(&base),
            base,
            owner,
            repository,
            auth,
        }
    }

    /// `owner/repository`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.owner, self.repository)
    }

    /// Where people look at something of the repository; `rest` is a path whose parts need no encoding, `name` follows.
    #[must_use]
    pub fn page(&self, rest: &str, name: &str) -> String {
        let parts: Vec<String> = name.split('/').map(encoded).collect();
        format!("{}{}/{rest}{}", self.site, self.name(), parts.join("/"))
    }

    /// Whether the API is an Enterprise Server's, which may be years behind github.com's.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.base.path().ends_with("/api/v3/")
    }

    /// A question below the API's root; segments are encoded.
    #[must_use]
    pub fn root(&self, operation: &'static str, method: Method, segments: &[&str]) -> Ask {
        let mut url = self.base.clone();
        // A base URL of http(s) always has a path to append to.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        let intent = if method == Method::GET {
            Intent::Read
        } else {
            Intent::Write
        };
        Ask {
            operation,
            method,
            url,
            body: None,
            intent,
        }
    }

    /// A question below the repository.
    #[must_use]
    pub fn ask(&self, operation: &'static str, method: Method, segments: &[&str]) -> Ask {
        let mut all = vec!["repos", self.owner.as_str(), self.repository.as_str()];
        all.extend_from_slice(segments);
        self.root(operation, method, &all)
    }

    /// A reading question below the repository.
    #[must_use]
    pub fn get(&self, operation: &'static str, segments: &[&str]) -> Ask {
        self.ask(operation, Method::GET, segments)
    }

    /// The same with a ref's name behind the segments; its slashes part segments too.
    #[must_use]
    pub fn of_ref(&self, operation: &'static str, method: Method, segments: &[&str], name: &RefName) -> Ask {
        let mut all = segments.to_vec();
        all.extend(name.as_str().split('/'));
        self.ask(operation, method, &all)
    }

    /// Asks; anything but 2xx is an error of GitHub's table.
    ///
    /// # Errors
    /// Of that table, and the transport's.
    pub async fn send(&self, ask: &Ask) -> Result<Answer, ProviderError> {
        let answer = self.answer(ask).await?;
        self.accept(answer)
    }

    /// Asks; the answer whatever its status, for those who act on a refusal.
    ///
    /// # Errors
    /// The transport's, and a repository that was renamed or moved.
    pub async fn answer(&self, ask: &Ask) -> Result<Answer, ProviderError> {
        let token = self.auth.token(self).await?;
        let mut answer = self.once(ask, &token).await?;
        if answer.status.as_u16() == 401 && self.auth.forget().await {
            // An installation's token can end early (key changed, App suspended and resumed); 401 has no effect, so
            // asking once more with a new one is safe.
            let token = self.auth.token(self).await?;
            answer = self.once(ask, &token).await?;
        }
        // A renamed repository answers by redirects. Reads would follow them for years, but one day another repository
        // takes the old name: the setting must be right, not just work.
        if answer.url != ask.url || answer.status.is_redirection() {
            let sentence = format!(
                "{} was renamed or moved; set owner and repository to where it is now",
                self.name()
            );
            return Err(answer.error(ProviderErrorKind::Misconfigured, sentence));
        }
        Ok(answer)
    }

    /// The answer, unless it is a refusal.
    ///
    /// # Errors
    /// Of GitHub's table.
    pub fn accept(&self, answer: Answer) -> Result<Answer, ProviderError> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.refused(&answer))
    }

    /// What an answer says that is no success.
    #[must_use]
    pub fn refused(&self, answer: &Answer) -> ProviderError {
        failure(&self.adapter, answer, &self.name())
    }

    /// The JSON of the answer.
    ///
    /// # Errors
    /// Of GitHub's table, and an answer that cannot be read.
    pub async fn json<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, ProviderError> {
        self.send(ask).await?.decode()
    }

    /// The JSON of the answer; none when GitHub has no such thing.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn find<T: DeserializeOwned>(&self, ask: &Ask) -> Result<Option<T>, ProviderError> {
        match self.send(ask).await {
            Ok(answer) => answer.decode().map(Some),
            Err(error) if error.kind == ProviderErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// At most so many pages of a list, each read by `items`.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn pages<P: DeserializeOwned, T>(
        &self,
        ask: Ask,
        most: usize,
        mut items: impl FnMut(P) -> Vec<T> + Send,
    ) -> Result<Listed<T>, ProviderError> {
        let mut ask = ask.query(&[("per_page", PAGE)]);
        let mut all = Vec::new();
        for _ in 0..most {
            let answer = self.send(&ask).await?;
            all.extend(items(answer.decode()?));
            match next_link(&answer)? {
                Some(next) => ask.url = next,
                None => {
                    return Ok(Listed {
                        items: all,
                        complete: true,
                    });
                }
            }
        }
        Ok(Listed {
            items: all,
            complete: false,
        })
    }

    /// All of a list, which may have so many pages.
    ///
    /// # Errors
    /// As [`Self::json`], and where the list is longer.
    pub async fn whole<P: DeserializeOwned, T>(
        &self,
        ask: Ask,
        most: usize,
        items: impl FnMut(P) -> Vec<T> + Send,
    ) -> Result<Vec<T>, ProviderError> {
        let operation = ask.operation;
        let listed = self.pages(ask, most, items).await?;
        listed.whole(&self.adapter, operation)
    }

    /// A call with this token, whatever its status.
    pub(crate) async fn once(&self, ask: &Ask, token: &SecretString) -> Result<Answer, ProviderError> {
        // Made anew for each call: octocrab keeps a task that ends with the runtime it was made in, and connections are
        // shared by threads that have a runtime each. The sockets are the client's below, and stay.
        let crab = self.transport.octocrab();
        let meant = Meant {
            adapter: self.adapter,
            operation: ask.operation,
            intent: ask.intent,
            token: token.clone(),
        };
        let request = http::Request::builder()
            .method(ask.method.clone())
            .uri(ask.url.as_str())
            .header(ACCEPT, MEDIA_TYPE)
            .extension(meant);
        let failed = |error| error_of(&self.adapter, ask.operation, error);
        let request = crab.build_request(request, ask.body.as_ref()).map_err(failed)?;
        let response = crab.execute(request).await.map_err(failed)?;
        answer_of(&self.adapter, ask.operation, &response)
    }
}

/// One part of a path, percent-encoded.
fn encoded(part: &str) -> String {
    url::form_urlencoded::byte_serialize(part.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// The web site that belongs to an API: github.com and ghe.com have a host of its own for it, servers a path.
fn site_of(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    if let Some(site) = host
        .strip_prefix("api.")
        .filter(|site| *site == "github.com" || site.ends_with(".ghe.com"))
    {
        return format!("https://{site}/");
    }
    let text = base.as_str();
    text.strip_suffix("api/v3/").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_has_its_web_site() {
        for (api, site) in [
            ("https://api.github.com/", "https://github.com/"),
            ("https://api.acme.ghe.com/", "https://acme.ghe.com/"),
            ("https://git.example.com/api/v3/", "https://git.example.com/"),
            ("http://127.0.0.1:8099/github/", "http://127.0.0.1:8099/github/"),
        ] {
            assert_eq!(site_of(&Url::parse(api).unwrap()), site);
        }
    }
}
