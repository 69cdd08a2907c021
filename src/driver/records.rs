//! Calls that need records from the store.

use super::Host;
use crate::arena::ReadPlan;
use crate::format::ByteRoom;
use crate::index::{Error, Index};
use crate::store::{Room, Store};

/// How much is read at once of what nobody is waiting for.
const READ_AHEAD_BYTES: u64 = 1 << 20;

/// Makes a call of an index, and when records are missing for it, reads all of them at once and makes it again. The store is
/// not asked twice unless the index has changed meanwhile.
///
/// # Errors
/// What the call says, but never [`Error::Cold`]; what the store said.
pub(crate) async fn with_records<S: Store, T>(
    store: &S,
    host: &impl Host,
    mut call: impl FnMut(&mut Index) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut outcome = host.with(&mut call);
    while let Err(Error::Cold(plan)) = outcome {
        let (keys, values) = read(store, host, &plan).await?;
        // What was read is used before anybody else can make room for what he reads.
        outcome = host.with(|index| {
            index.admit(&plan, &keys, values)?;
            index.expect_retry(&plan);
            let outcome = call(index);
            if !matches!(outcome, Err(Error::Cold(_))) {
                index.trim();
            }
            outcome
        });
    }
    outcome
}

/// Exports an index once all is linked, without holding more records than before for longer than it takes to copy them. Ends when
/// `goes_on` says no, which is asked after each part.
///
/// # Errors
/// [`Error::Busy`] when the index changes all the while, or it does not go on; [`Error::Corrupt`]; [`Error::OutOfMemory`]; what the
/// store said.
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

/// The values of a plan's blocks, and their keys.
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

/// Carries out a plan for a call that `again` makes, and which says whether it is still without all that it needs: then what
/// was read stays for it.
///
/// # Errors
/// What the store said; [`Error::OutOfMemory`].
#[cfg(target_arch = "wasm32")]
pub(crate) async fn carry_out<S: Store>(
    store: &S,
    host: &impl Host,
    plan: ReadPlan,
    again: impl FnOnce() -> bool,
) -> Result<(), Error> {
    let (keys, values) = read(store, host, &plan).await?;
    host.with(|index| {
        index.admit(&plan, &keys, values)?;
        index.expect_retry(&plan);
        Ok(())
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
/// What the store said; [`Error::OutOfMemory`].
pub(crate) async fn read_ahead<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    while read_some(store, host).await? {}
    Ok(())
}

/// Reads some of them, and says whether there may be more.
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
