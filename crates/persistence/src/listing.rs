//! Lists of releases, narrowed and in any order: a page takes no longer the more is stored.
//!
//! A list is read in one or more parts: those with a value in its order, by the index of that order, and then those
//! without one. By status there is a part for each status, in the order in which releases pass through them. What narrows
//! a list is said by `narrow`.

use crate::aggregates::{READ, aside, read};
use crate::narrow::{Narrowed, narrow, narrow_each};
use crate::sql::{Row, all, one, shifted};
use delivr_domain::ids::TenantId;
use delivr_domain::key::AggregateKind;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::listing::Place;
use delivr_domain::ports::store::{After, AggregateRow, Listed, Page, ReleaseFilter, Sort, SortBy};
use delivr_domain::release::view::Status;
use sea_orm::{ConnectionTrait, Value};

const WHAT: &str = "release";
/// Most releases of one page, so that a page stays one statement of reasonable size.
const MOST: u16 = 200;

/// A stretch of a list.
struct Part {
    /// What its releases have.
    condition: String,
    /// The column it is sorted by before the number.
    column: Option<&'static str>,
    /// Its index holds what is over apart from what is not.
    apart: bool,
}

const fn column(by: SortBy) -> &'static str {
    match by {
        SortBy::Key => "number",
        SortBy::Service => "service_slug",
        SortBy::Status => "status",
        SortBy::Kickoff => "kickoff_at",
        SortBy::Target => "target_date",
        SortBy::Changed => "changed_at",
        SortBy::Priority => "turn",
    }
}

/// The stretches of a list, in its order.
fn parts(sort: Sort) -> Vec<Part> {
    match sort.by {
        SortBy::Key => vec![Part {
            condition: String::new(),
            column: None,
            apart: false,
        }],
        SortBy::Status => {
            let mut parts: Vec<Part> = Status::ALL
                .iter()
                .map(|status| Part {
                    condition: format!(" and status = '{status}'"),
                    column: None,
                    apart: false,
                })
                .collect();
            if sort.descending {
                parts.reverse();
            }
            let known: Vec<String> = Status::ALL.iter().map(|it| format!("'{it}'")).collect();
            parts.push(Part {
                condition: format!(" and status not in ({})", known.join(", ")),
                column: None,
                apart: false,
            });
            parts
        }
        SortBy::Service | SortBy::Kickoff | SortBy::Target | SortBy::Changed | SortBy::Priority => {
            let column = column(sort.by);
            vec![
                Part {
                    condition: format!(" and {column} is not null"),
                    column: Some(column),
                    apart: true,
                },
                Part {
                    condition: format!(" and {column} is null"),
                    column: None,
                    apart: true,
                },
            ]
        }
    }
}

/// In which part a page goes on.
fn begins(after: Option<&After>, sort: Sort, parts: usize) -> usize {
    let Some(after) = after else { return 0 };
    match (sort.by, &after.place) {
        (SortBy::Key, _) => 0,
        (SortBy::Status, Some(Place::Number(rank))) => {
            let last = parts.saturating_sub(2);
            let rank = usize::try_from(*rank).unwrap_or(usize::MAX).min(last);
            if sort.descending { last - rank } else { rank }
        }
        (_, Some(_)) => 0,
        (_, None) => parts.saturating_sub(1),
    }
}

/// Releases of a tenant, in the order of the filter.
pub(crate) async fn list<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    filter: &ReleaseFilter,
    page: &Page,
) -> Result<Listed<AggregateRow>, StoreError> {
    let nothing = Listed {
        items: Vec::new(),
        next: None,
    };
    let after = match &page.cursor {
        None => None,
        Some(cursor) => match After::read(cursor, filter) {
            Some(after) => Some(after),
            // A text that no page gave out names nothing, and nothing comes after it.
            None => return Ok(nothing),
        },
    };
    let Some(narrowed) = narrow(on, tenant, filter).await? else {
        return Ok(nothing);
    };
    let limit = page.limit.clamp(1, MOST);
    let wanted = usize::from(limit) + 1;
    let mut parts = parts(filter.sort);
    if filter.due.is_some() && filter.sort.by == SortBy::Target {
        // Nothing without a target date is of it, and a database would look through all of that.
        parts.truncate(1);
    }
    let first = begins(after.as_ref(), filter.sort, parts.len());
    let mut rows = Vec::new();
    for (at, part) in parts.iter().enumerate().skip(first) {
        let after = after.as_ref().filter(|_after| at == first);
        let limit = wanted.saturating_sub(rows.len());
        rows.extend(part_of(on, &narrowed, part, filter, after, limit).await?);
        if rows.len() >= wanted {
            break;
        }
    }
    let more = rows.len() == wanted;
    let items: Result<Vec<AggregateRow>, StoreError> = rows
        .iter()
        .take(usize::from(limit))
        .map(|row| read(row, AggregateKind::Release))
        .collect();
    let items = items?;
    let next = items
        .last()
        .filter(|_last| more)
        .map(|last| After::of(&last.projection, filter.sort).cursor(filter));
    Ok(Listed { items, next })
}

