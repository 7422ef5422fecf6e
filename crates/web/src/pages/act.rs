//! Doing something: what it would do is shown first, then it is done.

use super::controls::lifted;
use super::users_read::{self, AllSpoken, ReadRow, Spoken};
use crate::api::Call;
use crate::form::Form;
use crate::frame::{Frame, go, page};
use crate::model::{ExplainedEffect, Explanation, Hold, Problem, Release};
use crate::shown::{percent, words};
use crate::verb::{More, Of, Reason, Verb};
use crate::visit::{Paged, Stop, Visit, is_segment, no};
use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use delivr_domain::ids::derive_uuid;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "act.html")]
struct Page<'a> {
    frame: Frame,
    key: &'a str,
    verb: &'static Verb,
    of: String,
    /// What it is about, for people; empty for the release itself.
    about: String,
    preview: Option<Explanation>,
    problem: Option<Problem>,
    /// Nothing stops it, as far as can be said before it is written.
    open: bool,
    fields: Fields,
    /// What keeps the release from sending, for as long as it stands.
    holds: Vec<(Hold, String)>,
    sent: Option<Sent>,
    /// What it would do, in short.
    seen: String,
    /// What users read in each store, where something sends texts for them.
    spoken: Vec<Spoken>,
    /// Users would read the changelog.
    changelog: bool,
}

/// What was filled in so far.
#[derive(Debug, Default)]
struct Fields {
    close_tickets: bool,
    delete_branch: bool,
    scope: String,
    to_stage: String,
    reference: String,
    exposure: String,
}

impl Fields {
    fn read(form: &Form) -> Self {
        let text = |name: &str, default: &str| form.get(name).unwrap_or(default).to_owned();
        Self {
            close_tickets: form.ticked("close_tickets"),
            delete_branch: form.ticked("delete_branch"),
            scope: text("scope", "EVERYTHING"),
            to_stage: text("to_stage", "REGRESSION"),
            reference: text("reference", ""),
            exposure: text("exposure", ""),
        }
    }
}

impl Page<'_> {
    fn asks(&self, more: &str) -> bool {
        let name = match self.verb.more {
            More::Nothing => "",
            More::CleanUp => "clean-up",
            More::Scope => "scope",
            More::Made => "made",
            More::ToStage => "to-stage",
            More::Exposure => "exposure",
        };
        name == more
    }
    fn asks_more(&self) -> bool {
        self.verb.more != More::Nothing
    }
    /// The very texts that something sends, with where they come from.
    fn texts(&self, effect: &ExplainedEffect) -> Vec<ReadRow> {
        let known = spoken_of(&self.spoken, effect);
        let texts = effect.notes.as_ref();
        texts
            .map(|texts| users_read::sent(texts, known))
            .unwrap_or_default()
    }
    fn has_reason(&self) -> bool {
        self.verb.reason != Reason::No
    }
    fn needs_reason(&self) -> bool {
        self.verb.reason == Reason::Must
    }
}

fn verb(visit: &Visit) -> Result<&'static Verb, Stop> {
    let word = visit.segment("verb")?;
    Verb::named(word)
        .ok_or_else(|| visit.refuse(no(StatusCode::NOT_FOUND, "there is nothing like this to do")))
}

/// What it is about, as sent; what could be another path is nothing.
fn subject(visit: &Visit, form: &Form) -> Result<String, Stop> {
    let of = form.get("of").unwrap_or_default();
    if of.is_empty() || is_segment(of) {
        Ok(of.to_owned())
    } else {
        Err(visit.refuse(no(StatusCode::NOT_FOUND, "there is no such thing")))
    }
}

fn nothing(visit: &Visit) -> Stop {
    visit.refuse(no(
        StatusCode::NOT_FOUND,
        "there is nothing that this could be done about",
    ))
}

fn about(verb: &Verb, of: &str) -> String {
    match verb.of {
        Of::Release => String::new(),
        Of::Stage => words(of),
        Of::Task => "one task".to_owned(),
        Of::Cycle => format!("regression cycle {of}"),
        Of::Slot => "one planned cycle".to_owned(),
        Of::Submission => "one submission".to_owned(),
        Of::Rollout => "one rollout".to_owned(),
    }
}

/// What was put upon the release by somebody and would keep back what the verb sends: not what the verb itself puts or
/// lifts, and nothing for what is never kept back.
fn standing(verb: &Verb, holds: Vec<Hold>) -> Vec<(Hold, String)> {
    let own: &[&str] = match verb.word {
        "resume" => &["USER_PAUSED"],
        "unblock" => &["BLOCKED"],
        "clear-drift" => &["DRIFT"],
        "pause" | "block" | "archive" | "close-rolled-back" | "abandon" | "reject" | "pause-rollout"
        | "halt" => {
            return Vec::new();
        }
        _ => &[],
    };
    let kept = holds.into_iter().filter(|it| {
        matches!(
            it.hold.as_str(),
            "USER_PAUSED" | "BLOCKED" | "DRIFT" | "QUARANTINE"
        ) && !own.contains(&it.hold.as_str())
    });
    kept.map(|it| {
        let how = lifted(&it);
        (it, how)
    })
    .collect()
}

