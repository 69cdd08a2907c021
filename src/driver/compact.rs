//! What a compaction leaves to the store: blocks whose dead records take too much of them are written anew, and what only
//! earlier checkpoints need goes.
//!
//! 1. A checkpoint writes what the compaction in memory has changed, and leaves out the blocks in which nothing lives.
//! 2. Of the others, those with too large a dead share are read, some at a time, and their records written with the next
//!    checkpoint, together with whatever is near them.
//! 3. A last checkpoint, of next to nothing, deletes what only the one before those named.
//!
//! A failure at any call leaves what the last checkpoint that was written left; what it has done is consistent.

use super::write::write_checkpoint;
use super::{Clock, Host, commit, with_records};
use crate::compact::CompactionReport;
use crate::index::{Error, Index};
use crate::store::Store;

/// Compacts to its end what is in memory, slice after slice, and then the store.
///
/// # Errors
/// As [`complete`], and as [`Index::compact_step`].
pub(crate) async fn compact<S: Store>(
    store: &S,
    host: &impl Host,
    clock: &impl Clock,
    slice_ms: f64,
    rewrite: Rewrite,
) -> Result<CompactionReport, Error> {
    let run = || loop {
        host.with(Index::compact_start)?;
        loop {
            // Nobody is to end it between its last slice and its report.
            let (more, report) = host.with(|index| {
                let more = index.compact_slice(clock, slice_ms)?;
                Ok((more, if more { None } else { index.compact_finish() }))
            })?;
            match report {
                Some(_) => return Ok::<_, Error>(()),
                // Somebody else has ended or dropped it.
                None if !more => break,
                None => host.give_way(),
            }
        }
    };
    // One that is under way leaves what was deleted since it began.
    if rewrite == Rewrite::AnyDead && host.with(|index| Ok(index.compact_progress().is_some()))? {
        run()?;
    }
    run()?;
    commit(store, host).await?;
    complete(store, host, rewrite).await?;
    host.with(|index| {
        if rewrite == Rewrite::AnyDead {
            index.forget_buffers();
        }
        Ok(index.last_compaction().copied().unwrap_or_default())
    })
}

/// Which blocks are written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// Those with too large a dead share, and small ones.
    Worn,
    /// Every one that holds a record which is no longer there: none may be found in the store afterwards.
    AnyDead,
}

/// Brings a compaction to its end in the store, and returns by how many bytes its blocks have become shorter.
///
/// With [`Rewrite::AnyDead`] the store has nothing left afterwards of what was deleted, compacted away and committed before.
///
/// # Errors
/// What the store said; [`Error::OutOfMemory`]; [`Error::Corrupt`] when a block that has to be written anew is not as it was
/// written; [`Error::Busy`] beside a commit or another checkpoint.
pub(crate) async fn complete<S: Store>(store: &S, host: &impl Host, rewrite: Rewrite) -> Result<u64, Error> {
    if rewrite == Rewrite::Worn && !host.with(|index| index.has_changed_shape())? {
        return Ok(0);
    }
    let blocks =
        |index: &mut Index| Ok(index.journal().map_or((0, 0), |journal| (journal.block_bytes(), journal.next_block())));
    let (before, first) = host.with(blocks)?;
    write_checkpoint(store, host).await?;
    let new = host.with(|index| Ok(index.journal().map_or(0, |journal| journal.block_bytes_from(first))))?;
    loop {
        // Of those that were there: what is written on the way is not looked at again.
        let plan = host.with(|index| match rewrite {
            Rewrite::Worn => Ok(index.worn_blocks(first)?),
            Rewrite::AnyDead => index.blocks_with_dead(first),
        })?;
        if plan.is_empty() {
            break;
        }
        with_records(store, host, |index| index.unpack(&plan)).await?;
        write_checkpoint(store, host).await?;
    }
    write_checkpoint(store, host).await?;
    let (after, _) = host.with(blocks)?;
    let freed = (before + new).saturating_sub(after);
    host.with(|index| {
        index.note_cold(freed as usize);
        Ok(freed)
    })
}
