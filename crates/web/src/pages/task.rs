//! The page of a task: every attempt, in the vendor's own words.

use super::controls::{Control, Hand, task_controls};
use super::said;
use crate::frame::{Frame, page};
use crate::model::{Release, Task};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use askama::Template;

#[derive(Template)]
#[template(path = "task.html")]
struct Page {
    frame: Frame,
    release: Release,
    task: Task,
    controls: Vec<Control>,
    /// Whether there was no room for everything that was said.
    withheld: bool,
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    let key = visit.segment("key")?;
    let id = visit.segment("task")?;
    let release: Release = visit.look(format!("/releases/{key}?include=")).await?;
    let mut task: Task = visit.look(format!("/releases/{key}/tasks/{id}")).await?;
    let hand = Hand {
        key: &release.key,
        role: visit.who.role,
        person: visit.who.person.is_some(),
    };
    let template = Page {
        withheld: said::lay_out(&mut task.effects),
        controls: task_controls(&hand, &task),
        frame: visit.checked_frame("releases").await,
        release,
        task,
    };
    Ok(page(StatusCode::OK, &template))
}
