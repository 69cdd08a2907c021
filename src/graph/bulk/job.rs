//! The stages of a bulk build. The slow part of most of them only reads, and is done in tasks that threads share. The
//! result depends neither on the number of threads nor on how many tasks are done together.

use super::attach::{Trees, attach, rejoin};
use super::firsts::Firsts;
use super::nearest::{MOST_MEMBERS, NEAREST_KEPT, Nearest};
use super::nodes::Nodes;
use super::part::Part;
use super::probe::Probe;
use super::split::{Joined, NO_LEADER, PARTS, Split, longest};
use super::tasks::Task;
use super::upper::raise_some;
use crate::graph::build::{Alone, NewNode};
use crate::graph::growth::Growth;
use crate::graph::links::Graph;
use crate::graph::search::Scratch;
use crate::quantize::BlockSpace;
use crate::types::{Level, OutOfMemory, Slot};

/// How many members a step takes on where a short task is done for each.
pub(super) const MEMBERS_A_STEP: usize = 16;
/// How many members a step takes on where less is done for each.
const CHEAP_MEMBERS_A_STEP: usize = 256;

/// One member in so many is searched for as if it were inserted, to see how distances grow with rank. What the parts
/// find is not good enough for that: it lacks some of the nearest.
const MEMBERS_A_MEASUREMENT: usize = 64;

/// What is done next. Where it is done for one after another, `next` is the position of the first member that is left,
/// or, while members are looked for, the index of the first node.
#[derive(Debug)]
pub(super) enum Stage {
    Sift { next: usize, firsts: Firsts },
    Split(Split),
    Probe(Probe),
    Compare,
    Raise { next: usize },
    Choose { next: usize },
    Attach { next: usize },
    Rejoin { next: usize },
    Measure { next: usize },
    Done,
    Unsuited,
}

/// How far a build has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Built {
    /// Something is left to do.
    More,
    /// All members are linked.
    All,
    /// It takes inserts to link these nodes well: parts would not bring neighbours together, or so many nodes have one
    /// code that those left out would all be linked to the same few neighbours of the first of them, and a search that
    /// comes to one would find no way on. The build has ended, and must be undone.
    Unsuited,
}

/// A bulk build under way.
#[derive(Debug)]
pub(crate) struct BulkBuild {
    pub(super) nodes: Nodes,
    /// The members, in order.
    pub(super) members: Vec<u32>,
    pub(super) seed: u64,
    pub(super) stage: Stage,
    /// Parts to be compared, or to be split first.
    pub(super) waiting: Vec<Vec<u32>>,
    /// Parts of which some members have been compared.
    pub(super) begun: Vec<Part>,
    /// Parts that are done, for their buffers.
    pub(super) spare: Vec<Part>,
    /// The members that are leaders.
    pub(super) leaders: Vec<u32>,
    /// The leaders that each node has joined.
    pub(super) joined: Vec<Joined>,
    pub(super) nearest: Nearest,
    trees: Trees,
    /// Kept here between steps, so that no search walks through a graph that is not finished.
    entry: Option<Slot>,
}

impl BulkBuild {
    /// The most nodes of a build.
    pub(crate) const MOST: usize = MOST_MEMBERS;

    /// About how many bytes a build of so many nodes holds at most, if no parts are compared together.
    pub(crate) fn bytes_of(nodes: usize) -> usize {
        let longest = longest(nodes);
        nodes * (size_of::<[u32; NEAREST_KEPT]>() + 128) + longest * (longest * size_of::<f32>() + 2048)
    }

    /// A build of these nodes, whose codes are in their space. The graph must be empty.
    pub(crate) fn new(nodes: Vec<NewNode>, seed: u64) -> Result<Self, OutOfMemory> {
        let count = nodes.len();
        let (mut members, mut joined) = (Vec::new(), Vec::new());
        members.try_reserve_exact(count)?;
        joined.try_reserve_exact(count)?;
        joined.resize(count, [NO_LEADER; PARTS]);
        Ok(Self {
            nodes: Nodes::new(nodes),
            members,
            seed,
            stage: Stage::Sift { next: 0, firsts: Firsts::new(count)? },
            waiting: Vec::new(),
            begun: Vec::new(),
            spare: Vec::new(),
            leaders: Vec::new(),
            joined,
            nearest: Nearest::new(count)?,
            trees: Trees::new(count)?,
            entry: None,
        })
    }

