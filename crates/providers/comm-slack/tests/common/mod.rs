//! A sandbox, a connection to it, and what the tests do to both.
#![allow(dead_code, reason = "each test binary uses its own part")]

use delivr_domain::ids::InstallId;
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey, Generation, TaskKey, TaskKind};
use delivr_domain::ports::provider::{Connection, Credentials, Descriptor};
use delivr_provider_kit::Deps;
use delivr_sandbox::{Running, Sandbox};
use secrecy::SecretString;
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) running: Running,
    pub(crate) deps: Deps,
    vendor: &'static str,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn start(vendor: &'static str) -> Self {
        let running = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let deps = Deps::for_tests(folder.path().to_path_buf()).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            running,
            deps,
            vendor,
            client,
            _folder: folder,
        }
    }

    /// What the sandbox says an integration is configured with.
    pub(crate) async fn settings(&self) -> Value {
        let url = format!("{}/_credentials", self.running.url());
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()[self.vendor].clone()
    }

    pub(crate) async fn connect(&self, descriptor: &Descriptor) -> Connection {
        let settings = self.settings().await;
        (descriptor.connect)(&settings["config"], &secrets(&settings["credentials"])).unwrap()
    }

    pub(crate) fn advance(&self, mut body: Value) -> Value {
        body["vendor"] = json!(self.vendor);
        self.running.advance(&body).unwrap()
    }

    pub(crate) async fn fault(&self, mut body: Value) {
        body["vendor"] = json!(self.vendor);
        let url = format!("{}/_faults", self.running.url());
        let answer = self.client.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// How many effects of the operation the vendor really performed.
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
