//! The port: branches and tags by name, commits and notes from the mirror.

use crate::KEY;
use crate::notes;
use crate::repository::{Pushed, Repository};
use async_trait::async_trait;
use delivr_domain::effect::{OperationKind, Reference, ScmWrite};
use delivr_domain::key::EffectKey;
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Check, Commit, Declared, Lookup, Recognition, Scm, Verification, Writes};

/// A connection to one repository.
#[derive(Debug)]
pub struct GitScm {
    repository: Repository,
    default: RefName,
    browse: Option<String>,
}

fn branch(name: &RefName) -> String {
    format!("refs/heads/{name}")
}

fn tag(name: &RefName) -> String {
    format!("refs/tags/{name}")
}

fn fail(operation: &'static str, kind: ProviderErrorKind, sentence: impl Into<String>) -> ProviderError {
    ProviderError::new(KEY, operation, kind, sentence)
}

fn unsupported(operation: &'static str, what: &str) -> ProviderError {
    fail(
        operation,
        ProviderErrorKind::Unsupported,
        format!("plain git has no {what}"),
    )
}

impl GitScm {
    pub(crate) const fn new(repository: Repository, default: RefName, browse: Option<String>) -> Self {
        Self {
            repository,
            default,
            browse,
        }
    }

    fn reference(&self, name: &RefName, sha: Option<&Sha>) -> Reference {
        let it = Reference::id(name.as_str());
        let it = match sha {
            Some(sha) => it.with("sha", sha.as_str()),
            None => it,
        };
        match &self.browse {
            Some(template) => {
                // `/` stays: it separates in every host's addresses.
                let encode = |text: &str| {
                    let parts = text.split('/').map(|part| {
                        url::form_urlencoded::byte_serialize(part.as_bytes())
                            .collect::<String>()
                            .replace('+', "%20")
                    });
                    parts.collect::<Vec<_>>().join("/")
                };
                let sha = sha.map_or("", Sha::as_str);
                it.at(template
                    .replace("{ref}", &encode(name.as_str()))
                    .replace("{sha}", sha))
            }
            None => it,
        }
    }

    async fn find_branch(&self, name: &RefName, sha: &Sha) -> Result<Lookup, ProviderError> {
        const OPERATION: &str = "find_branch";
        let full = branch(name);
        let refs = self.repository.refs(OPERATION, &[&full]).await?;
        let Some(head) = refs.get(&full) else {
            return Ok(Lookup::Found(Vec::new()));
        };
        // People commit to a release branch, so a descendant is still ours.
        let ours = head == sha || {
            self.repository.fetch(OPERATION, &[head, sha]).await?;
            if !self.repository.has(OPERATION, head).await? {
                // It moved between the two looks: ask again.
                return Ok(Lookup::Unsure);
            }
            self.repository.has(OPERATION, sha).await?
                && self.repository.reaches(OPERATION, sha, head).await?
        };
        Ok(if ours {
            Lookup::Found(vec![self.reference(name, Some(head))])
        } else {
            Lookup::Foreign(format!(
                "the branch {name} exists at {} and does not contain {}",
                head.brief(),
                sha.brief()
            ))
        })
    }

    async fn find_tag(&self, name: &RefName, sha: &Sha) -> Result<Lookup, ProviderError> {
        let full = tag(name);
        let peeled = format!("{full}^{{}}");
        let refs = self.repository.refs("find_tag", &[&full, &peeled]).await?;
        Ok(match refs.get(&peeled).or_else(|| refs.get(&full)) {
            None => Lookup::Found(Vec::new()),
            Some(commit) if commit == sha => Lookup::Found(vec![self.reference(name, Some(sha))]),
            Some(commit) => Lookup::Foreign(format!(
                "the tag {name} exists at {} instead of {}",
                commit.brief(),
                sha.brief()
            )),
        })
    }

    /// Checks that the commit is there to be named, fetching where it is not.
    async fn with_commit(&self, operation: &'static str, sha: &Sha) -> Result<(), ProviderError> {
        self.repository.fetch(operation, &[sha]).await?;
        if self.repository.has(operation, sha).await? {
            return Ok(());
        }
        let sentence = format!(
            "the commit {} is on no branch or tag of the repository",
            sha.brief()
        );
        Err(fail(operation, ProviderErrorKind::NotFound, sentence))
    }

