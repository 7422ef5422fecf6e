//! Releases: read as state, moved by commands, their gates' facts refreshed before a person passes them.

use super::integrations::by_key;
use super::limit::within;
use super::plan::Refusal;
use crate::App;
use crate::connections::ConnectError;
use crate::run_effect::read_fact;
use crate::stored::show_state;
use delivr_domain::aggregate::Aggregate;
use delivr_domain::effect::{Effect, FactKind, Reference};
use delivr_domain::ids::{ReleaseId, TenantId};
use delivr_domain::key::{AggregateId, AggregateKind, TaskKey, TaskKind};
use delivr_domain::names::RefName;
use delivr_domain::plan::GatedStage;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind, StoreError};
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::store::{AggregateRow, Fact};
use delivr_domain::release::{Release, gate, settle};
use std::time::Duration;

/// How long a person waits for a gate's facts.
pub const FACT_LIMIT: Duration = Duration::from_secs(5);

/// The release a text names: its UUID, `rel_` and its UUID, or its key (`REL-42`). Whether there is one, `find` says.
///
/// # Errors
/// When the store fails.
pub async fn named(app: &App, tenant: TenantId, text: &str) -> Result<Option<AggregateId>, StoreError> {
    if let Ok(id) = text.parse::<ReleaseId>() {
        return Ok(Some(AggregateId {
            kind: AggregateKind::Release,
            id: id.uuid(),
        }));
    }
    match text.strip_prefix("REL-").map(str::parse::<u32>) {
        Some(Ok(_)) => by_key(app, tenant, text).await,
        Some(Err(_)) | None => Ok(None),
    }
}

/// A release of the tenant with its row.
///
/// # Errors
/// When the store fails or the stored state is not one.
pub async fn find(
    app: &App,
    tenant: TenantId,
    id: AggregateId,
) -> Result<Option<(AggregateRow, Box<Release>)>, StoreError> {
    let Some(row) = app.store.look(tenant, id).await? else {
        return Ok(None);
    };
    match show_state(&row)? {
        Aggregate::Release(release) => Ok(Some((row, release))),
        Aggregate::Submission(_) | Aggregate::Rollout(_) => Ok(None),
    }
}

/// Reads the facts a gate needs from their vendors, outside any transaction, and keeps what could be read. What could
/// not be read grows old, and the gate says so.
///
/// # Errors
/// When the store fails.
pub async fn refresh_facts(
    app: &App,
    tenant: TenantId,
    release: &Release,
    stage: GatedStage,
) -> Result<(), StoreError> {
    let probes = gate::facts_needed(release, stage)
        .into_iter()
        .filter_map(|fact| settle::probe(release, fact));
    let reads = probes.map(|probe| read(app, tenant, probe));
    let facts: Vec<(FactKind, Fact)> = futures_util::future::join_all(reads)
        .await
        .into_iter()
        .flatten()
        .collect();
    if facts.is_empty() {
        return Ok(());
    }
    let mut unit = app.store.begin().await?;
    for (kind, fact) in &facts {
        unit.put_fact(release.aggregate_id(), *kind, fact).await?;
    }
    unit.commit().await
}

async fn read(app: &App, tenant: TenantId, probe: Effect) -> Option<(FactKind, Fact)> {
    let Effect::Probe {
        integration,
        fact,
        subject,
        ..
    } = probe
    else {
        return None;
    };
    let connection = app
        .connections
        .open(app.store.as_ref(), &app.registry, &app.vault, tenant, integration)
        .await;
    let reading = async {
        match connection {
            Ok(connection) => read_fact(&connection, fact, &subject)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    match within(app.clock.as_ref(), FACT_LIMIT, reading).await {
        Some(Ok(value)) => {
            let observed_at = app.clock.now();
            Some((fact, Fact { value, observed_at }))
        }
        Some(Err(error)) => {
            tracing::info!(%fact, error, "a gate's fact could not be read");
            None
        }
        None => {
            tracing::info!(%fact, "a gate's fact could not be read within 5 s");
            None
        }
    }
}

/// Why what a person made is not taken for a task's result.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// It is not there, or not what the task must make.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The vendor could not be asked.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// Looks up at the vendor what a person says to have made, where later steps name it: branches and tags.
///
/// # Errors
/// See [`ByHandError`].
pub async fn check_by_hand(
    app: &App,
    tenant: TenantId,
    release: &Release,
    task: &TaskKey,
    reference: &Reference,
) -> Result<(), ByHandError> {
    let expected = if task.kind == TaskKind::ForkBranch {
        None
    } else if task.kind == TaskKind::CreateRcTag {
        let cycle = release.cycles.iter().find(|it| Some(it.number) == task.cycle);
        cycle.and_then(|it| it.sha.clone())
    } else if task.kind == TaskKind::CreateReleaseTag {
        release.judged_cycle().and_then(|cycle| cycle.sha.clone())
    } else {
        // Nothing later names it.
        return Ok(());
    };
    let refused = |sentence: String| Refusal::new("reference_unsuitable", "/reference/id", sentence);
    let name: RefName = reference
        .id
        .parse()
        .map_err(|error: delivr_domain::names::NameError| refused(error.to_string()))?;
    let connection = app
        .connections
        .open(
            app.store.as_ref(),
            &app.registry,
            &app.vault,
            tenant,
            release.plan().scm.integration,
        )
        .await?;
    let Connection::Scm(scm) = connection else {
        return Err(refused("the release's integration is no source control".to_owned()).into());
    };
    let unavailable = || {
        let sentence = "the source-control host did not answer within 5 s; try again";
        ConnectError::Provider(ProviderError::new(
            "delivr",
            "look up",
            ProviderErrorKind::Unavailable,
            sentence,
        ))
    };
    let head = within(app.clock.as_ref(), FACT_LIMIT, scm.resolve(&name))
        .await
        .ok_or_else(unavailable)?
        .map_err(ConnectError::Provider)?
        .ok_or_else(|| refused(format!("`{name}` does not exist in the repository")))?;
    match expected {
        Some(sha) if sha != head => Err(refused(format!(
            "`{name}` names {}, but the release needs {}",
            head.brief(),
            sha.brief()
        ))
        .into()),
        Some(_) | None => Ok(()),
    }
}
