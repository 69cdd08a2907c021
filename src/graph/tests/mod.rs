//! The graph alone, over points of a plane, where distances are easy to see.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod bridge;
mod build;
mod bulk;
mod check;
mod repair;
mod scan;
mod select;
mod tree;
mod upper;

use super::links::TREE;
use super::{Graph, NewNode, Scratch, draw_level, inspect};
use crate::metric::Kernels;
use crate::quantize::{Point, Space};
use crate::tombstone::Tombstones;
use crate::types::{Distance, Level, OutOfMemory, Slot};

pub(super) const BASE: Level = Level::BASE;

/// Points as their own codes; distances are squared Euclidean.
pub(super) struct Plane {
    pub(super) points: Vec<[f32; 2]>,
    kernels: Kernels,
}

impl Plane {
    pub(super) fn new(points: Vec<[f32; 2]>) -> Self {
        Self { points, kernels: Kernels::detect() }
    }

    /// Points on a line, at these places.
    pub(super) fn line(places: &[f32]) -> Self {
        Self::new(places.iter().map(|&x| [x, 0.0]).collect())
    }

    /// `n` points from a seed, some of them on top of each other.
    pub(super) fn scattered(n: usize, seed: u64) -> Self {
        let mut state = seed | 1;
        let mut coordinate = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 56) as f32
        };
        Self::new((0..n).map(|_| [coordinate(), coordinate()]).collect())
    }

    pub(super) fn between(&self, a: Slot, b: Slot) -> Distance {
        self.distance(self.points[a.index()], b)
    }

    fn distance(&self, [x, y]: [f32; 2], slot: Slot) -> Distance {
        let at = self.points[slot.index()];
        (at[0] - x).powi(2) + (at[1] - y).powi(2)
    }
}

impl Space for Plane {
    fn fix(&self, slot: Slot, point: &mut Point) {
        point.hold(&self.points[slot.index()]);
    }

    fn fix_query(&self, vector: &[f32], _: f64, point: &mut Point) -> Result<(), OutOfMemory> {
        point.hold(vector);
        Ok(())
    }

    fn score(&self, point: &Point, slots: &[Slot], distances: &mut [Distance]) {
        let at = [point.held()[0], point.held()[1]];
        for (distance, &slot) in distances.iter_mut().zip(slots) {
            *distance = self.distance(at, slot);
        }
    }

    fn error(&self, _: &Point, _: Slot) -> Distance {
        0.0
    }

    fn has_zero(&self) -> bool {
        true
    }

    fn are_twins(&self, a: Slot, b: Slot) -> bool {
        self.points[a.index()] == self.points[b.index()]
    }

    fn kernels(&self) -> Kernels {
        self.kernels
    }
}

/// A graph and what goes with it.
pub(super) struct World {
    pub(super) plane: Plane,
    pub(super) graph: Graph,
    pub(super) tombstones: Tombstones,
    pub(super) scratch: Scratch,
}

impl World {
    /// No node yet.
    pub(super) fn empty(plane: Plane, m: usize) -> Self {
        Self { plane, graph: Graph::new(m), tombstones: Tombstones::new(), scratch: Scratch::default() }
    }

    /// A node for every point, inserted in order.
    pub(super) fn grown(plane: Plane, m: usize) -> Self {
        let mut world = Self::empty(plane, m);
        for slot in 0..world.plane.points.len() {
            world.insert(slot as u32, draw_level(7, slot as u64, m));
        }
        world
    }

    pub(super) fn insert(&mut self, slot: u32, level: Level) {
        let Self { plane, graph, tombstones, scratch } = self;
        tombstones.reserve(plane.points.len()).unwrap();
        graph
            .insert(plane, NewNode { slot: Slot(slot), level, ef_construction: 24 }, tombstones.live_slots(), scratch)
            .unwrap();
        tombstones.add(Slot(slot));
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.graph.len() as u32).map(Slot)
    }

    /// What the structural proof finds wrong.
    pub(super) fn problems(&self) -> Vec<String> {
        inspect(&self.graph, |slot| self.tombstones.is_live(slot)).unwrap().problems
    }

    #[track_caller]
    pub(super) fn sound(&self) {
        let shape = inspect(&self.graph, |slot| self.tombstones.is_live(slot)).unwrap();
        assert_eq!(shape.problems, Vec::<String>::new());
        assert_eq!(shape.reachable, self.tombstones.live());
    }

    /// Where a node's links on level 0 lead, and which are tree links.
    pub(super) fn links(&self, slot: u32) -> Vec<(u32, bool)> {
        self.graph.links(Slot(slot), BASE).iter().map(|&link| (link & !TREE, link & TREE != 0)).collect()
    }

    /// The nodes that a walk over tree links alone meets from `start`.
    pub(super) fn tree_of(&self, start: Slot) -> Vec<Slot> {
        let (mut met, mut at) = (vec![start], 0);
        while at < met.len() {
            for next in super::tree::tree_neighbours(&self.graph, met[at]) {
                if !met.contains(&next) {
                    met.push(next);
                }
            }
            at += 1;
        }
        met.sort();
        met
    }
}
