//! Lists of releases, narrowed and in any order: a page takes no longer the more is stored.
//!
//! A list is read in one or more parts: those with a value in its order, by the index of that order, and then those
//! without one. By status there is a part for each status, in the order in which releases pass through them. What narrows
//! a list has an index of its own where few have it, and then those few are sorted; where many have it, the index of the
//! order is followed until a page is full. Which of the two is asked of the index, and written so that the databases'
//! planners have no other choice.

use crate::aggregates::{READ, aside, projection, read};
use crate::connect::{Dialect, SqlStore};
use crate::search;
use crate::sql::{Row, all, one, opt_micros, run, values};
use delivr_domain::ids::TenantId;
use delivr_domain::key::AggregateKind;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::listing::Place;
use delivr_domain::ports::store::{
    After, AggregateRow, Attention, Listed, Page, ReleaseFilter, Sort, SortBy,
};
use delivr_domain::release::view::Status;
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

const WHAT: &str = "release";
/// Most releases of one page, so that a page stays one statement of reasonable size.
const MOST: u16 = 200;
/// Releases that are few: they are sorted.
const FEW: i64 = 1_000;
/// Releases that are listed anew in one transaction.
const AT_ONCE: i64 = 100;

/// What narrows a list, as SQL; the tenant is `$1`.
struct Narrowed {
    conditions: String,
    /// What is asked of the rows themselves, where the conditions do not name the tenant.
    of_rows: String,
    values: Vec<Value>,
}

impl Narrowed {
    fn add(&mut self, condition: &str, value: Value) {
        self.values.push(value);
        let place = format!("${}", self.values.len());
        self.conditions.push_str(" and ");
        self.conditions.push_str(&condition.replace('?', &place));
    }
}

/// Whether at most [`FEW`] releases fit a condition that has an index of its own.
async fn few<C: ConnectionTrait>(on: &C, condition: &str, values: Vec<Value>) -> Result<bool, StoreError> {
    let text = format!("select number from releases where {condition} limit 1 offset {FEW}");
    Ok(one(on, WHAT, &text, values).await?.is_none())
}

/// The conditions of a list; none when nothing can fit.
async fn narrow<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    filter: &ReleaseFilter,
) -> Result<Option<Narrowed>, StoreError> {
    let by_key = filter.sort.by == SortBy::Key;
    let of = |value: Value| vec![Value::from(tenant.uuid()), value];
    let mut it = Narrowed {
        conditions: String::from("tenant_id = $1"),
        of_rows: String::new(),
        values: values![tenant.uuid()],
    };
    if let Some(service) = filter.service {
        let value = Value::from(service.uuid());
        if by_key || few(on, "parent_id = $1", vec![value.clone()]).await? {
            // A service's list has an index of its own; whether the service is the tenant's is asked of the rows.
            it.values.push(value);
            it.conditions = String::from("parent_id = $2");
            it.of_rows = String::from(" and parent_id = $2");
        } else {
            it.add("coalesce(parent_id, tenant_id) = ?", value);
        }
    }
    if let Some(status) = &filter.status {
        let value = Value::from(status.as_str());
        let indexed = by_key
            || filter.sort.by == SortBy::Status
            || few(on, "tenant_id = $1 and status = $2", of(value.clone())).await?;
        let condition = if indexed {
            "status = ?"
        } else {
            "coalesce(status, '') = ?"
        };
        it.add(condition, value);
    }
    if let Some(phase) = &filter.phase {
        it.add("phase = ?", Value::from(phase.as_str()));
    }
    if let Some(pilot) = &filter.pilot {
        let value = Value::from(pilot.as_str());
        // The index of pilots has their releases in the order of turns.
        let indexed = filter.sort.by == SortBy::Priority
            || few(
                on,
                "tenant_id = $1 and pilot = $2 and pilot is not null",
                of(value.clone()),
            )
            .await?;
        let condition = if indexed {
            "pilot = ? and pilot is not null"
        } else {
            "coalesce(pilot, '') = ?"
        };
        it.add(condition, value);
    }
    if filter.open {
        it.conditions.push_str(" and not terminal");
    }
    // Numbers and not values: which index has them must be known to a plan that is kept.
    let ranks: Vec<String> = filter.attention.iter().map(|it| it.rank().to_string()).collect();
    match (filter.attention.as_slice(), filter.open) {
        ([], _) => {}
        ([one @ (Attention::Waiting | Attention::Stopped)], true) => {
            it.conditions
                .push_str(&format!(" and attention = {} and attention > 0", one.rank()));
        }
        (_, _) => it
            .conditions
            .push_str(&format!(" and attention in ({})", ranks.join(", "))),
    }
    if let Some(wanted) = &filter.text
        && !search::narrow(on, tenant, wanted, &mut it.values, &mut it.conditions).await?
    {
        return Ok(None);
    }
    Ok(Some(it))
}

