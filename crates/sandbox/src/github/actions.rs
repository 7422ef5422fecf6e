//! What `/_advance` does to the simulated GitHub: the work of people and of the repository's administrators.

use serde_json::{Value, json};

use super::state::{GitHub, LIMIT, NAME, Release};
use crate::world::Context;

pub(super) fn perform(
    hub: &mut GitHub,
    ctx: &mut Context,
    action: &str,
    args: &Value,
) -> Result<Value, String> {
    let given = |name: &str| args.get(name).and_then(Value::as_str);
    let text = |name: &str| given(name).ok_or_else(|| format!("`{name}` is missing"));
    let number = |name: &str| {
        args.get(name)
            .and_then(Value::as_u64)
            .ok_or_else(|| format!("`{name}` is missing"))
    };
    let on = args.get("on").and_then(Value::as_bool).unwrap_or(true);
    match action {
        "push" => push(hub, ctx, args),
        "set_ref" => {
            let full = text("ref")?;
            let sha = hub
                .commit_named(text("sha")?)
                .map(|commit| commit.sha.clone())
                .ok_or("no such commit")?;
            hub.put_ref(ctx, full, &sha);
            Ok(json!({"ref": full, "sha": sha}))
        }
        "delete_ref" => {
            let full = text("ref")?;
            let gone = hub.refs.remove(full).ok_or("no such ref")?;
            ctx.spend(NAME, "create_ref", full);
            hub.share(ctx);
            Ok(json!({"ref": full, "sha": gone}))
        }
        "add_release" => {
            let draft = args.get("draft").and_then(Value::as_bool).unwrap_or(false);
            let release = Release {
                id: ctx.ids.next("github release"),
                tag: text("tag")?.to_owned(),
                target: "main".to_owned(),
                name: given("name").map(str::to_owned),
                body: given("body").map(str::to_owned),
                draft,
                prerelease: false,
                created: ctx.now(),
                published: (!draft).then(|| ctx.now()),
            };
            let id = release.id;
            hub.releases.push(release);
            Ok(json!({"id": id}))
        }
        "merge_pull" => {
            let number = number("number")?;
            let pull = hub.pulls.iter().find(|pull| pull.number == number);
            let pull = pull.ok_or("no such pull request")?.clone();
            let base = format!("refs/heads/{}", pull.base);
            let base_sha = hub.refs.get(&base).cloned().ok_or("the base is gone")?;
            let message = format!("Merge pull request #{number} from {}", pull.head);
            let sha = hub.commit(ctx, &[base_sha, pull.head_sha], &message, "Mona Lisa");
            hub.merged(ctx, number, &sha);
            hub.put_ref(ctx, &base, &sha);
            Ok(json!({"sha": sha}))
        }
        "close_pull" => {
            let number = number("number")?;
            let now = ctx.now();
            let pull = hub.pulls.iter_mut().find(|pull| pull.number == number);
            let pull = pull.ok_or("no such pull request")?;
            pull.open = false;
            pull.closed = Some(now);
            let subject = format!("{} -> {}", pull.head, pull.base);
            ctx.spend(NAME, "create_pull", &subject);
            Ok(json!({"closed": number}))
        }
        "conflict" => {
            let number = number("number")?;
            set(&mut hub.conflicts, number, on);
            Ok(json!({"conflict": number, "on": on}))
        }
        "protect" => {
            let full = text("ref")?.to_owned();
            set(&mut hub.protected, full.clone(), on);
            Ok(json!({"protected": full, "on": on}))
        }
        "require_review" => {
            let branch = text("branch")?.to_owned();
            set(&mut hub.reviewed, branch.clone(), on);
            Ok(json!({"reviewed": branch, "on": on}))
        }
        "rename" => {
            let to = text("to")?.to_owned();
            hub.former.push(std::mem::replace(&mut hub.repo, to.clone()));
            Ok(json!({"repository": to}))
        }
        "sso" => {
            hub.sso = on;
            Ok(json!({"sso": on}))
        }
        "suspend" => {
            hub.suspended = on;
            Ok(json!({"suspended": on}))
        }
        "token_ttl" => {
            hub.token_seconds = i64::try_from(number("seconds")?).map_err(|error| error.to_string())?;
            Ok(json!({"seconds": hub.token_seconds}))
        }
        "expire_tokens" => {
            hub.tokens.clear();
            Ok(json!({"expired": true}))
        }
        "rate" => {
            let left = number("remaining")?;
            hub.used = LIMIT.saturating_sub(left);
            Ok(json!({"remaining": left}))
        }
        "redeliver" => hub.redeliver(ctx),
        "record" => {
            let kept = hub.record.take().unwrap_or_default();
            hub.record = on.then(Vec::new);
            Ok(json!({"exchanges": kept}))
        }
        other => super::run_actions::perform(hub, ctx, other, args)
            .unwrap_or_else(|| Err(format!("no action of github is called {other}"))),
    }
}

fn set<T: Ord>(all: &mut std::collections::BTreeSet<T>, one: T, on: bool) {
    if on {
        all.insert(one);
    } else {
        all.remove(&one);
    }
}

/// Commits of people: on a branch, which is made from `main` where it is missing, or on nothing at all (`orphan`).
fn push(hub: &mut GitHub, ctx: &mut Context, args: &Value) -> Result<Value, String> {
    let text = |name: &str| args.get(name).and_then(Value::as_str);
    let branch = text("branch").unwrap_or("main");
    let full = format!("refs/heads/{branch}");
    let orphan = args.get("orphan").and_then(Value::as_bool).unwrap_or(false);
    let start = hub
        .refs
        .get(&full)
        .or_else(|| hub.refs.get("refs/heads/main"))
        .cloned();
    let mut head = start.filter(|_| !orphan);
    let count = args.get("count").and_then(Value::as_u64).unwrap_or(1);
    let mut made = Vec::new();
    for number in 1..=count.min(1000) {
        let message = match (text("message"), count) {
            (Some(message), 1) => message.to_owned(),
            (Some(message), _) => format!("{message} {number}"),
            (None, _) => format!("Change {number} of {branch}"),
        };
        let parents: Vec<String> = head.iter().cloned().collect();
        let sha = hub.commit(ctx, &parents, &message, text("author").unwrap_or("Mona Lisa"));
        made.push(sha.clone());
        head = Some(sha);
    }
    let head = head.ok_or("nothing was pushed")?;
    hub.put_ref(ctx, &full, &head);
    Ok(json!({"ref": full, "sha": head, "commits": made}))
}
