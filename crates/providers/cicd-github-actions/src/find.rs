//! Finding the run that an earlier try started.

use crate::wire::{Run, Runs};
use crate::{Actions, fail};
use delivr_domain::effect::Reference;
use delivr_domain::names::Sha;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::Lookup;
use delivr_domain::time::Span;
use delivr_github_kit::{Ask, Listed};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// How far back runs are looked for, in days. A step is tried for a day, a restored database is some days old at most.
const DAYS: i64 = 30;
/// Pages that are read of one list; GitHub shows no more than [`MOST_SHOWN`] objects of a filtered one.
const MOST_PAGES: usize = 10;
const MOST_SHOWN: usize = 1000;
/// Lists that are read one behind the other where GitHub cuts them: twenty thousand runs in [`DAYS`].
const MOST_LISTS: usize = 20;

/// The file name of a job, which may be given with its folder.
///
/// # Errors
/// When it is no workflow file's name.
pub(crate) fn file_of<'a>(operation: &'static str, job: &'a str) -> Result<&'a str, ProviderError> {
    let file = job.strip_prefix(".github/workflows/").unwrap_or(job);
    let named = file.ends_with(".yml") || file.ends_with(".yaml");
    if named && !file.contains('/') {
        return Ok(file);
    }
    Err(fail(
        operation,
        ProviderErrorKind::Misconfigured,
        format!("`{job}` is no workflow; name its file in .github/workflows, e.g. release.yml"),
    ))
}

/// What a run is called here.
pub(crate) fn reference(run: &Run, job: &str) -> Reference {
    Reference::id(run.id.to_string())
        .at(run.page())
        .with("job", job)
        .with("number", run.number())
}

impl Actions {
    /// A list, each page read into its objects and how many GitHub says there are in all.
    pub(crate) async fn listed<P: DeserializeOwned, T>(
        &self,
        ask: Ask,
        items: impl Fn(P) -> (Vec<T>, usize) + Send + Sync,
    ) -> Result<Listed<T>, ProviderError> {
        let mut total = 0;
        let mut listed = self
            .client
            .pages(ask, MOST_PAGES, |page| {
                let (some, all) = items(page);
                total = total.max(all);
                some
            })
            .await?;
        // The count may be a little ahead of what is shown; only a list at GitHub's bound was cut.
        listed.complete &= listed.items.len() < MOST_SHOWN || listed.items.len() >= total;
        Ok(listed)
    }

    /// Dispatched runs of a workflow, newest first; of one commit alone where that is asked for. Where GitHub shows the
    /// newest thousand only, those before are asked for by the time of the oldest one shown.
    pub(crate) async fn runs(
        &self,
        operation: &'static str,
        job: &str,
        sha: Option<&Sha>,
    ) -> Result<Listed<Run>, ProviderError> {
        let file = file_of(operation, job)?;
        let since = self.clock.now() - Span::days(DAYS);
        let since = since.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut until: Option<String> = None;
        let mut seen = BTreeSet::new();
        let mut items = Vec::new();
        for _ in 0..MOST_LISTS {
            let created = match &until {
                None => format!(">={since}"),
                Some(until) => format!("{since}..{until}"),
            };
            let mut ask = self
                .client
                .get(operation, &["actions", "workflows", file, "runs"])
                .query(&[("event", "workflow_dispatch"), ("created", &created)]);
            if let Some(sha) = sha {
                ask = ask.query(&[("head_sha", sha.as_str())]);
            }
            let listed = self
                .listed(ask, |page: Runs| (page.workflow_runs, page.total_count))
                .await?;
            let oldest = listed.items.iter().filter_map(|run| run.created_at.clone()).min();
            items.extend(listed.items.into_iter().filter(|run| seen.insert(run.id)));
            if listed.complete {
                return Ok(Listed {
                    items,
                    complete: true,
                });
            }
            // More than a list of one second: there is no way behind it.
            if oldest.is_none() || oldest == until {
                break;
            }
            until = oldest;
        }
        Ok(Listed {
            items,
            complete: false,
        })
    }

    /// Every run whose name shows the key. Neither branch nor commit narrows the search: a run that started at another
    /// commit than it should have is ours all the same, and must not be started a second time.
    pub(crate) async fn by_key(
        &self,
        operation: &'static str,
        job: &str,
        key: &str,
    ) -> Result<Listed<Run>, ProviderError> {
        let mut listed = self.runs(operation, job, None).await?;
        listed.items.retain(|run| run.shows(key));
        Ok(listed)
    }

    /// What stands under a key.
    pub(crate) async fn look_up(&self, job: &str, key: &str, sha: &Sha) -> Result<Lookup, ProviderError> {
        let mut listed = self.by_key("find_run", job, key).await?;
        // One of another commit that is over keeps nobody from starting the right one: that is how a person ends it.
        listed
            .items
            .retain(|run| !(is_elsewhere(run, sha) && run.is_over()));
        if listed.items.is_empty() && !listed.complete {
            // What GitHub does not show may be ours.
            return Ok(Lookup::Unsure);
        }
        if let Some(other) = listed.items.iter().find(|run| is_elsewhere(run, sha)) {
            return Ok(Lookup::Foreign(elsewhere(other, sha)));
        }
        Ok(Lookup::Found(
            listed.items.iter().map(|run| reference(run, job)).collect(),
        ))
    }

    /// The degraded way: without a key in their names, any dispatched run of the commit may be ours or not.
    pub(crate) async fn look_through_window(&self, job: &str, sha: &Sha) -> Result<Lookup, ProviderError> {
        let listed = self.runs("find_run", job, Some(sha)).await?;
        Ok(if listed.items.is_empty() && listed.complete {
            Lookup::Found(Vec::new())
        } else {
            Lookup::Unsure
        })
    }
}

/// Whether a run is known to be of another commit.
pub(crate) fn is_elsewhere(run: &Run, sha: &Sha) -> bool {
    run.head_sha
        .as_deref()
        .is_some_and(|head| !head.eq_ignore_ascii_case(sha.as_str()))
}

/// What to tell a person about it.
pub(crate) fn elsewhere(run: &Run, sha: &Sha) -> String {
    format!(
        "run {} was started for this step, but at commit {} instead of {sha}: the branch or tag was moved meanwhile; stop \
         the run ({}), set the ref right, and try again",
        run.run_number,
        run.head_sha.as_deref().unwrap_or("unknown"),
        run.html_url
    )
}
