//! Memory returned to the allocator contains nothing of a deleted record.

use crate::refusing::{freed_with, undisturbed};
use crate::stored::Calm;
use crate::{config, vector};
use thermocline::{
    Batch, Config, DirectoryStore, Error, Id, Index, MemoryStore, NewRecord, OpenOptions, Payload, Quantization,
    SearchOptions, Store, StoreOptions, StoredIndex, SystemClock, block_on,
};

const SECRET: &[u8] = b"what nobody is to find";

/// The secret is in turn the payload, the string id, or the vector of a record.
fn put<S: Store>(stored: &StoredIndex<S>, number: usize, is_secret: bool) -> Id {
    let text = String::from_utf8(SECRET.to_vec()).unwrap();
    let id = if is_secret && number.is_multiple_of(2) { format!("{text} {number}") } else { format!("plain {number}") };
    let payload = if is_secret { SECRET } else { b"of no interest at all" };
    let id = Id::from(&*id);
    let own = id.clone();
    stored.change(|index| index.insert_with_id(own, &vector(number), Some(Payload::Bytes(payload)))).unwrap();
    id
}

/// The copies that `insert_many` makes of its ids, and what a log tells of a deletion.
#[test]
fn copies_of_ids_are_overwritten_too() {
    let place = Calm(MemoryStore::with_value_bytes(2000));
    let options = OpenOptions { config: Some(config(Quantization::Int8)), ..Default::default() };
    let stored = block_on(StoredIndex::open(place.clone(), options)).unwrap();
    let secret = Id::from(core::str::from_utf8(SECRET).unwrap());
    let (one, other) = (vector(1), vector(2));
    let records = [NewRecord { id: Some(secret.clone()), ..NewRecord::new(&one) }, NewRecord::new(&other)];
    let (inserted, freed) = freed_with(SECRET, || stored.change(|index| index.insert_many(&records)));
    assert_eq!((inserted.unwrap().len(), freed), (2, 0));
    let (refused, freed) = freed_with(SECRET, || stored.change(|index| index.insert_many(&records)));
    assert!(refused.is_err());
    assert_eq!(freed, 0, "of the call that was refused");
    assert_eq!(stored.change(|index| index.delete(&secret)), Ok(true));
    let ((), freed) = freed_with(SECRET, || block_on(stored.close()).unwrap());
    assert_eq!(freed, 0);
    let (stored, freed) = freed_with(SECRET, || block_on(StoredIndex::open(place, options)).unwrap());
    assert_eq!(freed, 0, "while the log is replayed");
    drop(stored);
}

#[test]
fn no_freed_memory_has_a_deleted_record_in_it() {
    for (lazy, max_bytes) in [(false, None), (true, None), (true, Some(400_000))] {
        let place = Calm(MemoryStore::with_value_bytes(2000));
        let config = Config { max_bytes, ..config(Quantization::Int8) };
        let options = OpenOptions { config: Some(config), lazy, ..Default::default() };
        let mut stored = block_on(StoredIndex::open(place.clone(), options)).unwrap();
        let mut secrets: Vec<Id> = Vec::new();
        for number in 0..400 {
            let id = undisturbed(|| put(&stored, number, number % 5 == 0));
            if number % 5 == 0 {
                secrets.push(id);
            }
            if number == 250 {
                block_on(stored.checkpoint()).unwrap();
                block_on(stored.close()).unwrap();
                let (opened, freed) =
                    freed_with(SECRET, || block_on(StoredIndex::open(place.clone(), options)).unwrap());
                assert_eq!(freed, 0, "while it is opened");
                stored = opened;
            }
        }
        block_on(stored.commit()).unwrap();
        block_on(stored.search(&vector(5), SearchOptions::top(10))).unwrap();
        let run = || {
            for id in &secrets {
                assert_eq!(stored.change(|index| index.delete(id)), Ok(true));
            }
            let report = block_on(stored.erase(&SystemClock::default())).unwrap();
            assert_eq!((report.tombstones_removed, report.new_size), (80, 320));
        };
        let ((), freed) = freed_with(SECRET, run);
        assert_eq!(freed, 0, "lazy {lazy}, {max_bytes:?}");
        // Nor does the remaining memory when it is freed.
        let ((), freed) = freed_with(SECRET, || block_on(stored.close()).unwrap());
        assert_eq!(freed, 0);
    }
}

#[test]
fn an_index_that_is_given_up_leaves_no_record() {
    let place = Calm(MemoryStore::default());
    let options = OpenOptions { config: Some(config(Quantization::Int8)), ..Default::default() };
    let stored = block_on(StoredIndex::open(place, options)).unwrap();
    let fill = || {
        for number in 0..300 {
            undisturbed(|| drop(put(&stored, number, number % 4 == 0)));
            // A caller who passes a payload has it in memory of their own.
            let own = undisturbed(|| Id::from(&*format!("with a payload {number}")));
            stored.change(|index| index.insert_with_id(own, &vector(number), Some(Payload::Bytes(SECRET)))).unwrap();
            block_on(stored.commit()).unwrap();
        }
    };
    let ((), freed) = freed_with(SECRET, fill);
    assert_eq!(freed, 0, "while it grows");
    let ((), freed) = freed_with(SECRET, || stored.change(thermocline::Index::clear).unwrap());
    assert_eq!(freed, 0, "when it is cleared");
}

