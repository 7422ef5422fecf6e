//! Looking over many releases: queues, the timeline with its links, the activity with its files, and how pages are packed.

use crate::browser::{Browser, form_to, forms, unescaped};
use crate::headers::sound;
use crate::support::Api;
use crate::world::World;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::io::Read as _;

const PAGES: &[&str] = &[
    "/queues",
    "/timeline",
    "/timeline?weeks=9",
    "/timeline?weeks=99999999999999999999",
    "/timeline/links",
    "/activity",
    "/activity?q=nothing+is+called+so",
    "/activity?actor=owner&of=RELEASE&since=2020-01-01&until=2100-01-01",
    "/activity?since=tomorrow&of=%3Cscript%3E",
];

#[tokio::test]
async fn they_are_sound_with_nothing_and_with_something() {
    let world = World::new().await;
    for (at, role) in ["OWNER", "MEMBER", "VIEWER", "SERVICE"].into_iter().enumerate() {
        let browser = Browser::signed_in(&world.api, role).await;
        for path in PAGES {
            let reply = browser.get(path).await;
            assert_eq!(reply.status, 200, "{role} {path}: {}", reply.text);
            sound(&reply, &format!("{role} {path}"));
        }
        if at == 0 {
            assert!(browser.page("/queues").await.contains("Nothing is blocked."));
            assert!(browser.page("/timeline").await.contains("Nothing in these weeks"));
            assert!(
                browser
                    .page("/activity")
                    .await
                    .contains("Nothing has happened yet")
            );
            let mut body = world.later("1.0.0");
            body["slots"] = json!([{"at": world.at(48 * 60)}]);
            body["targetDate"] = json!(world.at(72 * 60));
            world.made(&body).await;
        }
    }
}

#[tokio::test]
async fn no_text_of_a_release_becomes_a_part_of_them() {
    let world = World::new().await;
    let text = "\"><script>alert(1)</script><svg onload='alert(1)'>";
    let mut body = world.later("1.0.0");
    for name in ["title", "description", "pilot"] {
        body[name] = json!(text);
    }
    let made = world.made(&body).await;
    world.act(&made, "block", &json!({"reason": text})).await.is(200);
    let browser = Browser::signed_in(&world.api, "OWNER").await;
    for path in ["/queues", "/timeline", "/activity"] {
        let reply = browser.get(path).await;
        sound(&reply, path);
        assert!(
            unescaped(&reply.text).contains("alert(1)"),
            "{path}: {}",
            reply.text
        );
    }
    // Nor does the text of a search, or the name of a link.
    let reply = browser
        .get("/activity?q=%22%3E%3Cscript%3E&actor=%22+onfocus%3D%22x")
        .await;
    sound(&reply, "a search");
    let page = browser.page("/timeline/links").await;
    let made = browser
        .submit(&form_to(&page, "/timeline/links").with("name", text))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    sound(&made, "a link that was made");
}

#[tokio::test]
async fn queues_tell_whose_it_is_and_what_keeps_it() {
    let world = World::new().await;
    let mut body = world.later("1.0.0");
    body["title"] = json!("Wish lists");
    body["pilot"] = json!("member@example.org");
    let made = world.made(&body).await;
    let queue = |page: &str, id: &str| {
        let rest = page.split_once(&format!("<div id=\"{id}-list\"")).unwrap().1;
        rest.split("</section>").next().unwrap().to_owned()
    };
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    let page = member.page("/queues").await;
    assert!(queue(&page, "mine").contains("Wish lists") && !queue(&page, "blocked").contains("Wish lists"));
    world
        .act(&made, "block", &json!({"reason": "The key is missing."}))
        .await
        .is(200);
    let owner = Browser::signed_in(&world.api, "OWNER").await;
    let page = owner.page("/queues").await;
    assert!(!queue(&page, "mine").contains("Wish lists"));
    assert!(queue(&page, "blocked").contains("The key is missing."), "{page}");
}

