//! Header, table and sections.
//!
//! ```text
//! 0     magic, version, number of sections, length of the whole, checksums of table and header    64 bytes
//! 64    table: kind, offset, length and checksum of each section                                   32 bytes each
//!       zeros for a missing section, which can only be the last
//! ...   the sections in order of kind, each aligned to 64 bytes, with zeros between
//! ```
//!
//! Every byte is under a checksum, padding included, so any flipped bit is found before anything is decoded.

use super::FormatError;
use super::checksum::xxh64;
use super::io::{ByteRoom, ByteSink, ByteSource, read_all, zeros};
use crate::types::OutOfMemory;
use crate::wipe::wipe;
use xxhash_rust::xxh64::Xxh64;

/// The version that is written. Readers refuse higher ones.
pub(crate) const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"\x93thermo\n";
const HEADER_BYTES: u64 = 64;
/// The header up to its own checksum. This much of the layout is the same in every future version.
const SEALED_BYTES: usize = 56;
const ENTRY_BYTES: u64 = 32;
const ALIGNMENT: u64 = 64;
/// Bytes read at a time while checksums are verified.
const PIECE_BYTES: usize = 64 * 1024;

/// What a section holds. The order is the order in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(crate) enum Kind {
    Meta = 1,
    Codes,
    LowerCodes,
    Scales,
    Levels,
    BaseLinks,
    UpperLinks,
    Ids,
    IdTexts,
    RecordOffsets,
    Records,
    /// Where records are stored. Only in a checkpoint: an export has the records themselves.
    Places,
    /// When records expire. Empty if none does, and an export then has no such section.
    Expiries,
}

impl Kind {
    /// The arrays of the codes, in order.
    pub(crate) const CODES: [Self; 3] = [Self::Codes, Self::LowerCodes, Self::Scales];

    /// The values of a checkpoint for each segment of slots. Some also hold other arrays after this one.
    pub(crate) const STORED: [Self; 4] = [Self::Codes, Self::BaseLinks, Self::Ids, Self::Places];

    /// Every section of an export, in order. The last may be missing.
    pub(crate) const ALL: [Self; 12] = [
        Self::Meta,
        Self::Codes,
        Self::LowerCodes,
        Self::Scales,
        Self::Levels,
        Self::BaseLinks,
        Self::UpperLinks,
        Self::Ids,
        Self::IdTexts,
        Self::RecordOffsets,
        Self::Records,
        Self::Expiries,
    ];

    /// Index of the section of an export that holds this.
    pub(crate) fn section(self) -> Option<usize> {
        Self::ALL.iter().position(|kind| *kind == self)
    }
}

/// Where each section lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    sections: [(u64, u64); Kind::ALL.len()],
    total: u64,
}

impl Layout {
    /// Lays out sections of the given lengths, in order of kind.
    pub(crate) fn new(lengths: [u64; Kind::ALL.len()]) -> Self {
        let table = HEADER_BYTES + ENTRY_BYTES * Kind::ALL.len() as u64;
        let mut next = table.next_multiple_of(ALIGNMENT);
        let sections = lengths.map(|len| {
            let start = next;
            next = (start + len).next_multiple_of(ALIGNMENT);
            (start, len)
        });
        Self { sections, total: next }
    }

    /// Number of sections. The last is left out when it is empty.
    fn count(&self) -> usize {
        let is_missing = self.sections.last().is_none_or(|section| section.1 == 0);
        self.sections.len() - usize::from(is_missing)
    }

    /// Where the first section begins: right after the table.
    fn first(&self) -> u64 {
        self.sections.first().map_or(0, |section| section.0)
    }

    /// Where a section begins.
    pub(crate) fn start(&self, kind: Kind) -> u64 {
        kind.section().and_then(|at| self.sections.get(at)).map_or(0, |section| section.0)
    }

    /// The length of the whole, in bytes.
    pub(crate) const fn total_bytes(&self) -> u64 {
        self.total
    }
}

/// Writes the sections one after another, then the header that makes them valid.
pub(crate) struct SectionWriter<'a, S: ?Sized> {
    sink: &'a mut S,
    layout: Layout,
    section: usize,
    at: u64,
    checksum: Xxh64,
    checksums: [u64; Kind::ALL.len()],
}

