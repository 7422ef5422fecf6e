//! What the API answers about the set-up of an organisation, as far as pages show it, and how it is named there.

use crate::shown::words;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Categories of integrations, in the order in which a team connects them: word, name, what it is for.
pub(crate) const CATEGORIES: &[(&str, &str, &str)] = &[
    (
        "scm",
        "Source control",
        "Where release branches and tags are made. Every release needs one.",
    ),
    (
        "stores",
        "Stores",
        "Where mobile releases are submitted and rolled out.",
    ),
    ("ci-cd", "CI/CD", "Where builds, automation and deployments run."),
    ("communication", "Chat", "Where your team is told what happens."),
    (
        "project-management",
        "Tickets",
        "Where each release has its ticket.",
    ),
    (
        "test-management",
        "Test management",
        "Where each release has its test run, whose totals the gate reads.",
    ),
];

/// The name of a category.
pub(crate) fn category_name(word: &str) -> &'static str {
    let found = CATEGORIES.iter().find(|(known, _, _)| *known == word);
    found.map_or("Integrations", |(_, name, _)| name)
}

/// How good or bad a verification or check is: the class of its badge.
pub(crate) fn tone(word: &str) -> &'static str {
    match word {
        "VALID" | "OK" => "good",
        "INVALID" | "EXPIRED" | "MISSING" => "bad",
        "PENDING" | "UNKNOWN" | "DEGRADED" => "warn",
        _ => "plain",
    }
}

/// The word of a verification or check, as people say it.
pub(crate) fn state(word: &str) -> String {
    match word {
        "VALID" | "OK" => "Works".to_owned(),
        "INVALID" => "Does not work".to_owned(),
        "EXPIRED" => "Expired".to_owned(),
        "PENDING" => "Not tried yet".to_owned(),
        "MISSING" => "Missing".to_owned(),
        "UNKNOWN" => "Not known".to_owned(),
        "DEGRADED" => "Could be better".to_owned(),
        other => words(other),
    }
}

/// What was done, by the word that an address carries after a form.
pub(crate) fn done(word: &str) -> Option<&'static str> {
    let known = match word {
        "connected" => "It is connected.",
        "saved" => "It is saved.",
        "tried" => "It was tried; what came of it stands below.",
        "examined" => "Everything was tried; what came of it stands below.",
        "removed" => "It is removed.",
        "revised" => "The new version is saved. Releases keep the one they were planned with.",
        "stopped" => "The line is stopped: nothing new is sent to any vendor.",
        "going" => "The line goes on.",
        "renamed" => "The organisation has its new name.",
        "unlinked" => "The link is revoked: it shows nothing any more.",
        "planned" => "The release is planned.",
        _ => return None,
    };
    Some(known)
}

/// A provider that can be connected.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Provider {
    pub(crate) provider: String,
    pub(crate) display_name: String,
    pub(crate) config_schema: Value,
    pub(crate) credentials_schema: Value,
    pub(crate) webhooks: bool,
}

/// That a credential is set.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Set {
    pub(crate) last_four: Option<String>,
}

/// An integration.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Integration {
    pub(crate) id: String,
    pub(crate) category: String,
    pub(crate) provider: String,
    pub(crate) provider_name: String,
    pub(crate) name: String,
    pub(crate) config: Value,
    pub(crate) credentials: BTreeMap<String, Set>,
    pub(crate) verification_status: String,
    pub(crate) verification: Option<Value>,
    pub(crate) verified_at: Option<DateTime<Utc>>,
    pub(crate) webhook_url: Option<String>,
    pub(crate) last_delivery_at: Option<DateTime<Utc>>,
    pub(crate) last_call: Option<LastCall>,
    pub(crate) last_answered_at: Option<DateTime<Utc>>,
    pub(crate) failing: Option<Failing>,
    pub(crate) quota: Vec<Quota>,
    pub(crate) credential: Option<Credential>,
    pub(crate) version: u64,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A call through an integration.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LastCall {
    pub(crate) at: DateTime<Utc>,
    pub(crate) operation: String,
    pub(crate) outcome: String,
    pub(crate) detail: Option<String>,
    pub(crate) vendor: Option<String>,
}

impl LastCall {
    pub(crate) fn tone(&self) -> &'static str {
        match self.outcome.as_str() {
            "ANSWERED" => "good",
            "THROTTLED" => "warn",
            _ => "bad",
        }
    }
    pub(crate) fn said(&self) -> String {
        match self.outcome.as_str() {
            "ANSWERED" => "Answered".to_owned(),
            "REFUSED" => "Refused".to_owned(),
            "THROTTLED" => "Too many calls".to_owned(),
            "FAILED" => "Vendor in trouble".to_owned(),
            "UNREACHABLE" => "No answer".to_owned(),
            other => words(other),
        }
    }
    /// The adapter's word for what it wanted, for people.
    pub(crate) fn wanted(&self) -> String {
        self.operation.replace('_', " ")
    }
}

/// Calls in a row that were not answered.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Failing {
    pub(crate) calls: u32,
    pub(crate) since: DateTime<Utc>,
}

/// A vendor's limit.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quota {
    pub(crate) name: String,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) resets_at: Option<DateTime<Utc>>,
    pub(crate) told_at: DateTime<Utc>,
    pub(crate) low: bool,
}

/// The end of a credential.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credential {
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) expires: String,
}

impl Credential {
    pub(crate) fn over(&self) -> bool {
        self.expires == "OVER"
    }
    pub(crate) fn soon(&self) -> bool {
        self.expires == "SOON"
    }
}

