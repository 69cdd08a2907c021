//! A dropped index leaves nothing behind: every byte that it allocated is freed.

use crate::refusing::held;
use crate::{config, filled, id, vector};
use thermocline::{
    Config, DirectoryStore, Durability, Index, MemoryStore, Mode, OpenOptions, Payload, Quantization, SearchOptions,
    Store, StoreOptions, StoredIndex, block_on,
};

const ROUNDS: usize = 100;
const RECORDS: usize = 300;

/// Opens, fills, thins, compacts, writes and closes.
fn live(store: impl Store) {
    let config = Config { max_bytes: Some(400_000), ..config(Quantization::Int8) };
    let options = OpenOptions { config: Some(config), mode: Mode::ReadWrite, ..Default::default() };
    let stored = block_on(StoredIndex::open(store, options)).unwrap();
    for number in 0..RECORDS {
        let payload = Some(Payload::Bytes(&[7; 500]));
        stored.change(|index| index.insert_with_id(id(number), &vector(number), payload)).unwrap();
    }
    block_on(stored.commit()).unwrap();
    block_on(stored.checkpoint()).unwrap();
    for number in 0..RECORDS / 2 {
        assert!(stored.change(|index| index.delete(&id(number))).unwrap());
    }
    stored.change(|index| index.compact()).unwrap();
    block_on(stored.checkpoint()).unwrap();
    assert_eq!(block_on(stored.search(&vector(1), SearchOptions::top(5))).unwrap().len(), 5);
    block_on(stored.close()).unwrap();
}

/// Asserts that the last of `ROUNDS` rounds leaves as much as the first.
fn leaves_nothing(mut round: impl FnMut(usize)) {
    round(0);
    let after_first = held();
    for number in 1..ROUNDS {
        round(number);
        assert_eq!(held(), after_first, "after round {number}");
    }
}

#[test]
fn a_hundred_indexes_in_memory() {
    leaves_nothing(|_| {
        let mut index = filled(Quantization::Int8, RECORDS);
        assert!(index.delete(&id(3)).unwrap());
        index.compact().unwrap();
        let copy = Index::import(&index.export().unwrap()).unwrap();
        assert_eq!(copy.len(), RECORDS - 1);
    });
}

#[test]
fn a_hundred_indexes_in_a_store_that_goes_with_them() {
    leaves_nothing(|_| live(MemoryStore::default()));
}

#[test]
fn a_hundred_indexes_in_a_directory_that_is_destroyed() {
    let path = std::env::temp_dir().join(format!("thermocline-lifetime-{}", std::process::id()));
    let options = StoreOptions { durability: Durability::Relaxed, mode: Mode::ReadWrite };
    leaves_nothing(|_| {
        live(DirectoryStore::open(&path, options).unwrap());
        assert!(path.exists());
        DirectoryStore::destroy(&path).unwrap();
        assert!(!path.exists());
    });
}