    /// The nodes that were left out, once the build is done.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = NewNode> {
        let mut members = self.members.iter().peekable();
        let left_out = move |(index, node)| members.next_if_eq(&&(index as u32)).is_none().then_some(node);
        self.nodes.iter().enumerate().filter_map(left_out)
    }

    /// Takes the results of tasks, in their order, or does the next part of a stage that has no tasks. On an error
    /// the build cannot go on, and has to be undone.
    pub(crate) fn finish_step(
        &mut self,
        graph: &mut Graph,
        space: &dyn BlockSpace,
        tasks: &mut Vec<Task>,
        scratch: &mut Scratch,
    ) -> Result<Built, OutOfMemory> {
        graph.set_entry(self.entry);
        let had_tasks = !tasks.is_empty();
        for task in tasks.drain(..) {
            self.accept(graph, space, task)?;
        }
        if !had_tasks {
            self.next_stage(graph, space, scratch)?;
        }
        let built = match self.stage {
            Stage::Done => Built::All,
            Stage::Unsuited => Built::Unsuited,
            _ => Built::More,
        };
        if built == Built::More {
            self.entry = graph.entry();
            graph.set_entry(None);
        }
        Ok(built)
    }

    /// Does the next part of a stage that has no tasks, or goes over to the next stage. After an error the stage stays
    /// [`Stage::Done`], and the build must be undone.
    #[inline(never)]
    fn next_stage(
        &mut self,
        graph: &mut Graph,
        space: &dyn BlockSpace,
        scratch: &mut Scratch,
    ) -> Result<(), OutOfMemory> {
        let count = self.members.len();
        self.stage = match core::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Sift { next, mut firsts } if next < self.nodes.len() => {
                Stage::Sift { next: self.sift(space, next, &mut firsts), firsts }
            }
            Stage::Sift { firsts, .. } if usize::from(firsts.most_twins()) > graph.m() => Stage::Unsuited,
            Stage::Sift { .. } => Stage::Split(self.split(space)?),
            Stage::Split(split) => {
                (self.waiting, self.leaders) = (split.parts, split.leaders);
                Stage::Probe(Probe::new())
            }
            Stage::Probe(mut probe) => {
                if probe.step(space, &self.members, &self.joined, &self.nodes, scratch) {
                    Stage::Probe(probe)
                } else if probe.suits() {
                    Stage::Compare
                } else {
                    Stage::Unsuited
                }
            }
            Stage::Compare => {
                self.spare = Vec::new();
                Stage::Raise { next: 0 }
            }
            Stage::Raise { next } if next < count => {
                let end = count.min(next + MEMBERS_A_STEP);
                raise_some(graph, space, &self.nodes, &self.members[next..end], scratch)?;
                Stage::Raise { next: end }
            }
            Stage::Raise { .. } => Stage::Choose { next: 0 },
            Stage::Choose { .. } => Stage::Attach { next: 0 },
            Stage::Attach { next } if next < count => {
                Stage::Attach { next: self.attach_some(graph, space, next, scratch)? }
            }
            Stage::Attach { .. } => Stage::Rejoin { next: 0 },
            Stage::Rejoin { next } if next < count => {
                Stage::Rejoin { next: self.rejoin_some(graph, space, next, scratch)? }
            }
            Stage::Rejoin { .. } => {
                graph.set_growth(Growth::default());
                Stage::Measure { next: 0 }
            }
            Stage::Measure { next } if next < count => {
                Stage::Measure { next: self.measure_one(graph, space, next, scratch)? }
            }
            Stage::Measure { .. } | Stage::Done => Stage::Done,
            Stage::Unsuited => Stage::Unsuited,
        };
        Ok(())
    }

    /// Looks for members among the next nodes: those that are the first of their code. Begins at the node of index
    /// `from`, and returns where the next step begins.
    fn sift(&mut self, space: &dyn BlockSpace, from: usize, firsts: &mut Firsts) -> usize {
        let end = self.nodes.len().min(from + CHEAP_MEMBERS_A_STEP);
        for index in from as u32..end as u32 {
            if firsts.is_first(space, index, &self.nodes) {
                self.members.push(index);
            }
        }
        self.nearest.begin(end);
        end
    }

    /// Begins to split the members into parts.
    fn split(&self, space: &dyn BlockSpace) -> Result<Split, OutOfMemory> {
        let mut members = Vec::new();
        members.try_reserve_exact(self.members.len())?;
        members.extend_from_slice(&self.members);
        Split::new(space, members, self.seed, &self.nodes)
    }

    /// Makes the links back of the next members. Like the methods below, this begins at position `at` and returns where
    /// the next step begins.
    fn attach_some(
        &mut self,
        graph: &mut Graph,
        space: &dyn BlockSpace,
        at: usize,
        scratch: &mut Scratch,
    ) -> Result<usize, OutOfMemory> {
        let list = &mut scratch.plan.list;
        list.clear();
        list.try_reserve(2 * graph.m() + 1)?;
        let end = self.members.len().min(at + MEMBERS_A_STEP);
        for &member in &self.members[at..end] {
            let chosen = self.nearest.of(member as usize);
            attach(graph, space, &self.nodes, member, chosen, &mut self.trees, scratch);
        }
        Ok(end)
    }

    /// Joins the trees of the next members to that of the entry point.
    fn rejoin_some(
        &mut self,
        graph: &mut Graph,
        space: &dyn BlockSpace,
        at: usize,
        scratch: &mut Scratch,
    ) -> Result<usize, OutOfMemory> {
        let end = self.members.len().min(at + CHEAP_MEMBERS_A_STEP);
        for at in at..end {
            self.rejoin(graph, space, self.members[at], scratch)?;
        }
        Ok(end)
    }

    /// Searches for one member as if it were inserted, and notes how distances grow with rank.
    fn measure_one(
        &self,
        graph: &mut Graph,
        space: &dyn BlockSpace,
        at: usize,
        scratch: &mut Scratch,
    ) -> Result<usize, OutOfMemory> {
        let mut plan = core::mem::take(&mut scratch.plan);
        let node = self.nodes.get(self.members[at]);
        let alone = Alone { lowest: Level::BASE };
        let planned = graph.plan(space, node, &graph.nodes, &alone, scratch, &mut plan);
        graph.set_growth(graph.growth().plus(plan.growth.times(MEMBERS_A_MEASUREMENT)));
        scratch.plan = plan;
        planned?;
        Ok(at + MEMBERS_A_MEASUREMENT)
    }

    /// Joins the tree of a member to that of the entry point.
    #[inline(never)]
    fn rejoin(
        &mut self,
        graph: &mut Graph,
        space: &dyn BlockSpace,
        member: u32,
        scratch: &mut Scratch,
    ) -> Result<(), OutOfMemory> {
        let Some(main) = graph.entry().and_then(|entry| self.nodes.index_of(entry)) else { return Ok(()) };
        rejoin(graph, space, &self.nodes, member, main, &mut self.trees, scratch)
    }

    /// Empties the graph, after an error, or when the build does not suit or is given up.
    pub(crate) fn undo(&self, graph: &mut Graph) {
        for node in self.nodes.iter() {
            if graph.has_node(node.slot) {
                graph.free(node.slot);
            }
        }
        graph.set_entry(None);
        graph.set_growth(Growth::default());
    }

    /// Bytes held by the parts that grow with the number of nodes.
    pub(crate) fn resident_bytes(&self) -> usize {
        let words = self.members.capacity() + self.waiting.iter().map(Vec::capacity).sum::<usize>();
        let in_stage = match &self.stage {
            Stage::Sift { firsts, .. } => firsts.resident_bytes(),
            Stage::Split(split) => split.resident_bytes(),
            _ => 0,
        };
        in_stage
            + self.nodes.resident_bytes()
            + words * size_of::<u32>()
            + self.joined.capacity() * size_of::<Joined>()
            + self.nearest.resident_bytes()
            + self.trees.resident_bytes()
            + self.begun.iter().chain(&self.spare).map(Part::resident_bytes).sum::<usize>()
    }
}
