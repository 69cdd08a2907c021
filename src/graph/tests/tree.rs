//! Tree links: attaching, cutting out, joining.

use super::super::links::TREE;
use super::super::select::Neighbour;
use super::super::tree::{cut_out, join, place_to_attach, tree_neighbours};
use super::{BASE, Plane, World};
use crate::quantize::Point;
use crate::types::Slot;
use proptest::prelude::*;

/// Nodes without links.
pub(super) fn bare(plane: Plane, m: usize) -> World {
    let mut world = World::empty(plane, m);
    for slot in 0..world.plane.points.len() as u32 {
        world.graph.reserve_node(Slot(slot), BASE).unwrap();
        world.graph.add_node(Slot(slot), BASE);
        world.tombstones.reserve(slot as usize + 1).unwrap();
        world.tombstones.add(Slot(slot));
    }
    world.graph.set_entry(Some(Slot(0)));
    world
}

fn tie(world: &mut World, a: u32, b: u32) {
    join(&mut world.graph, &world.plane, Slot(a), Slot(b), &mut Point::default());
}

#[test]
fn joining_marks_both_ends() {
    let mut world = bare(Plane::line(&[0.0, 1.0, 2.0]), 4);
    world.graph.append(Slot(0), BASE, 1);
    tie(&mut world, 0, 1);
    assert_eq!((world.links(0), world.links(1)), (vec![(1, true)], vec![(0, true)]), "a link there was is marked");
    tie(&mut world, 1, 2);
    assert_eq!(world.links(1), [(0, true), (2, true)]);
    world.sound();
}

#[test]
fn in_a_full_list_the_farthest_ordinary_link_gives_way() {
    let places: Vec<f32> = (0..10).map(|i| i as f32).collect();
    let mut world = bare(Plane::line(&places), 4);
    world.graph.set_links(Slot(0), BASE, [1, 8, 3, 4 | TREE, 5, 6, 7 | TREE, 2]);
    tie(&mut world, 0, 9);
    assert_eq!(world.links(0)[1], (9, true), "8 was the farthest");
    tie(&mut world, 0, 6);
    assert_eq!(world.links(0)[5], (6, true));
    assert_eq!(world.links(0).iter().filter(|link| link.1).count(), 4);
}

#[test]
fn a_new_node_is_attached_to_the_nearest_with_room() {
    // Slot 0 holds M tree links; each of those has room.
    let places: Vec<f32> = (0..8).map(|i| i as f32).collect();
    let mut world = bare(Plane::line(&places), 4);
    let chosen = |slots: &[u32]| slots.iter().map(|&s| Neighbour::new(0.0, Slot(s))).collect::<Vec<_>>();
    assert_eq!(place_to_attach(&world.graph, Slot(0), &[], &|_| false), None);
    assert_eq!(place_to_attach(&world.graph, Slot(0), &chosen(&[0, 5]), &|_| false), Some(Slot(0)));
    (1..5).for_each(|other| tie(&mut world, 0, other));
    assert_eq!(
        place_to_attach(&world.graph, Slot(0), &chosen(&[0, 5]), &|_| false),
        Some(Slot(5)),
        "the next of the chosen"
    );
    assert_eq!(
        place_to_attach(&world.graph, Slot(0), &chosen(&[0]), &|_| false),
        Some(Slot(1)),
        "or else the next in the tree"
    );
}

#[test]
fn the_leaves_of_a_hub_are_joined_when_it_goes() {
    let mut world = bare(Plane::line(&[0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, 4.0, -4.0]), 4);
    (1..9).for_each(|leaf| tie(&mut world, 0, leaf));
    assert_eq!(world.links(0).len(), 8, "full of tree links");
    cut_out(&mut world.graph, &world.plane, Slot(0), &mut Point::default());
    assert_eq!(tree_neighbours(&world.graph, Slot(0)).count(), 0);
    assert_eq!(world.links(0).len(), 8, "it is still walked through");
    assert_eq!(world.tree_of(Slot(1)), (1..9).map(Slot).collect::<Vec<_>>());
    // Each is joined to the nearest of those before it.
    assert!(world.links(2).contains(&(1, true)) && world.links(3).contains(&(2, true)));
    world.tombstones.delete(Slot(0));
    world.sound();
}

#[test]
fn cutting_out_a_leaf_or_a_loner_touches_no_other() {
    let mut world = bare(Plane::line(&[0.0, 1.0, 2.0, 9.0]), 4);
    tie(&mut world, 0, 1);
    tie(&mut world, 1, 2);
    for slot in [2, 3] {
        cut_out(&mut world.graph, &world.plane, Slot(slot), &mut Point::default());
    }
    assert_eq!(world.links(0), [(1, true)]);
    assert_eq!(world.links(1), [(0, true), (2, false)]);
    assert_eq!((world.links(2), world.links(3)), (vec![(1, false)], vec![]));
}

proptest! {
    /// Whichever nodes are cut out, in whatever order, the rest stays one tree.
    #[test]
    fn what_is_left_is_one_tree(m in 4usize..7, n in 2usize..80, seed in any::<u64>(), order in any::<u64>()) {
        let mut world = World::grown(Plane::scattered(n, seed), m);
        let mut left: Vec<Slot> = world.slots().collect();
        let mut state = order;
        while left.len() > 1 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let gone = left.remove((state >> 33) as usize % left.len());
            cut_out(&mut world.graph, &world.plane, gone, &mut Point::default());
            prop_assert_eq!(tree_neighbours(&world.graph, gone).count(), 0);
            prop_assert_eq!(&world.tree_of(left[0]), &left);
            for &slot in &left {
                prop_assert!(world.links(slot.0).len() <= 2 * m);
            }
        }
    }
}
