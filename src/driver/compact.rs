//! What a compaction does in the store: it rewrites blocks in which dead records take too much space, and deletes
//! values that only earlier checkpoints need.
//!
//! 1. A checkpoint writes what the compaction in memory has changed, and leaves out blocks without live records.
//! 2. Blocks with too large a dead share are read, a few at a time, and their live records are written with the next
//!    checkpoint, together with records near them.
//! 3. A last checkpoint, which has almost nothing to write, deletes what only the checkpoint before the last one named.
//!
//! After a failure at any call, the store is in the state of the last checkpoint written, and everything the compaction
//! has done so far is consistent.

use super::write::write_checkpoint;
use super::{Clock, Host, commit, with_records};
use crate::compact::CompactionReport;
use crate::index::{Error, Index};
use crate::store::Store;

/// Compacts the index in memory to the end, slice by slice, and then the store. For a host without other threads.
///
/// # Errors
/// As [`commit`], [`complete_in_store`] and [`Index::compact_step`].
pub(crate) async fn compact<S: Store>(
    store: &S,
    host: &impl Host,
    clock: &impl Clock,
    slice_ms: f64,
    rewrite: Rewrite,
) -> Result<CompactionReport, Error> {
    let run = || {
        host.with(Index::compact_start)?;
        while host.with(|index| index.compact_slice(clock, slice_ms))? {}
        host.with(|index| Ok(index.compact_finish()))
    };
    // A compaction already under way skips records that were deleted after it began.
    if rewrite == Rewrite::AnyDead && host.with(|index| Ok(index.compact_progress().is_some()))? {
        run()?;
    }
    let mut report = run()?.unwrap_or_default();
    report.reclaimed_bytes.cold = commit_and_complete(store, host, rewrite).await? as usize;
    Ok(report)
}

/// Commits, and completes in the store what was compacted in memory. Returns the number of bytes freed there.
///
/// # Errors
/// As [`commit`] and [`complete_in_store`].
pub(crate) async fn commit_and_complete<S: Store>(store: &S, host: &impl Host, rewrite: Rewrite) -> Result<u64, Error> {
    commit(store, host).await?;
    let freed = complete_in_store(store, host, rewrite).await?;
    if rewrite == Rewrite::AnyDead {
        host.with(|index| {
            index.forget_buffers();
            Ok(())
        })?;
    }
    Ok(freed)
}

/// How much of completing a compaction in the store is done after the first checkpoint, and before the last. The first
/// writes nearly all segments, because compacting moves records everywhere.
const FIRST: f64 = 0.5;
const LAST: f64 = 0.95;

/// Which blocks are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// Blocks with too large a dead share, and small ones.
    Worn,
    /// Every block that holds a deleted record, so that the store holds none afterwards.
    AnyDead,
}

/// Completes a compaction in the store and returns the number of bytes freed there: the size of the blocks dropped or
/// rewritten, minus the size of the blocks that now hold the rewritten records.
///
/// With [`Rewrite::AnyDead`], the store then retains nothing of records that had been deleted, compacted away and
/// committed.
///
/// # Errors
/// The error of the store; [`Error::OutOfMemory`]; [`Error::Corrupt`] if a block that must be rewritten is damaged;
/// [`Error::Busy`] during a commit or another checkpoint.
pub(crate) async fn complete_in_store<S: Store>(store: &S, host: &impl Host, rewrite: Rewrite) -> Result<u64, Error> {
    if rewrite == Rewrite::Worn && !host.with(|index| index.has_changed_shape())? {
        return Ok(0);
    }
    let blocks =
        |index: &mut Index| Ok(index.journal().map_or((0, 0), |journal| (journal.block_bytes(), journal.next_block())));
    let (before, first) = host.with(blocks)?;
    write_checkpoint(store, host, 0.0..FIRST).await?;
    let new = host.with(|index| Ok(index.journal().map_or(0, |journal| journal.block_bytes_from(first))))?;
    loop {
        // Only blocks that existed at the start: do not look again at the blocks written here.
        let plan = host.with(|index| match rewrite {
            Rewrite::Worn => Ok(index.worn_blocks(first)?),
            Rewrite::AnyDead => index.blocks_with_dead(first),
        })?;
        if plan.is_empty() {
            break;
        }
        with_records(store, host, |index| index.unstore_blocks(&plan)).await?;
        // Blocks are rewritten in the order of their numbers.
        let done = plan.blocks().last().map_or(1.0, |&last| f64::from(last) / f64::from(first));
        let share = FIRST + done * (LAST - FIRST);
        write_checkpoint(store, host, share..share).await?;
    }
    write_checkpoint(store, host, LAST..1.0).await?;
    let (after, _) = host.with(blocks)?;
    // Blocks written by the first checkpoint are not growth: their records were only in memory and logs.
    let freed = before.saturating_add(new).saturating_sub(after);
    host.with(|index| {
        index.note_cold(freed as usize);
        Ok(freed)
    })
}
