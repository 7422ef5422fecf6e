//! How pages are laid out, whatever texts stand on them: nothing lies on something else, no word is torn apart, no text
//! turns around what stands beside it, and a list follows what happens.

use crate::driver::{DESK, PHONE, Script};
use crate::journeys::Journey;
use serde_json::{Value, json};

/// Words of the table that stand in more than one line.
const TORN: &str = "
const torn = [];
for (const cell of document.querySelectorAll('.releases tbody td')) {
  const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    for (const word of text.data.matchAll(/[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (range.getClientRects().length > 1) torn.push(word[0]);
    }
  }
}
return torn;";

/// Facts that reach out of their place.
const OUT: &str = "
return [...document.querySelectorAll('.facts dd')].filter((it) => it.scrollWidth > it.clientWidth + 1).map((it) => it.innerText)";

/// Whether the version stands behind the title, which is read from right to left.
const BEHIND: &str = "
const head = document.querySelector('h1');
const title = document.createRange();
title.selectNodeContents(head.firstChild);
return head.querySelector('.key').getBoundingClientRect().left >= title.getBoundingClientRect().right - 1";

/// Links of the navigation that are not on the screen.
const HIDDEN: &str = "
return [...document.querySelectorAll('.side nav a')]
  .map((it) => [it.innerText, it.getBoundingClientRect()])
  .filter(([, it]) => it.left < 0 || it.right > innerWidth)
  .map(([name]) => name)";

#[tokio::test(flavor = "multi_thread")]
async fn texts_stay_in_their_places() {
    let journey = Journey::begin(&["ANDROID_PLAY_STORE"], &json!({})).await;
    let title = "\u{202e}\u{5e9}\u{5dc}\u{5d5}\u{5dd}";
    let later = json!({"title": title, "kickoffAt": journey.house.at(chrono::TimeDelta::days(2)),
        "slots": [{"at": journey.house.at(chrono::TimeDelta::days(3))}], "pilot": "ada.lindqvist@acme.example",
        "targetDate": journey.house.at(chrono::TimeDelta::days(9))});
    let release = journey.release(&later).await;
    let Some(browser) = journey.visitor(Script::On, DESK).await else {
        return;
    };
    let none = json!([]);
    browser.go(&journey.page(&release)).await;
    assert_eq!(
        browser.run(BEHIND).await,
        true,
        "the version stands behind the title"
    );
    browser.go(&format!("{}/releases", journey.house.root)).await;
    assert_eq!(browser.run(TORN).await, none, "words of the table");
    // The table follows what happens, long before it is made anew by time alone.
    let pause = format!("/releases/{release}/pause");
    browser
        .until("the page listens", async || {
            browser
                .run("return document.body.dataset.connected === 'yes'")
                .await
                == true
        })
        .await;
    journey.house.post(&pause, &json!({"note": "lunch"})).await;
    let begun = std::time::Instant::now();
    browser
        .until("the table tells the pause", async || {
            browser.text("#table").await.contains("User paused")
        })
        .await;
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let read = journey
        .house
        .get(&format!("/releases/{release}?include=tasks"))
        .await;
    let task = read["tasks"].as_array().and_then(|tasks| tasks.first()).cloned();
    let task = task.map(|it: Value| format!("/releases/{release}/tasks/{}", it["id"].as_str().unwrap()));
    for path in task.into_iter().chain(["/profile".to_owned()]) {
        browser.go(&format!("{}{path}", journey.house.root)).await;
        assert_eq!(browser.run(OUT).await, none, "{path}");
    }
    browser.resize(PHONE).await;
    browser.go(&format!("{}/settings", journey.house.root)).await;
    assert_eq!(browser.run(HIDDEN).await, none, "the navigation of a phone");
}
