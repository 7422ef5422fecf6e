//! A run's state, what it left behind, and stopping it.

use crate::find::is_elsewhere;
use crate::wire::{Artifact, Artifacts, Run};
use crate::{Actions, fail};
use delivr_domain::effect::{Reference, RunRef};
use delivr_domain::names::Sha;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::report::{RunProduct, RunResult, RunState};
use delivr_domain::time::Timestamp;
use delivr_provider_kit::Method;
use std::time::Duration;

/// Longest time until lists show a run that GitHub accepted. Reports name some seconds; a bound that is too short would
/// make a second run.
pub(crate) const VISIBLE_AFTER: Duration = Duration::from_secs(60);
/// Longest time for which a run that nobody named is taken to be on its way.
const ON_ITS_WAY: i64 = 300;
const NAMELESS: &str = "dispatched-";

/// What we called a run when GitHub accepted it.
enum Named {
    /// By its id.
    Id(u64),
    /// Not at all: dispatched then, for that commit.
    Dispatched(Option<Timestamp>, Option<Sha>),
}

/// A reference for a run that GitHub accepted without naming it.
pub(crate) fn nameless(at: Timestamp, sha: &Sha) -> Reference {
    Reference::id(format!("{NAMELESS}{}-{sha}", at.timestamp()))
}

fn named(run: &RunRef) -> Named {
    if let Ok(id) = run.id.parse() {
        return Named::Id(id);
    }
    let parts = run
        .id
        .strip_prefix(NAMELESS)
        .and_then(|rest| rest.split_once('-'));
    let at = parts.and_then(|(at, _)| Timestamp::from_timestamp(at.parse().ok()?, 0));
    Named::Dispatched(at, parts.and_then(|(_, sha)| sha.parse().ok()))
}

/// Where a run stands at GitHub.
enum Place {
    Found(Box<Run>),
    /// Not shown yet.
    Coming,
    Nowhere,
}

impl Actions {
    async fn place(&self, operation: &'static str, run: &RunRef) -> Result<Place, ProviderError> {
        let named = named(run);
        if let Named::Id(id) = named {
            let ask = self.client.get(operation, &["actions", "runs", &id.to_string()]);
            if let Some(found) = self.client.find::<Run>(&ask).await? {
                return Ok(Place::Found(Box::new(found)));
            }
        }
        let listed = self.by_key(operation, &run.job, &run.correlation).await?;
        // A person may have dispatched it again with all its inputs; ours is the first.
        if let Some(found) = listed.items.into_iter().min_by_key(|found| found.id) {
            return Ok(Place::Found(Box::new(found)));
        }
        let coming = match named {
            Named::Dispatched(at, _) => {
                at.is_none_or(|at| (self.clock.now() - at).num_seconds() < ON_ITS_WAY)
            }
            // Ids grow: where a later run is shown, ours was there and is deleted. Else it may not be shown yet.
            Named::Id(id) => {
                let all = self.runs(operation, &run.job, None).await?;
                all.items.iter().all(|other| other.id < id)
            }
        };
        Ok(if coming { Place::Coming } else { Place::Nowhere })
    }

