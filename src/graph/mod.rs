//! HNSW over slots (Malkov and Yashunin, arXiv 1603.09320). The graph never sees a vector: it asks a
//! [`Scorer`](crate::quantize::Scorer) for distances, and a predicate for which nodes may be returned.
//!
//! ```text
//! level 2          e ─────────────── o            entry point e: the highest node
//! level 1          o ──── o ──────── o ─── o      at most M links a node
//! level 0      o ═ o ═ o ─ o ═ o ─ o ═ o ═ o      at most 2M links a node; ═ are tree links
//! ```
//!
//! **The tree.** Pruning a neighbour list may drop the last link to a node, and deletes drop more: the "unreachable
//! points" of arXiv 2407.07871. Here each node on level 0 has at least one *tree link*, held by both of its ends and
//! never pruned, and the tree links of the live nodes form one tree. Whatever else happens to the lists, every live
//! node is therefore reachable from any other, after any operation and between any two slices of a compaction.
//!
//! | file         | what                                                                  |
//! |--------------|-----------------------------------------------------------------------|
//! | `links`      | the arrays: nodes, neighbour lists, tree marks, entry point           |
//! | `upper`      | the lists above level 0                                               |
//! | `list_copy`  | a list copied to the stack, while lists change                        |
//! | `levels`     | seeded level draws                                                    |
//! | `visited`    | the epoch-stamped set of nodes a search has met                       |
//! | `pool`       | the sorted candidates of a search                                     |
//! | `pool_entry` | a candidate as a single integer                                       |
//! | `set_aside`  | twins that wait until nothing else is left to follow                  |
//! | `search`     | descent and best-first search of one level                            |
//! | `growth`     | how distances grow with rank, and when a search may end because of it |
//! | `scan`       | the exact alternative, for few nodes or for nodes not linked yet      |
//! | `select`     | the neighbour selection heuristic (Algorithm 4)                       |
//! | `twins`      | nodes of equal codes: one in a list, a few in a pool at first         |
//! | `build`      | linking a new node (Algorithm 1)                                      |
//! | `batch`      | planning the links of many new nodes at once                          |
//! | `bulk`       | building level 0 for many nodes where there was no graph              |
//! | `tree`       | the tree links: attaching a node, cutting one out                     |
//! | `bridge`     | linking the neighbours of a leaving node to one another               |
//! | `repair`     | relinking nodes that lost many neighbours; moving a node              |
//! | `check`      | the structural proof                                                  |

#[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
mod batch;
mod bridge;
mod build;
mod bulk;
mod check;
mod growth;
mod levels;
mod links;
mod list_copy;
mod pool;
mod pool_entry;
mod repair;
mod scan;
mod search;
mod select;
mod set_aside;
mod tree;
mod twins;
mod upper;
mod visited;

#[cfg(any(not(target_arch = "wasm32"), feature = "rayon"))]
pub(crate) use build::Plan;
pub(crate) use build::{NewNode, pool_limit};
pub(crate) use bulk::{Built, BulkBuild, Task};
pub(crate) use check::Inspection;
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) use check::inspect;
pub(crate) use growth::Growth;
pub(crate) use levels::draw_level;
pub(crate) use links::{Graph, MAX_LEVEL, NodeBits};
pub(crate) use repair::Fates;
pub(crate) use scan::{join, scan};
pub(crate) use search::{Accept, LevelSearch, Outcome, Scratch, SearchSpace, descend};
pub(crate) use tree::{cut_out, detach};
pub(crate) use twins::Twins;

/// The longest possible list: on level 0, at the largest M.
pub(crate) const MOST_LINKS: usize = 128;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