/// A stretch of a list.
struct Part {
    /// What its releases have.
    condition: String,
    /// The column it is sorted by before the number.
    column: Option<&'static str>,
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
        }],
        SortBy::Status => {
            let mut parts: Vec<Part> = Status::ALL
                .iter()
                .map(|status| Part {
                    condition: format!(" and status = '{status}'"),
                    column: None,
                })
                .collect();
            if sort.descending {
                parts.reverse();
            }
            let known: Vec<String> = Status::ALL.iter().map(|it| format!("'{it}'")).collect();
            parts.push(Part {
                condition: format!(" and status not in ({})", known.join(", ")),
                column: None,
            });
            parts
        }
        SortBy::Service | SortBy::Kickoff | SortBy::Target | SortBy::Changed | SortBy::Priority => {
            let column = column(sort.by);
            vec![
                Part {
                    condition: format!(" and {column} is not null"),
                    column: Some(column),
                },
                Part {
                    condition: format!(" and {column} is null"),
                    column: None,
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
    let parts = parts(filter.sort);
    let first = begins(after.as_ref(), filter.sort, parts.len());
    let mut rows = Vec::new();
    for (at, part) in parts.iter().enumerate().skip(first) {
        let after = after.as_ref().filter(|_after| at == first);
        rows.extend(part_of(on, &narrowed, part, filter.sort, after, wanted - rows.len()).await?);
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
    sort: Sort,
    after: Option<&After>,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
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
    let text = format!(
        "select {READ}{aside} from releases where tenant_id = $1
            and number in (select number from releases where {conditions} order by {order} limit {limit}){of_rows}
        order by {order}",
        aside = aside(AggregateKind::Release),
        of_rows = narrowed.of_rows,
    );
    all(on, WHAT, &text, values).await
}

/// How many there are, counted up to `most`.
pub(crate) async fn count<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    filter: &ReleaseFilter,
    most: u32,
) -> Result<u32, StoreError> {
    let Some(mut it) = narrow(on, tenant, filter).await? else {
        return Ok(0);
    };
    if !it.of_rows.is_empty() {
        it.conditions.push_str(" and tenant_id = $1");
    }
    let text = format!(
        "select count(*) as found from (select number from releases where {} limit {most}) some_of_them",
        it.conditions
    );
    let Some(row) = one(on, WHAT, &text, it.values).await? else {
        return Err(StoreError::Conflict);
    };
    row.number("found")
}

/// Releases whose columns of lists are still to be written: see the migration.
const UNLISTED: &str = "(listed is null or listed <> version)";

/// Whether the tenant has any of them.
pub(crate) async fn unlisted<C: ConnectionTrait>(on: &C, tenant: TenantId) -> Result<bool, StoreError> {
    let text =
        format!("select number from releases where tenant_id = $1 and {UNLISTED} order by number limit 1");
    Ok(one(on, WHAT, &text, values![tenant.uuid()]).await?.is_some())
}

impl SqlStore {
    /// Writes what releases are listed by that a version of the program without it has saved last. Any number of processes
    /// may do so at once, and each may end at any time.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; what is written by then stays written.
    pub async fn list_releases(&self) -> Result<u64, StoreError> {
        let mut done: u64 = 0;
        let mut last = (Uuid::nil(), 0);
        loop {
            let text = format!(
                "select tenant_id, number from releases
                where {UNLISTED} and (tenant_id, number) > ($1, $2)
                order by tenant_id, number limit $3"
            );
            let page = all(&self.inner.read, WHAT, &text, values![last.0, last.1, AT_ONCE]).await?;
            let Some(end) = page.last() else {
                return Ok(done);
            };
            let end = (end.uuid("tenant_id")?, end.long("number")?);
            done = done.saturating_add(self.list_some(last, end).await?);
            last = end;
        }
    }

    /// Those after the first, up to the last.
    async fn list_some(&self, after: (Uuid, i64), end: (Uuid, i64)) -> Result<u64, StoreError> {
        let unit = self.transaction().await?;
        // What somebody is working on is left to him: he writes it himself.
        let lock = match self.inner.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for no key update skip locked",
        };
        let text = format!(
            "select id, version, state from releases
            where {UNLISTED}
                and (tenant_id, number) > ($1, $2) and (tenant_id, number) <= ($3, $4){lock}"
        );
        let rows = all(&*unit, WHAT, &text, values![after.0, after.1, end.0, end.1]).await?;
        for row in &rows {
            // A state that this build cannot read is listed by what its columns say: it stands at the end of every sort
            // that they do not know, and is somebody's to look at.
            let listing = projection(&row.json("state")?).map(|it| it.listing);
            let text = "update releases set listed = version, service_slug = $2, pilot = $3, attention = $4,
                    changed_at = $5, turn = $6 where id = $1";
            let attention = listing.as_ref().map_or(Attention::Stopped, |it| it.attention);
            let values = values![
                row.uuid("id")?,
                listing.as_ref().map(|it| it.service.clone()),
                listing.as_ref().and_then(|it| it.pilot.clone()),
                attention.rank(),
                listing.as_ref().and_then(|it| opt_micros(it.changed_at)),
                listing.as_ref().and_then(|it| it.turn),
            ];
            run(&*unit, WHAT, text, values).await?;
        }
        unit.commit().await?;
        Ok(u64::try_from(rows.len()).unwrap_or_default())
    }
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