async fn part_of<C: ConnectionTrait>(
    on: &C,
    narrowed: &Narrowed,
    part: &Part,
    filter: &ReleaseFilter,
    after: Option<&After>,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let sort = filter.sort;
    let mut values = narrowed.values.clone();
    let mut conditions = format!("{}{}", narrowed.conditions, part.condition);
    let (than, way) = if sort.descending {
        ("<", "desc")
    } else {
        (">", "asc")
    };
    if let Some(after) = after {
        values.push(Value::from(after.number));
        let number = values.len();
        match (part.column, &after.place) {
            (Some(column), Some(place)) => {
                values.push(match place {
                    Place::Number(number) => Value::from(*number),
                    Place::Text(text) => Value::from(text.as_str()),
                });
                // The first of the two bounds the index in both databases, the second one is exact.
                conditions.push_str(&format!(
                    " and {column} {than}= ${value} and ({column}, number) {than} (${value}, ${number})",
                    value = values.len()
                ));
            }
            (_, _) => conditions.push_str(&format!(" and number {than} ${number}")),
        }
    }
    let order = match part.column {
        Some(column) => format!("{column} {way}, number {way}"),
        None => format!("number {way}"),
    };
    // The limit is said and not given as a value: how much is read follows from it, and a plan that is kept must know it.
    // What fits is found in an index alone; states are read for this page only.
    let columns = part
        .column
        .map_or_else(|| "number".to_owned(), |column| format!("number, {column}"));
    let page = |over: &str| {
        format!(
            "select {columns} from {source} where {conditions}{over} order by {order} limit {limit}",
            source = narrowed.source
        )
    };
    let found = if part.apart && narrowed.open {
        format!("select number from ({}) of_them", page(" and terminal = false"))
    } else if part.apart {
        // As many of either kind, and of those the first.
        let (going, over) = (page(" and terminal = false"), page(" and terminal = true"));
        format!(
            "select number from (select * from ({going}) going union all select * from ({over}) over_) of_both
                order by {order} limit {limit}"
        )
    } else {
        format!("select number from ({}) of_them", page(""))
    };
    let text = format!(
        "select {READ}{aside} from releases where tenant_id = $1 and number in ({found}){of_rows}
        order by {order}",
        aside = aside(AggregateKind::Release),
        of_rows = narrowed.of_rows,
    );
    all(on, WHAT, &text, values).await
}

/// How many there are of each of some lists, counted up to `most`; in one question beside what [`narrow_each`] asks.
pub(crate) async fn count<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    lists: &[ReleaseFilter],
    most: u32,
) -> Result<Vec<u32>, StoreError> {
    let all = narrow_each(on, tenant, lists).await?;
    let mut values = Vec::new();
    let mut columns = Vec::with_capacity(all.len());
    for (at, it) in all.into_iter().enumerate() {
        let Some(mut it) = it else {
            columns.push(format!("cast(0 as bigint) as n{at}"));
            continue;
        };
        if !it.of_rows.is_empty() {
            it.and("tenant_id = $1");
        }
        let text = format!(
            "(select count(*) from (select number from {} where {} limit {most}) some_of_them) as n{at}",
            it.source, it.conditions
        );
        columns.push(shifted(&text, values.len()));
        values.extend(it.values);
    }
    if values.is_empty() {
        return Ok(vec![0; columns.len()]);
    }
    let text = format!("select {}", columns.join(", "));
    let Some(row) = one(on, WHAT, &text, values).await? else {
        return Err(StoreError::Conflict);
    };
    (0..columns.len())
        .map(|at| row.number(&format!("n{at}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_domain::ports::store::listing::rank_of;

    #[test]
    fn a_page_by_status_goes_on_in_its_own_part() {
        let sort = |descending| Sort {
            by: SortBy::Status,
            descending,
        };
        let after = |status: &str| After {
            place: rank_of(status).map(|rank| Place::Number(i64::try_from(rank).unwrap())),
            number: 1,
        };
        for descending in [false, true] {
            let parts = parts(sort(descending));
            for status in Status::ALL {
                let at = begins(Some(&after(status.word())), sort(descending), parts.len());
                assert_eq!(parts[at].condition, format!(" and status = '{status}'"));
            }
            let unknown = begins(Some(&after("NEW_WORD")), sort(descending), parts.len());
            assert_eq!(unknown, parts.len() - 1);
        }
        let wild = After {
            place: Some(Place::Number(i64::MAX)),
            number: 1,
        };
        assert!(begins(Some(&wild), sort(true), 11) < 11);
    }
}
