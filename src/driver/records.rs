//! Calls that need records from the store.

use super::Host;
use crate::arena::ReadPlan;
use crate::format::ByteRoom;
use crate::index::{Error, Index};
use crate::store::{Room, Store};

/// How many bytes of blocks are read ahead at once.
const READ_AHEAD_BYTES: u64 = 1 << 20;

/// Makes a call of an index. When records are missing for it, reads all of them at once and makes the call again. That
/// needs no second reading unless the index has changed meanwhile.
///
/// # Errors
/// The error of the call, but never [`Error::Cold`]; the error of the store.
pub(crate) fn with_records<S: Store, T>(
    store: &S,
    host: &impl Host,
    mut call: impl FnMut(&mut Index) -> Result<T, Error>,
) -> impl Future<Output = Result<T, Error>> {
    let outcome = host.with(&mut call);
    after(outcome, store, host, call)
}

/// Does as [`with_records`] for a call that has been made already, and had this outcome. Its plan may be of an earlier
/// moment: blocks that are no more by now are not read.
///
/// # Errors
/// As [`with_records`].
pub(crate) async fn after<S: Store, T>(
    mut outcome: Result<T, Error>,
    store: &S,
    host: &impl Host,
    mut call: impl FnMut(&mut Index) -> Result<T, Error>,
) -> Result<T, Error> {
    while let Err(Error::Cold(plan)) = outcome {
        let read = read(store, host, &plan).await;
        // One call of `with`, so that the blocks are used before another call can drop them.
        outcome = host.with(|index| {
            let outcome = read.and_then(|(keys, values)| {
                index.admit(&plan, &keys, values)?;
                index.expect_retry(&plan);
                call(index)
            });
            if !matches!(outcome, Err(Error::Cold(_))) {
                index.trim();
            }
            outcome
        });
    }
    outcome
}

/// Links all records and exports an index. Records that are read for it are held only until they are copied. Stops when
/// `goes_on`, which is called after each part, returns false.
///
/// # Errors
/// [`Error::Busy`] when the index has changed too often, or `goes_on` returned false; [`Error::Corrupt`];
/// [`Error::OutOfMemory`]; the error of the store.
pub(crate) async fn export<S: Store, B: ByteRoom>(
    store: &S,
    host: &impl Host,
    mut goes_on: impl FnMut() -> bool,
) -> Result<B, Error> {
    let mut exporting = host.with(Index::export_begin)?;
    let mut plan = host.with(|index| index.export_step(&mut exporting))?;
    while !plan.is_empty() {
        let (keys, values) = read(store, host, &plan).await?;
        plan = host.with(|index| index.export_read(&mut exporting, &plan, &keys, values))?;
        if !goes_on() {
            return Err(Error::Busy);
        }
    }
    exporting.bytes.take().ok_or(Error::Busy)
}

/// Reads the blocks of a plan. Returns the keys of their values, and the values.
async fn read<S: Store>(
    store: &S,
    host: &impl Host,
    plan: &ReadPlan,
) -> Result<(Vec<String>, Vec<Option<Vec<u8>>>), Error> {
    let keys = host.with(|index| Ok(index.keys_of_plan(plan)?))?;
    let mut room = Room::default();
    store.read_into(&keys, &mut room).await?;
    Ok((keys, room.into_values()))
}

/// Carries out a plan for a call that the caller makes in `again`. `again` returns true when the call still lacks
/// records: then the blocks stay in memory for its next attempt.
///
/// # Errors
/// The error of the store; [`Error::OutOfMemory`].
#[cfg(target_arch = "wasm32")]
pub(crate) async fn carry_out<S: Store>(
    store: &S,
    host: &impl Host,
    plan: ReadPlan,
    again: impl FnOnce() -> bool,
) -> Result<(), Error> {
    let read = read(store, host, &plan).await;
    host.with(|index| {
        let admitted = read.and_then(|(keys, values)| index.admit(&plan, &keys, values));
        if admitted.is_ok() {
            index.expect_retry(&plan);
        } else {
            // The call is not made again.
            index.trim();
        }
        admitted
    })?;
    if again() {
        return Ok(());
    }
    host.with(|index| {
        index.trim();
        Ok(())
    })
}

/// Reads records before they are needed, as many as may be in memory.
///
/// # Errors
/// The error of the store; [`Error::OutOfMemory`].
pub(crate) async fn read_ahead<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    while read_some(store, host).await? {}
    Ok(())
}

/// Reads some records ahead, and returns whether there may be more.
pub(crate) async fn read_some<S: Store>(store: &S, host: &impl Host) -> Result<bool, Error> {
    let plan = host.with(|index| Ok(index.unread(READ_AHEAD_BYTES)?))?;
    if plan.is_empty() {
        return Ok(false);
    }
    let (keys, values) = read(store, host, &plan).await?;
    host.with(|index| {
        index.admit(&plan, &keys, values)?;
        index.trim();
        Ok(true)
    })
}
