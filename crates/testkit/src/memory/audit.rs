//! Changes of the set-up, with the audit of them, in memory.

use super::MemoryStore;
use async_trait::async_trait;
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{
    AuditFilter, AuditLine, By, Change, Directory as _, Facts, Integration, Pipeline, Queue as _, Service,
    SetUp, StatusLinks as _, StopBy,
};

impl MemoryStore {
    /// What is stored of the thing now.
    async fn facts_before(&self, change: &Change<'_>) -> Result<Option<Facts>, StoreError> {
        Ok(match change {
            Change::InsertIntegration(_)
            | Change::InsertPipeline(_)
            | Change::InsertService(_)
            | Change::InsertToken(_)
            | Change::InsertStatusLink(_) => None,
            Change::UpdateIntegration(Integration { tenant, id, .. }, _)
            | Change::DeleteIntegration(tenant, id, _) => {
                let found = self.integration(*tenant, *id).await?;
                found.as_ref().map(Facts::of_integration)
            }
            Change::UpdatePipeline(Pipeline { tenant, id, .. }) | Change::DeletePipeline(tenant, id, _) => {
                let found = self.pipeline(*tenant, *id).await?;
                found.as_ref().map(Facts::of_pipeline)
            }
            Change::UpdateService(Service { tenant, id, .. }) | Change::DeleteService(tenant, id, _) => {
                let found = self.service(*tenant, *id).await?;
                found.as_ref().map(Facts::of_service)
            }
            Change::InsertProfile(it) => {
                let found = self.profile(it.tenant, it.id, None).await?;
                found.as_ref().map(Facts::of_profile)
            }
            Change::RevokeToken(tenant, id, _) => {
                let state = self.state();
                let found = state.tokens.get(id).filter(|it| it.tenant == *tenant);
                found.map(Facts::of_token)
            }
            Change::RevokeStatusLink(tenant, id, _) => {
                let state = self.state();
                let found = state.links.get(id).filter(|it| it.tenant == *tenant);
                found.map(Facts::of_link)
            }
            Change::RenameTenant(id, _, _) => {
                let found = self.tenant(*id).await?;
                found.map(|it| Facts::of_tenant(it.id, &it.slug, &it.name))
            }
            Change::SetStop(tenant, _, _) => {
                let state = self.state();
                let reason = state.stops.get(&Some(*tenant)).map(|it| it.reason.as_str());
                Some(Facts::of_stop(*tenant, reason))
            }
        })
    }

    async fn make(&self, change: &Change<'_>, by: By<'_>) -> Result<bool, StoreError> {
        match change {
            Change::InsertIntegration(it) => self.insert_integration(it).await?,
            Change::UpdateIntegration(it, _) => self.update_integration(it).await?,
            Change::InsertPipeline(it) => self.insert_pipeline(it).await?,
            Change::UpdatePipeline(it) => self.update_pipeline(it).await?,
            Change::InsertService(it) => self.insert_service(it).await?,
            Change::UpdateService(it) => self.update_service(it).await?,
            Change::InsertProfile(it) => self.insert_profile(it).await?,
            Change::InsertToken(it) => self.insert_token(it).await?,
            Change::InsertStatusLink(it) => self.insert_status_link(it).await?,
            Change::DeleteIntegration(tenant, id, expected) => {
                return self.delete_integration(*tenant, *id, *expected).await;
            }
            Change::DeletePipeline(tenant, id, expected) => {
                return self.delete_pipeline(*tenant, *id, *expected).await;
            }
            Change::DeleteService(tenant, id, expected) => {
                return self.delete_service(*tenant, *id, *expected).await;
            }
            Change::RevokeToken(tenant, id, at) => return self.revoke_token(*tenant, *id, *at).await,
            Change::RevokeStatusLink(tenant, id, at) => {
                return self.revoke_status_link(*tenant, *id, *at).await;
            }
            Change::RenameTenant(id, slug, name) => return self.rename_tenant(*id, slug, name).await,
            Change::SetStop(tenant, stopped, reason) => {
                let stop = stopped.then_some(StopBy {
                    reason,
                    actor: by.actor,
                });
                self.set_stop(Some(*tenant), stop).await?;
            }
        }
        Ok(true)
    }
}

#[async_trait]
impl SetUp for MemoryStore {
    async fn set_up(&self, change: &Change<'_>, by: By<'_>) -> Result<bool, StoreError> {
        let before = self.facts_before(change).await?;
        if !self.make(change, by).await? {
            return Ok(false);
        }
        if let Some(said) = change.line(by, before.as_ref()) {
            let mut state = self.state();
            let lines = state.audit.entry(said.tenant).or_default();
            let (number, digest) = lines.last().map_or((0, ""), |it| (it.number, it.digest.as_str()));
            let line = AuditLine::after(number, digest, said);
            lines.push(line);
        }
        Ok(true)
    }

    async fn audit(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u16,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let state = self.state();
        let lines = state.audit.get(&tenant).map_or(&[][..], Vec::as_slice);
        let fits =
            |line: &&AuditLine| before.is_none_or(|before| line.number < before) && filter.fits(&line.said);
        let found = lines.iter().rev().filter(fits).take(usize::from(limit));
        Ok(found.cloned().collect())
    }
}
