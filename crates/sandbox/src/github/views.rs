//! How the simulated GitHub shows its objects: every field that its published description calls required.

use serde_json::{Map, Value, json};

use super::state::{Commit, GitHub, OWNER, Pull, Release, TagObject, instant};

/// Resources below a repository's address, by the name of the field that links to them.
const LINKS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

/// Resources below an account's address.
const ACCOUNT: [(&str, &str); 11] = [
    ("url", ""),
    ("followers_url", "/followers"),
    ("following_url", "/following{/other_user}"),
    ("gists_url", "/gists{/gist_id}"),
    ("starred_url", "/starred{/owner}{/repo}"),
    ("subscriptions_url", "/subscriptions"),
    ("organizations_url", "/orgs"),
    ("repos_url", "/repos"),
    ("events_url", "/events{/privacy}"),
    ("received_events_url", "/received_events"),
    ("html_url", "#"),
];

pub(super) const REPOSITORY_ID: u64 = 1_296_269;
/// Who the credentials belong to.
pub(super) const LOGIN: &str = "delivr-bot";

/// Makes links.
#[derive(Debug, Clone)]
pub(super) struct Views<'a> {
    /// The API's address.
    pub(super) base: &'a str,
    pub(super) repo: String,
}

fn node(kind: &str, id: impl std::fmt::Display) -> String {
    format!("{kind}_kwDO{id}")
}

fn merged(mut object: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        object.extend(more);
    }
    Value::Object(object)
}

