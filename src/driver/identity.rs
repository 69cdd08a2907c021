//! Whether an index is still the one that its store is told of.

use crate::index::{Error, Index};
use core::sync::atomic::{AtomicBool, Ordering};

/// A caller may put another index in the place of a stored one while he changes it. That one tells no store of what becomes of it,
/// so nothing may be changed or kept any more.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    is_lost: AtomicBool,
}

impl Identity {
    /// Makes a caller's change, and sees whether it replaces the index.
    ///
    /// # Errors
    /// As [`Identity::check`]; what the change says.
    pub(crate) fn watch<T>(
        &self,
        index: &mut Index,
        work: impl FnOnce(&mut Index) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let is_told = index.journal().is_some();
        let done = work(index);
        if is_told && index.journal().is_none() {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        self.check()?;
        done
    }

    /// Refuses what comes after such a change.
    ///
    /// # Errors
    /// [`Error::StoreFailed`] when the index has been replaced.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_lost.load(Ordering::Relaxed) {
            let why = "another index was put in the place of the stored one, and is kept nowhere; to keep it, put it into a place of its own";
            return Err(Error::StoreFailed { why: why.to_owned() });
        }
        Ok(())
    }
}
