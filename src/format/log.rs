//! The changes since the last checkpoint: frames, appended to a value one after another.
//!
//! A kill can cut off the last append anywhere, and what is cut off was never acknowledged. So a log may end in the
//! middle of a frame. Its reader stops there, so nothing is appended after such an end: it would be lost.
//!
//! Frames are numbered from 1 on across all logs, so that a reader knows which it already has and which are missing.

use super::FormatError;
use super::entry::Entry;
use super::frame::{ALIGNMENT, Frame, HEADER_BYTES, RawFrame, seal};
use crate::types::OutOfMemory;
use crate::wipe;

/// Most bytes of a frame's entries together. Any single entry is shorter.
const MOST_BODY_BYTES: usize = (1 << 31) - 1;

/// Frames to append: the sealed ones, and one that is still open.
#[derive(Debug)]
pub(crate) struct LogWriter {
    dimensions: usize,
    /// The sealed frames, followed by the open one once it has entries: room for its header, and the entries.
    buffer: Vec<u8>,
    sealed_bytes: usize,
    entries: u32,
    next_sequence: u64,
}

#[cfg(not(target_arch = "wasm32"))]
impl Drop for LogWriter {
    fn drop(&mut self) {
        wipe::wipe(&mut self.buffer);
    }
}

/// A position in the open frame to rewind to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    sequence: u64,
    open_bytes: usize,
    entries: u32,
}

impl LogWriter {
    /// A writer for vectors of `dimensions`, whose first frame gets the number `next_sequence`.
    pub(crate) const fn new(dimensions: usize, next_sequence: u64) -> Self {
        Self { dimensions, buffer: Vec::new(), sealed_bytes: 0, entries: 0, next_sequence }
    }

    /// The number of the frame that is open, or will be next.
    pub(crate) const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// How many bytes [`LogWriter::take`] would return.
    pub(crate) const fn sealed_bytes(&self) -> usize {
        self.sealed_bytes
    }

    /// Bytes in memory, spare capacity included.
    pub(crate) const fn resident_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    const fn open_bytes(&self) -> usize {
        self.buffer.len() - self.sealed_bytes
    }

    /// Adds an entry to the open frame. On an error nothing has changed: [`FormatError::OutOfMemory`], also if the
    /// frame would become too long, and [`FormatError::Corrupt`] for an entry that no reader would accept.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) -> Result<(), FormatError> {
        if !entry.is_valid(self.dimensions) {
            return Err(FormatError::corrupt("an entry that no log may hold"));
        }
        let mut len = 0_usize;
        entry.each_part(&mut |part| len = len.saturating_add(part.len()));
        let header = if self.entries == 0 { HEADER_BYTES } else { 0 };
        let body = (self.open_bytes() + header - HEADER_BYTES).saturating_add(len);
        if body > MOST_BODY_BYTES {
            return Err(FormatError::OutOfMemory);
        }
        // Padding included, so that sealing cannot fail.
        wipe::reserve(&mut self.buffer, header + len + ALIGNMENT)?;
        self.buffer.resize(self.buffer.len() + header, 0);
        entry.each_part(&mut |part| self.buffer.extend_from_slice(part));
        self.entries += 1;
        Ok(())
    }

    /// Where the open frame ends now.
    pub(crate) const fn mark(&self) -> Mark {
        Mark { sequence: self.next_sequence, open_bytes: self.open_bytes(), entries: self.entries }
    }

    /// Removes what was pushed since the mark was made, because the operation did not happen after all. Returns false
    /// and changes nothing if that frame has been sealed or is shorter than it was.
    pub(crate) fn rewind(&mut self, mark: Mark) -> bool {
        let possible = mark.sequence == self.next_sequence && mark.open_bytes <= self.open_bytes();
        if possible {
            let end = self.sealed_bytes + mark.open_bytes;
            wipe::wipe(self.buffer.get_mut(end..).unwrap_or_default());
            self.buffer.truncate(end);
            self.entries = mark.entries;
        }
        possible
    }

    /// Seals the open frame and returns its number; `None` if it has no entries. The next entry opens another.
    pub(crate) fn seal(&mut self) -> Option<u64> {
        let len = self.open_bytes().checked_sub(HEADER_BYTES)?;
        self.buffer.resize(self.buffer.len().next_multiple_of(ALIGNMENT), 0);
        let sequence = self.next_sequence;
        seal(self.buffer.get_mut(self.sealed_bytes..).unwrap_or_default(), len, self.entries, sequence);
        self.sealed_bytes = self.buffer.len();
        self.entries = 0;
        // Never saturates: a manifest that counts beyond 2^63 is refused when it is read.
        self.next_sequence = sequence.saturating_add(1);
        Some(sequence)
    }

    /// A copy of the sealed frames.
    pub(crate) fn sealed(&self) -> Result<Vec<u8>, OutOfMemory> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(self.sealed_bytes)?;
        copy.extend_from_slice(self.buffer.get(..self.sealed_bytes).unwrap_or_default());
        Ok(copy)
    }

    /// A copy of what the buffer holds from `start` on, with room for the padding of an open frame.
    fn copy_from(&self, start: usize) -> Result<Vec<u8>, OutOfMemory> {
        let rest = self.buffer.get(start..).unwrap_or_default();
        let mut copy = Vec::new();
        copy.try_reserve_exact(rest.len() + if rest.is_empty() { 0 } else { ALIGNMENT })?;
        copy.extend_from_slice(rest);
        Ok(copy)
    }

    /// Drops the first `bytes` bytes of the sealed frames, which a store has.
    pub(crate) fn forget(&mut self, bytes: usize) {
        let bytes = bytes.min(self.sealed_bytes);
        if let Ok(rest) = self.copy_from(bytes) {
            wipe::wipe(&mut self.buffer);
            self.buffer = rest;
        } else {
            self.buffer.copy_within(bytes.., 0);
            let left = self.buffer.len() - bytes;
            wipe::wipe(self.buffer.get_mut(left..).unwrap_or_default());
            self.buffer.truncate(left);
        }
        self.sealed_bytes -= bytes;
    }

    /// Takes the sealed frames, to be appended to a log in one piece. The open frame stays.
    pub(crate) fn take(&mut self) -> Result<Vec<u8>, OutOfMemory> {
        let rest = self.copy_from(self.sealed_bytes)?;
        let mut sealed = core::mem::replace(&mut self.buffer, rest);
        wipe::wipe(sealed.get_mut(self.sealed_bytes..).unwrap_or_default());
        sealed.truncate(self.sealed_bytes);
        self.sealed_bytes = 0;
        Ok(sealed)
    }
}

