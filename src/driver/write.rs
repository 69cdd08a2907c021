//! Appending to the log, and writing checkpoints.

use super::compression::choose_compression;
use super::{Host, with_records};
use crate::index::{Error, Step};
use crate::store::{Store, StoreError};
use crate::wipe::Wiped;
use core::ops::Range;

/// About how much of a checkpoint is encoded between two waits: this many values of the store's preferred length, but
/// at most this many bytes, which take a millisecond or two.
const STEP_VALUES: usize = 16;
const MOST_STEP_BYTES: usize = 1 << 20;

/// Appends all changes that are not yet in the store to its log. On success they are as durable as an append to that
/// store. A future dropped before it completes has failed: it is unknown what reached the store.
///
/// # Errors
/// [`Error::Busy`] during another commit. The error of the store; the index then accepts no more changes.
pub(crate) async fn commit<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    let taken = host.with(|index| index.journal_mut().map_or(Ok(None), |journal| journal.take()))?;
    let Some((key, bytes)) = taken else { return Ok(()) };
    let bytes = Wiped(bytes);
    let mut appending = Appending { host, is_known: false };
    let outcome = store.append(&key, &bytes.0).await;
    appending.is_known = true;
    host.tell_appended(outcome)
}

/// An append under way. Dropped before its outcome is known, it reports a failure to the index.
struct Appending<'a, H: Host> {
    host: &'a H,
    is_known: bool,
}

impl<H: Host> Drop for Appending<'_, H> {
    fn drop(&mut self) {
        if !self.is_known {
            // Nobody can receive this error here: the next change or commit is refused with it.
            let _ = self.host.tell_appended(Err(StoreError::failed("a commit was given up before it had ended")));
        }
    }
}

/// Writes what has changed since the last checkpoint. The index may be used and changed while this waits for the store.
/// A future dropped before it completes has failed; the next call starts over.
///
/// # Errors
/// The error of the store, [`Error::OutOfMemory`], or as [`Index::link_step`](crate::index::Index::link_step): the last
/// checkpoint and its logs stay valid. [`Error::Busy`] if another checkpoint began meanwhile.
pub(crate) async fn checkpoint<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    let worn = host.with(|index| index.blocks_to_rewrite())?;
    if !worn.is_empty() {
        // Ignore a failure: the checkpoint does not depend on this, what was done is consistent, and the next
        // checkpoint tries again.
        let _ = with_records(store, host, |index| index.unstore_blocks(&worn)).await;
    }
    write_checkpoint(store, host, 0.0..0.0).await
}

/// Writes a checkpoint if one is due.
///
/// # Errors
/// As [`checkpoint`].
pub(crate) async fn checkpoint_if_due<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    if host.with(|index| Ok(index.checkpoint_due()))? { checkpoint(store, host).await } else { Ok(()) }
}

/// Writes what has changed since the last checkpoint, without rewriting any block. It is that part of what a compaction
/// does in the store (`share`).
pub(super) async fn write_checkpoint<S: Store>(store: &S, host: &impl Host, share: Range<f64>) -> Result<(), Error> {
    if host.with(|index| index.lacks_stock())? {
        let names = store.list("").await?;
        host.with(|index| index.take_stock(&names))?;
    }
    // Without memory for the choice, the compression stays as it is.
    let _ = choose_compression(host);
    let step_bytes = store.value_bytes().saturating_mul(STEP_VALUES).min(MOST_STEP_BYTES);
    // What waits to be linked one by one is linked first, since the next opening would have to do it. Between two
    // records other threads may have the index, so the call that finds all records linked also begins the checkpoint:
    // an insert in between could begin a training, and records are not linked until that has ended. In WebAssembly the
    // caller has linked them in slices, and this would hold the thread: what has come to wait since is stored as it is.
    let generation = loop {
        let begun = host.with(|index| {
            let must_link = if cfg!(target_arch = "wasm32") { !index.is_storable() } else { !index.links_together() };
            let is_left = must_link && index.link_step()?;
            if is_left { Ok(None) } else { index.checkpoint_begin().map(Some) }
        })?;
        if let Some(generation) = begun {
            break generation;
        }
        host.give_way();
    };
    let mut writing = Writing { host, generation: Some(generation) };
    loop {
        let (batch, is_last) = match host.with(|index| index.checkpoint_step(generation, step_bytes))? {
            Step::More(batch) => (batch, false),
            Step::Last(batch) => (batch, true),
        };
        store.commit(batch).await?;
        let done = host.with(|index| Ok(index.checkpoint_share()))?;
        host.tell_completed(share.start + done * (share.end - share.start));
        if is_last {
            return host.with(|index| {
                writing.generation = None;
                index.checkpoint_ended(generation);
                // The checkpoint counts even if there is no memory for the list of slabs that this needs.
                let _ = index.demote();
                Ok(())
            });
        }
    }
}

/// A checkpoint under way. Dropped before it has ended, whether by an error or with its future, it counts as failed:
/// the next one writes all of it again, even if the store has it.
struct Writing<'a, H: Host> {
    host: &'a H,
    /// `None` once it has ended.
    generation: Option<u64>,
}

impl<H: Host> Drop for Writing<'_, H> {
    fn drop(&mut self) {
        if let Some(generation) = self.generation {
            self.host.tell_checkpoint_failed(generation);
        }
    }
}
