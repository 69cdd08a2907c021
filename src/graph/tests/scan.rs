//! The exact scan, compared with sorting everything.

use super::super::pool::Pool;
use super::super::{Accept, scan};
use super::Plane;
use crate::metric::Kernels;
use crate::quantize::{Point, Space};
use crate::slot_set::SlotSet;
use crate::types::{Candidate, Distance, OutOfMemory, Slot};

/// Scores are off by up to 64, and whole codes are right.
struct Rough(Plane);

const OFF: f32 = 64.0;

impl Space for Rough {
    fn fix(&self, slot: Slot, point: &mut Point) {
        self.0.fix(slot, point);
    }

    fn fix_query(&self, vector: &[f32], inverse_norm: f64, point: &mut Point) -> Result<(), OutOfMemory> {
        self.0.fix_query(vector, inverse_norm, point)
    }

    fn score(&self, point: &Point, slots: &[Slot], distances: &mut [Distance]) {
        self.0.score(point, slots, distances);
        for (distance, slot) in distances.iter_mut().zip(slots) {
            *distance += OFF * ((slot.0 * 37 % 17) as f32 / 8.0 - 1.0);
        }
    }

    /// A quarter of `OFF`, since the scan allows for four standard deviations.
    fn error(&self, _: &Point, _: Slot) -> Distance {
        OFF / 4.0
    }

    fn has_zero(&self) -> bool {
        true
    }

    fn refine(&self, point: &Point, candidates: &mut [Candidate]) -> Distance {
        for Candidate { distance, slot } in candidates {
            self.0.score(point, &[*slot], core::slice::from_mut(distance));
        }
        0.0
    }

    fn are_twins(&self, a: Slot, b: Slot) -> bool {
        self.0.are_twins(a, b)
    }

    fn kernels(&self) -> Kernels {
        self.0.kernels()
    }
}

#[test]
fn the_nearest_by_whole_codes_are_found_however_many_there_are() {
    for n in [0, 1, 31, 32, 33, 64, 100, 1000] {
        let space = Rough(Plane::scattered(n, 5));
        let mut live = SlotSet::new();
        live.reserve(n).unwrap();
        // All but every seventh.
        let slots: Vec<Slot> = (0..n as u32).filter(|slot| slot % 7 != 3).map(Slot).collect();
        assert!(slots.iter().all(|&slot| live.insert(slot)));
        for ef in [1, 10, 40, 2000] {
            for query in [[100.0, 100.0], [0.0, 250.0]] {
                let (mut point, mut pool) = (Point::default(), Pool::default());
                let scorer = (&space as &dyn Space).around_query(&query, 1.0, &mut point).unwrap();
                // And of these only the even ones.
                let mut is_even = |slot: Slot| slot.0.is_multiple_of(2);
                scan(scorer, &live, &mut Accept::If(&mut is_even), ef, &mut pool).unwrap();
                let mut expected: Vec<(Distance, Slot)> = slots
                    .iter()
                    .filter(|slot| slot.0.is_multiple_of(2))
                    .map(|&slot| (space.0.distance(query, slot), slot))
                    .collect();
                expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
                expected.truncate(ef);
                let found: Vec<_> = pool.accepted().map(|hit| (hit.distance, hit.slot)).collect();
                assert_eq!(found, expected, "{n} slots, ef {ef}");
            }
        }
    }
}
