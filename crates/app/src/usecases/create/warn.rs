//! What a creation lets pass, and people should know before they ask for it.

use crate::App;
use crate::connections::ConnectError;
use crate::usecases::limit::within;
use delivr_domain::ids::TenantId;
use delivr_domain::names::RefName;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::provider::Connection;
use delivr_domain::release::state::Draft;
use delivr_domain::release::store_notes::Language;
use std::time::Duration;

/// How long a person waits for source control.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Something that is likely a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// JSON pointer to what it is about.
    pub pointer: &'static str,
    /// What it is, for people.
    pub sentence: String,
}

/// Whether nobody of the organisation is called like the pilot. One without a way in may still be meant, so that it is no
/// refusal.
///
/// # Errors
/// When the store fails.
pub async fn pilot_warning(
    app: &App,
    tenant: TenantId,
    draft: &Draft,
) -> Result<Option<Warning>, StoreError> {
    let Some(pilot) = &draft.pilot else {
        return Ok(None);
    };
    let now = app.clock.now();
    let tokens = app.store.tokens(tenant).await?;
    let mut people = tokens
        .iter()
        .filter(|it| it.revoked_at.is_none() && it.expires_at.is_none_or(|at| at > now))
        .filter_map(|it| it.person.as_deref());
    let known = people.any(|it| it.eq_ignore_ascii_case(pilot.trim()));
    Ok((!known).then(|| Warning {
        pointer: "/pilot",
        sentence: format!(
            "nobody with a way in is called `{pilot}`: nobody would find the release among theirs"
        ),
    }))
}

/// Stores whose users would read the changelog, since neither the profile nor anybody else says anything about the
/// version. Notes can still be written once the release is there.
#[must_use]
pub fn notes_warning(draft: &Draft) -> Option<Warning> {
    let silent = draft.plan.targets.iter().filter(|(target, plan)| {
        let spoken = plan.notes.keys().any(|it| it.as_str() == Language::DEFAULT);
        target.is_store() && !spoken
    });
    let names: Vec<&str> = silent.map(|(target, _)| target.word()).collect();
    (!names.is_empty()).then(|| Warning {
        pointer: "/profileId",
        sentence: format!(
            "nobody wrote notes for {}: users would read the changelog; write default notes in the profile, or notes of this \
             release once it is there",
            names.join(" and ")
        ),
    })
}

/// Whether the branch that the release begins from is not in the repository, or nobody can say: source control is asked,
/// for [`LIMIT`] at most.
pub async fn branch_warning(app: &App, tenant: TenantId, draft: &Draft) -> Option<Warning> {
    let scm = &draft.plan.scm;
    let (pointer, name) = match &scm.existing_branch {
        Some(existing) => ("/existingBranch", existing),
        None => ("/baseBranch", &scm.base),
    };
    let found = within(app.clock.as_ref(), LIMIT, is_there(app, tenant, draft, name)).await;
    let sentence = match found {
        Some(Ok(Some(true))) => return None,
        Some(Ok(Some(false))) => format!("the repository has no branch `{name}`"),
        Some(Ok(None) | Err(_)) | None => {
            format!("source control could not be asked whether there is a branch `{name}`")
        }
    };
    Some(Warning { pointer, sentence })
}

/// Whether the repository has the branch; none where the integration is no source control.
async fn is_there(
    app: &App,
    tenant: TenantId,
    draft: &Draft,
    name: &RefName,
) -> Result<Option<bool>, ConnectError> {
    let connection = app
        .connections
        .open(
            app.store.as_ref(),
            &app.registry,
            &app.vault,
            tenant,
            draft.plan.scm.integration,
        )
        .await?;
    let Connection::Scm(scm) = connection else {
        return Ok(None);
    };
    let commit = scm.resolve(name).await.map_err(ConnectError::Provider)?;
    Ok(Some(commit.is_some()))
}
