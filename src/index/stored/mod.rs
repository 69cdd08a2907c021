//! Indexes kept in a store: opening them, logging changes, writing checkpoints, reading cold records.
//!
//! | file         | what                                                |
//! |--------------|-----------------------------------------------------|
//! | `backing`    | the store behind an index, if any                   |
//! | `journal`    | what an index knows about its store                 |
//! | `inventory`  | which checkpoints and logs a store has              |
//! | `open`       | a checkpoint's values -> index                      |
//! | `replay`     | the logs that follow it -> changes of that index    |
//! | `attach`     | an index in memory becomes a stored one             |
//! | `checkpoint` | writing what has changed, in steps                  |
//! | `values`     | which arrays share a value, and their bytes         |
//! | `blocks`     | records -> blocks, neighbours together              |
//! | `cold`       | reading records that are only in the store          |
//! | `stock`      | which values a store holds                          |

mod attach;
pub(super) mod backing;
mod blocks;
pub(super) mod checkpoint;
mod cold;
pub(super) mod inventory;
pub(super) mod journal;
pub(super) mod open;
pub(super) mod replay;
mod stock;
mod values;
