//! Pictures of every page, and the accessibility rules that pages are held to.
//!
//! Both need what is no part of the repository: a browser, and a package of npm's, which is installed by its lock file into
//! the target folder.

use crate::shell::{cargo, check, root, say};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// Takes the pictures.
///
/// # Errors
/// When a page cannot be drawn, or there is no browser.
pub(crate) fn run() -> Result<()> {
    let folder = root()?.join("docs").join("screens");
    let before = newest(&folder);
    let wanted = [
        "nextest",
        "run",
        "-p",
        "delivr-api",
        "--test",
        "browser",
        "every_page_is_drawn",
    ];
    let mut command = cargo(wanted)?;
    command.env("DELIVR_SCREENS", &folder);
    check(&mut command)?;
    if newest(&folder) <= before {
        bail!("no picture was taken: chromium and chromedriver must be on PATH");
    }
    pack(&folder);
    say(format!("The pictures are in {}.", folder.display()));
    Ok(())
}

/// Makes the pictures a third as large, where `pngquant` is installed: pages have few colours.
fn pack(folder: &std::path::Path) {
    let files = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let pictures = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|it| it == "png"));
    let packed = Command::new("pngquant")
        .args(["--force", "--ext", ".png", "--skip-if-larger", "--strip", "--"])
        .args(pictures)
        .output();
    if packed.is_err() {
        say("pngquant is not installed; the pictures stay as large as they are");
    }
}

/// When the newest picture was taken.
fn newest(folder: &std::path::Path) -> Option<std::time::SystemTime> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    files
        .filter_map(|file| file.metadata().ok()?.modified().ok())
        .max()
}

/// Installs the accessibility rules where they are not yet, and gives their file.
///
/// # Errors
/// When npm is not there or cannot reach its registry.
pub(crate) fn rules() -> Result<PathBuf> {
    let root = root()?;
    let from = root.join("crates").join("web").join("browser");
    let folder = root.join("target").join("browser");
    let file = folder.join("node_modules").join("axe-core").join("axe.min.js");
    std::fs::create_dir_all(&folder).context("could not make a folder for npm")?;
    let mut current = file.is_file();
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        let (wanted, kept) = (from.join(name), folder.join(name));
        let text = std::fs::read(&wanted).with_context(|| format!("could not read {}", wanted.display()))?;
        if std::fs::read(&kept).ok().as_deref() != Some(text.as_slice()) {
            current = false;
            std::fs::write(&kept, text).with_context(|| format!("could not write {}", kept.display()))?;
        }
    }
    if current {
        return Ok(file);
    }
    let output = Command::new("npm")
        .arg("ci")
        .arg("--ignore-scripts")
        .current_dir(&folder)
        .output()
        .context("npm is not installed")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        bail!(
            "npm could not install axe-core: {}",
            last.unwrap_or("it did not say why")
        );
    }
    Ok(file)
}
