//! What holds for every page: its headers, no script or style of its own, its size, and a form for everything.

use crate::browser::{Browser, forms, tags};
use crate::support::{Api, Reply};
use crate::world::World;
use serde_json::json;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Names of a tag's attributes.
fn attributes(tag: &str) -> Vec<String> {
    let mut bare = String::new();
    for (at, part) in tag.split('"').enumerate() {
        if at % 2 == 0 {
            bare.push_str(part);
        }
    }
    bare.split_whitespace()
        .skip(1)
        .map(|it| it.trim_end_matches('=').trim_end_matches('/').to_lowercase())
        .collect()
}

/// Asserts that what is opened is closed, in order: a text that broke out would show here too.
#[track_caller]
fn balanced(page: &str, what: &str) {
    const VOID: &[&str] = &["meta", "link", "input", "br"];
    let mut open = Vec::new();
    for part in page.split('<').skip(1) {
        let tag = part.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split_whitespace().next().unwrap();
        if tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{what}: <{tag}> closes something else");
        } else {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{what}: {open:?} stay open");
}

/// Asserts what holds for every page.
#[track_caller]
pub(crate) fn sound(reply: &Reply, what: &str) {
    sound_as(reply, what, "same-origin");
}

/// The same of a page that says something else about where its visitors come from.
#[track_caller]
pub(crate) fn sound_as(reply: &Reply, what: &str, referrer: &str) {
    let header = |name: &str| reply.headers.get(name).map(String::as_str);
    assert_eq!(header("content-security-policy"), Some(POLICY), "{what}");
    assert_eq!(header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(header("referrer-policy"), Some(referrer), "{what}");
    assert_eq!(header("cache-control"), Some("no-store"), "{what}");
    assert!(
        reply.text.len() < 150_000,
        "{what} has {} bytes",
        reply.text.len()
    );
    if reply.text.is_empty() {
        return;
    }
    let page = &reply.text;
    balanced(page, what);
    let scripts = tags(page, "script");
    assert!(
        scripts.len() == 1 && scripts[0].contains(" src=\"/assets/"),
        "{what}: {scripts:?}"
    );
    assert!(
        page.contains("\"></script>"),
        "{what}: the script has no text of its own"
    );
    assert!(
        tags(page, "style").is_empty() && tags(page, "iframe").is_empty(),
        "{what}"
    );
    for part in page.split('<').skip(1) {
        let tag = part.split('>').next().unwrap();
        for name in attributes(tag) {
            let own = name.starts_with("on") || name == "style" || name == "srcdoc";
            assert!(!own, "{what}: <{tag}>");
        }
        for risky in [
            "href=\"javascript:",
            "href=\"data:text",
            "action=\"http",
            "action=\"//",
        ] {
            assert!(!tag.to_lowercase().contains(risky), "{what}: <{tag}>");
        }
    }
    // Whatever can be done can be done by a form: nothing is a button that only a script knows.
    for button in tags(page, "button") {
        assert!(!button.contains("type=\"button\""), "{what}: <{button}>");
    }
    for form in forms(page).iter().filter(|form| form.method == "post") {
        assert!(form.fields.contains_key("csrf"), "{what}: {form:?}");
    }
    let ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .map(|it| it.split('"').next().unwrap())
        .collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "{what}: an id stands twice: {ids:?}");
}

#[tokio::test]
async fn every_page_is_sound() {
    let world = World::new().await;
    let mut body = world.later("1.0.0");
    body["title"] = json!("The first one");
    let made = world.made(&body).await;
    let key = made["key"].as_str().unwrap();
    for role in ["OWNER", "MEMBER", "VIEWER", "SERVICE"] {
        let browser = Browser::signed_in(&world.api, role).await;
        for path in [
            "/".to_owned(),
            "/board".to_owned(),
            "/releases".to_owned(),
            "/releases?status=PLANNING&q=first".to_owned(),
            "/releases?q=nothing-has-this".to_owned(),
            format!("/releases/{key}"),
            format!("/releases/{key}/do/archive"),
            format!("/releases/{key}/do/block"),
            format!("/releases/{key}/do/approve?of=REGRESSION"),
            "/profile".to_owned(),
        ] {
            let reply = browser.get(&path).await;
            assert_eq!(reply.status, 200, "{role} {path}: {}", reply.text);
            sound(&reply, &format!("{role} {path}"));
        }
        for (path, status) in [
            ("/releases/REL-99", 404),
            ("/releases/a.b%2Fc", 404),
            ("/nowhere", 404),
            ("/releases?status=GREAT", 400),
        ] {
            let reply = browser.get(path).await;
            assert_eq!(reply.status, status, "{role} {path}: {}", reply.text);
            sound(&reply, &format!("{role} {path}"));
        }
        let page = browser.page("/releases?q=first").await;
        assert!(page.contains("The first one"), "{page}");
        assert!(!browser.page("/releases?q=second").await.contains("The first one"));
    }
    let nobody = Browser::new(&world.api);
    sound(&nobody.get("/sign-in").await, "sign-in");
    sound(&nobody.get("/").await, "to sign-in");
}

#[tokio::test]
async fn style_and_script_are_kept_for_ever_under_names_of_their_content() {
    let api = Api::start().await;
    let page = Browser::new(&api).page("/sign-in").await;
    for (tag, name, kind) in [("link", "href", "text/css"), ("script", "src", "text/javascript")] {
        let path = tags(&page, tag)
            .iter()
            .find_map(|it| it.split_once(&format!("{name}=\"/assets/")))
            .map(|(_, rest)| format!("/assets/{}", rest.split('"').next().unwrap()))
            .unwrap();
        let reply = api.bare("GET", &path).send().await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(
            reply.headers["content-type"].starts_with(kind),
            "{:?}",
            reply.headers
        );
        assert!(
            reply.headers["cache-control"].contains("immutable"),
            "{:?}",
            reply.headers
        );
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        // The name of a drawing's kind, which nobody asks for anything.
        let text = reply.text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{path} needs nobody else"
        );
    }
    let other = api
        .bare("GET", "/assets/delivr-0000000000000000.css")
        .send()
        .await;
    assert_eq!(other.status, 404);
}

#[tokio::test]
async fn programs_are_refused_as_ever() {
    let api = Api::start().await;
    api.bare("GET", "/nowhere").send().await.refused(404, "not_found");
    let asked = api.bare("GET", "/api/v1/nowhere").header("accept", "text/html");
    asked.send().await.refused(404, "not_found");
    // A session is for pages: the API wants a credential.
    let browser = Browser::signed_in(&api, "OWNER").await;
    assert_eq!(browser.get("/api/v1/me").await.status, 401);
}

#[tokio::test]
async fn light_or_dark_is_remembered() {
    let api = Api::start().await;
    let browser = Browser::signed_in(&api, "VIEWER").await;
    let page = browser.page("/profile").await;
    assert!(page.contains("data-theme=\"system\""));
    for (chosen, theme) in [("dark", "dark"), ("light", "light"), ("\"><script>", "system")] {
        let form =
            crate::browser::form_to(&browser.page("/profile").await, "/profile/theme").with("theme", chosen);
        assert_eq!(browser.submit(&form).await.status, 303);
        assert!(
            browser
                .page("/")
                .await
                .contains(&format!("data-theme=\"{theme}\"")),
            "{chosen}"
        );
    }
}
