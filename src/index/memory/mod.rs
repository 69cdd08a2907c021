//! What an index holds in memory.
//!
//! | file      | what                                                             |
//! |-----------|------------------------------------------------------------------|
//! | `budget`  | how a memory budget is divided                                   |
//! | `room`    | what an index holds, and what it frees under a budget            |
//! | `scratch` | buffers of searches and inserts                                  |

pub(super) mod budget;
pub(super) mod room;
pub(super) mod scratch;
