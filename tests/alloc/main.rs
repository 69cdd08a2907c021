//! What happens when memory is refused. Each operation runs with its first allocation refused, then with its second,
//! and so on until it needs no more. It must fail with [`Error::OutOfMemory`] and leave the index as it was. An
//! infallible allocation that is refused ends the whole test program, so passing also proves that there is none.
//!
//! | file | what is proved |
//! |---|---|
//! | `main.rs` | each allocation of each call of an index in memory refused in turn |
//! | `stored.rs` | the same for an index in a store |
//! | `lifetime.rs` | a dropped index has freed every byte that it allocated |
//! | `erased.rs` | freed memory contains nothing of a deleted record |
//! | `refusing.rs` | the allocator that refuses and counts |
#![cfg(not(target_arch = "wasm32"))]
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, missing_docs)]

mod erased;
mod lifetime;
mod refusing;
mod stored;

use refusing::{Refused, refusing};
use thermocline::{Config, Error, Hit, Id, Index, NewRecord, Payload, Quantization, SearchOptions, SharedIndex};

const DIMENSIONS: usize = 8;

fn config(quantization: Quantization) -> Config {
    Config { quantization, m: 4, ef_construction: 20, ef: 10, ..Config::new(DIMENSIONS) }
}

/// Repeatable, in many directions.
fn vector(seed: usize) -> Vec<f32> {
    let mix = |at: usize| (seed * 31 + at * 17 + 7).wrapping_mul(2_654_435_761) % 1009;
    (0..DIMENSIONS).map(|at| mix(at) as f32 / 1009.0 - 0.4).collect()
}

/// Every third id is a string, and every other record has a payload.
fn id(number: usize) -> Id {
    if number.is_multiple_of(3) { Id::from(&*format!("document {number}")) } else { Id::Number(number as u64) }
}

fn filled(quantization: Quantization, count: usize) -> Index {
    let mut index = Index::new(config(quantization)).unwrap();
    for number in 0..count {
        let payload = number.is_multiple_of(2).then_some(Payload::Bytes(b"some bytes"));
        index.insert_with_id(id(number), &vector(number), payload).unwrap();
    }
    index
}

/// With tombstones.
fn thinned(quantization: Quantization, count: usize) -> Index {
    let mut index = filled(quantization, count);
    for number in (0..count).filter(|number| number % 5 < 2) {
        assert!(index.delete(&id(number)).unwrap());
    }
    index
}

/// With free slots: its compaction stopped before closing the gaps.
fn with_gaps(quantization: Quantization, count: usize) -> Index {
    let mut index = thinned(quantization, count);
    index.compact_start().unwrap();
    while index.compact_progress().unwrap().phase == "graph" {
        assert!(index.compact_step(1).unwrap());
    }
    index.compact_abort();
    index
}

/// What a caller sees of an index. The searches are as wide as the index, so they do not depend on the graph.
#[derive(Debug, PartialEq)]
struct Seen {
    records: usize,
    hits: Vec<Vec<Hit>>,
    payloads: Vec<Option<Vec<u8>>>,
}

fn seen(index: &Index) -> Seen {
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let search = |seed| index.search(&vector(seed), SearchOptions::top(20).with_ef(2000)).unwrap();
    let payload = |number| {
        let found = index.get(&id(number)).unwrap()?.payload;
        found.map(|payload| format!("{payload:?}").into_bytes())
    };
    Seen {
        records: index.len(),
        hits: (0..5).map(|seed| search(seed * 7)).collect(),
        payloads: (0..40).map(payload).collect(),
    }
}

/// What a refused call must leave: everything as it was, or partial progress with all records as they were.
#[derive(Clone, Copy, PartialEq)]
enum Leaves {
    Everything,
    Records,
}

