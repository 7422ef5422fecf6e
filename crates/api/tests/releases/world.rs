//! A tenant that is set up: a repository, a CI system, two stores, tickets, tests and chat, all verified.

use crate::support::{Api, Reply};
use delivr_api::{Files, Shared};
use delivr_app::App;
use delivr_domain::ids::{IntegrationId, PipelineId};
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Integration, Pipeline, Tenant, VerificationStatus};
use delivr_provider_kit::Deps;
use delivr_worker::{Worker, WorkerSettings};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) service: String,
    pub(crate) scm: String,
    pub(crate) ci: String,
    pub(crate) appstore: String,
    pub(crate) playstore: String,
    pub(crate) jira: String,
    pub(crate) slack: String,
    pub(crate) checkmate: String,
    pub(crate) ios_pipeline: String,
    pub(crate) android_pipeline: String,
    folder: TempDir,
}

fn secrets(values: &[(&str, &str)]) -> BTreeMap<String, SecretString> {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), SecretString::from((*value).to_owned())))
        .collect()
}

/// Stores an integration as if it had been connected and verified with this outcome.
pub(crate) async fn connect(
    app: &App,
    tenant: &Tenant,
    port: Port,
    provider: &str,
    config: Value,
    status: VerificationStatus,
) -> String {
    let id = IntegrationId::from_uuid(app.entropy.uuid());
    let sealed = app
        .vault
        .seal(
            app.entropy.as_ref(),
            tenant.id,
            id,
            &secrets(&[("token", "s3cret-0123456789-never-shown")]),
        )
        .unwrap();
    let now = app.clock.now();
    let integration = Integration {
        id,
        tenant: tenant.id,
        port,
        provider: provider.to_owned(),
        name: format!("{provider} {id}"),
        config,
        sealed,
        hints: BTreeMap::new(),
        status,
        status_detail: None,
        verified_at: Some(now),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    app.store.insert_integration(&integration).await.unwrap();
    id.to_string()
}

/// Stores a pipeline.
pub(crate) async fn pipeline(
    app: &App,
    tenant: &Tenant,
    ci: &str,
    (scm, store): (Option<&str>, Option<&str>),
    (platform, purpose): (&str, &str),
) -> String {
    let id = PipelineId::from_uuid(app.entropy.uuid());
    let pipeline = Pipeline {
        id,
        tenant: tenant.id,
        name: format!("{platform} {purpose} {id}"),
        integration: ci.parse().unwrap(),
        scm: scm.map(|it| it.parse().unwrap()),
        store: store.map(|it| it.parse().unwrap()),
        platform: platform.to_owned(),
        purpose: purpose.to_owned(),
        job: format!("job/{}", platform.to_lowercase()),
        parameters: BTreeMap::from([("VERSION".to_owned(), "{version}".to_owned())]),
        version: 1,
        created_at: app.clock.now(),
    };
    app.store.insert_pipeline(&pipeline).await.unwrap();
    id.to_string()
}

fn git(folder: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .current_dir(folder)
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A bare repository with one commit on `main`.
fn repository(folder: &Path) -> String {
    let work = folder.join("work");
    let bare = folder.join("shop.git");
    std::fs::create_dir_all(&work).unwrap();
    git(&work, &["init", "-q"]);
    std::fs::write(work.join("README"), "shop").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-q", "-m", "Begin"]);
    git(folder, &["clone", "-q", "--bare", "work", "shop.git"]);
    format!("file://{}", bare.display())
}

impl World {
    /// Size of an artifact in bytes, at most.
    pub(crate) const UPLOAD_LIMIT: u64 = 1024 * 1024;

    pub(crate) async fn new() -> Self {
        Self::over(Api::start().await).await
    }

    pub(crate) async fn on_sqlite() -> Self {
        Self::over(Api::on_sqlite().await).await
    }

    pub(crate) async fn over(mut api: Api) -> Self {
        // The same application with a folder whose repositories may be used, served anew.
        let folder = tempfile::tempdir().unwrap();
        let deps = Deps::for_tests(folder.path().to_path_buf()).unwrap();
        let app = App {
            registry: Arc::new(delivr_providers_all::registry(&deps).unwrap()),
            connections: delivr_app::connections::cache(),
            ..api.app.clone()
        };
        let artifacts = Files::open(folder.path().join("artifacts")).unwrap();
        let shared = Shared::new(app.clone(), None).storing(Arc::new(artifacts), Self::UPLOAD_LIMIT);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        api.root = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(delivr_api::serve(shared.clone(), listener).unwrap());
        api.app = app;
        api.shared = shared;
        let url = repository(folder.path());
        let valid = VerificationStatus::Valid;
        let (app, tenant) = (&api.app, &api.tenant);
        let scm = connect(app, tenant, Port::Scm, "git", json!({"url": url}), valid).await;
        let ci = connect(app, tenant, Port::Cicd, "jenkins", json!({}), valid).await;
        let appstore = connect(app, tenant, Port::Stores, "appstore", json!({}), valid).await;
        let playstore = connect(app, tenant, Port::Stores, "playstore", json!({}), valid).await;
        let jira = connect(app, tenant, Port::ProjectManagement, "jira", json!({}), valid).await;
        let slack = connect(app, tenant, Port::Communication, "slack", json!({}), valid).await;
        let checkmate = connect(app, tenant, Port::TestManagement, "checkmate", json!({}), valid).await;
        let ios = (Some(scm.as_str()), Some(appstore.as_str()));
        let ios_pipeline = pipeline(app, tenant, &ci, ios, ("IOS", "TEST_FLIGHT_BUILD")).await;
        let android = (Some(scm.as_str()), Some(playstore.as_str()));
        let android_pipeline = pipeline(app, tenant, &ci, android, ("ANDROID", "AAB_BUILD")).await;
        let body = json!({"slug": "shop-app", "name": "Shop", "scmIntegrationId": scm});
        let made = api.post("/services", &body).await.is(201);
        // The repository is opened without a credential.
        let id: IntegrationId = scm.parse().unwrap();
        let mut stored = api
            .app
            .store
            .integration(api.tenant.id, id)
            .await
            .unwrap()
            .unwrap();
        stored.sealed = api
            .app
            .vault
            .seal(api.app.entropy.as_ref(), api.tenant.id, id, &BTreeMap::new())
            .unwrap();
        stored.version += 1;
        api.app.store.update_integration(&stored).await.unwrap();
        Self {
            service: made["id"].as_str().unwrap().to_owned(),
            scm,
            ci,
            appstore,
            playstore,
            jira,
            slack,
            checkmate,
            ios_pipeline,
            android_pipeline,
            folder,
            api,
        }
    }

    /// The body of a small release: one Android target whose builds people upload.
    pub(crate) fn small(&self, version: &str) -> Value {
        json!({
            "serviceId": self.service, "version": version,
            "targets": [{"target": "ANDROID_PLAY_STORE", "builds": "MANUAL"}],
        })
    }

    /// The same with a kickoff in a day, so that nothing moves by itself.
    pub(crate) fn later(&self, version: &str) -> Value {
        let mut body = self.small(version);
        body["kickoffAt"] = json!(self.at(24 * 60));
        body
    }

    /// The body of seed 004, with this tenant's ids.
    pub(crate) fn seed(&self) -> Value {
        json!({
            "version": "1.5.0",
            "scmIntegrationId": self.scm,
            "targets": [self.appstore, self.playstore],
            "pipelines": [self.ios_pipeline, self.android_pipeline],
            "communicationId": self.slack,
            "ticketId": self.jira,
        })
    }

    /// An instant so many minutes from now.
    pub(crate) fn at(&self, minutes: i64) -> String {
        (self.api.app.clock.now() + chrono::TimeDelta::minutes(minutes)).to_rfc3339()
    }

    /// Makes a release.
    pub(crate) async fn made(&self, body: &Value) -> Value {
        self.api.post("/releases", body).await.is(201)
    }

    /// The path of a release, by its id.
    pub(crate) fn path(release: &Value) -> String {
        format!("/releases/{}", release["id"].as_str().unwrap())
    }

    /// Posts to a part of the release.
    pub(crate) async fn act(&self, release: &Value, action: &str, body: &Value) -> Reply {
        self.api
            .post(&format!("{}/{action}", Self::path(release)), body)
            .await
    }

    /// The release with a part.
    pub(crate) async fn read(&self, release: &Value, include: &str) -> Value {
        let path = format!("{}?include={include}", Self::path(release));
        self.api.get(&path).await.is(200)
    }

    /// Lets a worker do what is due until the condition holds.
    pub(crate) async fn until(&self, release: &Value, what: impl Fn(&Value) -> bool) -> Value {
        self.work_until(|| async {
            let now = self.read(release, "tasks,cycles,builds,slots").await;
            if what(&now) { Ok(now) } else { Err(now) }
        })
        .await
    }

    /// Lets a worker do what is due until something is found; tells what was seen last where it never is.
    pub(crate) async fn work_until<F: Future<Output = Result<Value, Value>>>(
        &self,
        look: impl Fn() -> F,
    ) -> Value {
        let worker = Worker::new(self.api.app.clone(), WorkerSettings::default());
        let mut seen = Value::Null;
        for _ in 0..600 {
            match look().await {
                Ok(found) => return found,
                Err(other) => seen = other,
            }
            if worker.run_due_once().await.unwrap() == 0 {
                self.api.app.store.wait_for_work(Duration::from_millis(50)).await;
            }
        }
        panic!("it never came to it: {seen:#}");
    }

    /// How many artifacts are on their way in, or were left on it.
    pub(crate) fn left_over(&self) -> usize {
        let incoming = self.folder.path().join("artifacts/incoming");
        std::fs::read_dir(incoming).unwrap().count()
    }

    /// The repository is not there any more.
    pub(crate) fn lose_repository(&self) {
        let at = self.folder.path().join("shop.git");
        std::fs::rename(&at, at.with_extension("lost")).unwrap();
    }

    /// A branch or tag is made in the repository by hand.
    pub(crate) fn by_hand(&self, arguments: &[&str]) {
        git(&self.folder.path().join("shop.git"), arguments);
    }

    /// A commit is added to a branch of the repository by somebody else.
    pub(crate) fn commit(&self, branch: &str) {
        let work = self.folder.path().join("work");
        git(&work, &["fetch", "-q", "../shop.git", branch]);
        git(&work, &["checkout", "-q", "FETCH_HEAD"]);
        git(&work, &["commit", "-q", "--allow-empty", "-m", "More"]);
        git(
            &work,
            &["push", "-q", "../shop.git", &format!("HEAD:refs/heads/{branch}")],
        );
    }
}

/// The task of the kind in a release read with its tasks.
pub(crate) fn task<'a>(release: &'a Value, kind: &str) -> &'a Value {
    let tasks = release["tasks"].as_array().unwrap();
    tasks
        .iter()
        .rev()
        .find(|it| it["type"] == kind)
        .unwrap_or_else(|| panic!("no {kind} in {tasks:?}"))
}
