//! Artifacts in a folder, which several processes of one installation may share.
//!
//! `TENANT/BUILD/artifact` with `about.json` beside it. Both are written below `incoming` first, brought to the disk, and
//! come to their place by renaming their folder: a folder that has something in it is never replaced, so that of two
//! senders one is first. While an artifact comes in its file is locked; one that is not locked was left by a process that
//! died, and goes when the next one starts.

use super::{About, Content, Incoming, Kept, Key, Storage, StorageError};
use async_trait::async_trait;
use bytes::BytesMut;
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use uuid::Uuid;

const INCOMING: &str = "incoming";
const ARTIFACT: &str = "artifact";
const ABOUT: &str = "about.json";
/// Bytes read at once.
const PIECE: usize = 64 * 1024;
/// A new folder may be taken for a left one until its file is locked; then another one is made.
const TRIES: u8 = 8;

/// Artifacts in a folder.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// The folder, made if it is not there, with what dead processes left removed.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(root: PathBuf) -> io::Result<Self> {
        if let Some(parent) = root.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true);
        // What people hand in is not everybody's on this host.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(&root)?;
        folder.create(root.join(INCOMING))?;
        let files = Self { root };
        files.clean()?;
        Ok(files)
    }

    fn clean(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join(INCOMING))? {
            let folder = entry?.path();
            match fs::File::open(folder.join(ARTIFACT)) {
                Ok(file) => {
                    // Held until the folder is gone: its sender, if there is one after all, notices.
                    if file.try_lock().is_ok() {
                        remove(&folder);
                    }
                }
                Err(_) => remove(&folder),
            }
        }
        Ok(())
    }

    fn place(&self, key: Key) -> PathBuf {
        self.root
            .join(key.tenant.uuid().to_string())
            .join(key.build.uuid().to_string())
    }

    /// A folder of our own below `incoming`, with its locked file.
    fn make(&self) -> io::Result<(Folder, fs::File)> {
        let mut last = io::Error::from(ErrorKind::ResourceBusy);
        for _ in 0..TRIES {
            let path = self.root.join(INCOMING).join(fresh());
            fs::create_dir(&path)?;
            let folder = Folder(Some(path.clone()));
            match locked(&path.join(ARTIFACT)) {
                Ok(file) => return Ok((folder, file)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// A name that no other process takes at the same time.
fn fresh() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let word = || u128::from(RandomState::new().hash_one(std::process::id()));
    Uuid::from_u128((word() << 64) | word()).simple().to_string()
}

fn locked(path: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.try_lock().map_err(io::Error::from)?;
    // Whoever cleaned up in between held the lock and has removed the file by now.
    if path.exists() {
        Ok(file)
    } else {
        Err(ErrorKind::NotFound.into())
    }
}

/// Best effort: what stays is removed at the next start.
fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(%error, "an unfinished artifact could not be removed");
    }
}

/// Brings a folder's entries to the disk.
fn settle(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// A folder that is removed unless it has come to its place.
#[derive(Debug)]
struct Folder(Option<PathBuf>);

impl Folder {
    /// It has come to its place.
    fn stays(&mut self) {
        self.0 = None;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            remove(path);
        }
    }
}

struct Arriving {
    folder: Folder,
    file: tokio::fs::File,
    place: PathBuf,
}

#[async_trait]
impl Incoming for Arriving {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        Ok(self.file.write_all(bytes).await?)
    }

    async fn keep(mut self: Box<Self>, about: &About) -> Result<Kept, StorageError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let text = serde_json::to_vec(about).map_err(|error| StorageError::Damaged(error.to_string()))?;
        let Self {
            mut folder,
            file,
            place,
        } = *self;
        blocking(move || {
            let Some(from) = folder.0.clone() else {
                return Err(StorageError::Unavailable(ErrorKind::NotFound.into()));
            };
            write_settled(&from.join(ABOUT), &text)?;
            settle(&from)?;
            let parent = place.parent().map(Path::to_path_buf).unwrap_or_default();
            fs::create_dir_all(&parent)?;
            let moved = fs::rename(&from, &place);
            match moved {
                Ok(()) => {
                    folder.stays();
                    settle(&parent)?;
                    if let Some(root) = parent.parent() {
                        settle(root)?;
                    }
                    drop(file);
                    Ok(Kept::Now)
                }
                Err(error) => match read_about(&place)? {
                    Some(before) => Ok(Kept::Before(before)),
                    None => Err(error.into()),
                },
            }
        })
        .await
    }
}

