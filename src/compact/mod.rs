//! Compaction: tombstones become free slots, free slots become free bytes, and stale bytes are reclaimed, all in place
//! and a few microseconds at a time. Ids and payloads never change.
//!
//! Records that wait to be linked (`index/pending.rs`) are linked before a compaction begins.
//!
//! 1. *Cut out*: each leaving node is taken out of the tree that keeps the graph connected and out of most of the lists
//!    of its neighbours, which are linked to one another.
//! 2. *Relink*: each other node drops its remaining links to leaving ones. If these are many, it fills the gaps from
//!    their links.
//! 3. *Free*: nothing leads to the leaving nodes any more; their own links go, then their slots become free.
//! 4. *Arrange*, if that is asked for: nodes move until those that link to each other lie side by side. This is done
//!    for a window of slots at a time, with steps 6 to 8 in between.
//! 5. *Move down*: the nodes in the highest slots move to the free ones. Each leaves its old node behind as a tombstone
//!    that leads to the new one, so searches between slices lose nothing.
//! 6. *Redirect*: links to old nodes are pointed at the new ones.
//! 7. *Isolate*: the old nodes' own links go.
//! 8. *Release*: their slots are free, the last ones are dropped, and the arrays shrink.
//! 9. *Warm*: slabs with stale bytes are emptied into fresh ones and freed.
//!
//! Which nodes leave is fixed when a job begins; records that are deleted later wait for the next job. Between any two
//! steps all of this holds: every live record is found, `check()` passes, and the job may be dropped for good.
//!
//! | file        | what                                                   |
//! |-------------|--------------------------------------------------------|
//! | `policy`    | when to compact: a pure function of a few numbers      |
//! | `parts`     | the arrays that change together                        |
//! | `job`       | the steps in order, resumable, with progress           |
//! | `graph`     | steps 1 to 3: taking leaving nodes out of the graph    |
//! | `arrange`   | step 4: graph order                                    |
//! | `move_down` | steps 5 to 8                                           |
//! | `reclaimed` | what was freed, by part; the report                    |

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
