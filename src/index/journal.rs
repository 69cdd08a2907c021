//! What an index knows of its store: which values there are, and what is to be added to them.
//!
//! Changes go to the log first ([`Journal::take`]), frame by frame. A checkpoint (`checkpoint.rs`) then writes the
//! segments that have changed, and a manifest that names what counts from there on. The two newest manifests stay, with
//! everything that they name, so that a damaged value of the newest leaves another way to the same state: the older
//! checkpoint, and the logs since.

use super::Error;
use super::checkpoint::Writing;
use crate::format::{Entry, LogWriter, Manifest, Mark, log_key};
use crate::store::StoreError;
use crate::types::OutOfMemory;

/// A log shorter than this is read again in no time.
const LEAST_LOG_BYTES: u64 = 1 << 20;
/// Reading a log again means linking its records again: a longer one would be waited for.
const MOST_LOG_BYTES: u64 = 4 << 20;
/// Between the two a log may grow to this part of what a checkpoint has written in all.
const LOG_SHARE: u64 = 16;

/// What there is in a store beside a checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Logs that follow it, ascending.
    pub(crate) logs: Vec<u64>,
    /// Bytes in them.
    pub(crate) log_bytes: u64,
    /// The number of the frame that comes next.
    pub(crate) next_sequence: u64,
    /// Values that it does not name.
    pub(crate) retired: Vec<String>,
    /// A generation of which there is no value.
    pub(crate) next_generation: u64,
}

/// The store's side of an index that is written.
#[derive(Debug)]
pub(crate) struct Journal {
    log: LogWriter,
    /// Up to here the changes have happened.
    sealed: Mark,
    /// The checkpoint that counts.
    pub(super) manifest: Manifest,
    /// Logs since that checkpoint, the one that is written to last; it may not exist yet.
    pub(super) logs: Vec<u64>,
    /// Bytes in them.
    log_bytes: u64,
    /// Values that only the checkpoint before names, or none. They go with the next one.
    pub(super) retired: Vec<String>,
    /// A generation of which there is no value.
    next_generation: u64,
    /// The checkpoint under way.
    pub(super) writing: Option<Box<Writing>>,
    /// A compaction has changed what no log tells.
    pub(super) is_reshaped: bool,
    /// What the store said when it did not take a change. From then on nothing is changed any more.
    failed: Option<StoreError>,
}

impl Journal {
    /// What follows `manifest`: the next change goes to a new log, because an old one may end in the middle of a frame.
    pub(crate) fn new(manifest: Manifest, found: Found) -> Result<Self, OutOfMemory> {
        let Found { mut logs, log_bytes, next_sequence, retired, next_generation } = found;
        logs.try_reserve(1)?;
        logs.push(logs.last().map_or(manifest.log, |last| last + 1));
        let log = LogWriter::new(manifest.meta.dimensions as usize, next_sequence);
        let sealed = log.mark();
        let (writing, is_reshaped, failed) = (None, false, None);
        Ok(Self { log, sealed, manifest, logs, log_bytes, retired, next_generation, writing, is_reshaped, failed })
    }

    /// A generation for a checkpoint that begins. No value has it, not even of one that was dropped: those are deleted later.
    pub(super) const fn new_generation(&mut self) -> u64 {
        self.next_generation += 1;
        self.next_generation - 1
    }

    /// Refuses once the store has failed.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), |error| Err(error.into()))
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        Ok(self.log.push(entry)?)
    }

    pub(super) fn rewind(&mut self) {
        self.log.rewind(self.sealed);
    }

    pub(super) fn seal(&mut self) {
        self.log.seal();
        self.sealed = self.log.mark();
    }

    /// The number of the first frame that is not sealed yet: what a checkpoint of this moment does not contain.
    pub(super) const fn next_sequence(&self) -> u64 {
        self.log.next_sequence()
    }

    /// Whether there are changes that are not in the store.
    pub(crate) const fn has_uncommitted(&self) -> bool {
        self.log.sealed_bytes() > 0
    }

    /// What is to be appended to the store, and to which value; none when all is there. Until
    /// [`Journal::committed`] nothing else is to be appended.
    pub(crate) fn take(&mut self) -> Result<Option<(String, Vec<u8>)>, Error> {
        self.check()?;
        if !self.has_uncommitted() {
            return Ok(None);
        }
        let bytes = self.log.take()?;
        self.sealed = self.log.mark();
        let number = self.logs.last().copied().unwrap_or(self.manifest.log);
        Ok(Some((log_key(number), bytes)))
    }

    /// How appending `len` bytes has ended. After a failure the store may hold any part of them, and what comes later must
    /// not follow: the index takes no changes any more. Opening it again finds what the store has.
    pub(crate) fn committed(&mut self, len: usize, outcome: Result<(), StoreError>) -> Result<(), Error> {
        self.log_bytes += len as u64;
        if let Err(error) = outcome {
            self.failed = Some(error);
        }
        self.check()
    }

    /// Whether a checkpoint would pay: the logs have grown, or a compaction has moved what they do not tell of.
    pub(crate) fn checkpoint_due(&self) -> bool {
        let stored: u64 = self.stored_bytes();
        self.failed.is_none()
            && (self.is_reshaped || self.log_bytes > (stored / LOG_SHARE).clamp(LEAST_LOG_BYTES, MOST_LOG_BYTES))
    }

    /// Bytes of the segments that count.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.manifest.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Bytes of the logs since the last checkpoint.
    pub(crate) const fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    /// A checkpoint has been written: from here on its log counts.
    pub(super) fn begin_log(&mut self, manifest: Manifest, retired: Vec<String>) {
        self.logs.clear();
        self.logs.push(manifest.log);
        self.log_bytes = 0;
        self.is_reshaped = false;
        self.manifest = manifest;
        self.retired = retired;
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
