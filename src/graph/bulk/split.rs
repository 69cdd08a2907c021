//! Leaders, and the members that join them.

use super::nearest::{Near, insert};
use super::nodes::Nodes;
use crate::graph::levels::mix;
use crate::order::sort_by;
use crate::quantize::{Block, BlockSpace, CODES_TOGETHER, Side};
use crate::types::{Distance, OutOfMemory};

/// How many parts a member joins. With fewer, more of its neighbours are in none of them.
pub(super) const PARTS: usize = 10;
/// The most leaders of all members.
const MOST_LEADERS: usize = 1000;
/// The longest parts that are compared in a build of many members. A part takes as much memory as its length squared.
const LONGEST: usize = 1000;
/// The longest parts that are compared in a build of few members.
const LONGEST_OF_FEW: usize = 250;

/// How long the parts may be that are compared in a build of so many members. A longer one is split again.
pub(super) fn longest(members: usize) -> usize {
    (members / 20).clamp(LONGEST_OF_FEW, LONGEST)
}

/// No leader.
pub(super) const NO_LEADER: u16 = u16::MAX;

/// The leaders that a member joins, by their indices among the leaders, and [`NO_LEADER`] in the other places.
pub(super) type Joined = [u16; PARTS];

/// Members that are being split.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) members: Vec<u32>,
    /// The members that are leaders.
    pub(super) leaders: Vec<u32>,
    leader_codes: Block,
    /// How many parts each member joins.
    fan: usize,
    /// The position of the first member that has not joined yet.
    pub(super) next: usize,
    pub(super) parts: Vec<Vec<u32>>,
}

impl Split {
    pub(super) fn resident_bytes(&self) -> usize {
        let lists = [&self.members, &self.leaders].into_iter().chain(&self.parts);
        self.leader_codes.resident_bytes() + lists.map(|list| list.capacity() * size_of::<u32>()).sum::<usize>()
    }

    /// Begins to split all members into many parts that overlap.
    pub(super) fn new(
        space: &dyn BlockSpace,
        members: Vec<u32>,
        seed: u64,
        nodes: &Nodes,
    ) -> Result<Self, OutOfMemory> {
        // So many that parts are as long as they may be, on average.
        let count = (PARTS * members.len() / longest(members.len())).clamp(PARTS, MOST_LEADERS);
        Self::with_leaders(space, members, count, PARTS, seed, nodes)
    }

    /// Splits a part that is too long into a few parts that do not overlap. If most of its members are nearest to the
    /// same leader, it is cut in their order.
    #[inline(never)]
    pub(super) fn again(
        space: &dyn BlockSpace,
        members: Vec<u32>,
        longest: usize,
        seed: u64,
        nodes: &Nodes,
    ) -> Result<Vec<Vec<u32>>, OutOfMemory> {
        let len = members.len();
        let count = (2 * len / longest).clamp(3, MOST_LEADERS);
        let mut split = Self::with_leaders(space, members, count, 1, seed, nodes)?;
        let mut buffers = Buffers::default();
        for at in (0..len).step_by(CODES_TOGETHER) {
            let joined = split.joined(space, at, &mut buffers, nodes)?;
            split.join(at, &joined)?;
        }
        if split.parts.iter().all(|part| part.len() <= len / 2) {
            return Ok(split.parts);
        }
        let mut parts = Vec::new();
        parts.try_reserve(len / longest + 1)?;
        for members in split.members.chunks(longest) {
            let mut part = Vec::new();
            part.try_reserve_exact(members.len())?;
            part.extend_from_slice(members);
            parts.push(part);
        }
        Ok(parts)
    }

    /// Draws leaders.
    #[inline(never)]
    fn with_leaders(
        space: &dyn BlockSpace,
        members: Vec<u32>,
        count: usize,
        fan: usize,
        seed: u64,
        nodes: &Nodes,
    ) -> Result<Self, OutOfMemory> {
        let len = members.len() as u64;
        let mut leaders: Vec<u32> = Vec::new();
        leaders.try_reserve_exact(count)?;
        let draw = |at: u64| mix(seed ^ mix(at ^ len << 32)).checked_rem(len);
        leaders.extend((0..count as u64).filter_map(|at| members.get(draw(at)? as usize)));
        sort_by(&mut leaders, |a, b| a < b);
        leaders.dedup();
        let mut leader_codes = Block::default();
        leader_codes.fill(space, leaders.iter().map(|&member| nodes.slot(member)), Side::Many)?;
        let mut parts = Vec::new();
        parts.try_reserve_exact(leaders.len())?;
        parts.resize_with(leaders.len(), Vec::new);
        Ok(Self { members, fan: fan.min(leaders.len()), leaders, leader_codes, next: 0, parts })
    }

    /// The nearest leaders of up to [`CODES_TOGETHER`] members from position `at` on.
    #[inline(never)]
    pub(super) fn joined(
        &self,
        space: &dyn BlockSpace,
        at: usize,
        buffers: &mut Buffers,
        nodes: &Nodes,
    ) -> Result<[Joined; CODES_TOGETHER], OutOfMemory> {
        let Buffers { few, distances } = buffers;
        let members = &self.members[at..self.members.len().min(at + CODES_TOGETHER)];
        few.fill(space, members.iter().map(|&member| nodes.slot(member)), Side::Few)?;
        distances.try_reserve(self.leader_codes.len().saturating_sub(distances.len()))?;
        distances.resize(self.leader_codes.len(), [0.0; CODES_TOGETHER]);
        space.score_packed(few, &self.leader_codes, 0, distances);
        let mut joined = [[NO_LEADER; PARTS]; CODES_TOGETHER];
        for (i, joined) in joined.iter_mut().enumerate().take(members.len()) {
            let mut nearest = [Near::NONE; PARTS];
            let mut limit = Distance::INFINITY;
            for (leader, distances) in distances.iter().enumerate() {
                if distances[i] < limit {
                    insert(&mut nearest[..self.fan], Near::new(distances[i], leader as u32));
                    let last = nearest[self.fan - 1];
                    limit = if last == Near::NONE { limit } else { last.distance() };
                }
            }
            *joined = nearest.map(|near| if near == Near::NONE { NO_LEADER } else { near.member() as u16 });
        }
        Ok(joined)
    }

    /// Lets up to [`CODES_TOGETHER`] members from position `at` on join parts.
    #[inline(never)]
    pub(super) fn join(&mut self, at: usize, joined: &[Joined; CODES_TOGETHER]) -> Result<(), OutOfMemory> {
        for (&member, joined) in self.members[at..].iter().zip(joined) {
            for &leader in joined {
                if let Some(part) = self.parts.get_mut(usize::from(leader)) {
                    part.try_reserve(1)?;
                    part.push(member);
                }
            }
        }
        Ok(())
    }
}

/// Buffers of comparisons with leaders.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    few: Block,
    distances: Vec<[Distance; CODES_TOGETHER]>,
}
