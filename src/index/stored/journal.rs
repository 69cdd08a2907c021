//! What an index knows about its store: which values exist, and the changes still to be appended.
//!
//! Changes go to the log first ([`Journal::take`]), frame by frame. A checkpoint (`checkpoint.rs`) then writes the
//! segments that have changed, and a manifest that names everything the new checkpoint consists of. The two newest
//! manifests stay, with all the values they name. If a value of the newest is damaged, the older checkpoint and the
//! logs since lead to the same state. After a checkpoint whose outcome is unknown there may be only one manifest until
//! the end of the next, which begins by deleting what that one wrote.

use super::checkpoint::Writing;
use super::stock::Stock;
use crate::arena::Compression;
use crate::format::{Entry, Key, LogWriter, Manifest, Mark};
use crate::index::{Error, StoredBytes};
use crate::store::StoreError;
use crate::types::OutOfMemory;
use core::sync::atomic::{AtomicU64, Ordering};

/// Replaying a log shorter than this takes negligible time.
const LEAST_LOG_BYTES: u64 = 1 << 20;
/// Replayed records are linked only after opening. Until then each search scans all of them, so a longer log is felt.
const MOST_LOG_BYTES: u64 = 4 << 20;
/// Reading one more log takes as long as reading so many more bytes of one. (Each opening that changes something begins
/// a log.)
const LOG_COST_BYTES: u64 = 16 << 10;
/// The same for one more append: IndexedDB, and a store that cannot append, keep each as a value of its own.
const APPEND_COST_BYTES: u64 = 512;
/// Between the two limits, a log may grow to one part in this many of the bytes of all segments and blocks.
const LOG_SHARE: u64 = 16;

/// How many values may be noted that failed checkpoints may have left. Where a store refuses all, as a full one does,
/// most of them do not exist, and it is asked which do.
const MOST_ABANDONED: usize = 4096;

/// The logs that follow a checkpoint in a store.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Their numbers, ascending.
    pub(crate) logs: Vec<u64>,
    /// Bytes in them.
    pub(crate) log_bytes: u64,
    /// Sequence number of the next frame.
    pub(crate) next_sequence: u64,
}

/// A switch to new logs.
#[derive(Debug)]
pub(in crate::index) struct LogSwitch {
    /// Number of the first new log.
    pub(in crate::index) log: u64,
    /// The frames to write as that log. If there are none, later changes are appended to it.
    pub(in crate::index) frames: Vec<u8>,
    /// The journal's `taken` at that moment, for [`Journal::log_switched`].
    pub(in crate::index) taken: u64,
}

/// Number of journals created by this process.
static JOURNALS: AtomicU64 = AtomicU64::new(0);

/// The store's side of a writable index.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Unique among all journals of this process.
    serial: u64,
    log: LogWriter,
    /// The end of the completed changes in `log`.
    pub(in crate::index) sealed: Mark,
    /// Whether several changes share one open frame.
    holds: bool,
    /// Number of bytes being appended, between [`Journal::take`] and [`Journal::committed`].
    appending: Option<usize>,
    /// How many times [`Journal::take`] has returned bytes.
    taken: u64,
    /// The manifest of the current checkpoint.
    pub(in crate::index) manifest: Manifest,
    /// Numbers of the logs since that checkpoint. The last is the one to append to. Any of them may not exist.
    pub(in crate::index) logs: Vec<u64>,
    /// Bytes in them.
    pub(in crate::index) log_bytes: u64,
    /// How many appends there have been since the last checkpoint or opening.
    pub(in crate::index) appends: u64,
    /// Bytes of sealed frames that the checkpoint has and only the one before it lacks.
    known_bytes: u64,
    /// Which values the store holds besides those of the current checkpoint.
    pub(in crate::index) stock: Stock,
    /// Whether `stock` is known from the names of all values, as the first checkpoint needs it, not from the manifest
    /// alone.
    is_stock_complete: bool,
    /// The checkpoint under way.
    pub(in crate::index) writing: Option<Writing>,
    /// How new blocks are compressed; `None` until it has been chosen.
    pub(in crate::index) compression: Option<Compression>,
    /// Whether `compression` should be chosen, for the first time or again.
    pub(in crate::index) is_compression_due: bool,
    /// Whether a compaction has made changes that no log records.
    pub(in crate::index) is_reshaped: bool,
    /// Whether the current checkpoint has records without links.
    pub(in crate::index) has_waiting: bool,
    /// Whether blocks have been unstored since a checkpoint last ended.
    pub(in crate::index) has_unstored_blocks: bool,
    /// Whether records have expired since the index was opened.
    pub(in crate::index) has_expired: bool,
    /// The error with which the store refused a change. From then on the index refuses all changes.
    failed: Option<StoreError>,
}