/// What users read in the store that an effect is for.
fn spoken_of<'a>(spoken: &'a [Spoken], effect: &ExplainedEffect) -> Option<&'a Spoken> {
    let target = effect.target.as_deref()?;
    spoken.iter().find(|it| it.target == target)
}

/// Whether an effect sends the changelog to users.
fn tells_changelog(spoken: &[Spoken], effect: &ExplainedEffect) -> bool {
    let (Some(texts), Some(known)) = (&effect.notes, spoken_of(spoken, effect)) else {
        return false;
    };
    let mut all = known.readings.iter().filter(|it| it.is_changelog());
    all.any(|it| texts.get(&it.language) == Some(&it.text))
}

/// What was sent and is not done.
struct Sent {
    status: StatusCode,
    why: Problem,
    reason: String,
}

/// How what a verb changes stands.
#[derive(Debug, Deserialize)]
struct Standing {
    revision: u64,
    /// Of a rollout: users who get it, in basis points.
    exposure: Option<u16>,
    /// Of a rollout: its steps in basis points.
    #[serde(default)]
    steps: Vec<u16>,
}

impl Standing {
    /// The share of the next step, as people fill it in.
    fn next_share(&self) -> Option<String> {
        let next = self.steps.iter().find(|step| Some(**step) > self.exposure)?;
        Some(percent(*next).trim_end_matches([' ', '%']).to_owned())
    }
}

/// What a verb would do now, and at which version.
struct Looked {
    revision: Option<u64>,
    /// What was filled in, and the share of the next step where none was.
    form: Form,
    /// None where what is filled in is no question yet.
    said: Option<Explanation>,
    problem: Option<Problem>,
    /// Nothing stops it, as far as can be said before it is written.
    open: bool,
}

impl Looked {
    /// What it would do, in short: the form carries it, so that what was shown is what is done.
    fn print(&self) -> String {
        let mut parts: Vec<&[u8]> = Vec::new();
        if let Some(said) = &self.said {
            let groups: [(&str, Vec<&str>); 4] = [
                (
                    "events",
                    said.events.iter().map(|it| it.summary.as_str()).collect(),
                ),
                (
                    "effects",
                    said.effects.iter().map(|it| it.does.as_str()).collect(),
                ),
                ("notes", texts(&said.effects)),
                (
                    "dropped",
                    said.dropped.iter().map(|it| it.does.as_str()).collect(),
                ),
            ];
            for (name, lines) in groups {
                parts.push(name.as_bytes());
                parts.extend(lines.into_iter().map(str::as_bytes));
            }
        }
        parts.push(if self.open { b"open" } else { b"closed" });
        derive_uuid(&parts).to_string()
    }

    /// The refusal of whoever may not do it at all.
    fn is_forbidden(&self) -> bool {
        let of = |said: &Explanation| said.problem.as_ref()?.get("status")?.as_u64();
        self.said.as_ref().and_then(of) == Some(403)
    }
}

/// What users would read, with its languages.
fn texts(effects: &[ExplainedEffect]) -> Vec<&str> {
    let all = effects.iter().filter_map(|it| it.notes.as_ref()).flatten();
    all.flat_map(|(language, text)| [language.as_str(), text.as_str()])
        .collect()
}

/// How often something is looked at anew that changes while it is looked at.
const LOOKS: u8 = 3;

/// What the verb would do now. Its reason is left out: what it would do does not depend on it.
async fn look(visit: &Visit, key: &str, verb: &Verb, of: &str, form: &Form) -> Result<Looked, Stop> {
    let back = format!("/releases/{key}");
    let place = match verb.of {
        Of::Release | Of::Stage | Of::Task | Of::Cycle | Of::Slot => {
            format!("/releases/{key}?include=")
        }
        Of::Submission => format!("/submissions/{of}"),
        Of::Rollout => format!("/rollouts/{of}"),
    };
    let bare = form.clone().without("reason");
    let mut looks = 0;
    loop {
        looks += 1;
        let reply = visit.api.call(&visit.who, Call::get(place.clone())).await;
        let standing: Standing = reply.read().map_err(|reply| visit.refuse_from(reply, &back))?;
        let form = match standing.next_share() {
            Some(share) if verb.more == More::Exposure && bare.get("exposure").is_none() => {
                bare.clone().filled("exposure", &share)
            }
            Some(_) | None => bare.clone(),
        };
        if let Some(why) = verb.mistake(&form, false) {
            return Ok(Looked {
                revision: None,
                form,
                said: None,
                problem: Some(Problem::saying(why)),
                open: true,
            });
        }
        // What changes all the time is shown as it is; it is compared once more before it is done.
        let revision = Some(standing.revision).filter(|_| looks <= LOOKS);
        let call = verb.preview(key, of, &form).ok_or_else(|| nothing(visit))?;
        let reply = visit.api.call(&visit.who, call.of_version(revision)).await;
        // A mistake in what is filled in, or not yet: the form stays, and says so.
        if reply.status == StatusCode::BAD_REQUEST && verb.more != More::Nothing {
            return Ok(Looked {
                revision,
                form,
                said: None,
                problem: Some(Problem::of(&reply)),
                open: true,
            });
        }
        let said: Explanation = reply.read().map_err(|reply| visit.refuse_from(reply, &back))?;
        let status = said.problem.as_ref().and_then(|it| it.get("status")?.as_u64());
        if status == Some(412) && revision.is_some() {
            continue;
        }
        return Ok(Looked {
            revision,
            form,
            open: said.allowed || (status == Some(422) && verb.more != More::Nothing),
            problem: said.problem.clone().map(Problem::from_value),
            said: Some(said),
        });
    }
}

