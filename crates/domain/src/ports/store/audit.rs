//! Who changed what of an organisation's set-up, and when: written with the change itself, and never changed afterwards.
//!
//! Every line carries a digest of itself and of the line before it, so that one that was altered or taken out is found
//! ([`broken`]). What a line says is made here of what was stored before and after, in words and without secrets.

mod facts;

pub use facts::{Altered, Facts};

use super::{Integration, Pipeline, Profile, Service, StatusLink, Token};
use crate::ids::{IntegrationId, PipelineId, ServiceId, StatusLinkId, TenantId, TokenId};
use crate::key::words;
use crate::ports::error::StoreError;
use crate::time::Timestamp;
use async_trait::async_trait;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

words! {
    /// What a change of the set-up is about.
    Subject ("subject of the audit") {
        /// A connection to a vendor.
        Integration = "INTEGRATION",
        /// A pipeline.
        Pipeline = "PIPELINE",
        /// A service.
        Service = "SERVICE",
        /// A release profile, with the routes of its messages.
        Profile = "PROFILE",
        /// An API token.
        Token = "TOKEN",
        /// The stop switch.
        Line = "LINE",
        /// The organisation itself.
        Organisation = "ORGANISATION",
        /// A link to a status page.
        StatusLink = "STATUS_LINK",
        /// A link to the calendar.
        CalendarLink = "CALENDAR_LINK",
    }
}

words! {
    /// What was done.
    Deed ("deed of the audit") {
        /// Made.
        Created = "CREATED",
        /// Changed.
        Changed = "CHANGED",
        /// Taken away.
        Removed = "REMOVED",
        /// Made invalid; it stays on record.
        Revoked = "REVOKED",
        /// The line was stopped.
        Stopped = "STOPPED",
        /// The line was let go on.
        Resumed = "RESUMED",
    }
}

