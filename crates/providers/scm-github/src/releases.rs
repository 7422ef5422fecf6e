//! Published releases. A tag has one at most; a hidden mark in its text says that it is ours.

use crate::errors::{Refused, refusal};
use crate::fail;
use crate::refs::{Kind, settled};
use crate::scm::GitHubScm;
use delivr_domain::effect::Reference;
use delivr_domain::key::EffectKey;
use delivr_domain::names::RefName;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::Lookup;
use delivr_provider_kit::Method;
use serde::Deserialize;
use serde_json::json;

/// Longest text of a release GitHub takes, in characters.
const LONGEST: usize = 125_000;

/// A release, as far as we read it.
#[derive(Debug, Deserialize)]
struct Release {
    id: u64,
    html_url: String,
    tag_name: String,
    body: Option<String>,
}

impl Release {
    fn reference(&self) -> Reference {
        Reference::id(self.tag_name.as_str())
            .at(self.html_url.as_str())
            .with("releaseId", self.id.to_string())
    }
}

/// The comment that people do not see; `-->` cannot stand in a key.
pub(crate) fn mark(key: &EffectKey) -> String {
    format!("<!-- delivr_key:{key} -->")
}

/// Whether the text carries the key's mark.
pub(crate) fn is_marked(text: Option<&str>, key: &EffectKey) -> bool {
    text.is_some_and(|text| text.contains(&mark(key)))
}

/// The text with its mark, cut to what GitHub takes.
pub(crate) fn marked(text: &str, key: &EffectKey, longest: usize) -> String {
    let end = format!("\n\n{}", mark(key));
    let room = longest.saturating_sub(end.chars().count());
    let mut body: String = if text.chars().count() > room {
        text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
    } else {
        text.to_owned()
    };
    body.push_str(&end);
    body
}

impl GitHubScm {
    pub(crate) async fn find_release(&self, key: &EffectKey, tag: &RefName) -> Result<Lookup, ProviderError> {
        let ask = self
            .client
            .of_ref("find_release", Method::GET, &["releases", "tags"], tag);
        let Some(release) = self.client.find::<Release>(&ask).await? else {
            return Ok(Lookup::Found(Vec::new()));
        };
        Ok(if is_marked(release.body.as_deref(), key) {
            Lookup::Found(vec![release.reference()])
        } else {
            Lookup::Foreign(format!(
                "the tag {tag} has a release that this step did not publish ({}); delete it, or complete the step by \
                 hand with it",
                release.html_url
            ))
        })
    }

    pub(crate) async fn publish_release(
        &self,
        key: &EffectKey,
        tag: &RefName,
        title: &str,
        notes: &str,
    ) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "publish_release";
        // GitHub would make a missing tag by itself, at the head of some branch.
        let Some(sha) = self.commit_of(OPERATION, Kind::Tag, tag).await? else {
            return Err(fail(
                OPERATION,
                ProviderErrorKind::NotFound,
                format!(
                    "there is no tag {tag} in {}; a release is published of a tag only",
                    self.client.name()
                ),
            ));
        };
        let body = json!({
            "tag_name": tag.as_str(), "target_commitish": sha.as_str(), "name": title,
            "body": marked(notes, key, LONGEST), "draft": false, "prerelease": false,
            // A late fix of an older version must not become "latest".
            "make_latest": "legacy",
        });
        let ask = self.client.ask(OPERATION, Method::POST, &["releases"]).json(body);
        let answer = self.client.answer(&ask).await?;
        if refusal(&answer) == Some(Refused::Exists) {
            let lookup = self.find_release(key, tag).await?;
            return settled(OPERATION, tag, lookup);
        }
        let release: Release = self.client.accept(answer)?.decode()?;
        Ok(release.reference())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_domain::ids::InstallId;
    use delivr_domain::key::{AggregateId, AggregateKind, Generation, TaskKey, TaskKind};

    fn key(generation: u16) -> EffectKey {
        EffectKey {
            install: InstallId::from_uuid(uuid::Uuid::from_u128(1)),
            owner: AggregateId {
                kind: AggregateKind::Release,
                id: uuid::Uuid::from_u128(2),
            },
            task: TaskKey::once(TaskKind::MergeBack),
            generation: Generation(generation),
            step: 0,
        }
    }

    #[test]
    fn texts_carry_one_keys_mark_within_the_limit() {
        let text = marked("Notes", &key(1), LONGEST);
        assert!(is_marked(Some(&text), &key(1)));
        assert!(!is_marked(Some(&text), &key(11)) && !is_marked(None, &key(1)));
        let long = marked(&"é".repeat(LONGEST), &key(1), LONGEST);
        assert_eq!(long.chars().count(), LONGEST);
        assert!(is_marked(Some(&long), &key(1)));
    }
}
