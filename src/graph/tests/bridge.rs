//! Linking the neighbours of a leaving node to one another.

use super::super::bridge::{key, place};
use super::super::links::TREE;
use super::tree::bare;
use super::{BASE, Plane, World};
use crate::quantize::Point;
use crate::types::{Level, Slot};
use proptest::prelude::*;

impl World {
    fn link(&mut self, slot: u32, to: &[u32]) {
        self.graph.set_links(Slot(slot), BASE, to.iter().copied());
    }

    fn bridge(&mut self, slot: u32, leaving: &[u32]) {
        let is_leaving = |slot: Slot| leaving.contains(&slot.0);
        self.graph.bridge(&self.plane, Slot(slot), &is_leaving, &mut Point::default());
    }

    fn led_to(&self, slot: u32) -> Vec<u32> {
        self.links(slot).into_iter().map(|link| link.0).collect()
    }
}

#[test]
fn neighbours_are_linked_in_both_directions() {
    let mut world = bare(Plane::line(&[0.0, 1.0, -2.0, 40.0]), 4);
    world.link(0, &[1, 2, 3]);
    (1..4).for_each(|slot| world.link(slot, &[0]));
    world.bridge(0, &[0]);
    assert_eq!(world.led_to(0), [1, 2, 3], "a leaving node can still be walked through");
    assert_eq!(world.led_to(1), [2, 3], "2 took the place of 0; 3 chose 1, and is linked back");
    assert_eq!((world.led_to(2), world.led_to(3)), (vec![1], vec![1]));
}

#[test]
fn a_candidate_gives_way_to_a_neighbour_that_is_nearer_to_it() {
    // 2 lies behind 1, which 0 is linked to already; 3 lies in the other direction.
    let mut world = bare(Plane::line(&[0.0, 10.0, 11.0, -20.0, 5.0]), 4);
    world.link(0, &[1, 4]);
    world.link(1, &[4]);
    world.link(4, &[0, 1, 2, 3]);
    world.bridge(4, &[4]);
    assert_eq!(world.led_to(0), [1, 3]);
}

#[test]
fn links_that_are_not_returned_or_cannot_be_replaced_stay() {
    let mut world = bare(Plane::line(&[0.0, 1.0, 2.0]), 4);
    world.link(0, &[1]);
    world.link(1, &[0]);
    world.link(2, &[0]);
    world.bridge(0, &[0]);
    assert_eq!(world.led_to(1), [0], "there is no other neighbour");
    assert_eq!(world.led_to(2), [0], "0 does not lead to 2");
}

/// Two nodes that leave one after the other lie between two that stay.
#[test]
fn a_node_that_leaves_later_passes_on_what_it_got() {
    let mut world = bare(Plane::line(&[1.0, 2.0, 0.0, 3.0]), 4);
    world.link(0, &[2, 1]);
    world.link(1, &[0, 3]);
    world.link(2, &[0]);
    world.link(3, &[1]);
    world.bridge(0, &[0, 1]);
    assert_eq!((world.led_to(1), world.led_to(2)), (vec![2, 3], vec![1]));
    world.bridge(1, &[0, 1]);
    assert_eq!((world.led_to(2), world.led_to(3)), (vec![3], vec![2]));
}

#[test]
fn lists_of_every_level_are_bridged_and_tree_links_stay() {
    let mut world = World::empty(Plane::line(&[0.0, 1.0, -2.0, 3.0]), 4);
    world.tombstones.reserve(4).unwrap();
    for slot in (0..4).map(Slot) {
        world.graph.reserve_node(slot, Level(1)).unwrap();
        world.graph.add_node(slot, Level(1));
    }
    for level in [BASE, Level(1)] {
        world.graph.set_links(Slot(0), level, [1, 2]);
        world.graph.set_links(Slot(2), level, [0]);
    }
    world.graph.set_links(Slot(1), BASE, [3 | TREE, 0]);
    world.graph.set_links(Slot(1), Level(1), [0]);
    world.bridge(0, &[0]);
    assert_eq!(world.links(1), [(3, true), (2, false)]);
    assert_eq!((world.graph.links(Slot(1), Level(1)), world.graph.links(Slot(2), Level(1))), (&[2][..], &[1][..]));
}

/// A candidate that is farther than others takes the place all the same if it lies where the leaving node did.
#[test]
fn a_twin_inherits_the_links() {
    let mut world = bare(Plane::line(&[5.0, 5.0, 0.0, 1.0]), 4);
    world.link(0, &[2, 3, 1]);
    world.link(1, &[0]);
    world.link(2, &[0]);
    world.link(3, &[0]);
    world.bridge(0, &[0]);
    assert_eq!((world.led_to(2), world.led_to(3)), (vec![1], vec![1]));
    assert_eq!(world.led_to(1), [2, 3], "twins are not bridged with one another");
}

proptest! {
    /// Distances order keys as far as their upper bits go; the place decides among equal ones.
    #[test]
    fn keys_order_as_distances_do(a in -1e9f32..1e9, b in -1e9f32..1e9, at in 0usize..32, other in 0usize..32) {
        prop_assert_eq!((place(key(a, at)), place(key(b, other))), (at, other));
        if (a - b).abs() > 1e-5 * a.abs().max(b.abs()) {
            prop_assert_eq!(key(a, at) < key(b, other), a < b);
        }
        prop_assert_eq!(key(a, at).cmp(&key(a, other)), at.cmp(&other));
    }
}
