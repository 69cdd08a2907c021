//! Links that lead to existing slots, under valid checksums, but are wrong: what an index may do with them.

use thermocline::{Config, Error, MemoryStore, Mode, OpenOptions, Quantization, SearchOptions, StoredIndex};
use xxhash_rust::xxh64::xxh64;

use crate::damage::{open as open_eagerly, seal};
use crate::layout::manifests;
use crate::support::{Rng, content, copied, delete, now, put};

const DIMENSIONS: usize = 4;
const RECORDS: usize = 1500;
/// The number of words of a list on level 0.
const LIST: usize = 8;
const SEGMENT_SLOTS: usize = 1024;
const END: u32 = u32::MAX;
const TREE: u32 = 1 << 31;

/// Two segments of slots, each value in one piece, some records deleted, and no log.
fn place() -> MemoryStore {
    quantized(Quantization::Int8)
}

fn quantized(quantization: Quantization) -> MemoryStore {
    let place = MemoryStore::with_value_bytes(1 << 20);
    let config = Config { m: LIST / 2, ef_construction: 16, quantization, ..Config::new(DIMENSIONS) };
    let stored =
        now(StoredIndex::open(place.clone(), OpenOptions { config: Some(config), ..Default::default() })).unwrap();
    let mut rng = Rng(11);
    for id in 0..RECORDS as u64 {
        let vector = rng.vector(DIMENSIONS);
        stored.change(|index| index.insert_with_id(id, &vector, None)).unwrap();
    }
    for id in (0..RECORDS as u64).step_by(7) {
        stored.change(|index| index.delete(&id.into())).unwrap();
    }
    now(stored.checkpoint()).unwrap();
    now(stored.checkpoint()).unwrap();
    now(stored.close()).unwrap();
    place
}

/// The same place, with other links in the first segment.
fn rewritten(place: &MemoryStore, rewrite: impl FnOnce(&mut [u32])) -> MemoryStore {
    forged(place, (6, 'l'), |value| {
        let lists = &mut value[SEGMENT_SLOTS..SEGMENT_SLOTS * (1 + 4 * LIST)];
        let mut words: Vec<u32> = lists.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        rewrite(&mut words);
        lists.copy_from_slice(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>());
    })
}

/// The same place, with another value in the first segment under a valid checksum.
fn forged(place: &MemoryStore, (kind, letter): (u16, char), forge: impl FnOnce(&mut Vec<u8>)) -> MemoryStore {
    let place = copied(place);
    let known = manifests(&content(&place));
    let (key, manifest) = &known[0];
    // The older checkpoint would be a way around it.
    known[1..].iter().for_each(|(older, _)| delete(&place, older));
    let number = manifest.segments.iter().position(|&(of, index, ..)| (of, index) == (kind, 0)).unwrap();
    let generation = manifest.segments[number].2;
    let segment = format!("s/{letter}/{:010}.{generation:020}.{:010}", 0, 0);
    let mut value = content(&place)[&segment].clone();
    forge(&mut value);
    let mut sealed = content(&place)[key].clone();
    sealed[160 + 32 * number + 16..][..8].copy_from_slice(&(value.len() as u64).to_le_bytes());
    sealed[160 + 32 * number + 24..][..8].copy_from_slice(&xxh64(&value, 0).to_le_bytes());
    seal(&mut sealed);
    put(&place, &segment, value);
    put(&place, key, sealed);
    place
}

/// The length of the last array of a value is what the others leave of it, which was once less than nothing.
#[test]
fn a_segment_of_another_length_is_corrupt() {
    let place = place();
    for of in [(2, 'c'), (6, 'l'), (8, 'i'), (12, 'p')] {
        let long = core::cell::Cell::new(0);
        forged(&place, of, |value| long.set(value.len()));
        let long = long.get();
        for len in [0, 1, 8, SEGMENT_SLOTS - 1, SEGMENT_SLOTS, SEGMENT_SLOTS + 1, long / 2, long - 1, long + 1] {
            let opened = open(&forged(&place, of, |value| value.resize(len, 0)), Mode::ReadWrite);
            assert!(matches!(opened, Err(Error::Corrupt { .. })), "{of:?} of {len} instead of {long}");
        }
    }
}

/// Where the codes are the vectors, nothing else has them. Such an index used to open, and no import took its export.
#[test]
fn a_vector_that_no_insert_takes_is_corrupt() {
    let place = quantized(Quantization::None);
    for component in [f32::NAN, f32::INFINITY, 3e38] {
        let with = |slot: usize| {
            forged(&place, (2, 'c'), |codes| {
                codes[4 * (DIMENSIONS + 1) * slot..][..4].copy_from_slice(&component.to_le_bytes());
            })
        };
        assert!(matches!(open(&with(1), Mode::ReadWrite), Err(Error::Corrupt { .. })), "{component}");
        // The first record is deleted, and nobody asks for its vector.
        open(&with(0), Mode::ReadWrite).unwrap();
    }
}

/// Opens the place, checking no more than a search needs.
fn open(place: &MemoryStore, mode: Mode) -> Result<StoredIndex<MemoryStore>, Error> {
    now(StoredIndex::open(place.clone(), OpenOptions { lazy: true, mode, ..Default::default() }))
}