/// Records go through the samples that compressions are tried on, through blocks and their compressed forms, and their
/// ids through the values of a checkpoint. All of these are overwritten before they are freed.
fn a_checkpoint_leaves_no_record<S: Store>(store: S) {
    let options = OpenOptions { config: Some(config(Quantization::Int8)), ..Default::default() };
    let stored = block_on(StoredIndex::open(store, options)).unwrap();
    for number in 0..300 {
        undisturbed(|| drop(put(&stored, number, number % 5 == 0)));
    }
    // In several values, and too long for any block but its own.
    let long = SECRET.repeat(400);
    stored.change(|index| index.insert(&vector(300), Some(Payload::Bytes(&long)))).unwrap();
    let ((), freed) = freed_with(SECRET, || block_on(stored.commit()).unwrap());
    assert_eq!(freed, 0, "by the commit");
    let ((), freed) = freed_with(SECRET, || block_on(stored.checkpoint()).unwrap());
    assert_eq!(freed, 0, "by the checkpoint");
}

#[test]
fn a_checkpoint_leaves_no_record_in_freed_memory() {
    a_checkpoint_leaves_no_record(Calm(MemoryStore::with_value_bytes(2000)));
    let path = std::env::temp_dir().join(format!("thermocline-erased-{}", std::process::id()));
    a_checkpoint_leaves_no_record(DirectoryStore::open(&path, StoreOptions::default()).unwrap());
    std::fs::remove_dir_all(path).unwrap();
}

/// Of a block whose first value is missing, the others are not needed. They are overwritten too.
#[test]
fn a_block_that_lacks_a_part_leaves_no_record_in_freed_memory() {
    let place = MemoryStore::with_value_bytes(2000);
    let options = OpenOptions { config: Some(config(Quantization::Int8)), lazy: true, ..Default::default() };
    let stored = block_on(StoredIndex::open(Calm(place.clone()), options)).unwrap();
    // Noise is stored uncompressed.
    let noise = (0..8000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8);
    let long: Vec<u8> = noise.chain(SECRET.iter().copied()).collect();
    stored.change(|index| index.insert_with_id(1, &vector(1), Some(Payload::Bytes(&long)))).unwrap();
    block_on(stored.checkpoint()).unwrap();
    block_on(stored.close()).unwrap();
    let mut pieces = block_on(place.list("b/")).unwrap();
    pieces.sort();
    assert!(pieces.len() > 2, "{pieces:?}");
    block_on(place.commit(Batch { puts: Vec::new(), deletes: vec![pieces.swap_remove(0)] })).unwrap();
    let stored = block_on(StoredIndex::open(Calm(place), options)).unwrap();
    let (found, freed) = freed_with(SECRET, || block_on(stored.get(&1.into(), |_| ())));
    assert!(matches!(found, Err(Error::Corrupt { .. })), "{found:?}");
    assert_eq!(freed, 0);
}

/// Without quantization a code is the vector itself.
#[test]
fn no_freed_memory_has_a_deleted_vector_in_it() {
    let place = Calm(MemoryStore::with_value_bytes(2000));
    let options = OpenOptions { config: Some(config(Quantization::None)), ..Default::default() };
    let stored = block_on(StoredIndex::open(place, options)).unwrap();
    let vectors: Vec<_> = (0..400).map(vector).collect();
    let secret: &[u8] = vectors[7].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>().leak();
    let ids: Vec<Id> = (0..400u64).map(Id::from).collect();
    let fill = || {
        for (id, vector) in ids.iter().zip(&vectors) {
            stored.change(|index| index.insert_with_id(id.clone(), vector, None)).unwrap();
        }
        block_on(stored.commit()).unwrap();
    };
    let ((), freed) = freed_with(secret, fill);
    assert_eq!(freed, 0, "while it grows");
    let delete = |number: usize| assert_eq!(stored.change(|index| index.delete(&ids[number])), Ok(true), "{number}");
    let run = || {
        // The row of a live record is copied when the array is shortened.
        (0..400).step_by(3).for_each(delete);
        block_on(stored.compact(&SystemClock::default())).unwrap();
        delete(7);
        block_on(stored.erase(&SystemClock::default())).unwrap();
    };
    let ((), freed) = freed_with(secret, run);
    assert_eq!(freed, 0, "while it is erased");
}

#[test]
fn an_import_leaves_no_record_in_freed_memory() {
    let mut index = Index::new(config(Quantization::Int8)).unwrap();
    for number in 0..300 {
        let payload = SECRET.repeat(1 + number % 7);
        index.insert_with_id(format!("{number}"), &vector(number), Some(Payload::Bytes(&payload))).unwrap();
    }
    let bytes = index.export().unwrap();
    let (imported, freed) = freed_with(SECRET, || Index::import(&bytes).unwrap());
    assert_eq!((imported.len(), freed), (300, 0));
}
