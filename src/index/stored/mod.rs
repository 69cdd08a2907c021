//! Indexes kept in a store: opening them, logging changes, writing checkpoints, reading cold records.
//!
//! | file         | what                                                |
//! |--------------|-----------------------------------------------------|
//! | `backing`    | the store behind an index, if any                   |
//! | `journal`    | what an index knows about its store                 |
//! | `open`       | stored values -> index                              |
//! | `checkpoint` | writing what has changed, in steps                  |
//! | `blocks`     | records -> blocks, neighbours together              |
//! | `cold`       | reading records that are only in the store          |
//! | `stock`      | which values a store holds                          |

pub(super) mod backing;
mod blocks;
pub(super) mod checkpoint;
mod cold;
pub(super) mod journal;
pub(super) mod open;
mod stock;
