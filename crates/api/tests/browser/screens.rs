//! Pictures of every page: made when `DELIVR_SCREENS` names a folder, which `cargo xtask screens` does.

use crate::driver::{DESK, PHONE, Script};
use crate::everywhere::all;
use crate::organisation::Organisation;
use std::path::PathBuf;

/// A picture is not higher: what is below is the rest of a list.
const HIGHEST: u32 = 2_600;

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_drawn() {
    let Some(folder) = std::env::var_os("DELIVR_SCREENS").map(PathBuf::from) else {
        return;
    };
    let organisation = Organisation::tell().await;
    std::fs::create_dir_all(&folder).unwrap();
    let house = &organisation.house;
    let wanted = std::env::var("DELIVR_SCREENS_ONLY").unwrap_or_default();
    for (size, screen) in [("wide", DESK), ("phone", PHONE)] {
        let Some(browser) = organisation.visitor(Script::On, screen).await else {
            return;
        };
        for theme in ["light", "dark"] {
            browser.prefer(theme).await;
            for (name, path) in all(&organisation) {
                if !name.contains(&wanted) {
                    continue;
                }
                browser.go(&format!("{}{path}", house.root)).await;
                // A page whose stream is being opened anew says so; that is no picture of it.
                let connected = "return document.getElementById('offline')?.hidden ?? true";
                browser
                    .until("the page is connected", async || {
                        browser.run(connected).await == true
                    })
                    .await;
                let picture = browser.picture(screen, HIGHEST).await;
                std::fs::write(folder.join(format!("{name}-{size}-{theme}.png")), picture).unwrap();
            }
        }
    }
    if let Some(kept) = std::env::var_os("DELIVR_SCREENS_HTML").map(PathBuf::from) {
        keep(&organisation, &kept).await;
    }
}

/// The pages themselves beside their pictures, for who works on their look.
async fn keep(organisation: &Organisation, folder: &std::path::Path) {
    std::fs::create_dir_all(folder).unwrap();
    let Some(browser) = organisation.visitor(Script::On, DESK).await else {
        return;
    };
    for (name, path) in all(organisation) {
        browser.go(&format!("{}{path}", organisation.house.root)).await;
        let text = browser
            .run_later(
                "const done = arguments[arguments.length - 1]; fetch(location.href).then((it) => it.text()).then(done)",
            )
            .await;
        std::fs::write(folder.join(format!("{name}.html")), text.as_str().unwrap()).unwrap();
    }
}
