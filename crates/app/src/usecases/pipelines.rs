//! Pipelines: what their parameter templates may say, and what their jobs must declare.

use super::limit::within;
use crate::App;
use crate::connections::ConnectError;
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::{ProviderError, StoreError};
use delivr_domain::ports::health::{Health, JobRead, JobState};
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::store::Pipeline;
use delivr_domain::ports::vendor::JobParameter;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a person waits for what a CI system says about a job.
pub const READ_LIMIT: Duration = Duration::from_secs(15);

/// Words that a release fills in when it starts a run.
pub const WORDS: &[&str] = &["version", "branch", "tag", "sha", "platform", "cycle"];

/// Words in braces that nothing would fill in. Braces around anything but letters, digits and underscores are the
/// job's own (JSON, shell) and stay as they are.
pub fn unknown_words(template: &str) -> impl Iterator<Item = &str> {
    template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(word, _)| word))
        .filter(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
        .filter(|word| !WORDS.contains(word))
}

/// What a job must declare and does not: the parameter that carries the correlation key, by which a run is found again
/// (`key`, where the provider needs one), and every parameter the pipeline gives. CI systems drop what is not declared,
/// most of them without a word.
#[must_use]
pub fn undeclared(
    key: Option<&str>,
    given: &BTreeMap<String, String>,
    declared: &[JobParameter],
) -> Vec<String> {
    let has = |name: &str| declared.iter().any(|it| it.name == name);
    let mut problems = Vec::new();
    if let Some(key) = key.filter(|key| !has(key)) {
        problems.push(format!(
            "the job must declare the text parameter {key}; without it a run cannot be found again"
        ));
    }
    for name in given.keys().filter(|name| !has(name)) {
        problems.push(format!(
            "the job does not declare the parameter {name}, which the pipeline gives it"
        ));
    }
    problems
}

/// Why a pipeline's job cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The CI system cannot be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The CI system refuses or fails.
    #[error(transparent)]
    Vendor(#[from] ProviderError),
    /// It did not answer in time.
    #[error("the CI system did not answer within 15 s; try again later")]
    Slow,
    /// The pipeline's integration is none of a CI system.
    #[error("the pipeline's integration is no CI system")]
    NoCi,
    /// The store fails.
    #[error("reading the pipeline's integration")]
    Store(#[from] StoreError),
}

/// Parameters that the pipeline's job declares, read from the CI system now.
///
/// # Errors
/// See [`JobError`].
pub async fn declared(
    app: &App,
    tenant: TenantId,
    pipeline: &Pipeline,
) -> Result<Vec<JobParameter>, JobError> {
    let connection = app
        .connections
        .open(
            app.store.as_ref(),
            &app.registry,
            &app.vault,
            tenant,
            pipeline.integration,
        )
        .await?;
    let read = match connection {
        Connection::Cicd(ci) => {
            within(app.clock.as_ref(), READ_LIMIT, ci.job_parameters(&pipeline.job)).await
        }
        Connection::Scm(_)
        | Connection::Tracker(_)
        | Connection::Chat(_)
        | Connection::Testing(_)
        | Connection::Store(_) => return Err(JobError::NoCi),
    };
    Ok(read.ok_or(JobError::Slow)??)
}

/// What a test of a pipeline found.
#[derive(Debug)]
pub struct Tested {
    /// What is to be put right, for people; empty when a release could start the job.
    pub problems: Vec<String>,
    /// Parameters that the job declares.
    pub declared: Vec<JobParameter>,
}

/// Whether a release could start the job: reads it, starts nothing. What it finds is kept with what is known of the
/// integration, so that it is not forgotten with the answer.
///
/// # Errors
/// See [`JobError`].
pub async fn test(app: &App, tenant: TenantId, pipeline: &Pipeline) -> Result<Tested, JobError> {
    let tested = read(app, tenant, pipeline).await;
    let (state, detail) = match &tested {
        Ok(tested) if tested.problems.is_empty() => (JobState::Usable, None),
        Ok(tested) => (JobState::Unusable, Some(tested.problems.join("; "))),
        Err(error) => (JobState::Unread, Some(error.to_string())),
    };
    let read = JobRead::new(app.clock.now(), pipeline.version, state, detail.as_deref());
    let account = app.connections.health().account(tenant, pipeline.integration);
    account.told(Health::of_job(pipeline.id, read));
    tested
}

async fn read(app: &App, tenant: TenantId, pipeline: &Pipeline) -> Result<Tested, JobError> {
    let declared = declared(app, tenant, pipeline).await?;
    let ci = app.store.integration(tenant, pipeline.integration).await?;
    let key = ci
        .and_then(|ci| app.registry.find(ci.port, &ci.provider).cloned())
        .and_then(|provider| Some(provider.capabilities.get("keyParameter")?.as_str()?.to_owned()));
    Ok(Tested {
        problems: undeclared(key.as_deref(), &pipeline.parameters, &declared),
        declared,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_does_not_declare_is_named() {
        let parameter = |name: &str| JobParameter {
            name: name.to_owned(),
            kind: "string".to_owned(),
            default: None,
        };
        let given = BTreeMap::from([("VERSION".to_owned(), "{version}".to_owned())]);
        let all = [parameter("KEY"), parameter("VERSION")];
        assert!(undeclared(Some("KEY"), &given, &all).is_empty());
        assert!(undeclared(None, &given, &all[1..]).is_empty());
        let problems = undeclared(Some("KEY"), &given, &[]);
        assert!(
            problems[0].contains("KEY") && problems[1].contains("VERSION"),
            "{problems:?}"
        );
    }

    #[test]
    fn only_words_that_look_like_ours_are_complained_about() {
        let unknown = |template| unknown_words(template).collect::<Vec<_>>();
        assert_eq!(unknown("{version}-{sha}"), Vec::<&str>::new());
        assert_eq!(unknown("a{versoin}b{x_1}"), vec!["versoin", "x_1"]);
        assert_eq!(unknown(r#"{"json": 1} {} {"#), Vec::<&str>::new());
    }
}
