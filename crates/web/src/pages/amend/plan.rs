//! Taking up a changed profile: what would change in the plan of a release, and then the change.

use super::subject;
use crate::api::Call;
use crate::fields::Choice;
use crate::form::Form;
use crate::frame::{Frame, go, page};
use crate::model::{List, Problem, Release};
use crate::setup::Profile;
use crate::shown::{told, words};
use crate::visit::{Paged, Stop, Visit, is_segment};
use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use delivr_domain::key::TargetKey;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What the API says would change.
#[derive(Debug, Deserialize)]
struct Replanned {
    changes: Vec<Change>,
}

/// One difference, as the API tells it.
#[derive(Debug, Deserialize)]
struct Change {
    pointer: String,
    before: Value,
    after: Value,
    refused: Option<String>,
}

/// One difference, for people.
struct Row {
    label: String,
    before: String,
    after: String,
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "amend_plan.html")]
struct Page {
    frame: Frame,
    release: Release,
    /// Profiles that the release could follow.
    profiles: Vec<Choice>,
    /// The one that is looked at; empty for the release's own.
    chosen: String,
    /// The revision of the release's own profile that is the newest.
    newest: Option<(String, u32)>,
    rows: Vec<Row>,
    /// Whether what would change is known.
    known: bool,
    problem: Option<Problem>,
    blocked: Option<String>,
}

impl Page {
    /// Whether something of it comes too late, which keeps all of it.
    fn late(&self) -> bool {
        self.rows.iter().any(|it| it.refused.is_some())
    }
}

/// One part of a place in the plan, as people say it.
fn part(name: &str) -> String {
    if name.parse::<TargetKey>().is_ok() {
        return words(name);
    }
    let plain = match name {
        "scm" => "Source control",
        "rc_tag" => "tag of a cycle",
        "sha_origins" => "How a build's commit may be known",
        "auto_start" => "Stages that start by themselves",
        "quorum" => "Approvals needed",
        "left_out" => "Left out",
        "" => "",
        _ => return words(&name.replace('_', " ")),
    };
    plain.to_owned()
}

/// A place in the plan, as people say it.
fn label(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1).map(|it| {
        let name = it.replace("~1", "/").replace("~0", "~");
        if name.contains('-') {
            // A language, such as `de-DE`.
            name
        } else if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            words(&name)
        } else {
            part(&name)
        }
    });
    let mut text = String::new();
    for (at, it) in parts.enumerate() {
        match at {
            0 => {
                let mut letters = it.chars();
                if let Some(first) = letters.next() {
                    text.extend(first.to_uppercase());
                    text.push_str(letters.as_str());
                }
            }
            _ => {
                text.push_str(": ");
                text.push_str(&it);
            }
        }
    }
    text
}

/// A value of the plan, as people say it.
fn value(of: &Value) -> String {
    match of {
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => told(text),
        Value::Array(all) if all.is_empty() => "nothing".to_owned(),
        Value::Array(all) => all.iter().map(value).collect::<Vec<_>>().join(", "),
        Value::Object(all) => {
            let pairs = all
                .iter()
                .map(|(name, it)| format!("{}: {}", label(&format!("/{name}")), value(it)));
            pairs.collect::<Vec<_>>().join("; ")
        }
    }
}

/// A difference as a row. Of the profile its revision is what people know.
fn row(change: Change) -> Row {
    let revision = |it: &Value| match it.get(1).and_then(Value::as_u64) {
        Some(number) => format!("version {number}"),
        None => "none".to_owned(),
    };
    let (before, after) = if change.pointer == "/profile" {
        (revision(&change.before), revision(&change.after))
    } else {
        (value(&change.before), value(&change.after))
    };
    Row {
        label: label(&change.pointer),
        before,
        after,
        refused: change.refused.map(|why| told(&why)),
    }
}

/// The body of the request, for the profile that is named.
fn body(form: &Form) -> Map<String, Value> {
    let named = form.get("profile").filter(|it| is_segment(it));
    named
        .map(|id| ("profileId".to_owned(), json!(id)))
        .into_iter()
        .collect()
}

