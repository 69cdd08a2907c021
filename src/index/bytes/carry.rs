//! Carrying an index into another instance of the program, a *part* at a time: neither instance holds more than a part
//! of the other's bytes, and the thread is free between two parts.
//!
//! A part has the records of some slots. If it begins a segment, it also has everything else of that segment, and the
//! first one the meta. It consists of the slot at which the next part begins, the length of each array, and the arrays,
//! in the order of `Kind::ALL`. Nothing is stored in this form, so it has no version and no checksum.
//!
//! The index must not change meanwhile. Only its structure is not proven again, since it is that of an index that could
//! be exported.

use super::decode::{Arrays, Filling, Source, corrupt};
use super::encode::Sink;
use crate::format::{ByteSource, FormatError, Kind, Meta};
use crate::index::{Error, Index};
use crate::segments::SEGMENT_SLOTS;
use crate::types::Slot;
use crate::wipe::reserve;
use core::ops::Range;

/// After so many bytes of records a part ends.
const RECORD_BYTES: u64 = 1 << 18;
/// How many slots at a time the tables of ids are made for: some tenths of a millisecond.
const LOOKUP_SLOTS: usize = 4096;
const KINDS: usize = Kind::ALL.len();
/// The slot, and the lengths.
const HEAD_BYTES: usize = 4 * (1 + KINDS);

impl Index {
    /// The part that begins at slot `from`: 0, or where the previous part has ended.
    ///
    /// # Errors
    /// Those of [`Index::export`].
    pub(crate) fn carry(&self, from: usize) -> Result<Vec<u8>, Error> {
        self.check_linked()?;
        self.need_all()?;
        let end = self.slots_in(from / SEGMENT_SLOTS).end;
        let (mut until, mut records) = (from, 0);
        while until < end && records < RECORD_BYTES {
            records += self.record_bytes(Slot(until as u32));
            until += 1;
        }
        let mut part = Vec::new();
        reserve(&mut part, HEAD_BYTES + records as usize)?;
        part.resize(HEAD_BYTES, 0);
        let mut head = [0u32; 1 + KINDS];
        head[0] = until as u32;
        for (kind, length) in Kind::ALL.into_iter().zip(&mut head[1..]) {
            let start = part.len();
            self.put_carried(kind, from..until, &mut |bytes| {
                reserve(&mut part, bytes.len())?;
                part.extend_from_slice(bytes);
                Ok(())
            })?;
            *length = u32::try_from(part.len() - start).map_err(|_| Error::OutOfMemory)?;
        }
        part[..HEAD_BYTES].copy_from_slice(bytemuck::must_cast_slice(&head));
        Ok(part)
    }

    /// Writes what an array has in the part of these slots.
    fn put_carried(&self, kind: Kind, slots: Range<usize>, put: &mut Sink<'_>) -> Result<(), FormatError> {
        let segment = slots.start / SEGMENT_SLOTS;
        let mut end = 0;
        match kind {
            Kind::RecordOffsets => {
                put(&0u64.to_le_bytes())?;
                for slot in slots {
                    end += self.record_bytes(Slot(slot as u32));
                    put(&end.to_le_bytes())?;
                }
                Ok(())
            }
            Kind::Records => self.put_records(slots, put),
            Kind::Meta if slots.start == 0 => put(self.meta().to_bytes(&mut [0; Meta::MOST_BYTES])?),
            _ if !slots.start.is_multiple_of(SEGMENT_SLOTS) || slots.is_empty() => Ok(()),
            Kind::Levels => self.put_levels(segment, put),
            Kind::BaseLinks => self.put_base_links(segment, put),
            Kind::UpperLinks => self.put_upper_links(segment, put),
            Kind::Ids => self.put_ids(segment, &mut end, put),
            Kind::IdTexts => self.put_texts(segment, put),
            Kind::Expiries if self.expires_in(segment) => self.put_expiries(segment, put),
            Kind::Codes | Kind::LowerCodes | Kind::Scales => {
                let array = Kind::CODES.into_iter().position(|codes| codes == kind).unwrap_or_default();
                put(self.parts.codes.segment(array, segment))
            }
            _ => Ok(()),
        }
    }
}

