//! Practice as somebody meets it who starts it for the first time: the program itself, one button, and a retry.

use crate::driver::{Browser, DESK, PHONE, Script};
use crate::everywhere::{Looks, axe};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// The program, killed when the test is over.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // The error says that it has ended already.
        let _ended = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn practice_is_opened_by_a_button_and_its_pages_are_for_everybody() {
    let Some(plain) = Browser::open(Script::Off, DESK).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_delivr-api"))
        .args(["practice", "--bind", "127.0.0.1:0"])
        .env_clear()
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let _program = Program(child);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).unwrap();
    let root = line
        .trim()
        .strip_prefix("practice is open at ")
        .unwrap()
        .to_owned();

    // Without a script: in, to what is blocked, and on.
    plain.go(&root).await;
    plain.follow("Open the practice organisation").await;
    plain.arrives(&format!("{root}/")).await;
    plain.reads("Practice: nothing leaves this machine").await;
    plain.go(&format!("{root}/releases?q=Checkout+stalls")).await;
    plain.follow_at("main a[href^=\"/releases/REL-\"]").await;
    let release = plain.address().await;
    plain.follow("Retry").await;
    plain.follow("Retry").await;
    plain
        .until("nothing of it is failed any more", async || {
            plain.go(&release).await;
            !plain.has("main a[href*=\"/do/retry\"]").await
        })
        .await;

    // With everything a browser has: rules of accessibility, and the width of a phone.
    let Some(browser) = Browser::open(Script::On, DESK).await else {
        return;
    };
    let rules = axe();
    let mut looks = Looks::default();
    for opened in [false, true] {
        if opened {
            browser.go(&root).await;
            browser.follow("Open the practice organisation").await;
        }
        for (screen, theme) in [(DESK, "light"), (DESK, "dark"), (PHONE, "light")] {
            browser.resize(screen).await;
            browser.prefer(theme).await;
            browser.go(&root).await;
            let what = format!("{}, {theme}", if opened { "dashboard" } else { "sign-in" });
            looks.look(&browser, rules.as_deref(), screen, &what).await;
        }
    }
    looks.nothing();
}
