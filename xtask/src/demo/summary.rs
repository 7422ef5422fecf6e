//! What the vendors say was done, counted by natural subject: the demo's last line.

use super::Stage;
use crate::system::text;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The demo's last line.
///
/// # Errors
/// When something was done twice, or what was tested is not what was tagged and built.
pub(crate) fn of(stage: &Stage, release: &str) -> Result<Value> {
    let state = stage.api.get(&format!("/releases/{release}"))?;
    let journal = stage.vendors.get("/_journal")?;
    let effects = journal
        .get("effects")
        .and_then(Value::as_array)
        .context("the journal's effects")?;
    let surplus = journal
        .get("duplicates")
        .and_then(Value::as_array)
        .context("the journal's duplicates")?;
    let mut duplicates: u64 = surplus
        .iter()
        .filter_map(|entry| entry.get("count").and_then(Value::as_u64))
        .sum();
    // Git keeps no journal: its receive hook does. A ref is created once.
    let refs = stage.repository.created()?;
    let ours = refs
        .iter()
        .filter(|(name, _)| *name != "refs/heads/main" && *name != "refs/tags/v1.0.0");
    let mut made = 0;
    for (_, count) in ours {
        made += 1;
        duplicates += count.saturating_sub(1);
    }
    same_commit(stage, &state)?;
    let summary = json!({
        "release": text(&state, "/key")?,
        "phase": text(&state, "/phase")?,
        "version": text(&state, "/version")?,
        "effects": effects.len() + made,
        "duplicates": duplicates,
    });
    if duplicates > 0 {
        bail!("something was done twice: {surplus:?}, refs {refs:?}");
    }
    Ok(summary)
}

/// The release tag, the last cycle's tag and every store build are of one commit.
fn same_commit(stage: &Stage, state: &Value) -> Result<()> {
    let tagged = stage
        .repository
        .commit_of(&format!("refs/tags/{}", text(state, "/tag")?))?;
    let builds = stage
        .api
        .get(&format!("/releases/{}/builds?limit=200", text(state, "/id")?))?;
    let builds = builds.get("items").and_then(Value::as_array).context("builds")?;
    let mut of_tag = 0;
    for build in builds {
        if build.get("sha").and_then(Value::as_str) == Some(&tagged) {
            of_tag += 1;
        }
    }
    // Second cycle and pre-release, for two targets each.
    if of_tag != 4 {
        bail!("{of_tag} builds are of the tagged commit {tagged}, not 4: {builds:?}");
    }
    Ok(())
}
