//! The board: releases on their way, in columns by status.

use crate::frame::{Frame, page};
use crate::model::{List, Release};
use crate::shown::OPEN;
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::StatusCode;
use askama::Template;

/// Cards of a column; the rest is one click away in the table.
pub(super) const CARDS: usize = 20;

/// A column.
pub(crate) struct Column {
    pub(crate) status: &'static str,
    pub(crate) releases: Vec<Release>,
    /// There are more than are shown.
    pub(crate) more: bool,
}

#[derive(Template)]
#[template(path = "board.html")]
struct Board {
    frame: Frame,
    columns: Vec<Column>,
    empty: bool,
}

/// Releases of a status.
async fn column(visit: &Visit, status: &'static str, most: usize) -> Result<Column, Stop> {
    let found: List<Release> = visit
        .look(format!("/releases?status={status}&limit={most}"))
        .await?;
    Ok(Column {
        status,
        releases: found.items,
        more: found.next_cursor.is_some(),
    })
}

/// Releases on their way, a column for each status, of so many at most.
pub(super) async fn under_way(visit: &Visit, most: usize) -> Result<Vec<Column>, Stop> {
    let mut columns = Vec::with_capacity(OPEN.len().saturating_add(1));
    for status in OPEN {
        columns.push(column(visit, status, most).await?);
    }
    Ok(columns)
}

/// The board.
pub(super) async fn show(visit: Visit) -> Paged {
    let mut columns = under_way(&visit, CARDS).await?;
    columns.push(column(&visit, "DEPLOYED", 10).await?);
    let template = Board {
        frame: visit.checked_frame("board").await,
        empty: columns.iter().all(|it| it.releases.is_empty()),
        columns,
    };
    Ok(page(StatusCode::OK, &template))
}
