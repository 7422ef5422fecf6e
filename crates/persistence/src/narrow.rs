//! What narrows a list of releases, as conditions that an index answers whatever the order.
//!
//! What narrows has an index of its own. Where few releases have it, those few are found first and sorted; where many have
//! it, the index of the order is followed until a page is full. Which of the two is asked of the index, and written so
//! that the databases' planners have no other choice: SQLite would follow the index of the order to its end.

use crate::search;
use crate::sql::{micros, one, values};
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Attention, Due, ReleaseFilter, SortBy};

use delivr_domain::release::view::Status;
use sea_orm::{ConnectionTrait, Value};

const WHAT: &str = "release";
/// Releases that are few: they are sorted.
const FEW: i64 = 500;

/// What narrows a list, as SQL; the tenant is `$1`.
pub(crate) struct Narrowed {
    /// Where its releases are looked for: all of them, or a few that are found first.
    pub(crate) source: String,
    pub(crate) conditions: String,
    /// What is asked of the rows themselves, where the conditions do not name the tenant.
    pub(crate) of_rows: &'static str,
    /// Nothing that is over is of it.
    pub(crate) open: bool,
    pub(crate) values: Vec<Value>,
}

impl Narrowed {
    /// The place of a value.
    fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }
    /// One more condition.
    pub(crate) fn and(&mut self, condition: &str) {
        self.conditions.push_str(" and ");
        self.conditions.push_str(condition);
    }
}

/// A condition that has an index of its own; `?` stands for its value.
struct Rare {
    condition: String,
    value: Option<Value>,
    /// Its value is of one tenant, and its index does not begin with the tenant.
    alone: bool,
}

impl Rare {
    fn of(condition: &str, value: Value) -> Self {
        Self {
            condition: condition.to_owned(),
            value: Some(value),
            alone: false,
        }
    }
}

/// How many releases each fits, counted until they are more than [`FEW`]; in one question.
async fn counted<C: ConnectionTrait>(on: &C, tenant: TenantId, all: &[Rare]) -> Result<Vec<i64>, StoreError> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = values![tenant.uuid()];
    let mut counts = Vec::with_capacity(all.len());
    // Only where it is used: PostgreSQL must find out what kind of value it is.
    let named = all.iter().any(|rare| !rare.alone);
    if !named {
        values.clear();
    }
    for (at, rare) in all.iter().enumerate() {
        let mut condition = rare.condition.clone();
        if let Some(value) = &rare.value {
            values.push(value.clone());
            condition = condition.replace('?', &format!("${}", values.len()));
        }
        if !rare.alone {
            condition = format!("tenant_id = $1 and {condition}");
        }
        let most = FEW + 1;
        counts.push(format!(
            "(select count(*) from (select number from releases where {condition} limit {most}) it) as n{at}"
        ));
    }
    let text = format!("select {}", counts.join(", "));
    let Some(row) = one(on, WHAT, &text, values).await? else {
        return Err(StoreError::Conflict);
    };
    (0..all.len()).map(|at| row.long(&format!("n{at}"))).collect()
}

/// What of a filter has an index of its own, beside that of the order.
fn rare(filter: &ReleaseFilter) -> Vec<Rare> {
    let mut all = Vec::new();
    if let Some(pilot) = &filter.pilot {
        all.push(Rare::of(
            "pilot = ? and pilot is not null",
            Value::from(pilot.as_str()),
        ));
    }
    let needed = !filter.attention.is_empty() && !filter.attention.contains(&Attention::Nobody);
    if needed && filter.open {
        all.push(Rare {
            condition: format!("{} and attention > 0 and not terminal", among(&filter.attention)),
            value: None,
            alone: false,
        });
    }
    // The order of target dates has them beside each other.
    if let Some((due, now)) = filter.due.filter(|_| filter.sort.by != SortBy::Target) {
        all.push(Rare::of(&dated(due, "?"), Value::from(micros(now))));
    }
    // In the order of keys a status, a phase and a service have indexes in that order: nothing is to be found first.
    if matches!(filter.sort.by, SortBy::Key | SortBy::Status) {
        return all;
    }
    if let Some(status) = &filter.status {
        all.push(Rare::of("status = ?", Value::from(status.as_str())));
    }
    if let Some(phase) = &filter.phase {
        all.push(Rare::of("phase = ?", Value::from(phase.as_str())));
    }
    if let Some(service) = filter.service {
        all.push(Rare {
            alone: true,
            ..Rare::of("parent_id = ?", Value::from(service.uuid()))
        });
    }
    all
}

/// Numbers and not values: which index has them must be known to a plan that is kept.
fn among(attention: &[Attention]) -> String {
    let ranks: Vec<String> = attention.iter().map(|it| it.rank().to_string()).collect();
    match ranks.as_slice() {
        [one] => format!("attention = {one}"),
        _ => format!("attention in ({})", ranks.join(", ")),
    }
}

