//! Bytes <-> values, pure. docs/FORMAT.md has the byte tables.
//!
//! | file       | what                                                                                |
//! |------------|-------------------------------------------------------------------------------------|
//! | `error`    | why bytes could not be read or written                                              |
//! | `io`       | sources and sinks of bytes: random access, no streams, no files                     |
//! | `sections` | the kinds of section, the header and the table, checksums; writing and opening them |
//! | `meta`     | the small fixed part, in bincode                                                    |
//! | `words`    | levels, ids and record headers as words                                             |
//! | `checksum` | XXH64                                                                               |
//! | `cursor`   | reading words from the front of untrusted bytes                                     |
//! | `entry`    | the log: a record put or deleted                                                    |
//! | `frame`    | the log: entries of one change, under one checksum                                  |
//! | `log`      | the log: writing frames, and reading them up to an end that may be torn             |
//! | `manifest` | a checkpoint: which values make up the index                                        |
//! | `keys`     | the keys of those values                                                            |
#![warn(clippy::indexing_slicing)]

mod checksum;
mod cursor;
mod entry;
mod error;
mod frame;
mod io;
mod keys;
mod log;
mod manifest;
mod meta;
mod sections;
mod words;

pub(crate) use checksum::xxh64;
pub(crate) use entry::{Entry, Put};
pub(crate) use error::FormatError;
pub(crate) use io::{ByteRoom, ByteSink, ByteSource, zeros};
#[cfg(target_arch = "wasm32")]
pub(crate) use keys::push_digits;
pub(crate) use keys::{Key, LOGS, MANIFESTS, PREFIXES, piece_count};
pub(crate) use log::{LogReader, LogWriter, Mark};
pub(crate) use manifest::{AS_IT_IS, Manifest, StoredBlock, StoredSegment};
pub(crate) use meta::Meta;
pub(crate) use sections::{Contents, Kind, Layout, SectionReader, SectionWriter, VERSION};
pub(crate) use words::{IdWord, NO_NODE, RecordHeader, WAITING};

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
