//! Whose credential it is, and what it may do, as far as GitHub says so before it is used.

use crate::auth::{App, Auth};
use crate::client::Client;
use crate::errors::app_failure;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::Check;
use delivr_provider_kit::Method;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

const VERIFY: &str = "verify";

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    disabled: bool,
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

/// A finding: nothing missing, or what is and who can add it.
#[must_use]
pub fn check(what: &str, missing: Option<String>) -> Check {
    Check {
        what: what.to_owned(),
        missing,
    }
}

/// Whether an error is a finding of a verification, rather than trouble on the way to it.
#[must_use]
pub fn is_finding(error: &ProviderError) -> bool {
    matches!(
        error.kind,
        ProviderErrorKind::Forbidden | ProviderErrorKind::NotFound | ProviderErrorKind::Misconfigured
    )
}

impl Client {
    /// Whose credential it is, and what can be said about it before it is used.
    ///
    /// # Errors
    /// Of GitHub's table.
    pub async fn account(&self) -> Result<(String, Vec<Check>), ProviderError> {
        match &self.auth {
            Auth::Token(_) => self.person().await,
            Auth::App(app) => self.app(app).await,
        }
    }

    /// Whether the repository is to be seen and can be written to; `stopped` says what an archived one is no good for.
    /// Without a sight of it nothing else is worth asking: then the second part is false.
    ///
    /// # Errors
    /// Of GitHub's table, but for those that are findings.
    pub async fn sight(&self, stopped: &str) -> Result<(Check, bool), ProviderError> {
        let name = self.name();
        let what = format!("see {name}");
        match self.json::<Repository>(&self.get(VERIFY, &[])).await {
            Ok(it) => {
                let rests = it.archived || it.disabled;
                let missing = rests.then(|| format!("{name} is archived or disabled and {stopped}"));
                Ok((check(&what, missing), true))
            }
            Err(error) if is_finding(&error) => Ok((check(&what, Some(error.sentence)), false)),
            Err(error) => Err(error),
        }
    }

    /// Tries a write that cannot succeed: GitHub looks at the permission before the content, and a 422 is about that.
    ///
    /// # Errors
    /// Of GitHub's table, but for those that are findings.
    pub async fn may(&self, what: &str, path: &[&str], body: Value) -> Result<Check, ProviderError> {
        let ask = self.ask(VERIFY, Method::POST, path).reads().json(body);
        let answer = self.answer(&ask).await?;
        if answer.status.as_u16() == 422 {
            return Ok(check(what, None));
        }
        match self.accept(answer) {
            Err(error) if is_finding(&error) => Ok(check(what, Some(error.sentence))),
            Err(error) => Err(error),
            Ok(_) => Ok(check(what, None)),
        }
    }

    async fn person(&self) -> Result<(String, Vec<Check>), ProviderError> {
        let answer = match self.send(&self.root(VERIFY, Method::GET, &["user"])).await {
            Ok(answer) => answer,
            // An installation's token that somebody pasted is nobody's; what it may do shows when it is used.
            Err(error) if error.kind == ProviderErrorKind::Forbidden => {
                return Ok((format!("an App on {}", self.name()), Vec::new()));
            }
            Err(error) => return Err(error),
        };
        // Only classic tokens have scopes.
        let scopes = answer.header("x-oauth-scopes").map(|scopes| {
            let mut all = scopes.split(',').map(str::trim);
            let enough = all.any(|scope| ["repo", "public_repo"].contains(&scope));
            let missing = "the classic token lacks the scope repo; make a new one with it";
            check("scope repo", (!enough).then(|| missing.to_owned()))
        });
        let user: User = answer.decode()?;
        Ok((user.login, scopes.into_iter().collect()))
    }

    async fn app(&self, app: &App) -> Result<(String, Vec<Check>), ProviderError> {
        let path = ["app", "installations", app.installation.as_str()];
        let ask = self.root(VERIFY, Method::GET, &path);
        let answer = app.ask(self, &ask).await?;
        if !answer.status.is_success() {
            return Err(app_failure(&self.adapter, &answer, &self.name()));
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
        for (name, wanted) in self.adapter.permissions {
            let have = installed.permissions.get(*name).map(String::as_str);
            let enough = have.is_some_and(|have| rank(have) >= rank(wanted));
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
}

/// How much a kind of access allows; each includes those below it.
fn rank(access: &str) -> u8 {
    match access {
        "read" => 1,
        "write" => 2,
        "admin" => 3,
        _ => 0,
    }
}