impl Views<'_> {
    /// Below the repository.
    pub(super) fn api(&self, rest: &str) -> String {
        format!("{}/repos/{OWNER}/{}{rest}", self.base, self.repo)
    }

    /// Below the repository, for people.
    pub(super) fn html(&self, rest: &str) -> String {
        format!("{}/{OWNER}/{}{rest}", self.base, self.repo)
    }

    pub(super) fn account(&self, login: &str) -> Value {
        let id = if login == OWNER { 9919 } else { 583_231 };
        let links = ACCOUNT.iter().map(|(name, rest)| {
            let link = match *rest {
                "#" => format!("{}/{login}", self.base),
                rest => format!("{}/users/{login}{rest}", self.base),
            };
            ((*name).to_owned(), json!(link))
        });
        merged(
            links.collect(),
            json!({"login": login, "id": id, "node_id": node("U", id), "gravatar_id": "", "site_admin": false,
                   "avatar_url": format!("{}/avatars/u/{id}", self.base),
                   "type": if login == OWNER { "Organization" } else { "User" }}),
        )
    }

    pub(super) fn user(&self, hub: &GitHub) -> Value {
        let Value::Object(account) = self.account(LOGIN) else {
            return Value::Null;
        };
        let at = instant(hub.window);
        merged(
            account,
            json!({"name": "Delivr", "company": null, "blog": "", "location": null, "email": null,
                   "hireable": null, "bio": null, "twitter_username": null, "public_repos": 0, "public_gists": 0,
                   "followers": 0, "following": 0, "created_at": at, "updated_at": at, "private_gists": 0,
                   "total_private_repos": 1, "owned_private_repos": 0, "disk_usage": 1, "collaborators": 0,
                   "two_factor_authentication": true,
                   "plan": {"name": "team", "space": 1, "private_repos": 1, "collaborators": 1}}),
        )
    }

    pub(super) fn repository(&self, hub: &GitHub, may_write: bool) -> Value {
        let links = LINKS
            .iter()
            .map(|(name, rest)| ((*name).to_owned(), json!(self.api(rest))));
        let html = self.html("");
        let at = instant(hub.window);
        let names = json!({
            "id": REPOSITORY_ID, "node_id": node("R", REPOSITORY_ID), "name": self.repo,
            "full_name": format!("{OWNER}/{}", self.repo), "owner": self.account(OWNER), "private": true,
            "html_url": html, "description": "The shop", "fork": false, "git_url": format!("{html}.git"),
            "ssh_url": format!("git@github.com:{OWNER}/{}.git", self.repo), "clone_url": format!("{html}.git"),
            "svn_url": html, "mirror_url": null, "homepage": null, "language": null, "default_branch": "main",
            "visibility": "private", "license": null, "pushed_at": at, "created_at": at, "updated_at": at,
            "permissions": {"admin": false, "maintain": false, "push": may_write, "triage": may_write,
                            "pull": true}});
        let Value::Object(names) = merged(links.collect(), names) else {
            return Value::Null;
        };
        merged(
            names,
            json!({"forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
                   "size": 1, "open_issues": 0, "open_issues_count": 0, "network_count": 0, "subscribers_count": 0,
                   "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false,
                   "has_downloads": true, "has_discussions": false, "archived": false, "disabled": false,
                   "allow_merge_commit": true}),
        )
    }

    pub(super) fn reference(&self, hub: &GitHub, full: &str, object: &str) -> Value {
        let kind = if hub.tags.contains_key(object) {
            "tag"
        } else {
            "commit"
        };
        json!({"ref": full, "node_id": node("REF", full), "url": self.api(&format!("/git/{full}")),
               "object": {"sha": object, "type": kind, "url": self.api(&format!("/git/{kind}s/{object}"))}})
    }

    pub(super) fn tag(&self, tag: &TagObject) -> Value {
        json!({"node_id": node("T", &tag.sha), "tag": tag.tag, "sha": tag.sha, "message": tag.message,
               "url": self.api(&format!("/git/tags/{}", tag.sha)), "tagger": tag.tagger,
               "object": {"type": "commit", "sha": tag.object,
                          "url": self.api(&format!("/git/commits/{}", tag.object))},
               "verification": unsigned()})
    }

    /// As `/git/commits` shows it.
    pub(super) fn git_commit(&self, commit: &Commit) -> Value {
        json!({"sha": commit.sha, "node_id": node("C", &commit.sha),
               "url": self.api(&format!("/git/commits/{}", commit.sha)),
               "html_url": self.html(&format!("/commit/{}", commit.sha)),
               "author": person(commit), "committer": person(commit), "message": commit.message,
               "tree": {"sha": commit.tree, "url": self.api(&format!("/git/trees/{}", commit.tree))},
               "parents": self.parents(commit), "verification": unsigned()})
    }

    /// As `/commits` and comparisons show it.
    pub(super) fn commit(&self, commit: &Commit) -> Value {
        json!({"sha": commit.sha, "node_id": node("C", &commit.sha),
               "url": self.api(&format!("/commits/{}", commit.sha)),
               "html_url": self.html(&format!("/commit/{}", commit.sha)),
               "comments_url": self.api(&format!("/commits/{}/comments", commit.sha)),
               "commit": {"url": self.api(&format!("/git/commits/{}", commit.sha)), "author": person(commit),
                          "committer": person(commit), "message": commit.message, "comment_count": 0,
                          "tree": {"sha": commit.tree, "url": self.api(&format!("/git/trees/{}", commit.tree))},
                          "verification": unsigned()},
               "author": self.account("octocat"), "committer": self.account("octocat"),
               "parents": self.parents(commit)})
    }

    fn parents(&self, commit: &Commit) -> Vec<Value> {
        let one = |sha: &String| {
            json!({"sha": sha, "url": self.api(&format!("/commits/{sha}")),
                   "html_url": self.html(&format!("/commit/{sha}"))})
        };
        commit.parents.iter().map(one).collect()
    }

    pub(super) fn release(&self, release: &Release) -> Value {
        let url = self.api(&format!("/releases/{}", release.id));
        let at = if release.draft {
            format!("/releases/tag/untagged-{}", release.id)
        } else {
            format!("/releases/tag/{}", release.tag)
        };
        json!({"url": url, "id": release.id, "node_id": node("RE", release.id), "html_url": self.html(&at),
               "assets_url": format!("{url}/assets"), "upload_url": format!("{url}/assets{{?name,label}}"),
               "tarball_url": self.api(&format!("/tarball/{}", release.tag)),
               "zipball_url": self.api(&format!("/zipball/{}", release.tag)),
               "tag_name": release.tag, "target_commitish": release.target, "name": release.name,
               "body": release.body, "draft": release.draft, "prerelease": release.prerelease,
               "created_at": instant(release.created), "published_at": release.published.map(instant),
               "author": self.account(LOGIN), "assets": []})
    }

    /// A pull request; `whole` adds what only its own address shows.
    pub(super) fn pull(&self, hub: &GitHub, pull: &Pull, whole: bool) -> Value {
        let url = self.api(&format!("/pulls/{}", pull.number));
        let issue = self.api(&format!("/issues/{}", pull.number));
        let html = self.html(&format!("/pull/{}", pull.number));
        let base_sha = hub.refs.get(&format!("refs/heads/{}", pull.base)).cloned();
        let statuses = self.api(&format!("/statuses/{}", pull.head_sha));
        let link = |href: &str| json!({"href": href});
        let shown = json!({
            "url": url, "id": 10_000 + pull.number, "node_id": node("PR", pull.number), "html_url": html,
            "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"), "issue_url": issue,
            "commits_url": format!("{url}/commits"), "review_comments_url": format!("{url}/comments"),
            "review_comment_url": self.api("/pulls/comments{/number}"), "comments_url": format!("{issue}/comments"),
            "statuses_url": statuses, "number": pull.number, "state": if pull.open { "open" } else { "closed" },
            "locked": false, "title": pull.title, "user": self.account(LOGIN), "body": pull.body, "labels": [],
            "milestone": null, "active_lock_reason": null, "created_at": instant(pull.created),
            "updated_at": instant(pull.updated), "closed_at": pull.closed.map(instant),
            "merged_at": pull.merged.as_ref().map(|(_, at)| instant(*at)),
            "merge_commit_sha": pull.merged.as_ref().map(|(sha, _)| sha.clone()),
            "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [],
            "head": self.side(hub, &pull.head, &pull.head_sha),
            "base": self.side(hub, &pull.base, base_sha.as_deref().unwrap_or(&pull.head_sha)),
            "_links": {"self": link(&url), "html": link(&html), "issue": link(&issue),
                       "comments": link(&format!("{issue}/comments")),
                       "review_comments": link(&format!("{url}/comments")),
                       "review_comment": link(&self.api("/pulls/comments{/number}")),
                       "commits": link(&format!("{url}/commits")), "statuses": link(&statuses)},
            "author_association": "MEMBER", "auto_merge": null, "draft": pull.draft});
        let Value::Object(shown) = shown else {
            return Value::Null;
        };
        if !whole {
            return Value::Object(shown);
        }
        let clean = !hub.conflicts.contains(&pull.number);
        // GitHub works the mergeability out after the first question.
        let known = pull.open && pull.seen;
        let state = match (known, clean) {
            (false, _) => "unknown",
            (true, true) => "clean",
            (true, false) => "dirty",
        };
        let commits = hub
            .compare(&pull.base, &pull.head_sha)
            .map_or(0, |all| all.ahead.len());
        merged(
            shown,
            json!({"merged": pull.merged.is_some(), "mergeable": known.then_some(clean), "rebaseable": null,
                   "mergeable_state": state, "merged_by": pull.merged.as_ref().map(|_| self.account(LOGIN)),
                   "comments": 0, "review_comments": 0, "maintainer_can_modify": false, "commits": commits,
                   "additions": 1, "deletions": 0, "changed_files": 1}),
        )
    }

    fn side(&self, hub: &GitHub, branch: &str, sha: &str) -> Value {
        json!({"label": format!("{OWNER}:{branch}"), "ref": branch, "sha": sha, "user": self.account(OWNER),
               "repo": self.repository(hub, true)})
    }
}

fn person(commit: &Commit) -> Value {
    let mail = commit.author.to_lowercase().replace(' ', ".");
    json!({"name": commit.author, "email": format!("{mail}@example.com"), "date": instant(commit.at)})
}

fn unsigned() -> Value {
    json!({"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null})
}
