//! An index in a mapped file.
#![allow(unsafe_code)]

use crate::index::{Error, Index};
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// A mapped file, with a shared lock on it for as long as it is mapped.
struct MappedFile {
    map: Mmap,
    /// The open file, which holds the lock.
    _file: File,
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

impl Index {
    /// Opens a file written by [`Index::export`] on any platform, like [`Index::map`] opens bytes. The file is opened
    /// for reading and never written to: whatever changes is copied first.
    ///
    /// The file must not change while the index lives. The index holds a shared lock on it (`flock`), which keeps out
    /// programs that ask for an exclusive lock. If a program overwrites or shortens the file nevertheless, the
    /// behaviour of this program is undefined. To replace the file, rename another one to its name: the index keeps the
    /// old one.
    ///
    /// # Errors
    /// As [`Index::map`]; [`Error::NotFound`] if there is no such file; [`Error::Locked`] if another program holds an
    /// exclusive lock on it; [`Error::StoreFailed`] if it cannot be opened, locked or mapped.
    pub fn map_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |what: &str, error: &std::io::Error| Error::StoreFailed {
            why: format!("{what} {}: {error}", path.display()),
        };
        let file = File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound { what: format!("there is no file {}", path.display()) },
            _ => failed("opening", &error),
        })?;
        match file.try_lock_shared() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Error::Locked { by: format!("whoever has locked {}", path.display()) });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(failed("locking", &error)),
        }
        // SAFETY: a mapping is sound if the file does not change while it is mapped. This program never writes to a
        // file that it has mapped: the file is opened for reading, and exports are written to memory or to new files.
        // Other programs are kept out insofar as they respect locks; the documentation above asks callers to ensure the
        // rest.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| failed("mapping", &error))?;
        Self::map(MappedFile { map, _file: file })
    }
}
