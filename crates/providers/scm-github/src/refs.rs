//! Branches and tags. Both are refs, and a ref's name is unique: GitHub makes it once, whoever asks how often.

use crate::errors::{Refused, refusal};
use crate::fail;
use crate::scm::GitHubScm;
use delivr_domain::effect::Reference;
use delivr_domain::key::EffectKey;
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::Lookup;
use delivr_provider_kit::Method;
use octocrab::models::repos::{GitTag, Object, Ref};
use serde::Deserialize;
use serde_json::json;

/// Tags may name tags; deeper than this nobody goes.
const DEEPEST: usize = 5;

/// Which kind of ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Below `refs/heads/`.
    Branch,
    /// Below `refs/tags/`.
    Tag,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Branch => "heads",
            Self::Tag => "tags",
        }
    }
    const fn word(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::Tag => "tag",
        }
    }
    fn full(self, name: &RefName) -> String {
        format!("refs/{}/{name}", self.folder())
    }
}

#[derive(Deserialize)]
struct Dated {
    committer: Committer,
}

#[derive(Deserialize)]
struct Committer {
    date: String,
}

#[derive(Deserialize)]
struct Compared {
    status: String,
}

fn sha_of(operation: &'static str, text: &str) -> Result<Sha, ProviderError> {
    text.parse().map_err(|_why| {
        fail(
            operation,
            ProviderErrorKind::Malformed,
            "GitHub names an object by something else than a hash",
        )
        .certain(Certainty::NotDone)
    })
}

impl GitHubScm {
    pub(crate) fn reference(&self, name: &RefName, sha: Option<&Sha>) -> Reference {
        let it = Reference::id(name.as_str()).at(self.client.page("tree/", name.as_str()));
        match sha {
            Some(sha) => it.with("sha", sha.as_str()),
            None => it,
        }
    }

    /// What a ref names now: the object and whether it is an annotated tag.
    ///
    /// Asked as a search for names that begin so: a missing ref is then an empty list, where asking for the ref itself
    /// answers 404 just as for a repository that the credential may not see.
    async fn object(
        &self,
        operation: &'static str,
        kind: Kind,
        name: &RefName,
    ) -> Result<Option<Object>, ProviderError> {
        let path = ["git", "matching-refs", kind.folder()];
        let found: Vec<Ref> = self
            .client
            .json(&self.client.of_ref(operation, Method::GET, &path, name))
            .await?;
        let full = kind.full(name);
        Ok(found
            .into_iter()
            .find(|one| one.ref_field == full)
            .map(|one| one.object))
    }