    pub(crate) async fn state_of(&self, run: &RunRef) -> Result<RunState, ProviderError> {
        const OPERATION: &str = "run_state";
        let found = match self.place(OPERATION, run).await? {
            Place::Coming => return Ok(RunState::Queued),
            Place::Nowhere => return Ok(RunState::Gone),
            Place::Found(found) => found,
        };
        if let Named::Dispatched(_, Some(sha)) = named(run)
            && is_elsewhere(&found, &sha)
        {
            // The answer named no run, so this is the first look at its commit: the ref was moved before the dispatch. Not
            // `Failed`, by which the totals of an automation would still count.
            return Ok(ended(RunResult::Cancelled, &found, RunProduct::default()));
        }
        let conclusion = found.conclusion.as_deref();
        let over = found.status.as_deref() == Some("completed");
        let result = match (over, conclusion) {
            // What waits for a person at GitHub goes on under its own id: it is not over.
            (true, Some("action_required")) => return Ok(RunState::Queued),
            (true, Some("success")) => RunResult::Succeeded,
            (true, Some("cancelled")) => RunResult::Cancelled,
            // `failure`, `timed_out`, `startup_failure`, `stale`; and `skipped` and `neutral`, by which nothing was built:
            // only a word that says so lets a build pass.
            (true, Some(_)) => RunResult::Failed,
            (_, _) => {
                let waits = ["queued", "requested", "waiting", "pending"];
                let waiting = found.status.as_deref().is_some_and(|word| waits.contains(&word));
                return Ok(if waiting {
                    RunState::Queued
                } else {
                    RunState::Running
                });
            }
        };
        let product = if result == RunResult::Succeeded {
            self.product(OPERATION, &found).await?
        } else {
            RunProduct::default()
        };
        Ok(ended(result, &found, product))
    }

    /// What a run left behind: its file, and its build number where an artifact is called `build-number-N`.
    async fn product(&self, operation: &'static str, run: &Run) -> Result<RunProduct, ProviderError> {
        const NUMBER: &str = "build-number-";
        let id = run.id.to_string();
        let ask = self.client.get(operation, &["actions", "runs", &id, "artifacts"]);
        let read = |page: Artifacts| (page.artifacts, page.total_count);
        let mut files = self
            .listed(ask, read)
            .await?
            .whole(&self.client.adapter, operation)?;
        // Tries of a run share its artifacts; the newest ones count.
        files.sort_by_key(|file| std::cmp::Reverse(file.id));
        let told = files.iter().find_map(|file| file.name.strip_prefix(NUMBER));
        let shippable = |file: &&Artifact| {
            let name = file.name.to_ascii_lowercase();
            [".ipa", ".aab", ".apk"].iter().any(|end| name.ends_with(end))
        };
        let mut kept = files
            .iter()
            .filter(|file| !file.expired && !file.name.starts_with(NUMBER));
        let main = kept.clone().find(shippable).or_else(|| kept.next());
        Ok(RunProduct {
            artifact_url: main.map(|file| format!("{}/artifacts/{}", run.html_url, file.id)),
            build_number: told
                .map(str::to_owned)
                .or_else(|| Some(run.run_number.to_string())),
            ..RunProduct::default()
        })
    }

    pub(crate) async fn stop(&self, run: &RunRef) -> Result<(), ProviderError> {
        const OPERATION: &str = "cancel_run";
        let found = match self.place(OPERATION, run).await? {
            Place::Nowhere => return Ok(()),
            Place::Coming => {
                return Err(fail(
                    OPERATION,
                    ProviderErrorKind::Precondition,
                    "GitHub does not show the run yet; it is stopped when it does",
                ));
            }
            Place::Found(found) => found,
        };
        if found.status.as_deref() == Some("completed") {
            return Ok(());
        }
        let id = found.id.to_string();
        let path = ["actions", "runs", id.as_str()];
        let ask = self
            .client
            .ask(OPERATION, Method::POST, &[&path[..], &["cancel"]].concat());
        let answer = self.client.answer(&ask).await?;
        match answer.status.as_u16() {
            200..=299 | 404 => Ok(()),
            // It ended between the look and the request, or cannot be stopped just now.
            409 => {
                let again: Option<Run> = self.client.find(&self.client.get(OPERATION, &path)).await?;
                match again.and_then(|run| run.status).as_deref() {
                    None | Some("completed") => Ok(()),
                    Some(_) => Err(self.client.refused(&answer)),
                }
            }
            _ => Err(self.client.refused(&answer)),
        }
    }
}

fn ended(result: RunResult, run: &Run, product: RunProduct) -> RunState {
    RunState::Ended {
        result,
        product: RunProduct {
            number: Some(run.number()),
            url: Some(run.page()),
            sha: run.head_sha.as_deref().and_then(|sha| sha.parse().ok()),
            failed: result == RunResult::Failed,
            ..product
        },
    }
}
