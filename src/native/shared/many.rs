//! Inserting many records, between the slices of which other threads can use the index.
//!
//! Nearly all the time is planning links, which only reads the index, so readers search meanwhile. Only putting the
//! records in, some microseconds for each, is not divided: it makes the call one change, all or none.

use super::SharedIndex;
#[cfg(doc)]
use crate::index::Index;
use crate::index::{Error, LinkBatch, NewRecord};
use crate::types::Id;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;

impl<S> SharedIndex<S> {
    /// Inserts many records, all or none, like [`Index::insert_many`]. On a thread of a rayon pool, that thread does
    /// all the work alone.
    ///
    /// All records are put in at once, while other threads wait some microseconds for each record, and are found from
    /// then on. They are linked a few at a time; in between, and while links are planned, other threads can use the
    /// index. Until the call returns, records are [pending](Index::pending), so [`Index::export`] is refused as
    /// [`Error::Unlinked`], and so is [`Index::check`] while they are linked together; `export_stored` is not. (With
    /// product codes that are not trained yet, and where `max_bytes` has no room for records to wait, other threads
    /// wait until the call returns.) If no other thread changes the index meanwhile, it becomes the same, byte for
    /// byte, as by `Index::insert_many`.
    ///
    /// Of several threads that call this, one inserts after the other.
    ///
    /// # Errors
    /// As [`Index::insert_many`] and [`SharedIndex::change`]. Once the records are put in, there is no error: if memory
    /// to link them is refused, or the index is closed, they stay pending.
    pub fn insert_many(&self, records: &[NewRecord<'_>]) -> Result<Vec<Id>, Error> {
        let _turn = self.shared.many.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the wait for others to be linked, which may be long.
        self.read(|index| index.check_records(records))?;
        let put = loop {
            // Records are linked in their order, so those that wait come first.
            self.link_many();
            let put = self.change(|index| match index.link_together()? {
                true => Ok(None),
                false => index.insert_many_waiting(records).map(Some),
            });
            if let Some(put) = put.transpose() {
                break put;
            }
        };
        // Also those of a call that failed.
        self.link_many();
        put
    }

    /// Links pending records, a batch at a time. On an error the rest keeps waiting.
    fn link_many(&self) {
        let mut batch = LinkBatch::default();
        // How many records to link one at a time before the next batch.
        let mut single = 0;
        // How many records came too late for the bulk build under way.
        let mut late = None;
        loop {
            let planned_at = if single == 0 { self.plan_batch(&mut batch) } else { None };
            let is_planned = batch.is_ready();
            let linked = self.change(|index| {
                // This change itself counts.
                let is_current = planned_at.is_some_and(|at| at + 1 == self.shared.changes.load(Ordering::Relaxed));
                if is_planned && is_current {
                    single = 0;
                    return index.link_batch(&mut batch).map(|()| true);
                }
                // A plan was in vain. Who changes the index will do so again, so at most half of the work shall be.
                single = single.max(batch.planned()).saturating_sub(1);
                batch.clear();
                let more = index.link_together()?;
                // What a bulk build leaves out, or all of it if it is given up, is linked one at a time.
                late = index.late_for_bulk().or_else(|| {
                    single = late.map_or(single, |late| index.pending().saturating_sub(late));
                    None
                });
                Ok(more)
            });
            if !matches!(linked, Ok(true)) {
                return;
            }
            // A waiting thread gets the lock only if it gets to run.
            thread::yield_now();
        }
    }

    /// Plans the links of the next batch, and lets others change the index in between; if they have, it stops. Returns
    /// how many changes there had been at the beginning.
    fn plan_batch(&self, batch: &mut LinkBatch) -> Option<u64> {
        let mut planned_at = None;
        loop {
            let more = self.read(|index| {
                let now = self.shared.changes.load(Ordering::Relaxed);
                if *planned_at.get_or_insert(now) == now { index.plan_waiting(batch) } else { Ok(false) }
            });
            match more {
                Ok(true) => thread::yield_now(),
                Ok(false) => return planned_at,
                Err(_) => return None,
            }
        }
    }
}
