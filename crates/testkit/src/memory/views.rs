//! Saved views.

use super::MemoryStore;
use async_trait::async_trait;
use delivr_domain::ids::{TenantId, ViewId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{View, Views};

#[async_trait]
impl Views for MemoryStore {
    async fn insert_view(&self, view: &View) -> Result<(), StoreError> {
        let mut state = self.state();
        let same = |old: &View| {
            old.id == view.id
                || (old.tenant == view.tenant && old.owner == view.owner && old.name == view.name)
        };
        if state.views.values().any(same) {
            return Err(StoreError::Duplicate("view"));
        }
        state.known(view.tenant, "view")?;
        state.views.insert(view.id, view.clone());
        Ok(())
    }

    async fn views(&self, tenant: TenantId, owner: &str) -> Result<Vec<View>, StoreError> {
        let state = self.state();
        let seen = state
            .views
            .values()
            .filter(|it| it.tenant == tenant && it.seen_by(owner));
        let mut found: Vec<View> = seen.cloned().collect();
        found.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        Ok(found)
    }

    async fn view(&self, tenant: TenantId, id: ViewId) -> Result<Option<View>, StoreError> {
        let state = self.state();
        Ok(state.views.get(&id).filter(|it| it.tenant == tenant).cloned())
    }

    async fn update_view(&self, view: &View) -> Result<(), StoreError> {
        let mut state = self.state();
        let stands = state
            .views
            .get(&view.id)
            .is_some_and(|old| old.tenant == view.tenant && old.version.checked_add(1) == Some(view.version));
        if !stands {
            return Err(StoreError::Conflict);
        }
        let taken = |old: &View| {
            old.id != view.id && old.tenant == view.tenant && old.owner == view.owner && old.name == view.name
        };
        if state.views.values().any(taken) {
            return Err(StoreError::Duplicate("view"));
        }
        state.views.insert(view.id, view.clone());
        Ok(())
    }

    async fn delete_view(
        &self,
        tenant: TenantId,
        id: ViewId,
        expected: Option<u64>,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(old) = state.views.get(&id).filter(|it| it.tenant == tenant) else {
            return Ok(false);
        };
        if expected.is_some_and(|version| version != old.version) {
            return Err(StoreError::Conflict);
        }
        state.views.remove(&id);
        state.first_views.retain(|_, first| *first != id);
        Ok(true)
    }

    async fn default_view(&self, tenant: TenantId, owner: &str) -> Result<Option<ViewId>, StoreError> {
        let state = self.state();
        let first = state.first_views.get(&(tenant, owner.to_owned())).copied();
        Ok(first.filter(|id| state.views.get(id).is_some_and(|it| it.seen_by(owner))))
    }

    async fn set_default_view(
        &self,
        tenant: TenantId,
        owner: &str,
        view: Option<ViewId>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let of = (tenant, owner.to_owned());
        let Some(view) = view else {
            state.first_views.remove(&of);
            return Ok(());
        };
        if state.views.get(&view).is_none_or(|it| it.tenant != tenant) {
            return Err(StoreError::Reference("view"));
        }
        state.first_views.insert(of, view);
        Ok(())
    }
}
