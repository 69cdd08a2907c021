//! Bytes <-> values, pure. docs/FORMAT.md has the byte tables.
//!
//! | file       | what                                                                                |
//! |------------|-------------------------------------------------------------------------------------|
//! | `error`    | what can be wrong with bytes                                                        |
//! | `io`       | where bytes are read from and written to: random access, no streams, no files       |
//! | `sections` | the kinds of section, the header and the table, checksums; writing and opening them |
//! | `meta`     | the small fixed part, in bincode                                                    |
//! | `words`    | levels, ids and record headers as words                                             |
#![warn(clippy::indexing_slicing)]

mod error;
mod io;
mod meta;
mod sections;
mod words;

pub(crate) use error::FormatError;
pub(crate) use io::{ByteSink, ByteSource, zeros};
pub(crate) use meta::Meta;
pub(crate) use sections::{Contents, Kind, Layout, SectionReader, SectionWriter, VERSION};
pub(crate) use words::{IdWord, NO_NODE, RecordHeader};
