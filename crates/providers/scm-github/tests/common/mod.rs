//! A sandbox, a connection to it, and what the tests do to both.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod description;

use delivr_domain::effect::ScmWrite;
use delivr_domain::ids::InstallId;
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey, Generation, TaskKey, TaskKind};
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::ports::provider::{Connection, Credentials};
use delivr_domain::ports::vendor::{Lookup, Scm};
use delivr_domain::time::{Span, Timestamp};
use delivr_provider_kit::{AddressPolicy, Deps, HttpSettings, SystemClock};
use delivr_sandbox::{Running, Sandbox};
use delivr_scm_github::descriptor;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The real clock, moved by some seconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moved(Arc<AtomicI64>);

impl Moved {
    pub(crate) fn by(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Clock for Moved {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Span::seconds(self.0.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Monotonic {
        SystemClock.monotonic()
    }
    async fn sleep_until(&self, until: Monotonic) {
        SystemClock.sleep_until(until).await;
    }
}

pub(crate) struct Bench {
    pub(crate) running: Running,
    pub(crate) clock: Moved,
    client: reqwest::Client,
}

/// Dependencies with this policy and total time of a call.
pub(crate) fn deps(policy: AddressPolicy, clock: Moved, timeout: Duration) -> Deps {
    let settings = HttpSettings {
        timeout,
        ..HttpSettings::default()
    };
    Deps::new(policy, &settings, Arc::new(clock), None, PathBuf::from("cache")).unwrap()
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let running = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            running,
            clock: Moved::default(),
            client,
        }
    }

    pub(crate) fn deps(&self) -> Deps {
        let policy = AddressPolicy::allowing_loopback();
        deps(policy, self.clock.clone(), Duration::from_secs(10))
    }

    /// What the sandbox says an integration is configured with.
    pub(crate) async fn settings(&self) -> Value {
        let url = format!("{}/_credentials", self.running.url());
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["github"].clone()
    }

    /// A connection with the credentials of this name in the sandbox's settings.
    pub(crate) async fn connect(&self, credentials: &str) -> Arc<dyn Scm> {
        let settings = self.settings().await;
        scm(&self.deps(), &settings["config"], &settings[credentials])
    }

    pub(crate) fn advance(&self, action: &str, mut args: Value) -> Value {
        args["vendor"] = json!("github");
        args["action"] = json!(action);
        self.running.advance(&args).unwrap()
    }

    pub(crate) async fn fault(&self, operation: &str, fault: &str) {
        self.fault_with(operation, fault, json!({})).await;
    }

    pub(crate) async fn fault_with(&self, operation: &str, fault: &str, mut more: Value) {
        more["vendor"] = json!("github");
        more["operation"] = json!(operation);
        more["fault"] = json!(fault);
        let url = format!("{}/_faults", self.running.url());
        let answer = self.client.post(url).json(&more).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// How many effects of the operation GitHub really performed.
    pub(crate) fn effects(&self, operation: &str) -> usize {
        let journal = self.running.journal();
        let all = journal["effects"].as_array().unwrap();
        all.iter()
            .filter(|effect| effect["operation"] == operation)
            .count()
    }

    pub(crate) fn assert_no_duplicates(&self) {
        assert_eq!(self.running.journal()["duplicates"], json!([]));
    }

    /// Adds a commit to a branch; its hash.
    pub(crate) fn push(&self, branch: &str) -> Sha {
        let pushed = self.advance("push", json!({"branch": branch}));
        pushed["sha"].as_str().unwrap().parse().unwrap()
    }
}

pub(crate) fn scm(deps: &Deps, config: &Value, credentials: &Value) -> Arc<dyn Scm> {
    match (descriptor(deps).connect)(config, &secrets(credentials)).unwrap() {
        Connection::Scm(scm) => scm,
        other => panic!("not source control: {other:?}"),
    }
}

pub(crate) fn secrets(map: &Value) -> Credentials {
    let map = map.as_object().unwrap();
    Credentials::new(map.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), SecretString::from(value))
    }))
}

pub(crate) fn key(number: u128) -> EffectKey {
    EffectKey {
        install: InstallId::from_uuid(uuid::Uuid::from_u128(1)),
        owner: AggregateId {
            kind: AggregateKind::Release,
            id: uuid::Uuid::from_u128(number),
        },
        task: TaskKey::once(TaskKind::ForkBranch),
        generation: Generation(0),
        step: 0,
    }
}

pub(crate) fn name(text: &str) -> RefName {
    text.parse().unwrap()
}

pub(crate) fn branch(text: &str, sha: &Sha) -> ScmWrite {
    ScmWrite::CreateBranch {
        name: name(text),
        sha: sha.clone(),
    }
}

pub(crate) fn tag(text: &str, sha: &Sha) -> ScmWrite {
    ScmWrite::CreateTag {
        name: name(text),
        sha: sha.clone(),
        message: "Shop 1.1.0\n\nwith notes".into(),
    }
}

pub(crate) fn release(text: &str) -> ScmWrite {
    ScmWrite::PublishRelease {
        tag: name(text),
        title: "Shop 1.1.0".into(),
        notes: "* Faster".into(),
    }
}

pub(crate) fn pull(head: &str) -> ScmWrite {
    ScmWrite::OpenPullRequest {
        head: name(head),
        base: name("main"),
        title: format!("Merge {head} back into main"),
        body: "1.1.0 is out.".into(),
    }
}

pub(crate) fn delete(text: &str) -> ScmWrite {
    ScmWrite::DeleteBranch { name: name(text) }
}

pub(crate) fn ids(found: Lookup) -> Vec<String> {
    match found {
        Lookup::Found(all) => all.into_iter().map(|one| one.id).collect(),
        Lookup::Foreign(why) => panic!("foreign: {why}"),
        Lookup::Unsure | Lookup::Over(_) => panic!("unsure"),
    }
}

pub(crate) fn foreign(found: Lookup) -> String {
    match found {
        Lookup::Foreign(why) => why,
        Lookup::Found(all) => panic!("found {all:?}"),
        Lookup::Unsure | Lookup::Over(_) => panic!("unsure"),
    }
}

/// One line for the test run's summary.
pub(crate) fn log(line: &str) {
    use std::io::Write as _;
    eprintln!("{line}");
    if let Some(log) = std::env::var_os("DELIVR_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(log)
            .unwrap();
        writeln!(log, "{line}").unwrap();
    }
}
