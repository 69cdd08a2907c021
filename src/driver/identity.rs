//! Checks that an index is still the one whose changes its store receives.

use crate::index::{Error, Index};

/// Identifies the index that a store belongs to. A caller may replace the index while changing it; the changes of the
/// new index would be lost or go to another store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Identity(Option<u64>);

impl Identity {
    /// The identity of an index that has just been opened or made.
    pub(crate) fn of(index: &Index) -> Self {
        Self(index.journal().map(|journal| journal.serial()))
    }

    /// Makes a caller's change and checks that it did not replace the index.
    ///
    /// # Errors
    /// The error of the change, or as [`Identity::check`].
    pub(crate) fn change<T>(
        self,
        index: &mut Index,
        change: impl FnOnce(&mut Index) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = change(index);
        self.check(index)?;
        done
    }

    /// Refuses an index other than the one that the store belongs to.
    ///
    /// # Errors
    /// [`Error::StoreFailed`].
    pub(crate) fn check(self, index: &Index) -> Result<(), Error> {
        if self.0.is_none() || self.0 == Self::of(index).0 {
            return Ok(());
        }
        let why = "another index was put in the place of the stored one, and is not kept here; to keep it, put it into a place of its own";
        Err(Error::StoreFailed { why: why.to_owned() })
    }
}
