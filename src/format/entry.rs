//! The entries of the log: one for each record put or deleted.
//!
//! | tag | entry  | then                                                                               |
//! |-----|--------|------------------------------------------------------------------------------------|
//! | 1   | put    | id; kind and length of the payload as a record has them; vector; payload           |
//! | 2   | delete | id                                                                                 |
//! | 3   | clear  | nothing                                                                            |
//! | 4   | put    | when it expires, `f64` milliseconds since 1970; the rest as with tag 1             |
//!
//! Entries follow each other without padding. Writer and reader check the same rules, so no log is ever written that
//! cannot be read again.

use super::cursor::Cursor;
use super::words::RecordHeader;
use crate::types::{Id, OutOfMemory};

const PUT: u8 = 1;
const DELETE: u8 = 2;
const CLEAR: u8 = 3;
const EXPIRING_PUT: u8 = 4;

const NUMBER: u8 = 0;
const TEXT: u8 = 1;

/// One change of an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    /// The record is put, replacing any record with the same id.
    Put(Put<'a>),
    /// The record with this id is deleted.
    Delete(IdRef<'a>),
    /// All records are deleted.
    Clear,
}

/// A record as it was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Put<'a> {
    pub(crate) id: IdRef<'a>,
    /// Milliseconds since 1970, finite.
    pub(crate) expires_ms: Option<f64>,
    pub(crate) vector: Floats<'a>,
    /// 0: no payload, 1: JSON text, 2: raw bytes.
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
}

/// An id, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdRef<'a> {
    Number(u64),
    Text(&'a str),
}

/// Values of `f32` at any address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floats<'a>(&'a [u8]);

impl<'a> From<&'a [f32]> for Floats<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self(bytemuck::must_cast_slice(values))
    }
}

impl Floats<'_> {
    /// Fills `into`. Returns false and changes nothing if the number of values differs.
    #[must_use]
    pub(crate) fn copy_to(self, into: &mut [f32]) -> bool {
        let into = bytemuck::must_cast_slice_mut::<f32, u8>(into);
        let fits = into.len() == self.0.len();
        if fits {
            into.copy_from_slice(self.0);
        }
        fits
    }
}

impl<'a> From<&'a Id> for IdRef<'a> {
    fn from(id: &'a Id) -> Self {
        match id {
            Id::Number(number) => Self::Number(*number),
            Id::Text(text) => Self::Text(text),
        }
    }
}

impl<'a> IdRef<'a> {
    /// The id, owned.
    pub(crate) fn to_id(self) -> Result<Id, OutOfMemory> {
        Ok(match self {
            Self::Number(number) => Id::Number(number),
            Self::Text(text) => {
                let mut copy = String::new();
                copy.try_reserve_exact(text.len())?;
                copy.push_str(text);
                Id::Text(copy.into())
            }
        })
    }

    const fn is_valid(self) -> bool {
        match self {
            Self::Number(number) => number <= Id::MAX_NUMBER,
            Self::Text(text) => !text.is_empty() && text.len() <= Id::MAX_TEXT_BYTES,
        }
    }

    fn each_part(self, put: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Number(number) => {
                put(&[NUMBER]);
                put(&number.to_le_bytes());
            }
            Self::Text(text) => {
                put(&[TEXT]);
                put(&(text.len() as u16).to_le_bytes());
                put(text.as_bytes());
            }
        }
    }

    fn read(from: &mut Cursor<'a>) -> Option<Self> {
        match from.u8()? {
            NUMBER => from.u64().map(Self::Number),
            TEXT => {
                let len = usize::from(from.u16()?);
                str::from_utf8(from.take(len)?).ok().map(Self::Text)
            }
            _ => None,
        }
    }
}

impl<'a> Put<'a> {
    fn is_valid(&self, dimensions: usize) -> bool {
        let payload = match self.kind {
            0 => self.payload.is_empty(),
            1 => str::from_utf8(self.payload).is_ok(),
            kind => kind == 2,
        };
        payload
            && self.payload.len() <= RecordHeader::MOST_PAYLOAD_BYTES
            && Some(self.vector.0.len()) == dimensions.checked_mul(size_of::<f32>())
            && self.expires_ms.is_none_or(f64::is_finite)
            && self.id.is_valid()
    }

    fn each_part(&self, put: &mut dyn FnMut(&[u8])) {
        if let Some(expires_ms) = self.expires_ms {
            put(&[EXPIRING_PUT]);
            put(&expires_ms.to_le_bytes());
        } else {
            put(&[PUT]);
        }
        self.id.each_part(put);
        let header = RecordHeader { kind: self.kind, payload_bytes: self.payload.len() as u32 };
        put(&header.to_word().to_le_bytes());
        put(self.vector.0);
        put(self.payload);
    }

    fn read(from: &mut Cursor<'a>, dimensions: usize, expires_ms: Option<f64>) -> Option<Self> {
        let id = IdRef::read(from)?;
        let header = RecordHeader::from_word(from.u32()?).ok()?;
        let vector = Floats(from.take(dimensions.checked_mul(size_of::<f32>())?)?);
        let payload = from.take(header.payload_bytes as usize)?;
        Some(Self { id, expires_ms, vector, kind: header.kind, payload })
    }
}

impl<'a> Entry<'a> {
    /// Whether a log of vectors with so many dimensions may hold this.
    pub(super) fn is_valid(&self, dimensions: usize) -> bool {
        match self {
            Self::Put(put) => put.is_valid(dimensions),
            Self::Delete(id) => id.is_valid(),
            Self::Clear => true,
        }
    }

    /// Passes the bytes of a valid entry to `put`, part by part. It is run once to count them and once to write them,
    /// so the length of an entry is described only once.
    pub(super) fn each_part(&self, put: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Put(record) => record.each_part(put),
            Self::Delete(id) => {
                put(&[DELETE]);
                id.each_part(put);
            }
            Self::Clear => put(&[CLEAR]),
        }
    }

    /// Reads the next entry; `None` if the bytes do not begin with a valid one.
    pub(super) fn read(from: &mut Cursor<'a>, dimensions: usize) -> Option<Self> {
        let entry = match from.u8()? {
            PUT => Self::Put(Put::read(from, dimensions, None)?),
            EXPIRING_PUT => {
                let expires_ms = from.f64()?;
                Self::Put(Put::read(from, dimensions, Some(expires_ms))?)
            }
            DELETE => Self::Delete(IdRef::read(from)?),
            CLEAR => Self::Clear,
            _ => return None,
        };
        entry.is_valid(dimensions).then_some(entry)
    }
}
