//! What vendors and git's server did: nothing twice, nothing for others, nothing left out.

use super::Findings;
use super::stored::{Row, Stored};
use crate::chaos::world::{LaneWorld, TenantWorld};
use crate::system::{list, word};
use anyhow::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a tenant's vendors did: nothing twice, nothing for others, everything that the database says was done.
pub(super) fn vendors(
    folder: &Path,
    tenant: &TenantWorld,
    stored: &[Stored],
    rows: &[Row],
    parents: &BTreeMap<String, String>,
    found: &mut Findings,
) -> Result<()> {
    let journal = tenant.vendors.get("/_journal")?;
    // For whoever looks into a run that is kept.
    let kept = folder.join(format!("journal-{}.json", tenant.slug));
    std::fs::write(kept, journal.to_string())?;
    found.duplicates.extend(twice(tenant.slug, &journal));
    let done = list(&journal, "effects");
    found.effects += u64::try_from(done.len())?;
    let ours: Vec<&Stored> = stored.iter().filter(|it| it.tenant == tenant.slug).collect();
    let release_of = |owner: &str| {
        let id = parents.get(owner).map_or(owner, String::as_str);
        ours.iter().find(|it| it.id == id)
    };
    let mut owners: BTreeMap<String, &Row> = BTreeMap::new();
    for row in rows {
        for key in row.keys().into_iter().filter(|key| !key.is_empty()) {
            // A run's watch carries the key of the write that started it.
            let write = matches!(row.kind.as_str(), "PERFORM" | "MESSAGE");
            if write || !owners.contains_key(&key) {
                owners.insert(key, row);
            }
        }
    }
    let mut seen = BTreeSet::new();
    for effect in done {
        let Some(key) = effect.get("key").and_then(Value::as_str) else {
            continue;
        };
        seen.insert(key.to_owned());
        let what = format!(
            "{} {} {}",
            word(effect, "vendor"),
            word(effect, "operation"),
            word(effect, "subject")
        );
        match owners.get(key).and_then(|row| release_of(&row.owner)) {
            None => found.illegal.push(format!(
                "{} did for nobody of its tenant: {what}, key {key}",
                tenant.slug
            )),
            Some(release) if !word(effect, "subject").contains(&release.version) => {
                found.illegal.push(format!(
                    "{} did under a key of {}: {what}",
                    tenant.slug, release.version
                ));
            }
            Some(_) => {}
        }
    }
    for row in rows {
        let Some(release) = release_of(&row.owner) else {
            continue;
        };
        let marked = row.kind == "MESSAGE"
            || matches!(
                row.effect
                    .pointer("/operation/write")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
                "CREATE_TICKET" | "CREATE_RUN" | "TRIGGER_RUN"
            );
        if marked && row.state == "DONE" && !row.keys().iter().any(|key| seen.contains(key)) {
            found.lost.push(format!(
                "{} {}: {} {} {} is done, but no vendor knows of it",
                tenant.slug,
                release.version,
                row.kind,
                row.task(),
                row.effect.pointer("/note/title").unwrap_or(&Value::Null),
            ));
        }
    }
    for lane in &tenant.lanes {
        for release in &ours {
            let of_lane = lane.plan.releases.iter().any(|it| it.version == release.version);
            if of_lane && release.phase == "COMPLETED" {
                for missing in missing(lane, release, done) {
                    found
                        .lost
                        .push(format!("{} {}: {missing}", tenant.slug, release.version));
                }
            }
        }
    }
    Ok(())
}

