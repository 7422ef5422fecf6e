//! The port.

use crate::auth::{App, Auth};
use crate::client::Client;
use crate::refs::Kind;
use async_trait::async_trait;
use delivr_domain::effect::{OperationKind, Reference, ScmWrite};
use delivr_domain::key::EffectKey;
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Check, Commit, Declared, Lookup, Recognition, Scm, Verification, Writes};
use delivr_provider_kit::{Answer, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A hash that no object has.
const NOTHING: &str = "0000000000000000000000000000000000000000";
/// A name no repository uses; nothing of it is ever made.
const PROBE: &str = "delivr-permission-probe-never-made";

/// A connection to one repository.
pub(crate) struct GitHubScm {
    pub(crate) client: Client,
    pub(crate) default: RefName,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    disabled: bool,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Installation {
    #[serde(default)]
    app_slug: String,
    account: Option<Value>,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    #[serde(default)]
    suspended_at: Option<String>,
}

fn check(what: &str, missing: Option<String>) -> Check {
    Check {
        what: what.to_owned(),
        missing,
    }
}

impl GitHubScm {
    /// Whose token it is, and what can be said about it before it is used.
    async fn who(&self) -> Result<(String, Vec<Check>), ProviderError> {
        match &self.client.auth {
            Auth::Token(_) => self.person().await,
            Auth::App(app) => self.app(app).await,
        }
    }

    async fn person(&self) -> Result<(String, Vec<Check>), ProviderError> {
        let answer = self
            .client
            .send(&self.client.root("verify", Method::GET, &["user"]))
            .await?;
        // Only classic tokens have scopes.
        let scopes = answer.header("x-oauth-scopes").map(|scopes| {
            let enough = scopes
                .split(',')
                .any(|scope| ["repo", "public_repo"].contains(&scope.trim()));
            check(
                "scope repo",
                (!enough)
                    .then(|| "the classic token lacks the scope repo; make a new one with it".to_owned()),
            )
        });
        let user: User = answer.decode()?;
        Ok((user.login, scopes.into_iter().collect()))
    }

    async fn app(&self, app: &App) -> Result<(String, Vec<Check>), ProviderError> {
        let path = ["app", "installations", app.installation.as_str()];
        let ask = self.client.root("verify", Method::GET, &path);
        let answer = app.ask(&self.client, &ask).await?;
        if !answer.status.is_success() {
            return Err(crate::errors::app_failure(&answer, &self.client.name()));
        }
        let installed: Installation = answer.decode()?;
        let on = installed
            .account
            .as_ref()
            .and_then(|account| account.get("login")?.as_str())
            .unwrap_or("an organization");
        let mut checks = vec![check(
            "App is active",
            installed.suspended_at.map(|at| {
                format!("the installation is suspended since {at}; an owner of {on} can resume it")
            }),
        )];
        for (name, wanted) in [("contents", "write"), ("pull_requests", "write")] {
            let have = installed.permissions.get(name).map(String::as_str);
            let enough = have == Some(wanted) || have == Some("admin");
            checks.push(check(
                &format!("App permission {name}: {wanted}"),
                (!enough).then(|| {
                    format!(
                        "give the App {name}: {wanted} (it has {}), then accept the change in {on}",
                        have.unwrap_or("none")
                    )
                }),
            ));
        }
        Ok((format!("{} on {on}", installed.app_slug), checks))
    }

    /// Tries a write that cannot succeed: GitHub checks the permission before the content.
    async fn may(&self, what: &str, path: &[&str], body: Value) -> Result<Check, ProviderError> {
        let ask = self.client.ask("verify", Method::POST, path).reads().json(body);
        let answer: Answer = self.client.answer(&ask).await?;
        if answer.status.as_u16() == 422 {
            return Ok(check(what, None));
        }
        match self.client.accept(&ask, answer) {
            Err(error) if is_missing(&error) => Ok(check(what, Some(error.sentence))),
            Err(error) => Err(error),
            Ok(_) => Ok(check(what, None)),
        }
    }
}

/// Whether an error is a finding of a verification, rather than trouble on the way to it.
fn is_missing(error: &ProviderError) -> bool {
    matches!(
        error.kind,
        ProviderErrorKind::Forbidden | ProviderErrorKind::NotFound | ProviderErrorKind::Misconfigured
    )
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
            ScmWrite::CreateBranch { name, sha } => self.client.find_branch(name, sha).await,
            ScmWrite::CreateTag { name, sha, .. } => self.client.find_tag(name, sha).await,
            ScmWrite::PublishRelease { tag, .. } => self.client.find_release(key, tag).await,
            ScmWrite::OpenPullRequest { head, base, .. } => self.client.find_pull(key, head, base).await,
            ScmWrite::DeleteBranch { name } => self.client.find_deleted(name).await,
        }
    }

    async fn create(&self, key: &EffectKey, write: &ScmWrite) -> Result<Reference, ProviderError> {
        match write {
            ScmWrite::CreateBranch { name, sha } => self.client.create_branch(name, sha).await,
            ScmWrite::CreateTag { name, sha, message } => {
                self.client.create_tag(key, name, sha, message).await
            }
            ScmWrite::PublishRelease { tag, title, notes } => {
                self.client.publish_release(key, tag, title, notes).await
            }
            ScmWrite::OpenPullRequest {
                head,
                base,
                title,
                body,
            } => self.client.open_pull(key, head, base, title, body).await,
            ScmWrite::DeleteBranch { name } => self.client.delete_branch(name).await,
        }
    }
}

#[async_trait]
impl Scm for GitHubScm {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        let (account, mut checks) = self.who().await?;
        let name = self.client.name();
        let repository = match self
            .client
            .json::<Repository>(&self.client.get("verify", &[]))
            .await
        {
            Ok(repository) => repository,
            Err(error) if is_missing(&error) => {
                checks.push(check(&format!("see {name}"), Some(error.sentence)));
                return Ok(Verification { account, checks });
            }
            Err(error) => return Err(error),
        };
        let read_only = repository.archived || repository.disabled;
        checks.push(check(
            &format!("see {name}"),
            read_only.then(|| format!("{name} is archived or disabled and can only be read")),
        ));
        let head = self
            .client
            .commit_of("verify", Kind::Branch, &self.default)
            .await?;
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
            self.may("create branches, tags and releases", &["git", "refs"], branch)
                .await?,
        );
        let pull = json!({"title": "Permission probe", "head": PROBE, "base": self.default.as_str()});
        checks.push(self.may("open pull requests", &["pulls"], pull).await?);
        Ok(Verification { account, checks })
    }

    async fn resolve(&self, name: &RefName) -> Result<Option<Sha>, ProviderError> {
        self.client.head_of("resolve", name).await
    }

    async fn compare(&self, base: Option<&RefName>, head: &RefName) -> Result<Vec<Commit>, ProviderError> {
        self.client.log("compare", base, head).await
    }

    async fn release_notes(
        &self,
        previous: Option<&RefName>,
        current: &RefName,
    ) -> Result<String, ProviderError> {
        self.client.notes(previous, current).await
    }

    async fn branches(&self) -> Result<Vec<String>, ProviderError> {
        self.client.branch_names().await
    }

    fn publishes_releases(&self) -> bool {
        true
    }

    fn has_pull_requests(&self) -> bool {
        true
    }
}
