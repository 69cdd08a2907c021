//! Indexes to export, and aligned memory for their bytes.

pub(crate) use crate::random::Rng;
use thermocline::{Config, Id, Index, Metric, Payload, Quantization};

pub(crate) const DIMENSIONS: usize = 12;
/// Long after any run of the tests.
pub(crate) const LATER_MS: f64 = 1e14;

impl Rng {
    pub(crate) fn vector(&mut self) -> Vec<f32> {
        (0..DIMENSIONS).map(|_| self.unit()).collect()
    }

    /// A number, or a string.
    pub(crate) fn id(&mut self, below: usize) -> Id {
        let number = self.below(below) as u64;
        if number.is_multiple_of(3) { format!("text {number}").as_str().into() } else { number.into() }
    }
}

/// Bytes that begin at a multiple of 64, like those of a mapped file.
pub(crate) struct Aligned {
    room: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut room = vec![0; bytes.len() + 64];
        let start = room.as_ptr().align_offset(64);
        room[start..start + bytes.len()].copy_from_slice(bytes);
        Self { room, start, len: bytes.len() }
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &self.room[self.start..self.start + self.len]
    }
}

pub(crate) fn mapped(bytes: &[u8]) -> Index {
    Index::map(Aligned::new(bytes)).unwrap()
}

/// Records with ids of both kinds and payloads of all, some that expire, tombstones, and free slots among the others.
pub(crate) fn index(metric: Metric, quantization: Quantization, records: usize) -> Index {
    let config = Config { metric, quantization, m: 6, ef_construction: 40, ..Config::new(DIMENSIONS) };
    let mut index = Index::new(config).unwrap();
    let mut rng = Rng(records as u64 + 5);
    for number in 0..records as u64 {
        let (vector, text) = (rng.vector(), format!(r#"{{"n":{number}}}"#));
        let payload = [None, Some(Payload::Json(&text)), Some(Payload::Bytes(text.as_bytes()))][rng.below(3)];
        let id: Id = if number.is_multiple_of(3) { format!("text {number}").as_str().into() } else { number.into() };
        if number.is_multiple_of(10) {
            index.insert_with_id_expiring(id, &vector, payload, Some(LATER_MS + number as f64)).unwrap();
        } else {
            index.insert_with_id(id, &vector, payload).unwrap();
        }
    }
    let some = |index: &mut Index, rng: &mut Rng| {
        for _ in 0..records / 8 {
            index.delete(&rng.id(records)).unwrap();
        }
    };
    some(&mut index, &mut rng);
    index.compact_start().unwrap();
    // Dropped midway, when some slots are already free.
    for _ in 0..40 {
        index.compact_step(200).unwrap();
    }
    index.compact_abort();
    some(&mut index, &mut rng);
    index
}
