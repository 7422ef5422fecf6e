//! Every page there is, read from the sources, with an example of each: a new one is walked through without anybody
//! thinking of it, or fails for want of an example.

use crate::world::{World, task};
use delivr_app::usecases::access;
use serde_json::{Value, json};
use std::path::Path;

/// A registered route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) gets: bool,
    pub(crate) posts: bool,
}

fn sources(folder: &Path, found: &mut String) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(text.split_whitespace());
            found.push('\n');
        }
    }
}

/// All routes of the pages, as they are registered anywhere below their folder.
pub(crate) fn all() -> Vec<Route> {
    let mut flat = String::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src/pages");
    sources(&folder, &mut flat);
    let mut found = Vec::new();
    let single = flat.split(".route(\"").skip(1).map(|part| {
        let (path, rest) = part.split_once('"').unwrap();
        (path, rest.split(')').next().unwrap())
    });
    let whole = flat.split("web::resource(\"").skip(1).map(|part| {
        let (path, rest) = part.split_once('"').unwrap();
        (path, rest.split("web::resource(").next().unwrap())
    });
    for (path, how) in single.chain(whole) {
        // Of what stands behind a resource, only its own methods count.
        let end = how.find(".route(\"/").unwrap_or(how.len());
        found.push(Route {
            path: path.to_owned(),
            gets: how[..end].contains("web::get("),
            posts: how[..end].contains("web::post("),
        });
    }
    // As many as calls that register: what is written in another way is noticed.
    let calls = flat.matches("web::get()").count() + flat.matches("web::post()").count();
    let counted: usize = found
        .iter()
        .map(|it| usize::from(it.gets) + usize::from(it.posts))
        .sum();
    assert_eq!(counted, calls, "{found:#?}");
    assert!(found.len() > 40, "{found:?}");
    found
}

/// A tenant with one of everything, and where it is.
pub(crate) struct Examples {
    pub(crate) key: String,
    task: String,
    token: String,
    link: String,
    /// The word of the link.
    word: String,
    profile: String,
    view: String,
    /// A planned regression cycle of the release.
    slot: String,
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

impl Examples {
    pub(crate) async fn of(world: &World) -> Self {
        let api = &world.api;
        let mut body = world.small("1.0.0");
        body["baseBranch"] = json!("nowhere");
        let made = world.made(&body).await;
        // Its first task fails, and it stays where it is.
        let read = world
            .until(&made, |it| task(it, "FORK_BRANCH")["status"] == "FAILED")
            .await;
        let key = made["key"].as_str().unwrap().to_owned();
        let slot = json!({"at": world.at(24 * 60)});
        let slot = world.act(&made, "slots", &slot).await.is(201);
        let token = json!({"name": "spare", "role": "VIEWER"});
        let link = json!({"name": "Board", "releaseId": key});
        let link = api.post("/status-links", &link).await.is(201);
        let profile = api.post("/profiles", &json!({"name": "p"})).await.is(201);
        Self {
            task: id(task(&read, "FORK_BRANCH")),
            token: id(&api.post("/tokens", &token).await.is(201)),
            word: link["url"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned(),
            link: id(&link),
            profile: id(&profile),
            view: id(&api.post("/views", &json!({"name": "v"})).await.is(201)),
            slot: id(&slot),
            key,
        }
    }

    /// A path of the route that leads to something.
    #[track_caller]
    pub(crate) fn path(&self, world: &World, route: &str) -> String {
        let found = match route {
            "/assets/{name}" => route.replace("{name}", "none.css"),
            "/status/{link}" => route.replace("{link}", &self.word),
            _ if route.starts_with("/settings/links/") => route.replace("{link}", &self.link),
            _ if route.starts_with("/timeline/links/") => route.replace("{link}", &self.token),
            _ if route.starts_with("/releases/views/") => route.replace("{view}", &self.view),
            _ if route.starts_with("/releases/{key}") => route
                .replace("{key}", &self.key)
                .replace("{task}", &self.task)
                .replace("{slot}", &self.slot)
                // It has neither: what is not there is walked through too.
                .replace("{cycle}", "1")
                .replace("{build}", &self.slot)
                .replace("{verb}", "pause"),
            _ if route.starts_with("/profile/tokens/") => route.replace("{token}", &self.token),
            _ if route.starts_with("/services/") => route.replace("{id}", &world.service),
            _ if route.starts_with("/profiles/") => route.replace("{id}", &self.profile),
            _ if route.starts_with("/pipelines/") => route.replace("{id}", &world.android_pipeline),
            _ if route.starts_with("/integrations/") => {
                route.replace("{category}", "ci-cd").replace("{id}", &world.ci)
            }
            _ => route.to_owned(),
        };
        assert!(!found.contains('{'), "`Examples::path` has no example of {route}");
        found
    }
}

/// Everything of the tenant that a form could change.
pub(crate) async fn everything(world: &World) -> Vec<String> {
    let api = &world.api;
    let mut all = Vec::new();
    for path in [
        "/releases?limit=200",
        "/releases/REL-1?include=tasks,cycles,builds,slots,approvals",
        "/activities",
        "/services",
        "/profiles",
        "/integrations/pipelines",
        "/integrations/scm",
        "/integrations/ci-cd",
        "/integrations/stores",
        "/integrations/communication",
        "/tokens",
        "/status-links",
        "/views",
        "/line/stop",
    ] {
        all.push(api.get(path).await.text);
    }
    all.push(access::ensure_tenant(&api.app, "shop").await.unwrap().name);
    all
}
