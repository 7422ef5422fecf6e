//! The cache folder: for our account alone, since it may lie where everybody writes, such as the system's temporary
//! folder. Who can write to a mirror decides what we take for the repository's commits, and who can read it has them.

use std::io;
use std::path::Path;
use std::time::Duration;

/// Why the cache is not used.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another account owns it, or can write to it.
    NotOurs,
    /// It cannot be made or looked at.
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Beginnings of the names of what git writes while it receives a pack and renames at the end.
const UNFINISHED: [&str; 3] = ["tmp_pack_", "tmp_idx_", "tmp_rev_"];
/// Ending of the names of locks: a ref's, of all packed refs, of settings. No ref's own name ends so.
const LOCK: &str = ".lock";
/// Names of refs have no more parts than this; deeper ones are left alone.
const DEEPEST: u8 = 32;
/// Nobody works on a file any more that was not written to for so long: a fetch without progress ends before that, and
/// locks are held for moments at its end.
const LEFT: Duration = Duration::from_secs(60);

/// Makes what is missing of `cache/git/mirror`, refuses folders that others can write to, and removes what a killed
/// fetch left in the mirror. Returns whether the mirror still has to be initialised.
pub(crate) fn prepare(cache: &Path, mirror: &Path) -> Result<bool, Trouble> {
    own(cache)?;
    let folder = mirror.parent().unwrap_or(cache);
    own(folder)?;
    close(folder)?;
    make(mirror)?;
    let pack = mirror.join("objects").join("pack");
    for (folder, depth) in [
        (&pack, 0),
        (&mirror.to_path_buf(), 0),
        (&mirror.join("refs"), DEEPEST),
    ] {
        if let Err(error) = sweep(folder, depth) {
            // It costs room, or the fetch says what stands in its way.
            tracing::warn!(%error, "what an unfinished fetch left in a mirror cannot be removed");
        }
    }
    Ok(!mirror.join("HEAD").try_exists()?)
}

/// Removes what was not finished; a killed fetch never comes back for it. Packs may be as large as the repository, and
/// a lock keeps every later fetch from its ref (or, `packed-refs.lock`, from all).
fn sweep(folder: &Path, depth: u8) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if depth > 0 && entry.file_type()?.is_dir() {
            sweep(&entry.path(), depth - 1)?;
            continue;
        }
        if !UNFINISHED.iter().any(|lead| name.starts_with(lead)) && !name.ends_with(LOCK) {
            continue;
        }
        let removed = entry.metadata().and_then(|it| it.modified()).and_then(|at| {
            if at.elapsed().is_ok_and(|age| age > LEFT) {
                std::fs::remove_file(entry.path())
            } else {
                Ok(())
            }
        });
        match removed {
            Ok(()) => {}
            // Another process was quicker, or the fetch has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Makes the folder where it is missing, and proves that it is ours and nobody else can write to it.
#[cfg(unix)]
fn own(folder: &Path) -> Result<(), Trouble> {
    use std::os::unix::fs::MetadataExt as _;
    make(folder)?;
    let (name, real) = (std::fs::symlink_metadata(folder)?, std::fs::metadata(folder)?);
    // The standard library does not tell who we are: we are who owns what we make there.
    let we = match tempfile::tempfile_in(folder) {
        Ok(file) => file.metadata()?.uid(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(Trouble::NotOurs),
        Err(error) => return Err(error.into()),
    };
    // A link may be the administrator's; anybody else could turn it to another folder later.
    let named_by_us = name.uid() == we || (name.is_symlink() && name.uid() == 0);
    if named_by_us && real.uid() == we && real.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(Trouble::NotOurs)
    }
}

/// Takes the right to look into a folder of ours away from everybody else.
#[cfg(unix)]
fn close(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if std::fs::metadata(folder)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn make(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Elsewhere the folder inherits the rights of the one it lies in.
#[cfg(not(unix))]
fn own(folder: &Path) -> Result<(), Trouble> {
    Ok(make(folder)?)
}

#[cfg(not(unix))]
fn close(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::SystemTime;

    fn allow(folder: &Path, mode: u32) {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(folder: &Path) -> u32 {
        std::fs::metadata(folder).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folders_are_for_our_account_alone() {
        let root = tempfile::tempdir().unwrap();
        let cache = root.path().join("deep/cache");
        let (git, mirror) = (cache.join("git"), cache.join("git/x.git"));
        assert!(prepare(&cache, &mirror).unwrap());
        for folder in [&root.path().join("deep"), &cache, &git, &mirror] {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
        // Others may look into the cache folder, as long as they cannot into git's.
        allow(&cache, 0o755);
        allow(&git, 0o755);
        assert!(prepare(&cache, &mirror).unwrap());
        assert_eq!((mode(&cache), mode(&git)), (0o755, 0o700));
        std::fs::write(mirror.join("HEAD"), "").unwrap();
        assert!(!prepare(&cache, &mirror).unwrap());
    }

    #[test]
    fn folders_that_others_can_write_to_are_refused() {
        for (cache_mode, git_mode) in [(0o770, 0o700), (0o707, 0o700), (0o700, 0o720), (0o700, 0o1777)] {
            let root = tempfile::tempdir().unwrap();
            let (cache, git) = (root.path().join("cache"), root.path().join("cache/git"));
            std::fs::create_dir_all(&git).unwrap();
            allow(&git, git_mode);
            allow(&cache, cache_mode);
            let refused = prepare(&cache, &git.join("x.git"));
            assert!(
                matches!(refused, Err(Trouble::NotOurs)),
                "{cache_mode:o} {git_mode:o}"
            );
            assert!(!git.join("x.git").exists());
        }
    }

    #[test]
    fn only_what_nobody_works_on_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let (cache, mirror) = (root.path().join("cache"), root.path().join("cache/git/x.git"));
        let packs = mirror.join("objects/pack");
        std::fs::create_dir_all(&packs).unwrap();
        allow(&cache, 0o700);
        allow(&cache.join("git"), 0o700);
        let refs = mirror.join("refs/heads/release");
        std::fs::create_dir_all(&refs).unwrap();
        let locks = [
            mirror.join("packed-refs.lock"),
            refs.join("1.0.lock"),
            refs.join("1.0"),
        ];
        let names = [
            "tmp_pack_a",
            "tmp_idx_b",
            "tmp_rev_c",
            "pack-d.pack",
            "pack-d.idx",
        ];
        for (seconds, kept) in [(30, 5), (90, 2)] {
            for name in names {
                let file = std::fs::File::create(packs.join(name)).unwrap();
                file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
                    .unwrap();
            }
            for lock in &locks {
                let file = std::fs::File::create(lock).unwrap();
                file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
                    .unwrap();
            }
            prepare(&cache, &mirror).unwrap();
            let left = locks.iter().map(|it| it.exists()).collect::<Vec<_>>();
            assert_eq!(left, [kept == 5, kept == 5, true], "{seconds} s old");
            assert_eq!(
                std::fs::read_dir(&packs).unwrap().count(),
                kept,
                "{seconds} s old"
            );
        }
        assert!(packs.join("pack-d.pack").exists() && packs.join("pack-d.idx").exists());
    }
}
