//! The operations on the files of one directory. Their errors name the operation and the file.
//!
//! Everything that a [`DirectoryStore`](super::DirectoryStore) does to its directory goes through here, so that a test
//! can stop it between any two operations and observe their order.

use super::watch::Watch;
use crate::store::StoreError;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// One directory.
#[derive(Debug)]
pub(in crate::native) struct Folder {
    path: PathBuf,
    pub(super) watch: Watch,
}

impl Folder {
    pub(in crate::native) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), watch: Watch::default() }
    }

    pub(in crate::native) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the directory and its parents if they do not exist. Their own entries are synced too, because commits
    /// rely on them.
    pub(super) fn make(&self) -> Result<(), StoreError> {
        self.watch.step("make", "")?;
        make(&self.path).map_err(|error| failed("making", &self.path, &error))
    }

    /// Returns whether anything exists at its path.
    pub(super) fn exists(&self) -> Result<bool, StoreError> {
        self.path.try_exists().map_err(|error| failed("looking at", &self.path, &error))
    }

    /// Returns the names of all files, except names that are not UTF-8: an index uses none of those.
    pub(in crate::native) fn names(&self) -> Result<Vec<String>, StoreError> {
        let error = |error| failed("listing", &self.path, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(error)? {
            let entry = entry.map_err(error)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_dir = match entry.file_type() {
                // Where a directory does not say what its entries are, they are looked at, and one may be gone by then.
                Err(missing) if missing.kind() == ErrorKind::NotFound => continue,
                found => found.map_err(error)?.is_dir(),
            };
            if !is_dir {
                names.try_reserve(1)?;
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Reads a file. Returns `None` if it does not exist.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.open(name)?.map(|file| self.read_open(name, &file)).transpose()
    }

    /// Opens a file for reading. Returns `None` if it does not exist.
    pub(super) fn open(&self, name: &str) -> Result<Option<File>, StoreError> {
        let path = self.path.join(name);
        match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some).map_err(|error| failed("opening", &path, &error)),
        }
    }

    /// Opens a file to lock it. Returns `None` if it does not exist. Opens it for writing where that is allowed,
    /// because some file systems lock no other files.
    pub(in crate::native) fn open_to_lock(&self, name: &str) -> Result<Option<File>, StoreError> {
        match OpenOptions::new().write(true).open(self.path.join(name)) {
            Ok(file) => Ok(Some(file)),
            Err(_) => self.open(name),
        }
    }

    /// Reads an open file up to its present length: it may grow meanwhile.
    pub(super) fn read_open(&self, name: &str, file: &File) -> Result<Vec<u8>, StoreError> {
        let path = self.path.join(name);
        let error = |error| failed("reading", &path, &error);
        let length = file.metadata().map_err(error)?.len();
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(length).map_err(|_| StoreError::OutOfMemory)?)?;
        file.take(length).read_to_end(&mut bytes).map_err(error)?;
        Ok(bytes)
    }

    /// Returns whether the name still refers to this very file or, without one, still does not exist. While a file is
    /// open, no other file can be mistaken for it.
    pub(in crate::native) fn is_still(&self, name: &str, file: Option<&File>) -> Result<bool, StoreError> {
        let path = self.path.join(name);
        let error = |error| failed("looking at", &path, &error);
        let now = match fs::metadata(&path) {
            Err(missing) if missing.kind() == ErrorKind::NotFound => None,
            found => Some(found.map_err(error)?),
        };
        match (file, now) {
            (None, None) => Ok(true),
            (Some(file), Some(now)) => Ok(is_same(&file.metadata().map_err(error)?, &now)),
            _ => Ok(false),
        }
    }

    /// Creates a file with exactly these bytes and waits until they are on the medium. To get its name onto the medium,
    /// call [`Folder::sync`].
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.watch.step("write", name)?;
        let path = self.path.join(name);
        let error = |error| failed("writing", &path, &error);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).map_err(error)?;
        let (written, stopped) = self.watch.cut(name, bytes);
        file.write_all(written).map_err(error)?;
        stopped?;
        self.watch.step("sync", name)?;
        file.sync_all().map_err(error)
    }

    /// Adds bytes to the end of a file, creating it if needed. With `lasting`, waits until they are on the medium,
    /// along with the name of a new file.
    pub(super) fn append(&self, name: &str, bytes: &[u8], lasting: bool) -> Result<(), StoreError> {
        self.watch.step("append", name)?;
        let path = self.path.join(name);
        let error = |error| failed("appending to", &path, &error);
        let is_new = lasting && !self.has(name);
        let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(error)?;
        let (written, stopped) = self.watch.cut(name, bytes);
        file.write_all(written).map_err(error)?;
        stopped?;
        if lasting {
            self.watch.step("sync", name)?;
            file.sync_all().map_err(error)?;
        }
        if is_new { self.sync() } else { Ok(()) }
    }

    /// Waits until every byte of a file is on the medium, whoever wrote it.
    pub(super) fn sync_file(&self, name: &str) -> Result<(), StoreError> {
        self.watch.step("sync", name)?;
        let path = self.path.join(name);
        // Windows syncs only files that are open for writing.
        let synced = OpenOptions::new().write(true).open(&path).and_then(|file| file.sync_all());
        synced.map_err(|error| failed("syncing", &path, &error))
    }

    /// True when there is a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// Creates an empty file. Fails if a file of that name exists.
    pub(in crate::native) fn create(&self, name: &str) -> Result<File, StoreError> {
        let path = self.path.join(name);
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        made.map_err(|error| failed("making", &path, &error))
    }

    /// Renames a file, atomically replacing any file with the new name. Returns false if there is no file to rename.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<bool, StoreError> {
        self.watch.step("rename", from)?;
        let (from, to) = (self.path.join(from), self.path.join(to));
        found(fs::rename(&from, &to)).map_err(|error| failed("renaming", &from, &error))
    }

    /// Removes a file. Returns false if it does not exist.
    pub(in crate::native) fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.watch.step("remove", name)?;
        let path = self.path.join(name);
        found(fs::remove_file(&path)).map_err(|error| failed("removing", &path, &error))
    }

    /// Removes the directory itself, if it is empty.
    pub(super) fn remove_if_empty(&self) -> Result<(), StoreError> {
        match fs::remove_dir(&self.path) {
            Err(error) if !matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) => {
                Err(failed("removing", &self.path, &error))
            }
            _ => Ok(()),
        }
    }

    /// Waits until every name created, changed or removed is on the medium.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.watch.step("sync", ".")?;
        sync(&self.path).map_err(|error| failed("syncing", &self.path, &error))
    }
}

/// Converts an error of the operating system into its meaning for a caller.
pub(super) fn failed(doing: &str, path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::QuotaExceeded,
        ErrorKind::OutOfMemory => StoreError::OutOfMemory,
        _ => StoreError::failed(format!("{doing} {}: {error}", path.display())),
    }
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.len(), a.modified().ok(), a.created().ok()) == (b.len(), b.modified().ok(), b.created().ok())
}

fn found(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    make(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync(above),
    }
}

/// Syncs a directory, where the system supports that. Elsewhere its changes are left to the system.
#[cfg(unix)]
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