fn write_settled(path: &Path, text: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = fs::File::create_new(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn read_about(place: &Path) -> Result<Option<About>, StorageError> {
    match fs::read(place.join(ABOUT)) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| StorageError::Damaged(error.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// File systems make whoever asks them wait: never a thread that answers requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StorageError::Unavailable(io::Error::other(error)))?
}

#[async_trait]
impl Storage for Files {
    async fn begin(&self, key: Key) -> Result<Box<dyn Incoming>, StorageError> {
        let files = self.clone();
        let (folder, file) = blocking(move || Ok(files.make()?)).await?;
        Ok(Box::new(Arriving {
            folder,
            file: tokio::fs::File::from_std(file),
            place: self.place(key),
        }))
    }

    async fn about(&self, key: Key) -> Result<Option<About>, StorageError> {
        let place = self.place(key);
        blocking(move || read_about(&place)).await
    }

    async fn open(&self, key: Key, range: Range<u64>) -> Result<Option<Content>, StorageError> {
        let mut file = match tokio::fs::File::open(self.place(key).join(ARTIFACT)).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        file.seek(io::SeekFrom::Start(range.start)).await?;
        let mut rest = file.take(range.end.saturating_sub(range.start));
        Ok(Some(Box::pin(async_stream::try_stream! {
            loop {
                let mut piece = BytesMut::with_capacity(PIECE);
                if rest.read_buf(&mut piece).await? == 0 {
                    break;
                }
                yield piece.freeze();
            }
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_domain::ids::{BuildId, ReleaseId, TenantId};
    use delivr_domain::time::Timestamp;
    use futures_util::TryStreamExt as _;

    fn key() -> Key {
        Key {
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            build: BuildId::from_uuid(Uuid::from_u128(2)),
        }
    }

    fn about(text: &str) -> About {
        About {
            release: ReleaseId::from_uuid(Uuid::from_u128(3)),
            name: "app".to_owned(),
            media_type: "application/octet-stream".to_owned(),
            size: u64::try_from(text.len()).unwrap(),
            sha256: text.to_owned(),
            by: "ada@example.org".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    async fn kept(files: &Files, text: &str) -> Kept {
        let mut incoming = files.begin(key()).await.unwrap();
        incoming.write(text.as_bytes()).await.unwrap();
        incoming.keep(&about(text)).await.unwrap()
    }

    fn left(root: &Path) -> usize {
        fs::read_dir(root.join(INCOMING)).unwrap().count()
    }

    #[tokio::test]
    async fn what_is_kept_stays_and_is_read_in_ranges() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path().to_path_buf()).unwrap();
        assert_eq!(files.about(key()).await.unwrap(), None);
        assert!(files.open(key(), 0..1).await.unwrap().is_none());
        assert_eq!(kept(&files, "first").await, Kept::Now);
        assert_eq!(kept(&files, "second").await, Kept::Before(about("first")));
        assert_eq!(files.about(key()).await.unwrap(), Some(about("first")));
        for (range, expected) in [(0..5, "first"), (1..3, "ir"), (4..9, "t"), (5..5, "")] {
            let content = files.open(key(), range).await.unwrap().unwrap();
            let pieces: Vec<bytes::Bytes> = content.try_collect().await.unwrap();
            assert_eq!(pieces.concat(), expected.as_bytes());
        }
        assert_eq!(left(folder.path()), 0);
    }

    #[tokio::test]
    async fn of_simultaneous_senders_one_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path().to_path_buf()).unwrap();
        let texts = ["a", "b", "c", "d"];
        let all = futures_util::future::join_all(texts.map(|text| kept(&files, text))).await;
        let now = all.iter().filter(|it| **it == Kept::Now).count();
        assert_eq!(now, 1, "{all:?}");
        assert_eq!(left(folder.path()), 0);
    }

    #[tokio::test]
    async fn what_was_broken_off_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path().to_path_buf()).unwrap();
        let mut incoming = files.begin(key()).await.unwrap();
        incoming.write(b"half").await.unwrap();
        // Another process that starts now leaves it alone.
        Files::open(folder.path().to_path_buf()).unwrap();
        assert_eq!(left(folder.path()), 1);
        drop(incoming);
        assert_eq!(left(folder.path()), 0);
        // What a process that died has left goes with the next start.
        for file in [None, Some(ARTIFACT)] {
            let dead = folder.path().join(INCOMING).join("dead");
            fs::create_dir(&dead).unwrap();
            if let Some(file) = file {
                fs::write(dead.join(file), "half").unwrap();
            }
            Files::open(folder.path().to_path_buf()).unwrap();
            assert_eq!(left(folder.path()), 0);
        }
        assert_eq!(files.about(key()).await.unwrap(), None);
    }
}
