//! The cache folder: for our account alone, since it may lie where everybody writes, such as the system's temporary
//! folder. Who can write to a mirror decides what we take for the repository's commits, and who can read it has them.

use std::io;
use std::path::Path;

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

/// Makes what is missing of `cache/git/mirror` and refuses folders that others can write to. Returns whether the
/// mirror still has to be initialised.
pub(crate) fn prepare(cache: &Path, mirror: &Path) -> Result<bool, Trouble> {
    own(cache)?;
    let folder = mirror.parent().unwrap_or(cache);
    own(folder)?;
    close(folder)?;
    make(mirror)?;
    Ok(!mirror.join("HEAD").try_exists()?)
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
}