impl Journal {
    /// The journal of an index opened from `manifest`. Changes go to a new log, as the last may end in mid-frame.
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
            stock: Stock::of_manifest(&manifest),
            is_stock_complete: false,
            manifest,
            logs,
            log_bytes,
            appends: 0,
            known_bytes: 0,
            writing: None,
            compression,
            is_compression_due: compression.is_none(),
            is_reshaped: false,
            has_waiting: false,
            has_unstored_blocks: false,
            has_expired: false,
            failed: None,
        })
    }

    /// Identifies this journal among all of this process.
    pub(crate) const fn serial(&self) -> u64 {
        self.serial
    }

    /// Whether [`Journal::complete_stock`] is to be called: before the first checkpoint, and when more values are noted
    /// than failed checkpoints can have left. Never during a checkpoint, whose values it would take for abandoned ones.
    pub(in crate::index) const fn lacks_stock(&self) -> bool {
        !self.is_stock_complete || (self.writing.is_none() && self.stock.abandoned.len() > MOST_ABANDONED)
    }

    /// Takes the stock that the names of all values have given.
    pub(in crate::index) fn complete_stock(&mut self, found: Stock) {
        self.is_stock_complete = true;
        self.stock.replace_with(found);
    }

    /// The number of the next new block.
    pub(crate) const fn next_block(&self) -> u32 {
        self.stock.next_block
    }

    /// Returns the error with which the store has failed, if it has.
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

    /// Puts all changes until `hold(false)` into one frame, which a reader of the log applies as a whole or not at all.
    /// Until then they are in no commit, and no checkpoint can end.
    #[cfg(any(target_arch = "wasm32", test))]
    pub(crate) fn hold(&mut self, holds: bool) {
        self.holds = holds;
        self.seal();
    }

    /// Number of the first unsealed frame, which is the first that a checkpoint of this moment does not contain.
    pub(in crate::index) const fn next_sequence(&self) -> u64 {
        self.log.next_sequence()
    }

    /// Whether there are changes that are not in the store.
    pub(crate) const fn has_uncommitted(&self) -> bool {
        self.log.sealed_bytes() > 0
    }

    /// Takes the bytes to append to the store, with the key of their value; `None` when the store has everything. The
    /// outcome must be passed to [`Journal::committed`].
    ///
    /// # Errors
    /// [`Error::Busy`] while the outcome of the last call is outstanding; the error with which the store has failed.
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

    /// Takes the outcome of appending. After a failure the store may hold any part of the bytes, and nothing may follow
    /// them, so the index refuses all further changes. Opening it again shows what the store has.
    pub(crate) fn committed(&mut self, outcome: Result<(), StoreError>) -> Result<(), Error> {
        self.log_bytes += self.appending.take().unwrap_or(0) as u64;
        self.appends += 1;
        if let Err(error) = outcome {
            self.failed = Some(error);
        }
        self.check()
    }

    fn current_log(&self) -> u64 {
        self.logs.last().copied().unwrap_or(self.manifest.log)
    }

    /// Directs later changes to a new log. A checkpoint that ends here is followed only by this and later logs; the
    /// previous checkpoint is followed by its own logs and by these. So neither misses a change, whichever one is in
    /// effect, even if the store could not tell whether it has taken the new one.
    ///
    /// Changes not yet committed are in the new checkpoint and in no log, so the previous one would miss them. They
    /// must be written together with the new checkpoint, as a log of their own.
    ///
    /// # Errors
    /// [`Error::Busy`] during a commit, and while a frame is held open: half of it would be in the checkpoint.
    pub(in crate::index) fn switch_log(&mut self) -> Result<LogSwitch, Error> {
        if self.appending.is_some() || self.holds {
            return Err(Error::Busy);
        }
        self.logs.try_reserve(2).map_err(|_| OutOfMemory)?;
        let frames = self.log.sealed()?;
        let log = self.current_log() + 1;
        self.logs.push(log);
        if !frames.is_empty() {
            self.logs.push(log + 1);
        }
        Ok(LogSwitch { log, frames, taken: self.taken })
    }

    /// Notes that the frames of a [`LogSwitch`] are in the store. If a commit has appended them in the meantime too,
    /// the store has them twice, and a reader applies them once.
    pub(in crate::index) fn log_switched(&mut self, frames: usize, taken: u64) {
        self.known_bytes = frames as u64;
        self.log_bytes += self.known_bytes;
        if self.taken == taken {
            self.log.forget(frames);
        }
    }

    /// Whether a checkpoint would pay: the logs have grown, with what is about to be appended to them, or a compaction
    /// has made changes that they do not record.
    pub(in crate::index) fn checkpoint_due(&self) -> bool {
        let stored = self.segment_bytes().saturating_add(self.block_bytes());
        let log_bytes = self.log_bytes - self.known_bytes + self.log.sealed_bytes() as u64;
        let log_bytes = log_bytes + LOG_COST_BYTES * self.logs.len() as u64 + APPEND_COST_BYTES * self.appends;
        self.failed.is_none()
            && (self.is_reshaped || log_bytes > (stored / LOG_SHARE).clamp(LEAST_LOG_BYTES, MOST_LOG_BYTES))
    }

    /// Bytes of the frames that are to be appended, spare capacity included.
    pub(in crate::index) const fn resident_bytes(&self) -> usize {
        self.log.resident_bytes()
    }

    /// Bytes of the current checkpoint's segments.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.manifest.segments.iter().fold(0, |all, segment| segment.bytes.saturating_add(all))
    }

    /// Bytes of the current checkpoint's blocks.
    pub(crate) fn block_bytes(&self) -> u64 {
        self.manifest.blocks.iter().fold(0, |all, block| block.stored_bytes.saturating_add(all))
    }

    /// Bytes of the current checkpoint's blocks numbered `first` or higher.
    pub(crate) fn block_bytes_from(&self, first: u32) -> u64 {
        let blocks = self.manifest.blocks.iter().filter(|block| block.number >= first);
        blocks.fold(0, |all, block| block.stored_bytes.saturating_add(all))
    }

    /// Bytes of the current checkpoint and of the logs since.
    pub(in crate::index) fn stored_bytes(&self) -> StoredBytes {
        StoredBytes::of(&self.manifest, self.log_bytes)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::QuotaExceeded => Self::QuotaExceeded,
            StoreError::Locked { by } => Self::Locked { by },
            #[cfg(not(target_arch = "wasm32"))]
            StoreError::NotFound { what } => Self::NotFound { what },
            StoreError::ReadOnly => Self::ReadOnly,
            StoreError::OutOfMemory => Self::OutOfMemory,
            StoreError::Failed { why } => Self::StoreFailed { why },
        }
    }
}
