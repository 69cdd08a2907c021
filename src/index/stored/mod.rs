//! An index that a store keeps: what it knows of the store, and what it has read and written.
//!
//! | file         | what                                                |
//! |--------------|-----------------------------------------------------|
//! | `backing`    | the store behind an index, if any                   |
//! | `journal`    | what an index knows of its store                    |
//! | `open`       | stored values -> index                              |
//! | `checkpoint` | writing what has changed, in parts                  |
//! | `blocks`     | records -> blocks, neighbours together              |
//! | `cold`       | records that are only in the store: reading them    |
//! | `stock`      | which values a store holds                          |

pub(super) mod backing;
mod blocks;
pub(super) mod checkpoint;
mod cold;
pub(super) mod journal;
pub(super) mod open;
mod stock;
