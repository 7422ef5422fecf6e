//! What the wizard asks: whether the credential works, which jobs there are and what they take.

use crate::KEY_PARAMETER;
use crate::api::{Jenkins, explain, undeclared};
use crate::wire::{Job, Me};
use async_trait::async_trait;
use delivr_domain::effect::RunRef;
use delivr_domain::ports::error::ProviderError;
use delivr_domain::ports::vendor::{Check, Cicd, JobParameter, Verification};
use delivr_domain::report::RunState;

/// How deep folders are looked into.
const DEPTH: usize = 6;

fn tree(depth: usize) -> String {
    let fields = "fullName,buildable,property[parameterDefinitions[name]]";
    if depth == 0 {
        format!("jobs[{fields}]")
    } else {
        format!("jobs[{fields},{}]", tree(depth - 1))
    }
}

/// The jobs that can be started, with those in folders.
fn flatten(job: &Job, into: &mut Vec<Job>) {
    for child in job.jobs.iter().flatten() {
        if child.jobs.is_some() {
            flatten(child, into);
        } else if child.full_name.is_some() && child.buildable != Some(false) {
            into.push(child.clone());
        }
    }
}

impl Jenkins {
    async fn all_jobs(&self, operation: &'static str) -> Result<Vec<Job>, ProviderError> {
        let root: Job = self
            .get(operation, self.address(&["api", "json"]), &tree(DEPTH))
            .await?;
        let mut jobs = Vec::new();
        flatten(&root, &mut jobs);
        Ok(jobs)
    }
}

#[async_trait]
impl Cicd for Jenkins {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        const OPERATION: &str = "verify";
        let answer = self.read(OPERATION, self.address(&["me", "api", "json"])).await?;
        if !answer.status.is_success() {
            return Err(explain(&answer));
        }
        let me: Me = answer.decode()?;
        let version = answer.header("x-jenkins").map(str::to_owned);
        let mut checks = vec![Check {
            what: "address is a Jenkins".to_owned(),
            missing: version
                .is_none()
                .then(|| "the answer does not say X-Jenkins; check the base URL and any proxy".to_owned()),
        }];
        let jobs = self.all_jobs(OPERATION).await?;
        checks.push(Check {
            what: "read jobs".to_owned(),
            missing: jobs
                .is_empty()
                .then(|| "the user sees no job that can be started; grant Job/Read".to_owned()),
        });
        let mut ready = 0_usize;
        let mut sample = None;
        for job in &jobs {
            let Some(name) = &job.full_name else { continue };
            // The list leaves parameters out in places, so a doubtful job is asked itself until one is ready.
            let declares = |job: &Job| {
                let mut properties = job.property.iter().flatten();
                properties.any(|it| it.parameter_definitions.iter().any(|it| it.name == KEY_PARAMETER))
            };
            let known = declares(job);
            let asked = !known && ready == 0 && {
                let parameters = self.job_parameters(name).await?;
                parameters.iter().any(|it| it.name == KEY_PARAMETER)
            };
            if known || asked {
                ready += 1;
            } else if sample.is_none() {
                sample = Some(name.clone());
            }
        }
        checks.push(Check {
            what: format!("a job declares {KEY_PARAMETER}"),
            missing: match sample {
                Some(name) if ready == 0 => Some(undeclared(&format!("the job {name} (like all others)"))),
                Some(_) | None => None,
            },
        });
        let name = me.full_name.unwrap_or_else(|| me.id.clone());
        Ok(Verification {
            account: format!("{name} ({}), Jenkins {}", me.id, version.unwrap_or_default()),
            checks,
        })
    }

    async fn jobs(&self) -> Result<Vec<String>, ProviderError> {
        let jobs = self.all_jobs("list_jobs").await?;
        let mut names: Vec<String> = jobs.into_iter().filter_map(|job| job.full_name).collect();
        names.sort();
        Ok(names)
    }

    async fn job_parameters(&self, job: &str) -> Result<Vec<JobParameter>, ProviderError> {
        let url = self.job_address(job, &["api", "json"]);
        let tree =
            "fullName,buildable,property[parameterDefinitions[name,type,defaultParameterValue[name,value]]]";
        let job: Job = self.get("job_parameters", url, tree).await?;
        let definitions = job
            .property
            .into_iter()
            .flatten()
            .flat_map(|it| it.parameter_definitions);
        Ok(definitions
            .map(|it| JobParameter {
                name: it.name,
                kind: it.kind,
                default: it
                    .default_parameter_value
                    .map(|it| it.value)
                    .filter(|value| !value.is_null())
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
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
