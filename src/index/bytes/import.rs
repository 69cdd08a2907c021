//! bytes -> index. Nothing is trusted: checksums are verified first, then `decode` checks every number.

use super::decode::{Arrays, Filling, Source, corrupt};
use crate::format::{ByteSource, Contents, FormatError, Kind, Meta, SectionReader};
use crate::index::{Error, Index};

impl Index {
    /// Reads the index that [`Index::export`] wrote, on any platform.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for bytes that are not an index, are cut short or were changed;
    /// [`Error::UnsupportedVersion`]; [`Error::OutOfMemory`].
    pub fn import(bytes: &[u8]) -> Result<Self, Error> {
        Self::import_from(bytes)
    }

    /// Reads an exported index from any source of bytes.
    pub(crate) fn import_from<S: ByteSource + ?Sized>(source: &S) -> Result<Self, Error> {
        let contents = Contents::open(source)?;
        let mut sections = Sections(Kind::ALL.map(|kind| contents.section(kind)));
        let mut bytes = [0; Meta::MOST_BYTES];
        let Some(bytes) = bytes.get_mut(..sections.left(Kind::Meta) as usize) else {
            return Err(corrupt("the meta section is too long").into());
        };
        sections.take(Kind::Meta, bytes)?;
        let meta = Meta::from_bytes(bytes)?;
        let mut filling = Filling::begin(meta, Source::Export)?;
        expect_lengths(filling.index(), &sections, &meta)?;
        filling.begin_arrays(&mut sections)?;
        for segment in 0..filling.segments() {
            filling.slots(filling.slots_in(segment), &mut sections)?;
        }
        filling.end_arrays(&sections)?;
        filling.finish()
    }
}

/// Checks that each section is exactly as long as the meta section implies, before anything is allocated.
fn expect_lengths(index: &Index, sections: &dyn Arrays, meta: &Meta) -> Result<(), FormatError> {
    let slots = u64::from(meta.slots);
    let [codes, lower, scales] = index.parts.codes.array_bytes(0, meta.slots as usize);
    let expected = [
        (Kind::Codes, codes as u64),
        (Kind::LowerCodes, lower as u64),
        (Kind::Scales, scales as u64),
        (Kind::Levels, slots),
        (Kind::BaseLinks, slots * 8 * index.config.m as u64),
        (Kind::Ids, slots * 8),
        (Kind::RecordOffsets, (slots + 1) * 8),
        // Empty when no record expires, else a moment for each slot.
        (Kind::Expiries, if sections.left(Kind::Expiries) == 0 { 0 } else { slots * 8 }),
    ];
    for (kind, bytes) in expected {
        let found = sections.left(kind);
        if found != bytes {
            return Err(corrupt(format_args!("section {kind:?} has {found} bytes, expected {bytes}")));
        }
    }
    Ok(())
}

/// The sections of an export.
struct Sections<'a, S: ?Sized>([SectionReader<'a, S>; Kind::ALL.len()]);

impl<S: ByteSource + ?Sized> Arrays for Sections<'_, S> {
    fn left(&self, kind: Kind) -> u64 {
        kind.section().and_then(|at| self.0.get(at)).map_or(0, SectionReader::left)
    }

    fn take(&mut self, kind: Kind, into: &mut [u8]) -> Result<(), FormatError> {
        kind.section().and_then(|at| self.0.get_mut(at)).map_or(Ok(()), |section| section.take(into))
    }
}
