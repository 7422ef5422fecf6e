//! What people come for, by clicks, each with scripts and without them.

use crate::driver::{Browser, DESK, PHONE, Screen, Script};
use crate::house::{House, Team, swift, tasks};
use crate::organisation::ADA;
use crate::repository::Repository;
use chrono::TimeDelta;
use delivr_app::usecases::access::Role;
use serde_json::{Value, json};

const ANDROID: &[&str] = &["ANDROID_PLAY_STORE"];
const IOS: &[&str] = &["IOS_APP_STORE"];

/// A team whose release is looked at.
pub(crate) struct Journey {
    pub(crate) house: House,
    repository: Repository,
    desk: crate::house::Desk,
    team: Team,
}

impl Journey {
    pub(crate) async fn begin(targets: &[&str], over: &Value) -> Self {
        let house = House::live().await;
        house.auto("*", 150);
        let desk = house.desk().await;
        let mut wanted = swift();
        crate::house::merge(&mut wanted, over);
        let (team, repository) = house.team(&desk, ("shop", "Shop"), targets, &wanted).await;
        Self {
            house,
            repository,
            desk,
            team,
        }
    }

    pub(crate) async fn release(&self, more: &Value) -> String {
        let mut body = json!({
            "title": "Wish lists", "slots": [{"at": self.house.at(TimeDelta::seconds(1))}],
        });
        crate::house::merge(&mut body, more);
        self.house.release(&self.desk, &self.team, "1.1.0", &body).await
    }

    pub(crate) async fn visitor(&self, script: Script, screen: Screen) -> Option<Browser> {
        let browser = Browser::open(script, screen).await?;
        browser.sign_in(&self.house.root, self.house.owner()).await;
        Some(browser)
    }

    pub(crate) fn page(&self, release: &str) -> String {
        format!("{}/releases/{release}", self.house.root)
    }

    /// Opens the release anew until it says something; what has no script does not change by itself.
    async fn says(&self, browser: &Browser, release: &str, words: &str) {
        let page = self.page(release);
        browser
            .until(&format!("{release} says {words}"), async || {
                browser.go(&page).await;
                browser.text("main").await.contains(words)
            })
            .await;
    }

    /// Presses a control of the release, reads what it would do, and does it.
    async fn act(&self, browser: &Browser, label: &str, reason: &str) {
        browser.follow(label).await;
        if !reason.is_empty() {
            browser.fill("#reason", reason).await;
        }
        browser.follow(label).await;
    }

    async fn to_distribution(&self, release: &str) {
        self.house.phase(release, "AWAITING_PRE_RELEASE").await;
        self.house
            .post(&format!("/releases/{release}/trigger-pre-release"), &json!({}))
            .await;
        self.house.phase(release, "AWAITING_DISTRIBUTION").await;
        self.tickets_done();
    }

    fn tickets_done(&self) {
        let done = json!({"vendor": "jira", "action": "set_status", "ticket": "all", "status": "Done"});
        self.house.vendor(&done);
    }
}

