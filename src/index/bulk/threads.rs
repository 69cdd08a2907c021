//! A bulk build for one call that inserts many records, where threads may share it.

use super::{BulkBuild, MOST};
use crate::index::{Error, Index};

/// How many parts are compared together where threads share them.
const TOGETHER: usize = if cfg!(feature = "rayon") { 16 } else { 1 };

impl Index {
    /// Links all waiting records as [`Index::link_all`] does. All threads share a bulk build.
    pub(in crate::index) fn link_shared(&mut self) -> Result<(), Error> {
        self.compare_together(TOGETHER);
        let linked = self.link_all();
        self.compare_together(1);
        linked
    }

    /// Does a step of linking as [`Index::link_step`] does. All threads share a step of a bulk build.
    pub(crate) fn link_together(&mut self) -> Result<bool, Error> {
        self.compare_together(TOGETHER);
        let linked = self.link_step();
        self.compare_together(1);
        linked
    }

    fn compare_together(&mut self, parts: usize) {
        if let Some(linker) = &mut self.bulk {
            linker.together = parts;
        }
    }

    /// How many waiting records are not part of the bulk build under way; `None` if there is none.
    pub(crate) fn late_for_bulk(&self) -> Option<usize> {
        self.pending.bulk_bytes.map(|_| self.pending().saturating_sub(MOST))
    }

    /// Whether so many records, which are not there yet, would be linked together if a budget had room for that.
    pub(in crate::index) fn lacks_room_for_bulk(&self, records: usize) -> bool {
        self.begins_bulk(records.min(MOST)) && self.count_for_bulk(records).is_none()
    }

    /// How many of so many records, which are not there yet, are to be linked together. `None` if they would not be, or
    /// if a budget has no room for them and for what linking them needs.
    pub(in crate::index) fn count_for_bulk(&self, records: usize) -> Option<usize> {
        let count = records.min(MOST);
        (self.begins_bulk(count) && self.has_room_for(count, BulkBuild::bytes_of(count))).then_some(count)
    }
}