    /// The commit a branch or tag names; annotated tags are looked through.
    pub(crate) async fn commit_of(
        &self,
        operation: &'static str,
        kind: Kind,
        name: &RefName,
    ) -> Result<Option<Sha>, ProviderError> {
        let mut object = self.object(operation, kind, name).await?;
        for _ in 0..DEEPEST {
            object = match object {
                None => return Ok(None),
                Some(Object::Commit { sha, .. }) => return sha_of(operation, &sha).map(Some),
                Some(Object::Tag { sha, .. }) => {
                    let tag: GitTag = self
                        .client
                        .json(&self.client.get(operation, &["git", "tags", &sha]))
                        .await?;
                    match tag.object {
                        Some(inner) if inner.r#type == "commit" => {
                            return sha_of(operation, &inner.sha).map(Some);
                        }
                        Some(inner) if inner.r#type == "tag" => Some(Object::Tag {
                            sha: inner.sha,
                            url: inner.url,
                        }),
                        Some(_) | None => break,
                    }
                }
                Some(_) => break,
            };
        }
        Err(fail(
            operation,
            ProviderErrorKind::Conflict,
            format!("the {} {name} names no commit", kind.word()),
        ))
    }

    /// The commit behind a name; git itself prefers the tag where a branch is called the same.
    pub(crate) async fn head_of(
        &self,
        operation: &'static str,
        name: &RefName,
    ) -> Result<Option<Sha>, ProviderError> {
        match self.commit_of(operation, Kind::Tag, name).await? {
            Some(sha) => Ok(Some(sha)),
            None => self.commit_of(operation, Kind::Branch, name).await,
        }
    }

    pub(crate) async fn find_branch(&self, name: &RefName, sha: &Sha) -> Result<Lookup, ProviderError> {
        const OPERATION: &str = "find_branch";
        let Some(head) = self.commit_of(OPERATION, Kind::Branch, name).await? else {
            return Ok(Lookup::Found(Vec::new()));
        };
        // People commit to a release branch, so a descendant is still ours.
        let ours = head == *sha || {
            let range = format!("{sha}...{head}");
            let ask = self
                .client
                .get(OPERATION, &["compare", &range])
                .query(&[("per_page", "1")]);
            // No comparison: the commit is not in the repository at all.
            let compared: Option<Compared> = self.client.find(&ask).await?;
            compared.is_some_and(|it| it.status == "ahead")
        };
        Ok(if ours {
            Lookup::Found(vec![self.reference(name, Some(&head))])
        } else {
            Lookup::Foreign(format!(
                "the branch {name} exists at {} and does not contain {}",
                head.brief(),
                sha.brief()
            ))
        })
    }

    pub(crate) async fn find_tag(&self, name: &RefName, sha: &Sha) -> Result<Lookup, ProviderError> {
        Ok(match self.commit_of("find_tag", Kind::Tag, name).await? {
            None => Lookup::Found(Vec::new()),
            Some(commit) if commit == *sha => Lookup::Found(vec![self.reference(name, Some(sha))]),
            Some(commit) => Lookup::Foreign(format!(
                "the tag {name} exists at {} instead of {}",
                commit.brief(),
                sha.brief()
            )),
        })
    }

    pub(crate) async fn create_branch(&self, name: &RefName, sha: &Sha) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "create_branch";
        if self.make_ref(OPERATION, Kind::Branch, name, sha.as_str()).await? {
            return Ok(self.reference(name, Some(sha)));
        }
        let lookup = self.find_branch(name, sha).await?;
        settled(OPERATION, name, lookup)
    }

    /// An annotated tag: its object first, then its name. An object without a name is no tag and is swept away, so only
    /// the second write counts.
    pub(crate) async fn create_tag(
        &self,
        key: &EffectKey,
        name: &RefName,
        sha: &Sha,
        message: &str,
    ) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "create_tag";
        let ask = self.client.get(OPERATION, &["git", "commits", sha.as_str()]);
        let Some(dated) = self.client.find::<Dated>(&ask).await? else {
            return Err(no_commit(OPERATION, sha));
        };
        // The commit's own date: every attempt makes the same bytes, which are the same object.
        let tagger = json!({"name": "Delivr", "email": "delivr@localhost", "date": dated.committer.date});
        let message = format!(
            "{}\n\nDelivr-Key: {}\n",
            message.replace(['\0', '\r'], "").trim_end(),
            key.short()
        );
        let body = json!({"tag": name.as_str(), "message": message, "object": sha.as_str(), "type": "commit",
                          "tagger": tagger});
        let ask = self
            .client
            .ask(OPERATION, Method::POST, &["git", "tags"])
            .reads()
            .json(body);
        let answer = self.client.answer(&ask).await?;
        if refusal(&answer) == Some(Refused::NoObject) {
            return Err(no_commit(OPERATION, sha));
        }
        let object: GitTag = self.client.accept(answer)?.decode()?;
        if self.make_ref(OPERATION, Kind::Tag, name, &object.sha).await? {
            return Ok(self.reference(name, Some(sha)));
        }
        let lookup = self.find_tag(name, sha).await?;
        settled(OPERATION, name, lookup)
    }

    /// Makes a ref; false when one of the name exists already.
    async fn make_ref(
        &self,
        operation: &'static str,
        kind: Kind,
        name: &RefName,
        object: &str,
    ) -> Result<bool, ProviderError> {
        let ask = self
            .client
            .ask(operation, Method::POST, &["git", "refs"])
            .json(json!({"ref": kind.full(name), "sha": object}));
        let answer = self.client.answer(&ask).await?;
        match refusal(&answer) {
            Some(Refused::Exists) => Ok(false),
            Some(Refused::NoObject) => Err(answer.error(
                ProviderErrorKind::NotFound,
                format!("the commit to name {name} is not in {}", self.client.name()),
            )),
            Some(Refused::InTheWay) => Err(answer.error(
                ProviderErrorKind::Conflict,
                format!(
                    "GitHub does not make the {} {name}: a ref whose name is a part of it (or the other way round) is \
                     in the way, or a rule of the repository; look there first",
                    kind.word()
                ),
            )),
            Some(Refused::Gone | Refused::NothingBetween | Refused::NoBranch) | None => {
                // A page of a proxy is a 200 as well: only the ref itself says that it was made.
                let made: Ref = self.client.accept(answer)?.decode()?;
                if made.ref_field == kind.full(name) {
                    Ok(true)
                } else {
                    Err(fail(
                        operation,
                        ProviderErrorKind::Malformed,
                        format!("GitHub answers with another ref than {name}"),
                    ))
                }
            }
        }
    }

    pub(crate) async fn find_deleted(&self, name: &RefName) -> Result<Lookup, ProviderError> {
        let there = self.object("find_branch", Kind::Branch, name).await?;
        let gone = there.is_none().then(|| self.reference(name, None));
        Ok(Lookup::Found(gone.into_iter().collect()))
    }

    pub(crate) async fn delete_branch(&self, name: &RefName) -> Result<Reference, ProviderError> {
        const OPERATION: &str = "delete_branch";
        let Some(head) = self.commit_of(OPERATION, Kind::Branch, name).await? else {
            return Ok(self.reference(name, None));
        };
        let ask = self
            .client
            .of_ref(OPERATION, Method::DELETE, &["git", "refs", "heads"], name);
        let answer = self.client.answer(&ask).await?;
        if refusal(&answer) != Some(Refused::Gone) {
            let answer = self.client.accept(answer)?;
            // A page of a proxy is a 200 as well.
            if answer.status.as_u16() != 204 {
                return Err(answer.error(
                    ProviderErrorKind::Malformed,
                    format!("GitHub does not say that the branch {name} is deleted"),
                ));
            }
        }
        Ok(self.reference(name, Some(&head)))
    }
}

fn no_commit(operation: &'static str, sha: &Sha) -> ProviderError {
    let sentence = format!("the commit {} is not in the repository", sha.brief());
    fail(operation, ProviderErrorKind::NotFound, sentence)
}

/// What "exists already" means: ours after a lost answer or a race, else a conflict.
pub(crate) fn settled(
    operation: &'static str,
    name: &RefName,
    lookup: Lookup,
) -> Result<Reference, ProviderError> {
    match lookup {
        Lookup::Found(found) => found.into_iter().next().ok_or_else(|| {
            fail(
                operation,
                ProviderErrorKind::Precondition,
                format!("GitHub says that {name} exists, but does not show it; it is looked at again"),
            )
        }),
        Lookup::Foreign(sentence) => Err(fail(operation, ProviderErrorKind::Conflict, sentence)),
        Lookup::Unsure | Lookup::Over(_) => Err(fail(
            operation,
            ProviderErrorKind::Unavailable,
            format!("it cannot be said now what {name} is"),
        )),
    }
}
