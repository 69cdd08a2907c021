//! Product codes in a store: before, during and after training.

use thermocline::{Config, Error, Id, Index, MemoryStore, OpenOptions, Quantization, SearchOptions, StoredIndex};

use crate::support::{Rng, Shared, drive, now};

/// The number of records that training needs.
const ENOUGH: u64 = 1024;

fn config() -> Config {
    Config { quantization: Quantization::Product, m: 6, ef_construction: 24, ..Config::new(7) }
}

fn open(place: &MemoryStore, lazy: bool) -> StoredIndex<MemoryStore> {
    now(StoredIndex::open(place.clone(), OpenOptions { config: Some(config()), lazy, ..Default::default() })).unwrap()
}

fn vector(row: u64) -> Vec<f32> {
    Rng(row + 1).vector(7)
}

fn hits(index: &Index, row: u64) -> Result<Vec<Id>, Error> {
    let hits = index.search(&vector(row), SearchOptions::top(5).with_rerank(false))?;
    Ok(hits.into_iter().map(|hit| hit.id).collect())
}

/// Reopened after every so many records, with a checkpoint or from the log alone, it equals the index that was never
/// closed.
#[test]
fn a_store_is_reopened_at_any_stage_of_training() {
    for lazy in [false, true] {
        let place = MemoryStore::default();
        let mut kept = Index::new(config()).unwrap();
        let stages = [0..600, 600..ENOUGH - 1, ENOUGH - 1..ENOUGH, ENOUGH..ENOUGH + 40, ENOUGH + 40..1700, 1700..1701];
        for (stage, rows) in stages.into_iter().enumerate() {
            let stored = open(&place, lazy);
            for row in rows {
                let put = |index: &mut Index| index.insert_with_id(row, &vector(row), None);
                stored.change(put).unwrap();
                put(&mut kept).unwrap();
            }
            now(stored.commit()).unwrap();
            if stage % 2 == 0 {
                now(stored.checkpoint()).unwrap();
            }
            now(stored.close()).unwrap();
        }
        let stored = open(&place, lazy);
        while kept.link_step().unwrap() {}
        while stored.change(Index::link_step).unwrap() {}
        let index = stored.index().unwrap();
        assert!(index.check().unwrap().ok);
        for row in (0..1700).step_by(97) {
            assert_eq!(hits(&index, row).unwrap(), hits(&kept, row).unwrap(), "row {row}");
        }
    }
}

/// Enough records come while a checkpoint is being written: it completes as for an index without a queue, and training
/// follows.
#[test]
fn training_comes_due_while_a_checkpoint_is_written() {
    let place = MemoryStore::default();
    let store = Shared::new(&place, None);
    let options = OpenOptions { config: Some(config()), ..Default::default() };
    let stored = now(StoredIndex::open(store.clone(), options)).unwrap();
    let put = |row: u64| stored.change(|index| index.insert_with_id(row, &vector(row), None)).unwrap();
    (0..ENOUGH - 2).for_each(put);
    now(stored.commit()).unwrap();
    store.set_waits(true);
    let mut rows = ENOUGH - 2;
    drive(stored.checkpoint(), || {
        put(rows);
        rows += 1;
        stored.change(|index| index.link_step()).unwrap();
    })
    .unwrap();
    store.set_waits(false);
    assert!(rows > ENOUGH + 1, "{rows} records");
    now(stored.commit()).unwrap();
    let again = open(&place, false);
    assert!(again.index().unwrap().check().unwrap().ok);
    assert_eq!(again.index().unwrap().len() as u64, rows);
    while again.change(Index::link_step).unwrap() {}
    assert_eq!(hits(&again.index().unwrap(), 5).unwrap()[0], Id::from(5));
    drop(again);
    while stored.change(Index::link_step).unwrap() {}
    assert_eq!(hits(&stored.index().unwrap(), 5).unwrap()[0], Id::from(5));
    now(stored.checkpoint()).unwrap();
    assert_eq!(hits(&open(&place, true).index().unwrap(), 5).unwrap()[0], Id::from(5));
}

/// A checkpoint links all records, and then waits for the list of values. An insert that makes training due meanwhile
/// must not make it fail with `Unlinked`.
#[test]
fn training_comes_due_before_a_checkpoint_has_begun() {
    let place = MemoryStore::default();
    let filled = open(&place, false);
    for row in 0..ENOUGH - 1 {
        filled.change(|index| index.insert_with_id(row, &vector(row), None)).unwrap();
    }
    now(filled.close()).unwrap();
    let store = Shared::new(&place, None);
    let stored = now(StoredIndex::open(store.clone(), OpenOptions::default())).unwrap();
    store.set_waits(true);
    let mut rows = ENOUGH - 1;
    drive(stored.checkpoint(), || {
        stored.change(|index| index.insert_with_id(rows, &vector(rows), None)).unwrap();
        rows += 1;
    })
    .unwrap();
    store.set_waits(false);
    now(stored.close()).unwrap();
    let again = open(&place, false);
    assert_eq!(again.index().unwrap().len() as u64, rows);
    assert_eq!(hits(&again.index().unwrap(), ENOUGH - 1).unwrap()[0], Id::from(ENOUGH - 1));
}
