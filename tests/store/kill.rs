//! A process that is killed at any moment of its work.

use std::time::Duration;

use thermocline::{DirectoryStore, Store, block_on};

use crate::support::{Elsewhere, Place, RELAXED, batch, content, given_place};

const KEYS: [&str; 5] = ["a", "b/1", "b/2", "c", "d"];

/// Each generation replaces all values except one, which it deletes, and notes that in a log before and after.
#[test]
#[ignore = "another test runs it, in a process of its own"]
fn writer() {
    let Some(path) = given_place() else { return };
    let store = DirectoryStore::open(path, RELAXED).unwrap();
    let next = content(&store).get("generation").map_or(0, |value| number(value) + 1);
    for generation in next.. {
        block_on(store.append("begun", &generation.to_le_bytes())).unwrap();
        let value = generation.to_le_bytes().repeat(2000);
        let (gone, kept): (Vec<&str>, Vec<&str>) = KEYS.iter().partition(|key| **key == KEYS[generation as usize % 5]);
        let mut puts: Vec<(&str, &[u8])> = kept.into_iter().map(|key| (key, value.as_slice())).collect();
        let bytes = generation.to_le_bytes();
        puts.push(("generation", &bytes));
        block_on(store.commit(batch(&puts, &gone))).unwrap();
        block_on(store.append("done", &bytes)).unwrap();
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// Returns the last number that was noted completely.
fn last(log: Option<&Vec<u8>>) -> Option<u64> {
    log.and_then(|log| log.chunks_exact(8).next_back().map(number))
}

#[test]
fn whatever_a_kill_leaves_is_one_generation() {
    let place = Place::new();
    let mut reached = 0;
    for round in 0..25_u64 {
        let mut child = Elsewhere::run("kill::writer", &place);
        std::thread::sleep(Duration::from_millis(25 + round * 37 % 50));
        child.kill();
        let store = place.open(RELAXED).unwrap();
        let mut found = content(&store);
        let (begun, done) = (last(found.remove("begun").as_ref()), last(found.remove("done").as_ref()));
        let Some(generation) = found.remove("generation").map(|value| number(&value)) else {
            assert!(found.is_empty() && done.is_none());
            continue;
        };
        assert!(generation >= reached, "{generation} after {reached}");
        assert!(done.is_none_or(|done| done <= generation) && begun.is_some_and(|begun| begun >= generation));
        let value = generation.to_le_bytes().repeat(2000);
        let expected = KEYS.iter().filter(|key| **key != KEYS[generation as usize % 5]);
        assert!(found.keys().eq(expected), "generation {generation}: {:?}", found.keys());
        assert!(found.values().all(|found| *found == value), "generation {generation}");
        reached = generation;
    }
    assert!(reached > 0, "no round got anywhere");
}
