//! What an index knows of its store: which values there are, and what is to be added to them.
//!
//! Changes go to the log first ([`Journal::take`]), frame by frame. A checkpoint (`checkpoint.rs`) then writes the
//! segments that have changed, and a manifest that names what counts from there on. The two newest manifests stay, with
//! everything that they name, so that a damaged value of the newest leaves another way to the same state: the older
//! checkpoint, and the logs since.

use super::checkpoint::Writing;
use super::stock::Stock;
use crate::arena::Compression;
use crate::format::{Entry, Key, LogWriter, Manifest, Mark};
use crate::index::Error;
use crate::store::StoreError;
use crate::types::OutOfMemory;
use core::sync::atomic::{AtomicU64, Ordering};

/// A log shorter than this is read again in no time.
const LEAST_LOG_BYTES: u64 = 1 << 20;
/// What a log tells of is linked after opening, and until then each search compares all of it: a longer one would be noticed.
const MOST_LOG_BYTES: u64 = 4 << 20;
/// Between the two a log may grow to this part of what a checkpoint has written in all.
const LOG_SHARE: u64 = 16;

/// What follows a checkpoint in a store.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Logs that follow it, ascending.
    pub(crate) logs: Vec<u64>,
    /// Bytes in them.
    pub(crate) log_bytes: u64,
    /// The number of the frame that comes next.
    pub(crate) next_sequence: u64,
}

/// The beginning of new logs.
#[derive(Debug)]
pub(in crate::index) struct Turn {
    /// The first of them.
    pub(in crate::index) first: u64,
    /// What it is to hold; when that is nothing, changes are appended to it.
    pub(in crate::index) frames: Vec<u8>,
    /// For [`Journal::turned`].
    pub(in crate::index) taken: u64,
}

/// How many journals there have been.
static JOURNALS: AtomicU64 = AtomicU64::new(0);

/// The store's side of an index that is written.
#[derive(Debug)]
pub(crate) struct Journal {
    /// No other has had it in this program.
    serial: u64,
    log: LogWriter,
    /// Up to here the changes have happened.
    pub(in crate::index) sealed: Mark,
    /// The open frame goes on from change to change.
    holds: bool,
    /// How many bytes are being appended, from [`Journal::take`] to [`Journal::committed`].
    appending: Option<usize>,
    /// How often changes have been taken to be appended.
    taken: u64,
    /// The checkpoint that counts.
    pub(in crate::index) manifest: Manifest,
    /// Logs since that checkpoint, the one that is written to last; any may not exist.
    pub(in crate::index) logs: Vec<u64>,
    /// Bytes in them.
    pub(in crate::index) log_bytes: u64,
    /// What the next three say is known. Nobody asks before the first checkpoint.
    has_stock: bool,
    /// Values that only the checkpoint before names, or none. They go with the next one.
    pub(in crate::index) retired: Vec<Key>,
    /// A generation of which there is no value.
    next_generation: u64,
    /// A number that no block ever had.
    next_block: u32,
    /// The checkpoint under way.
    pub(in crate::index) writing: Option<Writing>,
    /// How new blocks are compressed; none while nobody has chosen.
    pub(in crate::index) compression: Option<Compression>,
    /// That is to be chosen anew.
    pub(in crate::index) is_compression_due: bool,
    /// A compaction has changed what no log tells.
    pub(in crate::index) is_reshaped: bool,
    /// What the store said when it did not take a change. From then on nothing is changed any more.
    failed: Option<StoreError>,
}

impl Journal {
    /// What follows `manifest`: the next change goes to a new log, because an old one may end in the middle of a frame.
    pub(crate) fn new(manifest: Manifest, found: Found) -> Result<Self, OutOfMemory> {
        let Found { mut logs, log_bytes, next_sequence } = found;
        logs.try_reserve_exact(1)?;
        logs.push(logs.last().map_or(manifest.log, |last| last + 1));
        let log = LogWriter::new(manifest.meta.dimensions as usize, next_sequence);
        let compression = Compression::from_word(manifest.compression);
        Ok(Self {
            serial: JOURNALS.fetch_add(1, Ordering::Relaxed),
            sealed: log.mark(),
            holds: false,
            log,
            appending: None,
            taken: 0,
            has_stock: false,
            retired: Vec::new(),
            next_generation: manifest.generation + 1,
            next_block: manifest.next_block,
            manifest,
            logs,
            log_bytes,
            writing: None,
            compression,
            is_compression_due: compression.is_none(),
            is_reshaped: false,
            failed: None,
        })
    }

    /// Which of all journals it is.
    pub(crate) const fn serial(&self) -> u64 {
        self.serial
    }

    /// Whether it is not known yet which values there are.
    pub(in crate::index) const fn lacks_stock(&self) -> bool {
        !self.has_stock
    }

    /// Which values there are.
    pub(in crate::index) fn stock(&mut self, stock: Stock) {
        self.has_stock = true;
        self.retired = stock.retired;
        self.next_generation = self.next_generation.max(stock.next_generation);
        self.next_block = self.next_block.max(stock.next_block);
    }

    /// A generation for a checkpoint that begins. No value has it, not even of one that was dropped: those are deleted later.
    pub(in crate::index) const fn new_generation(&mut self) -> u64 {
        self.next_generation += 1;
        self.next_generation - 1
    }

    /// A number that no block ever had; none when all below `most` have been used.
    pub(in crate::index) fn new_block(&mut self, most: u32) -> Option<u32> {
        let number = self.next_block;
        if number >= most {
            return None;
        }
        self.next_block += 1;
        Some(number)
    }

    pub(crate) const fn next_block(&self) -> u32 {
        self.next_block
    }

