//! Calls that need records from the store.

use super::Host;
use crate::arena::ReadPlan;
use crate::format::{ByteRoom, Key, xxh64};
use crate::index::{Error, Index, OpenedManifest};
use crate::store::{Room, Store};

/// How many bytes of blocks are read ahead at a time.
const READ_AHEAD_BYTES: u64 = 1 << 20;

/// Makes a call to an index. If records are missing, reads all of them at once and repeats the call. One read suffices
/// unless the index changes meanwhile.
///
/// # Errors
/// The error of the call, but never [`Error::Cold`]; the error of the store.
pub(crate) fn with_records<S: Store, T>(
    store: &S,
    host: &impl Host,
    mut call: impl FnMut(&mut Index) -> Result<T, Error>,
) -> impl Future<Output = Result<T, Error>> {
    let outcome = host.with(&mut call);
    retry_cold(outcome, store, host, call)
}

/// Continues as [`with_records`] after a first call with this outcome. The plan may be out of date; blocks that no
/// longer exist are skipped.
///
/// # Errors
/// As [`with_records`].
pub(crate) async fn retry_cold<S: Store, T>(
    mut outcome: Result<T, Error>,
    store: &S,
    host: &impl Host,
    mut call: impl FnMut(&mut Index) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut retrying = None;
    while let Err(Error::Cold(plan)) = outcome {
        let (keys, mut room) = read(store, host, &plan).await?;
        retrying.get_or_insert(Retrying(host));
        // In a single `with`, so that the blocks are used before another call can drop them.
        outcome = host.with(|index| {
            index.admit(&plan, &keys, &mut room)?;
            index.expect_retry(&plan);
            call(index)
        });
    }
    outcome
}

/// A call that blocks were read for. Dropped, whether it has ended, has panicked or was given up while it waited for
/// more, it makes the budget apply to them.
struct Retrying<'a, H: Host>(&'a H);

impl<H: Host> Drop for Retrying<'_, H> {
    fn drop(&mut self) {
        self.0.tell_retry_ended();
    }
}

/// Links all records and exports the index. Records read for the export are held only until they are copied. Stops when
/// `goes_on`, which is called after each part, returns false.
///
/// # Errors
/// [`Error::Busy`] if the index changed too often or `goes_on` returned false; [`Error::Corrupt`];
/// [`Error::OutOfMemory`]; the error of the store.
pub(crate) async fn export<S: Store, B: ByteRoom>(
    store: &S,
    host: &impl Host,
    mut goes_on: impl FnMut() -> bool,
) -> Result<B, Error> {
    link(host)?;
    let mut exporting = host.with(Index::export_begin)?;
    let mut plan = host.with(|index| index.export_step(&mut exporting))?;
    while !plan.is_empty() {
        let (keys, mut room) = read(store, host, &plan).await?;
        // If others have inserted meanwhile, the export begins again.
        link(host)?;
        plan = host.with(|index| index.export_read(&mut exporting, &plan, &keys, &mut room))?;
        if !goes_on() {
            return Err(Error::Busy);
        }
    }
    exporting.bytes.take().ok_or(Error::Busy)
}

/// Links all records one at a time, so that other threads may have the index in between. Where there are none,
/// beginning an export links them.
fn link(host: &impl Host) -> Result<(), Error> {
    while !cfg!(target_arch = "wasm32") && host.with(Index::link_step)? {
        host.give_way();
    }
    Ok(())
}

/// Reads the blocks of a plan. Returns the keys of their values, and the room that has these.
///
/// # Errors
/// The error of the store; [`Error::OutOfMemory`]. [`Error::StoreFailed`] when values are missing or others because a
/// writer has written checkpoints, or created another index, since this one was opened for reading only. Values that
/// are missing or altered without that are lost.
async fn read<S: Store>(store: &S, host: &impl Host, plan: &ReadPlan) -> Result<(Vec<String>, Room), Error> {
    let (keys, opened) = host.with(|index| Ok((index.keys_of_plan(plan)?, index.opened_manifest())))?;
    let mut room = Room::default();
    store.read_into(&keys, &mut room).await?;
    if let Some(opened) = opened
        && !host.with(|index| Ok(index.is_as_written(plan, &keys, &room)?))?
        && !is_there(store, opened).await?
    {
        let why = "the index has been written to since it was opened: open it again, or in JavaScript call reload()";
        return Err(Error::StoreFailed { why: why.to_owned() });
    }
    Ok((keys, room))
}

/// Whether a manifest is still in the store. As long as it is, so are all values that it names: the commit that deletes
/// values deletes the last manifest that names them.
async fn is_there<S: Store>(store: &S, OpenedManifest { generation, checksum }: OpenedManifest) -> Result<bool, Error> {
    let key = [Key::Manifest { generation }.to_text()?];
    let found = store.read(&key).await?.pop().flatten();
    Ok(found.is_some_and(|bytes| xxh64(&bytes, 0) == checksum))
}

/// Carries out a plan for a call that the caller then repeats in `again`. `again` returns true if the call still lacks
/// records; the blocks then stay in memory for its next attempt.
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
        let admitted = read.and_then(|(keys, mut room)| index.admit(&plan, &keys, &mut room));
        if admitted.is_ok() {
            index.expect_retry(&plan);
        } else {
            // The call will not be repeated.
            index.end_retry();
        }
        admitted
    })?;
    if again() {
        return Ok(());
    }
    host.with(|index| {
        index.end_retry();
        Ok(())
    })
}

/// Reads records before they are needed, as many as may be held in memory.
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
    let (keys, mut room) = read(store, host, &plan).await?;
    host.with(|index| {
        index.admit(&plan, &keys, &mut room)?;
        index.end_retry();
        Ok(true)
    })
}