/// Refuses each allocation of `run` in turn, on an index that has just been read and so has no spare capacity anywhere.
/// Returns the number of allocations.
///
/// `run` gets its own copy of `id`, because an index keeps a caller's allocation.
fn each_refusal<T>(bytes: &[u8], leaves: Leaves, id: &Id, run: impl Fn(&mut Index, Id) -> Result<T, Error>) -> usize {
    let fresh = || Index::import(bytes).unwrap();
    let before = seen(&fresh());
    let mut undisturbed = fresh();
    run(&mut undisturbed, id.clone()).unwrap_or_else(|error| panic!("without a refusal: {error}"));
    let (after, bytes_after) = (seen(&undisturbed), undisturbed.export().unwrap());
    let mut count = 0;
    for mode in [Refused::Only, Refused::From] {
        for nth in 1.. {
            let mut index = fresh();
            let own = id.clone();
            let (outcome, was_refused) = refusing(mode(nth), || run(&mut index, own).map(drop));
            match outcome {
                Err(Error::OutOfMemory) => {
                    assert!(was_refused, "{nth}");
                    assert_eq!(seen(&index), before, "{:?}", mode(nth));
                    if leaves == Leaves::Everything {
                        assert!(index.export().unwrap() == bytes, "{:?} changed the index", mode(nth));
                    }
                    // A second attempt must succeed.
                    run(&mut index, id.clone()).unwrap_or_else(|error| panic!("after {:?}: {error}", mode(nth)));
                }
                Err(error) => panic!("{:?}: {error}", mode(nth)),
                // Some memory only makes later calls faster; they work without it.
                Ok(()) => {}
            }
            assert_eq!(seen(&index), after, "{:?}", mode(nth));
            if leaves == Leaves::Everything {
                assert!(index.export().unwrap() == bytes_after, "{:?} changed what came after", mode(nth));
            }
            if !was_refused {
                count = nth - 1;
                break;
            }
        }
    }
    count
}

const ALL: [Quantization; 3] = [Quantization::Int8, Quantization::Binary, Quantization::None];

const NUMBER: Id = Id::Number(7000);

#[test]
fn insert() {
    let text = Id::from("a document that is not there yet");
    for quantization in ALL {
        // No record, one, about a word of a set of slots, and sizes at which nodes on several levels appear.
        for count in [0, 1, 63, 64].into_iter().chain(120..128) {
            let bytes = filled(quantization, count).export().unwrap();
            let new = vector(5000 + count);
            let count = each_refusal(&bytes, Leaves::Everything, &NUMBER, |index, _| index.insert(&new, None));
            assert!(count > 5, "{count} allocations");
            for id in [&NUMBER, &text] {
                let payload = Some(Payload::Json("{\"a\":1}"));
                each_refusal(&bytes, Leaves::Everything, id, |index, id| index.insert_with_id(id, &new, payload));
            }
        }
    }
}

/// For [`Index::insert_many`], some with everything that a record may have.
fn many(vectors: &[Vec<f32>]) -> Vec<NewRecord<'_>> {
    let record = |at: usize| NewRecord {
        id: Some(if at.is_multiple_of(2) { id(3 * (2000 + at)) } else { Id::Number(8000 + at as u64) }),
        payload: at.is_multiple_of(3).then_some(Payload::Bytes(b"some bytes")),
        expires_ms: at.is_multiple_of(4).then_some(4e12),
        ..NewRecord::new(&vectors[at])
    };
    (0..vectors.len()).map(record).collect()
}

#[test]
fn insert_many_at_once() {
    let vectors: Vec<_> = (0..9).map(|at| vector(5000 + at)).collect();
    let records = many(&vectors);
    for quantization in ALL {
        // Batches of one and of several records, also into free slots.
        let shrunk = with_gaps(quantization, 150);
        for index in [filled(quantization, 0), filled(quantization, 63), filled(quantization, 130), shrunk] {
            let bytes = index.export().unwrap();
            let insert = |index: &mut Index, _| index.insert_many(&records);
            assert!(each_refusal(&bytes, Leaves::Records, &NUMBER, insert) > 20);
        }
    }
}