/// An index that is being filled with the parts of another one.
#[derive(Debug)]
pub(crate) struct Carrying {
    filling: Filling,
    next: usize,
}

impl Carrying {
    /// Begins with the first part, which is then to be taken.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for other bytes; [`Error::OutOfMemory`].
    pub(crate) fn begin<S: ByteSource + ?Sized>(first: &S) -> Result<Self, Error> {
        let mut part = Part::open(first)?;
        let mut bytes = [0; Meta::MOST_BYTES];
        let bytes = bytes.get_mut(..part.left(Kind::Meta) as usize).unwrap_or_default();
        part.take(Kind::Meta, bytes)?;
        Ok(Self { filling: Filling::begin(Meta::from_bytes(bytes)?, Source::Instance)?, next: 0 })
    }

    /// Takes the next part. Returns the slot at which the one after it begins; `None` if it was the last. The parts
    /// after the last slot have none: with each, some of the tables are made in which ids are looked up.
    ///
    /// # Errors
    /// As [`Carrying::begin`].
    pub(crate) fn take<S: ByteSource + ?Sized>(&mut self, part: &S) -> Result<Option<usize>, Error> {
        let mut part = Part::open(part)?;
        let Self { filling, next } = self;
        let count = filling.count();
        if *next < count {
            if *next == 0 {
                part.skip(Kind::Meta);
            }
            filling.begin_arrays(&mut part)?;
            filling.slots(*next..part.until, &mut part)?;
            filling.end_arrays(&part)?;
            *next = part.until;
            if *next < count {
                return Ok(Some(*next));
            }
        }
        let more = filling.index_mut().parts.ids.prepare_some(LOOKUP_SLOTS)?;
        Ok(more.then(|| count.next_multiple_of(SEGMENT_SLOTS)))
    }

    /// Ends it, once all parts have been taken.
    ///
    /// # Errors
    /// As [`Carrying::begin`].
    pub(crate) fn finish(self) -> Result<Index, Error> {
        self.filling.finish()
    }
}

/// The arrays of a part.
struct Part<'a, S: ?Sized> {
    source: &'a S,
    until: usize,
    /// What is left of each array.
    left: [Range<u64>; KINDS],
}

impl<'a, S: ByteSource + ?Sized> Part<'a, S> {
    fn open(source: &'a S) -> Result<Self, FormatError> {
        let mut head = [0u32; 1 + KINDS];
        if !source.read(0, bytemuck::must_cast_slice_mut(&mut head)) {
            return Err(corrupt("a part is cut short"));
        }
        let mut end = HEAD_BYTES as u64;
        let [until, lengths @ ..] = head;
        let left = lengths.map(|len| {
            end += u64::from(len);
            end - u64::from(len)..end
        });
        Ok(Self { source, until: until as usize, left })
    }

    fn skip(&mut self, kind: Kind) {
        if let Some(left) = kind.section().and_then(|at| self.left.get_mut(at)) {
            left.start = left.end;
        }
    }
}

