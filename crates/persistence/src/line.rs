//! The line of a service: what stands highest under a mark, by its index.

use crate::aggregates::projection;
use crate::parts::Part as _;
use crate::sql::{Row, all, one, values};
use delivr_domain::ids::{ServiceId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{LineRow, Sought, Standing, line};
use sea_orm::{ConnectionTrait, DbBackend, Value};

const WHAT: &str = "line of a service";

/// Holds the line of a service until the transaction is over: nobody else asks for it meanwhile in order to write. On
/// SQLite whoever writes has it anyway. `aside` is selected too.
pub(crate) async fn hold<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    service: ServiceId,
    aside: &str,
) -> Result<Option<Row>, StoreError> {
    if on.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    // A release that is born refers to its service, which does not wait for this lock.
    let text = format!("select id{aside} from services where tenant_id = $1 and id = $2 for no key update");
    one(on, WHAT, &text, values![tenant.uuid(), service.uuid()]).await
}

/// See the port's `standing`.
pub(crate) async fn standing<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    service: ServiceId,
    sought: &[Sought],
) -> Result<Vec<Standing>, StoreError> {
    if sought.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = values![tenant.uuid(), service.uuid()];
    let no_state = if on.get_database_backend() == DbBackend::Postgres {
        "cast(null as jsonb)"
    } else {
        "null"
    };
    // Releases that were saved last by a version that kept no places on the line (see the migration): their states say the
    // same. They come first, so that every column has its type.
    let mut branches = vec![
        "select number, key, null as service_id, null as mark, null as rank, null as value, state from releases
            where tenant_id = $1 and parent_id = $2 and (lined is null or lined <> version)"
            .to_owned(),
    ];
    for one in sought {
        values.push(Value::from(one.mark.as_str()));
        let mut condition = format!("mark = ${}", values.len());
        if let Some(rank) = &one.rank {
            values.push(Value::from(rank.as_str()));
            condition.push_str(&format!(" and rank = ${}", values.len()));
        }
        branches.push(format!(
            "select * from (select r.number, r.key, l.service_id, l.mark, l.rank, l.value, {no_state} as state
                from release_line l join releases r on r.id = l.release_id and r.lined = r.version
                where l.service_id = $2 and r.tenant_id = $1 and {condition}
                order by l.rank desc limit 1) best"
        ));
    }
    let text = branches.join(" union all ");
    let mut given = Vec::new();
    for row in all(on, WHAT, &text, values).await? {
        let (number, key) = (row.long("number")?, row.text("key")?);
        let Some(state) = row.opt_json("state")? else {
            given.push(Standing {
                number,
                key,
                row: LineRow::read(&row)?,
            });
            continue;
        };
        let Some(derived) = projection(&state) else {
            return Err(row.corrupt("state", "it is no release"));
        };
        given.extend(derived.line.into_iter().map(|row| Standing {
            number,
            key: key.clone(),
            row,
        }));
    }
    Ok(line::highest(given, sought))
}
