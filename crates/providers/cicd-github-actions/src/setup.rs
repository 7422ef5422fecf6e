//! What the wizard asks: whether the token works and may do what a release needs, which workflows there are, and what
//! they take.

use crate::find::file_of;
use crate::wire::{Workflow, Workflows};
use crate::{Actions, Correlation, KEY_INPUT, fail};
use async_trait::async_trait;
use delivr_domain::effect::RunRef;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Check, Cicd, JobParameter, Verification};
use delivr_domain::report::RunState;
use delivr_github_kit::{check, is_finding};
use serde_json::json;

const VERIFY: &str = "verify";
/// Workflow files a verification reads before it gives up looking for one that is ready.
const MOST_READ: usize = 20;
/// A name no repository uses; nothing of it is ever made.
const PROBE: &str = "delivr-permission-probe-never-made";
const FOLDER: &str = ".github/workflows/";

impl Actions {
    /// Active workflows that have a file, all pages.
    async fn workflows(&self, operation: &'static str) -> Result<Vec<Workflow>, ProviderError> {
        let ask = self.client.get(operation, &["actions", "workflows"]);
        let read = |page: Workflows| (page.workflows, page.total_count);
        let mut all = self
            .listed(ask, read)
            .await?
            .whole(&self.client.adapter, operation)?;
        all.retain(|it| it.state == "active" && it.path.starts_with(FOLDER));
        Ok(all)
    }

    /// Whether a workflow is ready to be started: one is enough, since not all need be ours.
    async fn one_is_ready(&self, files: &[String]) -> Result<Vec<Check>, ProviderError> {
        let degraded = self.correlation == Correlation::Window;
        let (mut sample, mut unread) = (None, None);
        for file in files.iter().take(MOST_READ) {
            match self.definition(VERIFY, file, None).await {
                Ok(definition) => {
                    let lacks = definition.lacks(file);
                    if lacks.is_none() || (degraded && definition.dispatch) {
                        sample = None;
                        unread = None;
                        break;
                    }
                    // One that can be dispatched is the likelier one.
                    if sample.is_none() || definition.dispatch {
                        sample = lacks;
                    }
                }
                Err(error) if is_finding(&error) => unread = Some(error.sentence),
                Err(error) => return Err(error),
            }
        }
        let mut checks = vec![check("read workflow files", unread)];
        if degraded {
            checks.push(check("a workflow has the `workflow_dispatch` trigger", sample));
            checks.push(check(
                "runs are recognised by nothing (`correlation` is `window`): a person is asked whenever an answer of \
                 GitHub is lost, and whenever a run of the same workflow and commit exists already",
                None,
            ));
        } else {
            let what = format!("a workflow takes `{KEY_INPUT}` and shows it in its run-name");
            checks.push(check(&what, sample));
        }
        Ok(checks)
    }
}

#[async_trait]
impl Cicd for Actions {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        let (account, mut checks) = self.client.account().await?;
        let (seen, goes_on) = self.client.sight("runs nothing").await?;
        checks.push(seen);
        if !goes_on {
            return Ok(Verification { account, checks });
        }
        let name = self.client.name();
        let workflows = match self.workflows(VERIFY).await {
            Ok(workflows) => workflows,
            Err(error) if is_finding(&error) => {
                checks.push(check("read workflows", Some(error.sentence)));
                return Ok(Verification { account, checks });
            }
            Err(error) => return Err(error),
        };
        let files: Vec<String> = workflows
            .iter()
            .filter_map(|it| it.path.strip_prefix(FOLDER).map(str::to_owned))
            .collect();
        let none = format!("{name} has no active workflow; add one to the default branch");
        checks.push(check("read workflows", files.is_empty().then_some(none)));
        if let Some(first) = files.first() {
            // A run of a ref that cannot be starts nothing.
            let path = ["actions", "workflows", first, "dispatches"];
            let probe = json!({"ref": PROBE});
            checks.push(self.client.may("start and stop runs", &path, probe).await?);
            checks.extend(self.one_is_ready(&files).await?);
        }
        Ok(Verification { account, checks })
    }

    async fn jobs(&self) -> Result<Vec<String>, ProviderError> {
        let workflows = self.workflows("list_jobs").await?;
        let mut names: Vec<String> = workflows
            .iter()
            .filter_map(|it| it.path.strip_prefix(FOLDER).map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    async fn job_parameters(&self, job: &str) -> Result<Vec<JobParameter>, ProviderError> {
        const OPERATION: &str = "job_parameters";
        let file = file_of(OPERATION, job)?;
        let definition = self.definition(OPERATION, file, None).await?;
        // Whoever reads the inputs alone cannot see that the trigger or the name is missing.
        let hidden = !definition.dispatch
            || (self.correlation == Correlation::RunName
                && definition.takes_key()
                && !definition.shows_key());
        if let Some(sentence) = definition.lacks(file).filter(|_| hidden) {
            return Err(fail(OPERATION, ProviderErrorKind::Misconfigured, sentence));
        }
        Ok(definition
            .inputs
            .into_iter()
            .map(|input| JobParameter {
                name: input.name,
                kind: input.kind,
                default: input.default,
            })
            .collect())
    }

    async fn run_state(&self, run: &RunRef) -> Result<RunState, ProviderError> {
        self.state_of(run).await
    }

    async fn cancel(&self, run: &RunRef) -> Result<(), ProviderError> {
        self.stop(run).await
    }
}
