//! Building level 0 of the graph for many nodes at once, where there was no graph before.
//!
//! Inserting nodes one by one, nearly all the time goes into walks: a new node's neighbours are found by following
//! links, each of which waits for memory. Here they are found without a graph, by comparing many nodes with many, which
//! hardly waits: the idea of PiPNN (arXiv 2602.21247).
//!
//! 1. **Sift.** Nodes whose codes equal that of an earlier one are left out: they are inserted afterwards, one by one
//!    ([`super::twins`]). The others are the *members*. If more nodes than a list holds have one code, the build ends
//!    here, and all nodes are inserted one by one.
//! 2. **Split.** A sample of the members become *leaders*. Each member joins the parts of its nearest leaders, so parts
//!    overlap. Parts that are too long are split again.
//! 3. **Probe.** Where the nearest neighbours of some members, drawn as a sample, are in none of their parts too often,
//!    the build ends here as well.
//! 4. **Compare.** In each part, all members are compared with all others, and each keeps the nearest of all its parts.
//! 5. **Raise.** The lists above level 0 are built by inserting the few members that are on these levels.
//! 6. **Choose.** The heuristic chooses a member's links from its nearest, its leaders, and its links on level 1 if it
//!    has any, as an insert chooses from what its search has found.
//! 7. **Attach.** Links back are made, and a spanning tree is marked.
//! 8. **Rejoin.** Trees that the links leave apart are joined to that of the entry point, by searching.
//! 9. **Measure.** Searches for a few members show how distances grow with rank ([`super::growth`]).
//!
//! | file      | what                                                          |
//! |-----------|---------------------------------------------------------------|
//! | `job`     | the stages, one after the other                               |
//! | `tasks`   | what threads share of a stage                                 |
//! | `nodes`   | the nodes, by their indices; what a member and a position are |
//! | `firsts`  | which nodes are the first of their code                       |
//! | `split`   | leaders, and who joins them                                   |
//! | `probe`   | whether members that are near one another join the same parts |
//! | `part`    | comparing the members of a part with one another              |
//! | `nearest` | the nearest of each member                                    |
//! | `upper`   | the lists above level 0                                       |
//! | `choose`  | choosing the links of a member                                |
//! | `attach`  | links back, the tree, and what is left apart                  |

mod attach;
mod choose;
mod firsts;
mod job;
mod nearest;
mod nodes;
mod part;
mod probe;
mod split;
mod tasks;
mod upper;

pub(crate) use job::{Built, BulkBuild};
pub(crate) use tasks::Task;