/// Once all records are there, no refusal is an error: what cannot be linked waits.
#[test]
fn insert_many_into_a_shared_index() {
    let vectors: Vec<_> = (0..9).map(|at| vector(5000 + at)).collect();
    let records = many(&vectors);
    let (mut refused, mut waiting) = (0, 0);
    for count in [0, 63, 130] {
        let bytes = filled(Quantization::Int8, count).export().unwrap();
        for mode in [Refused::Only, Refused::From] {
            for nth in 1.. {
                let index = SharedIndex::new(Index::import(&bytes).unwrap());
                let (outcome, was_refused) = refusing(mode(nth), || index.insert_many(&records).map(drop));
                match outcome {
                    Err(Error::OutOfMemory) => assert!(was_refused && index.len() == count, "{:?}", mode(nth)),
                    Err(error) => panic!("{:?}: {error}", mode(nth)),
                    Ok(()) => assert_eq!(index.len(), count + 9, "{:?}", mode(nth)),
                }
                refused += usize::from(outcome.is_err());
                waiting += usize::from(outcome.is_ok() && index.read(Index::pending) > 0);
                index.link().unwrap();
                assert_eq!(
                    index.read(|index| index.check().unwrap().problems),
                    Vec::<String>::new(),
                    "{:?}",
                    mode(nth)
                );
                if !was_refused {
                    break;
                }
            }
        }
    }
    assert!(refused > 20 && waiting > 20, "{refused} refused, {waiting} left to wait");
}

/// Of the many allocations of a bulk build some are refused, early ones and late ones. Without memory for it records
/// are linked one by one. Not with threads: what rayon allocates for itself cannot be refused.
#[cfg(not(feature = "rayon"))]
#[test]
fn insert_many_that_build_in_bulk() {
    let long = |at: usize| (0..20).flat_map(|part| vector(at * 7 + 1000 * part)).collect::<Vec<f32>>();
    let vectors: Vec<_> = (0..4200).map(|at| long(at % 4000)).collect();
    let records: Vec<_> = vectors.iter().map(|vector| NewRecord::new(vector)).collect();
    let (mut refused, mut built) = (0, 0);
    for mode in [Refused::Only, Refused::From] {
        let mut nth = 1;
        loop {
            let mut index = Index::new(Config { m: 12, ef_construction: 80, ..Config::new(20 * DIMENSIONS) }).unwrap();
            let (outcome, was_refused) = refusing(mode(nth), || index.insert_many(&records).map(drop));
            match outcome {
                Err(Error::OutOfMemory) => {
                    assert!(was_refused && index.is_empty(), "{:?}", mode(nth));
                    refused += 1;
                }
                Err(error) => panic!("{:?}: {error}", mode(nth)),
                Ok(()) => {
                    assert_eq!(index.len(), 4200, "{:?}", mode(nth));
                    built += usize::from(was_refused);
                }
            }
            index.link_all().unwrap();
            assert_eq!(index.check().unwrap().problems, Vec::<String>::new(), "{:?}", mode(nth));
            if !was_refused {
                break;
            }
            nth += 1 + nth / 4;
        }
    }
    assert!(refused > 5 && built > 5, "{refused} refused, {built} built all the same");
}

#[test]
fn insert_many_where_a_segment_ends() {
    let vectors: Vec<_> = (0..6).map(|at| vector(5000 + at)).collect();
    let records = many(&vectors);
    // Few enough are live that batches wake no other thread.
    let mut index = filled(Quantization::Int8, 1021);
    (100..1021).for_each(|number| assert!(index.delete(&id(number)).unwrap()));
    let bytes = index.export().unwrap();
    each_refusal(&bytes, Leaves::Records, &NUMBER, |index, _| index.insert_many(&records));
}