/// The page, with what would change now.
async fn asking(visit: &Visit, form: &Form, problem: Option<Problem>) -> Result<Page, Stop> {
    let release = subject(visit, "").await?;
    let all: List<Profile> = visit.look("/profiles?limit=200").await?;
    let service: Option<String> = {
        let seen: Value = visit.look(format!("/releases/{}?include=", release.key)).await?;
        seen.get("serviceId")
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    let fits = |it: &&Profile| it.service_id.is_none() || it.service_id == service;
    let own = release.profile_id.as_deref();
    let newest = all.items.iter().find(|it| Some(it.id.as_str()) == own);
    let newest = newest.map(|it| (it.name.clone(), it.revision));
    let mut profiles = vec![Choice::new("", "Its own, in the newest version")];
    profiles.extend(
        all.items
            .iter()
            .filter(fits)
            .filter(|it| Some(it.id.as_str()) != own)
            .map(|it| Choice::new(it.id.clone(), format!("{} (version {})", it.name, it.revision))),
    );
    let mut shown = Page {
        frame: visit.frame("releases"),
        blocked: super::barred(visit, &release),
        chosen: form.get("profile").unwrap_or_default().to_owned(),
        profiles,
        newest,
        rows: Vec::new(),
        known: false,
        problem,
        release,
    };
    if shown.blocked.is_some() {
        return Ok(shown);
    }
    let mut wanted = body(form);
    wanted.insert("dryRun".to_owned(), json!(true));
    let call = Call::post(format!("/releases/{}/replan", shown.release.key), wanted.into());
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        let found: Replanned = reply.read().map_err(|reply| visit.refuse(reply))?;
        shown.rows = found.changes.into_iter().map(row).collect();
        shown.known = true;
    } else {
        shown.problem = shown.problem.or(Some(Problem::of(&reply)));
    }
    Ok(shown)
}

pub(super) async fn ask(visit: Visit) -> Paged {
    let shown = asking(&visit, &visit.query(), None).await?;
    Ok(page(StatusCode::OK, &shown))
}

/// Takes the plan up, of the very version of the release whose difference was shown.
pub(super) async fn take_up(visit: Visit, sent: web::Bytes) -> Paged {
    let form = visit.form(&sent)?;
    let key = visit.segment("key")?;
    let seen = form.get("revision").and_then(|it| it.parse().ok()).unwrap_or(0);
    let call = Call::post(format!("/releases/{key}/replan"), body(&form).into()).of_version(Some(seen));
    let reply = visit.api.call(&visit.who, call).await;
    if reply.status.is_success() {
        return Ok(go(&format!("/releases/{key}?done=replanned")));
    }
    let status = reply.status;
    let mut problem = Problem::of(&reply);
    if status == StatusCode::PRECONDITION_FAILED {
        "The release has moved since you looked. What would change now is below; send it again if it still fits."
            .clone_into(&mut problem.detail);
    }
    let shown = asking(&visit, &form, Some(problem)).await?;
    Ok(page(status, &shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_values_of_a_plan_are_said_as_people_say_them() {
        for (pointer, said) in [
            ("/testing/pass_threshold", "Testing: pass threshold"),
            (
                "/targets/ANDROID_PLAY_STORE/builds",
                "Targets: Android, Google Play: builds",
            ),
            ("/quorum/PRE_RELEASE", "Approvals needed: Pre-release"),
        ] {
            assert_eq!(label(pointer), said);
        }
        for (of, said) in [
            (json!(null), "nothing"),
            (json!([100, 500]), "100, 500"),
            (json!(true), "yes"),
            (json!({"pass_threshold": 90}), "Pass threshold: 90"),
        ] {
            assert_eq!(value(&of), said);
        }
        let change = Change {
            pointer: "/profile".to_owned(),
            before: json!(["x", 1]),
            after: json!(["x", 2]),
            refused: None,
        };
        let row = row(change);
        assert_eq!(
            (row.before.as_str(), row.after.as_str()),
            ("version 1", "version 2")
        );
    }
}
