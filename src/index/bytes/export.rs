//! index -> bytes. The same input, order and seed give the same bytes on every platform when the codes are int8 or
//! binary.

use super::encode::Sink;
use crate::format::{ByteSink, FormatError, Kind, Layout, Meta, SectionWriter};
use crate::index::{Error, Index};
use crate::segments::segments_of;
use crate::types::{Id, Slot};

impl Index {
    /// Returns the index as bytes (docs/FORMAT.md). Tombstones that have not been compacted away are included with
    /// their codes, which under [`Quantization::None`](crate::quantize::Quantization) are their vectors. Payloads of
    /// deleted records are not included, and neither are their full vectors under the other quantizations.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]. [`Error::Cold`] when some records are only in the store, of an index that was opened
    /// lazily or with a budget. [`Error::Unlinked`] when some records are not linked yet or the graph is not proven
    /// yet, of an index that was opened lazily or mapped, or whose product codes are being trained:
    /// [`Index::link_step`]. [`Error::Corrupt`] when the index has lost some records.
    pub fn export(&self) -> Result<Vec<u8>, Error> {
        let layout = self.layout()?;
        let total = usize::try_from(layout.total_bytes()).map_err(|_| Error::OutOfMemory)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(total).map_err(|_| Error::OutOfMemory)?;
        bytes.resize(total, 0);
        self.export_to(layout, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the index into a sink of as many bytes as `layout` has.
    pub(crate) fn export_to<S: ByteSink + ?Sized>(&self, layout: Layout, sink: &mut S) -> Result<(), Error> {
        self.export_with(layout, sink, &|slot| self.record_bytes(slot), &mut |to| {
            self.put_records(0..self.parts.slots(), &mut |bytes| to.put(bytes))
        })
    }

    /// Writes the index with records that `records` writes and whose lengths `bytes` gives. Not inlined, and not
    /// generic over the two functions (size).
    #[inline(never)]
    pub(in crate::index) fn export_with<S: ByteSink + ?Sized>(
        &self,
        layout: Layout,
        sink: &mut S,
        bytes: &dyn Fn(Slot) -> u64,
        records: &mut dyn FnMut(&mut SectionWriter<'_, S>) -> Result<(), FormatError>,
    ) -> Result<(), Error> {
        let mut to = SectionWriter::new(sink, layout);
        to.put(self.meta().to_bytes(&mut [0; Meta::MOST_BYTES])?)?;
        to.end(Kind::Meta)?;
        for (array, kind) in Kind::CODES.into_iter().enumerate() {
            self.export_array(&mut to, kind, &mut |segment, put| put(self.parts.codes.segment(array, segment)))?;
        }
        self.export_array(&mut to, Kind::Levels, &mut |segment, put| self.put_levels(segment, put))?;
        self.export_array(&mut to, Kind::BaseLinks, &mut |segment, put| self.put_base_links(segment, put))?;
        self.export_array(&mut to, Kind::UpperLinks, &mut |segment, put| self.put_upper_links(segment, put))?;
        let mut start = 0;
        self.export_array(&mut to, Kind::Ids, &mut |segment, put| self.put_ids(segment, &mut start, put))?;
        self.export_array(&mut to, Kind::IdTexts, &mut |segment, put| self.put_texts(segment, put))?;
        let mut end = 0u64;
        // The offset at which the first record begins.
        to.put(&end.to_le_bytes())?;
        self.export_array(&mut to, Kind::RecordOffsets, &mut |segment, put| {
            self.put_record_ends(segment, &mut end, bytes, put)
        })?;
        records(&mut to)?;
        to.end(Kind::Records)?;
        let expires = !self.parts.expiries.is_empty();
        self.export_array(&mut to, Kind::Expiries, &mut |segment, put| {
            if expires { self.put_expiries(segment, put) } else { Ok(()) }
        })?;
        Ok(to.finish()?)
    }

    /// Writes one array of all segments, as a section.
    fn export_array<S: ByteSink + ?Sized>(
        &self,
        to: &mut SectionWriter<'_, S>,
        kind: Kind,
        encode: &mut dyn FnMut(usize, &mut Sink<'_>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        for segment in 0..segments_of(self.parts.slots()) {
            encode(segment, &mut |bytes| to.put(bytes))?;
        }
        to.end(kind)
    }

    /// The layout of an export. Linear in the number of records. The errors are those of [`Index::export`].
    pub(crate) fn layout(&self) -> Result<Layout, Error> {
        self.check_linked()?;
        self.need_all()?;
        self.layout_with((0..self.parts.slots() as u32).map(|slot| self.record_bytes(Slot(slot))).sum())
    }

    /// The layout of an export with `record_bytes` bytes of records.
    pub(in crate::index) fn layout_with(&self, record_bytes: u64) -> Result<Layout, Error> {
        let [codes, lower, scales] = self.parts.codes.array_bytes(0, self.parts.slots());
        let slots = self.parts.slots() as u64;
        let graph = &self.parts.graph;
        let texts = |id: &Id| if let Id::Text(text) = id { text.len() as u64 } else { 0 };
        Ok(Layout::new([
            self.meta().to_bytes(&mut [0; Meta::MOST_BYTES])?.len() as u64,
            codes as u64,
            lower as u64,
            scales as u64,
            slots,
            slots * graph.row_bytes() as u64,
            4 * (graph.upper_len() * graph.m()) as u64,
            8 * slots,
            self.parts.ids.iter().map(|(_, id)| texts(&id)).sum(),
            8 * (slots + 1),
            record_bytes,
            if self.parts.expiries.is_empty() { 0 } else { 8 * slots },
        ]))
    }
}
