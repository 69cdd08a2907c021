//! Reading a stored index: the newest checkpoint that is whole, and the logs that follow it.

use super::{Host, checkpoint};
use crate::format::{log_key, manifest_key};
use crate::index::{Error, Index, Inventory, Opening, Replay};
use crate::store::{Mode, Store};

/// The two newest manifests are kept.
const MANIFESTS: usize = 2;

/// Opens the index in a store; none when there is none.
///
/// # Errors
/// [`Error::Corrupt`] says which value is not as it was written, when neither checkpoint leads to the last state;
/// [`Error::UnsupportedVersion`]; [`Error::OutOfMemory`]; what the store said.
pub(crate) async fn open<S: Store>(store: &S, mode: Mode) -> Result<Option<Index>, Error> {
    let inventory = Inventory::new(store.list("").await?);
    let mut first = None;
    for generation in inventory.manifests.iter().copied().take(MANIFESTS) {
        match load(store, generation, &inventory).await {
            Ok(replay) => return replay.finish(inventory, mode).map(Some),
            // The other checkpoint and its logs lead to the same state.
            Err(error @ Error::Corrupt { .. }) => first = first.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    first.map_or(Ok(None), Err)
}

async fn load<S: Store>(store: &S, generation: u64, inventory: &Inventory) -> Result<Replay, Error> {
    let [manifest] = read(store, [manifest_key(generation)]).await?;
    let mut opening = Opening::begin(generation, &manifest, inventory)?;
    loop {
        let wanted = opening.wanted();
        if wanted.is_empty() {
            break;
        }
        opening.take(store.read(&wanted).await?)?;
    }
    let logs: Vec<u64> = inventory.logs_since(opening.manifest()).collect();
    let mut replay = opening.finish()?;
    for log in logs {
        let [bytes] = read(store, [log_key(log)]).await?;
        replay.log(&bytes)?;
    }
    Ok(replay)
}

/// Values that must be there.
async fn read<S: Store, const N: usize>(store: &S, keys: [String; N]) -> Result<[Vec<u8>; N], Error> {
    let found: Option<Vec<Vec<u8>>> = store.read(&keys).await?.into_iter().collect();
    found
        .and_then(|values| values.try_into().ok())
        .ok_or_else(|| Error::Corrupt { what: format!("{} is missing", keys.join(", ")) })
}

/// Makes an index the one that an empty store holds, by a first checkpoint of all that is in it.
///
/// # Errors
/// [`Error::InvalidOption`] when there is one already; [`Error::OutOfMemory`]; what the store said.
pub(crate) async fn create<S: Store>(store: &S, host: &impl Host) -> Result<(), Error> {
    if !Inventory::new(store.list("").await?).is_empty() {
        return Err(Error::InvalidOption {
            option: "name",
            expected: "a place without an index".to_owned(),
            received: "one that has one".to_owned(),
        });
    }
    host.with(|index| index.attach(store.value_bytes()))?;
    checkpoint(store, host).await
}