#[test]
fn insert_what_expires() {
    for count in [0, 1, 64, 127] {
        let mut index = filled(Quantization::Int8, count);
        let new = vector(5000);
        // The first record that expires, and one more.
        for number in 0..2 {
            let bytes = index.export().unwrap();
            let insert = |index: &mut Index, id| index.insert_with_id_expiring(id, &new, None, Some(4e12));
            each_refusal(&bytes, Leaves::Everything, &NUMBER, insert);
            if count > 7 {
                let upsert = |index: &mut Index, id| index.upsert_expiring(id, &new, None, Some(5e12));
                each_refusal(&bytes, Leaves::Everything, &id(7), upsert);
            }
            index.insert_expiring(&vector(6000 + number), None, Some(3e12)).unwrap();
        }
        let bytes = index.export().unwrap();
        let expire = |index: &mut Index, _| {
            assert_eq!(index.expire(3e12), 2);
            Ok(())
        };
        assert_eq!(each_refusal(&bytes, Leaves::Everything, &NUMBER, expire), 0, "no memory is needed");
    }
}

#[test]
fn insert_where_a_segment_and_a_slab_end() {
    let large = vec![7; 300 << 10];
    for (count, payload) in [(1024, &b""[..]), (100, &large)] {
        let bytes = filled(Quantization::Int8, count).export().unwrap();
        let new = vector(9000);
        let insert = |index: &mut Index, id| index.insert_with_id(id, &new, Some(Payload::Bytes(payload)));
        each_refusal(&bytes, Leaves::Everything, &NUMBER, insert);
    }
}

#[test]
fn insert_into_a_free_slot_and_upsert() {
    for quantization in ALL {
        let new = vector(5000);
        let insert = |index: &mut Index, id| index.insert_with_id(id, &new, Some(Payload::Bytes(b"new")));
        let upsert = |index: &mut Index, id| index.upsert(id, &new, Some(Payload::Bytes(b"new")));
        let gaps = with_gaps(quantization, 150).export().unwrap();
        let full = thinned(quantization, 150).export().unwrap();
        for bytes in [&gaps, &full] {
            each_refusal(bytes, Leaves::Everything, &NUMBER, insert);
            // A new id, a live number, and a live string.
            for id in [&NUMBER, &id(7), &id(12)] {
                each_refusal(bytes, Leaves::Everything, id, upsert);
            }
        }
    }
}

#[test]
fn many_inserts_one_after_the_other() {
    let bytes = filled(Quantization::Int8, 60).export().unwrap();
    // Whatever is refused to some of them, the inserted ones stay and the index is sound.
    for nth in (1..200).step_by(7) {
        let mut index = Index::import(&bytes).unwrap();
        let vectors: Vec<_> = (0..100).map(|number| vector(4000 + number)).collect();
        let mut inserted = 0;
        refusing(Refused::Only(nth), || {
            for vector in &vectors {
                inserted += usize::from(index.insert(vector, None).is_ok());
            }
        });
        assert!(inserted >= 99, "{inserted}");
        assert_eq!(seen(&index).records, 60 + inserted);
    }
}

#[test]
fn delete_and_clear_need_no_memory() {
    for quantization in ALL {
        let bytes = thinned(quantization, 120).export().unwrap();
        for gone in [id(4), id(9)] {
            assert_eq!(each_refusal(&bytes, Leaves::Everything, &gone, |index, id| index.delete(&id)), 0);
        }
        let clear = |index: &mut Index, _| {
            index.clear().unwrap();
            Ok(())
        };
        assert_eq!(each_refusal(&bytes, Leaves::Everything, &NUMBER, clear), 0);
    }
}