#[tokio::test]
async fn the_board_is_narrowed_and_grouped() {
    let world = World::new().await;
    for (version, title) in [("1.0.0", "Wish lists"), ("2.0.0", "Faster checkout")] {
        let mut body = world.later(version);
        body["title"] = json!(title);
        world.made(&body).await;
    }
    let browser = Browser::signed_in(&world.api, "VIEWER").await;
    let whole = browser.page("/board").await;
    assert!(whole.contains("Wish lists") && whole.contains("Faster checkout"));
    let some = browser.page("/board?q=wish").await;
    assert!(
        some.contains("Wish lists") && !some.contains("Faster checkout"),
        "{some}"
    );
    assert!(
        browser
            .page("/board?q=nothing+is+called+so")
            .await
            .contains("No release fits")
    );
    let grouped = browser.page("/board?group=service").await;
    assert_eq!(grouped.matches("<p class=\"group\">").count(), 1, "{grouped}");
    // The address says so too, and the form shows it; what no release has yet is not offered.
    let piloted = browser.page("/board?group=pilot").await;
    assert!(
        piloted.contains("<option value=\"pilot\" selected>") && piloted.contains("<p class=\"group\">"),
        "{piloted}"
    );
    for nothing in ["sprint", "train"] {
        assert!(
            !whole.contains(&format!("<option value=\"{nothing}\"")),
            "{whole}"
        );
        let page = browser.page(&format!("/board?group={nothing}")).await;
        assert!(!page.contains("<p class=\"group\">"), "{page}");
    }
    let service = whole
        .split_once("<option value=\"\">Any</option><option value=\"")
        .unwrap()
        .1;
    let service = service.split('"').next().unwrap();
    assert!(
        browser
            .page(&format!("/board?service={service}"))
            .await
            .contains("Wish lists")
    );
    let none = uuid::Uuid::nil();
    assert!(
        browser
            .page(&format!("/board?service=svc_{none}"))
            .await
            .contains("No release fits")
    );
}

#[tokio::test]
async fn a_card_is_moved_by_what_makes_its_release_go_there() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let place = format!("/releases/{key}/move");
    let member = Browser::signed_in(&world.api, "MEMBER").await;
    assert!(
        member
            .page("/board")
            .await
            .contains(&format!("data-move=\"{place}\""))
    );
    let page = member.page(&place).await;
    assert!(
        page.contains(&format!("href=\"/releases/{key}/do/start\"")),
        "{page}"
    );
    let goes = member.get(&format!("{place}?to=IN_DEVELOPMENT")).await;
    assert_eq!(goes.status, 303, "{}", goes.text);
    assert_eq!(goes.headers["location"], format!("/releases/{key}/do/start"));
    // Where nothing brings it, the page says why; nobody is sent anywhere.
    for (to, why) in [
        ("DEPLOYED", "It cannot be moved to Deployed."),
        ("DEPLOYED", "It starts at its kickoff time"),
        ("PLANNING", "It is here."),
    ] {
        let reply = member.get(&format!("{place}?to={to}")).await;
        assert_eq!(reply.status, 200, "{to}: {}", reply.text);
        sound(&reply, to);
        assert!(reply.text.contains(why), "{to}: {}", reply.text);
    }
    for wrong in ["CANCELLED", "%3Cscript%3E", "..%2F..%2Fprofile"] {
        assert_eq!(
            member.get(&format!("{place}?to={wrong}")).await.status,
            404,
            "{wrong}"
        );
    }
    assert_eq!(member.get("/releases/REL-999/move").await.status, 404);
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    let reply = viewer.get(&format!("{place}?to=IN_DEVELOPMENT")).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply.text.contains("This needs the role MEMBER"),
        "{}",
        reply.text
    );
}

