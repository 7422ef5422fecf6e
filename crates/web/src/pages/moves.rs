//! Moving a card of the board: a release goes on by itself, so a move is the action that makes it go there, or the
//! sentence that says why there is none.

use crate::frame::{Frame, go, page};
use crate::model::Release;
use crate::pages::controls::{Hand, is_over, progress};
use crate::shown::{OPEN, STATUSES, words};
use crate::visit::{Paged, Visit, no};
use actix_web::http::StatusCode;
use askama::Template;

/// Where the columns of the board end.
const LAST: &str = "DEPLOYED";

/// What a move to a column comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The release stands there.
    Here,
    /// This is done, about that.
    Does(&'static str, &'static str),
    /// Nothing brings it there now.
    Not(String),
}

/// A column with what a move to it comes to.
struct Place {
    name: String,
    here: bool,
    /// Where it is done.
    href: Option<String>,
    /// What is done, or why nothing is.
    said: String,
}

#[derive(Template)]
#[template(path = "move.html")]
struct Page {
    frame: Frame,
    release: Release,
    /// Why it does not go where it was put.
    refused: Option<(String, String)>,
    places: Vec<Place>,
}

/// What a release of this phase does at the moment, and what ends that.
fn under_way(phase: &str) -> &'static str {
    match phase {
        "NOT_STARTED" => "It starts at its kickoff time, or when somebody starts it.",
        "KICKOFF" => "Its kickoff is under way and goes on by itself until each task of it is done.",
        "AWAITING_REGRESSION" => "Its kickoff is done; regression has not been started.",
        "REGRESSION" => {
            "A regression cycle is under way; it goes on by itself until the cycle has its verdict."
        }
        "REGRESSION_AWAITING_NEXT_CYCLE" => "It waits for its next regression cycle.",
        "AWAITING_PRE_RELEASE" => "Its cycles are done; pre-release has not been started.",
        "PRE_RELEASE" => "Pre-release is under way and goes on by itself until each task of it is done.",
        "AWAITING_DISTRIBUTION" => "It is ready for the stores; distribution has not been started.",
        "DISTRIBUTION" => "It is deployed once each target is live; its rollouts are moved on its own page.",
        _ => "It is over, and nothing moves it any more.",
    }
}

/// What a move of a release in this phase, shown under `from`, to another column comes to.
fn step(phase: &str, from: &str, to: &str) -> Step {
    if from == to {
        return Step::Here;
    }
    if is_over(phase) {
        return Step::Not(under_way(phase).to_owned());
    }
    let place = |status: &str| STATUSES.iter().position(|it| *it == status);
    match (phase, to) {
        ("NOT_STARTED", "IN_DEVELOPMENT") => Step::Does("start", ""),
        ("AWAITING_REGRESSION", "READY_STAGING" | "IN_STAGING") => Step::Does("trigger", "REGRESSION"),
        ("REGRESSION_AWAITING_NEXT_CYCLE", "IN_STAGING") => Step::Does("cycle", ""),
        ("AWAITING_PRE_RELEASE", "READY_PRODUCTION") => Step::Does("trigger", "PRE_RELEASE"),
        ("AWAITING_DISTRIBUTION", LAST) => Step::Does("trigger", "DISTRIBUTION"),
        (_, "READY_STAGING" | "IN_STAGING") if progress(phase).0 >= 2 => Step::Does("rework", ""),
        _ if place(to) < place(from) => Step::Not(format!(
            "What it has made there exists, and is not taken back. {}",
            under_way(phase)
        )),
        _ => Step::Not(under_way(phase).to_owned()),
    }
}

/// The release, and where it can be moved; asked for one column, straight to what does it.
pub(super) async fn show(visit: Visit) -> Paged {
    let key = visit.segment("key")?.to_owned();
    let query = visit.query();
    let wanted = query.get("to").unwrap_or_default();
    let columns = || OPEN.iter().chain([&LAST]).copied();
    if !wanted.is_empty() && !columns().any(|it| it == wanted) {
        return Err(visit.refuse(no(StatusCode::NOT_FOUND, "the board has no such column")));
    }
    let release: Release = visit.look(format!("/releases/{key}")).await?;
    let hand = Hand {
        key: &release.key,
        role: visit.who.role,
        person: visit.who.person.is_some(),
    };
    let mut refused = None;
    let mut places = Vec::new();
    for status in columns() {
        let name = words(status);
        let (href, said) = match step(&release.phase, &release.status, status) {
            Step::Here => (None, "It is here.".to_owned()),
            Step::Not(why) => (None, why),
            Step::Does(word, of) => match hand.control(word, of) {
                Some(control) => match control.blocked {
                    Some(why) => (None, why),
                    None => (Some(control.href), control.title.to_owned()),
                },
                None => (None, under_way(&release.phase).to_owned()),
            },
        };
        if status == wanted {
            match &href {
                Some(href) => return Ok(go(href)),
                None => refused = Some((name.clone(), said.clone())),
            }
        }
        places.push(Place {
            here: status == release.status,
            name,
            href,
            said,
        });
    }
    let template = Page {
        frame: visit.checked_frame("board").await,
        release,
        refused,
        places,
    };
    Ok(page(StatusCode::OK, &template))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_the_action_that_makes_a_release_go_there() {
        for (phase, from, to, word, of) in [
            ("NOT_STARTED", "PLANNING", "IN_DEVELOPMENT", "start", ""),
            (
                "AWAITING_REGRESSION",
                "IN_REVIEW",
                "IN_STAGING",
                "trigger",
                "REGRESSION",
            ),
            (
                "REGRESSION_AWAITING_NEXT_CYCLE",
                "READY_STAGING",
                "IN_STAGING",
                "cycle",
                "",
            ),
            (
                "AWAITING_PRE_RELEASE",
                "STAGING_VERIFIED",
                "READY_PRODUCTION",
                "trigger",
                "PRE_RELEASE",
            ),
            (
                "AWAITING_DISTRIBUTION",
                "READY_PRODUCTION",
                "DEPLOYED",
                "trigger",
                "DISTRIBUTION",
            ),
            (
                "AWAITING_PRE_RELEASE",
                "STAGING_VERIFIED",
                "IN_STAGING",
                "rework",
                "",
            ),
        ] {
            assert_eq!(step(phase, from, to), Step::Does(word, of), "{phase} to {to}");
        }
    }

    #[test]
    fn nothing_is_skipped_and_nothing_taken_back() {
        for (phase, from, to, why) in [
            ("NOT_STARTED", "PLANNING", "IN_STAGING", "kickoff time"),
            ("KICKOFF", "IN_DEVELOPMENT", "IN_REVIEW", "by itself"),
            ("KICKOFF", "IN_DEVELOPMENT", "PLANNING", "not taken back"),
            (
                "DISTRIBUTION",
                "READY_PRODUCTION",
                "DEPLOYED",
                "each target is live",
            ),
            ("COMPLETED", "DEPLOYED", "IN_STAGING", "over"),
        ] {
            match step(phase, from, to) {
                Step::Not(said) => assert!(said.contains(why), "{phase} to {to}: {said}"),
                other @ (Step::Here | Step::Does(..)) => panic!("{phase} to {to}: {other:?}"),
            }
        }
        assert_eq!(step("KICKOFF", "IN_DEVELOPMENT", "IN_DEVELOPMENT"), Step::Here);
    }
}
