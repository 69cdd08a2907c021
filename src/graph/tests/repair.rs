//! Relinking around leaving nodes, and moving nodes.

use super::super::links::target;
use super::super::repair::Fates;
use super::super::tree::cut_out;
use super::tree::bare;
use super::{BASE, Plane, World};
use crate::quantize::Point;
use crate::types::{Level, Slot};
use proptest::prelude::*;

impl World {
    /// Steps 1 to 3 of a compaction, for these nodes.
    fn remove(&mut self, leaving: &[Slot]) {
        let Self { plane, graph, tombstones, scratch } = self;
        for &slot in leaving {
            tombstones.delete(slot);
            cut_out(graph, plane, slot, &mut Point::default());
            graph.bridge(plane, slot, &|slot| leaving.contains(&slot), &mut Point::default());
        }
        let fates = Fates { is_leaving: |slot| leaving.contains(&slot), is_live: |slot| tombstones.is_live(slot) };
        for slot in (0..graph.len() as u32).map(Slot).filter(|slot| !leaving.contains(slot)) {
            graph.relink(plane, slot, &fates, scratch).unwrap();
            for level in (0..=graph.level(slot).unwrap().0).map(Level) {
                let links = graph.links(slot, level);
                assert!(!links.iter().any(|&link| leaving.contains(&target(link))), "slot {slot:?}: {links:?}");
            }
        }
        if graph.entry().is_none_or(|entry| leaving.contains(&entry)) {
            let stays = (0..graph.len() as u32).map(Slot).filter(|slot| !leaving.contains(slot));
            let highest = stays.max_by_key(|&slot| graph.level(slot));
            graph.set_entry(highest);
        }
        for &slot in leaving {
            graph.isolate(slot);
        }
        for &slot in leaving {
            graph.free(slot);
            tombstones.free(slot);
        }
    }
}

#[test]
fn a_gap_is_filled_with_what_lay_behind_it() {
    // 0 - 1 - 2 on a line: when 1 leaves, 0 and 2 find each other.
    let mut world = World::empty(Plane::line(&[0.0, 1.0, 2.0]), 4);
    (0..3).for_each(|slot| world.insert(slot, BASE));
    world.remove(&[Slot(1)]);
    assert_eq!((world.links(0), world.links(2)), (vec![(2, true)], vec![(0, true)]));
    world.sound();
}

/// Without bridging, which would leave nothing to do.
#[test]
fn many_gaps_are_filled_and_few_are_closed() {
    for (leaving, is_relinked) in [(&[1][..], false), (&[1, 2], true)] {
        let places: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let mut world = bare(Plane::line(&places), 4);
        world.graph.set_links(Slot(0), BASE, (1..8).chain([11]));
        leaving.iter().for_each(|&gone| world.graph.set_links(Slot(gone), BASE, [0, 8, 9, 10]));
        let World { plane, graph, tombstones, scratch } = &mut world;
        let fates =
            Fates { is_leaving: |slot: Slot| leaving.contains(&slot.0), is_live: |slot| tombstones.is_live(slot) };
        assert_eq!(graph.relink(plane, Slot(0), &fates, scratch), Ok(is_relinked), "{leaving:?}");
        let led_to: Vec<u32> = world.links(0).into_iter().map(|link| link.0).collect();
        assert!(!led_to.iter().any(|other| leaving.contains(other)), "{led_to:?}");
        assert_eq!(led_to.contains(&8), is_relinked, "8 is the nearest of what they led to: {led_to:?}");
        assert_eq!(world.links(8), if is_relinked { vec![(0, false)] } else { vec![] });
    }
}

#[test]
fn a_node_that_loses_nearly_all_is_linked_from_the_entry_point() {
    let places: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let mut world = bare(Plane::line(&places), 4);
    world.graph.set_entry(Some(Slot(4)));
    world.graph.set_links(Slot(4), BASE, [5, 6, 7]);
    world.graph.set_links(Slot(0), BASE, [1, 2, 3]);
    let World { plane, graph, tombstones, scratch } = &mut world;
    let fates = Fates { is_leaving: |slot: Slot| (1..4).contains(&slot.0), is_live: |slot| tombstones.is_live(slot) };
    assert_eq!(graph.relink(plane, Slot(0), &fates, scratch), Ok(true));
    assert_eq!(world.links(0)[0].0, 4, "{:?}", world.links(0));
}

#[test]
fn good_links_stay_as_they_are() {
    let mut world = World::grown(Plane::scattered(200, 4), 6);
    let leaving: Vec<Slot> = (0..200).step_by(5).map(Slot).collect();
    let before: Vec<Vec<u32>> =
        (0..200).map(|slot| world.links(slot).into_iter().map(|link| link.0).collect()).collect();
    world.remove(&leaving);
    world.sound();
    for (slot, before) in before.iter().enumerate().filter(|(slot, _)| slot % 5 != 0) {
        let after: Vec<u32> = world.links(slot as u32).into_iter().map(|link| link.0).collect();
        // A join of the tree may have taken the farthest link of a full list.
        let lost = before.iter().filter(|&&other| other % 5 != 0 && !after.contains(&other)).count();
        assert!(lost <= 2, "slot {slot}: {before:?} became {after:?}");
        assert!(after.len() >= before.len().min(3), "slot {slot}: {before:?} became {after:?}");
    }
}

