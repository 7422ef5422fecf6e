//! The file: written once under another name, read with its checksum.

use super::{BackupError, BackupInfo, beside, io};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The first line.
const MAGIC: &str = "delivr-backup 1\n";
/// A line feed and the checksum in hexadecimal digits.
const TRAILER: u64 = 65;
/// A header longer than this is none.
const LONGEST: u64 = 1 << 20;
const CHUNK: usize = 1 << 16;

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A copy that is being written. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub(super) struct Writing {
    path: PathBuf,
    part: PathBuf,
    file: Option<BufWriter<File>>,
    hash: Sha256,
}

impl Writing {
    pub(super) fn begin(path: &Path) -> Result<Self, BackupError> {
        if path.exists() {
            return Err(io(path)(std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "there is such a file already, and backups are not written over",
            )));
        }
        let part = beside(path, ".part");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // It holds sealed credentials and everybody's releases.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part).map_err(io(&part))?;
        let mut this = Self {
            path: path.to_path_buf(),
            part,
            file: Some(BufWriter::new(file)),
            hash: Sha256::new(),
        };
        this.write(MAGIC.as_bytes())?;
        Ok(this)
    }

    /// Where something may be put beside it until it is finished.
    pub(super) fn scratch(&self) -> PathBuf {
        beside(&self.path, ".copy")
    }

    pub(super) fn header(&mut self, info: &BackupInfo) -> Result<(), BackupError> {
        let mut line = serde_json::to_vec(info).unwrap_or_default();
        line.push(b'\n');
        self.write(&line)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.hash.update(bytes);
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(io(&self.part)),
            None => Ok(()),
        }
    }

    pub(super) fn write_file(&mut self, path: &Path) -> Result<(), BackupError> {
        let mut from = File::open(path).map_err(io(path))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = from.read(&mut chunk).map_err(io(path))?;
            match chunk.get(..read) {
                Some(bytes) if read > 0 => self.write(bytes)?,
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Makes it last, and gives it its name.
    pub(super) fn end(mut self) -> Result<(), BackupError> {
        let digest = hex(&std::mem::take(&mut self.hash).finalize());
        if let Some(mut file) = self.file.take() {
            let whole = write!(file, "\n{digest}")
                .and_then(|()| file.flush())
                .and_then(|()| file.get_ref().sync_all());
            whole.map_err(io(&self.part))?;
        }
        std::fs::rename(&self.part, &self.path).map_err(io(&self.path))?;
        sync_folder(&self.path);
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // After a good end there is none of the name any more.
        let _gone = std::fs::remove_file(&self.part);
    }
}

/// A new name must survive a power cut too; a system that cannot sync folders does without.
pub(super) fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let _unsupported = File::open(folder).and_then(|folder| folder.sync_all());
}

/// A copy whose checksum is right.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) path: PathBuf,
    begins: u64,
    length: u64,
}

impl Reading {
    pub(super) fn open(path: &Path) -> Result<(Self, BackupInfo), BackupError> {
        let unusable = |why: &str| BackupError::Unusable {
            path: path.display().to_string(),
            why: why.to_owned(),
        };
        let file = File::open(path).map_err(io(path))?;
        let size = file.metadata().map_err(io(path))?.len();
        let mut reader = BufReader::with_capacity(CHUNK, file);
        let mut magic = vec![0; MAGIC.len()];
        let begun = reader.read_exact(&mut magic);
        if begun.is_err() || magic != MAGIC.as_bytes() || size < TRAILER {
            return Err(unusable("it is no backup of Delivr"));
        }
        let mut line = Vec::new();
        let mut head = reader.by_ref().take(LONGEST);
        head.read_until(b'\n', &mut line).map_err(io(path))?;
        let begins = (MAGIC.len() + line.len()) as u64;
        let length = size
            .checked_sub(begins + TRAILER)
            .ok_or_else(|| unusable("it was cut off"))?;
        let mut hash = Sha256::new();
        hash.update(&magic);
        hash.update(&line);
        let mut data = reader.by_ref().take(length);
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = data.read(&mut chunk).map_err(io(path))?;
            match chunk.get(..read) {
                Some(bytes) if read > 0 => hash.update(bytes),
                Some(_) | None => break,
            }
        }
        let mut trailer = String::new();
        let told = reader.read_to_string(&mut trailer);
        if told.is_err() || trailer.trim_start() != hex(&hash.finalize()) {
            return Err(unusable(
                "its checksum is wrong: it was changed or cut off since it was written",
            ));
        }
        let info = serde_json::from_slice(&line)
            .map_err(|_ignored| unusable("what it says of itself cannot be read"))?;
        let this = Self {
            path: path.to_path_buf(),
            begins,
            length,
        };
        Ok((this, info))
    }

    /// The data.
    pub(super) fn data(&self) -> Result<impl Read + use<>, BackupError> {
        let mut file = File::open(&self.path).map_err(io(&self.path))?;
        file.seek(SeekFrom::Start(self.begins)).map_err(io(&self.path))?;
        Ok(BufReader::with_capacity(CHUNK, file).take(self.length))
    }

    pub(super) fn unusable(&self, why: impl Into<String>) -> BackupError {
        BackupError::Unusable {
            path: self.path.display().to_string(),
            why: why.into(),
        }
    }
}
