//! A run's state, read by its queue item while Jenkins remembers that, else by its key; and stopping it.

use crate::KEY;
use crate::api::{Jenkins, explain};
use crate::wire::{Build, Facts, Item, parameter};
use delivr_domain::effect::RunRef;
use delivr_domain::names::Sha;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::report::{RunProduct, RunResult, RunState};

const TREE: &str = "number,url,queueId,building,result,artifacts[fileName,relativePath],\
                    actions[parameters[name,value],lastBuiltRevision[SHA1]]";

/// Where a run stands in Jenkins.
enum Place {
    Waiting(u64),
    Cancelled,
    Build(Box<Build>),
    Nowhere,
}

impl Jenkins {
    async fn place(&self, operation: &'static str, run: &RunRef) -> Result<Place, ProviderError> {
        if let Ok(id) = run.id.parse::<u64>() {
            let url = self.address(&["queue", "item", &id.to_string(), "api", "json"]);
            let tree = "id,cancelled,executable[number],actions[parameters[name,value]]";
            let item: Option<Item> = self.find(operation, url, tree).await?;
            // Ids start anew when Jenkins loses its queue, so an item counts only with our key.
            let ours = item.filter(|item| item.key().is_none_or(|key| key == run.correlation));
            if let Some(item) = ours {
                if let Some(executable) = item.executable {
                    if let Some(build) = self.build(operation, &run.job, executable.number).await? {
                        return Ok(Place::Build(Box::new(build)));
                    }
                } else if item.cancelled {
                    return Ok(Place::Cancelled);
                } else {
                    return Ok(Place::Waiting(item.id));
                }
            }
        }
        let found = self.search(operation, &run.job, &run.correlation).await?;
        let same = |build: &&Build| build.queue_id.is_some_and(|id| id.to_string() == run.id);
        // A person may have started the run again with all its parameters; ours is the one from our item, else the
        // first.
        let build = found
            .builds
            .iter()
            .find(same)
            .or_else(|| found.builds.iter().min_by_key(|build| build.number));
        if let Some(build) = build {
            let build = self.build(operation, &run.job, build.number).await?;
            return Ok(build.map_or(Place::Nowhere, |build| Place::Build(Box::new(build))));
        }
        if found.waiting.is_empty() && !found.complete {
            return Err(ProviderError::new(
                KEY,
                operation,
                ProviderErrorKind::Unavailable,
                "Jenkins shows too many runs of the job to tell whether this one is among them",
            ));
        }
        Ok(found
            .waiting
            .first()
            .map_or(Place::Nowhere, |item| Place::Waiting(item.id)))
    }

    async fn build(
        &self,
        operation: &'static str,
        job: &str,
        number: u64,
    ) -> Result<Option<Build>, ProviderError> {
        let url = self.job_address(job, &[&number.to_string(), "api", "json"]);
        self.find(operation, url, TREE).await
    }

    pub(crate) async fn state_of(&self, run: &RunRef) -> Result<RunState, ProviderError> {
        const OPERATION: &str = "run_state";
        let build = match self.place(OPERATION, run).await? {
            Place::Waiting(_) => return Ok(RunState::Queued),
            Place::Nowhere => return Ok(RunState::Gone),
            Place::Cancelled => {
                return Ok(RunState::Ended {
                    result: RunResult::Cancelled,
                    product: RunProduct::default(),
                });
            }
            Place::Build(build) => build,
        };
        // Pipelines set their result before they end.
        let Some(result) = build.result.as_deref().filter(|_| !build.building) else {
            return Ok(RunState::Running);
        };
        let result = match result {
            "SUCCESS" => RunResult::Succeeded,
            "ABORTED" => RunResult::Cancelled,
            // UNSTABLE means that tests failed: such a build is not shipped without a person's word.
            _ => RunResult::Failed,
        };
        let mut product = self.product(OPERATION, &run.job, &build).await?;
        product.failed = result == RunResult::Failed;
        Ok(RunState::Ended { result, product })
    }

