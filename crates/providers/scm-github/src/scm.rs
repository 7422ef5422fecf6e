//! The port.

use crate::refs::Kind;
use async_trait::async_trait;
use delivr_domain::effect::{OperationKind, Reference, ScmWrite};
use delivr_domain::key::EffectKey;
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::ProviderError;
use delivr_domain::ports::vendor::{Commit, Declared, Lookup, Recognition, Scm, Verification, Writes};
use delivr_github_kit::{Client, check};
use serde_json::json;

/// A hash that no object has.
const NOTHING: &str = "0000000000000000000000000000000000000000";
/// A name no repository uses; nothing of it is ever made.
const PROBE: &str = "delivr-permission-probe-never-made";

/// A connection to one repository.
pub(crate) struct GitHubScm {
    pub(crate) client: Client,
    pub(crate) default: RefName,
}

#[async_trait]
impl Writes<ScmWrite> for GitHubScm {
    fn declared(&self, operation: OperationKind) -> Declared {
        Declared::new(if operation == OperationKind::DeleteBranch {
            Recognition::ByState
        } else {
            Recognition::ByName
        })
    }

    async fn find(&self, key: &EffectKey, write: &ScmWrite) -> Result<Lookup, ProviderError> {
        match write {
            ScmWrite::CreateBranch { name, sha } => self.find_branch(name, sha).await,
            ScmWrite::CreateTag { name, sha, .. } => self.find_tag(name, sha).await,
            ScmWrite::PublishRelease { tag, .. } => self.find_release(key, tag).await,
            ScmWrite::OpenPullRequest { head, base, .. } => self.find_pull(key, head, base).await,
            ScmWrite::DeleteBranch { name } => self.find_deleted(name).await,
        }
    }

    async fn create(&self, key: &EffectKey, write: &ScmWrite) -> Result<Reference, ProviderError> {
        match write {
            ScmWrite::CreateBranch { name, sha } => self.create_branch(name, sha).await,
            ScmWrite::CreateTag { name, sha, message } => self.create_tag(key, name, sha, message).await,
            ScmWrite::PublishRelease { tag, title, notes } => {
                self.publish_release(key, tag, title, notes).await
            }
            ScmWrite::OpenPullRequest {
                head,
                base,
                title,
                body,
            } => self.open_pull(key, head, base, title, body).await,
            ScmWrite::DeleteBranch { name } => self.delete_branch(name).await,
        }
    }
}

#[async_trait]
impl Scm for GitHubScm {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        let (account, mut checks) = self.client.account().await?;
        let name = self.client.name();
        let (seen, goes_on) = self.client.sight("can only be read").await?;
        checks.push(seen);
        if !goes_on {
            return Ok(Verification { account, checks });
        }
        let head = self.commit_of("verify", Kind::Branch, &self.default).await?;
        checks.push(check(
            &format!("find the default branch {}", self.default),
            head.is_none().then(|| {
                format!(
                    "{name} has no branch {}; set defaultBranch to one it has",
                    self.default
                )
            }),
        ));
        let branch = json!({"ref": format!("refs/heads/{PROBE}"), "sha": NOTHING});
        checks.push(
            self.client
                .may("create branches, tags and releases", &["git", "refs"], branch)
                .await?,
        );
        let pull = json!({"title": "Permission probe", "head": PROBE, "base": self.default.as_str()});
        checks.push(self.client.may("open pull requests", &["pulls"], pull).await?);
        Ok(Verification { account, checks })
    }

    async fn resolve(&self, name: &RefName) -> Result<Option<Sha>, ProviderError> {
        self.head_of("resolve", name).await
    }

    async fn compare(&self, base: Option<&RefName>, head: &RefName) -> Result<Vec<Commit>, ProviderError> {
        self.log("compare", base, head).await
    }

    async fn release_notes(
        &self,
        previous: Option<&RefName>,
        current: &RefName,
    ) -> Result<String, ProviderError> {
        self.notes(previous, current).await
    }

    async fn branches(&self) -> Result<Vec<String>, ProviderError> {
        self.branch_names().await
    }

    fn publishes_releases(&self) -> bool {
        true
    }

    fn has_pull_requests(&self) -> bool {
        true
    }
}
