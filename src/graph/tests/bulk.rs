//! Bulk builds.

use super::{BASE, Plane, World};
use crate::graph::bulk::{Built, BulkBuild, Task};
use crate::graph::growth::StopRule;
use crate::graph::search::{Accept, LevelSearch, descend};
use crate::graph::{NewNode, Twins, draw_level};
use crate::quantize::{Block, BlockSpace, CODES_TOGETHER, Side};
use crate::types::{Distance, OutOfMemory, Slot};

impl BlockSpace for Plane {
    fn fingerprint(&self, slot: Slot) -> u64 {
        let [x, y] = self.points[slot.index()];
        x as u64 + y as u64
    }

    fn pack(&self, _: &mut Block, _: Side) -> Result<(), OutOfMemory> {
        Ok(())
    }

    fn score_packed(&self, few: &Block, many: &Block, from: usize, distances: &mut [[Distance; CODES_TOGETHER]]) {
        for (distances, &other) in distances.iter_mut().zip(&many.slots()[from..]) {
            for (distance, &slot) in distances.iter_mut().zip(few.slots()) {
                *distance = self.between(slot, other);
            }
        }
    }
}

/// Builds a graph of all points but those of `gaps` in one go, and then inserts the nodes that were left out. Returns
/// how many these are.
fn built(world: &mut World, gaps: impl Fn(u32) -> bool) -> usize {
    let m = world.graph.m();
    let slots = (0..world.plane.points.len() as u32).filter(|&slot| !gaps(slot)).map(Slot);
    let node = |slot: Slot| NewNode { slot, level: draw_level(7, u64::from(slot.0), m), ef_construction: 24 };
    // The order in which nodes are given makes no difference.
    let mut nodes: Vec<NewNode> = slots.map(node).collect();
    nodes.reverse();
    let mut build = BulkBuild::new(nodes, 7).unwrap();
    let mut tasks: Vec<Task> = Vec::new();
    let World { plane, graph, tombstones, scratch } = world;
    loop {
        build.plan_tasks(plane, 1 + tasks.capacity() % 3, &mut tasks).unwrap();
        for task in &mut tasks {
            build.do_task(graph, plane, task, scratch).unwrap();
        }
        assert_eq!(graph.entry(), None, "no search finds a graph that is not finished");
        if build.finish_step(graph, plane, &mut tasks, scratch).unwrap() != Built::More {
            break;
        }
    }
    tombstones.reserve(plane.points.len()).unwrap();
    let left_out: Vec<NewNode> = build.left_out().collect();
    for slot in graph.nodes.iter() {
        tombstones.add(slot);
    }
    for &node in &left_out {
        graph.insert(plane, node, tombstones.live_slots(), scratch).unwrap();
        tombstones.add(node.slot);
    }
    left_out.len()
}

/// The distances of the ten nearest that a search finds.
fn found(world: &mut World, at: [f32; 2]) -> Vec<Distance> {
    let World { plane, graph, scratch, .. } = world;
    let (mut space, query, _) = scratch.split();
    let plane: &dyn BlockSpace = plane;
    let scorer = (plane as &dyn crate::quantize::Space).around_query(&at, 1.0, query).unwrap();
    let start = descend(graph, scorer, BASE, &mut space).unwrap().unwrap();
    let (twins, stop_rule) = (Twins::All, StopRule::NEVER);
    let search = LevelSearch { graph, level: BASE, scorer, start, ef: 32, limit: 4096, twins, stop_rule };
    search.run(&mut space, &mut Accept::All).unwrap();
    space.pool.accepted().map(|near| near.distance).take(10).collect()
}

#[test]
fn a_search_of_what_was_built_in_bulk_finds_the_nearest() {
    for (m, n) in [(4, 1), (4, 2), (4, 9), (8, 300), (8, 3000), (16, 3000)] {
        let mut world = World::empty(Plane::scattered(n, 5), m);
        built(&mut world, |_| false);
        world.sound();
        let mut right = 0;
        let queries = Plane::scattered(100, 77).points;
        for &at in &queries {
            let mut all: Vec<Distance> = (0..n as u32)
                .map(|slot| {
                    let [x, y] = world.plane.points[slot as usize];
                    (x - at[0]).powi(2) + (y - at[1]).powi(2)
                })
                .collect();
            all.sort_by(Distance::total_cmp);
            right += found(&mut world, at).iter().zip(&all).filter(|(found, nearest)| found == nearest).count();
        }
        let most = queries.len() * n.min(10);
        assert!(right * 100 >= most * 98, "m {m}, {n} points: {right} of {most}");
    }
}

#[test]
fn slots_may_have_gaps_between_them() {
    let mut world = World::empty(Plane::scattered(2500, 3), 8);
    built(&mut world, |slot| slot % 7 < 3);
    world.sound();
    assert!(!world.graph.has_node(Slot(0)) && world.graph.has_node(Slot(3)));
}

/// Two thirds of the points are equal to another, and one place has 500 of them.
#[test]
fn equal_points_are_left_out_but_for_the_first_of_each() {
    let mut points = Plane::scattered(1000, 3).points;
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    let firsts = points.len();
    points.extend_from_within(..);
    points.extend(vec![points[0]; 500]);
    let mut world = World::empty(Plane::new(points), 8);
    assert_eq!(built(&mut world, |_| false), firsts + 500);
    world.sound();
}

/// Each cluster has more members than lists have places and more leaders than a member joins, so no link leads from one
/// to another but those that are made at the end.
#[test]
fn clusters_far_apart_are_joined() {
    let cluster = |at: f32| Plane::scattered(1500, 11).points.into_iter().map(move |[x, y]| [1e5 * at + x, y]);
    let mut world = World::empty(Plane::new((0..4).flat_map(|at| cluster(at as f32)).collect()), 8);
    built(&mut world, |_| false);
    world.sound();
    for at in 0..4 {
        let at = [1e5 * at as f32 + 100.0, 100.0];
        assert!(found(&mut world, at).iter().all(|&distance| distance < 1e4), "of a cluster around {at:?}");
    }
}

#[test]
fn an_undone_build_leaves_an_empty_graph() {
    let plane = Plane::scattered(600, 5);
    let node = |slot| NewNode { slot: Slot(slot), level: draw_level(7, u64::from(slot), 4), ef_construction: 24 };
    for steps in [1, 10, 30, 60, 90, 120] {
        let mut world = World::empty(Plane::new(plane.points.clone()), 4);
        let mut build = BulkBuild::new((0..600).map(node).collect(), 7).unwrap();
        let mut tasks: Vec<Task> = Vec::new();
        let World { plane, graph, scratch, .. } = &mut world;
        for _ in 0..steps {
            build.plan_tasks(plane, 1 + tasks.capacity() % 3, &mut tasks).unwrap();
            for task in &mut tasks {
                build.do_task(graph, plane, task, scratch).unwrap();
            }
            build.finish_step(graph, plane, &mut tasks, scratch).unwrap();
        }
        build.undo(graph);
        assert_eq!((graph.is_empty(), graph.entry(), graph.growth()), (true, None, Default::default()));
        assert_eq!(graph.upper_len(), 0);
        world.sound();
    }
}

#[test]
fn a_build_of_no_nodes_has_nothing_to_do() {
    let mut world = World::empty(Plane::new(Vec::new()), 4);
    assert_eq!(built(&mut world, |_| false), 0);
    assert_eq!(world.graph.len(), 0);
}
