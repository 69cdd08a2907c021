//! Compaction: tombstones become free slots, free slots become free bytes, and stale bytes are reclaimed, all in place
//! and a few microseconds at a time. Ids and payloads never change.
//!
//! Records that wait to be linked (`index/pending.rs`) are linked before a compaction begins.
//!
//! 1. *Cut out*: each leaving node is taken out of the tree that keeps the graph connected and out of most of the lists
//!    of its neighbours, which are linked to one another.
//! 2. *Relink*: each other node drops its remaining links to leaving ones. If these are many, it fills the gaps from
//!    their links.
//! 3. *Isolate leaving*: nothing leads to the leaving nodes any more, and their own links go.
//! 4. *Free*: their slots become free.
//! 5. *Arrange*, if that is asked for: nodes move until those that link to each other lie side by side. This is done
//!    for a window of slots at a time, with stages 7 to 9 in between.
//! 6. *Move down*: the nodes in the highest slots move to the free ones. Each leaves its old node behind as a tombstone
//!    that leads to the new one, so searches between slices lose nothing.
//! 7. *Redirect*: links to old nodes are pointed at the new ones.
//! 8. *Isolate moved*: the old nodes' own links go.
//! 9. *Release*: their slots become free.
//! 10. *Shrink ids*: the tables of ids are rewritten without spare room.
//! 11. *Shrink arrays*: the free slots at the end are dropped.
//! 12. *Warm*: slabs with stale bytes are emptied into fresh ones and freed.
//!
//! Each of these is a *stage*, which a job takes in *steps*, of as many slots, tables or bytes as it is given time for.
//! Callers are told of three *phases*, of some stages each.
//!
//! Which nodes leave is fixed when a job begins; records that are deleted later wait for the next job. Between any two
//! steps all of this holds: every live record is found, `check()` passes, and the job may be dropped for good.
//!
//! | file        | what                                                    |
//! |-------------|---------------------------------------------------------|
//! | `policy`    | when to compact: a pure function of a few numbers       |
//! | `parts`     | the arrays that change together                         |
//! | `job`       | the stages in order, resumable, with progress; stage 12 |
//! | `graph`     | stages 1 to 4: taking leaving nodes out of the graph    |
//! | `arrange`   | stage 5: graph order                                    |
//! | `move_down` | stages 6 to 11                                          |
//! | `reclaimed` | what was freed, by part; the report                     |

mod arrange;
mod graph;
mod job;
mod move_down;
mod parts;
mod policy;
mod reclaimed;

pub(crate) use arrange::{Order, window};
pub(crate) use job::Job;
pub use job::Progress;
pub(crate) use parts::Parts;
pub(crate) use policy::{Choice, Measure, choose};
pub use reclaimed::{CompactionReport, ReclaimedBytes};
