//! The dashboard: whose releases are where, what comes next, what is late, and how releases go out.

use crate::browser::Browser;
use crate::support::Api;
use crate::support::shipping::{shipped, walked};
use crate::world::World;
use chrono::{DateTime, TimeDelta, Utc};
use delivr_domain::ids::TenantId;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DAY: i64 = 24 * 60;

fn noon() -> DateTime<Utc> {
    "2026-11-18T12:00:00Z".parse().unwrap()
}

async fn world() -> (World, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::at(noon()));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    (World::over(Api::with(store, clock.clone()).await).await, clock)
}

/// Releases that went out after so many hours in their regression, and were given up afterwards.
async fn went_out(world: &World, tenant: TenantId, at: DateTime<Utc>, hours: &[i64]) {
    let store = &*world.api.app.store;
    for (number, hours) in (900..).zip(hours) {
        let row = shipped(store, tenant, number, at, [1, *hours, 2, 7]).await;
        walked(store, &row, &[("CANCELLED", "ARCHIVED", at)]).await;
    }
}

async fn planned(world: &World, version: &str, title: &str, kickoff: i64, target: Option<i64>) -> Value {
    let mut body = world.later(version);
    body["title"] = json!(title);
    body["kickoffAt"] = json!(world.at(kickoff));
    body["targetDate"] = json!(target.map(|minutes| world.at(minutes)));
    body["pilot"] = json!("member@example.org");
    world.made(&body).await
}

/// A part of a page, by its id.
fn part<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("id=\"{id}\"")).unwrap();
    rest.split("</section>").next().unwrap()
}

/// Titles of releases in the order in which they stand.
fn order(part: &str, titles: &[&str]) -> Vec<String> {
    let mut found: Vec<(usize, String)> = titles
        .iter()
        .filter_map(|title| {
            part.find(&format!(">{title} "))
                .map(|at| (at, (*title).to_owned()))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, title)| title).collect()
}

#[tokio::test]
async fn the_dashboard_says_what_comes_next_and_what_is_late() {
    let (world, clock) = world().await;
    for (version, title, kickoff, target) in [
        ("1.0.0", "Overdue", DAY, Some(2 * DAY)),
        ("1.1.0", "Target soon", DAY, Some(6 * DAY)),
        ("1.2.0", "Planned", 5 * DAY, Some(9 * DAY)),
        ("1.3.0", "Undated", DAY, None),
        ("1.4.0", "Planned late", 30 * DAY, None),
    ] {
        let made = planned(&world, version, title, kickoff, target).await;
        if kickoff == DAY {
            world.act(&made, "start", &json!({})).await.is(200);
        }
    }
    clock.advance(Duration::from_secs(4 * 24 * 60 * 60));
    let browser = Browser::signed_in(&world.api, "MEMBER").await;
    let page = browser.page("/").await;
    let all = ["Overdue", "Target soon", "Planned", "Undated", "Planned late"];
    let upcoming = part(&page, "upcoming");
    assert_eq!(
        order(upcoming, &all),
        ["Overdue", "Planned", "Target soon", "Planned late"],
        "{upcoming}"
    );
    for said in [
        "Late</span> Due <time datetime=\"2026-11-20T12:00:00Z\"",
        "Kickoff <time datetime=\"2026-11-23T12:00:00Z\"",
        "Due <time datetime=\"2026-11-24T12:00:00Z\"",
    ] {
        assert!(upcoming.contains(said), "{said} in {upcoming}");
    }
    assert!(
        !upcoming.contains("that are late</a>"),
        "all of them are here: {upcoming}"
    );
    // One's own, with where each stands and since when.
    let mine = part(&page, "mine");
    assert_eq!(order(mine, &all).len(), 5, "{mine}");
    assert!(mine.contains("Kickoff for 4 d"), "{mine}");
    assert!(
        mine.contains("href=\"/releases?pilot=me&amp;open=true\""),
        "{mine}"
    );
    let other = Browser::signed_in(&world.api, "OWNER").await.page("/").await;
    assert!(part(&other, "mine").contains("You pilot no release"), "{other}");
    // The table has the same.
    let late = browser.page("/releases?due=LATE").await;
    assert!(
        late.contains("Overdue") && !late.contains("Target soon"),
        "{late}"
    );
    assert!(
        late.contains("<option value=\"LATE\" selected>Has passed"),
        "{late}"
    );
}

#[tokio::test]
async fn the_dashboard_says_how_releases_go_out() {
    let (world, clock) = world().await;
    let browser = Browser::signed_in(&world.api, "MEMBER").await;
    let page = browser.page("/").await;
    assert!(!page.contains("id=\"pace\""), "there is nothing to tell: {page}");
    // What others ship is theirs.
    let theirs = world.api.other.id;
    went_out(&world, theirs, noon(), &[1, 1, 1, 1]).await;
    assert!(!browser.page("/").await.contains("id=\"pace\""));
    let ours = world.api.tenant.id;
    went_out(&world, ours, noon() - TimeDelta::days(20), &[10, 20]).await;
    let page = browser.page("/").await;
    let pace = part(&page, "pace");
    assert!(
        pace.contains("Only 2 releases were shipped in the last 90 days"),
        "{pace}"
    );
    assert!(!pace.contains("<table"), "no figure of two: {pace}");
    let store = &*world.api.app.store;
    let row = shipped(store, ours, 950, noon(), [1, 30, 2, 7]).await;
    walked(store, &row, &[("ROLLED_BACK", "ROLLED_BACK", noon())]).await;
    let page = browser.page("/").await;
    for said in [
        "<dt>Shipped in November</dt><dd>1 <span class=\"beside\">2 in October</span></dd>",
        "<dt>Median: half took no longer</dt><dd><strong>30 h</strong>",
        "<dt>9 of 10 took no longer</dt><dd><strong>2 d</strong>",
        "Told from the 3 releases shipped in the last 90 days",
        "2 from 26 Oct",
        "1 from 16 Nov",
        "time zone UTC; weeks begin on Monday",
    ] {
        assert!(page.contains(said), "{said} in {page}");
    }
    let pace = part(&page, "pace");
    let (_, regression) = pace.split_once("<th scope=\"row\">Regression</th>").unwrap();
    assert!(
        regression.contains("20 h <span class=\"quiet\">up to 30 h</span>"),
        "{regression}"
    );

    // A release that is where it is for longer than usual says so, here and on the board.
    let made = planned(&world, "1.0.0", "Slow one", DAY, None).await;
    world.act(&made, "start", &json!({})).await.is(200);
    for (minutes, longer) in [(50, false), (3 * DAY, true)] {
        clock.advance(Duration::from_secs(u64::try_from(minutes).unwrap() * 60));
        let browser = Browser::signed_in(&world.api, "MEMBER").await;
        for (path, id) in [("/", "way"), ("/board", "board")] {
            let page = browser.page(path).await;
            let part = if path == "/" { part(&page, id) } else { &page };
            let said = if longer {
                "Kickoff for 3 d"
            } else {
                "Kickoff for 50 min"
            };
            assert!(part.contains(said), "{said} in {part}");
            assert_eq!(
                part.contains(
                    "Longer than usual</span> <span class=\"quiet\">9 of 10 took no more than 60 min"
                ),
                longer,
                "{path}: {part}"
            );
        }
    }
}
