//! An index without records.

use super::bulk::Linker;
use super::memory::scratch::ScratchPool;
use super::pending::Pending;
use super::stored::backing::Backing;
use super::{Config, Error, Index, Parts, maintain};
use crate::arena::Records;
use crate::expiry::Expiries;
use crate::graph::Graph;
use crate::ids::IdMap;
use crate::quantize::{Codes, Quantization};
use crate::tombstone::Tombstones;

impl Index {
    /// An empty index.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] names the option that is out of range.
    pub fn new(config: Config) -> Result<Self, Error> {
        let config = config.validated()?;
        Ok(Self {
            config,
            parts: Self::empty_parts(&config),
            draws: 0,
            pending: Pending::new(),
            bulk: Linker::at_first(),
            scratch: ScratchPool::new(),
            fit: None,
            job: None,
            compacted: maintain::Past::default(),
            backing: Backing::Memory,
        })
    }

    pub(super) fn empty_parts(config: &Config) -> Parts {
        // Where the code is the vector, the record carries the payload only.
        let in_record = if config.quantization == Quantization::None { 0 } else { config.dimensions };
        Parts {
            graph: Graph::new(config.m),
            codes: Codes::new(config.quantization, config.dimensions, config.metric),
            ids: IdMap::new(),
            tombstones: Tombstones::new(),
            records: Records::new(in_record),
            expiries: Expiries::new(),
        }
    }
}