/// A search must end, and find only live records, each once.
fn search_is_sound(stored: &StoredIndex<MemoryStore>, rng: &mut Rng) {
    for (k, ef) in [(1, 4), (10, 16), (10, 200)] {
        let query = rng.vector(DIMENSIONS);
        let hits = now(stored.search(&query, SearchOptions::top(k).with_ef(ef))).unwrap();
        let mut ids: Vec<_> = hits.iter().map(|hit| hit.id.clone()).collect();
        for id in &ids {
            assert!(stored.index().unwrap().contains(id).unwrap(), "{id} is found, and is not there");
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), hits.len(), "a record is found twice");
        assert!(hits.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
    }
}

/// The proof refuses it: nothing that needs links can be changed any more, and existing records are still found.
fn is_refuted(place: &MemoryStore, rng: &mut Rng) {
    for stored in [open_eagerly(place, Mode::ReadWrite).unwrap(), open(place, Mode::ReadWrite).unwrap()] {
        takes_no_links(&stored, rng);
    }
}

fn takes_no_links(stored: &StoredIndex<MemoryStore>, rng: &mut Rng) {
    search_is_sound(stored, rng);
    assert!(!stored.index().unwrap().check().unwrap().ok);
    let live = stored.index().unwrap().len();
    let compacted = stored.change(|index| {
        index.compact_start()?;
        while index.compact_step(50)? {}
        Ok(())
    });
    assert!(matches!(compacted, Err(Error::Corrupt { .. })), "{compacted:?}");
    for _ in 0..2 {
        let inserted = stored.change(|index| index.insert(&[1.0; DIMENSIONS], None));
        assert!(matches!(inserted, Err(Error::Corrupt { .. })), "{inserted:?}");
    }
    assert_eq!(stored.index().unwrap().len(), live);
    // A deletion needs no links.
    assert!(stored.change(|index| index.delete(&1_u64.into())).unwrap());
    search_is_sound(stored, rng);
    // Clearing removes all links.
    stored.change(thermocline::Index::clear).unwrap();
    stored.change(|index| index.insert(&[1.0; DIMENSIONS], None)).unwrap();
    assert!(stored.index().unwrap().check().unwrap().ok);
}

#[test]
fn links_as_they_were_written_are_proven_before_the_first_is_changed() {
    let place = rewritten(&place(), |_| {});
    let stored = open(&place, Mode::ReadWrite).unwrap();
    search_is_sound(&stored, &mut Rng(5));
    assert_eq!(stored.index().unwrap().export(), Err(Error::Unlinked));
    stored.change(|index| index.insert(&[1.0; DIMENSIONS], None)).unwrap();
    assert!(stored.index().unwrap().check().unwrap().ok);
}

#[test]
fn wrong_links_are_good_for_searching_only() {
    let place = place();
    let mut rng = Rng(17);
    // A tree link missing at one end; a duplicate link; a link to itself; a hole; a tree that has lost a branch.
    let ways: [fn(&mut [u32]); 5] = [
        |words| words[words.iter().position(|&word| word < TREE).unwrap()] |= TREE,
        |words| words[1] = words[0],
        |words| words[3 * LIST] = 3,
        |words| words[5 * LIST] = END,
        |words| words.iter_mut().filter(|word| **word != END).for_each(|word| *word &= !TREE),
    ];
    for way in ways {
        is_refuted(&rewritten(&place, way), &mut rng);
    }
}

#[test]
fn any_links_at_all_end_a_search() {
    let place = place();
    let mut rng = Rng(23);
    for _ in 0..30 {
        let share = 1 + rng.below(8);
        let mut words = Rng(rng.below(1 << 30) as u64);
        let place = rewritten(&place, |lists| {
            for word in lists {
                if words.below(8) >= share {
                    continue;
                }
                *word = match words.below(6) {
                    0 => END,
                    1 => TREE | words.below(RECORDS) as u32,
                    _ => words.below(RECORDS) as u32,
                };
            }
        });
        is_refuted(&place, &mut rng);
    }
}

#[test]
fn a_link_that_leads_nowhere_is_refused_at_once() {
    let place = place();
    for word in [RECORDS as u32, 1 << 30, TREE - 1, TREE | RECORDS as u32, END - 1] {
        let opened = open(&rewritten(&place, |words| words[LIST] = word), Mode::ReadOnly);
        assert!(matches!(opened, Err(Error::Corrupt { .. })), "{word}: {:?}", opened.err());
    }
}

/// If two records have one id, a call that names it has no correct answer. Searches name no id.
#[test]
fn an_id_that_two_records_have_is_corrupt_for_calls_that_name_ids() {
    let twice = forged(&place(), (8, 'i'), |value| value.copy_within(8..16, 16));
    for lazy in [true, false] {
        let options = OpenOptions { lazy, ..Default::default() };
        let stored = now(StoredIndex::open(twice.clone(), options)).unwrap();
        assert_eq!(now(stored.search(&[0.5; DIMENSIONS], SearchOptions::top(10))).unwrap().len(), 10);
        for id in [1_u64, 3] {
            let deleted = stored.change(|index| index.delete(&id.into()));
            assert!(matches!(deleted, Err(Error::Corrupt { .. })), "{deleted:?}");
            let found = stored.index().unwrap().contains(&id.into());
            assert!(matches!(found, Err(Error::Corrupt { .. })), "{found:?}");
            assert!(stored.change(|index| index.upsert(id, &[1.0; DIMENSIONS], None)).is_err());
        }
        assert!(!stored.index().unwrap().check().unwrap().ok);
        stored.change(thermocline::Index::clear).unwrap();
        stored.change(|index| index.insert_with_id(1, &[1.0; DIMENSIONS], None)).unwrap();
        assert_eq!(stored.change(|index| index.delete(&1_u64.into())), Ok(true));
    }
}