impl<'a, S: ByteSink + ?Sized> SectionWriter<'a, S> {
    pub(crate) fn new(sink: &'a mut S, layout: Layout) -> Self {
        let at = layout.first();
        Self { sink, layout, section: 0, at, checksum: Xxh64::new(0), checksums: [0; Kind::ALL.len()] }
    }

    /// Appends to the current section.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        if !self.sink.write(self.at, bytes) {
            return Err(FormatError::Io { why: format!("no room for {} bytes at {}", bytes.len(), self.at) });
        }
        self.checksum.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Ends the current section, which must be `kind` and as long as the layout says, and begins the next.
    pub(crate) fn end(&mut self, kind: Kind) -> Result<(), FormatError> {
        let (start, len) = self.layout.sections.get(self.section).copied().unwrap_or_default();
        if Kind::ALL.get(self.section) != Some(&kind) || self.at != start + len {
            return Err(FormatError::corrupt(format_args!("section {kind:?} written as {} bytes", self.at - start)));
        }
        let padding = [0; ALIGNMENT as usize];
        let missing = (len.next_multiple_of(ALIGNMENT) - len) as usize;
        self.put(padding.get(..missing).unwrap_or_default())?;
        if let Some(checksum) = self.checksums.get_mut(self.section) {
            *checksum = self.checksum.digest();
        }
        self.checksum.reset(0);
        self.section += 1;
        Ok(())
    }

    /// Writes header and table.
    pub(crate) fn finish(self) -> Result<(), FormatError> {
        let first = self.layout.first() as usize;
        let (mut table, mut header) = (Vec::new(), Vec::new());
        table.try_reserve_exact(first).map_err(|_| OutOfMemory)?;
        header.try_reserve_exact(first).map_err(|_| OutOfMemory)?;
        let sections = Kind::ALL.iter().zip(&self.layout.sections).zip(self.checksums);
        for ((kind, &(start, len)), checksum) in sections.take(self.layout.count()) {
            table.extend_from_slice(&u64::from(*kind as u32).to_le_bytes());
            table.extend_from_slice(&start.to_le_bytes());
            table.extend_from_slice(&len.to_le_bytes());
            table.extend_from_slice(&checksum.to_le_bytes());
        }
        table.resize(first - HEADER_BYTES as usize, 0);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&(self.layout.count() as u32).to_le_bytes());
        header.extend_from_slice(&self.layout.total.to_le_bytes());
        header.extend_from_slice(&xxh64(&table, 0).to_le_bytes());
        header.resize(SEALED_BYTES, 0);
        header.extend_from_slice(&xxh64(&header, 0).to_le_bytes());
        header.extend_from_slice(&table);
        if self.sink.write(0, &header) { Ok(()) } else { Err(FormatError::Io { why: "no room for the header".into() }) }
    }
}

impl<S: ByteRoom> SectionWriter<'_, S> {
    /// Passes over `len` bytes of the current section that are already in the sink, and adds them to the checksum.
    pub(crate) fn adopt(&mut self, len: u64) -> Result<(), FormatError> {
        if !self.sink.show(self.at, len, &mut |bytes| self.checksum.update(bytes)) {
            return Err(FormatError::Io { why: format!("{len} bytes at {} are not there", self.at) });
        }
        self.at += len;
        Ok(())
    }
}