    /// What a push that found the ref already there means: ours after a lost answer or a race, else a conflict.
    async fn settle(
        &self,
        operation: &'static str,
        name: &RefName,
        sha: &Sha,
        lookup: Lookup,
    ) -> Result<Reference, ProviderError> {
        match lookup {
            Lookup::Found(found) => match found.into_iter().next() {
                Some(reference) => Ok(reference),
                None => {
                    let sentence = format!(
                        "the server does not make {name} although it does not exist; either somebody just deleted \
                         it, or a ref whose name is a part of it (or the other way round) is in the way"
                    );
                    Err(fail(operation, ProviderErrorKind::Precondition, sentence))
                }
            },
            Lookup::Foreign(sentence) => Err(fail(operation, ProviderErrorKind::Conflict, sentence)),
            Lookup::Unsure | Lookup::Over(_) => Err(fail(
                operation,
                ProviderErrorKind::Unavailable,
                format!("it cannot be said whether {name} is at {}", sha.brief()),
            )),
        }
    }

    /// An annotated tag whose bytes follow from the key, so that every attempt makes the same object.
    async fn tag_object(
        &self,
        operation: &'static str,
        key: &EffectKey,
        (name, sha, message): (&RefName, &Sha, &str),
    ) -> Result<String, ProviderError> {
        let shown = ["show", "-s", "--format=%ct", sha.as_str(), "--"];
        let dated = self.repository.local(operation, &shown, None).await?;
        let date = dated.stdout.trim();
        if !dated.ok() || date.is_empty() || !date.bytes().all(|it| it.is_ascii_digit()) {
            return Err(self
                .repository
                .git(operation)
                .explain(&dated)
                .certain(Certainty::NotDone));
        }
        // The commit's own date: no clock, and never before what is tagged.
        let message = message.replace(['\0', '\r'], "");
        let text = format!(
            "object {sha}\ntype commit\ntag {name}\ntagger Delivr <delivr@localhost> {date} +0000\n\n{}\n\nDelivr-Key: {}\n",
            message.trim_end(),
            key.short()
        );
        let made = self
            .repository
            .local(operation, &["mktag", "--no-strict"], Some(&text))
            .await?;
        if made.ok() {
            Ok(made.stdout.trim().to_owned())
        } else {
            Err(self
                .repository
                .git(operation)
                .explain(&made)
                .certain(Certainty::NotDone))
        }
    }

    async fn delete(&self, name: &RefName) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "delete_branch";
        let full = branch(name);
        let refs = self.repository.refs(OPERATION, &[&full]).await?;
        let Some(head) = refs.get(&full) else {
            return Ok(self.reference(name, None));
        };
        self.repository.fetch(OPERATION, &[]).await?;
        match self
            .repository
            .push(OPERATION, &full, None, head.as_str())
            .await?
        {
            Pushed::Done => Ok(self.reference(name, Some(head))),
            Pushed::Stale => {
                if self
                    .repository
                    .refs(OPERATION, &[&full])
                    .await?
                    .contains_key(&full)
                {
                    let sentence =
                        format!("the branch {name} was moved while it was to be deleted; look at it first");
                    return Err(fail(OPERATION, ProviderErrorKind::Conflict, sentence));
                }
                Ok(self.reference(name, Some(head)))
            }
        }
    }

    async fn head_of(&self, operation: &'static str, name: &RefName) -> Result<Option<Sha>, ProviderError> {
        let (head, tag) = (branch(name), tag(name));
        let peeled = format!("{tag}^{{}}");
        let refs = self.repository.refs(operation, &[&head, &tag, &peeled]).await?;
        // git itself prefers the tag where both exist.
        Ok([&peeled, &tag, &head]
            .into_iter()
            .find_map(|it| refs.get(it))
            .cloned())
    }

    async fn log(
        &self,
        operation: &'static str,
        base: Option<&RefName>,
        head: &RefName,
    ) -> Result<Vec<Commit>, ProviderError> {
        let missing = |name: &RefName| {
            fail(
                operation,
                ProviderErrorKind::NotFound,
                format!("there is no branch or tag {name} in the repository"),
            )
        };
        let to = self
            .head_of(operation, head)
            .await?
            .ok_or_else(|| missing(head))?;
        let from = match base {
            Some(name) => Some(
                self.head_of(operation, name)
                    .await?
                    .ok_or_else(|| missing(name))?,
            ),
            None => None,
        };
        let needed: Vec<&Sha> = from.iter().chain([&to]).collect();
        self.repository.fetch(operation, &needed).await?;
        let range = from.map_or_else(|| to.to_string(), |from| format!("{from}..{to}"));
        let format = "--format=%H%x00%ct%x00%an%x00%s";
        let arguments = ["log", "--no-color", "--no-show-signature", format, &range, "--"];
        let output = self.repository.local(operation, &arguments, None).await?;
        if !output.ok() {
            return Err(self
                .repository
                .git(operation)
                .explain(&output)
                .certain(Certainty::NotDone));
        }
        let read = |line: &str| {
            let mut parts = line.splitn(4, '\0');
            Some(Commit {
                sha: parts.next()?.parse().ok()?,
                at: chrono::DateTime::from_timestamp(parts.next()?.parse().ok()?, 0)?,
                author: parts.next()?.to_owned(),
                subject: parts.next()?.to_owned(),
            })
        };
        Ok(output.stdout.lines().filter_map(read).collect())
    }
}

