//! Test runs outside a release's steps: a person resets one.

use super::integrations::by_key;
use super::limit::within;
use super::releases;
use crate::App;
use crate::connections::ConnectError;
use delivr_domain::effect::TestingWrite;
use delivr_domain::ids::TenantId;
use delivr_domain::key::{EffectKey, Generation, TargetKey, TaskKey, TaskKind};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind, StoreError};
use delivr_domain::ports::provider::{Connection, Port};
use delivr_domain::ports::vendor::{Lookup, Testing};
use delivr_domain::release::Release;
use std::time::Duration;

/// How long a person waits for the reset.
pub const RESET_LIMIT: Duration = Duration::from_secs(30);

/// Why a test run is not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// No live release of the tenant has the run.
    #[error("no live release has this test run")]
    Missing,
    /// Its results are being counted.
    #[error(
        "{release} counts the results of this test run in regression cycle {cycle}; abandon the cycle, or wait for its end"
    )]
    InUse {
        /// Key of the release.
        release: String,
        /// Number of the cycle.
        cycle: u16,
    },
    /// The vendor did not answer in time: whether it is reset shows in the run, as long as nobody tests on in it.
    #[error(
        "the vendor did not answer within {} s, and may have reset the run all the same; look at it there before you ask \
         again, since a second reset would take results that came in meanwhile",
        RESET_LIMIT.as_secs()
    )]
    Slow,
    /// The vendor cannot be asked, or refuses.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl From<StoreError> for ResetError {
    fn from(error: StoreError) -> Self {
        Self::Connect(error.into())
    }
}

impl From<ProviderError> for ResetError {
    fn from(error: ProviderError) -> Self {
        Self::Connect(ConnectError::Provider(error))
    }
}

/// Resets the results of a test run that a live release of the tenant has, unless they are being counted. Recognised by
/// its state at the vendor: a repetition finds it done as long as nobody has tested on. The answer says whether it was
/// done by this call, and for which release.
///
/// # Errors
/// See [`ResetError`].
pub async fn reset(app: &App, tenant: TenantId, run: &str) -> Result<(bool, String), ResetError> {
    let (release, target) = owner(app, tenant, run).await?.ok_or(ResetError::Missing)?;
    if let Some(cycle) = release.active_cycle() {
        return Err(ResetError::InUse {
            release: release.key(),
            cycle: cycle.number,
        });
    }
    let integration = release
        .plan()
        .testing
        .as_ref()
        .ok_or(ResetError::Missing)?
        .integration;
    let connection = app
        .connections
        .open(app.store.as_ref(), &app.registry, &app.vault, tenant, integration)
        .await?;
    let Connection::Testing(testing) = connection else {
        return Err(ResetError::Missing);
    };
    let key = EffectKey {
        install: app.store.install().await?,
        owner: release.aggregate_id(),
        task: TaskKey::once(TaskKind::ResetTestSuite).target(target),
        generation: Generation::default(),
        step: 0,
    };
    let done = within(app.clock.as_ref(), RESET_LIMIT, once(testing.as_ref(), &key, run)).await;
    let done = done.ok_or(ResetError::Slow)??;
    Ok((done, release.key()))
}

/// Looks, and acts where that is needed.
async fn once(testing: &dyn Testing, key: &EffectKey, run: &str) -> Result<bool, ProviderError> {
    let write = TestingWrite::ResetRun { run: run.to_owned() };
    match testing.find(key, &write).await? {
        Lookup::Over(_) => {
            testing.create(key, &write).await?;
            Ok(true)
        }
        Lookup::Found(found) if found.is_empty() => {
            testing.create(key, &write).await?;
            Ok(true)
        }
        Lookup::Found(_) => Ok(false),
        Lookup::Foreign(sentence) => Err(ProviderError::new(
            "delivr",
            "reset a test run",
            ProviderErrorKind::Conflict,
            &sentence,
        )),
        Lookup::Unsure => Err(ProviderError::new(
            "delivr",
            "reset a test run",
            ProviderErrorKind::Unavailable,
            "the vendor cannot say what state the run is in; try again later",
        )),
    }
}

/// The live release that has the run, and for which target.
async fn owner(
    app: &App,
    tenant: TenantId,
    run: &str,
) -> Result<Option<(Box<Release>, TargetKey)>, StoreError> {
    for integration in app.store.integrations(tenant, Some(Port::TestManagement)).await? {
        for key in app.store.releases_using(tenant, integration.id).await? {
            let Some(id) = by_key(app, tenant, &key).await? else {
                continue;
            };
            let Some((_row, release)) = releases::find(app, tenant, id).await? else {
                continue;
            };
            let mut targets = release.plan().targets.keys().copied();
            let target = targets.find(|target| release.test_run(*target).as_deref() == Some(run));
            if let Some(target) = target {
                return Ok(Some((release, target)));
            }
        }
    }
    Ok(None)
}
