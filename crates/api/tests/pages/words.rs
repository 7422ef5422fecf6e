//! Every text that a page reads is made hostile on its way from the API, whoever could have written it: a vendor, a
//! commit, a ticket, a store, a person. Nothing of it becomes a part of any page.

use crate::browser::{Browser, unescaped};
use crate::headers::sound;
use crate::routes::{self, Examples};
use crate::world::World;
use actix_web::{App, HttpRequest, HttpServer};
use async_trait::async_trait;
use delivr_app::usecases::access::Principal;
use delivr_web::{Call, Encryption, Refusal, Reply};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::rc::Rc;

/// Breaks out of a text, of an attribute in either kind of quotes, and of a script.
const HOSTILE: &str =
    "x\"'><script>alert(1)</script><img src=x onerror=alert(1)><!-- ]]> {{7*7}} \" onclick=\"alert(1)";
/// The same where an address stands.
const ADDRESS: &str = "javascript:alert(1)//https://evil.example/\"><script>alert(1)</script>";
/// An address that is one, and would be more.
const WEB: &str = "https://evil.example/\"onmouseover=\"alert(1)";

/// Whether pages count on the text: ids that they put into paths, times, words of the language that both speak.
fn needed(name: &str, text: &str) -> bool {
    let word = text.len() > 2
        && text
            .bytes()
            .all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_');
    word || matches!(name, "key" | "nextCursor" | "provider" | "category")
        || uuid::Uuid::parse_str(text).is_ok()
        || chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

/// Members that hold a text when they hold anything, as the models of the pages have them.
const EMPTY_TEXTS: &[&str] = &[
    "detail",
    "storeWord",
    "explanation",
    "drift",
    "notes",
    "description",
    "pilot",
    "vendor",
    "trouble",
    "verdictNote",
    "comment",
    "externalId",
    "tag",
    "branchRelease",
    "baseSha",
    "sha",
    "reference",
    "correlation",
    "reason",
    "by",
    "person",
    "buildNumber",
    "advice",
    "note",
];

fn poison(name: &str, value: &mut Value) {
    match value {
        Value::String(text) if needed(name, text) => {}
        Value::String(text) if name.ends_with("rl") => *text = ADDRESS.to_owned(),
        Value::String(text) => *text = HOSTILE.to_owned(),
        Value::Null if EMPTY_TEXTS.contains(&name) => *value = HOSTILE.into(),
        Value::Null if name == "externalUrl" || name == "buildUrl" => *value = WEB.into(),
        Value::Array(items) => items.iter_mut().for_each(|it| poison(name, it)),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                poison(name, value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a release has when vendors and people have said everything that they can say.
fn fill(path: &str, body: &mut Value) {
    let at = "2026-11-01T10:00:00Z";
    let bare = path.split('?').next().unwrap();
    if bare.ends_with("/distribution") {
        let step = json!({"type": "SUBMIT", "status": "FAILED", "detail": "x"});
        *body = json!({"status": "PARTIALLY_LIVE", "blockers": ["x"], "targets": [{
            "target": "ANDROID_PLAY_STORE", "version": "x", "status": "x", "exposure": 2000, "live": false,
            "submissions": [{"id": "01890000-0000-7000-8000-000000000001", "attempt": 1, "version": "x",
                "buildNumber": "x", "status": "REJECTED", "storeWord": "x", "explanation": "x", "submit": "BY_PERSON",
                "submitAsked": false, "releaseAsked": false, "tasks": [step], "updatedAt": at}],
            "rollout": {"id": "01890000-0000-7000-8000-000000000002", "status": "HALTED", "exposure": 2000,
                "finalExposure": 10000, "steps": [100, 2000, 10000], "stepMinutes": null, "stepAt": at, "drift": "x",
                "storeWord": "x", "tasks": [step], "updatedAt": at},
        }]});
    }
    let Some(members) = body.as_object_mut() else {
        return;
    };
    if members.contains_key("branchRelease") && members.contains_key("cycles") {
        members.insert("notes".to_owned(), json!("x"));
        members.insert("cycles".to_owned(), json!([{
            "id": "x", "number": 1, "status": "DONE", "verdict": "FAILED", "verdictNote": "x", "sha": "x", "tag": "x",
            "builds": "BUILD", "automation": "RUN", "tests": {"total": 3, "passed": 1, "failed": 1, "untested": 1},
            "startedAt": at, "endedAt": at,
        }]));
        members.insert("builds".to_owned(), json!([{
            "id": "x", "target": "IOS_APP_STORE", "task": "x", "cycle": 1, "buildNumber": "x", "buildUrl": "x",
            "buildStatus": "AVAILABLE", "sha": "x", "shaOrigin": "x", "at": at,
        }]));
        members.insert("approvals".to_owned(), json!([{
            "stage": "REGRESSION", "by": "x", "decision": "APPROVED", "sha": "x", "comment": "x", "at": at,
        }]));
        members.insert(
            "holds".to_owned(),
            json!([
                {"hold": "DRIFT", "detail": "x", "liftedBy": "x", "taskId": null, "stage": null},
                {"hold": "USER_PAUSED", "detail": "x", "liftedBy": "x", "taskId": null, "stage": null},
            ]),
        );
        members.insert(
            "blockers".to_owned(),
            json!([{"code": "x", "detail": "x", "clearedBy": "MEMBER"}]),
        );
    }
    if bare == "/operations" {
        members.insert("troubled".to_owned(), json!([{
            "release": "x", "does": "x", "state": "READY", "failures": 2, "trouble": "x", "dueAt": at, "giveUpAt": at,
            "integrationId": null,
        }]));
        let stop = json!([{"scope": "ORGANISATION", "reason": "x", "by": "x", "since": at}]);
        members.insert("stops".to_owned(), stop);
    }
    if bare == "/line/stop" {
        let stop = json!([{"scope": "INSTALLATION", "reason": "x", "by": null, "since": at}]);
        members.insert("stops".to_owned(), stop);
    }
    if bare.contains("/tasks/") && members.contains_key("effects") {
        members.insert(
            "cause".to_owned(),
            json!({"detail": "x", "class": "VENDOR", "outcome": "UNKNOWN", "vendor": "x"}),
        );
        members.insert(
            "surplus".to_owned(),
            json!([{"id": "x", "url": "x"}, {"id": "x", "url": null}]),
        );
        members.insert("effects".to_owned(), json!([{
            "id": "x", "effect": "x", "does": "x", "correlation": "x", "status": "READY", "dueAt": at, "trouble": "x",
            "attempts": [{"attempt": 1, "outcome": "x", "reference": "x", "detail": "x", "at": at,
                "exchangesLeftOut": 0, "exchanges": [{
                    "operation": "x", "method": "post", "address": "x", "status": null, "failure": "x", "at": at,
                    "headers": [{"name": "x", "value": "x"}], "tookMs": 12,
                    "sent": {"contentType": "x", "text": "x", "bytes": 1, "cut": true},
                    "received": {"contentType": null, "text": "{x", "bytes": 1, "cut": false},
                }]}],
        }]));
    }
}

/// The API as the pages see it, by way of HTTP, with everything in its answers made hostile.
struct Poisoned {
    root: String,
    tokens: Vec<(String, String)>,
    app: delivr_app::App,
    http: reqwest::Client,
}

impl Poisoned {
    async fn ask(&self, role: Option<&str>, call: &Call) -> Reply {
        let url = format!("{}/api/v1{}", self.root, call.path);
        let mut ask = self.http.request(call.method.as_str().parse().unwrap(), url);
        if let Some((_, token)) = self.tokens.iter().find(|(word, _)| Some(word.as_str()) == role) {
            ask = ask.bearer_auth(token);
        }
        if let Some(body) = &call.body {
            ask = ask.json(body);
        }
        let answer = ask.send().await.unwrap();
        let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16()).unwrap();
        let mut body: Value = answer.json().await.unwrap_or_default();
        fill(&call.path, &mut body);
        poison("", &mut body);
        Reply::of(status, &body)
    }
}

#[async_trait(?Send)]
impl delivr_web::Api for Poisoned {
    fn app(&self) -> &delivr_app::App {
        &self.app
    }
    fn epoch(&self) -> Option<&str> {
        None
    }
    async fn call(&self, who: &Principal, call: Call) -> Reply {
        self.ask(Some(who.role.word()), &call).await
    }
    async fn send(
        &self,
        who: &Principal,
        call: Call,
        _media_type: &str,
        _body: delivr_web::Content,
    ) -> Reply {
        self.ask(Some(who.role.word()), &call).await
    }
    async fn open(&self, path: &str) -> Reply {
        self.ask(None, &Call::get(path)).await
    }
    async fn sign_in(&self, _request: &HttpRequest, token: &str) -> Result<Option<Principal>, Refusal> {
        let found = delivr_app::usecases::access::authenticate(&self.app, token).await;
        Ok(found.unwrap())
    }
    fn admit(&self, _who: &Principal) -> Result<(), Refusal> {
        Ok(())
    }
    fn practice(&self) -> Option<delivr_web::Practice> {
        None
    }
    fn encryption(&self, _request: &HttpRequest) -> Encryption {
        Encryption::ThisMachine
    }
}

/// Serves the pages over the poisoned API, and gives their address.
fn serve(world: &World) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let (behind, app) = (world.api.root.clone(), world.api.app.clone());
    let (tokens, http) = (world.api.tokens.clone(), world.api.http.clone());
    let server = HttpServer::new(move || {
        let api: Rc<dyn delivr_web::Api> = Rc::new(Poisoned {
            root: behind.clone(),
            tokens: tokens
                .iter()
                .filter(|(word, _)| **word != "OTHER")
                .map(|(word, token)| ((*word).to_owned(), token.clone()))
                .collect(),
            app: app.clone(),
            http: http.clone(),
        });
        App::new().app_data(api).configure(delivr_web::configure)
    });
    let server = server.workers(1).disable_signals().listen(listener).unwrap();
    tokio::spawn(server.run());
    root
}

/// The page without what stands around it on every page.
fn content(page: &str) -> &str {
    page.split_once("<main").map_or(page, |(_, rest)| rest)
}

/// Pages that show words of our own alone: nothing of an answer is on them.
const OURS: &[&str] = &["/sign-in", "/assets/{name}", "/operations/stop", "/operations/go"];

#[tokio::test]
async fn whatever_a_text_says_it_stays_a_text_on_every_page() {
    let mut world = World::new().await;
    let examples = Examples::of(&world).await;
    world.api.root = serve(&world);
    let browser = Browser::signed_in(&world.api, "OWNER").await;
    let mut shown = 0;
    let mut silent = Vec::new();
    let routes: Vec<_> = routes::all().into_iter().filter(|it| it.gets).collect();
    for route in routes {
        let path = examples.path(&world, &route.path);
        let more = ["/releases?q=x", "/doctor"];
        let paths = more.iter().filter(|it| it.starts_with(&path) && **it != path);
        for path in std::iter::once(path.as_str()).chain(paths.copied()) {
            let reply = browser.get(path).await;
            if ["/assets/{name}", "/activity/export", "/activity/setup/export"].contains(&route.path.as_str())
            {
                continue;
            }
            assert!(reply.status < 500, "{path}: {} {}", reply.status, reply.text);
            if route.path == "/status/{link}" {
                crate::headers::sound_as(&reply, path, "no-referrer");
            } else {
                sound(&reply, path);
            }
            for raw in ["<script>alert", "<img", "onclick=\"", "onmouseover=\"", "<!--"] {
                assert!(!reply.text.contains(raw), "{path} has {raw}: {}", reply.text);
            }
            if reply.status == 200 && unescaped(content(&reply.text)).contains("<script>alert(1)") {
                shown += 1;
            } else if !OURS.contains(&route.path.as_str()) {
                silent.push(format!("{path} ({})", reply.status));
            }
        }
    }
    // The walk means something: nearly every page showed what it was given.
    assert!(
        shown > 25 && silent.len() < 8,
        "{shown} shown, silent: {silent:#?}"
    );
}
