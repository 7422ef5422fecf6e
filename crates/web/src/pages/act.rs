//! Doing something: what it would do is shown first, then it is done.

use super::controls::lifted;
use crate::form::Form;
use crate::frame::{Frame, go, page};
use crate::model::{Explanation, Hold, Problem, Release};
use crate::shown::words;
use crate::verb::{More, Of, Reason, Verb};
use crate::visit::{Paged, Stop, Visit, is_segment, no};
use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;

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

/// What was sent and is not done.
struct Sent {
    status: StatusCode,
    why: Problem,
    reason: String,
}

/// What it would do, and the form that does it.
async fn shown(visit: &Visit, verb: &'static Verb, form: &Form, sent: Option<Sent>) -> Paged {
    let key = visit.segment("key")?;
    let of = subject(visit, form)?;
    let (preview, problem, open) = if let Some(why) = verb.mistake(form, false) {
        (None, Some(Problem::saying(why)), true)
    } else {
        let call = verb.preview(key, &of, form).ok_or_else(|| nothing(visit))?;
        let reply = visit.api.call(&visit.who, call).await;
        // A mistake in what is filled in, or not yet: the form stays, and says so.
        if reply.status == StatusCode::BAD_REQUEST && verb.more != More::Nothing {
            (None, Some(Problem::of(&reply)), true)
        } else {
            let back = format!("/releases/{key}");
            let said: Explanation = reply.read().map_err(|reply| visit.refuse_from(reply, &back))?;
            let status = said.problem.as_ref().and_then(|it| it.get("status")?.as_u64());
            let open = said.allowed || (status == Some(422) && verb.more != More::Nothing);
            let problem = said.problem.clone().map(Problem::from_value);
            (Some(said), problem, open)
        }
    };
    let holds = match visit.look::<Release>(format!("/releases/{key}")).await {
        Ok(release) => standing(verb, release.holds),
        // The preview is of more worth than what stands beside it.
        Err(_) => Vec::new(),
    };
    let status = sent.as_ref().map_or(StatusCode::OK, |it| it.status);
    let template = Page {
        holds,
        frame: visit.frame("releases"),
        key,
        verb,
        about: about(verb, &of),
        of,
        preview,
        problem,
        open,
        fields: Fields::read(form),
        sent,
    };
    Ok(page(status, &template))
}

/// The page that shows what it would do, and asks.
pub(super) async fn ask(visit: Visit) -> Paged {
    let verb = verb(&visit)?;
    shown(&visit, verb, &visit.query(), None).await
}

/// Does it, and shows the release. What is not done stays in its form, with why.
pub(super) async fn act(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let key = visit.segment("key")?;
    let verb = verb(&visit)?;
    let of = subject(&visit, &form)?;
    let sent = |status, why| {
        Some(Sent {
            status,
            why,
            reason: form.get("reason").unwrap_or_default().to_owned(),
        })
    };
    let call = verb.call(key, &of, &form).ok_or_else(|| nothing(&visit))?;
    if let Some(why) = verb.mistake(&form, true) {
        let sent = sent(StatusCode::BAD_REQUEST, Problem::saying(why));
        return shown(&visit, verb, &form, sent).await;
    }
    let reply = visit.api.call(&visit.who, call).await;
    let back = format!("/releases/{key}");
    if reply.status.is_success() {
        return Ok(go(&format!("{back}?done={}", verb.word)));
    }
    let to_mend = matches!(
        reply.status,
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY
    );
    if to_mend {
        let sent = sent(reply.status, Problem::of(&reply));
        shown(&visit, verb, &form, sent).await
    } else {
        Err(visit.refuse_from(reply, &back))
    }
}