#[test]
fn a_node_whose_whole_surroundings_leave_finds_company() {
    // Two clusters far apart; of the first, one node stays.
    let mut plane = Plane::scattered(60, 5);
    plane.points[..30].iter_mut().for_each(|point| point[0] -= 10_000.0);
    let mut world = World::grown(plane, 4);
    world.remove(&(1..30).map(Slot).collect::<Vec<_>>());
    world.sound();
    assert!(world.links(0).len() >= 2, "{:?}", world.links(0));
}

#[test]
fn an_isolated_node_keeps_its_place_and_nothing_else() {
    let mut world = World::grown(Plane::scattered(60, 6), 4);
    let high = world.slots().find(|&slot| world.graph.level(slot) > Some(BASE)).unwrap();
    cut_out(&mut world.graph, &world.plane, high, &mut Point::default());
    let level = world.graph.level(high);
    world.graph.isolate(high);
    assert_eq!(world.graph.level(high), level);
    for level in 0..=level.unwrap().0 {
        assert!(world.graph.links(high, Level(level)).is_empty());
    }
    world.tombstones.delete(high);
    assert!(world.problems().is_empty());
    world.graph.isolate(Slot(9999));
}

/// A node, a level, and the links there: where each leads, and whether it is a tree link.
type Named = (u32, u8, Vec<(u32, bool)>);

/// The links of every node on every level, by name.
fn picture(world: &World, name: impl Fn(Slot) -> u32) -> Vec<Named> {
    let mut all = Vec::new();
    for slot in world.slots() {
        let Some(top) = world.graph.level(slot) else { continue };
        for level in 0..=top.0 {
            let mark = |link: u32| (name(target(link)), link >> 31 == 1);
            let mut links: Vec<_> = world.graph.links(slot, Level(level)).iter().map(|&link| mark(link)).collect();
            links.sort_unstable();
            all.push((name(slot), level, links));
        }
    }
    all.sort();
    all
}

proptest! {
    #[test]
    fn what_is_left_is_sound_and_leads_nowhere_dead(
        m in 4usize..7, n in 2usize..90, seed in any::<u64>(), gone in any::<u64>(), share in 1u64..10,
    ) {
        let mut world = World::grown(Plane::scattered(n, seed), m);
        let leaves = |slot: &Slot| (u64::from(slot.0) + 1).wrapping_mul(gone | 1) >> 32 & 15 < share + 3;
        let leaving: Vec<Slot> = world.slots().filter(leaves).collect();
        prop_assume!(leaving.len() < n);
        world.remove(&leaving);
        world.sound();
        let first = world.slots().find(|slot| !leaving.contains(slot)).unwrap();
        prop_assert_eq!(world.tree_of(first).len(), n - leaving.len());
        for slot in 0..n as u32 {
            prop_assert!(world.links(slot).iter().all(|link| !leaving.contains(&Slot(link.0))));
        }
    }

    /// Moving and redirecting rename nodes and leave the graph otherwise unchanged.
    #[test]
    fn moving_renames_and_changes_nothing_else(n in 3usize..70, seed in any::<u64>(), chains in any::<bool>()) {
        let mut world = World::grown(Plane::scattered(n, seed), 4);
        // The first third leaves, so that there is room to move into.
        let leaving: Vec<Slot> = world.slots().take(n / 3).collect();
        world.remove(&leaving);
        let mut name: Vec<u32> = (0..n as u32).collect();
        let before = picture(&world, |slot| slot.0);
        let mut moved: Vec<Slot> = Vec::new();
        for (at, to) in (0..leaving.len() as u32).map(Slot).enumerate() {
            // Move either a node from the end, or the one that has just moved, by one place.
            let from = if chains && at > 0 { Slot(to.0 - 1) } else { Slot((n - 1 - at) as u32) };
            if from <= to && !chains {
                break;
            }
            let level = world.graph.level(from).unwrap();
            world.graph.reserve_node(to, level).unwrap();
            world.graph.relocate(from, to);
            world.plane.points[to.index()] = world.plane.points[from.index()];
            world.tombstones.add(to);
            world.tombstones.delete(from);
            world.sound();
            name[to.index()] = name[from.index()];
            moved.push(from);
        }
        let has_moved = |slot: Slot| moved.contains(&slot);
        for slot in (0..n as u32).map(Slot).filter(|&slot| !has_moved(slot)) {
            world.graph.redirect(slot, has_moved);
            world.sound();
        }
        for &slot in &moved {
            world.graph.isolate(slot);
        }
        for &slot in &moved {
            world.graph.free(slot);
            world.tombstones.free(slot);
            world.sound();
        }
        prop_assert_eq!(picture(&world, |slot| name[slot.index()]), before);
    }
}