/// A change of a tenant's set-up.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// As [`super::Directory::insert_integration`].
    InsertIntegration(&'a Integration),
    /// As [`super::Directory::update_integration`]; with the names of the credentials that somebody gave anew.
    UpdateIntegration(&'a Integration, &'a [String]),
    /// As [`super::Directory::delete_integration`].
    DeleteIntegration(TenantId, IntegrationId, Option<u64>),
    /// As [`super::Directory::insert_pipeline`].
    InsertPipeline(&'a Pipeline),
    /// As [`super::Directory::update_pipeline`].
    UpdatePipeline(&'a Pipeline),
    /// As [`super::Directory::delete_pipeline`].
    DeletePipeline(TenantId, PipelineId, Option<u64>),
    /// As [`super::Directory::insert_service`].
    InsertService(&'a Service),
    /// As [`super::Directory::update_service`].
    UpdateService(&'a Service),
    /// As [`super::Directory::delete_service`].
    DeleteService(TenantId, ServiceId, Option<u64>),
    /// As [`super::Directory::insert_profile`]: the first revision, or another one.
    InsertProfile(&'a Profile),
    /// As [`super::Directory::insert_token`]; a link to the calendar is one too.
    InsertToken(&'a Token),
    /// As [`super::Directory::revoke_token`].
    RevokeToken(TenantId, TokenId, Timestamp),
    /// As [`super::StatusLinks::insert_status_link`].
    InsertStatusLink(&'a StatusLink),
    /// As [`super::StatusLinks::revoke_status_link`].
    RevokeStatusLink(TenantId, StatusLinkId, Timestamp),
    /// As [`super::Directory::rename_tenant`]: slug and name.
    RenameTenant(TenantId, &'a str, &'a str),
    /// As [`super::Queue::set_stop`] for a tenant: whether it is stopped, and why.
    SetStop(TenantId, bool, &'a str),
}

impl Change<'_> {
    /// Whose set-up it changes.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        match self {
            Self::InsertIntegration(it) | Self::UpdateIntegration(it, _) => it.tenant,
            Self::InsertPipeline(it) | Self::UpdatePipeline(it) => it.tenant,
            Self::InsertService(it) | Self::UpdateService(it) => it.tenant,
            Self::InsertProfile(it) => it.tenant,
            Self::InsertToken(it) => it.tenant,
            Self::InsertStatusLink(it) => it.tenant,
            Self::DeleteIntegration(tenant, ..)
            | Self::DeletePipeline(tenant, ..)
            | Self::DeleteService(tenant, ..)
            | Self::RevokeToken(tenant, ..)
            | Self::RevokeStatusLink(tenant, ..)
            | Self::RenameTenant(tenant, ..)
            | Self::SetStop(tenant, ..) => *tenant,
        }
    }

    /// What there is after it, of what there was before.
    fn after(&self, before: Option<&Facts>) -> Option<Facts> {
        match self {
            Self::InsertIntegration(it) => Some(Facts::of_integration(it)),
            Self::UpdateIntegration(it, given) => {
                let mut facts = Facts::of_integration(it);
                for name in *given {
                    facts.given_anew(name);
                }
                Some(facts)
            }
            Self::InsertPipeline(it) | Self::UpdatePipeline(it) => Some(Facts::of_pipeline(it)),
            Self::InsertService(it) | Self::UpdateService(it) => Some(Facts::of_service(it)),
            Self::InsertProfile(it) => Some(Facts::of_profile(it)),
            Self::InsertToken(it) => Some(Facts::of_token(it)),
            Self::InsertStatusLink(it) => Some(Facts::of_link(it)),
            Self::DeleteIntegration(..) | Self::DeletePipeline(..) | Self::DeleteService(..) => None,
            Self::RevokeToken(_, _, at) | Self::RevokeStatusLink(_, _, at) => {
                before.cloned().map(|facts| facts.revoked(*at))
            }
            Self::RenameTenant(id, slug, name) => Some(Facts::of_tenant(*id, slug, name)),
            Self::SetStop(id, stopped, reason) => {
                Some(Facts::of_stop(*id, stopped.then_some(reason).map(|it| &**it)))
            }
        }
    }

    const fn deed(&self, there_before: bool) -> Deed {
        match self {
            Self::InsertProfile(_) if there_before => Deed::Changed,
            Self::InsertIntegration(_)
            | Self::InsertPipeline(_)
            | Self::InsertService(_)
            | Self::InsertProfile(_)
            | Self::InsertToken(_)
            | Self::InsertStatusLink(_) => Deed::Created,
            Self::UpdateIntegration(..)
            | Self::UpdatePipeline(_)
            | Self::UpdateService(_)
            | Self::RenameTenant(..) => Deed::Changed,
            Self::DeleteIntegration(..) | Self::DeletePipeline(..) | Self::DeleteService(..) => Deed::Removed,
            Self::RevokeToken(..) | Self::RevokeStatusLink(..) => Deed::Revoked,
            Self::SetStop(_, true, _) => Deed::Stopped,
            Self::SetStop(_, false, _) => Deed::Resumed,
        }
    }

    /// The line about it, of what was stored before; none when nothing is another one than before.
    #[must_use]
    pub fn line(&self, by: By<'_>, before: Option<&Facts>) -> Option<Draft> {
        let after = self.after(before);
        let mut changes = facts::compare(before, after.as_ref());
        if changes.is_empty() {
            return None;
        }
        if let Self::SetStop(_, false, reason) = self
            && !reason.is_empty()
        {
            changes.push(Altered::new("let go on because", None, Some(*reason)));
        }
        let named = after.as_ref().or(before)?;
        Some(Draft {
            tenant: self.tenant(),
            at: by.at,
            actor: facts::kept(by.actor),
            subject: named.subject,
            subject_id: named.id.clone(),
            name: facts::kept(&named.name),
            deed: self.deed(before.is_some()),
            changes,
        })
    }
}

/// Who makes a change, and when.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// What events call whoever does it.
    pub actor: &'a str,
    /// When, by the clock of the process.
    pub at: Timestamp,
}

/// A line before it has its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Whose set-up was changed.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What it is about.
    pub subject: Subject,
    /// Its id.
    pub subject_id: String,
    /// What it was called after the change, or before its end.
    pub name: String,
    /// What was done.
    pub deed: Deed,
    /// What is another one than before.
    pub changes: Vec<Altered>,
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its place among the tenant's lines: 1 is the first, without gap.
    pub number: u64,
    /// What it says.
    pub said: Draft,
    /// Lower-case hex SHA-256 of it and of the line before it.
    pub digest: String,
}

impl AuditLine {
    /// The line that comes after the one with this number and digest; 0 and nothing before the first.
    #[must_use]
    pub fn after(number: u64, digest: &str, said: Draft) -> Self {
        let number = number.saturating_add(1);
        Self {
            number,
            digest: digest_of(digest, number, &said),
            said,
        }
    }

    /// Whether it is what was written after the line with this digest.
    #[must_use]
    pub fn follows(&self, digest: &str) -> bool {
        digest_of(digest, self.number, &self.said) == self.digest
    }
}

fn digest_of(before: &str, number: u64, it: &Draft) -> String {
    let text = json!([
        before,
        number,
        it.tenant.to_string(),
        it.at.timestamp_micros(),
        it.actor,
        it.subject.word(),
        it.subject_id,
        it.name,
        it.deed.word(),
        it.changes,
    ])
    .to_string();
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing into a string cannot fail.
            let _written = write!(hex, "{byte:02x}");
            hex
        })
}

/// The first number at which lines, from the first on, are not what was written; none when all of them are.
#[must_use]
pub fn broken<'a>(lines: impl IntoIterator<Item = &'a AuditLine>, from: (u64, &'a str)) -> Option<u64> {
    let (mut number, mut digest) = from;
    for line in lines {
        number = number.saturating_add(1);
        if line.number != number || !line.follows(digest) {
            return Some(number);
        }
        digest = &line.digest;
    }
    None
}

/// What lines are narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this.
    pub subject: Option<Subject>,
    /// By somebody whose name has this in it, in whatever case.
    pub actor: Option<String>,
    /// With this in the subject's name or in what was changed, in whatever case.
    pub text: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether it lets a line through.
    #[must_use]
    pub fn fits(&self, line: &Draft) -> bool {
        let has = |wanted: &Option<String>, text: &str| {
            let wanted = wanted.as_deref().unwrap_or_default();
            text.to_lowercase().contains(&wanted.to_lowercase())
        };
        let text = || {
            let mut text = line.name.clone();
            for it in &line.changes {
                for part in [Some(&it.field), it.before.as_ref(), it.after.as_ref()] {
                    text.push('\n');
                    text.push_str(part.map_or("", String::as_str));
                }
            }
            text
        };
        self.subject.is_none_or(|subject| subject == line.subject)
            && self.since.is_none_or(|since| since <= line.at)
            && self.until.is_none_or(|until| line.at < until)
            && has(&self.actor, &line.actor)
            && (self.text.is_none() || has(&self.text, &text()))
    }
}

/// Changes of the set-up, with the audit of them.
#[async_trait]
pub trait SetUp: Send + Sync {
    /// Makes the change and writes the line about it in one transaction: the same answers and errors as the method that the
    /// change names, true where that has no answer. A change that alters nothing has no line.
    async fn set_up(&self, change: &Change<'_>, by: By<'_>) -> Result<bool, StoreError>;
    /// Lines of a tenant that fit, the newest first, before the number.
    async fn audit(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u16,
    ) -> Result<Vec<AuditLine>, StoreError>;
}

#[cfg(test)]
mod tests;