impl<S: ByteSource + ?Sized> Arrays for Part<'_, S> {
    fn left(&self, kind: Kind) -> u64 {
        kind.section().and_then(|at| self.left.get(at)).map_or(0, |left| left.end - left.start)
    }

    fn take(&mut self, kind: Kind, into: &mut [u8]) -> Result<(), FormatError> {
        let left = kind.section().and_then(|at| self.left.get_mut(at));
        let Some(left) = left else { return Ok(()) };
        let (at, len) = (left.start, into.len() as u64);
        left.start += len;
        if left.start > left.end || !self.source.read(at, into) {
            return Err(corrupt("a part is cut short"));
        }
        Ok(())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::index::{Config, Payload};
    use crate::quantize::Quantization;
    use crate::types::Id;

    const DIMENSIONS: usize = 8;

    /// An index with tombstones, free slots, strings for ids, payloads of all lengths and moments of expiry.
    fn index(count: u64, quantization: Quantization) -> Index {
        let config = Config { quantization, m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) };
        let mut index = Index::new(config).unwrap();
        let id = |number: u64| {
            if number.is_multiple_of(3) { Id::from(format!("record {number}")) } else { Id::from(number) }
        };
        let insert = |index: &mut Index, number: u64| {
            let vector: [f32; DIMENSIONS] = core::array::from_fn(|at| ((number * 7 + 3) >> at) as f32 % 11.0 - 4.5);
            // One record is longer than a part.
            let long = if number == 500 { 2 * RECORD_BYTES } else { number * 37 % 900 };
            let payload = vec![number as u8; long as usize];
            let payload = (!number.is_multiple_of(5)).then_some(Payload::Bytes(&payload));
            let expires_ms = number.is_multiple_of(7).then_some(1e12 + number as f64);
            index.upsert_expiring(id(number), &vector, payload, expires_ms).unwrap();
        };
        (0..count).for_each(|number| insert(&mut index, number));
        (0..count).filter(|number| number % 4 == 1).for_each(|number| assert!(index.delete(&id(number)).unwrap()));
        if count.is_multiple_of(2) {
            index.compact().unwrap();
            (0..count / 20).for_each(|number| insert(&mut index, number));
        }
        index.link_all().unwrap();
        index
    }

    /// The parts of an index.
    fn parts(index: &Index) -> Vec<Vec<u8>> {
        let mut parts = vec![index.carry(0).unwrap()];
        let next = |part: &[u8]| u32::from_le_bytes(part[..4].try_into().unwrap()) as usize;
        while next(parts.last().unwrap()) < index.parts.slots() {
            parts.push(index.carry(next(parts.last().unwrap())).unwrap());
        }
        // Of no slots, while tables of ids are made.
        for _ in 1..index.parts.slots().div_ceil(LOOKUP_SLOTS) {
            parts.push(index.carry(index.parts.slots().next_multiple_of(SEGMENT_SLOTS)).unwrap());
        }
        parts
    }

    fn taken(parts: &[Vec<u8>]) -> Result<Index, Error> {
        let mut carrying = Carrying::begin(parts[0].as_slice())?;
        for (at, part) in parts.iter().enumerate() {
            assert_eq!(carrying.take(part.as_slice())?.is_none(), at + 1 == parts.len());
        }
        carrying.finish()
    }

    #[test]
    fn what_is_carried_is_the_same_index() {
        for quantization in [Quantization::None, Quantization::Int8, Quantization::Binary, Quantization::Product] {
            for count in [0, 1, 700, 1024, 3001, 5000] {
                let mut index = index(count, quantization);
                let parts = parts(&index);
                assert!(parts.len() > count as usize / 1025, "{} parts", parts.len());
                let mut carried = taken(&parts).unwrap();
                assert!(carried.check().unwrap().ok);
                assert!(carried.export().unwrap() == index.export().unwrap(), "{quantization:?}, {count}");
                assert_eq!(carried.next_expiry_ms(), index.next_expiry_ms());
                for index in [&mut index, &mut carried] {
                    index.insert(&[0.5; DIMENSIONS], None).unwrap();
                    index.compact().unwrap();
                    index.link_all().unwrap();
                }
                assert!(carried.export().unwrap() == index.export().unwrap(), "and it goes on like the other");
            }
        }
    }

    #[test]
    fn records_that_wait_are_linked_first() {
        let mut index = index(50, Quantization::Int8);
        index.put_off_links(true);
        index.insert(&[1.0; DIMENSIONS], None).unwrap();
        assert!(matches!(index.carry(0), Err(Error::Unlinked)));
    }

    #[test]
    fn parts_that_are_cut_or_out_of_order_are_refused() {
        let index = index(2500, Quantization::Int8);
        let parts = parts(&index);
        assert!(parts.len() > 3);
        for at in 0..parts.len() {
            for len in [0, 3, HEAD_BYTES - 1, HEAD_BYTES, parts[at].len() - 1] {
                let mut cut = parts.clone();
                cut[at].truncate(len);
                assert!(matches!(taken(&cut), Err(Error::Corrupt { .. })), "part {at} of {len} bytes");
            }
        }
        let mut carrying = Carrying::begin(parts[0].as_slice()).unwrap();
        assert!(carrying.take(parts[1].as_slice()).is_err());
    }
}
