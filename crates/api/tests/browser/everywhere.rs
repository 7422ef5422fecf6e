//! What holds for every page there is: accessibility rules find nothing, nothing is wider than a phone, and no page is
//! forgotten.

use crate::driver::{Browser, DESK, PHONE, Screen, Script, skip};
use crate::organisation::Organisation;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Where the pages are registered; read, so that a new one is looked at without anybody thinking of it.
const ROUTES: &[&str] = &[
    include_str!("../../../web/src/pages/mod.rs"),
    include_str!("../../../web/src/pages/setup/mod.rs"),
    include_str!("../../../web/src/pages/setup/create.rs"),
    include_str!("../../../web/src/pages/setup/line.rs"),
    include_str!("../../../web/src/pages/setup/links.rs"),
    include_str!("../../../web/src/pages/setup/pipelines.rs"),
    include_str!("../../../web/src/pages/setup/profiles.rs"),
    include_str!("../../../web/src/pages/setup/services.rs"),
    include_str!("../../../web/src/pages/setup/settings.rs"),
];

/// Paths that answer to GET with a page, as they are registered.
fn routes() -> Vec<String> {
    let flat: String = ROUTES
        .iter()
        .flat_map(|module| module.split_whitespace())
        .collect();
    let mut found = Vec::new();
    for part in flat.split(".route(\"").skip(1) {
        let (path, rest) = part.split_once('"').unwrap();
        if rest.starts_with(",web::get()") {
            found.push(path.to_owned());
        }
    }
    for part in flat.split("web::resource(\"").skip(1) {
        let (path, rest) = part.split_once('"').unwrap();
        let how = rest.split_once(")),").map_or(rest, |(how, _)| how);
        if how.contains("web::get()") {
            found.push(path.to_owned());
        }
    }
    found.retain(|path| !NO_PAGES.contains(&path.as_str()));
    found
}

/// What answers to GET and is no page.
const NO_PAGES: &[&str] = &["/assets/{name}", "/activity/export", "/activity/setup/export"];

fn fits(pattern: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern
            .iter()
            .zip(&path)
            .all(|(wanted, it)| wanted.starts_with('{') || wanted == it)
}

/// Every page of the organisation, and every registered one that needs nothing to be found.
pub(crate) fn all(organisation: &Organisation) -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = organisation
        .pages()
        .into_iter()
        .map(|(name, path)| (name.to_owned(), path))
        .collect();
    for route in routes() {
        if !route.contains('{') && !pages.iter().any(|(_, path)| fits(&route, path)) {
            pages.push((route.trim_matches('/').replace('/', "-"), route));
        }
    }
    pages
}

/// Fails for a page that nobody looks at.
fn complete(pages: &[(String, String)]) {
    let routes = routes();
    assert!(
        routes.len() > 25
            && ["/board", "/start"]
                .iter()
                .all(|it| routes.iter().any(|route| route == it)),
        "{routes:?}"
    );
    for route in routes {
        assert!(
            pages.iter().any(|(_, path)| fits(&route, path)),
            "`Organisation::pages` has no example of {route}"
        );
    }
}

/// The rules, where they are installed.
pub(crate) fn axe() -> Option<String> {
    let named = std::env::var_os("DELIVR_AXE").map(std::path::PathBuf::from);
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/browser/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(named.unwrap_or(installed)).ok()
}

const RUN: &str = "
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then((it) => done(it.violations.map((rule) =>
  `${rule.id}: ${rule.nodes.map((node) => node.target.join(' ') + ' ' + (node.any[0]?.message ?? node.html)).join(' | ')}`
)), (error) => done([String(error)]));";

/// What reaches over the right edge, but for what scrolls by itself and drawings.
const WIDER: &str = "
return [...document.querySelectorAll('body *')]
  .filter((it) => it.checkVisibility() && !it.closest('[tabindex][role=region], nav, .sr, .skip, svg, pre'))
  .filter((it) => it.getBoundingClientRect().right > innerWidth + 1)
  .slice(0, 3).map((it) => it.outerHTML.slice(0, 120))";

/// Unfolds everything; gives how much was folded. The page stays so from then on: what is put in place anew while somebody
/// looks would be folded again.
const UNFOLD: &str = "
for (const it of document.querySelectorAll('[data-live]')) it.removeAttribute('data-live');
const folded = [...document.querySelectorAll('details:not([open])')];
for (const it of folded) it.open = true;
return folded.length";

/// Shows what stands in front of the page when it is asked for; gives how much there is of it.
const SHOW: &str = "
const hidden = [...document.querySelectorAll('dialog:not([open])')];
for (const it of hidden) it.showModal();
return hidden.length";

/// Heads of rows that are only a number: on a phone nothing above them says of what.
const ONLY_NUMBERS: &str = "
return [...document.querySelectorAll('tbody th')].filter((it) => it.checkVisibility())
  .map((it) => getComputedStyle(it, '::before').content.replace('none', '') + it.innerText.trim())
  .filter((it) => /^\\d+$/.test(it))";

