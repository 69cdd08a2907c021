//! Linking new nodes.

use super::{BASE, Plane, World};
use crate::types::{Level, Slot};
use proptest::prelude::*;

#[test]
fn the_first_node_has_no_links_and_is_the_entry_point() {
    let mut world = World::empty(Plane::line(&[5.0, 6.0]), 4);
    assert_eq!(world.graph.entry(), None);
    world.insert(0, Level(2));
    assert_eq!((world.graph.entry(), world.links(0)), (Some(Slot(0)), vec![]));
    world.insert(1, BASE);
    assert_eq!((world.links(0), world.links(1)), (vec![(1, true)], vec![(0, true)]));
    world.sound();
}

#[test]
fn only_a_higher_node_becomes_the_entry_point() {
    let mut world = World::empty(Plane::scattered(5, 1), 4);
    let levels = [1, 0, 1, 3, 2];
    let entries = levels.into_iter().enumerate().map(|(slot, level)| {
        world.insert(slot as u32, Level(level));
        world.sound();
        world.graph.entry().unwrap().0
    });
    assert_eq!(entries.collect::<Vec<_>>(), [0, 0, 0, 3, 3]);
}

#[test]
fn neighbours_lie_in_different_directions() {
    // From 0, five points lie close together on one side and one, farther away, on the other.
    let mut world = World::empty(Plane::line(&[1.0, 1.1, 1.2, 1.3, 1.4, -3.0, 0.0]), 4);
    (0..7).for_each(|slot| world.insert(slot, BASE));
    let neighbours: Vec<u32> = world.links(6).into_iter().map(|(slot, _)| slot).collect();
    assert!(neighbours.contains(&0) && neighbours.contains(&5), "{neighbours:?}");
    world.sound();
}

#[test]
fn a_node_among_tombstones_only_starts_a_tree_of_its_own() {
    let mut world = World::grown(Plane::scattered(40, 3), 4);
    for slot in 0..39 {
        world.tombstones.delete(Slot(slot));
    }
    world.sound();
    world.tombstones.delete(Slot(39));
    world.plane.points.push([1.0, 1.0]);
    world.insert(40, BASE);
    assert_eq!((world.links(40), world.graph.entry()), (vec![], Some(Slot(40))));
    world.sound();
    world.plane.points.push([2.0, 1.0]);
    world.insert(41, BASE);
    assert_eq!(world.links(41), [(40, true)], "and the next one joins it, not the dead");
    world.sound();
}

#[test]
fn no_new_node_links_to_a_tombstone() {
    let mut world = World::grown(Plane::scattered(300, 9), 4);
    for slot in (0..300).filter(|slot| slot % 3 != 0) {
        world.tombstones.delete(Slot(slot));
    }
    world.plane.points.extend(Plane::scattered(100, 10).points);
    for slot in 300..400 {
        world.insert(slot, BASE);
        let chosen = world.links(slot);
        // A tree link may lead further away than the chosen, along the tree.
        assert!(chosen.iter().all(|&(other, tree)| tree || world.tombstones.is_live(Slot(other))), "{chosen:?}");
        world.sound();
    }
}

proptest! {
    /// The graph is sound after each insert. In the end every node is in one tree, no list is longer than its bound,
    /// and none has more than M + 1 tree links.
    #[test]
    fn every_insert_keeps_the_promises(m in 4usize..9, n in 1usize..120, seed in any::<u64>(), spread in 0u8..8) {
        let mut plane = Plane::scattered(n, seed);
        // From all different to all the same.
        plane.points.iter_mut().flatten().for_each(|x| *x = (*x / f32::from(1u16 << spread)).floor());
        let mut world = World::empty(plane, m);
        for slot in 0..n as u32 {
            world.insert(slot, Level((slot % 11 == 3).into()));
            world.sound();
        }
        prop_assert_eq!(world.tree_of(Slot(0)).len(), n);
        for slot in 0..n as u32 {
            let links = world.links(slot);
            prop_assert!(links.len() <= 2 * m);
            // M from nodes that attach here, and the one by which this node was attached.
            prop_assert!(links.iter().filter(|link| link.1).count() <= m + 1);
        }
    }
}
