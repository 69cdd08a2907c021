//! The tasks of a bulk build: what each does, and what becomes of its result.

use super::choose::choose;
use super::job::{BulkBuild, MEMBERS_A_STEP, Stage};
use super::nearest::NEAREST_KEPT;
use super::part::Part;
use super::split::{Buffers, Joined, PARTS, Split, longest};
use crate::graph::build::NewNode;
use crate::graph::links::{Graph, target};
use crate::graph::search::Scratch;
use crate::quantize::{BlockSpace, CODES_TOGETHER};
use crate::types::{Level, OutOfMemory};

/// How many members of a part one task compares with all behind them: some tenths of a millisecond.
const MEMBERS_A_TASK: usize = 64;

/// Work that only reads what all tasks share.
#[derive(Debug)]
pub(crate) struct Task(Work);

/// What is to be done, and room for the result. Members join parts from position `at` on.
#[derive(Debug)]
enum Work {
    Join { at: usize, buffers: Buffers, joined: [Joined; CODES_TOGETHER] },
    Compare { part: Part, is_left: bool },
    Choose { member: u32, chosen: [u32; NEAREST_KEPT], count: usize },
}

impl BulkBuild {
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
            Stage::Choose { next } => {
                let end = self.members.len().min(*next + members);
                tasks.extend(self.members[*next..end].iter().map(|&member| {
                    let (chosen, count) = ([0; NEAREST_KEPT], 0);
                    Task(Work::Choose { member, chosen, count })
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
                part.begin(space, members, &self.nodes)?;
                return Ok(Some(part));
            }
            let mut parts = Split::again(space, members, longest, self.seed, &self.nodes)?;
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
                    *joined = split.joined(space, *at, buffers, &self.nodes)?;
                }
            }
            Work::Compare { part, is_left } => {
                *is_left = part.advance(space, &self.nearest, MEMBERS_A_TASK)?;
            }
            Work::Choose { member, chosen, count } => {
                let (nodes, index) = (&self.nodes, *member as usize);
                let near = self.nearest.of(index).map(|near| nodes.slot(near));
                let leaders = self.joined[index].iter().filter_map(|&leader| self.leaders.get(usize::from(leader)));
                let slot = nodes.slot(*member);
                let above = graph.links(slot, Level(1)).iter().map(|&link| target(link));
                let far = leaders.map(|&leader| nodes.slot(leader)).chain(above);
                let links = choose(space, slot, near, far, graph.m(), scratch)?;
                let links = links.iter().filter_map(|link| nodes.index_of(link.slot));
                for (chosen, member) in chosen.iter_mut().zip(links) {
                    *chosen = member;
                    *count += 1;
                }
            }
        }
        Ok(())
    }

    /// Takes the result of a task.
    #[inline(never)]
    pub(super) fn accept(&mut self, graph: &mut Graph, space: &dyn BlockSpace, task: Task) -> Result<(), OutOfMemory> {
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
                let NewNode { slot, level, .. } = self.nodes.get(member);
                if !graph.has_node(slot) {
                    graph.reserve_node(slot, level)?;
                    graph.add_node(slot, level);
                }
                self.nearest.choose(member as usize, chosen[..count].iter().copied());
                graph.set_links(slot, Level::BASE, chosen[..count].iter().map(|&chosen| self.nodes.slot(chosen).0));
            }
        }
        Ok(())
    }
}