    /// Refuses once the store has failed.
    pub(in crate::index) fn check(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), |error| Err(error.into()))
    }

    pub(in crate::index) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    pub(in crate::index) fn push(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        Ok(self.log.push(entry)?)
    }

    pub(in crate::index) fn rewind(&mut self) {
        self.log.rewind(self.sealed);
    }

    pub(in crate::index) fn seal(&mut self) {
        if !self.holds {
            self.log.seal();
        }
        self.sealed = self.log.mark();
    }

    /// From here to `hold(false)` changes are one frame, of which a reader of the log takes all or nothing. Until then they are in no
    /// commit, and no checkpoint may come to its end.
    #[cfg(any(target_arch = "wasm32", test))]
    pub(crate) fn hold(&mut self, holds: bool) {
        self.holds = holds;
        self.seal();
    }

    /// The number of the first frame that is not sealed yet: what a checkpoint of this moment does not contain.
    pub(in crate::index) const fn next_sequence(&self) -> u64 {
        self.log.next_sequence()
    }

    /// Whether there are changes that are not in the store.
    pub(crate) const fn has_uncommitted(&self) -> bool {
        self.log.sealed_bytes() > 0
    }

    /// What is to be appended to the store, and to which value; none when all is there. [`Journal::committed`] must be told
    /// how that ended.
    ///
    /// # Errors
    /// [`Error::Busy`] while that has not happened.
    pub(crate) fn take(&mut self) -> Result<Option<(String, Vec<u8>)>, Error> {
        self.check()?;
        if self.appending.is_some() {
            return Err(Error::Busy);
        }
        if !self.has_uncommitted() {
            return Ok(None);
        }
        let key = Key::Log { number: self.current_log() }.to_text()?;
        let bytes = self.log.take()?;
        self.sealed = self.log.mark();
        self.appending = Some(bytes.len());
        self.taken += 1;
        Ok(Some((key, bytes)))
    }

    /// How appending has ended. After a failure the store may hold any part of it, and what comes later must not follow:
    /// the index takes no changes any more. Opening it again finds what the store has.
    pub(crate) fn committed(&mut self, outcome: Result<(), StoreError>) -> Result<(), Error> {
        self.log_bytes += self.appending.take().unwrap_or(0) as u64;
        if let Err(error) = outcome {
            self.failed = Some(error);
        }
        self.check()
    }

    fn current_log(&self) -> u64 {
        self.logs.last().copied().unwrap_or(self.manifest.log)
    }

    /// From here on changes go to a new log. A checkpoint that ends here says that only it and later ones follow; the
    /// checkpoint before says that they follow its own logs. So neither misses a change, whichever will count: also when
    /// the store has failed to say whether it took the new one.
    ///
    /// What has not been committed is in the new checkpoint and in no log, so the one before would miss it. It is to be
    /// written together with the new one, as a log of its own.
    ///
    /// # Errors
    /// [`Error::Busy`] beside a commit, and while a frame is held open: half of it would be in the checkpoint.
    pub(in crate::index) fn turn_log(&mut self) -> Result<Turn, Error> {
        if self.appending.is_some() || self.holds {
            return Err(Error::Busy);
        }
        let frames = self.log.sealed()?;
        self.logs.try_reserve(2).map_err(|_| OutOfMemory)?;
        let first = self.current_log() + 1;
        self.logs.push(first);
        if !frames.is_empty() {
            self.logs.push(first + 1);
        }
        Ok(Turn { first, frames, taken: self.taken })
    }

    /// The frames of a turn are in the store. Those that were appended once more meanwhile are there twice, and are read
    /// once.
    pub(in crate::index) fn turned(&mut self, frames: usize, taken: u64) {
        self.log_bytes += frames as u64;
        if self.taken == taken {
            self.log.forget(frames);
        }
    }

    /// Whether a checkpoint would pay: the logs have grown, or a compaction has moved what they do not tell of.
    pub(in crate::index) fn checkpoint_due(&self) -> bool {
        let stored = self.segment_bytes().saturating_add(self.block_bytes());
        self.failed.is_none()
            && (self.is_reshaped || self.log_bytes > (stored / LOG_SHARE).clamp(LEAST_LOG_BYTES, MOST_LOG_BYTES))
    }

    /// Bytes of the segments that count.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.manifest.segments.iter().fold(0, |all, segment| segment.bytes.saturating_add(all))
    }

    /// Bytes of the blocks that count.
    pub(crate) fn block_bytes(&self) -> u64 {
        self.manifest.blocks.iter().fold(0, |all, block| block.stored_bytes.saturating_add(all))
    }

    /// Bytes of the blocks that count and have the number `first` or a later one.
    pub(crate) fn block_bytes_from(&self, first: u32) -> u64 {
        let blocks = self.manifest.blocks.iter().filter(|block| block.number >= first);
        blocks.fold(0, |all, block| block.stored_bytes.saturating_add(all))
    }

    /// Bytes of the blocks that count, before they were compressed.
    pub(crate) fn raw_block_bytes(&self) -> u64 {
        self.manifest.blocks.iter().fold(0, |all, block| block.raw_bytes.saturating_add(all))
    }

    /// Bytes of the logs since the last checkpoint.
    pub(crate) const fn log_bytes(&self) -> u64 {
        self.log_bytes
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::QuotaExceeded => Self::QuotaExceeded,
            StoreError::Locked { by } => Self::Locked { by },
            StoreError::ReadOnly => Self::ReadOnly,
            StoreError::OutOfMemory => Self::OutOfMemory,
            StoreError::Failed { why } => Self::StoreFailed { why },
        }
    }
}
