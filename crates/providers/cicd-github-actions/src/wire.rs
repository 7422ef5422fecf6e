//! The parts of GitHub's JSON that we read. What may be missing on older servers is optional, and words are open: a word
//! that is new must not make an answer unreadable.

use serde::Deserialize;

/// Workflows of a repository.
#[derive(Debug, Deserialize)]
pub(crate) struct Workflows {
    pub(crate) total_count: usize,
    pub(crate) workflows: Vec<Workflow>,
}

/// A workflow as the list shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Workflow {
    /// From the repository's root; workflows that GitHub adds itself have no file there.
    pub(crate) path: String,
    pub(crate) state: String,
}

/// A file.
#[derive(Debug, Deserialize)]
pub(crate) struct Content {
    /// Left out for what is no file.
    pub(crate) content: Option<String>,
    pub(crate) encoding: Option<String>,
}

/// A commit, by whatever name it was asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Commit {
    pub(crate) sha: String,
}

/// The answer to a dispatch that names its run.
#[derive(Debug, Deserialize)]
pub(crate) struct Dispatched {
    pub(crate) workflow_run_id: u64,
    pub(crate) html_url: Option<String>,
}

/// Runs.
#[derive(Debug, Deserialize)]
pub(crate) struct Runs {
    pub(crate) total_count: usize,
    pub(crate) workflow_runs: Vec<Run>,
}

/// A run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: u64,
    /// The workflow's name, and on older servers the run's.
    pub(crate) name: Option<String>,
    pub(crate) display_title: Option<String>,
    pub(crate) head_sha: Option<String>,
    #[serde(default)]
    pub(crate) run_number: u64,
    pub(crate) run_attempt: Option<u64>,
    pub(crate) status: Option<String>,
    pub(crate) conclusion: Option<String>,
    /// In UTC and of one form, so that texts are in the order of the times.
    pub(crate) created_at: Option<String>,
    pub(crate) html_url: String,
}

impl Run {
    /// Whether it has ended, however.
    pub(crate) fn is_over(&self) -> bool {
        self.status.as_deref() == Some("completed") && self.conclusion.is_some()
    }

    /// Whether its name shows this key.
    pub(crate) fn shows(&self, key: &str) -> bool {
        let names = [&self.display_title, &self.name];
        names.into_iter().flatten().any(|name| name.contains(key))
    }

    /// Which try of the run this is, from 1: running it again keeps its id.
    pub(crate) fn attempt(&self) -> u64 {
        self.run_attempt.unwrap_or(1).max(1)
    }

    /// Its number, with the try where it was run again.
    pub(crate) fn number(&self) -> String {
        match self.attempt() {
            1 => self.run_number.to_string(),
            attempt => format!("{} (attempt {attempt})", self.run_number),
        }
    }

    /// Where people look at this try.
    pub(crate) fn page(&self) -> String {
        match self.attempt() {
            1 => self.html_url.clone(),
            attempt => format!("{}/attempts/{attempt}", self.html_url),
        }
    }
}

/// Files of a run.
#[derive(Debug, Deserialize)]
pub(crate) struct Artifacts {
    pub(crate) total_count: usize,
    pub(crate) artifacts: Vec<Artifact>,
}

/// A file that a run left; always a zip archive at GitHub.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Artifact {
    pub(crate) id: u64,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) expired: bool,
}