#[tokio::test]
async fn a_calendar_is_subscribed_to_and_the_link_revoked() {
    let world = World::new().await;
    let mut body = world.later("1.0.0");
    body["title"] = json!("Wish lists");
    world.made(&body).await;
    let browser = Browser::signed_in(&world.api, "MEMBER").await;
    let page = browser.page("/timeline").await;
    assert!(
        page.contains("Wish lists") && page.contains("href=\"/timeline/links\""),
        "{page}"
    );
    let form = form_to(&browser.page("/timeline/links").await, "/timeline/links");
    let made = browser.submit(&form.clone().with("name", "Team")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    sound(&made, "a link that was made");
    let url = made.text.split_once("<code class=\"secret\">").unwrap().1;
    let url = url.split("</code>").next().unwrap().to_owned();
    let path = url.strip_prefix(&world.api.root).expect("a whole address");
    let read = world.api.bare("GET", path).send().await;
    assert!(
        read.status == 200 && read.text.contains("BEGIN:VEVENT"),
        "{}",
        read.text
    );
    assert!(!read.text.contains("Wish lists"));
    let page = browser.page("/timeline/links").await;
    assert!(
        page.contains("Team") && !page.contains("dlc_"),
        "an address is shown once: {page}"
    );
    // Without a name there is none, and the page says what is wrong.
    let refused = browser.submit(&form.without("name")).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    sound(&refused, "a link without a name");
    let revoke = forms(&page)
        .into_iter()
        .find(|form| form.action.ends_with("/revoke"))
        .unwrap();
    // Nobody else's form does it: another person sees no such link.
    let viewer = Browser::signed_in(&world.api, "VIEWER").await;
    assert_eq!(viewer.forge(&revoke.action, &[]).await.status, 404);
    assert_eq!(
        viewer.forge("/timeline/links", &[("name", "x")]).await.status,
        403
    );
    assert_eq!(browser.submit(&revoke.clone().without("csrf")).await.status, 403);
    assert_eq!(world.api.bare("GET", path).send().await.status, 200);
    let reply = browser.submit(&revoke).await;
    assert_eq!(reply.headers["location"], "/timeline/links?done=unlinked");
    assert!(
        browser
            .page("/timeline/links?done=unlinked")
            .await
            .contains("The link is revoked.")
    );
    world.api.bare("GET", path).send().await.refused(404, "not_found");
}

/// Fields of a line of a table.
fn fields(line: &str) -> Vec<String> {
    line.trim_matches('"')
        .split("\",\"")
        .map(|field| field.replace("\"\"", "\""))
        .collect()
}

#[tokio::test]
async fn what_happened_is_searched_and_taken_away_whole() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let other = world.made(&world.later("2.0.0")).await;
    // More than a page of the feed.
    for at in 0..120 {
        let note = json!({"note": format!("=cmd|'/c calc'!A{at}")});
        world.act(&made, "pause", &note).await.is(200);
        world.act(&made, "resume", &json!({})).await.is(200);
    }
    world
        .act(&other, "block", &json!({"reason": "a \"needle\", found"}))
        .await
        .is(200);
    let browser = Browser::signed_in(&world.api, "VIEWER").await;
    let table = browser.get("/activity/export?as=csv").await;
    assert_eq!(table.status, 200, "{}", table.text);
    assert!(table.headers["content-disposition"].contains("activity.csv"));
    assert_eq!(table.headers["cache-control"], "no-store");
    let lines: Vec<&str> = table.text.split_terminator("\r\n").collect();
    assert_eq!(lines[0], "at,actor,of,id,kind,summary,release");
    let list = browser.get("/activity/export?as=json").await;
    let list: Vec<Value> = serde_json::from_str(&list.text).unwrap();
    assert_eq!((list.len(), lines.len()), (243, 244), "every event, each once");
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world
            .api
            .get(&format!("/activities?limit=200{cursor}"))
            .await
            .is(200);
        all.extend(page["items"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for ((item, line), row) in all.iter().zip(&lines[1..]).zip(&list) {
        let shown = fields(line);
        for (at, name) in [(1, "actor"), (2, "of"), (4, "kind"), (5, "summary")] {
            assert_eq!(shown[at], item[name].as_str().unwrap(), "{line}");
            assert_eq!(row[name], item[name]);
        }
        assert_eq!(shown[6], item["release"]["key"].as_str().unwrap(), "{line}");
        assert_eq!(row["release"], item["release"]["key"]);
        assert!(!line.split("\",\"").any(|field| field.starts_with('=')), "{line}");
    }
    // A search finds what is far back, on the page and in a file.
    let found = browser.get("/activity/export?as=json&q=NEEDLE").await;
    let found: Vec<Value> = serde_json::from_str(&found.text).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let of_other = browser.get("/activity/export?as=json&release=rel-2").await;
    let of_other: Vec<Value> = serde_json::from_str(&of_other.text).unwrap();
    assert_eq!(of_other.len(), 2, "{of_other:?}");
    // Every line says of which release it is, and leads there.
    for path in ["/", "/activity?release=REL-2"] {
        let page = browser.page(path).await;
        let key = other["key"].as_str().unwrap();
        let named = format!("{key}</span> · {}", other["title"].as_str().unwrap());
        assert!(page.contains(&named), "{path}: {page}");
        assert!(page.contains(&format!("<a href=\"/releases/{key}\">")), "{path}");
    }
    let page = browser.page(World::path(&other).as_str()).await;
    assert!(
        !page.contains("/activity?release="),
        "few things happened: {page}"
    );
    let page = browser.page(World::path(&made).as_str()).await;
    assert!(page.contains("/activity?release=REL-1"), "{page}");
    let page = browser.page("/activity?q=needle").await;
    assert!(page.contains("found") && !page.contains("rel=\"next\""), "{page}");
    assert_eq!(
        browser
            .get("/activity/export?as=json&until=2001-01-01")
            .await
            .text,
        "[\n]\n"
    );
    // From page to page nothing is twice or missing.
    let (mut path, mut seen) = ("/activity".to_owned(), 0);
    for _ in 0..9 {
        let page = browser.page(&path).await;
        let feed = page.split_once("id=\"events\"").unwrap().1;
        seen += feed.split("</ol>").next().unwrap().matches("<li>").count();
        match page.split_once("rel=\"next\" href=\"") {
            Some((_, rest)) => path = unescaped(rest.split('"').next().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, 243);
    let none = browser.get("/activity/export?as=xml").await;
    assert_eq!(none.status, 404);
    sound(&none, "a kind of file that there is not");
    // Another tenant's history is its own.
    let theirs = Browser::signed_in(&world.api, "OTHER").await;
    assert_eq!(
        theirs.get("/activity/export?as=csv").await.text.lines().count(),
        1
    );
    let nobody = Browser::new(&world.api);
    assert_eq!(nobody.get("/activity/export?as=csv").await.status, 303);
}

/// An answer as it comes over the wire.
async fn raw(api: &Api, path: &str, cookie: &str, accepts: &str) -> (reqwest::header::HeaderMap, Vec<u8>) {
    let http = reqwest::Client::builder().no_gzip().build().unwrap();
    let mut request = http.get(format!("{}{path}", api.root)).header("cookie", cookie);
    if !accepts.is_empty() {
        request = request.header("accept-encoding", accepts);
    }
    let response = request.bearer_auth(&api.tokens["OWNER"]).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    (
        response.headers().clone(),
        response.bytes().await.unwrap().to_vec(),
    )
}

#[tokio::test]
async fn pages_are_packed_and_their_secrets_never_written_twice() {
    let api = Api::start().await;
    let browser = Browser::signed_in(&api, "OWNER").await;
    let cookie = format!("delivr={}", browser.cookie("delivr").unwrap());
    let (headers, plain) = raw(&api, "/profile", &cookie, "").await;
    assert!(!headers.contains_key("content-encoding"));
    let page = String::from_utf8(plain.clone()).unwrap();
    let (headers, packed) = raw(&api, "/profile", &cookie, "gzip, deflate, br").await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers["vary"], "accept-encoding");
    assert_eq!(
        headers["content-length"].to_str().unwrap(),
        packed.len().to_string()
    );
    assert!(
        packed.len() * 2 < plain.len(),
        "{} of {}",
        packed.len(),
        plain.len()
    );
    let mut other = String::new();
    GzDecoder::new(packed.as_slice())
        .read_to_string(&mut other)
        .unwrap();
    assert_eq!(other.len(), page.len(), "the same page but for its secret");
    // Each page has the secret under a mask of its own; either sends the form.
    let secret = |page: &str| form_to(page, "/profile/theme").fields["csrf"].clone();
    assert_ne!(secret(&page), secret(&other));
    for page in [&page, &other] {
        let reply = browser
            .submit(&form_to(page, "/profile/theme").with("theme", "dark"))
            .await;
        assert_eq!(reply.status, 303, "{}", reply.text);
    }
    // Answers to programs go as they are: they hold secrets as they are.
    for path in ["/api/v1/me", "/api/v1/tokens", "/activity/export?as=csv"] {
        let (headers, _) = raw(&api, path, &cookie, "gzip").await;
        assert!(!headers.contains_key("content-encoding"), "{path}");
    }
}
