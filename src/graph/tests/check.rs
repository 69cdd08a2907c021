//! Every kind of damage is seen and named: a proof that nothing can fail proves nothing.

use super::super::links::{END, TREE, target};
use super::{BASE, Plane, World};
use crate::types::{Level, Slot};

fn healthy() -> World {
    let mut world = World::grown(Plane::scattered(120, 8), 4);
    world.tombstones.delete(Slot(7));
    world.sound();
    world
}

/// A node above level 0.
fn tall(world: &World) -> Slot {
    world.slots().find(|&slot| world.graph.level(slot) == Some(Level(1))).unwrap()
}

#[track_caller]
fn seen(words: &str, damage: impl FnOnce(&mut World)) {
    let mut world = healthy();
    damage(&mut world);
    let problems = world.problems();
    assert!(problems.iter().any(|problem| problem.contains(words)), "{words:?} not in {problems:?}");
    assert!(problems.len() <= 16);
}

#[test]
fn links_to_nowhere() {
    for slot in [120, 1 << 20, TREE - 1] {
        seen("which is not there", |world| world.graph.list_mut(Slot(3), BASE)[0] = slot);
    }
    seen("which is not there", |world| {
        world.tombstones.delete(Slot(50));
        world.graph.free(Slot(50));
    });
    seen("which is not there", |world| {
        let (slot, low) = (tall(world), world.slots().find(|&slot| world.graph.level(slot) == Some(BASE)).unwrap());
        world.graph.list_mut(slot, Level(1))[0] = low.0;
    });
}

#[test]
fn lists_out_of_order() {
    seen("twice, or to itself", |world| world.graph.list_mut(Slot(3), BASE)[0] = 3);
    seen("twice, or to itself", |world| {
        let list = world.graph.list_mut(Slot(3), BASE);
        list[1] = list[0] & !TREE;
    });
    seen("has a hole", |world| world.graph.list_mut(Slot(3), BASE)[0] = END);
    seen("free slot 119 has links", |world| assert!(world.graph.nodes.remove(Slot(119))));
}

#[test]
fn trees_that_are_not() {
    seen("has one end", |world| {
        let link = world.graph.list_mut(Slot(3), BASE).iter_mut().find(|link| **link & TREE != 0).unwrap();
        *link &= !TREE;
    });
    seen("there is a cycle", |world| {
        // An ordinary link that both ends hold becomes a tree link too many.
        let both = world.slots().find_map(|slot| {
            let plain = |&&link: &&u32| link & TREE == 0 && world.graph.list(target(link), BASE).contains(&slot.0);
            world.graph.links(slot, BASE).iter().find(plain).map(|&link| (slot, target(link)))
        });
        let (a, b) = both.unwrap();
        for (here, there) in [(a, b), (b, a)] {
            let link = world.graph.list_mut(here, BASE).iter_mut().find(|link| **link == there.0).unwrap();
            *link |= TREE;
        }
    });
    seen("has one end", |world| {
        let slot = tall(world);
        world.graph.list_mut(slot, Level(1))[0] |= TREE;
    });
}

/// Ordinary links still reach every node of such a graph. A compaction relies on the tree alone to keep that so, and
/// used to lose nodes of a file whose tree links had lost their marks.
#[test]
fn live_nodes_in_several_trees() {
    seen("live nodes are in 119 trees", |world| {
        for slot in world.slots().collect::<Vec<_>>() {
            world.graph.list_mut(slot, BASE).iter_mut().filter(|link| **link != END).for_each(|link| *link &= !TREE);
        }
    });
    // One tree link less, and no other: the entry point's tree lacks the other part.
    seen("live nodes are in 2 trees", |world| {
        let (a, b) = world
            .slots()
            .find_map(|slot| {
                world.graph.links(slot, BASE).iter().find(|&&link| link & TREE != 0).map(|&link| (slot, link))
            })
            .unwrap();
        for (here, there) in [(a, b), (target(b), a.0 | TREE)] {
            world.graph.list_mut(here, BASE).iter_mut().filter(|link| **link == there).for_each(|link| *link &= !TREE);
        }
    });
}

#[test]
fn what_cannot_be_reached() {
    seen("live slot 60 is not reachable", |world| {
        for slot in world.slots().collect::<Vec<_>>() {
            let links: Vec<u32> = world.graph.links(slot, BASE).to_vec();
            let kept = links.into_iter().filter(|&link| slot != Slot(60) && target(link) != Slot(60));
            world.graph.set_links(slot, BASE, kept.map(|link| link & !TREE));
        }
    });
    seen("no entry point", |world| world.graph.set_entry(None));
    seen("is not a node", |world| world.graph.set_entry(Some(Slot(120))));
    // A slot that is not live need not be reachable.
    let mut world = healthy();
    super::super::tree::cut_out(&mut world.graph, &world.plane, Slot(7), &mut Default::default());
    for slot in world.slots().collect::<Vec<_>>() {
        let links: Vec<u32> = world.graph.links(slot, BASE).to_vec();
        let kept = links.into_iter().filter(|&link| slot != Slot(7) && target(link) != Slot(7));
        world.graph.set_links(slot, BASE, kept);
    }
    assert_eq!(world.problems(), Vec::<String>::new());
}

#[test]
fn upper_lists_of_nobody() {
    seen("upper lists of nodes, of", |world| {
        let slot = tall(world);
        world.graph.nodes.remove(slot);
    });
    for slot in [120, 1023, 1024, 5000].map(Slot) {
        seen("upper lists of nodes, of", |world| {
            world.graph.upper.reserve(slot, Level(2)).unwrap();
            world.graph.upper.add(slot, Level(2));
        });
    }
    seen("which is not there", |world| {
        let slot = tall(world);
        world.graph.upper.remove(slot);
    });
}
