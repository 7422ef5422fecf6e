//! The operations of test management.

use crate::client::Client;
use crate::{Config, KEY};
use async_trait::async_trait;
use delivr_domain::effect::{OperationKind, Reference, TestingWrite};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Check, Declared, Lookup, Recognition, Testing, Verification, Writes};
use delivr_domain::report::TestTotals;
use delivr_provider_kit::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Longest run name, in characters.
const NAME: usize = 50;
/// How many digits of the key stand in the name.
const DIGITS: usize = 8;
const PAGE: usize = 50;

pub(crate) struct Checkmate {
    pub(crate) client: Client,
    pub(crate) config: Config,
}

fn mark(key: &EffectKey) -> String {
    key.short().chars().take(DIGITS).collect()
}

/// The name, cut so that the mark in brackets fits behind it; the mark also brings it over the least length.
fn run_name(name: &str, key: &EffectKey) -> String {
    let flat = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let room = NAME - DIGITS - 3;
    let cut: String = flat.chars().take(room).collect();
    format!("{} [{}]", cut.trim_end(), mark(key))
}

fn line(key: &EffectKey) -> String {
    format!("delivr_key: {}", key.short())
}

fn shapeless(operation: &'static str, what: &str) -> ProviderError {
    ProviderError::new(
        KEY,
        operation,
        ProviderErrorKind::Malformed,
        format!("Checkmate's answer lacks {what}"),
    )
}

/// An id that is a number there and a text here.
fn id_of(run: &Value) -> Option<String> {
    run.get("runId").and_then(Value::as_i64).map(|id| id.to_string())
}

#[async_trait]
impl Writes<TestingWrite> for Checkmate {
    fn declared(&self, operation: OperationKind) -> Declared {
        if operation == OperationKind::CreateTestRun {
            // The list is committed SQL: no index that lags behind.
            Declared::new(Recognition::ByMarker {
                visible_after: Duration::ZERO,
            })
        } else {
            // Whoever tests on after a reset makes it look as if it had not been: a second one wipes their results.
            Declared::new(Recognition::ByState).asking_in_doubt()
        }
    }

    async fn find(&self, key: &EffectKey, write: &TestingWrite) -> Result<Lookup, ProviderError> {
        match write {
            TestingWrite::CreateRun { .. } => self.find_run(key).await,
            TestingWrite::ResetRun { run } => {
                // Reset marks every passed test as "retest": with none passed it is done, or there is nothing to do.
                let totals = self.numbers("find_reset", run).await?;
                Ok(Lookup::Found(if count(&totals, "passed") == 0 {
                    vec![self.reference(run)]
                } else {
                    Vec::new()
                }))
            }
        }
    }

    async fn create(&self, key: &EffectKey, write: &TestingWrite) -> Result<Reference, ProviderError> {
        match write {
            TestingWrite::CreateRun {
                name, description, ..
            } => self.create_run(key, name, description).await,
            TestingWrite::ResetRun { run } => {
                let id = self.number("reset_run", run)?;
                self.client
                    .write("reset_run", Method::PUT, "run/reset", json!({"runId": id}))
                    .await?;
                Ok(self.reference(run))
            }
        }
    }
}

fn count(totals: &Value, name: &str) -> u32 {
    totals
        .get(name)
        .and_then(Value::as_u64)
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(0)
}

impl Checkmate {
    fn reference(&self, run: &str) -> Reference {
        Reference::id(run).at(self.client.browse(self.config.project_id, run))
    }

    fn number(&self, operation: &'static str, run: &str) -> Result<i64, ProviderError> {
        run.parse().map_err(|_why| {
            ProviderError::new(
                KEY,
                operation,
                ProviderErrorKind::Invalid,
                format!("`{run}` is no run of Checkmate: runs have numbers"),
            )
        })
    }

    async fn find_run(&self, key: &EffectKey) -> Result<Lookup, ProviderError> {
        const OPERATION: &str = "find_run";
        let (project, mark, line) = (self.config.project_id.to_string(), mark(key), line(key));
        let size = PAGE.to_string();
        let (mut found, mut page, mut seen) = (Vec::new(), 1_usize, 0_u64);
        loop {
            let number = page.to_string();
            // No status filter: a run that people locked or deleted since is still the one we made.
            let pairs = [
                ("projectId", project.as_str()),
                ("search", mark.as_str()),
                ("page", number.as_str()),
                ("pageSize", size.as_str()),
            ];
            let data = self.client.read(OPERATION, "runs", &pairs).await?;
            let list = data.pointer("/runsData/runsData").and_then(Value::as_array);
            let list =
                list.ok_or_else(|| shapeless(OPERATION, "the list of runs").certain(Certainty::NotDone))?;
            for run in list {
                let description = run
                    .get("runDescription")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                // Eight digits may meet by chance; the whole key in the description decides.
                if description.lines().any(|one| one.trim() == line)
                    && let Some(id) = id_of(run)
                {
                    found.push(self.reference(&id));
                }
            }
            seen += list.len() as u64;
            let total = data
                .pointer("/runsData/runsCount/0/count")
                .and_then(Value::as_u64);
            if list.is_empty() || total.is_none_or(|total| seen >= total) {
                return Ok(Lookup::Found(found));
            }
            page += 1;
        }
    }