/// Bytes whose header, table and checksums have been verified.
pub(crate) struct Contents<'a, S: ?Sized> {
    source: &'a S,
    layout: Layout,
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn word64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl<'a, S: ByteSource + ?Sized> Contents<'a, S> {
    /// Verifies everything that can be verified without knowing what the sections mean. Reads every byte once.
    pub(crate) fn open(source: &'a S) -> Result<Self, FormatError> {
        Self::open_with(source, true)
    }

    /// Verifies header and table as [`Contents::open`] does, and does not read the sections, whose checksums and
    /// contents stay unverified.
    #[cfg(feature = "mmap")]
    pub(crate) fn open_unread(source: &'a S) -> Result<Self, FormatError> {
        Self::open_with(source, false)
    }

    fn open_with(source: &'a S, reads_sections: bool) -> Result<Self, FormatError> {
        let mut header = [0; HEADER_BYTES as usize];
        if source.len() < HEADER_BYTES || !source.read(0, &mut header) || !header.starts_with(&MAGIC) {
            return Err(FormatError::corrupt("these bytes are not a thermocline index"));
        }
        // A flipped bit must not pass for a later version, so the header's own checksum comes first.
        if xxh64(header.get(..SEALED_BYTES).unwrap_or_default(), 0) != word64(&header, SEALED_BYTES) {
            return Err(FormatError::corrupt("the header does not match its checksum"));
        }
        let version = word32(&header, 8);
        if version > VERSION {
            return Err(FormatError::UnsupportedVersion { found: version });
        }
        let first = Layout::new([0; Kind::ALL.len()]).first();
        let mut table = zeros((first - HEADER_BYTES) as usize)?;
        read_all(source, HEADER_BYTES, &mut table)?;
        if xxh64(&table, 0) != word64(&header, 24) {
            return Err(FormatError::corrupt("the table does not match its checksum"));
        }
        let count = word32(&header, 12) as usize;
        let mut lengths = [0; Kind::ALL.len()];
        for (at, (length, kind)) in lengths.iter_mut().zip(Kind::ALL).enumerate().take(count) {
            let entry = at * ENTRY_BYTES as usize;
            *length = word64(&table, entry + 16);
            if word64(&table, entry) != u64::from(kind as u32) || *length > source.len() {
                return Err(FormatError::corrupt(format_args!("section {kind:?} is not in its place")));
            }
        }
        let layout = Layout::new(lengths);
        if version == 0 || layout.count() != count {
            return Err(FormatError::corrupt("the header names an unknown version or sections"));
        }
        if layout.total != source.len() || layout.total != word64(&header, 16) {
            let (found, wanted) = (source.len(), layout.total);
            return Err(FormatError::corrupt(format_args!("{found} bytes, where the table makes them {wanted}")));
        }
        let contents = Self { source, layout };
        for (at, kind) in Kind::ALL.into_iter().enumerate().take(count) {
            let entry = at * ENTRY_BYTES as usize;
            if word64(&table, entry + 8) != contents.layout.sections.get(at).map_or(0, |section| section.0) {
                return Err(FormatError::corrupt(format_args!("section {kind:?} is not in its place")));
            }
            if reads_sections {
                contents.verify(at, kind, word64(&table, entry + 24))?;
            }
        }
        Ok(contents)
    }

    fn verify(&self, at: usize, kind: Kind, expected: u64) -> Result<(), FormatError> {
        let (start, len) = self.layout.sections.get(at).copied().unwrap_or_default();
        let (mut next, end) = (start, start + len.next_multiple_of(ALIGNMENT));
        let mut piece = zeros(PIECE_BYTES)?;
        let mut checksum = Xxh64::new(0);
        while next < end {
            let count = (end - next).min(PIECE_BYTES as u64) as usize;
            let piece = piece.get_mut(..count).unwrap_or_default();
            read_all(self.source, next, piece)?;
            checksum.update(piece);
            next += count as u64;
        }
        wipe(&mut piece);
        if checksum.digest() == expected {
            Ok(())
        } else {
            Err(FormatError::corrupt(format_args!("section {kind:?} does not match its checksum")))
        }
    }

    /// The range of a section; empty if there is none.
    #[cfg(feature = "mmap")]
    pub(crate) fn range(&self, kind: Kind) -> core::ops::Range<u64> {
        let (start, len) = kind.section().and_then(|at| self.layout.sections.get(at)).copied().unwrap_or_default();
        start..start + len
    }

    /// Reads one section from its start.
    pub(crate) fn section(&self, kind: Kind) -> SectionReader<'a, S> {
        let (start, len) = kind.section().and_then(|at| self.layout.sections.get(at)).copied().unwrap_or_default();
        SectionReader { source: self.source, kind, start, at: 0, len }
    }
}

/// Reads a section piece by piece, never beyond its end.
#[derive(Debug)]
pub(crate) struct SectionReader<'a, S: ?Sized> {
    source: &'a S,
    kind: Kind,
    start: u64,
    at: u64,
    len: u64,
}

impl<S: ByteSource + ?Sized> SectionReader<'_, S> {
    /// How many of its bytes have not been taken.
    pub(crate) const fn left(&self) -> u64 {
        self.len - self.at
    }

    /// Fills `into` with the next bytes.
    pub(crate) fn take(&mut self, into: &mut [u8]) -> Result<(), FormatError> {
        if (into.len() as u64) > self.len - self.at {
            return Err(FormatError::corrupt(format_args!("section {:?} ends too early", self.kind)));
        }
        read_all(self.source, self.start + self.at, into)?;
        self.at += into.len() as u64;
        Ok(())
    }
}
