//! A served API of its own for each test, and a client that speaks like people do.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "every test binary uses another part"
)]

pub mod described;
pub mod shipping;

use delivr_api::{RateLimits, Shared};
use delivr_app::App;
use delivr_app::usecases::access::{self, NewToken, Role};
use delivr_app::vault::Vault;
use delivr_bootstrap::entropy::SystemEntropy;
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::provider::{Descriptor, Port, Registry};
use delivr_domain::ports::store::{Store, Tenant};
use delivr_provider_kit::{Deps, SystemClock};
use delivr_testkit::memory::MemoryStore;
use described::Asked;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use tempfile::TempDir;

/// A served API with two tenants.
pub struct Api {
    /// `http://127.0.0.1:PORT`.
    pub root: String,
    pub app: App,
    pub shared: Shared,
    /// The tenant most tests work in, and another one.
    pub tenant: Tenant,
    pub other: Tenant,
    /// Bearer tokens of the first tenant by role word, each with a person behind it (`owner@example.org`), one without as
    /// `SERVICE` (an owner), and the other tenant's owner as `OTHER`.
    pub tokens: BTreeMap<&'static str, String>,
    pub http: reqwest::Client,
    server: actix_web::dev::ServerHandle,
    _folder: TempDir,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shared.close();
        // The command is sent at once; the future only waits for the end.
        drop(self.server.stop(false));
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
    pub body: Value,
}

impl Reply {
    /// Asserts the status and gives the body.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }
    /// Asserts a refusal: status, code, content type, and everything a problem document has.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{}",
            self.text
        );
        let body = self.body;
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["detail"], body["error"], "{body}");
        assert_eq!(body["instance"], self.headers["x-request-id"].as_str(), "{body}");
        assert!(body["type"].is_string() && body["title"].is_string(), "{body}");
        body
    }
    /// Asserts a 400 that points at the place.
    #[track_caller]
    pub fn wrong_at(self, pointer: &str) -> Value {
        let body = self.refused(400, "malformed_request");
        let found = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .any(|error| error["pointer"] == pointer);
        assert!(found, "{pointer} is not in {body}");
        body
    }
}

/// A request to be sent.
pub struct Ask {
    builder: RequestBuilder,
    loose: bool,
}

impl Ask {
    pub fn header(self, name: &str, value: &str) -> Self {
        Self {
            builder: self.builder.header(name, value),
            ..self
        }
    }
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        Self {
            builder: self.builder.body(body),
            ..self
        }
    }
    pub fn json(self, body: &Value) -> Self {
        Self {
            builder: self.builder.json(body),
            ..self
        }
    }
    /// It is wrong on purpose: only its answer is held against the description.
    pub fn loose(self) -> Self {
        Self { loose: true, ..self }
    }
    /// Sends it. Whatever is answered must be as described, and so must be what was asked, if it was done.
    pub async fn send(self) -> Reply {
        let (http, request) = self.builder.build_split();
        let request = request.unwrap();
        let what = format!("{} {}", request.method(), request.url());
        let asked = if self.loose {
            Asked::loosely(&request)
        } else {
            Asked::of(&request)
        };
        let reply = Self::heard(http.execute(request).await.unwrap()).await;
        let kind = reply.headers.get("content-type").map_or("", String::as_str);
        let wrong = asked.complaints(reply.status, kind, &reply.body);
        assert!(wrong.is_empty(), "{what}: {wrong:#?}\n{}", reply.text);
        reply
    }
    async fn heard(response: reqwest::Response) -> Reply {
        let status = response.status().as_u16();
        let text_of = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        };
        let headers = response.headers().iter().map(text_of).collect();
        let text = response.text().await.unwrap();
        Reply {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }
}

impl Api {
    /// Over a store in memory.
    pub async fn start() -> Self {
        Self::over(Arc::new(MemoryStore::new(Arc::new(SystemClock)))).await
    }

