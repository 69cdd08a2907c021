//! The log, the manifest and the keys: there and back, cut, flipped, and frozen.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod frozen;
mod keys;
mod log;
mod manifest;

use super::entry::{Floats, IdRef};
use super::frame::Frame;
use super::{Entry, FormatError, LogReader, LogWriter, Meta, Put};
use crate::types::Id;

/// An entry that owns its data.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Put { id: Id, expires_ms: Option<f64>, vector: Vec<f32>, kind: u8, payload: Vec<u8> },
    Delete(Id),
    Clear,
}

impl Said {
    fn lend(&self) -> Entry<'_> {
        match self {
            Self::Put { id, expires_ms, vector, kind, payload } => Entry::Put(Put {
                id: IdRef::from(id),
                expires_ms: *expires_ms,
                vector: Floats::from(vector.as_slice()),
                kind: *kind,
                payload,
            }),
            Self::Delete(id) => Entry::Delete(IdRef::from(id)),
            Self::Clear => Entry::Clear,
        }
    }

    fn of(entry: Entry<'_>, dimensions: usize) -> Self {
        match entry {
            Entry::Put(put) => {
                let mut vector = vec![0.0; dimensions];
                assert!(put.vector.copy_to(&mut vector));
                assert!(!put.vector.copy_to(&mut vec![0.0; dimensions + 1]));
                let (id, payload) = (put.id.to_id().unwrap(), put.payload.to_vec());
                Self::Put { id, expires_ms: put.expires_ms, vector, kind: put.kind, payload }
            }
            Entry::Delete(id) => Self::Delete(id.to_id().unwrap()),
            Entry::Clear => Self::Clear,
        }
    }
}

fn entries_of(frame: &Frame<'_>, dimensions: usize) -> Vec<Said> {
    frame.entries().map(|entry| Said::of(entry, dimensions)).collect()
}

/// The frames of a log, numbered from `first`.
fn written(dimensions: usize, first: u64, frames: &[Vec<Said>]) -> Vec<u8> {
    let mut log = LogWriter::new(dimensions, first);
    for entries in frames {
        entries.iter().for_each(|entry| log.push(&entry.lend()).unwrap());
        log.seal();
    }
    log.take().unwrap()
}

/// What a reader returned before it stopped, and how it stopped: where, and whether something follows.
#[derive(Debug, PartialEq)]
struct Reading {
    frames: Vec<(u64, Vec<Said>)>,
    at: usize,
    torn: bool,
}

fn read(bytes: &[u8], dimensions: usize, next: u64) -> Result<Reading, FormatError> {
    let mut reader = LogReader::new(bytes, dimensions, next);
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        frames.push((reader.next_sequence() - 1, entries_of(&frame, dimensions)));
    }
    Ok(Reading { frames, at: reader.at(), torn: reader.is_torn() })
}

const fn meta() -> Meta {
    Meta {
        dimensions: 3,
        metric: 1,
        quantization: 1,
        m: 16,
        ef_construction: 200,
        ef: 64,
        seed: 2026,
        compaction_threshold: 0.25,
        draws: 1100,
        next_number: 8,
        slots: 1025,
        entry: 4,
        growth_sum: 0.5,
        growth_count: 7,
    }
}
