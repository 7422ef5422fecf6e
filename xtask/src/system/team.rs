//! What a team sets up once: its systems, its pipelines, the things it releases, and how it releases them.

use super::client::Client;
use super::repository::Repository;
use super::text;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Where a team is set up: Delivr with the team's token, and the vendors it uses.
pub(crate) struct Office<'a> {
    pub(crate) api: &'a Client,
    pub(crate) vendors: &'a Client,
    /// Hears each system that is connected.
    pub(crate) tell: &'a dyn Fn(String),
}

/// Ids of what all lanes of a team share.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) ci: String,
    pub(crate) tickets: String,
    pub(crate) chat: String,
    pub(crate) tests: String,
}

/// Something that is released by itself.
pub(crate) struct Lane<'a> {
    /// Slug of the service and of its repository.
    pub(crate) slug: &'a str,
    /// Whether it goes into the App Store.
    pub(crate) apple: bool,
    /// Whether it goes into Google Play.
    pub(crate) play: bool,
    /// The profile's settings.
    pub(crate) settings: Value,
}

/// Ids of what one lane needs.
#[derive(Debug, Clone)]
pub(crate) struct Team {
    pub(crate) desk: Desk,
    pub(crate) service: String,
    pub(crate) profile: String,
    pub(crate) scm: String,
    /// Empty where the lane does not go there.
    pub(crate) app_store: String,
    /// The same.
    pub(crate) play_store: String,
    pub(crate) pipelines: Vec<String>,
}

impl Office<'_> {
    /// Connects a system and has it verified.
    fn connect(
        &self,
        category: &str,
        provider: &str,
        name: &str,
        config: &Value,
        credentials: &Value,
    ) -> Result<String> {
        let body =
            json!({ "provider": provider, "name": name, "config": config, "credentials": credentials });
        let made = self.api.post(&format!("/integrations/{category}"), &body)?;
        let id = text(&made, "/id")?;
        let verified = self
            .api
            .post(&format!("/integrations/{category}/{id}/verify"), &json!({}))?;
        if verified.pointer("/verificationStatus").and_then(Value::as_str) != Some("VALID") {
            bail!("{name} does not work: {verified}");
        }
        (self.tell)(format!("  connected {name}"));
        Ok(id)
    }

    /// Connects a simulated vendor, by what the sandbox says it takes, with more settings laid over it.
    fn connect_vendor(&self, category: &str, vendor: &str, name: &str, more: &Value) -> Result<String> {
        let offered = self.vendors.get("/_credentials")?;
        let entry = offered
            .get(vendor)
            .with_context(|| format!("the sandbox has no {vendor}"))?;
        let part = |field: &str| {
            let mut part = entry.get(field).cloned().unwrap_or_else(|| json!({}));
            if let (Some(part), Some(more)) =
                (part.as_object_mut(), more.get(field).and_then(Value::as_object))
            {
                part.extend(more.clone());
            }
            part
        };
        let (config, credentials) = (part("config"), part("credentials"));
        self.connect(category, &text(entry, "/key")?, name, &config, &credentials)
    }

    /// Connects what all lanes share.
    ///
    /// # Errors
    /// When anything is refused.
    pub(crate) fn desk(&self) -> Result<Desk> {
        Ok(Desk {
            ci: self.connect_vendor("ci-cd", "jenkins", "Jenkins", &json!({}))?,
            tickets: self.connect_vendor("project-management", "jira", "Jira", &json!({}))?,
            chat: self.connect_vendor("communication", "slack", "Slack", &json!({}))?,
            tests: self.connect_vendor("test-management", "checkmate", "Checkmate", &json!({}))?,
        })
    }

    fn pipeline(&self, lane: &Lane<'_>, ci: &str, scm: &str, wanted: &Pipeline<'_>) -> Result<String> {
        let body = json!({
            "name": format!("{} of {}", wanted.name, lane.slug), "integrationId": ci, "scmIntegrationId": scm,
            "platform": wanted.platform, "purpose": wanted.purpose,
            "job": wanted.job, "parameters": parameters(wanted),
        });
        text(&self.api.post("/integrations/pipelines", &body)?, "/id")
    }

    /// Connects a lane's own systems and makes its pipelines, service and profile.
    ///
    /// # Errors
    /// When anything is refused.
    pub(crate) fn lane(&self, desk: &Desk, repository: &Repository, lane: &Lane<'_>) -> Result<Team> {
        let slug = lane.slug;
        let served = json!({ "url": repository.url(), "defaultBranch": "main" });
        let scm = self.connect("scm", "git", &format!("{slug}.git"), &served, &json!({}))?;
        let mut app_store = String::new();
        if lane.apple {
            let more = json!({ "credentials": { "webhookSecret": WEBHOOK_SECRET } });
            app_store = self.connect_vendor("stores", "appstore", &format!("App Store for {slug}"), &more)?;
        }
        let mut play_store = String::new();
        if lane.play {
            let name = format!("Google Play for {slug}");
            play_store = self.connect_vendor("stores", "playstore", &name, &json!({}))?;
        }
        let pipelines = PIPELINES
            .iter()
            .filter(|wanted| {
                if wanted.platform == "IOS" {
                    lane.apple
                } else {
                    lane.play
                }
            })
            .map(|wanted| self.pipeline(lane, &desk.ci, &scm, wanted))
            .collect::<Result<_>>()?;
        let service = json!({ "slug": slug, "name": slug, "kind": "MOBILE", "scmIntegrationId": scm });
        let service = text(&self.api.post("/services", &service)?, "/id")?;
        let profile = json!({
            "name": format!("Releases of {slug}"), "serviceId": service, "settings": lane.settings,
        });
        let profile = text(&self.api.post("/profiles", &profile)?, "/id")?;
        Ok(Team {
            desk: desk.clone(),
            service,
            profile,
            scm,
            app_store,
            play_store,
            pipelines,
        })
    }
}

/// What signs the sandbox's webhooks; the sandbox offers the same for Jenkins.
pub(crate) const WEBHOOK_SECRET: &str = "sandbox-webhook-secret";

struct Pipeline<'a> {
    name: &'a str,
    platform: &'a str,
    purpose: &'a str,
    job: &'a str,
}

const fn pipeline<'a>(name: &'a str, platform: &'a str, purpose: &'a str, job: &'a str) -> Pipeline<'a> {
    Pipeline {
        name,
        platform,
        purpose,
        job,
    }
}

const PIPELINES: &[Pipeline<'_>] = &[
    pipeline(
        "iOS regression build",
        "IOS",
        "REGRESSION_BUILD",
        "ios-regression",
    ),
    pipeline(
        "Android regression build",
        "ANDROID",
        "REGRESSION_BUILD",
        "android-regression",
    ),
    pipeline("iOS automation", "IOS", "AUTOMATION", "automation"),
    pipeline("Android automation", "ANDROID", "AUTOMATION", "automation"),
    pipeline("TestFlight build", "IOS", "TEST_FLIGHT_BUILD", "ios-prod"),
    pipeline("Play bundle", "ANDROID", "AAB_BUILD", "android-prod"),
];

/// What a job is started with.
fn parameters(wanted: &Pipeline<'_>) -> Value {
    let mut parameters = json!({
        "VERSION": "{version}", "BRANCH": "{branch}", "TAG": "{tag}", "SHA": "{sha}", "PLATFORM": "{platform}",
    });
    if let Some(map) = parameters.as_object_mut()
        && !matches!(wanted.purpose, "TEST_FLIGHT_BUILD" | "AAB_BUILD")
    {
        map.insert("CYCLE".to_owned(), json!("{cycle}"));
    }
    parameters
}
