//! Compaction in one go.

use super::SystemClock;
use crate::compact::CompactionReport;
use crate::driver::SLICE_MS;
use crate::index::{Error, Index};

impl Index {
    /// Compacts to the end, holding the caller's thread throughout. [`Index::compact_start`] and
    /// [`Index::compact_slice`] do the same in slices.
    ///
    /// # Errors
    /// As [`Index::compact_step`].
    pub fn compact(&mut self) -> Result<CompactionReport, Error> {
        let clock = SystemClock::default();
        self.compact_start()?;
        while self.compact_slice(&clock, SLICE_MS)? {}
        Ok(self.compact_finish().unwrap_or_default())
    }
}
