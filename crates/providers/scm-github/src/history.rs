//! Commits between refs, notes from them, names of branches.

use crate::refs::Kind;
use crate::scm::GitHubScm;
use crate::{MOST_PAGES, fail};
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::Commit;
use delivr_domain::time::Timestamp;
use delivr_provider_kit::Method;
use octocrab::models::repos::ReleaseNotes;
use serde::Deserialize;
use serde_json::json;

/// Commits listed where GitHub's notes are empty.
const LISTED: usize = 200;

#[derive(Deserialize)]
struct Page {
    commits: Vec<Entry>,
}

/// A commit, as far as we read it. octocrab's own type is strict about far more fields than we need.
#[derive(Deserialize)]
struct Entry {
    sha: Sha,
    commit: Told,
}

#[derive(Deserialize)]
struct Told {
    message: String,
    author: Option<Person>,
    committer: Option<Person>,
}

#[derive(Deserialize)]
struct Person {
    name: Option<String>,
    date: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
}

impl From<Entry> for Commit {
    fn from(entry: Entry) -> Self {
        let Told {
            message,
            author,
            committer,
        } = entry.commit;
        let date = |person: &Option<Person>| person.as_ref().and_then(|person| person.date);
        let at = date(&committer).or_else(|| date(&author));
        Self {
            sha: entry.sha,
            subject: message.lines().next().unwrap_or_default().to_owned(),
            author: author.and_then(|person| person.name).unwrap_or_default(),
            at: at.unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

impl GitHubScm {
    async fn known(&self, operation: &'static str, name: &RefName) -> Result<Sha, ProviderError> {
        self.head_of(operation, name).await?.ok_or_else(|| {
            fail(
                operation,
                ProviderErrorKind::NotFound,
                format!("there is no branch or tag {name} in {}", self.client.name()),
            )
        })
    }

    /// Commits of `head` that `base` has not, newest first. Names are resolved first: a comparison by hash cannot be
    /// misled by a branch that is called like a tag.
    pub(crate) async fn log(
        &self,
        operation: &'static str,
        base: Option<&RefName>,
        head: &RefName,
    ) -> Result<Vec<Commit>, ProviderError> {
        let to = self.known(operation, head).await?;
        let Some(base) = base else {
            let ask = self
                .client
                .get(operation, &["commits"])
                .query(&[("sha", to.as_str())]);
            return self
                .client
                .whole(ask, MOST_PAGES, |page: Vec<Entry>| {
                    page.into_iter().map(Commit::from).collect()
                })
                .await;
        };
        let from = self.known(operation, base).await?;
        let ask = self
            .client
            .get(operation, &["compare", &format!("{from}...{to}")]);
        // The first page holds the oldest commits.
        let mut all: Vec<Commit> = self
            .client
            .whole(ask, MOST_PAGES, |page: Page| {
                page.commits.into_iter().map(Commit::from).collect()
            })
            .await?;
        all.reverse();
        Ok(all)
    }

    /// GitHub's own notes, from pull requests and the repository's `.github/release.yml`. Where it finds no pull
    /// request, the commits themselves are listed above its link.
    pub(crate) async fn notes(
        &self,
        previous: Option<&RefName>,
        current: &RefName,
    ) -> Result<String, ProviderError> {
        const OPERATION: &str = "release_notes";
        let mut body = json!({"tag_name": current.as_str()});
        let mut add = |name: &str, value: &str| {
            if let Some(body) = body.as_object_mut() {
                body.insert(name.to_owned(), json!(value));
            }
        };
        if self.commit_of(OPERATION, Kind::Tag, current).await?.is_none() {
            // Not tagged yet: notes as if the tag were made at this commit.
            add("target_commitish", self.known(OPERATION, current).await?.as_str());
        }
        if let Some(previous) = previous {
            if self.commit_of(OPERATION, Kind::Tag, previous).await?.is_none() {
                // GitHub's notes begin at tags only.
                return Ok(listed(&self.log(OPERATION, Some(previous), current).await?));
            }
            add("previous_tag_name", previous.as_str());
        }
        let ask = self
            .client
            .ask(OPERATION, Method::POST, &["releases", "generate-notes"])
            .reads()
            .json(body);
        let notes: ReleaseNotes = self.client.json(&ask).await?;
        let lists = notes
            .body
            .lines()
            .any(|line| line.starts_with("* ") || line.starts_with("- "));
        if lists || previous.is_none() {
            return Ok(notes.body);
        }
        let commits = self.log(OPERATION, previous, current).await?;
        Ok(format!("{}\n{}\n", listed(&commits), notes.body.trim()))
    }

    pub(crate) async fn branch_names(&self) -> Result<Vec<String>, ProviderError> {
        let ask = self.client.get("branches", &["branches"]);
        self.client
            .whole(ask, MOST_PAGES, |page: Vec<Branch>| {
                page.into_iter().map(|one| one.name).collect()
            })
            .await
    }
}

/// Commits as Markdown, merges left out.
fn listed(commits: &[Commit]) -> String {
    let told: Vec<&Commit> = commits
        .iter()
        .filter(|one| !one.subject.starts_with("Merge "))
        .collect();
    if told.is_empty() {
        return "No changes.\n".to_owned();
    }
    let mut lines: Vec<String> = told
        .iter()
        .take(LISTED)
        .map(|one| {
            format!(
                "* {} ({}, {})",
                harmless(&one.subject),
                one.sha.brief(),
                harmless(&one.author)
            )
        })
        .collect();
    if told.len() > LISTED {
        lines.push(format!("* … and {} more", told.len() - LISTED));
    }
    format!("## What's Changed\n{}\n", lines.join("\n"))
}

/// Commit subjects are anybody's text: nothing in them becomes markup or calls a person.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|') {
            out.push('\\');
        }
        out.push(c);
        if c == '@' {
            // A zero-width joint.
            out.push('\u{200b}');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(subject: &str) -> Commit {
        Commit {
            sha: "a".repeat(40).parse().unwrap(),
            subject: subject.to_owned(),
            author: "Ann".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn commits_are_listed_without_merges_and_harmless() {
        let notes = listed(&[commit("Drop <b> for @all"), commit("Merge branch 'x'")]);
        assert_eq!(
            notes,
            "## What's Changed\n* Drop \\<b\\> for @\u{200b}all (aaaaaaaaaa, Ann)\n"
        );
        assert_eq!(listed(&[]), "No changes.\n");
        let many: Vec<Commit> = (0..LISTED + 3).map(|_| commit("x")).collect();
        assert!(listed(&many).ends_with("* … and 3 more\n"));
    }

    #[test]
    fn a_commit_without_known_people_is_read() {
        let sha = "b".repeat(40);
        let text =
            format!(r#"{{"sha":"{sha}","commit":{{"message":"One\n\nTwo","author":null}},"author":null}}"#);
        let commit = Commit::from(serde_json::from_str::<Entry>(&text).unwrap());
        assert_eq!((commit.subject.as_str(), commit.author.as_str()), ("One", ""));
    }
}
