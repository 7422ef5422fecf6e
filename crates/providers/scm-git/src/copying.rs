//! A fetch that goes on from call to call. A large repository takes minutes to copy, a call may take seconds: the child
//! process is kept between calls and waited for in turns, and is ended when it makes no progress.
//!
//! It dies with the connection that began it. Of a killed one nothing is lost but its unfinished pack.

use crate::program::{Group, Output};
use delivr_domain::names::Sha;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Most of what git said that is read back: errors come last.
const LAST: u64 = 16 * 1024;

/// A fetch under way.
#[derive(Debug)]
pub(crate) struct Copying {
    group: Option<Group>,
    child: Child,
    /// What git says goes into a file: nobody reads a pipe between two calls.
    said: std::fs::File,
    packs: PathBuf,
    /// What had come when there was something new last, and when that was.
    seen: (u64, Instant),
    /// Commits that were known of when it was begun.
    needed: Vec<Sha>,
    /// Key and host keys, removed when it has ended.
    _files: Option<TempDir>,
}

impl Copying {
    pub(crate) fn start(mut command: Command, files: Option<TempDir>, mirror: &Path) -> io::Result<Self> {
        let said = tempfile::tempfile()?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said.try_clone()?)
            .kill_on_drop(true);
        command.process_group(0);
        let child = command.spawn()?;
        Ok(Self {
            group: Some(Group(child.id())),
            child,
            said,
            packs: mirror.join("objects").join("pack"),
            seen: (0, Instant::now()),
            needed: Vec::new(),
            _files: files,
        })
    }

    /// The same, begun because somebody needs these commits.
    pub(crate) fn needing(self, needed: &[&Sha]) -> Self {
        Self {
            needed: needed.iter().map(|&sha| sha.clone()).collect(),
            ..self
        }
    }

    /// Whether all of these were known of when it was begun.
    pub(crate) fn was_for(&self, needed: &[&Sha]) -> bool {
        needed.iter().all(|sha| self.needed.contains(sha))
    }

    /// Waits for its end, for at most so long; none when it goes on.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub(crate) async fn wait(&mut self, at_most: Duration) -> io::Result<Option<Output>> {
        let ended = tokio::time::timeout(at_most, self.child.wait()).await;
        let Ok(status) = ended else {
            let size = self.size();
            if size != self.seen.0 {
                self.seen = (size, Instant::now());
            }
            return Ok(None);
        };
        let status = status?;
        if let Some(group) = self.group.take() {
            group.ended();
        }
        Ok(Some(Output {
            code: status.code(),
            stdout: String::new(),
            stderr: self.words()?,
        }))
    }

    /// How long nothing has come.
    pub(crate) fn still_for(&self) -> Duration {
        self.seen.1.elapsed()
    }

    /// Bytes that have come: of packs that are being written, and of what git says while it counts and resolves.
    pub(crate) fn size(&self) -> u64 {
        let said = self.said.metadata().map_or(0, |it| it.len());
        let packs = std::fs::read_dir(&self.packs).into_iter().flatten().flatten();
        let received = packs
            .filter(|it| it.file_name().to_string_lossy().starts_with("tmp_pack_"))
            .filter_map(|it| it.metadata().ok())
            .map(|it| it.len());
        said.saturating_add(received.sum())
    }

    /// What git said last, without its counting.
    fn words(&mut self) -> io::Result<String> {
        let length = self.said.metadata()?.len();
        self.said.seek(SeekFrom::Start(length.saturating_sub(LAST)))?;
        let mut bytes = Vec::new();
        self.said.by_ref().take(LAST).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let counting = |line: &&str| !line.contains('\r') && !line.ends_with("done.");
        Ok(text.split('\n').filter(counting).collect::<Vec<_>>().join("\n"))
    }

    #[cfg(test)]
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }
}
