//! The heuristic, compared with its plainest form.

use super::super::links::TREE;
use super::super::select::{Gaps, Neighbour, select, sort};
use super::Plane;
use crate::quantize::Point;
use crate::types::Slot;
use proptest::prelude::*;

/// Candidates around the point in slot 0, nearest first.
fn candidates(plane: &Plane, kept: impl Fn(u32) -> bool) -> Vec<Neighbour> {
    let neighbour = |slot: u32| {
        let fresh = Neighbour::new(plane.between(Slot(0), Slot(slot)), Slot(slot));
        Neighbour::marked(fresh.distance, fresh.slot, kept(slot), if kept(slot) { TREE } else { 0 })
    };
    let mut all: Vec<Neighbour> = (1..plane.points.len() as u32).map(neighbour).collect();
    sort(&mut all);
    all
}

fn slots(list: &[Neighbour]) -> Vec<u32> {
    list.iter().map(|neighbour| neighbour.slot.0).collect()
}

fn plain(plane: &Plane, sorted: &[Neighbour], most: usize, gaps: Gaps) -> Vec<u32> {
    let (mut chosen, mut refused): (Vec<Neighbour>, Vec<Neighbour>) = (Vec::new(), Vec::new());
    for (at, candidate) in sorted.iter().enumerate() {
        let owed = sorted[at..].iter().filter(|other| other.kept).count();
        let apart = chosen.iter().all(|other| plane.between(candidate.slot, other.slot) >= candidate.distance);
        if candidate.kept || (chosen.len() + owed < most && apart) {
            chosen.push(*candidate);
        } else {
            refused.push(*candidate);
        }
    }
    if let Gaps::FillTo(enough) = gaps {
        refused.truncate(enough.saturating_sub(chosen.len()));
        chosen.extend(refused);
        sort(&mut chosen);
    }
    slots(&chosen)
}

#[test]
fn what_lies_behind_a_chosen_one_is_refused() {
    let plane = Plane::line(&[0.0, 1.0, 1.5, 4.0, -2.0, -2.5]);
    let run = |most, gaps| {
        let mut list = candidates(&plane, |_| false);
        let count = select(&plane, &mut list, most, gaps, &mut Point::default());
        slots(&list[..count])
    };
    assert_eq!(run(4, Gaps::Leave), [1, 4]);
    assert_eq!(run(1, Gaps::Leave), [1]);
    assert_eq!(run(3, Gaps::FillTo(3)), [1, 2, 4], "the nearest refused fills the third place");
    assert_eq!(run(9, Gaps::FillTo(9)), [1, 2, 4, 5, 3]);
    assert_eq!(run(0, Gaps::FillTo(0)), Vec::<u32>::new());
    assert_eq!(run(4, Gaps::FillTo(3)), [1, 2, 4], "but not the fourth");
    assert_eq!(run(4, Gaps::FillTo(1)), [1, 4], "none is given up again");
}

#[test]
fn what_must_be_kept_is_kept_and_counts() {
    let plane = Plane::line(&[0.0, 1.0, 1.5, 4.0, -2.0, -2.5]);
    let mut list = candidates(&plane, |slot| slot == 3 || slot == 5);
    let count = select(&plane, &mut list, 3, Gaps::Leave, &mut Point::default());
    assert_eq!(slots(&list[..count]), [1, 5, 3], "one place is left beside the two");
    assert!(list[1].is_tree() && list[1].link() == 5 | TREE && list[0].link() == 1);
    let mut list = candidates(&plane, |slot| slot != 1);
    let count = select(&plane, &mut list, 2, Gaps::FillTo(2), &mut Point::default());
    assert_eq!(slots(&list[..count]), [2, 4, 5, 3], "more than there is room for, all the same");
}

proptest! {
    #[test]
    fn chooses_as_the_plain_form_does(
        n in 2usize..40, seed in any::<u64>(), most in 0usize..12, enough in prop::option::of(0usize..13), one_in in 1u32..9,
    ) {
        let plane = Plane::scattered(n, seed);
        let kept = |slot: u32| one_in > 3 && slot.is_multiple_of(one_in);
        let gaps = enough.map_or(Gaps::Leave, |enough| Gaps::FillTo(enough.min(most)));
        let sorted = candidates(&plane, kept);
        let mut list = sorted.clone();
        let count = select(&plane, &mut list, most, gaps, &mut Point::default());
        prop_assert_eq!(slots(&list[..count]), plain(&plane, &sorted, most, gaps));
        let (mut before, mut after) = (slots(&sorted), slots(&list));
        before.sort_unstable();
        after.sort_unstable();
        prop_assert_eq!(before, after, "nothing is lost, only moved");
    }
}