/// What a journal says was done twice, a line for each surplus. The same words in a channel are a duplicate when they
/// are the same message: a task that fails twice is told twice.
fn twice(who: &str, journal: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let mut told = BTreeSet::new();
    for effect in list(journal, "effects") {
        let message = (word(effect, "subject"), word(effect, "key"));
        if word(effect, "operation") == "post_message" && !told.insert(message) {
            lines.push(format!("{who}: told twice: {}", message.0));
        }
    }
    let silent = |entry: &&Value| word(entry, "operation") != "post_message";
    for entry in list(journal, "duplicates").iter().filter(silent) {
        let count = entry.get("count").and_then(Value::as_u64).unwrap_or(1);
        for _ in 0..count {
            lines.push(format!(
                "{who}: {} {} {}",
                word(entry, "vendor"),
                word(entry, "operation"),
                word(entry, "subject")
            ));
        }
    }
    lines
}

/// What a release that is out must have left at its vendors, and has not.
fn missing(lane: &LaneWorld, release: &Stored, done: &[Value]) -> Vec<String> {
    let version = &release.version;
    let mut missing = Vec::new();
    let mut expect = |operation: &str, parts: &[String]| {
        let fits = |it: &&Value| {
            word(it, "operation") == operation && parts.iter().all(|part| holds(word(it, "subject"), part))
        };
        if !done.iter().any(|it| fits(&it)) {
            missing.push(format!("no {operation} of {}", parts.join(" ")));
        }
    };
    let platforms = [
        (lane.plan.apple, "IOS", "ios-regression", "ios-prod"),
        (lane.plan.play, "ANDROID", "android-regression", "android-prod"),
    ];
    for (_, platform, regression, production) in platforms.into_iter().filter(|it| it.0) {
        let of = |more: &[&str]| -> Vec<String> {
            more.iter()
                .map(|it| (*it).to_owned())
                .chain([format!("VERSION={version}"), format!("PLATFORM={platform}")])
                .collect()
        };
        for cycle in list(&release.state, "cycles") {
            if word(cycle, "state") != "DONE" {
                continue;
            }
            let number = cycle.get("number").and_then(Value::as_u64).unwrap_or(0);
            let number = format!("CYCLE={number}");
            if word(cycle, "builds") == "BUILD" {
                expect("trigger", &of(&[regression, &number]));
            }
            if word(cycle, "automation") == "RUN" {
                expect("trigger", &of(&["automation", &number]));
            }
        }
        expect("trigger", &of(&[production]));
        expect(
            "create_issue",
            &[format!("{} {version} ({platform})", lane.plan.slug)],
        );
        expect(
            "create_run",
            &[format!("{} {version} {platform}", lane.plan.slug)],
        );
    }
    if lane.plan.apple {
        let apple = format!("com.example.shop,IOS,{version}");
        for operation in ["create_version", "attach_build", "add_item", "submit", "release"] {
            expect(operation, std::slice::from_ref(&apple));
        }
        expect("set_phased", &[format!("{apple},COMPLETE")]);
    }
    if lane.plan.play {
        let code = list(&release.state, "builds")
            .iter()
            .rfind(|it| word(it, "task").starts_with("CREATE_AAB_BUILD/"))
            .map(|it| word(it, "build_number").to_owned())
            .unwrap_or_default();
        expect(
            "commit",
            &[format!("com.example.shop,production,{code},completed")],
        );
    }
    missing
}

/// Whether a part stands in the subject as a whole word: `CYCLE=1` is not in `CYCLE=12`.
fn holds(subject: &str, part: &str) -> bool {
    subject.match_indices(part).any(|(at, found)| {
        let after = subject
            .get(at + found.len()..)
            .and_then(|rest| rest.chars().next());
        !after.is_some_and(|next| next.is_ascii_alphanumeric() || next == '.')
    })
}