/// What it would do, and the form that does it; or what was sent and not done, above what it would do now.
async fn shown(visit: &Visit, verb: &'static Verb, looked: Looked, of: String, sent: Option<Sent>) -> Paged {
    let key = visit.segment("key")?;
    let holds = match visit.look::<Release>(format!("/releases/{key}")).await {
        Ok(release) => standing(verb, release.holds),
        // The preview is of more worth than what stands beside it.
        Err(_) => Vec::new(),
    };
    let effects = looked.said.iter().flat_map(|it| &it.effects);
    let spoken = match effects.clone().any(|it| it.notes.is_some()) {
        // What is sent is of more worth than where it comes from.
        true => visit
            .look::<AllSpoken>(format!("/releases/{key}/store-notes?ask=false"))
            .await
            .map(|it| it.items)
            .unwrap_or_default(),
        false => Vec::new(),
    };
    let changelog = effects.clone().any(|it| tells_changelog(&spoken, it));
    let status = sent.as_ref().map_or(StatusCode::OK, |it| it.status);
    let template = Page {
        holds,
        frame: visit.frame("releases"),
        key,
        verb,
        about: about(verb, &of),
        of,
        seen: looked.print(),
        changelog,
        spoken,
        fields: Fields::read(&looked.form),
        preview: looked.said,
        problem: looked.problem,
        open: looked.open,
        sent,
    };
    Ok(page(status, &template))
}

/// The page that shows what it would do, and asks.
pub(super) async fn ask(visit: Visit) -> Paged {
    let key = visit.segment("key")?;
    let verb = verb(&visit)?;
    let form = visit.query();
    let of = subject(&visit, &form)?;
    let looked = look(&visit, key, verb, &of, &form).await?;
    shown(&visit, verb, looked, of, None).await
}

/// What is said where it would do something else by now.
const CHANGED: &str =
    "It stands otherwise than when you looked at it. Nothing was sent: below is what it would do now.";

/// Does it as it was shown, and shows the release. What is not done stays in its form, with why; so does what would be
/// something else by now.
pub(super) async fn act(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let key = visit.segment("key")?;
    let verb = verb(&visit)?;
    let of = subject(&visit, &form)?;
    let back = format!("/releases/{key}");
    let sent = |status, why| {
        Some(Sent {
            status,
            why,
            reason: form.get("reason").unwrap_or_default().to_owned(),
        })
    };
    verb.call(key, &of, &form).ok_or_else(|| nothing(&visit))?;
    if let Some(why) = verb.mistake(&form, true) {
        let looked = look(&visit, key, verb, &of, &form).await?;
        let sent = sent(StatusCode::BAD_REQUEST, Problem::saying(why));
        return shown(&visit, verb, looked, of, sent).await;
    }
    let changed = || sent(StatusCode::PRECONDITION_FAILED, Problem::saying(CHANGED));
    // The last look loses a race to whoever changes it at that very moment; then it is looked at again.
    for _look in 0..LOOKS {
        let mut filled = form.clone();
        let mut revision = None;
        if !verb.is_safe() {
            let looked = look(&visit, key, verb, &of, &form).await?;
            let same = form.get("seen") == Some(looked.print().as_str());
            if !same && !looked.is_forbidden() {
                // A share that it has outgrown is no question any more: the next step is.
                let looked = if looked.said.as_ref().is_some_and(|said| !said.allowed) {
                    look(&visit, key, verb, &of, &form.clone().without("exposure")).await?
                } else {
                    looked
                };
                return shown(&visit, verb, looked, of, changed()).await;
            }
            if let Some(share) = looked.form.get("exposure") {
                filled = filled.filled("exposure", share);
            }
            revision = looked.revision;
        }
        let call = verb.call(key, &of, &filled).ok_or_else(|| nothing(&visit))?;
        let reply = visit.api.call(&visit.who, call.of_version(revision)).await;
        if reply.status.is_success() {
            return Ok(go(&format!("{back}?done={}", verb.word)));
        }
        let to_mend = matches!(
            reply.status,
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY
        );
        if to_mend {
            let looked = look(&visit, key, verb, &of, &form).await?;
            let sent = sent(reply.status, Problem::of(&reply));
            return shown(&visit, verb, looked, of, sent).await;
        }
        if reply.status != StatusCode::PRECONDITION_FAILED {
            return Err(visit.refuse_from(reply, &back));
        }
    }
    let looked = look(&visit, key, verb, &of, &form).await?;
    shown(&visit, verb, looked, of, changed()).await
}