async fn from_the_gate_to_everybody(script: Script) {
    let journey = Journey::begin(ANDROID, &json!({"quorum": {"PRE_RELEASE": 1}})).await;
    let release = journey.release(&json!({})).await;
    let Some(browser) = journey.visitor(script, DESK).await else {
        return;
    };
    journey.house.phase(&release, "AWAITING_PRE_RELEASE").await;
    // From the first page to the release, as somebody would go.
    browser.go(&format!("{}/", journey.house.root)).await;
    browser.follow_at("main a[href^='/releases/REL-']").await;
    journey.act(&browser, "Approve", "All bugs are closed.").await;
    browser.reads("Your approval is recorded.").await;
    journey.act(&browser, "Start the next stage", "").await;
    browser.reads("The stage has started.").await;
    journey.says(&browser, &release, "Awaiting distribution").await;
    journey.tickets_done();
    // The facts of a gate are read again by a button.
    browser.follow("Read the gate's facts again").await;
    journey.act(&browser, "Start the next stage", "").await;
    journey.says(&browser, &release, "Halt").await;
    journey
        .act(&browser, "Give it to everybody", "Nothing crashed.")
        .await;
    journey.says(&browser, &release, "Completed").await;
    let now = journey.house.get(&format!("/releases/{release}")).await;
    assert_eq!(now["phase"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_brought_to_everybody_with_scripts() {
    from_the_gate_to_everybody(Script::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_brought_to_everybody_without_scripts() {
    from_the_gate_to_everybody(Script::Off).await;
}

/// Somebody makes the branch that was missing.
fn branch(repository: &Repository, name: &str) {
    let done = std::process::Command::new("git")
        .current_dir(repository.root().join("shop.git"))
        .args(["branch", name, "main"])
        .status();
    assert!(done.unwrap().success());
}

async fn failed_and_retried(script: Script) {
    let journey = Journey::begin(ANDROID, &json!({"scm": {"baseBranch": "develop"}})).await;
    let release = journey.release(&json!({})).await;
    let Some(browser) = journey.visitor(script, DESK).await else {
        return;
    };
    journey
        .house
        .until(&release, "has failed", |it| {
            tasks(it, "FORK_BRANCH")
                .iter()
                .any(|task| task["status"] == "FAILED")
        })
        .await;
    browser.go(&format!("{}/", journey.house.root)).await;
    // What waits for somebody leads to the task and its reason.
    browser.follow_at("#waiting a").await;
    let read = browser.text("main").await;
    assert!(
        read.contains("develop") && read.contains("Why it failed"),
        "{read}"
    );
    branch(&journey.repository, "develop");
    journey.act(&browser, "Retry", "").await;
    browser.reads("The task is tried again.").await;
    journey
        .house
        .until(&release, "has its branch", |it| {
            tasks(it, "FORK_BRANCH")
                .iter()
                .any(|task| task["status"] == "COMPLETED")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_is_retried_with_scripts() {
    failed_and_retried(Script::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_is_retried_without_scripts() {
    failed_and_retried(Script::Off).await;
}

async fn rejected_and_resubmitted(script: Script) {
    let journey = Journey::begin(IOS, &json!({})).await;
    let release = journey.release(&json!({})).await;
    let Some(browser) = journey.visitor(script, DESK).await else {
        return;
    };
    journey.to_distribution(&release).await;
    // Reviewers decide by hand now.
    journey
        .house
        .vendor(&json!({"vendor": "appstore", "action": "auto", "on": false}));
    journey
        .house
        .post(&format!("/releases/{release}/trigger-distribution"), &json!({}))
        .await;
    journey.says(&browser, &release, "Submitted").await;
    journey
        .house
        .vendor(&json!({"vendor": "appstore", "action": "start_review"}));
    journey.says(&browser, &release, "IN_REVIEW").await;
    let no = json!({"vendor": "appstore", "action": "reject", "state": "METADATA_REJECTED"});
    journey.house.vendor(&no);
    journey.says(&browser, &release, "METADATA_REJECTED").await;
    journey.act(&browser, "Submit anew", "").await;
    browser.reads("A new submission has begun.").await;
    journey.says(&browser, &release, "Try 2").await;
    let submitted = |it: &Value| {
        let all = it["targets"][0]["submissions"].as_array().unwrap();
        all.len() == 2 && all[1]["status"] == "SUBMITTED"
    };
    let path = format!("/releases/{release}/distribution");
    browser
        .until("the second try is submitted", async || {
            submitted(&journey.house.get(&path).await)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_version_is_submitted_anew_with_scripts() {
    rejected_and_resubmitted(Script::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_version_is_submitted_anew_without_scripts() {
    rejected_and_resubmitted(Script::Off).await;
}

async fn halted(script: Script) {
    let journey = Journey::begin(ANDROID, &json!({})).await;
    let release = journey.release(&json!({})).await;
    let Some(browser) = journey.visitor(script, PHONE).await else {
        return;
    };
    journey.to_distribution(&release).await;
    journey
        .house
        .post(&format!("/releases/{release}/trigger-distribution"), &json!({}))
        .await;
    journey.says(&browser, &release, "Halt").await;
    browser.follow("Halt").await;
    // What it would do is told before it is done, and a reason is asked for.
    assert!(browser.text("main").await.contains("What it would do"));
    browser.press("Halt").await;
    if script == Script::On {
        // The browser asks for the reason that is missing.
        assert!(browser.address().await.contains("/do/halt"));
    }
    browser.go(&journey.page(&release)).await;
    journey.act(&browser, "Halt", "Crashes at start.").await;
    journey.says(&browser, &release, "Halted").await;
    journey.act(&browser, "Resume", "The server was at fault.").await;
    journey.says(&browser, &release, "Halt").await;
    let feed = journey
        .house
        .get(&format!("/releases/{release}/activities?limit=200"))
        .await;
    assert!(feed.to_string().contains(ADA), "who did it is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_halted_on_a_phone_with_scripts() {
    halted(Script::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_halted_on_a_phone_without_scripts() {
    halted(Script::Off).await;
}

/// Nothing is wider than the screen, and whatever can be touched is large enough to be hit.
async fn fits(browser: &Browser) {
    let wide = browser
        .run("return [document.documentElement.scrollWidth, window.innerWidth]")
        .await;
    assert!(
        wide[0].as_u64() <= wide[1].as_u64(),
        "{} is wider than the screen: {wide}",
        browser.address().await
    );
    let small = browser
        .run(
            "return [...document.querySelectorAll('main a.button, main button, main summary, main input, main select, main textarea')]
               .filter((it) => it.checkVisibility() && it.type !== 'hidden')
               .map((it) => [it.textContent.trim(), it.getBoundingClientRect()])
               .filter(([, box]) => box.width < 24 || box.height < 24 || box.right > innerWidth + 1)
               .map(([text, box]) => `${text} ${box.width}x${box.height} to ${box.right}`)",
        )
        .await;
    assert_eq!(small, json!([]), "{}", browser.address().await);
}

async fn approved_on_a_phone(script: Script) {
    let journey = Journey::begin(ANDROID, &json!({"quorum": {"PRE_RELEASE": 1}})).await;
    let release = journey.release(&json!({})).await;
    let Some(browser) = journey.visitor(script, PHONE).await else {
        return;
    };
    journey.house.phase(&release, "AWAITING_PRE_RELEASE").await;
    browser.go(&journey.page(&release)).await;
    fits(&browser).await;
    browser.follow("Approve").await;
    fits(&browser).await;
    browser.fill("#reason", "Tested on my own phone.").await;
    browser.follow("Approve").await;
    fits(&browser).await;
    let approvals = journey.house.get(&format!("/releases/{release}/approvals")).await;
    assert_eq!(approvals["items"][0]["by"], ADA, "{approvals}");
    assert_eq!(approvals["items"][0]["comment"], "Tested on my own phone.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_approved_on_a_phone_with_scripts() {
    approved_on_a_phone(Script::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_approved_on_a_phone_without_scripts() {
    approved_on_a_phone(Script::Off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_look_at_a_release_see_the_same() {
    let journey = Journey::begin(ANDROID, &json!({})).await;
    let later = json!({"kickoffAt": journey.house.at(TimeDelta::days(1)), "slots": []});
    let release = journey.release(&later).await;
    let (Some(one), Some(other)) = (
        journey.visitor(Script::On, DESK).await,
        journey.visitor(Script::On, DESK).await,
    ) else {
        return;
    };
    other.go(&journey.page(&release)).await;
    // A mark on the page itself: it is gone when the page is loaded anew.
    other.run("window.here = true").await;
    other
        .until("the stream is open", async || {
            other.attribute("body", "data-connected").await.as_deref() == Some("yes")
        })
        .await;
    one.go(&journey.page(&release)).await;
    journey.act(&one, "Pause", "Lunch.").await;
    other
        .until("the other one sees it", async || {
            other.text("#head").await.contains("User paused")
        })
        .await;
    assert!(other.text("#blockers").await.contains("Lunch."));
    assert_eq!(other.run("return window.here === true").await, json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_carried_to_a_column() {
    let journey = Journey::begin(ANDROID, &json!({})).await;
    let Some(browser) = journey.visitor(Script::On, DESK).await else {
        return;
    };
    let later = json!({"kickoffAt": journey.house.at(TimeDelta::days(2)), "slots": []});
    let release = journey.release(&later).await;
    let root = &journey.house.root;
    let carry = |to: &str| {
        format!(
            "const card = document.querySelector('[data-move]'); const data = new DataTransfer();
            const say = (name, to) => to.dispatchEvent(
                new DragEvent(name, {{bubbles: true, cancelable: true, dataTransfer: data}}));
            const column = document.querySelector('[data-status={to}]');
            say('dragstart', card); say('dragover', column);
            const lit = column.classList.contains('under'); say('drop', column); return lit && card.draggable;"
        )
    };
    for (to, place) in [
        ("IN_DEVELOPMENT", format!("{root}/releases/{release}/do/start")),
        ("DEPLOYED", format!("{root}/releases/{release}/move?to=DEPLOYED")),
    ] {
        browser.go(&format!("{root}/board")).await;
        assert_eq!(browser.run(&carry(to)).await, json!(true));
        browser.until(to, async || browser.address().await == place).await;
    }
    browser.reads("cannot be moved to Deployed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_lead_to_places_and_the_focus_is_seen() {
    let journey = Journey::begin(ANDROID, &json!({})).await;
    let Some(browser) = journey.visitor(Script::On, DESK).await else {
        return;
    };
    let root = &journey.house.root;
    for (keys, place) in [
        (["g", "b"], "/board"),
        (["g", "r"], "/releases"),
        (["g", "p"], "/profile"),
        (["g", "d"], "/"),
    ] {
        browser.keys(&keys).await;
        let wanted = format!("{root}{place}");
        browser
            .until(place, async || browser.address().await == wanted)
            .await;
    }
    browser.keys(&["?"]).await;
    assert_eq!(
        browser.run("return document.getElementById('keys').open").await,
        json!(true)
    );
    browser.keys(&["\u{e00c}"]).await;
    assert_eq!(
        browser.run("return document.getElementById('keys').open").await,
        json!(false)
    );
    // The first stop of the tab key skips what stands on every page, and is seen.
    browser.go(&format!("{root}/releases")).await;
    browser.keys(&["\u{e004}"]).await;
    let focus = browser
        .run(
            "const it = document.activeElement; const box = it.getBoundingClientRect();
             return [it.textContent, getComputedStyle(it).outlineStyle, box.left >= 0 && box.top >= 0]",
        )
        .await;
    assert_eq!(focus, json!(["Skip to the content", "solid", true]));
    browser.keys(&["\u{e007}"]).await;
    assert_eq!(
        browser.run("return document.activeElement.id").await,
        json!("main")
    );
    // The search is one key away, and letters written there are letters.
    browser.keys(&["/"]).await;
    assert_eq!(browser.run("return document.activeElement.id").await, json!("q"));
    browser.keys(&["g", "b"]).await;
    assert_eq!(browser.address().await, format!("{root}/releases#main"));
}

async fn theme(script: Script) {
    let journey = Journey::begin(ANDROID, &json!({})).await;
    let Some(browser) = journey.visitor(script, DESK).await else {
        return;
    };
    let ground = async || {
        browser
            .run("return getComputedStyle(document.body).backgroundColor")
            .await
    };
    browser.prefer("light").await;
    let light = ground().await;
    browser.prefer("dark").await;
    let dark = ground().await;
    assert_ne!(light, dark, "it follows the system");
    browser.go(&format!("{}/profile", journey.house.root)).await;
    browser.follow("Light").await;
    assert_eq!(ground().await, light, "and a choice goes before it");
    browser.go(&format!("{}/board", journey.house.root)).await;
    assert_eq!(ground().await, light, "on every page");
}

#[tokio::test(flavor = "multi_thread")]
async fn light_or_dark_is_chosen_with_scripts() {
    theme(Script::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn light_or_dark_is_chosen_without_scripts() {
    theme(Script::Off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token() {
    let house = House::live().await;
    let (id, token) = house.named_token("eve@acme.example", Role::Member).await;
    let Some(browser) = Browser::open(Script::Off, DESK).await else {
        return;
    };
    browser.sign_in(&house.root, &token).await;
    house
        .app
        .store
        .revoke_token(house.tenant.id, id, house.app.clock.now())
        .await
        .unwrap();
    browser.go(&format!("{}/board", house.root)).await;
    browser
        .arrives(&format!("{}/sign-in?next=%2Fboard", house.root))
        .await;
    assert!(browser.has("#token").await);
}
