//! An organisation behind the pages: the served product with its worker in this process, simulated vendors over HTTP, real
//! git repositories. Its time is real, or goes by as fast as the test wants.

use crate::repository::Repository;
use chrono::TimeDelta;
use delivr_api::{Files, Shared};
use delivr_app::App;
use delivr_app::usecases::access::{self, NewToken, Role};
use delivr_app::vault::Vault;
use delivr_bootstrap::entropy::SystemEntropy;
use delivr_domain::ids::{TenantId, TokenId};
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::store::Tenant;
use delivr_provider_kit::{AddressPolicy, Deps, HttpSettings, SystemClock};
use delivr_sandbox::{Running as Vendors, Sandbox};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use delivr_worker::{Worker, WorkerSettings};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// How time goes by.
#[derive(Clone)]
enum Time {
    Real,
    /// As told: the product's and the vendors' clocks together.
    Told(Arc<FakeClock>),
}

/// Everything that runs for one test.
pub(crate) struct House {
    /// `http://127.0.0.1:PORT`.
    pub(crate) root: String,
    pub(crate) app: App,
    pub(crate) tenant: Tenant,
    pub(crate) vendors: Vendors,
    pub(crate) folder: tempfile::TempDir,
    time: Time,
    worker: Worker,
    shared: Shared,
    http: reqwest::Client,
    owner: String,
    server: actix_web::dev::ServerHandle,
}

impl Drop for House {
    fn drop(&mut self) {
        self.shared.close();
        // The command is sent at once; the future only waits for the end.
        drop(self.server.stop(false));
    }
}

/// A service with what it is released with.
#[derive(Debug, Clone)]
pub(crate) struct Team {
    pub(crate) service: String,
    pub(crate) profile: String,
    pub(crate) scm: String,
    pub(crate) targets: Vec<Value>,
    pub(crate) pipelines: Vec<String>,
}

/// What all services of the organisation share.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) ci: String,
    pub(crate) tickets: String,
    pub(crate) chat: String,
    pub(crate) tests: String,
}

const PIPELINES: &[(&str, &str, &str, &str)] = &[
    ("iOS regression", "IOS", "REGRESSION_BUILD", "ios-regression"),
    (
        "Android regression",
        "ANDROID",
        "REGRESSION_BUILD",
        "android-regression",
    ),
    ("iOS automation", "IOS", "AUTOMATION", "automation"),
    ("Android automation", "ANDROID", "AUTOMATION", "automation"),
    ("TestFlight", "IOS", "TEST_FLIGHT_BUILD", "ios-prod"),
    ("Bundle", "ANDROID", "AAB_BUILD", "android-prod"),
];

/// The text at a JSON pointer.
#[track_caller]
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no text at {pointer} in {value}"))
        .to_owned()
}

impl House {
    /// In real time, with a worker that works by itself.
    pub(crate) async fn live() -> Self {
        let house = Self::build(Time::Real).await;
        let worker = Worker::new(house.app.clone(), WorkerSettings::default());
        tokio::spawn(async move { worker.run(std::future::pending()).await });
        house
    }

    /// In time that goes by as told, beginning that many days ago.
    pub(crate) async fn told(days_ago: i64) -> Self {
        let clock = FakeClock::at(SystemClock.now() - TimeDelta::days(days_ago));
        let house = Self::build(Time::Told(Arc::new(clock))).await;
        house.move_vendors(-days_ago * 86_400);
        house
    }

