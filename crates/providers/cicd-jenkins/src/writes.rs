//! Starting a run, and finding the one that an earlier try started.

use crate::api::{Jenkins, explain, undeclared};
use crate::wire::{Build, Builds, Item, Queue};
use crate::{KEY, KEY_PARAMETER};
use async_trait::async_trait;
use delivr_domain::effect::{CicdWrite, OperationKind, Reference};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Cicd as _, Declared, Lookup, Recognition, Writes};
use delivr_domain::time::Span;
use std::ops::Range;
use std::time::Duration;

/// Longest time until the queue or the list of runs shows a request that Jenkins accepted. Both are in memory there;
/// this covers an item that is just turning into a run.
const VISIBLE_AFTER: Duration = Duration::from_secs(5);
/// Newest runs that are looked through first; `builds` shows no more than 100.
const NEWEST: usize = 100;
/// Runs that are asked for at once when the first look was not enough, and how often that is done.
const PAGE: usize = 1000;
const MOST_PAGES: usize = 5;
/// How far back runs are looked for, in days. A step is tried for a day, a restored database is some days old at most.
const DAYS: i64 = 30;

/// What was found under a key: what waits, and what runs or ran.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Whether everything was seen that could be ours.
    pub(crate) complete: bool,
    pub(crate) waiting: Vec<Item>,
    pub(crate) builds: Vec<Build>,
}

impl Jenkins {
    /// Everything that carries the key. The queue is read first, so that an item which becomes a run in between is
    /// seen at least once.
    pub(crate) async fn search(
        &self,
        operation: &'static str,
        job: &str,
        key: &str,
    ) -> Result<Found, ProviderError> {
        let tree = "items[id,cancelled,executable[number],actions[parameters[name,value]]]";
        let queue: Queue = self
            .get(operation, self.address(&["queue", "api", "json"]), tree)
            .await?;
        let waiting: Vec<Item> = queue
            .items
            .into_iter()
            .filter(|item| item.key() == Some(key))
            .collect();
        let mut listed = self.list(operation, job, "builds", 0..NEWEST).await?;
        let mut complete = listed.len() < NEWEST;
        listed.retain(|build| build.key() == Some(key));
        let since = self.clock.now() - Span::days(DAYS);
        for page in 0..MOST_PAGES {
            if complete || !(listed.is_empty() && waiting.is_empty()) {
                break;
            }
            let range = page * PAGE..(page + 1) * PAGE;
            listed = self.list(operation, job, "allBuilds", range).await?;
            // Newest first: whatever follows one that is too old to be ours is so too.
            let old = listed.last().and_then(|build| build.timestamp);
            let old = old.is_some_and(|at| at < since.timestamp_millis());
            complete = old || listed.len() < PAGE;
            listed.retain(|build| build.key() == Some(key));
        }
        let started = |item: &Item| listed.iter().any(|build| build.queue_id == Some(item.id));
        Ok(Found {
            complete,
            waiting: waiting.into_iter().filter(|item| !started(item)).collect(),
            builds: listed,
        })
    }

    async fn list(
        &self,
        operation: &'static str,
        job: &str,
        which: &str,
        range: Range<usize>,
    ) -> Result<Vec<Build>, ProviderError> {
        let tree = format!(
            "{which}[number,url,queueId,timestamp,building,result,actions[parameters[name,value],lastBuiltRevision[SHA1]]]\
             {{{},{}}}",
            range.start, range.end
        );
        // Jenkins may send both lists; only the one asked for counts.
        let answer: serde_json::Value = self
            .get(operation, self.job_address(job, &["api", "json"]), &tree)
            .await?;
        let list = answer
            .get(which)
            .cloned()
            .unwrap_or_else(|| serde_json::json!([]));
        let builds: Builds =
            serde_json::from_value(serde_json::json!({"builds": list})).map_err(|_ignored| {
                ProviderError::new(
                    KEY,
                    operation,
                    ProviderErrorKind::Malformed,
                    "Jenkins' list of runs is not what it documents",
                )
            })?;
        Ok(builds.builds)
    }

    fn queue_reference(&self, id: u64, job: &str) -> Reference {
        let url = self.address(&["queue", "item", &id.to_string(), ""]);
        Reference::id(id.to_string()).at(url).with("job", job)
    }
}

#[async_trait]
impl Writes<CicdWrite> for Jenkins {
    fn declared(&self, _operation: OperationKind) -> Declared {
        Declared::new(Recognition::ByMarker {
            visible_after: VISIBLE_AFTER,
        })
    }

    async fn find(&self, key: &EffectKey, write: &CicdWrite) -> Result<Lookup, ProviderError> {
        let CicdWrite::TriggerRun { job, .. } = write;
        let found = self.search("find_run", job, &key.short()).await?;
        if found.waiting.is_empty() && found.builds.is_empty() && !found.complete {
            // What was not looked through may be ours.
            return Ok(Lookup::Unsure);
        }
        let waiting = found
            .waiting
            .iter()
            .map(|item| self.queue_reference(item.id, job));
        let runs = found.builds.iter().map(|build| {
            let number = build.number.to_string();
            let own = self.job_address(job, &[&number, ""]).to_string();
            // The queue id stays the name, so that both looks at one run give one reference.
            let id = build
                .queue_id
                .map_or_else(|| format!("{job}#{number}"), |id| id.to_string());
            let url = build.url.clone().unwrap_or(own);
            Reference::id(id).at(url).with("job", job).with("number", number)
        });
        Ok(Lookup::Found(waiting.chain(runs).collect()))
    }

    async fn create(&self, key: &EffectKey, write: &CicdWrite) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "trigger_run";
        let CicdWrite::TriggerRun { job, parameters, .. } = write;
        // Without the parameter a lost answer could never be told from a run that did not start.
        let declared = self.job_parameters(job).await.map_err(|mut error| {
            error.certainty = Certainty::NotDone;
            error
        })?;
        if !declared.iter().any(|it| it.name == KEY_PARAMETER) {
            let sentence = undeclared(&format!("the job {job}"));
            return Err(ProviderError::new(
                KEY,
                OPERATION,
                ProviderErrorKind::Misconfigured,
                sentence,
            ));
        }
        let mut form: Vec<(String, String)> = parameters
            .iter()
            .filter(|(name, _)| *name != KEY_PARAMETER)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        form.push((KEY_PARAMETER.to_owned(), key.short()));
        let mut url = self.job_address(job, &["buildWithParameters"]);
        url.query_pairs_mut().append_pair("delay", "0sec");
        let answer = self.post(OPERATION, url, form).await?;
        // 303: an equal request waits already; with our key among its parameters it can only be ours.
        if !matches!(answer.status.as_u16(), 200..=202 | 303) {
            return Err(explain(&answer));
        }
        let item = answer.header("location").and_then(queue_id).ok_or_else(|| {
            answer.error(
                ProviderErrorKind::Malformed,
                "Jenkins accepted the run but does not say where it waits",
            )
        })?;
        Ok(self.queue_reference(item, job))
    }
}

/// The number in `.../queue/item/N/`. Only the number is taken: the host is what Jenkins believes to be its own.
fn queue_id(location: &str) -> Option<u64> {
    let after = location.rsplit_once("/queue/item/")?.1;
    after.trim_end_matches('/').parse().ok()
}