    async fn create_run(
        &self,
        key: &EffectKey,
        name: &str,
        description: &str,
    ) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "create_run";
        let mut body = Map::new();
        body.insert("projectId".to_owned(), json!(self.config.project_id));
        body.insert("runName".to_owned(), json!(run_name(name, key)));
        body.insert(
            "runDescription".to_owned(),
            json!(format!("{description}\n\n{}", line(key)).trim_start()),
        );
        body.insert("filterType".to_owned(), json!("and"));
        let filters = [
            ("sectionIds", &self.config.sections),
            ("labelIds", &self.config.labels),
            ("squadIds", &self.config.squads),
        ];
        for (name, ids) in filters {
            // An empty list is refused there; leaving it out means all.
            if !ids.is_empty() {
                body.insert(name.to_owned(), json!(ids));
            }
        }
        let data = self
            .client
            .write(OPERATION, Method::POST, "run/create", Value::Object(body))
            .await?;
        let run = id_of(&data).ok_or_else(|| shapeless(OPERATION, "the run's number"))?;
        Ok(self.reference(&run))
    }

    async fn numbers(&self, operation: &'static str, run: &str) -> Result<Value, ProviderError> {
        let id = self.number(operation, run)?.to_string();
        // The totals of an unknown run are zeros, so its existence is asked for first.
        let detail = self
            .client
            .read(operation, "run/detail", &[("runId", id.as_str())])
            .await?;
        if detail.is_null() {
            return Err(ProviderError::new(
                KEY,
                operation,
                ProviderErrorKind::NotFound,
                format!("run {run} does not exist in Checkmate"),
            ));
        }
        let project = self.config.project_id.to_string();
        let pairs = [("runId", id.as_str()), ("projectId", project.as_str())];
        let totals = self.client.read(operation, "run/state-detail", &pairs).await?;
        if totals.get("total").and_then(Value::as_u64).is_none() {
            return Err(shapeless(operation, "the totals").certain(Certainty::NotDone));
        }
        Ok(totals)
    }
}

#[async_trait]
impl Testing for Checkmate {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        let orgs = self.client.read("verify", "orgs", &[]).await?;
        let org = self.config.org_id;
        let named = |list: &Value, id: &str, wanted: i64| {
            list.as_array().is_some_and(|list| {
                list.iter()
                    .any(|one| one.get(id).and_then(Value::as_i64) == Some(wanted))
            })
        };
        let mut checks = vec![Check {
            what: format!("organisation {org}"),
            missing: (!named(&orgs, "orgId", org))
                .then(|| "the token's user does not see this organisation".to_owned()),
        }];
        let (org, mut page, mut seen, mut found) = (org.to_string(), 1_usize, 0_u64, false);
        loop {
            let number = page.to_string();
            let pairs = [
                ("orgId", org.as_str()),
                ("page", number.as_str()),
                ("pageSize", "100"),
            ];
            let data = self.client.read("verify", "projects", &pairs).await?;
            let list = data.get("projectsList").cloned().unwrap_or_default();
            found |= named(&list, "projectId", self.config.project_id);
            let length = list.as_array().map_or(0, Vec::len);
            seen += length as u64;
            let total = data
                .pointer("/projectCount/0/count")
                .and_then(Value::as_u64)
                .unwrap_or(0);
            if found || length == 0 || seen >= total {
                break;
            }
            page += 1;
        }
        checks.push(Check {
            what: format!("project {}", self.config.project_id),
            missing: (!found).then(|| "the organisation has no such project".to_owned()),
        });
        Ok(Verification {
            account: format!("organisation {org}"),
            checks,
        })
    }

    async fn totals(&self, run: &str) -> Result<TestTotals, ProviderError> {
        let totals = self.numbers("totals", run).await?;
        let out = count(&totals, "archived") + count(&totals, "skipped");
        Ok(TestTotals {
            // Skipped and archived tests are not part of the rate (pass rate = passed of those that count).
            total: count(&totals, "total").saturating_sub(out),
            passed: count(&totals, "passed"),
            failed: count(&totals, "failed") + count(&totals, "blocked"),
            untested: count(&totals, "untested") + count(&totals, "retest") + count(&totals, "inprogress"),
        })
    }
}
