//! The folder of a practice: taken by one process at a time, and begun anew with every start.
//!
//! The simulated vendors live in memory and die with the process, so that a release of yesterday would stand before vendors
//! that know nothing of it. Whatever an earlier practice left is therefore removed, and nothing else ever is: a folder
//! counts as practice's by its mark alone.

use anyhow::{Context as _, bail};
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// File that marks a folder as practice's, and that is locked while it is used.
const MARK: &str = "practice.mark";
const SAYS: &str =
    "Made by `delivr-api practice`, which removes everything in this folder when it is started again.\n";

/// A folder that this process alone uses, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    _locked: File,
}

impl Place {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Takes the folder, and empties it where practice was here before.
///
/// # Errors
/// When something else is in it, another practice uses it, or it cannot be made or emptied.
pub(super) fn take(folder: &Path) -> anyhow::Result<Place> {
    let shown = folder.display();
    make(folder).with_context(|| format!("making the folder {shown}"))?;
    let folder = folder
        .canonicalize()
        .with_context(|| format!("the folder {shown}"))?;
    let mark = folder.join(MARK);
    let ours = std::fs::symlink_metadata(&mark).is_ok_and(|it| it.is_file());
    let mut entries = std::fs::read_dir(&folder).with_context(|| format!("reading the folder {shown}"))?;
    if !ours && entries.next().is_some() {
        bail!(
            "{shown} holds something that is no practice, and stays as it is; name another folder with --directory"
        );
    }
    let mut locked = File::options()
        .create(true)
        .append(true)
        .open(&mark)
        .with_context(|| format!("marking the folder {shown}"))?;
    match locked.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another practice runs in {shown}; end it, or name another folder with --directory")
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("taking the folder {shown}"));
        }
    }
    if !ours {
        locked
            .write_all(SAYS.as_bytes())
            .with_context(|| format!("marking the folder {shown}"))?;
    }
    empty(&folder).with_context(|| format!("emptying the folder {shown}"))?;
    Ok(Place {
        folder,
        _locked: locked,
    })
}

#[cfg(unix)]
fn make(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // One that is there already keeps its rights.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn make(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Removes everything but the mark. What a link leads to stays.
fn empty(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == MARK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_practice_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("thesis.tex");
        std::fs::write(&kept, "years of work").unwrap();
        let error = take(folder.path()).unwrap_err().to_string();
        assert!(error.contains("--directory"), "{error}");
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "years of work");
        assert!(!folder.path().join(MARK).exists());
        // A file is no folder.
        assert!(take(&kept).is_err());
        // Nor is a folder practice's for a mark that leads elsewhere.
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&kept, folder.path().join(MARK)).unwrap();
            assert!(take(folder.path()).is_err());
            assert_eq!(std::fs::read_to_string(&kept).unwrap(), "years of work");
        }
    }

    #[test]
    fn one_practice_at_a_time_and_each_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("a/b");
        let place = take(&here).unwrap();
        std::fs::create_dir(place.folder().join("cache")).unwrap();
        std::fs::write(place.folder().join("cache/x"), "x").unwrap();
        std::fs::write(place.folder().join("delivr.db"), "old").unwrap();
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "kept").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&outside, place.folder().join("link")).unwrap();
        let error = take(&here).unwrap_err().to_string();
        assert!(error.contains("another practice"), "{error}");
        assert!(place.folder().join("delivr.db").exists());
        drop(place);
        let again = take(&here).unwrap();
        let left: Vec<_> = std::fs::read_dir(again.folder())
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        assert_eq!(left, [MARK]);
        assert!(outside.join("kept").exists());
    }
}