    async fn product(
        &self,
        operation: &'static str,
        job: &str,
        build: &Build,
    ) -> Result<RunProduct, ProviderError> {
        let facts = self.facts(operation, job, build).await?;
        let number = build.number.to_string();
        let shippable = |name: &str| {
            let name = name.to_ascii_lowercase();
            [".ipa", ".aab", ".apk", ".zip", ".tgz", ".tar.gz"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        let described = |name: &str| name == "build.json";
        let mut files = build.artifacts.iter().filter(|it| !described(&it.file_name));
        let main = files
            .clone()
            .find(|it| shippable(&it.file_name))
            .or_else(|| files.next());
        let artifact_url = main.map(|it| {
            let mut below = vec![number.as_str(), "artifact"];
            below.extend(it.relative_path.split('/'));
            self.job_address(job, &below).to_string()
        });
        let given = parameter(&build.actions, "BUILD_NUMBER").filter(|it| !it.is_empty());
        let told = facts
            .build_number
            .as_ref()
            .map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned));
        Ok(RunProduct {
            url: Some(
                build
                    .url
                    .clone()
                    .unwrap_or_else(|| self.job_address(job, &[&number, ""]).to_string()),
            ),
            sha: observed(build).or_else(|| facts.sha?.parse().ok()),
            artifact_url,
            build_number: told
                .or_else(|| given.map(str::to_owned))
                .or_else(|| Some(number.clone())),
            number: Some(number),
            failed: false,
        })
    }

    /// What the job says about its product, where it leaves a `build.json`. Trouble on the way is reported, since an
    /// ended run is read only once; a file of another shape is not ours.
    async fn facts(&self, operation: &'static str, job: &str, build: &Build) -> Result<Facts, ProviderError> {
        let Some(file) = build.artifacts.iter().find(|it| it.file_name == "build.json") else {
            return Ok(Facts::default());
        };
        let number = build.number.to_string();
        let mut below = vec![number.as_str(), "artifact"];
        below.extend(file.relative_path.split('/'));
        let answer = self.read(operation, self.job_address(job, &below)).await?;
        match answer.status.as_u16() {
            200 => Ok(answer.decode().unwrap_or_default()),
            401 | 429 | 500..=599 => Err(explain(&answer)),
            // Reading artifacts needs a permission of its own where Run/Artifacts is switched on.
            _ => Ok(Facts::default()),
        }
    }

    pub(crate) async fn stop(&self, run: &RunRef) -> Result<(), ProviderError> {
        const OPERATION: &str = "cancel_run";
        // An item may start between the look and the request, so a request that came too late looks once more.
        for _ in 0..2 {
            match self.place(OPERATION, run).await? {
                Place::Nowhere | Place::Cancelled => return Ok(()),
                Place::Waiting(id) => {
                    let mut url = self.address(&["queue", "cancelItem"]);
                    url.query_pairs_mut().append_pair("id", &id.to_string());
                    let answer = self.post(OPERATION, url, Vec::new()).await?;
                    match answer.status.as_u16() {
                        200..=399 => return Ok(()),
                        404 => {}
                        _ => return Err(explain(&answer)),
                    }
                }
                Place::Build(build) if !build.building => return Ok(()),
                Place::Build(build) => {
                    let url = self.job_address(&run.job, &[&build.number.to_string(), "stop"]);
                    let answer = self.post(OPERATION, url, Vec::new()).await?;
                    return match answer.status.as_u16() {
                        200..=399 | 404 => Ok(()),
                        _ => Err(explain(&answer)),
                    };
                }
            }
        }
        Err(ProviderError::new(
            crate::KEY,
            OPERATION,
            ProviderErrorKind::Precondition,
            "the run is just leaving the queue; it is tried again",
        ))
    }
}

/// The commit that was checked out. With several checkouts (shared libraries) only the one that a parameter names is
/// believed: a guess would pass for an observation.
fn observed(build: &Build) -> Option<Sha> {
    let mut seen: Vec<Sha> = build
        .actions
        .iter()
        .flatten()
        .filter_map(|action| action.revision.as_ref()?.sha.as_ref()?.parse().ok())
        .collect();
    seen.sort();
    seen.dedup();
    let asked = |sha: &&Sha| {
        let parameters = build
            .actions
            .iter()
            .flatten()
            .flat_map(|action| &action.parameters);
        parameters
            .into_iter()
            .any(|it| it.value.as_str() == Some(sha.as_str()))
    };
    match seen.as_slice() {
        [only] => Some(only.clone()),
        several => several.iter().find(asked).cloned(),
    }
}
