//! An index in a mapped file.
#![allow(unsafe_code)]

use crate::index::{Error, Index};
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// A mapped file, which is locked against whoever asks as long as it is mapped.
struct MappedFile {
    map: Mmap,
    /// Holds the lock.
    _file: File,
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

impl Index {
    /// [`Index::map`] of a file that [`Index::export`] was written to, on whatever platform. The file is opened for reading, and
    /// nothing is ever written to it: what changes is copied first.
    ///
    /// The file must stay as it is while the index lives. It holds a shared lock (`flock`), which those keep to who ask for an
    /// exclusive one; whoever overwrites or shortens the file all the same takes the ground from under the program. To put another in its place,
    /// rename it: the index keeps the one that it has.
    ///
    /// # Errors
    /// As [`Index::map`]; [`Error::NotFound`] when there is no such file; [`Error::Locked`] when somebody has it locked for
    /// himself; [`Error::StoreFailed`] when it cannot be opened or mapped.
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
        // SAFETY: a mapping is sound as long as nobody changes the file while it is mapped. This program writes to no file that it
        // has mapped: it is opened for reading, and exports are written to memory or to new files. Other programs are kept from it
        // as far as they keep to locks, and the documentation above asks callers for the rest.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| failed("mapping", &error))?;
        Self::map(MappedFile { map, _file: file })
    }
}
