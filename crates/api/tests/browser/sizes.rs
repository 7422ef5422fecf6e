//! What every page weighs over the wire, with everything that it loads.

use crate::everywhere::all;
use crate::organisation::Organisation;
use reqwest::header::{CONTENT_ENCODING, COOKIE, SET_COOKIE};
use std::collections::BTreeSet;

/// In bytes.
const MOST: usize = 150 * 1024;

struct Visitor {
    http: reqwest::Client,
    root: String,
    cookie: String,
}

/// The text between two others.
#[track_caller]
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().unwrap()
}

impl Visitor {
    /// Somebody who signs in as a browser does, and takes what is sent as it is sent.
    async fn enter(root: &str, token: &str) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let place = format!("{root}/sign-in");
        let page = http.get(&place).send().await.unwrap();
        let cookie = between(page.headers()[SET_COOKIE].to_str().unwrap(), "", ";").to_owned();
        let page = page.text().await.unwrap();
        let fields = [
            ("csrf", between(&page, "name=\"csrf\" value=\"", "\"")),
            ("next", "/"),
            ("token", token),
        ];
        let sent = http.post(&place).header(COOKIE, cookie).form(&fields);
        let entered = sent.send().await.unwrap();
        assert_eq!(entered.status(), 303);
        let cookies = entered.headers().get_all(SET_COOKIE);
        let mut cookies = cookies.iter().map(|it| it.to_str().unwrap());
        let session = cookies.find(|it| it.starts_with("delivr=")).unwrap();
        Self {
            cookie: between(session, "", ";").to_owned(),
            root: root.to_owned(),
            http,
        }
    }

    /// What is sent for a path, and the same unpacked.
    async fn get(&self, path: &str) -> (usize, String) {
        let request = self
            .http
            .get(format!("{}{path}", self.root))
            .header(COOKIE, &self.cookie);
        let response = request.header("accept-encoding", "gzip").send().await.unwrap();
        let packed = response.headers().contains_key(CONTENT_ENCODING);
        let bytes = response.bytes().await.unwrap();
        let mut text = String::new();
        if packed {
            let mut reader = flate2::read::GzDecoder::new(&*bytes);
            std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        } else {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        (bytes.len(), text)
    }
}

/// What a page loads by itself.
fn loaded(page: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for before in [
        "<script type=\"module\" src=\"",
        "<link rel=\"stylesheet\" href=\"",
        "<img src=\"",
    ] {
        for part in page.split(before).skip(1) {
            found.insert(part.split('"').next().unwrap());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_light_over_the_wire() {
    let organisation = Organisation::tell().await;
    let visitor = Visitor::enter(&organisation.house.root, organisation.house.owner()).await;
    let mut heavy = Vec::new();
    for (name, path) in all(&organisation) {
        let (mut size, page) = visitor.get(&path).await;
        let parts = loaded(&page);
        assert_eq!(parts.len(), 2, "{name} loads a style and a script: {parts:?}");
        for part in parts {
            size += visitor.get(part).await.0;
        }
        if size > MOST {
            heavy.push(format!("{name}: {size}"));
        }
    }
    assert!(heavy.is_empty(), "{heavy:?}");
}
