//! What stands behind the notes that users read in a store: the profile whose defaults a release was planned with, and
//! what they read about the version before.

use super::releases;
use crate::App;
use delivr_domain::board::TaskState;
use delivr_domain::ids::TenantId;
use delivr_domain::key::{TargetKey, TaskKey, TaskKind};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::Sought;
use delivr_domain::release::Release;
use delivr_domain::release::store_notes::{Source, Texts, longest, readings};
use delivr_domain::release::view::shipped_mark;

/// Notes of an earlier release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its key.
    pub key: String,
    /// The version that it shipped to the target.
    pub version: String,
    /// What users read about it, by language; not the changelog, which is of no use for another version.
    pub texts: Texts,
}

/// Name of the profile that the release was planned with; none where there was none.
///
/// # Errors
/// When the store fails.
pub async fn profile_name(
    app: &App,
    tenant: TenantId,
    release: &Release,
) -> Result<Option<String>, StoreError> {
    let Some((id, revision)) = release.plan().profile else {
        return Ok(None);
    };
    let found = app.store.profile(tenant, id, Some(revision)).await?;
    Ok(found.map(|it| it.name))
}

/// The highest version of the same service that users of the target have, and what they read about it. None where there
/// is no such version, where it is the release's own, or where nobody wrote anything about it.
///
/// # Errors
/// When the store fails.
pub async fn previous(
    app: &App,
    tenant: TenantId,
    release: &Release,
    target: TargetKey,
) -> Result<Option<Previous>, StoreError> {
    if longest(target.channel()).is_none() {
        return Ok(None);
    }
    let sought = [Sought::highest(shipped_mark(target))];
    let service = release.draft.service;
    let standing = app.store.standing(tenant, service, &sought).await?;
    let Some(standing) = standing.first().filter(|it| it.key != release.key()) else {
        return Ok(None);
    };
    let Some(id) = releases::named(app, tenant, &standing.key).await? else {
        return Ok(None);
    };
    let Some((_, earlier)) = releases::find(app, tenant, id).await? else {
        return Ok(None);
    };
    // A version that was left out of the store was read by nobody there.
    let ship = TaskKey::once(TaskKind::SubmitToStore).target(target);
    let shipped = earlier.board.find(&ship);
    if !shipped.is_some_and(|it| matches!(it.state, TaskState::Completed { .. })) {
        return Ok(None);
    }
    let texts: Texts = readings(&earlier, target)
        .into_iter()
        .filter(|(_, it)| it.source != Source::Changelog)
        .map(|(language, it)| (language, it.text))
        .collect();
    let version = earlier
        .plan()
        .targets
        .get(&target)
        .map(|it| it.version.to_string());
    Ok(version.filter(|_| !texts.is_empty()).map(|version| Previous {
        key: standing.key.clone(),
        version,
        texts,
    }))
}
