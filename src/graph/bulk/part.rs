//! Comparing the members of a part with one another.

use super::nearest::{Near, Nearest, insert};
use super::nodes::Nodes;
use crate::metric::Kernels;
use crate::quantize::{Block, BlockSpace, CODES_TOGETHER, Side};
use crate::types::{Distance, OutOfMemory};

/// How many of its nearest in a part a member keeps.
const FOUND_IN_PART: usize = 12;
/// How many distances are looked at together.
const LANES: usize = 32;
/// How many members ahead the lists of a member are prefetched: each is somewhere else in memory.
const AHEAD: usize = 8;

/// A part under comparison. Its buffers are used again for the next.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// In ascending order, so that of two members it is always the same one that is compared with the other.
    members: Vec<u32>,
    /// The position of the first member that has not been compared with those behind it.
    next: usize,
    many: Block,
    few: Block,
    /// The distances of a few members to those from the first of them on.
    distances: Vec<[Distance; CODES_TOGETHER]>,
    /// The distance of each member to each, row after row.
    matrix: Vec<Distance>,
    /// The nearest found of each member, in order.
    found: Vec<[Near; FOUND_IN_PART]>,
}

impl Part {
    /// Begins with other members.
    pub(super) fn begin(
        &mut self,
        space: &dyn BlockSpace,
        members: Vec<u32>,
        nodes: &Nodes,
    ) -> Result<(), OutOfMemory> {
        let len = members.len();
        self.many.fill(space, members.iter().map(|&member| nodes.slot(member)), Side::Many)?;
        self.members = members;
        self.next = 0;
        self.found.clear();
        self.found.try_reserve(len)?;
        grow(&mut self.distances, len, [0.0; CODES_TOGETHER])?;
        grow(&mut self.matrix, len * len, 0.0)
    }

    /// Compares up to `most` members with all behind them, and looks for the nearest when all have been compared.
    /// Returns true while some are left.
    pub(super) fn advance(
        &mut self,
        space: &dyn BlockSpace,
        nearest: &Nearest,
        most: usize,
    ) -> Result<bool, OutOfMemory> {
        let len = self.members.len();
        let until = len.min(self.next + most);
        while self.next < until {
            let first = self.next;
            let few = CODES_TOGETHER.min(len - first);
            self.few.fill_from(&self.many, first, few)?;
            let distances = &mut self.distances[..len - first];
            space.score_packed(&self.few, &self.many, first, distances);
            let matrix = &mut self.matrix[..len * len];
            for i in 0..few {
                let row = &mut matrix[(first + i) * len..][..len];
                for (place, distances) in row[first..].iter_mut().zip(&*distances) {
                    *place = distances[i];
                }
            }
            for (row, distances) in matrix.chunks_exact_mut(len).skip(first).zip(&*distances) {
                row[first..first + few].copy_from_slice(&distances[..few]);
            }
            self.next += few;
        }
        if self.next == len {
            let rows = self.matrix.chunks_exact(len.max(1)).zip(&self.members).enumerate();
            self.found.extend(
                rows.map(|(at, (row, &member))| nearest_of(row, at, &self.members, nearest.limit(member as usize))),
            );
        }
        Ok(self.next < len)
    }

    /// Bytes held.
    pub(super) const fn resident_bytes(&self) -> usize {
        let floats = self.matrix.capacity() + CODES_TOGETHER * self.distances.capacity();
        let lists =
            self.members.capacity() * size_of::<u32>() + self.found.capacity() * size_of::<[Near; FOUND_IN_PART]>();
        self.many.resident_bytes() + self.few.resident_bytes() + floats * size_of::<Distance>() + lists
    }

    /// Gives to each member what was found for it.
    pub(super) fn hand_over(&self, nearest: &mut Nearest, kernels: Kernels) {
        for (at, (&member, found)) in self.members.iter().zip(&self.found).enumerate() {
            if Kernels::PREFETCHES
                && let Some(&ahead) = self.members.get(at + AHEAD)
            {
                nearest.prefetch(ahead as usize, kernels);
            }
            nearest.merge(member as usize, found);
        }
    }
}

