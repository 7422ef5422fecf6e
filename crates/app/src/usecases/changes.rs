//! What a release brings: the commits since the last one that shipped, and what was picked since its last cycle.

use super::limit::within;
use crate::App;
use crate::connections::ConnectError;
use delivr_domain::ids::TenantId;
use delivr_domain::names::RefName;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::vendor::{Commit, Scm};
use delivr_domain::release::Release;
use std::time::Duration;

/// How long a person waits for the repository.
pub const LIMIT: Duration = Duration::from_secs(10);
/// Commits of a list that are told one by one.
pub const MOST: usize = 300;

/// Commits between two refs, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Older ref.
    pub base: RefName,
    /// Commits, at most [`MOST`].
    pub commits: Vec<Commit>,
    /// How many there are.
    pub count: usize,
}

/// What a release brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Where it is now: its tag, else its branch, else the branch that it will fork from.
    pub head: RefName,
    /// Since the last release that shipped; none when nothing shipped before, so that everything is new.
    pub shipped: Option<Span>,
    /// Since the last regression cycle with a tag, and the number of that cycle.
    pub cycle: Option<(u16, Span)>,
}

/// Reads from the repository what the release brings.
///
/// # Errors
/// When the repository cannot be opened or read, or does not answer within [`LIMIT`].
pub async fn read(app: &App, tenant: TenantId, release: &Release) -> Result<Changes, ConnectError> {
    let plan = release.plan();
    let connection = app
        .connections
        .open(
            app.store.as_ref(),
            &app.registry,
            &app.vault,
            tenant,
            plan.scm.integration,
        )
        .await?;
    let Connection::Scm(scm) = connection else {
        return Err(trouble(
            ProviderErrorKind::Refused,
            "the release's integration is no source control",
        ));
    };
    let head = release.tag.clone().or_else(|| release.branch.clone());
    let head = head.unwrap_or_else(|| plan.scm.base.clone());
    let reading = async {
        let shipped = match plan.scm.previous_tag.clone() {
            Some(base) => Some(span(scm.as_ref(), base, &head).await?),
            None => None,
        };
        let cycles = release.cycles.iter().rev();
        let mut tagged = cycles.filter_map(|it| Some((it.number, it.tag.clone()?)));
        let cycle = match tagged.next() {
            Some((number, base)) => Some((number, span(scm.as_ref(), base, &head).await?)),
            None => None,
        };
        Ok(Changes {
            head: head.clone(),
            shipped,
            cycle,
        })
    };
    within(app.clock.as_ref(), LIMIT, reading)
        .await
        .unwrap_or_else(|| {
            Err(trouble(
                ProviderErrorKind::Unavailable,
                "the repository did not answer within 10 s; try again",
            ))
        })
}

async fn span(scm: &dyn Scm, base: RefName, head: &RefName) -> Result<Span, ConnectError> {
    let mut commits = scm
        .compare(Some(&base), head)
        .await
        .map_err(ConnectError::Provider)?;
    let count = commits.len();
    commits.truncate(MOST);
    Ok(Span { base, commits, count })
}

fn trouble(kind: ProviderErrorKind, sentence: &'static str) -> ConnectError {
    ConnectError::Provider(ProviderError::new("delivr", "read the changes", kind, sentence))
}

/// Keys of tickets that the first line of a commit names (`SHOP-77`), in their order, each once.
#[must_use]
pub fn tickets(subject: &str) -> Vec<String> {
    let words = subject.split(|it: char| !it.is_ascii_alphanumeric() && it != '-' && it != '_');
    let mut found: Vec<String> = Vec::new();
    for word in words {
        let Some((project, number)) = word.split_once('-') else {
            continue;
        };
        let named = project.len() >= 2
            && project.starts_with(|it: char| it.is_ascii_uppercase())
            && project
                .bytes()
                .all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_');
        let counted = (1..=9).contains(&number.len()) && number.bytes().all(|it| it.is_ascii_digit());
        if named && counted && !found.iter().any(|it| it == word) {
            found.push(word.to_owned());
        }
    }
    found
}

/// Numbers of pull requests that the first line of a commit names, as hosts write it when they merge: `... (#123)`,
/// `Merge pull request #123 from ...`, `Merge branch ... (!45)`.
#[must_use]
pub fn pull_requests(subject: &str) -> Vec<u64> {
    let number = |text: &str| -> Option<u64> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let merged = subject.strip_prefix("Merge pull request #").and_then(number);
    let squashed = subject
        .trim_end()
        .strip_suffix(')')
        .and_then(|it| it.rsplit_once('('))
        .and_then(|(_, inside)| inside.strip_prefix(['#', '!']))
        .filter(|inside| inside.bytes().all(|it| it.is_ascii_digit()))
        .and_then(number);
    merged.into_iter().chain(squashed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_found_where_commits_name_them() {
        for (subject, keys) in [
            ("SHOP-77: wish lists", vec!["SHOP-77"]),
            (
                "fix(pay): round yen [PAY2-1, SHOP-77] SHOP-77",
                vec!["PAY2-1", "SHOP-77"],
            ),
            ("UTF-8 is UTF-8", vec!["UTF-8"]),
            ("bump to 1.2.3-4, x-1, A-1, SHOP-, -7, SHOP-x1", vec![]),
        ] {
            assert_eq!(tickets(subject), keys, "{subject}");
        }
    }

    #[test]
    fn pull_requests_are_found_where_hosts_write_them() {
        for (subject, numbers) in [
            ("Wish lists (#123)", vec![123]),
            ("Merge pull request #45 from acme/wish-lists", vec![45]),
            ("Merge branch 'x' into 'main' (!7)", vec![7]),
            ("closes #9 some day", vec![]),
            ("colour (#fff)", vec![]),
            ("Merge pull request #99999999999999999999 from x", vec![]),
        ] {
            assert_eq!(pull_requests(subject), numbers, "{subject}");
        }
    }
}
