//! Which version of which profile a release was made with, and whether the profile has moved on since.

use crate::model::Release;
use crate::setup::Profile;
use crate::visit::Visit;

/// The profile of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeBy {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The version the release has its copy of.
    pub(crate) kept: u32,
    /// The newest one there is.
    newest: u32,
}

impl MadeBy {
    /// The profile's newest version, where the release keeps an older one.
    pub(crate) fn moved_on(&self) -> Option<u32> {
        (self.newest > self.kept).then_some(self.newest)
    }
}

/// The profile of the release; none where it was made without one.
pub(super) async fn made_by(visit: &Visit, release: &Release) -> Option<MadeBy> {
    let (id, kept) = (release.profile_id.as_ref()?, release.profile_revision?);
    // A profile that cannot be read keeps nobody from the release itself.
    let profile: Profile = visit.look(format!("/profiles/{id}")).await.ok()?;
    Some(MadeBy {
        id: profile.id,
        name: profile.name,
        kept,
        newest: profile.revision,
    })
}