/// What git's server accepted: no ref made twice, every ref of a release that is out, tags of the tested commit.
pub(super) fn git(
    tenant: &TenantWorld,
    lane: &LaneWorld,
    stored: &[Stored],
    found: &mut Findings,
) -> Result<()> {
    let created = lane.repository.created()?;
    let ours: Vec<(&String, &u64)> = created
        .iter()
        .filter(|(name, _)| *name != "refs/heads/main" && *name != "refs/tags/v1.0.0")
        .collect();
    for (name, count) in &ours {
        found.effects += **count;
        for _ in 1..**count {
            found
                .duplicates
                .push(format!("{} {}: {name}", tenant.slug, lane.plan.slug));
        }
    }
    for release in stored.iter().filter(|it| it.tenant == tenant.slug) {
        let of_lane = lane.plan.releases.iter().any(|it| it.version == release.version);
        if !of_lane || release.phase != "COMPLETED" {
            continue;
        }
        let mut wanted = vec![format!("refs/heads/{}", word(&release.state, "branch"))];
        let tag = format!("refs/tags/{}", word(&release.state, "tag"));
        for cycle in list(&release.state, "cycles") {
            if word(cycle, "state") != "DONE" {
                continue;
            }
            let name = format!("refs/tags/{}", word(cycle, "tag"));
            let sha = lane.repository.commit_of(&name).unwrap_or_default();
            if sha != word(cycle, "sha") {
                found.illegal.push(format!(
                    "{} {}: {name} is at {sha}, its cycle at {}",
                    tenant.slug,
                    release.version,
                    word(cycle, "sha")
                ));
            }
            wanted.push(name);
        }
        let judged = list(&release.state, "cycles")
            .iter()
            .rfind(|it| word(it, "state") != "ABANDONED")
            .map_or("", |it| word(it, "sha"));
        let shipped = lane.repository.commit_of(&tag).unwrap_or_default();
        if shipped != judged {
            found.illegal.push(format!(
                "{} {}: {tag} is at {shipped}, tested was {judged}",
                tenant.slug, release.version
            ));
        }
        wanted.push(tag);
        for name in wanted {
            if created.get(&name).is_none_or(|count| *count == 0) {
                found
                    .lost
                    .push(format!("{} {}: no {name}", tenant.slug, release.version));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_is_found_as_a_whole_word_only() {
        assert!(holds("automation,CYCLE=1", "CYCLE=1"));
        assert!(!holds("automation,CYCLE=12", "CYCLE=1"));
        assert!(!holds("VERSION=1.1.0.4", "VERSION=1.1.0"));
        assert!(holds("VERSION=1.1.0,SHA=a", "VERSION=1.1.0"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_duplicate_planted_at_a_vendor_is_seen_once() {
        use crate::system::client::Client;
        use delivr_sandbox::Sandbox;
        let vendors = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        let found = tokio::task::block_in_place(|| {
            let jira = Client::new(vendors.url(), Some("sandbox-dc-token".to_owned()));
            let fields = json!({
                "project": { "key": "REL" }, "issuetype": { "name": "Task" }, "summary": "shop 1.1.0 (IOS)",
            });
            for key in ["one", "another"] {
                let property = json!({ "key": "delivr_key", "value": key });
                let body = json!({ "fields": fields, "properties": [property] });
                jira.post("/jira/rest/api/2/issue", &body).unwrap();
            }
            twice("acme", &jira.get("/_journal").unwrap())
        });
        assert_eq!(found, ["acme: jira create_issue REL shop 1.1.0 (IOS)"]);
        vendors.stop().await;
    }

    #[test]
    fn a_planted_duplicate_is_one_line() {
        let journal = json!({ "duplicates": [
            { "vendor": "jira", "operation": "create_issue", "subject": "REL shop 1.1.0 (IOS)", "count": 1 },
            { "vendor": "slack", "operation": "post_message", "subject": "releases: held", "count": 2 },
        ], "effects": [
            { "operation": "post_message", "subject": "releases: held", "key": "a" },
            { "operation": "post_message", "subject": "releases: held", "key": "b" },
            { "operation": "post_message", "subject": "releases: held", "key": "b" },
        ] });
        assert_eq!(
            twice("acme", &journal),
            [
                "acme: told twice: releases: held",
                "acme: jira create_issue REL shop 1.1.0 (IOS)"
            ]
        );
    }
}
