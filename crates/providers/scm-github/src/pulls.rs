//! Pull requests, by their two branches: GitHub keeps one open at most. A hidden mark in its text says that it is ours,
//! also when it is merged or closed by now.

use crate::errors::{Refused, refusal};
use crate::releases::{is_marked, marked};
use crate::scm::GitHubScm;
use crate::{MOST_PAGES, fail};
use delivr_domain::effect::Reference;
use delivr_domain::key::EffectKey;
use delivr_domain::names::RefName;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::Lookup;
use delivr_provider_kit::Method;
use serde::Deserialize;
use serde_json::json;

/// Longest title and text GitHub takes, in characters.
const TITLE: usize = 256;
const TEXT: usize = 65_536;

/// A pull request, as far as we read it.
#[derive(Debug, Deserialize)]
struct Pull {
    number: u64,
    html_url: String,
    state: String,
    body: Option<String>,
    #[serde(default)]
    merged_at: Option<String>,
}

impl Pull {
    fn reference(&self) -> Reference {
        let state = if self.merged_at.is_some() {
            "merged"
        } else {
            self.state.as_str()
        };
        Reference::id(self.number.to_string())
            .at(self.html_url.as_str())
            .with("state", state)
    }
}

impl GitHubScm {
    pub(crate) async fn find_pull(
        &self,
        key: &EffectKey,
        head: &RefName,
        base: &RefName,
    ) -> Result<Lookup, ProviderError> {
        // Without its owner the head would be passed over and every pull request listed.
        let from = format!("{}:{head}", self.client.owner);
        let ask = self.client.get("find_pull_request", &["pulls"]).query(&[
            ("state", "all"),
            ("head", &from),
            ("base", base.as_str()),
        ]);
        let all = self.client.whole(ask, MOST_PAGES, |page: Vec<Pull>| page).await?;
        let ours: Vec<Reference> = all
            .iter()
            .filter(|pull| is_marked(pull.body.as_deref(), key))
            .map(Pull::reference)
            .collect();
        if ours.is_empty()
            && let Some(other) = all.iter().find(|pull| pull.state == "open")
        {
            return Ok(Lookup::Foreign(format!(
                "pull request #{} from {head} to {base} is open already and was not opened by this step ({}); complete \
                 the step by hand with it, or close it",
                other.number, other.html_url
            )));
        }
        Ok(Lookup::Found(ours))
    }

    pub(crate) async fn open_pull(
        &self,
        key: &EffectKey,
        head: &RefName,
        base: &RefName,
        title: &str,
        text: &str,
    ) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "open_pull_request";
        let title: String = title.chars().take(TITLE).collect();
        let body = json!({"title": title, "head": head.as_str(), "base": base.as_str(),
                          "body": marked(text, key, TEXT)});
        let ask = self.client.ask(OPERATION, Method::POST, &["pulls"]).json(body);
        let answer = self.client.answer(&ask).await?;
        match refusal(&answer) {
            Some(Refused::Exists) => match self.find_pull(key, head, base).await? {
                Lookup::Found(found) => found.into_iter().next().ok_or_else(|| {
                    answer.error(
                        ProviderErrorKind::Precondition,
                        "GitHub says that the pull request exists, but does not show it; it is looked at again",
                    )
                }),
                Lookup::Foreign(sentence) => Err(fail(OPERATION, ProviderErrorKind::Conflict, sentence)),
                Lookup::Unsure | Lookup::Over(_) => Err(answer.error(
                    ProviderErrorKind::Unavailable,
                    "it cannot be said now which pull request exists",
                )),
            },
            // Everything is merged already, by whatever way: what the pull request is for is so.
            Some(Refused::NothingBetween) => Ok(Reference::id("nothing-to-merge")
                .at(self.client.page("compare/", &format!("{base}...{head}")))
                .with("state", "nothing to merge")),
            Some(Refused::NoBranch) => Err(answer.error(
                ProviderErrorKind::NotFound,
                format!("{head} or {base} is no branch of {}", self.client.name()),
            )),
            Some(Refused::Gone | Refused::NoObject | Refused::InTheWay) | None => {
                let pull: Pull = self.client.accept(answer)?.decode()?;
                Ok(pull.reference())
            }
        }
    }
}
