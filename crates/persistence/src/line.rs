//! The line of a service: what stands highest under a mark, by its index.

use crate::aggregates::projection;
use crate::parts::Part as _;
use crate::sql::{Row, all, values};
use delivr_domain::ids::{ServiceId, TenantId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{LineRow, Sought, Standing, line};
use sea_orm::{ConnectionTrait, Value};

const WHAT: &str = "line of a service";

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
    let mut branches = Vec::with_capacity(sought.len());
    for one in sought {
        values.push(Value::from(one.mark.as_str()));
        let mut condition = format!("mark = ${}", values.len());
        if let Some(rank) = &one.rank {
            values.push(Value::from(rank.as_str()));
            condition.push_str(&format!(" and rank = ${}", values.len()));
        }
        branches.push(format!(
            "select * from (select r.number, r.key, l.service_id, l.mark, l.rank, l.value from release_line l
                join releases r on r.id = l.release_id and r.lined = r.version
                where l.service_id = $2 and r.tenant_id = $1 and {condition}
                order by l.rank desc limit 1) best"
        ));
    }
    let text = branches.join(" union all ");
    let rows = all(on, WHAT, &text, values).await?;
    let mut given = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    given.extend(unlined(on, tenant, service).await?);
    Ok(line::highest(given, sought))
}

fn read(row: &Row) -> Result<Standing, StoreError> {
    Ok(Standing {
        number: row.long("number")?,
        key: row.text("key")?,
        row: LineRow::read(row)?,
    })
}

/// Releases that were saved last by a version that kept no places on the line (see the migration): their states say the
/// same.
async fn unlined<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    service: ServiceId,
) -> Result<Vec<Standing>, StoreError> {
    let text = "select number, key, state from releases
        where tenant_id = $1 and parent_id = $2 and (lined is null or lined <> version)";
    let mut given = Vec::new();
    for row in all(on, WHAT, text, values![tenant.uuid(), service.uuid()]).await? {
        let (number, key) = (row.long("number")?, row.text("key")?);
        let Some(derived) = projection(&row.json("state")?) else {
            return Err(row.corrupt("state", "it is no release"));
        };
        given.extend(derived.line.into_iter().map(|row| Standing {
            number,
            key: key.clone(),
            row,
        }));
    }
    Ok(given)
}
