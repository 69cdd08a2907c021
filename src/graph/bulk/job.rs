//! The stages of a bulk build. The slow part of most of them only reads, and is done in tasks that threads share. The
//! result depends neither on the number of threads nor on how many tasks are done together.

use super::attach::{Member, Trees, attach, rejoin};
use super::choose::choose;
use super::firsts::Firsts;
use super::nearest::{MOST_MEMBERS, NEAREST_KEPT, Nearest};
use super::part::Part;
use super::probe::Probe;
use super::split::{Buffers, Joined, NO_LEADER, PARTS, Split, longest};
use crate::graph::build::{Alone, NewNode};
use crate::graph::growth::Growth;
use crate::graph::links::{Graph, target};
use crate::graph::search::Scratch;
use crate::order::sort_by;
use crate::quantize::{BlockSpace, CODES_TOGETHER};
use crate::types::{Level, OutOfMemory, Slot};

/// How many members of a part one task compares with all behind them: some tenths of a millisecond.
const MEMBERS_A_TASK: usize = 64;
/// How many members a step takes on where a short task is done for each.
const MEMBERS_A_STEP: usize = 16;
/// How many members a step takes on where less is done for each.
const CHEAP_MEMBERS_A_STEP: usize = 256;

/// One member in so many is searched for as if it were inserted, to see how distances grow with rank. What the parts
/// find is not good enough for that: it lacks some of the nearest.
const MEMBERS_A_MEASUREMENT: usize = 64;

/// The most that the lists above level 0 are built with for `efConstruction`: they only lead to where a search begins.
const UPPER_WIDTH: usize = 80;

/// What is done next; the number is that of the first member not done yet.
#[derive(Debug)]
enum Stage {
    Sift(usize, Firsts),
    Split(Split),
    Probe(Probe),
    Compare,
    Choose(usize),
    Raise(usize),
    Attach(usize),
    Rejoin(usize),
    Measure(usize),
    Done,
}

/// Work that only reads what all tasks share.
#[derive(Debug)]
pub(crate) struct Task(Work);

#[derive(Debug)]
enum Work {
    Join { at: usize, buffers: Buffers, joined: [Joined; CODES_TOGETHER] },
    Compare { part: Part, is_left: bool },
    Choose { member: usize, chosen: [u32; NEAREST_KEPT], count: usize },
}

/// A bulk build under way.
#[derive(Debug)]
pub(crate) struct BulkBuild {
    /// All nodes, in order of their slots. A node's place here is its number as a member.
    nodes: Vec<NewNode>,
    /// The members: nodes that are the first of their code.
    members: Vec<u32>,
    seed: u64,
    stage: Stage,
    /// Parts to be compared, or to be split first.
    waiting: Vec<Vec<u32>>,
    /// Parts of which some members have been compared.
    begun: Vec<Part>,
    /// Parts that are done, for their buffers.
    spare: Vec<Part>,
    /// The leaders, as members.
    leaders: Vec<u32>,
    /// The leaders that each node has joined.
    joined: Vec<Joined>,
    nearest: Nearest,
    trees: Trees,
    /// Kept here between steps, so that no search walks through a graph that is not finished.
    entry: Option<Slot>,
    /// Whether it takes inserts to link these nodes well: parts would not bring neighbours together, or so many nodes
    /// have one code that those left out would all be linked to the same few neighbours of the first of them, and a
    /// search that comes to one would find no way on.
    does_not_suit: bool,
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
    pub(crate) fn new(mut nodes: Vec<NewNode>, seed: u64) -> Result<Self, OutOfMemory> {
        sort_by(&mut nodes, |a, b| a.slot < b.slot);
        let count = nodes.len();
        let (mut members, mut joined) = (Vec::new(), Vec::new());
        members.try_reserve_exact(count)?;
        joined.try_reserve_exact(count)?;
        joined.resize(count, [NO_LEADER; PARTS]);
        Ok(Self {
            nodes,
            members,
            seed,
            stage: Stage::Sift(0, Firsts::new(count)?),
            waiting: Vec::new(),
            begun: Vec::new(),
            spare: Vec::new(),
            leaders: Vec::new(),
            joined,
            nearest: Nearest::new(count)?,
            trees: Trees::new(count)?,
            entry: None,
            does_not_suit: false,
        })
    }