    /// Over SQLite in a folder of its own.
    pub async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("delivr.db").display());
        let store = Self::sql(&url).await;
        let mut api = Self::over(store).await;
        api._folder = folder;
        api
    }

    /// An open, current database.
    pub async fn sql(url: &str) -> Arc<dyn Store> {
        let options = delivr_persistence::Options::new(Arc::new(SystemClock));
        let store = delivr_persistence::connect(url, options).await.unwrap();
        store.migrate().await.unwrap();
        Arc::new(store)
    }

    /// Over a store.
    pub async fn over(store: Arc<dyn Store>) -> Self {
        Self::with(store, Arc::new(SystemClock)).await
    }

    /// Over a store, with a clock that tests may turn.
    pub async fn with(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self::offering(store, clock, &[]).await
    }

    /// Over a store and a clock, with providers of the test's own beside those of the product.
    pub async fn offering(store: Arc<dyn Store>, clock: Arc<dyn Clock>, more: &[Descriptor]) -> Self {
        Self::serving(store, clock, more, |shared| shared).await
    }

    /// Over a store and a clock, with limits on how often somebody may ask.
    pub async fn limited(store: Arc<dyn Store>, clock: Arc<dyn Clock>, limits: RateLimits) -> Self {
        Self::serving(store, clock, &[], |shared| shared.limited(limits)).await
    }

    /// Over a store and a clock, with what the server hands to requests changed.
    pub async fn serving(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        more: &[Descriptor],
        change: impl FnOnce(Shared) -> Shared,
    ) -> Self {
        // The error says that it is installed already, by another test of this process.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let deps = Deps::for_tests(folder.path().to_path_buf()).unwrap();
        let product = delivr_providers_all::registry(&deps).unwrap();
        let offered = Port::ALL.iter().flat_map(|port| product.of(*port)).chain(more);
        let registry = Registry::new(offered.cloned()).unwrap();
        let entropy = SystemEntropy::new();
        let key = delivr_app::usecases::keys::generate(&entropy);
        let app = App {
            store,
            clock,
            entropy: Arc::new(entropy),
            registry: Arc::new(registry),
            vault: Arc::new(Vault::new(&key).unwrap()),
            connections: delivr_app::connections::cache(),
        };
        let tenant = access::ensure_tenant(&app, "shop").await.unwrap();
        let other = access::ensure_tenant(&app, "other").await.unwrap();
        let mut tokens = BTreeMap::new();
        for role in Role::ALL {
            let person = format!("{}@example.org", role.word().to_lowercase());
            let made = token(&app, &tenant, role.word(), Some(&person), *role).await;
            tokens.insert(role.word(), made);
        }
        tokens.insert(
            "SERVICE",
            token(&app, &tenant, "release bot", None, Role::Owner).await,
        );
        let person = Some("owner@other.example");
        tokens.insert("OTHER", token(&app, &other, "OWNER", person, Role::Owner).await);
        let shared = change(Shared::new(
            app.clone(),
            Some("https://delivr.example/base".parse().unwrap()),
        ));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let server = delivr_api::serve(shared.clone(), listener).unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            root,
            app,
            shared,
            tenant,
            other,
            tokens,
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            server: handle,
            _folder: folder,
        }
    }

    /// A request without credential.
    pub fn bare(&self, method: &str, path: &str) -> Ask {
        let method: Method = method.parse().unwrap();
        Ask {
            builder: self.http.request(method, format!("{}{path}", self.root)),
            loose: false,
        }
    }

    /// A request below `/api/v1` with the credential of a role of the first tenant (or `OTHER`).
    pub fn of(&self, role: &str, method: &str, path: &str) -> Ask {
        self.bare(method, &format!("/api/v1{path}"))
            .header("authorization", &format!("Bearer {}", self.tokens[role]))
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.of("OWNER", "GET", path).send().await
    }
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.of("OWNER", "POST", path).json(body).send().await
    }
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.of("OWNER", "PUT", path).json(body).send().await
    }
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.of("OWNER", "PATCH", path).json(body).send().await
    }
    pub async fn delete(&self, path: &str) -> Reply {
        self.of("OWNER", "DELETE", path).send().await
    }

    /// Makes a service and gives its id.
    pub async fn service(&self, slug: &str) -> String {
        let made = self
            .post("/services", &json!({"slug": slug, "name": slug}))
            .await
            .is(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Connects a Jenkins and gives its id.
    pub async fn jenkins(&self, name: &str) -> String {
        let made = self
            .post("/integrations/ci-cd", &jenkins_body(name))
            .await
            .is(201);
        made["id"].as_str().unwrap().to_owned()
    }
}

/// A Jenkins integration whose secrets can be searched for.
pub fn jenkins_body(name: &str) -> Value {
    json!({
        "provider": "jenkins", "name": name,
        "config": {"baseUrl": "http://127.0.0.1:9/jenkins"},
        "credentials": {
            "username": "release-bot",
            "apiToken": "s3cret-api-token-0123456789",
            "webhookSecret": "s3cret-hook-secret-0123456789",
        },
    })
}

async fn token(app: &App, tenant: &Tenant, name: &str, person: Option<&str>, role: Role) -> String {
    let id = app.entropy.uuid();
    let person = person.map(|it| it.parse().unwrap());
    let new = NewToken {
        name,
        person: person.as_ref(),
        role,
        expires_at: None,
    };
    let issued = access::issue(app, tenant.id, id, &new).await.unwrap();
    issued.secret.expose_secret().to_owned()
}
