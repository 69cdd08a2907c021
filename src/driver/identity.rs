//! Whether an index is still the one that its store is told of.

use crate::index::{Error, Index};

/// Which index a store is told of. A caller may put another one in its place while he changes it; that one tells nobody, or another store,
/// of what becomes of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Identity(Option<u64>);

impl Identity {
    /// That of an index as it has been opened, or made.
    pub(crate) fn of(index: &Index) -> Self {
        Self(index.journal().map(|journal| journal.serial()))
    }

    /// Makes a caller's change, which may replace the index.
    ///
    /// # Errors
    /// What the change says, or as [`Identity::check`].
    pub(crate) fn change<T>(
        self,
        index: &mut Index,
        change: impl FnOnce(&mut Index) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = change(index);
        self.check(index)?;
        done
    }

    /// Refuses whatever is to be done with another index.
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