/// The frames of one log, from its start.
#[derive(Debug)]
pub(crate) struct LogReader<'a> {
    bytes: &'a [u8],
    dimensions: usize,
    next_sequence: u64,
    at: usize,
}

impl<'a> LogReader<'a> {
    /// A reader for vectors of `dimensions`. Frames before `next_sequence` are skipped.
    pub(crate) const fn new(bytes: &'a [u8], dimensions: usize, next_sequence: u64) -> Self {
        Self { bytes, dimensions, next_sequence, at: 0 }
    }

    /// Returns the next frame that was not skipped; `None` at the end, which may be torn.
    ///
    /// The error is [`FormatError::Corrupt`] for what no kill can leave: a frame that does not match its checksum
    /// before one that does, a missing frame, and a frame with invalid contents.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'a>>, FormatError> {
        while self.at < self.bytes.len() {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(raw) = RawFrame::read(rest).filter(RawFrame::is_sound) else {
                if has_a_frame(rest, self.next_sequence) {
                    return Err(FormatError::corrupt(format_args!("the log is damaged at {}", self.at)));
                }
                break;
            };
            let sequence = raw.sequence;
            if sequence < self.next_sequence {
                self.at += raw.bytes();
                continue;
            }
            if sequence > self.next_sequence {
                return Err(FormatError::corrupt(format_args!("frame {} of the log is missing", self.next_sequence)));
            }
            let (Some(frame), Some(next)) = (raw.decode(self.dimensions), sequence.checked_add(1)) else {
                return Err(FormatError::corrupt(format_args!("frame {sequence} of the log holds what none may")));
            };
            self.at += raw.bytes();
            self.next_sequence = next;
            return Ok(Some(frame));
        }
        Ok(None)
    }

    /// The number of the next frame, with which the reader of the next log begins.
    pub(crate) const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Where the last frame that was read or skipped ends.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Whether something that is no frame follows the last frame. Nothing may be appended to such a log.
    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) const fn is_torn(&self) -> bool {
        self.at < self.bytes.len()
    }
}

/// Whether a whole frame that would not be skipped follows somewhere after the first byte. The end of the log is then
/// not torn but damaged, and stopping before it would lose what was acknowledged.
fn has_a_frame(bytes: &[u8], next_sequence: u64) -> bool {
    // Bytes that look like headers everywhere must not make this quadratic. They count as damage.
    let mut budget = bytes.len().saturating_mul(8);
    // At any byte: where each frame is a value of its own, one that was cut short shifts those after it by any amount.
    for at in 1..bytes.len() {
        let frame = bytes.get(at..).and_then(RawFrame::read).filter(|frame| {
            let ahead = frame.sequence.checked_sub(next_sequence);
            frame.entries > 0 && ahead.is_some_and(|ahead| ahead <= (bytes.len() / HEADER_BYTES) as u64)
        });
        let Some(frame) = frame else { continue };
        let Some(left) = budget.checked_sub(frame.bytes()) else { return true };
        budget = left;
        if frame.is_sound() {
            return true;
        }
    }
    false
}
