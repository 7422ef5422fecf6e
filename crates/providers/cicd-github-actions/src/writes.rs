//! Starting a run.

use crate::find::{elsewhere, file_of, is_elsewhere, reference};
use crate::run::{VISIBLE_AFTER, nameless};
use crate::wire::{Commit, Content, Dispatched, Run};
use crate::workflow::Definition;
use crate::{Actions, ApiVersion, Correlation, KEY_INPUT, fail};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use delivr_domain::effect::{CicdWrite, OperationKind, Reference};
use delivr_domain::key::EffectKey;
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Declared, Lookup, Recognition, Writes};
use delivr_provider_kit::Method;
use serde_json::json;
use std::collections::BTreeMap;

impl Actions {
    /// A workflow's file at a commit or ref, or on the default branch.
    pub(crate) async fn definition(
        &self,
        operation: &'static str,
        file: &str,
        at: Option<&str>,
    ) -> Result<Definition, ProviderError> {
        let mut ask = self
            .client
            .get(operation, &["contents", ".github", "workflows", file]);
        if let Some(at) = at {
            ask = ask.query(&[("ref", at)]);
        }
        let place = at.map_or_else(|| "the default branch".to_owned(), |at| format!("commit {at}"));
        let answer = self.client.answer(&ask).await?;
        if answer.status.as_u16() == 404 {
            let name = self.client.name();
            return Err(answer.error(
                ProviderErrorKind::NotFound,
                format!(
                    "{name} shows no .github/workflows/{file} at {place}; check the name, and that the token has \
                     contents: read"
                ),
            ));
        }
        if !answer.status.is_success() {
            return Err(self.client.refused(&answer));
        }
        let content: Content = answer.decode()?;
        let text = text_of(&content).ok_or_else(|| {
            answer.error(
                ProviderErrorKind::Malformed,
                "GitHub's copy of the file cannot be read",
            )
        })?;
        Definition::read(&text).map_err(|why| {
            let sentence = format!(".github/workflows/{file} at {place} is no workflow: {why}");
            fail(operation, ProviderErrorKind::Misconfigured, sentence)
        })
    }

    /// Whether a dispatch is asked to name its run. The newer version always does and refuses the question; Enterprise
    /// Servers speak the older one and may not know it.
    fn asks_for_the_run(&self) -> bool {
        self.version == ApiVersion::First && !self.client.is_server()
    }

    /// The ref must name the commit that is wanted: GitHub starts whatever it names at that moment.
    async fn check_ref(
        &self,
        operation: &'static str,
        name: &RefName,
        sha: &Sha,
    ) -> Result<(), ProviderError> {
        // A commit's files come with it, a page of them at a time; they are not needed.
        let ask = self
            .client
            .of_ref(operation, Method::GET, &["commits"], name)
            .query(&[("per_page", "1")]);
        let commit: Commit = match self.client.json(&ask).await {
            Ok(commit) => commit,
            Err(error) if error.kind == ProviderErrorKind::NotFound => {
                let sentence = format!(
                    "{} has no branch or tag {name} (or the token may not see it); the release's source must be this \
                     repository, or mirrored to it",
                    self.client.name()
                );
                return Err(ProviderError { sentence, ..error });
            }
            Err(error) => return Err(error),
        };
        if commit.sha.eq_ignore_ascii_case(sha.as_str()) {
            return Ok(());
        }
        Err(fail(
            operation,
            ProviderErrorKind::Conflict,
            format!(
                "{name} names commit {} in {}, and {sha} is to be built; try again, by which a branch is read anew; a tag is \
                 set right first",
                commit.sha,
                self.client.name()
            ),
        ))
    }

    /// Everything that can be known before: nothing is sent that GitHub would refuse, or whose run could not be found.
    async fn prepared(
        &self,
        operation: &'static str,
        key: &EffectKey,
        write: &CicdWrite,
    ) -> Result<BTreeMap<String, String>, ProviderError> {
        let CicdWrite::TriggerRun {
            job,
            git_ref,
            sha,
            parameters,
        } = write;
        let file = file_of(operation, job)?;
        self.check_ref(operation, git_ref, sha).await?;
        let definition = self.definition(operation, file, Some(sha.as_str())).await?;
        let misconfigured = |sentence| fail(operation, ProviderErrorKind::Misconfigured, sentence);
        if self.correlation == Correlation::RunName
            && let Some(sentence) = definition.lacks(file)
        {
            return Err(misconfigured(sentence));
        }
        let mut inputs = parameters.clone();
        if definition.takes_key() {
            inputs.insert(KEY_INPUT.to_owned(), key.short());
        } else {
            inputs.remove(KEY_INPUT);
        }
        match definition.refuses(file, &inputs) {
            None => Ok(inputs),
            Some(sentence) => Err(misconfigured(sentence)),
        }
    }