#[test]
fn search_and_get() {
    for quantization in ALL {
        let bytes = thinned(quantization, 250).export().unwrap();
        let query = vector(77);
        for (k, ef) in [(1, 1), (10, 10), (100, 300)] {
            let search = |index: &mut Index, _| {
                let hits = index.search(&query, SearchOptions::top(k).with_ef(ef))?;
                assert_eq!(hits.len(), k.min(index.len()));
                Ok(())
            };
            assert!(each_refusal(&bytes, Leaves::Everything, &NUMBER, search) > k / 3);
            let filtered = |index: &mut Index, _| {
                let mut passes = |id: &Id| !matches!(id, Id::Number(number) if number % 2 == 0);
                let hits = index.search(&query, SearchOptions::top(k).with_ef(ef).with_filter(&mut passes))?;
                assert!(!hits.is_empty() && hits.iter().all(|hit| !matches!(hit.id, Id::Number(n) if n % 2 == 0)));
                Ok(())
            };
            each_refusal(&bytes, Leaves::Everything, &NUMBER, filtered);
        }
        // Few enough that no other thread is woken: what is refused is refused to this one.
        let queries = [vector(77), vector(78), vector(79)];
        let many = |index: &mut Index, _| {
            let hits = index.search_many(&queries, SearchOptions::top(10))?;
            assert!(hits.len() == 3 && hits.iter().all(|hits| hits.len() == 10));
            Ok(())
        };
        assert!(each_refusal(&bytes, Leaves::Everything, &NUMBER, many) > 3 * 10 / 3);
        let get = |index: &mut Index, id: Id| index.get(&id).map(|found| assert!(found.is_some()));
        assert_eq!(each_refusal(&bytes, Leaves::Everything, &id(3), get), 1);
    }
}

#[test]
fn compaction() {
    let compact = |budget_us: usize, packs: bool| {
        move |index: &mut Index, _| {
            if packs {
                index.pack_start()?;
            }
            index.compact_start()?;
            while index.compact_step(budget_us)? {}
            Ok(index.compact_finish())
        }
    };
    for quantization in ALL {
        let mut gaps = with_gaps(quantization, 120);
        assert!((60..80).filter(|&number| gaps.delete(&id(number)).unwrap()).count() > 5);
        for index in [thinned(quantization, 120), gaps] {
            let bytes = index.export().unwrap();
            for (budget_us, packs) in [(1, false), (1000, false), (1, true), (1000, true)] {
                let count = each_refusal(&bytes, Leaves::Records, &NUMBER, compact(budget_us, packs));
                assert!(count > 5, "{count} allocations");
            }
        }
        let mut empty = filled(quantization, 50);
        (0..50).for_each(|number| assert!(empty.delete(&id(number)).unwrap()));
        each_refusal(&empty.export().unwrap(), Leaves::Records, &NUMBER, compact(1, false));
    }
}

/// Only the index that made stale records knows of them, so this one is not read from bytes.
#[test]
fn compaction_of_records() {
    let payload = vec![1; 20 << 10];
    let make = || {
        let mut index = Index::new(config(Quantization::Int8)).unwrap();
        for number in 0..120 {
            index.upsert(number % 70, &vector(number as usize), Some(Payload::Bytes(&payload))).unwrap();
        }
        index
    };
    let before = seen(&make());
    for nth in 1.. {
        let mut index = make();
        let (outcome, was_refused) = refusing(Refused::From(nth), || index.compact().map(drop));
        assert_eq!(outcome.is_err(), was_refused);
        assert_eq!(seen(&index), before);
        let report = index.compact().unwrap();
        assert_eq!((index.len(), index.deleted()), (70, 0));
        if !was_refused {
            assert_eq!(report.tombstones_removed, 0);
            break;
        }
    }
}

#[test]
fn export_import_check_and_reserve() {
    for quantization in ALL {
        for make in [filled, thinned, with_gaps] {
            let bytes = make(quantization, 150).export().unwrap();
            each_refusal(&bytes, Leaves::Everything, &NUMBER, |index, _| index.export());
            each_refusal(&bytes, Leaves::Everything, &NUMBER, |index, _| {
                *index = Index::import(&bytes)?;
                Ok(())
            });
            each_refusal(&bytes, Leaves::Everything, &NUMBER, |index, _| index.check());
            each_refusal(&bytes, Leaves::Everything, &NUMBER, |index, _| index.reserve(3000));
        }
    }
}