impl Integration {
    pub(crate) fn path(&self) -> String {
        format!("/integrations/{}/{}", self.category, self.id)
    }
    pub(crate) fn tone(&self) -> &'static str {
        tone(&self.verification_status)
    }
    pub(crate) fn state(&self) -> String {
        state(&self.verification_status)
    }
    /// The account that its credential belongs to, as the vendor says.
    pub(crate) fn account(&self) -> Option<&str> {
        self.verification.as_ref()?.get("account")?.as_str()
    }
    pub(crate) fn works(&self) -> bool {
        self.verification_status == "VALID"
    }
    /// What should be seen to, in a word, with the class of its badge.
    pub(crate) fn marks(&self) -> Vec<(&'static str, String)> {
        let mut marks = Vec::new();
        if let Some(failing) = &self.failing {
            marks.push(match failing.calls {
                1 => ("warn", "1 call not answered".to_owned()),
                many => ("bad", format!("{many} calls not answered")),
            });
        }
        match &self.credential {
            Some(end) if end.over() => marks.push(("bad", "Credential ended".to_owned())),
            Some(end) if end.soon() => marks.push(("warn", "Credential ends soon".to_owned())),
            Some(_) | None => {}
        }
        if self.low().is_some() {
            marks.push(("warn", "Few calls left".to_owned()));
        }
        marks
    }
    /// The limit of which the smallest part is left, when that is little.
    pub(crate) fn low(&self) -> Option<&Quota> {
        let low = self.quota.iter().filter(|it| it.low);
        low.min_by_key(|it| it.remaining.saturating_mul(1_000) / it.limit.max(1))
    }
}

/// A stop switch that is on.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stopped {
    pub(crate) scope: String,
    pub(crate) reason: String,
    pub(crate) by: Option<String>,
    pub(crate) since: DateTime<Utc>,
}

impl Stopped {
    /// Whether somebody of the organisation turned it on, and its admins can turn it off.
    pub(crate) fn ours(&self) -> bool {
        self.scope == "ORGANISATION"
    }
}

/// How the line stands.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Line {
    pub(crate) stops: Vec<Stopped>,
}

/// The organisation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Team {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) people: Vec<Member>,
    pub(crate) service_tokens: usize,
}

/// Somebody of the organisation.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Member {
    pub(crate) person: String,
    pub(crate) role: String,
}

/// What uses something.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    pub(crate) users: Vec<User>,
}

/// Something that uses what is set up.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct User {
    /// RELEASE, PIPELINE or SERVICE.
    kind: String,
    id: String,
    pub(crate) name: String,
}

impl User {
    /// A release, by its key.
    pub(crate) fn release(key: String) -> Self {
        Self {
            kind: "RELEASE".to_owned(),
            id: key.clone(),
            name: key,
        }
    }
    /// What it is, in words.
    pub(crate) fn what(&self) -> String {
        format!("the {}", self.kind.to_lowercase())
    }
    /// Its page; none for a kind that is not known here.
    pub(crate) fn path(&self) -> Option<String> {
        let folder = match self.kind.as_str() {
            "RELEASE" => "releases",
            "PIPELINE" => "pipelines",
            "SERVICE" => "services",
            _ => return None,
        };
        Some(format!("/{folder}/{}", self.id))
    }
}

/// What the doctor found.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Doctor {
    pub(crate) ready: bool,
    pub(crate) checks: Vec<Check>,
}

/// One check of the doctor, or of a verification.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    pub(crate) about: String,
    pub(crate) category: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) outcome: String,
    pub(crate) advice: Option<String>,
    #[serde(default)]
    pub(crate) tried_at: Option<DateTime<Utc>>,
}

impl Check {
    pub(crate) fn tone(&self) -> &'static str {
        tone(&self.outcome)
    }
    pub(crate) fn state(&self) -> String {
        state(&self.outcome)
    }
    /// Where it is dealt with.
    pub(crate) fn place(&self) -> Option<String> {
        let id = self.id.as_deref();
        match (self.about.as_str(), id, self.category.as_deref()) {
            ("INTEGRATION", Some(id), Some(category)) => Some(format!("/integrations/{category}/{id}")),
            ("SERVICE", Some(id), _) => Some(format!("/services/{id}")),
            ("PIPELINE", Some(id), _) => Some(format!("/pipelines/{id}")),
            ("PROFILE", Some(id), _) => Some(format!("/profiles/{id}")),
            _ => None,
        }
    }
}

/// A service.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) jira_project_key: Option<String>,
    #[serde(default)]
    pub(crate) is_active: Option<bool>,
    pub(crate) scm_integration_id: Option<String>,
    pub(crate) version: u64,
    pub(crate) created_at: DateTime<Utc>,
}

impl Service {
    /// Releases are made of it.
    pub(crate) fn active(&self) -> bool {
        self.is_active.unwrap_or(true)
    }
}

/// A version of a profile.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) service_id: Option<String>,
    pub(crate) revision: u32,
    pub(crate) settings: Value,
    pub(crate) created_at: DateTime<Utc>,
}

/// A pipeline.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pipeline {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) integration_id: String,
    pub(crate) scm_integration_id: Option<String>,
    pub(crate) store_integration_id: Option<String>,
    pub(crate) platform: String,
    pub(crate) purpose: String,
    pub(crate) job: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) version: u64,
    pub(crate) created_at: DateTime<Utc>,
}

/// What a test of a pipeline found.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tested {
    pub(crate) usable: bool,
    pub(crate) problems: Vec<String>,
    pub(crate) parameters: Vec<Parameter>,
}

/// A parameter that a job declares.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) default: Option<String>,
    pub(crate) value: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_those_of_the_api() {
        for port in delivr_domain::ports::provider::Port::ALL {
            assert_ne!(category_name(port.word()), "Integrations", "{port}");
        }
    }
}
