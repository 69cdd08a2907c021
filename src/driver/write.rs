//! Appending to the log, and writing checkpoints. Of these calls one is made after the other.

use super::Host;
use crate::index::{Error, Step};
use crate::store::Store;

/// About how many bytes of a checkpoint are encoded between two waits: what takes a millisecond or two.
const STEP_BYTES: usize = 1 << 20;

/// Appends all changes that are not in the store to its log. Once it has succeeded they are kept, whatever happens.
///
/// # Errors
/// What the store said. The index then takes no changes any more.
pub(crate) async fn commit<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    let taken = host.with(|index| index.journal_mut().map_or(Ok(None), |journal| journal.take()))?;
    let Some((key, bytes)) = taken else { return Ok(()) };
    let outcome = store.append(&key, &bytes).await;
    host.with(|index| index.journal_mut().map_or(Ok(()), |journal| journal.committed(bytes.len(), outcome)))
}

/// Writes what has changed since the last checkpoint. The index may be used, and changed, while the store is waited for.
///
/// # Errors
/// What the store said, or [`Error::OutOfMemory`]. The last checkpoint and its logs count as before.
pub(crate) async fn checkpoint<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    loop {
        let (batch, ended) = match host.with(|index| index.checkpoint_step(STEP_BYTES))? {
            Step::More(batch) => (batch, None),
            Step::Last(batch, ended) => (batch, Some(ended)),
        };
        let written = store.commit(batch).await;
        match (written, ended) {
            (Err(error), ended) => {
                return host.with(|index| {
                    index.checkpoint_failed(ended);
                    Err(error.into())
                });
            }
            (Ok(()), Some(ended)) => {
                return host.with(|index| {
                    index.checkpoint_ended(ended);
                    Ok(())
                });
            }
            (Ok(()), None) => {}
        }
    }
}