/// What is wrong with a page that was looked at as it opens, unfolded, and with what can be shown in front of it.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    pub(crate) found: Vec<String>,
    /// How much was unfolded, and how often something was shown in front of a page.
    pub(crate) unfolded: u64,
    pub(crate) shown: u64,
}

impl Looks {
    /// Looks at the page that is open: by the rules, where they are installed, and on a phone at its width.
    pub(crate) async fn look(&mut self, browser: &Browser, rules: Option<&str>, screen: Screen, what: &str) {
        if let Some(rules) = rules {
            browser.run(rules).await;
        }
        let what = format!("{what}, {} wide", screen.width);
        self.at(browser, rules, screen, &what).await;
        let count = async |script| browser.run(script).await.as_u64().unwrap();
        let folded = count(UNFOLD).await;
        if folded > 0 {
            self.unfolded += folded;
            self.at(browser, rules, screen, &format!("{what}, unfolded"))
                .await;
        }
        if screen == PHONE {
            let numbers = browser.run(ONLY_NUMBERS).await;
            if numbers != json!([]) {
                self.found
                    .push(format!("{what} says no more than {numbers} of rows"));
            }
        }
        let hidden = count(SHOW).await;
        if hidden > 0 {
            self.shown += hidden;
            let what = format!("{what}, and what can be shown in front of it");
            self.at(browser, rules, screen, &what).await;
        }
    }

    async fn at(&mut self, browser: &Browser, rules: Option<&str>, screen: Screen, what: &str) {
        if screen == PHONE {
            let wider = browser.run(WIDER).await;
            if wider != json!([]) {
                self.found
                    .push(format!("{what} is wider than the screen: {wider}"));
            }
        }
        if rules.is_some() {
            let said = browser.run_later(RUN).await;
            let said = said.as_array().unwrap().iter().filter_map(Value::as_str);
            self.found.extend(said.map(|it| format!("{what}: {it}")));
        }
    }

    /// Fails for everything that was found.
    #[track_caller]
    pub(crate) fn nothing(&self) {
        let found = &self.found;
        assert!(
            found.is_empty(),
            "{} findings:\n{}",
            found.len(),
            found.join("\n")
        );
    }
}

/// Where the links of a page lead, on our own site.
const LINKS: &str = "
return [...document.querySelectorAll('a[href^=\"/\"]')].map((it) => it.pathname + it.search)";

#[tokio::test(flavor = "multi_thread")]
async fn every_link_leads_somewhere() {
    let organisation = Organisation::tell().await;
    let Some(browser) = organisation.visitor(Script::On, DESK).await else {
        return;
    };
    let mut links = BTreeSet::new();
    for (_, path) in all(&organisation) {
        browser.go(&format!("{}{path}", organisation.house.root)).await;
        let found = browser.run(LINKS).await;
        links.extend(
            found
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
    }
    assert!(links.len() > 30, "{links:?}");
    // From a page that is there: what is fetched must be of its own site.
    browser.go(&format!("{}/", organisation.house.root)).await;
    let script = format!(
        "const done = arguments[arguments.length - 1]; (async () => {{ const dead = []; for (const it of {}) {{ \
         const {{status}} = await fetch(it); if (status >= 400) dead.push(`${{it}}: ${{status}}`); }} done(dead); }})();",
        json!(links)
    );
    assert_eq!(browser.run_later(&script).await, json!([]));
}

/// Every page on one screen, in one theme. Colours do not depend on the width: dark is looked at on one screen.
async fn nothing_is_found(screen: Screen, theme: &str) {
    let organisation = Organisation::tell().await;
    let pages = all(&organisation);
    complete(&pages);
    let rules = axe();
    if rules.is_none() {
        skip(
            "accessibility of the pages: axe-core is not installed; `cargo xtask test` installs it where npm is",
        );
    }
    let Some(browser) = organisation.visitor(Script::On, screen).await else {
        return;
    };
    let mut looks = Looks::default();
    browser.resize(screen).await;
    browser.prefer(theme).await;
    for (name, path) in &pages {
        browser.go(&format!("{}{path}", organisation.house.root)).await;
        let what = format!("{name}, {theme}");
        looks.look(&browser, rules.as_deref(), screen, &what).await;
    }
    assert!(
        looks.unfolded > 0 && looks.shown > 0,
        "nothing was unfolded or shown: {looks:?}"
    );
    looks.nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_accessibility_find_nothing_in_light() {
    nothing_is_found(DESK, "light").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_accessibility_find_nothing_in_the_dark() {
    nothing_is_found(DESK, "dark").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_accessibility_find_nothing_on_a_phone_and_nothing_is_wider() {
    nothing_is_found(PHONE, "light").await;
}
