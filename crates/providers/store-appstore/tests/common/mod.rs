//! A simulated App Store Connect and a connection to it.

use delivr_domain::effect::{Reference, ReleaseTiming, RolloutChange, StoreVersion, StoreWrite};
use delivr_domain::ids::InstallId;
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey, Generation, TargetKey, TaskKey, TaskKind};
use delivr_domain::ports::error::ProviderError;
use delivr_domain::ports::provider::{Connection, Credentials};
use delivr_domain::ports::vendor::{Lookup, Storefront};
use delivr_provider_kit::Deps;
use delivr_sandbox::{Running, Sandbox};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

pub(crate) struct Bench {
    pub(crate) running: Running,
    pub(crate) store: Arc<dyn Storefront>,
    _folder: tempfile::TempDir,
}

pub(crate) fn connect(deps: &Deps, all: &Value) -> Arc<dyn Storefront> {
    let secrets = all["credentials"].as_object().unwrap().iter();
    let secrets = secrets.map(|(name, it)| (name.clone(), SecretString::from(it.as_str().unwrap())));
    let connect = delivr_store_appstore::descriptor(deps).connect;
    match connect(&all["config"], &Credentials::new(secrets)).unwrap() {
        Connection::Store(store) => store,
        other => panic!("{other:?}"),
    }
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let running = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let deps = Deps::for_tests(folder.path().to_owned()).unwrap();
        let url = format!("{}/_credentials", running.url());
        let all: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let mut own = all["appstore"].clone();
        change(&mut own);
        let store = connect(&deps, &own);
        Self {
            running,
            store,
            _folder: folder,
        }
    }

    /// With build 41 of 1.1.0 processed.
    pub(crate) async fn with_build() -> Self {
        let bench = Self::start().await;
        bench.build("1.1.0", "41");
        bench
    }

    pub(crate) fn build(&self, version: &str, number: &str) {
        self.advance(json!({"action": "add_build", "version": version, "build": number, "state": "VALID"}));
    }

    pub(crate) fn advance(&self, mut body: Value) -> Value {
        body["vendor"] = json!("appstore");
        self.running.advance(&body).unwrap()
    }

    pub(crate) async fn fault(&self, mut body: Value) {
        body["vendor"] = json!("appstore");
        let url = format!("{}/_faults", self.running.url());
        let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// As the engine does: look, make if it is not there.
    pub(crate) async fn perform(&self, write: &StoreWrite) -> Result<Reference, ProviderError> {
        match self.store.find(&key(), write).await? {
            Lookup::Over(_) => self.store.create(&key(), write).await,
            Lookup::Found(found) if found.is_empty() => self.store.create(&key(), write).await,
            Lookup::Found(found) => Ok(found[0].clone()),
            other => panic!("{other:?}"),
        }
    }

    /// Whether it is there.
    pub(crate) async fn done(&self, write: &StoreWrite) -> bool {
        match self.store.find(&key(), write).await.unwrap() {
            Lookup::Found(found) => !found.is_empty(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn foreign(&self, write: &StoreWrite) -> String {
        match self.store.find(&key(), write).await.unwrap() {
            Lookup::Foreign(sentence) => sentence,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn through(&self, writes: &[StoreWrite]) {
        for write in writes {
            self.perform(write).await.unwrap();
        }
    }

    pub(crate) async fn review(&self) -> delivr_domain::report::ReviewState {
        self.store.review_state(&version()).await.unwrap()
    }

    pub(crate) async fn exposure(&self) -> delivr_domain::report::Exposure {
        self.store.exposure(&version()).await.unwrap()
    }

    /// Approved, released and out.
    pub(crate) async fn live(&self) {
        self.through(&until_submitted()).await;
        self.advance(json!({"action": "approve"}));
        self.perform(&release()).await.unwrap();
        self.advance(json!({"action": "time", "seconds": 2}));
    }

    pub(crate) fn effects(&self, operation: &str) -> usize {
        let journal = self.running.journal();
        let all = journal["effects"].as_array().unwrap().iter();
        all.filter(|one| one["vendor"] == "appstore" && one["operation"] == operation)
            .count()
    }

    /// The notes of the version by locale, as the journal tells.
    pub(crate) fn notes(&self) -> BTreeMap<String, String> {
        let journal = self.running.journal();
        let effects = journal["effects"].as_array().unwrap();
        let written = effects.iter().filter(|it| it["operation"] == "set_notes");
        let noted = written.map(|it| {
            let text = it["detail"]["whatsNew"].as_str().unwrap();
            (
                it["detail"]["locale"].as_str().unwrap().to_owned(),
                text.to_owned(),
            )
        });
        noted.collect()
    }
    pub(crate) fn assert_no_duplicates(&self) {
        assert_eq!(self.running.journal()["duplicates"], json!([]));
    }
}

pub(crate) fn key() -> EffectKey {
    EffectKey {
        install: InstallId::from_uuid(Uuid::from_u128(1)),
        owner: AggregateId {
            kind: AggregateKind::Submission,
            id: Uuid::from_u128(2),
        },
        task: TaskKey::once(TaskKind::PrepareSubmission).target(TargetKey::IosAppStore),
        generation: Generation(0),
        step: 0,
    }
}

pub(crate) fn version() -> StoreVersion {
    StoreVersion {
        version: "1.1.0".into(),
        build_number: "41".into(),
        notes: [
            ("en-US".to_owned(), "Faster start.".to_owned()),
            ("de-DE".to_owned(), "Startet schneller.".to_owned()),
        ]
        .into(),
    }
}

pub(crate) fn ensure() -> StoreWrite {
    StoreWrite::EnsureVersion {
        version: version(),
        timing: ReleaseTiming::Manual,
    }
}
pub(crate) fn attach() -> StoreWrite {
    StoreWrite::AttachBuild { version: version() }
}
pub(crate) fn notes() -> StoreWrite {
    StoreWrite::SetNotes { version: version() }
}
pub(crate) fn phased() -> StoreWrite {
    StoreWrite::EnablePhasedRelease { version: version() }
}
pub(crate) fn submit() -> StoreWrite {
    StoreWrite::Submit {
        version: version(),
        exposure: 10_000,
        timing: ReleaseTiming::Manual,
    }
}
pub(crate) fn withdraw() -> StoreWrite {
    StoreWrite::Withdraw { version: version() }
}
pub(crate) fn release() -> StoreWrite {
    StoreWrite::ReleaseToUsers { version: version() }
}
pub(crate) fn change(change: RolloutChange) -> StoreWrite {
    StoreWrite::ChangeRollout {
        version: version(),
        change,
    }
}
pub(crate) fn until_submitted() -> Vec<StoreWrite> {
    vec![ensure(), attach(), notes(), phased(), submit()]
}