/// The smaller of two distances, or `b` if either is not a number. One instruction, also of vectors, where `f32::min`
/// takes four.
#[inline(always)]
const fn nearer(a: Distance, b: Distance) -> Distance {
    if a < b { a } else { b }
}

/// Finds the nearest to the member at a position, no farther away than `most`, by its distances to all `members`.
#[inline(never)]
fn nearest_of(row: &[Distance], at: usize, members: &[u32], most: Distance) -> [Near; FOUND_IN_PART] {
    let within = kept_within(row);
    let mut limit = nearer(most, within);
    let mut kept = [Near::NONE; FOUND_IN_PART];
    let itself = members[at];
    for (distances, members) in row.chunks(LANES).zip(members.chunks(LANES)) {
        if !distances.iter().fold(false, |any, &distance| any | (distance <= limit)) {
            continue;
        }
        for (&distance, &member) in distances.iter().zip(members) {
            let near = Near::new(distance, member);
            if distance <= limit && member != itself && near < kept[FOUND_IN_PART - 1] {
                insert(&mut kept, near);
                let last = distance_of(kept[FOUND_IN_PART - 1]);
                limit = nearer(last, limit);
            }
        }
    }
    kept
}

/// A distance within which at least [`FOUND_IN_PART`] of a row are, the one of a member to itself aside, and not many
/// more: the row is cut into strips, and so many strips have their least within it.
#[inline(never)]
fn kept_within(row: &[Distance]) -> Distance {
    let mut least = [Distance::INFINITY; LANES];
    for strip in row.as_chunks::<LANES>().0 {
        for (least, &distance) in least.iter_mut().zip(strip) {
            *least = nearer(distance, *least);
        }
    }
    let mut nearest = [Near::NONE; FOUND_IN_PART + 1];
    for (at, &distance) in least.iter().enumerate() {
        let near = Near::new(distance, at as u32);
        if near < nearest[FOUND_IN_PART] {
            insert(&mut nearest, near);
        }
    }
    nearest[FOUND_IN_PART].distance()
}

/// The distance of the last that is kept; infinite as long as there is room.
fn distance_of(last: Near) -> Distance {
    if last == Near::NONE { Distance::INFINITY } else { last.distance() }
}

/// Makes a buffer at least so long.
fn grow<T: Copy>(buffer: &mut Vec<T>, len: usize, value: T) -> Result<(), OutOfMemory> {
    buffer.try_reserve_exact(len.saturating_sub(buffer.len()))?;
    buffer.resize(len.max(buffer.len()), value);
    Ok(())
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_of_a_row_are_found(row in prop::collection::vec(0..50i32, 1..300), at in 0..300usize, most in -1..60i32) {
            let at = at % row.len();
            let distances: Vec<Distance> = row.iter().map(|&distance| distance as f32).collect();
            let members: Vec<u32> = (0..row.len() as u32).map(|member| 3 * member).collect();
            let mut all: Vec<Near> = (distances.iter().zip(&members).enumerate())
                .filter(|&(other, (distance, _))| other != at && *distance <= most as f32)
                .map(|(_, (&distance, &member))| Near::new(distance, member))
                .collect();
            all.sort();
            all.resize(all.len().max(FOUND_IN_PART), Near::NONE);
            prop_assert_eq!(nearest_of(&distances, at, &members, most as f32).to_vec(), all[..FOUND_IN_PART].to_vec());
        }
    }

    #[test]
    fn what_is_not_a_number_is_not_near() {
        let mut row = [Distance::NAN; 100];
        row[70] = 1.0;
        let found = nearest_of(&row, 3, &core::array::from_fn::<u32, 100, _>(|at| at as u32), Distance::INFINITY);
        assert_eq!((found[0], found[1]), (Near::new(1.0, 70), Near::NONE));
    }
}
