//! Which checkpoints and logs a store has.

use super::journal::Found;
use crate::format::{Key, Manifest};
use crate::order::sort_numbers;
use crate::types::OutOfMemory;

/// Which checkpoints and logs are in a store, by the names of their values. The names of all other values are many, and
/// take longer to list than a checkpoint takes to read. They are listed before the first checkpoint is written
/// (`stock.rs`).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// Generations of the manifests, ascending.
    pub(crate) manifests: Vec<u64>,
    /// Numbers of the logs, ascending.
    logs: Vec<u64>,
}

impl Inventory {
    /// Sorts the names of values. Names that do not belong to an index are ignored.
    pub(crate) fn new(manifests: &[String], logs: &[String]) -> Result<Self, OutOfMemory> {
        let mut inventory = Self::default();
        for key in manifests.iter().chain(logs).filter_map(|name| Key::parse(name)) {
            let (list, number) = match key {
                Key::Manifest { generation } => (&mut inventory.manifests, generation),
                Key::Log { number } => (&mut inventory.logs, number),
                Key::Segment { .. } | Key::Block { .. } => continue,
            };
            list.try_reserve(1)?;
            list.push(number);
        }
        sort_numbers(&mut inventory.manifests);
        sort_numbers(&mut inventory.logs);
        Ok(inventory)
    }

    /// Whether there are logs but no checkpoint that they follow.
    pub(crate) const fn is_headless(&self) -> bool {
        self.manifests.is_empty() && !self.logs.is_empty()
    }

    /// The logs that follow a checkpoint.
    pub(crate) fn logs_since(&self, manifest: &Manifest) -> &[u64] {
        let first = self.logs.partition_point(|&log| log < manifest.log);
        self.logs.get(first..).unwrap_or_default()
    }

    /// What the journal of an opened index needs to know about its logs.
    pub(super) fn found(&self, manifest: &Manifest, log_bytes: u64, next_sequence: u64) -> Result<Found, OutOfMemory> {
        let mut logs = Vec::new();
        logs.try_reserve_exact(self.logs_since(manifest).len() + 1)?;
        logs.extend_from_slice(self.logs_since(manifest));
        Ok(Found { logs, log_bytes, next_sequence })
    }
}