#[async_trait]
impl Writes<ScmWrite> for GitScm {
    fn declared(&self, operation: OperationKind) -> Declared {
        Declared::new(if operation == OperationKind::DeleteBranch {
            Recognition::ByState
        } else {
            Recognition::ByName
        })
    }

    async fn find(&self, _key: &EffectKey, write: &ScmWrite) -> Result<Lookup, ProviderError> {
        match write {
            ScmWrite::CreateBranch { name, sha } => self.find_branch(name, sha).await,
            ScmWrite::CreateTag { name, sha, .. } => self.find_tag(name, sha).await,
            ScmWrite::DeleteBranch { name } => {
                let full = branch(name);
                let gone = !self
                    .repository
                    .refs("find_branch", &[&full])
                    .await?
                    .contains_key(&full);
                let reference = gone.then(|| self.reference(name, None));
                Ok(Lookup::Found(reference.into_iter().collect()))
            }
            ScmWrite::PublishRelease { .. } => Err(unsupported("find_release", "releases")),
            ScmWrite::OpenPullRequest { .. } => Err(unsupported("find_pull_request", "pull requests")),
        }
    }

    async fn create(&self, key: &EffectKey, write: &ScmWrite) -> Result<Reference, ProviderError> {
        match write {
            ScmWrite::CreateBranch { name, sha } => {
                const OPERATION: &str = "create_branch";
                self.with_commit(OPERATION, sha).await?;
                match self
                    .repository
                    .push(OPERATION, &branch(name), Some(sha.as_str()), "")
                    .await?
                {
                    Pushed::Done => Ok(self.reference(name, Some(sha))),
                    Pushed::Stale => {
                        let lookup = self.find_branch(name, sha).await?;
                        self.settle(OPERATION, name, sha, lookup).await
                    }
                }
            }
            ScmWrite::CreateTag { name, sha, message } => {
                const OPERATION: &str = "create_tag";
                self.with_commit(OPERATION, sha).await?;
                let object = self.tag_object(OPERATION, key, (name, sha, message)).await?;
                match self
                    .repository
                    .push(OPERATION, &tag(name), Some(&object), "")
                    .await?
                {
                    Pushed::Done => Ok(self.reference(name, Some(sha))),
                    Pushed::Stale => {
                        let lookup = self.find_tag(name, sha).await?;
                        self.settle(OPERATION, name, sha, lookup).await
                    }
                }
            }
            ScmWrite::DeleteBranch { name } => self.delete(name).await,
            ScmWrite::PublishRelease { .. } => Err(unsupported("publish_release", "releases")),
            ScmWrite::OpenPullRequest { .. } => Err(unsupported("open_pull_request", "pull requests")),
        }
    }
}

#[async_trait]
impl Scm for GitScm {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        const OPERATION: &str = "verify";
        let full = branch(&self.default);
        let refs = self.repository.refs(OPERATION, &[&full]).await?;
        let missing = refs.is_empty().then(|| {
            format!(
                "the repository has no branch {}; set defaultBranch to one it has",
                self.default
            )
        });
        Ok(Verification {
            account: self.repository.name(),
            checks: vec![
                Check {
                    what: "read refs".to_owned(),
                    missing: None,
                },
                Check {
                    what: format!("find the default branch {}", self.default),
                    missing,
                },
            ],
        })
    }

    async fn resolve(&self, name: &RefName) -> Result<Option<Sha>, ProviderError> {
        self.head_of("resolve", name).await
    }

    async fn compare(&self, base: Option<&RefName>, head: &RefName) -> Result<Vec<Commit>, ProviderError> {
        self.log("compare", base, head).await
    }

    async fn release_notes(
        &self,
        previous: Option<&RefName>,
        current: &RefName,
    ) -> Result<String, ProviderError> {
        Ok(notes::markdown(
            &self.log("release_notes", previous, current).await?,
        ))
    }

    async fn branches(&self) -> Result<Vec<String>, ProviderError> {
        let refs = self.repository.refs("branches", &["refs/heads/*"]).await?;
        Ok(refs
            .keys()
            .filter_map(|it| it.strip_prefix("refs/heads/").map(str::to_owned))
            .collect())
    }

    fn publishes_releases(&self) -> bool {
        false
    }

    fn has_pull_requests(&self) -> bool {
        false
    }
}