    async fn build(time: Time) -> Self {
        // The error says that it is installed already, by another test of this process.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let clock: Arc<dyn Clock> = match &time {
            Time::Real => Arc::new(SystemClock),
            Time::Told(clock) => clock.clone(),
        };
        let folder = tempfile::tempdir().unwrap();
        let deps = Deps::new(
            AddressPolicy::allowing_loopback(),
            &HttpSettings::default(),
            clock.clone(),
            Some(folder.path().to_path_buf()),
            folder.path().join("cache"),
        )
        .unwrap();
        let entropy = SystemEntropy::new();
        let key = delivr_app::usecases::keys::generate(&entropy);
        let app = App {
            store: Arc::new(MemoryStore::new(clock.clone())),
            clock,
            entropy: Arc::new(entropy),
            registry: Arc::new(delivr_providers_all::registry(&deps).unwrap()),
            vault: Arc::new(Vault::new(&key).unwrap()),
            connections: delivr_app::connections::cache(),
        };
        let tenant = Tenant {
            id: TenantId::from_uuid(app.entropy.uuid()),
            slug: "acme".to_owned(),
            name: "Acme Mobile".to_owned(),
        };
        app.store.insert_tenant(&tenant).await.unwrap();
        let owner = token(&app, &tenant, Some("ada.lindqvist@acme.example"), Role::Owner).await;
        let artifacts = Files::open(folder.path().join("artifacts")).unwrap();
        let shared = Shared::new(app.clone(), None).storing(Arc::new(artifacts), 1024 * 1024);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let server = delivr_api::serve(shared.clone(), listener).unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            root,
            worker: Worker::new(app.clone(), WorkerSettings::default()),
            app,
            tenant,
            vendors: Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap(),
            folder,
            time,
            shared,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            owner: owner.1,
            server: handle,
        }
    }

    /// A token of somebody.
    pub(crate) async fn token(&self, person: &str, role: Role) -> String {
        token(&self.app, &self.tenant, Some(person), role).await.1
    }

    /// The same with its id, for who wants to revoke it.
    pub(crate) async fn named_token(&self, person: &str, role: Role) -> (TokenId, String) {
        token(&self.app, &self.tenant, Some(person), role).await
    }

    /// The owner's token.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    pub(crate) async fn ask(
        &self,
        as_who: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{}/api/v1{path}", self.root))
            .bearer_auth(as_who);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(&self.owner, "GET", path, None).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.post_as(&self.owner, path, body).await
    }

    pub(crate) async fn post_as(&self, as_who: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(as_who, "POST", path, Some(body)).await;
        assert!(
            (200..300).contains(&status),
            "POST {path} {body}: {status} {answer}"
        );
        answer
    }

    pub(crate) fn vendor(&self, body: &Value) {
        self.vendors.advance(body).unwrap();
    }

    /// Vendors finish by themselves, so many milliseconds of theirs after a step began.
    pub(crate) fn auto(&self, vendor: &str, after_ms: i64) {
        self.vendor(&json!({
            "vendor": vendor, "action": "auto", "on": true, "afterMs": after_ms, "dayMs": 86_400_000,
        }));
    }

    fn move_vendors(&self, seconds: i64) {
        self.vendor(&json!({"vendor": "*", "action": "time", "seconds": seconds}));
    }

    /// Does everything that is due, and what follows from it.
    async fn work(&self) {
        for _ in 0..200 {
            if self.worker.run_due_once().await.unwrap() == 0 {
                return;
            }
        }
    }

    /// Lets time go by in steps.
    pub(crate) async fn pass(&self, span: TimeDelta, step: TimeDelta) {
        let Time::Told(clock) = &self.time else {
            panic!("real time goes by itself");
        };
        let mut left = span;
        self.work().await;
        while left > TimeDelta::zero() {
            let now = left.min(step);
            clock.advance(now.to_std().unwrap());
            self.move_vendors(now.num_seconds());
            self.work().await;
            left -= now;
        }
    }

    /// From now on time goes by as outside, with a worker that works by itself.
    pub(crate) fn flow(&self) {
        let Time::Told(clock) = &self.time else {
            return;
        };
        let clock = clock.clone();
        tokio::spawn(async move {
            const BEAT: Duration = Duration::from_millis(100);
            let mut beat = tokio::time::interval(BEAT);
            loop {
                beat.tick().await;
                clock.advance(BEAT);
            }
        });
        let worker = Worker::new(self.app.clone(), WorkerSettings::default());
        tokio::spawn(async move { worker.run(std::future::pending()).await });
    }

    /// An instant from now.
    pub(crate) fn at(&self, span: TimeDelta) -> String {
        (self.app.clock.now() + span).to_rfc3339()
    }

    /// Waits until the release is so: looks often, and lets time go by where it is told.
    pub(crate) async fn until(&self, release: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/releases/{release}?include=tasks,cycles,builds,slots,approvals");
        let mut seen = Value::Null;
        for _ in 0..1_200 {
            seen = self.get(&path).await;
            if is_so(&seen) {
                return seen;
            }
            match &self.time {
                Time::Real => self.app.store.wait_for_work(Duration::from_millis(50)).await,
                Time::Told(_) => self.pass(TimeDelta::minutes(4), TimeDelta::minutes(4)).await,
            }
        }
        panic!("{release} never: {what}: {seen:#}");
    }

    pub(crate) async fn phase(&self, release: &str, phase: &str) -> Value {
        self.until(release, phase, |it| it["phase"] == phase).await
    }

    async fn connect(&self, category: &str, body: &Value) -> String {
        let made = self.post(&format!("/integrations/{category}"), body).await;
        let path = format!("/integrations/{category}/{}/verify", text(&made, "/id"));
        let verified = self.post(&path, &json!({})).await;
        assert_eq!(verified["verificationStatus"], "VALID", "{body} {verified}");
        text(&made, "/id")
    }

    /// Where the vendors are, and what they are entered with.
    pub(crate) async fn offered(&self) -> Value {
        let url = format!("{}/_credentials", self.vendors.url());
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Connects what all services share.
    pub(crate) async fn desk(&self) -> Desk {
        let offered = self.offered().await;
        let of = |vendor: &str, name: &str| {
            let entry = &offered[vendor];
            json!({
                "provider": entry["key"], "name": name,
                "config": entry["config"], "credentials": entry["credentials"],
            })
        };
        Desk {
            ci: self.connect("ci-cd", &of("jenkins", "Build farm")).await,
            tickets: self.connect("project-management", &of("jira", "Jira")).await,
            chat: self.connect("communication", &of("slack", "Slack")).await,
            tests: self
                .connect("test-management", &of("checkmate", "Checkmate"))
                .await,
        }
    }

    /// Sets up a service with its repository, stores and pipelines. `app` is another application of the same stores.
    pub(crate) async fn team(
        &self,
        desk: &Desk,
        (slug, name): (&str, &str),
        targets: &[&str],
        settings: &Value,
    ) -> (Team, Repository) {
        let folder = self.folder.path().join(slug);
        std::fs::create_dir_all(&folder).unwrap();
        let repository = Repository::make(&folder);
        let offered = self.offered().await;
        let git = json!({
            "provider": "git", "name": format!("acme/{slug}"),
            "config": {"url": repository.url(), "defaultBranch": "main"}, "credentials": {},
        });
        let scm = self.connect("scm", &git).await;
        let mut stores = Vec::new();
        for target in targets {
            let (vendor, title) = match *target {
                "IOS_APP_STORE" => ("appstore", "App Store"),
                _ => ("playstore", "Google Play"),
            };
            let entry = &offered[vendor];
            let body = json!({
                "provider": entry["key"], "name": format!("{title} for {name}"),
                "config": entry["config"], "credentials": entry["credentials"],
            });
            let id = self.connect("stores", &body).await;
            stores.push(json!({"target": target, "storeIntegrationId": id}));
        }
        let mut pipelines = Vec::new();
        for (title, platform, purpose, job) in PIPELINES {
            if !targets.iter().any(|it| it.starts_with(platform)) {
                continue;
            }
            let mut parameters = json!({});
            for name in ["VERSION", "BRANCH", "TAG", "SHA", "PLATFORM", "CYCLE"] {
                // The builds for the stores belong to no cycle.
                if name != "CYCLE" || !job.ends_with("-prod") {
                    parameters[name] = json!(format!("{{{}}}", name.to_lowercase()));
                }
            }
            let body = json!({
                "name": format!("{name}: {title}"), "integrationId": desk.ci, "scmIntegrationId": scm,
                "platform": platform, "purpose": purpose, "job": job, "parameters": parameters,
            });
            pipelines.push(text(&self.post("/integrations/pipelines", &body).await, "/id"));
        }
        let service = json!({"slug": slug, "name": name, "kind": "MOBILE", "scmIntegrationId": scm});
        let service = text(&self.post("/services", &service).await, "/id");
        let profile = json!({"name": format!("{name}, weekly"), "serviceId": service, "settings": settings});
        let profile = text(&self.post("/profiles", &profile).await, "/id");
        let team = Team {
            service,
            profile,
            scm,
            targets: stores,
            pipelines,
        };
        (team, repository)
    }

    /// Makes a release of a team, with more laid over the body; returns its key.
    pub(crate) async fn release(&self, desk: &Desk, team: &Team, version: &str, more: &Value) -> String {
        let mut body = json!({
            "serviceId": team.service, "profileId": team.profile, "version": version,
            "targets": team.targets, "scmIntegrationId": team.scm, "pipelines": team.pipelines,
            "ticketId": desk.tickets, "communicationId": desk.chat, "testManagementId": desk.tests,
        });
        merge(&mut body, more);
        text(&self.post("/releases", &body).await, "/key")
    }
}

