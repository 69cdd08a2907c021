//! Appending to the log, and writing checkpoints.

use super::packing::choose_packing;
use super::{Host, with_records};
use crate::index::{Error, Index, Step};
use crate::store::{Store, StoreError};
use crate::wipe::wipe;

/// About how many bytes of a checkpoint are encoded between two waits: so many values of the length that the store handles
/// well, and no more than takes a millisecond or two.
const STEP_VALUES: usize = 16;
const MOST_STEP_BYTES: usize = 1 << 20;

/// Appends all changes that are not in the store to its log. Once it has succeeded they are kept, whatever happens. A future
/// that is dropped before its end has failed: nobody knows what the store has taken.
///
/// # Errors
/// [`Error::Busy`] beside another call of this. What the store said: the index then takes no changes any more.
pub(crate) async fn commit<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    let taken = host.with(|index| index.journal_mut().map_or(Ok(None), |journal| journal.take()))?;
    let Some((key, mut bytes)) = taken else { return Ok(()) };
    let mut appending = Appending { host, is_known: false };
    let outcome = store.append(&key, &bytes).await;
    appending.is_known = true;
    wipe(&mut bytes);
    told(host, outcome)
}

/// An append that is under way.
struct Appending<'a, H: Host> {
    host: &'a H,
    is_known: bool,
}

impl<H: Host> Drop for Appending<'_, H> {
    fn drop(&mut self) {
        if !self.is_known {
            // Should the index be borrowed just now, it goes on waiting for the outcome, and commits nothing else.
            let _ = told(self.host, Err(StoreError::failed("a commit was given up before it had ended")));
        }
    }
}

fn told(host: &impl Host, outcome: Result<(), StoreError>) -> Result<(), Error> {
    host.with(|index| index.journal_mut().map_or(Ok(()), |journal| journal.committed(outcome)))
}

/// Writes what has changed since the last checkpoint. The index may be used, and changed, while the store is waited for. A
/// future that is dropped before its end has failed, and the next call begins anew.
///
/// # Errors
/// What the store said, or [`Error::OutOfMemory`]: the last checkpoint and its logs count as before. [`Error::Busy`] when
/// another call of this has begun meanwhile.
pub(crate) async fn checkpoint<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    // What is mostly dead is written anew with what is new.
    let worn = host.with(|index| Ok(index.worn_blocks(u32::MAX)?))?;
    if !worn.is_empty() {
        // It is not needed for what follows, and tried again the next time; what it has done is consistent.
        let _ = with_records(store, host, |index| index.unpack(&worn)).await;
    }
    write_checkpoint(store, host).await
}

/// The same, with every block as it is.
pub(super) async fn write_checkpoint<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    // A checkpoint is of the whole graph. Others have the index between two records.
    while host.with(Index::link_step)? {
        host.give_way();
    }
    if host.with(|index| index.lacks_stock())? {
        let names = store.list("").await?;
        host.with(|index| index.take_stock(&names))?;
    }
    // Without the memory for it, blocks are packed as they were so far.
    let _ = choose_packing(host);
    let step_bytes = store.value_bytes().saturating_mul(STEP_VALUES).min(MOST_STEP_BYTES);
    let generation = host.with(|index| index.checkpoint_begin())?;
    loop {
        let step = host.with(|index| index.checkpoint_step(generation, step_bytes));
        let written = match step {
            Ok(Step::More(batch)) => store.commit(batch).await.map(|()| false).map_err(Error::from),
            Ok(Step::Last(batch)) => store.commit(batch).await.map(|()| true).map_err(Error::from),
            Err(error) => Err(error),
        };
        if let Ok(false) = written {
            continue;
        }
        return host.with(|index| {
            match &written {
                Ok(_) => {
                    index.checkpoint_ended(generation);
                    // The checkpoint counts, whether or not there was memory for a list of slabs.
                    let _ = index.demote();
                }
                Err(_) => index.checkpoint_failed(generation),
            }
            written.map(drop)
        });
    }
}