    fn slot(&self, member: u32) -> Slot {
        self.nodes[member as usize].slot
    }

    fn member_of(&self, slot: Slot) -> Option<u32> {
        member_of(&self.nodes, slot)
    }

    /// Whether the build has ended because it does not suit these nodes. It must be undone.
    pub(crate) const fn does_not_suit(&self) -> bool {
        self.does_not_suit
    }

    /// The nodes that were left out, once the build is done.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = NewNode> {
        let mut members = self.members.iter().peekable();
        let left_out = move |(at, &node)| members.next_if_eq(&&(at as u32)).is_none().then_some(node);
        self.nodes.iter().enumerate().filter_map(left_out)
    }

    /// Adds the next tasks of the stage at hand, enough for so many parts to be compared `together`. If there are none,
    /// [`BulkBuild::finish_step`] does the next part by itself.
    #[inline(never)]
    pub(crate) fn plan_tasks(
        &mut self,
        space: &dyn BlockSpace,
        together: usize,
        tasks: &mut Vec<Task>,
    ) -> Result<(), OutOfMemory> {
        let members = MEMBERS_A_STEP * together;
        tasks.try_reserve(members)?;
        match &mut self.stage {
            Stage::Split(split) => {
                let end = split.members.len().min(split.next + CODES_TOGETHER * members);
                let joined = [[0; PARTS]; CODES_TOGETHER];
                let task = |at| Task(Work::Join { at, buffers: Buffers::default(), joined });
                tasks.extend((split.next..end).step_by(CODES_TOGETHER).map(task));
                split.next = end;
            }
            Stage::Compare => {
                while tasks.len() < together
                    && let Some(part) = self.next_part(space)?
                {
                    tasks.push(Task(Work::Compare { part, is_left: false }));
                }
            }
            Stage::Choose(next) => {
                let end = self.members.len().min(*next + members);
                tasks.extend(self.members[*next..end].iter().map(|&member| {
                    let (chosen, count) = ([0; NEAREST_KEPT], 0);
                    Task(Work::Choose { member: member as usize, chosen, count })
                }));
                *next = end;
            }
            _ => {}
        }
        Ok(())
    }

    /// The next part to compare: one that has been begun, or a new one.
    #[inline(never)]
    fn next_part(&mut self, space: &dyn BlockSpace) -> Result<Option<Part>, OutOfMemory> {
        if let Some(part) = self.begun.pop() {
            return Ok(Some(part));
        }
        while let Some(members) = self.waiting.pop() {
            let longest = longest(self.members.len());
            if members.len() <= longest {
                let mut part = self.spare.pop().unwrap_or_default();
                part.begin(space, members, |member| self.slot(member))?;
                return Ok(Some(part));
            }
            let mut parts = Split::again(space, members, longest, self.seed, |member| self.slot(member))?;
            self.waiting.try_reserve(parts.len())?;
            self.waiting.append(&mut parts);
        }
        Ok(None)
    }

    /// Does a task.
    #[inline(never)]
    pub(crate) fn do_task(
        &self,
        graph: &Graph,
        space: &dyn BlockSpace,
        task: &mut Task,
        scratch: &mut Scratch,
    ) -> Result<(), OutOfMemory> {
        match &mut task.0 {
            Work::Join { at, buffers, joined } => {
                if let Stage::Split(split) = &self.stage {
                    *joined = split.joined(space, *at, buffers, |member| self.slot(member))?;
                }
            }
            Work::Compare { part, is_left } => {
                *is_left = part.advance(space, &self.nearest, MEMBERS_A_TASK)?;
            }
            Work::Choose { member, chosen, count } => {
                let near = self.nearest.of(*member).map(|near| self.slot(near));
                let leaders = self.joined[*member].iter().filter_map(|&leader| self.leaders.get(usize::from(leader)));
                let slot = self.nodes[*member].slot;
                let above = graph.links(slot, Level(1)).iter().map(|&link| target(link));
                let far = leaders.map(|&leader| self.slot(leader)).chain(above);
                let links = choose(space, slot, near, far, graph.m(), scratch)?;
                for (chosen, member) in chosen.iter_mut().zip(links.iter().filter_map(|link| self.member_of(link.slot)))
                {
                    *chosen = member;
                    *count += 1;
                }
            }
        }
        Ok(())
    }

    /// Takes the results of tasks, in their order, or does the next part of a stage that has no tasks. Returns true
    /// while something is left to do. On an error the build cannot go on, and has to be undone.
    pub(crate) fn finish_step(
        &mut self,
        graph: &mut Graph,
        space: &dyn BlockSpace,
        tasks: &mut Vec<Task>,
        scratch: &mut Scratch,
    ) -> Result<bool, OutOfMemory> {
        graph.set_entry(self.entry);
        let had_tasks = !tasks.is_empty();
        for task in tasks.drain(..) {
            self.accept(graph, space, task)?;
        }
        if !had_tasks {
            self.next_stage(graph, space, scratch)?;
        }
        let is_done = matches!(self.stage, Stage::Done);
        if !is_done {
            self.entry = graph.entry();
            graph.set_entry(None);
        }
        Ok(!is_done)
    }

    /// Takes the result of a task.
    #[inline(never)]
    fn accept(&mut self, graph: &mut Graph, space: &dyn BlockSpace, task: Task) -> Result<(), OutOfMemory> {
        match task.0 {
            Work::Join { at, joined, .. } => {
                if let Stage::Split(split) = &mut self.stage {
                    split.join(at, &joined)?;
                    for (&member, joined) in split.members[at..].iter().zip(&joined) {
                        self.joined[member as usize] = *joined;
                    }
                }
            }
            Work::Compare { part, is_left: true } => {
                self.begun.try_reserve(1)?;
                self.begun.push(part);
            }
            Work::Compare { part, .. } => {
                part.hand_over(&mut self.nearest, space.kernels());
                self.spare.try_reserve(1)?;
                self.spare.push(part);
            }
            Work::Choose { member, chosen, count } => {
                let NewNode { slot, level, .. } = self.nodes[member];
                if !graph.has_node(slot) {
                    graph.reserve_node(slot, level)?;
                    graph.add_node(slot, level);
                }
                self.nearest.choose(member, chosen[..count].iter().copied());
                graph.set_links(slot, Level::BASE, chosen[..count].iter().map(|&chosen| self.slot(chosen).0));
            }
        }
        Ok(())
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
            Stage::Sift(at, mut firsts) if at < self.nodes.len() => {
                Stage::Sift(self.sift(space, at, &mut firsts), firsts)
            }
            Stage::Sift(_, firsts) if usize::from(firsts.most_twins()) > graph.m() => {
                self.does_not_suit = true;
                Stage::Done
            }
            Stage::Sift(..) => Stage::Split(self.split(space)?),
            Stage::Split(split) => {
                (self.waiting, self.leaders) = (split.parts, split.leaders);
                Stage::Probe(Probe::new())
            }
            Stage::Probe(mut probe) => {
                if probe.step(space, &self.members, &self.joined, |member| self.slot(member), scratch) {
                    Stage::Probe(probe)
                } else if probe.suits() {
                    Stage::Compare
                } else {
                    self.does_not_suit = true;
                    Stage::Done
                }
            }
            Stage::Compare => {
                self.spare = Vec::new();
                Stage::Raise(0)
            }
            Stage::Raise(at) if at < count => Stage::Raise(self.raise_some(graph, space, at, scratch)?),
            Stage::Raise(_) => Stage::Choose(0),
            Stage::Choose(_) => Stage::Attach(0),
            Stage::Attach(at) if at < count => Stage::Attach(self.attach_some(graph, space, at, scratch)?),
            Stage::Attach(_) => Stage::Rejoin(0),
            Stage::Rejoin(at) if at < count => Stage::Rejoin(self.rejoin_some(graph, space, at, scratch)?),
            Stage::Rejoin(_) => {
                graph.set_growth(Growth::default());
                Stage::Measure(0)
            }
            Stage::Measure(at) if at < count => Stage::Measure(self.measure_one(graph, space, at, scratch)?),
            Stage::Measure(_) | Stage::Done => Stage::Done,
        };
        Ok(())
    }

    /// Looks for members among the next nodes: those that are the first of their code. Like the methods below, this
    /// begins at position `at` and returns where the next step begins.
    fn sift(&mut self, space: &dyn BlockSpace, at: usize, firsts: &mut Firsts) -> usize {
        let end = self.nodes.len().min(at + CHEAP_MEMBERS_A_STEP);
        for member in at as u32..end as u32 {
            if firsts.is_first(space, member, |member| self.slot(member)) {
                self.members.push(member);
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
        Split::new(space, members, self.seed, |member| self.slot(member))
    }

    /// Inserts the next members into the levels above level 0.
    fn raise_some(
        &self,
        graph: &mut Graph,
        space: &dyn BlockSpace,
        at: usize,
        scratch: &mut Scratch,
    ) -> Result<usize, OutOfMemory> {
        let end = self.members.len().min(at + MEMBERS_A_STEP);
        for &member in &self.members[at..end] {
            self.raise(graph, space, member as usize, scratch)?;
        }
        Ok(end)
    }

    /// Makes the links back of the next members.
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
        for &number in &self.members[at..end] {
            let member = |number: u32| Member { number, slot: self.nodes[number as usize].slot };
            let chosen = self.nearest.of(number as usize).map(member);
            attach(graph, space, member(number), chosen, &mut self.trees, scratch);
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
        let node = self.nodes[self.members[at] as usize];
        let alone = Alone { lowest: Level::BASE };
        let planned = graph.plan(space, node, &graph.nodes, &alone, scratch, &mut plan);
        graph.set_growth(graph.growth().plus(plan.growth.times(MEMBERS_A_MEASUREMENT)));
        scratch.plan = plan;
        planned?;
        Ok(at + MEMBERS_A_MEASUREMENT)
    }

    /// Inserts a member into the levels above level 0, if it is on any. The first of all is the entry point until then.
    #[inline(never)]
    fn raise(
        &self,
        graph: &mut Graph,
        space: &dyn BlockSpace,
        member: usize,
        scratch: &mut Scratch,
    ) -> Result<(), OutOfMemory> {
        let node = self.nodes[member];
        let node = NewNode { ef_construction: node.ef_construction.min(UPPER_WIDTH), ..node };
        if node.level == Level::BASE && graph.entry().is_some() {
            return Ok(());
        }
        graph.reserve_node(node.slot, node.level)?;
        graph.add_node(node.slot, node.level);
        let mut plan = core::mem::take(&mut scratch.plan);
        let planned = graph.plan(space, node, &graph.nodes, &Alone { lowest: Level(1) }, scratch, &mut plan);
        if planned.is_ok() {
            graph.carry_out(space, node, &mut plan, scratch);
        }
        scratch.plan = plan;
        planned
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
        let Some(main) = graph.entry().and_then(|entry| self.member_of(entry)) else { return Ok(()) };
        let nodes = &self.nodes;
        let member_of = |slot| member_of(nodes, slot);
        let member = Member { number: member, slot: nodes[member as usize].slot };
        rejoin(graph, space, member, main, member_of, &mut self.trees, scratch)
    }

    /// Empties the graph, after an error, or when the build does not suit or is given up.
    pub(crate) fn undo(&self, graph: &mut Graph) {
        for node in &self.nodes {
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
            Stage::Sift(_, firsts) => firsts.resident_bytes(),
            Stage::Split(split) => split.resident_bytes(),
            _ => 0,
        };
        in_stage
            + self.nodes.capacity() * size_of::<NewNode>()
            + words * size_of::<u32>()
            + self.joined.capacity() * size_of::<Joined>()
            + self.nearest.resident_bytes()
            + self.trees.resident_bytes()
            + self.begun.iter().chain(&self.spare).map(Part::resident_bytes).sum::<usize>()
    }
}

/// The number of the node in a slot. Mostly nodes take up the slots from the first on, without gaps.
fn member_of(nodes: &[NewNode], slot: Slot) -> Option<u32> {
    if nodes.get(slot.index()).is_some_and(|node| node.slot == slot) {
        return Some(slot.0);
    }
    nodes.binary_search_by_key(&slot, |node| node.slot).ok().map(|at| at as u32)
}
