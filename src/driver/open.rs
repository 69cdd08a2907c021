//! Reading a stored index: the newest intact checkpoint and the logs that follow it.

use super::{Host, checkpoint};
use crate::format::{Key, LOGS, MANIFESTS, PREFIXES};
use crate::index::{Error, Index, Inventory, Opening, Replay};
use crate::store::{Batch, Mode, Room, Store, StoreError};
use crate::wipe::wipe;

/// How many manifests a store keeps, counting from the newest.
const MANIFESTS_KEPT: usize = 2;

/// Opens the index in a store, or returns `None` if there is none.
///
/// # Errors
/// [`Error::Corrupt`], naming the damaged value, if neither of the two newest checkpoints leads to the last state;
/// [`Error::UnsupportedVersion`]; [`Error::OutOfMemory`]; the error of the store.
pub(crate) async fn open<S: Store>(store: &S, mode: Mode) -> Result<Option<Index>, Error> {
    let mut inventory = inventory_of(store).await?;
    loop {
        let why = match newest(store, &inventory).await {
            Ok(None) => return Ok(None),
            Ok(Some(replay)) => return replay.finish(&inventory, mode).map(Some),
            Err(error @ Error::Corrupt { .. }) => error,
            Err(error) => return Err(error),
        };
        // A writer may have deleted values in the meantime. In that case there is a new checkpoint.
        let now = inventory_of(store).await?;
        if now.manifests == inventory.manifests {
            return Err(why);
        }
        inventory = now;
    }
}

/// Lists which checkpoints and logs are in a store.
async fn inventory_of<S: Store>(store: &S) -> Result<Inventory, Error> {
    // List manifests before logs. The log of a checkpoint written in between is not needed. If a checkpoint and its
    // logs are deleted in between, reading it fails and is retried.
    let manifests = store.list(MANIFESTS).await?;
    Ok(Inventory::new(&manifests, &store.list(LOGS).await?)?)
}

/// Loads the newest readable checkpoint and replays its logs to the last one.
async fn newest<S: Store>(store: &S, inventory: &Inventory) -> Result<Option<Replay>, Error> {
    let mut first = None;
    for &generation in inventory.manifests.iter().rev().take(MANIFESTS_KEPT) {
        match load(store, generation, inventory).await {
            Ok(replay) => return Ok(Some(replay)),
            // The other checkpoint and its logs lead to the same state.
            Err(error @ Error::Corrupt { .. }) => first = first.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    match first {
        Some(error) => Err(error),
        None if inventory.is_headless() => Err(Error::Corrupt { what: "there are logs and no manifest".to_owned() }),
        None => Ok(None),
    }
}

async fn load<S: Store>(store: &S, generation: u64, inventory: &Inventory) -> Result<Replay, Error> {
    let manifest = read(store, Key::Manifest { generation }).await?;
    let mut opening = Opening::begin(generation, &manifest)?;
    let mut room = Room::that_stays(opening.bytes());
    let mut wanted = opening.wanted()?;
    while !wanted.is_empty() {
        store.read_into(&wanted, &mut room).await?;
        wanted = opening.wanted()?;
        // Let the store fetch these values while the previous ones are taken. Asking for more at once would not be
        // faster.
        store.expect(&wanted);
        opening.take(&room)?;
    }
    let logs = inventory.logs_since(opening.manifest());
    let mut replay = opening.finish()?;
    for &number in logs {
        let mut log = read(store, Key::Log { number }).await?;
        let done = replay.log(number, &log);
        wipe(&mut log);
        done?;
    }
    Ok(replay)
}

/// Reads a value that must exist.
async fn read<S: Store>(store: &S, key: Key) -> Result<Vec<u8>, Error> {
    let key = [key.to_text()?];
    let found = store.read(&key).await?.pop().flatten();
    found.ok_or_else(|| Error::Corrupt { what: format!("{} is missing", key.concat()) })
}

/// Puts an index into an empty store by writing a first checkpoint of everything.
///
/// # Errors
/// `Error::AlreadyExists` if the store has an index (in WebAssembly [`Error::InvalidOption`] for its name);
/// [`Error::InvalidOption`] if the index is in a store already; [`Error::OutOfMemory`]; the error of the store. After
/// an error the index belongs to the same store as before, if any, and what was written is removed, if the store can.
pub(crate) async fn create<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    let inventory = inventory_of(store).await?;
    if !inventory.manifests.is_empty() || inventory.is_headless() {
        #[cfg(not(target_arch = "wasm32"))]
        return Err(Error::AlreadyExists);
        #[cfg(target_arch = "wasm32")]
        return Err(Error::InvalidOption {
            option: "name",
            expected: "a place without an index".to_owned(),
            received: "one that has one".to_owned(),
        });
    }
    host.with(|index| index.attach(&inventory, store.value_bytes()))?;
    let written = checkpoint(store, host).await;
    if written.is_err() {
        host.with(|index| {
            index.detach();
            Ok(())
        })?;
        // The error that counts is the first.
        drop(remove_all(store).await);
    }
    written
}

/// Removes all values with keys of an index. Otherwise a place that got full by it would stay full without an index.
async fn remove_all<S: Store>(store: &S) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    for prefix in PREFIXES {
        let keys = store.list(prefix).await?;
        batch.deletes.try_reserve(keys.len())?;
        batch.deletes.extend(keys.into_iter().filter(|key| Key::parse(key).is_some()));
    }
    store.commit(batch).await
}