/// What is on its way to users, with a target date before an instant or from it on. Written for the index of target dates.
fn dated(due: Due, now: &str) -> String {
    let than = match due {
        Due::Late => "<",
        Due::Upcoming => ">=",
    };
    let over: Vec<String> = Status::ALL
        .iter()
        .filter(|status| status.over())
        .map(|status| format!("'{status}'"))
        .collect();
    format!(
        "terminal = false and target_date {than} {now} and status not in ({})",
        over.join(", ")
    )
}

/// Columns that lists are sorted and narrowed by, and those that a search needs.
const LISTED: &str =
    "id, tenant_id, number, status, phase, parent_id, terminal, attention, pilot, kickoff_at, target_date,
    changed_at, service_slug, turn, version, worded, search";

/// The conditions of a list; none when nothing can fit.
pub(crate) async fn narrow<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    filter: &ReleaseFilter,
) -> Result<Option<Narrowed>, StoreError> {
    let all = narrow_each(on, tenant, std::slice::from_ref(filter)).await?;
    Ok(all.into_iter().next().flatten())
}

/// The same of several lists, with one question for what is rare in all of them.
pub(crate) async fn narrow_each<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    filters: &[ReleaseFilter],
) -> Result<Vec<Option<Narrowed>>, StoreError> {
    let rares: Vec<Vec<Rare>> = filters.iter().map(rare).collect();
    let lengths: Vec<usize> = rares.iter().map(Vec::len).collect();
    let rares: Vec<Rare> = rares.into_iter().flatten().collect();
    let counts = counted(on, tenant, &rares).await?;
    let mut found = rares.into_iter().zip(counts);
    let mut narrowed = Vec::with_capacity(filters.len());
    for (filter, length) in filters.iter().zip(lengths) {
        let rarest = found.by_ref().take(length).min_by_key(|(_, count)| *count);
        narrowed.push(match rarest {
            Some((_, 0)) => None,
            Some((rare, count)) if count <= FEW => narrow_to(on, tenant, filter, Some(rare)).await?,
            Some(_) | None => narrow_to(on, tenant, filter, None).await?,
        });
    }
    Ok(narrowed)
}

/// The conditions of a list whose releases are found first by what is rare, if that is.
async fn narrow_to<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    filter: &ReleaseFilter,
    rare: Option<Rare>,
) -> Result<Option<Narrowed>, StoreError> {
    let by_key = matches!(filter.sort.by, SortBy::Key | SortBy::Status);
    // Of a status on the way to users nothing is over.
    let under_way = |word: &String| word.parse::<Status>().is_ok_and(|status| !status.over());
    let mut it = Narrowed {
        source: "releases".to_owned(),
        conditions: String::from("tenant_id = $1"),
        of_rows: "",
        open: filter.open || filter.due.is_some() || filter.status.as_ref().is_some_and(under_way),
        values: values![tenant.uuid()],
    };
    let found_first = rare.is_some();
    if let Some(rare) = rare {
        let mut condition = rare.condition;
        if let Some(value) = rare.value {
            condition = condition.replace('?', &it.place(value));
        }
        if !rare.alone {
            condition = format!("tenant_id = $1 and {condition}");
        }
        let most = 2 * FEW;
        it.source = format!("(select {LISTED} from releases where {condition} limit {most}) releases");
    }
    // By the index of a column where that is in the order of the list, or else so that it is not used.
    let indexed = by_key && !found_first;
    if let Some(service) = filter.service {
        let place = it.place(Value::from(service.uuid()));
        if indexed {
            // Whether the service is the tenant's is asked of the rows.
            it.conditions = format!("parent_id = {place}");
            it.of_rows = " and releases.parent_id = $2";
        } else {
            it.and(&format!("coalesce(parent_id, tenant_id) = {place}"));
        }
    }
    for (column, value) in [("status", &filter.status), ("phase", &filter.phase)] {
        if let Some(word) = value {
            let place = it.place(Value::from(word.as_str()));
            it.and(&if indexed {
                format!("{column} = {place}")
            } else {
                format!("coalesce({column}, '') = {place}")
            });
        }
    }
    if let Some(pilot) = &filter.pilot {
        let place = it.place(Value::from(pilot.as_str()));
        // The index of pilots has their releases in the order of turns.
        it.and(&if filter.sort.by == SortBy::Priority && !found_first {
            format!("pilot = {place} and pilot is not null")
        } else {
            format!("coalesce(pilot, '') = {place}")
        });
    }
    if filter.open {
        it.and("not terminal");
    }
    if let Some((due, now)) = filter.due {
        let place = it.place(Value::from(micros(now)));
        it.and(&dated(due, &place));
    }
    if !filter.attention.is_empty() {
        it.and(&among(&filter.attention));
    }
    if let Some(wanted) = &filter.text
        && !search::narrow(on, tenant, wanted, &mut it.values, &mut it.conditions).await?
    {
        return Ok(None);
    }
    Ok(Some(it))
}