pub(crate) fn merge(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (name, value) in over {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over.clone(),
    }
}

/// How the teams release, in the product's own time scale.
pub(crate) fn settings(over: &Value) -> Value {
    let mut settings = json!({
        // No webhook of the CI system prompts a look, and nobody waits a minute here for the second one.
        "deadlines": {"pollSeconds": 1},
        "scm": {"baseBranch": "main"},
        "testing": {"passThreshold": 95},
        "autoStart": ["REGRESSION"],
        "stores": {
            "IOS_APP_STORE": {"submit": "AUTO", "timing": "MANUAL", "phased": true},
            "ANDROID_PLAY_STORE": {
                "submit": "AUTO", "timing": "AFTER_APPROVAL", "steps": [100, 500, 2000, 5000, 10000],
            },
        },
    });
    merge(&mut settings, over);
    settings
}

/// The same, looking every second: for releases that are watched in real time.
pub(crate) fn swift() -> Value {
    settings(&json!({
        "deadlines": {"pollSeconds": 1},
        "stores": {
            "IOS_APP_STORE": {"pollSeconds": 1},
            "ANDROID_PLAY_STORE": {"pollSeconds": 1, "steps": [500, 2000, 10000]},
        },
    }))
}

async fn token(app: &App, tenant: &Tenant, person: Option<&str>, role: Role) -> (TokenId, String) {
    let id = app.entropy.uuid();
    let person = person.map(|it| it.parse().unwrap());
    let name = format!("laptop, {}", role.word().to_lowercase());
    let new = NewToken {
        name: &name,
        person: person.as_ref(),
        role,
        expires_at: None,
    };
    let issued = access::issue(app, tenant.id, id, &new).await.unwrap();
    (TokenId::from_uuid(id), issued.secret.expose_secret().to_owned())
}

/// Tasks of a release by kind.
pub(crate) fn tasks<'a>(release: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = release["tasks"].as_array().unwrap();
    all.iter().filter(|it| it["type"] == kind).collect()
}