    /// The run that a dispatch named, with the commit it really runs. A look that fails says nothing against the run.
    async fn observed(
        &self,
        operation: &'static str,
        dispatched: &Dispatched,
        job: &str,
        sha: &Sha,
    ) -> Result<Reference, ProviderError> {
        let id = dispatched.workflow_run_id.to_string();
        let ask = self.client.get(operation, &["actions", "runs", &id]);
        match self.client.json::<Run>(&ask).await {
            Ok(run) if is_elsewhere(&run, sha) => {
                Err(fail(operation, ProviderErrorKind::Conflict, elsewhere(&run, sha))
                    .certain(Certainty::Unknown))
            }
            Ok(run) => Ok(reference(&run, job)),
            Err(_unread) => {
                let page = self.client.page("actions/runs/", &id);
                let url = dispatched.html_url.clone().unwrap_or(page);
                Ok(Reference::id(id).at(url).with("job", job))
            }
        }
    }
}

/// The text of a file, which GitHub encodes and breaks into lines.
fn text_of(content: &Content) -> Option<String> {
    if content.encoding.as_deref() != Some("base64") {
        return None;
    }
    let encoded: String = content.content.as_deref()?.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

#[async_trait]
impl Writes<CicdWrite> for Actions {
    fn declared(&self, _operation: OperationKind) -> Declared {
        match self.correlation {
            Correlation::RunName => Declared::new(Recognition::ByMarker {
                visible_after: VISIBLE_AFTER,
            }),
            // A run is listed as late as one with a mark: before that, an empty list says nothing about an earlier send.
            Correlation::Window => {
                let declared = Declared::new(Recognition::Window);
                Declared {
                    delivery_bound: declared.delivery_bound.saturating_add(VISIBLE_AFTER),
                    ..declared
                }
            }
        }
    }

    async fn find(&self, key: &EffectKey, write: &CicdWrite) -> Result<Lookup, ProviderError> {
        let CicdWrite::TriggerRun { job, sha, .. } = write;
        match self.correlation {
            Correlation::RunName => self.look_up(job, &key.short(), sha).await,
            Correlation::Window => self.look_through_window(job, sha).await,
        }
    }

    async fn create(&self, key: &EffectKey, write: &CicdWrite) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "trigger_run";
        let CicdWrite::TriggerRun {
            job, git_ref, sha, ..
        } = write;
        // Nothing was sent before this is through, whatever went wrong in it.
        let inputs = self
            .prepared(OPERATION, key, write)
            .await
            .map_err(|error| error.certain(Certainty::NotDone))?;
        let file = file_of(OPERATION, job)?;
        let mut body = json!({"ref": git_ref.as_str(), "inputs": inputs});
        if self.asks_for_the_run() {
            body = json!({"ref": git_ref.as_str(), "inputs": inputs, "return_run_details": true});
        }
        let path = ["actions", "workflows", file, "dispatches"];
        let ask = self.client.ask(OPERATION, Method::POST, &path).json(body);
        let at = self.clock.now();
        let answer = self.client.send(&ask).await.map_err(|error| {
            if error.kind != ProviderErrorKind::NotFound {
                return error;
            }
            // The file was there at the commit just now, and so was the ref.
            let sentence = format!(
                "GitHub knows no workflow {file} that it could start: its file must be on the default branch too, and the \
                 token needs actions: write"
            );
            ProviderError { sentence, ..error }
        })?;
        // Older servers, and some newer ones in spite of the question, answer without a word.
        if answer.status.as_u16() == 204 || answer.body.is_empty() {
            let page = self.client.page("actions/workflows/", file);
            return Ok(nameless(at, sha).at(page).with("job", job));
        }
        let dispatched: Dispatched = answer.decode()?;
        self.observed(OPERATION, &dispatched, job, sha).await
    }
}
