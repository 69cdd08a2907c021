//! Each stored value in turn missing, cut or changed, after two checkpoints and two later logs.

use std::collections::BTreeSet;

use thermocline::{
    Config, Error, Id, MemoryStore, Mode, OpenOptions, Payload, Quantization, SearchOptions, StoredIndex,
};
use xxhash_rust::xxh64::Xxh64;

use crate::layout::{Manifest, manifests};
use crate::model::{Model, fingerprint};
use crate::support::{Rng, content, copied, delete, now, put};

const DIMENSIONS: usize = 4;
/// Most problems that a check lists.
const MOST_PROBLEMS: usize = 32;

pub(crate) struct Scene {
    pub(crate) place: MemoryStore,
    pub(crate) model: Model,
    /// The first log that the newest checkpoint needs, and the last log.
    logs: [String; 2],
}

fn options() -> OpenOptions {
    let config = Config { m: 4, ef_construction: 8, ..Config::new(DIMENSIONS) };
    OpenOptions { config: Some(config), mode: Mode::ReadWrite, ..Default::default() }
}

/// Two segments of slots. Only a few records changed between the checkpoints and after them.
pub(crate) fn scene() -> Scene {
    let place = MemoryStore::with_value_bytes(8000);
    let mut model = Model::new();
    let mut rng = Rng(3);
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    let mut insert = |stored: &StoredIndex<MemoryStore>, count| {
        for _ in 0..count {
            let vector = rng.vector(DIMENSIONS);
            let id = stored.change(|index| index.insert(&vector, None)).unwrap();
            let print = fingerprint(&id, &vector, None);
            model.put(id, print);
        }
    };
    insert(&stored, 1100);
    now(stored.checkpoint()).unwrap();
    insert(&stored, 3);
    now(stored.commit()).unwrap();
    insert(&stored, 2);
    now(stored.checkpoint()).unwrap();
    insert(&stored, 4);
    now(stored.commit()).unwrap();
    insert(&stored, 1);
    now(stored.commit()).unwrap();
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    insert(&stored, 3);
    now(stored.commit()).unwrap();
    insert(&stored, 1);
    now(stored.commit()).unwrap();
    let found = content(&place);
    let log = manifests(&found)[0].1.log;
    let logs = found.keys().filter(|key| **key >= format!("log/{log:020}") && key.starts_with("log/"));
    // An earlier log has changes that are in the newest checkpoint but were not committed: only the older one needs it.
    let [_, first, last] = logs.cloned().collect::<Vec<_>>().try_into().unwrap();
    let logs = [first, last];
    Scene { place, model, logs }
}

pub(crate) fn open(place: &MemoryStore, mode: Mode) -> Result<StoredIndex<MemoryStore>, Error> {
    now(StoredIndex::open(place.clone(), OpenOptions { config: None, mode, ..Default::default() }))
}

/// Ways to damage a value.
fn damaged(value: &[u8], rng: &mut Rng) -> Vec<Option<Vec<u8>>> {
    let flipped = |at: usize| {
        let mut value = value.to_vec();
        value[at / 8] ^= 1 << (at % 8);
        Some(value)
    };
    let mut all = vec![None, Some(Vec::new()), Some(value[..value.len() - 1].to_vec())];
    all.push(Some(value[..rng.below(value.len())].to_vec()));
    all.push(Some([value, &[0]].concat()));
    all.extend((0..4).map(|_| flipped(rng.below(8 * value.len()))));
    all
}

fn with(place: &MemoryStore, key: &str, value: Option<Vec<u8>>) -> MemoryStore {
    let place = copied(place);
    match value {
        Some(value) => put(&place, key, value),
        None => delete(&place, key),
    }
    place
}

#[test]
fn each_damaged_value_is_bypassed_or_named() {
    let Scene { place, model, logs } = scene();
    let found = content(&place);
    let known = manifests(&found);
    assert_eq!(known.len(), 2);
    let [newest, older] = [0, 1].map(|at| known[at].1.keys());
    let shared: BTreeSet<&String> = newest.intersection(&older).collect();
    assert!(shared.len() > 3 && newest.len() > shared.len() + 3, "{} of {}", shared.len(), newest.len());
    let mut rng = Rng(1);
    for (key, value) in &found {
        for value in damaged(value, &mut rng) {
            let opened = open(&with(&place, key, value.clone()), Mode::ReadWrite);
            if key.starts_with("b/") {
                loses_records_and_nothing_else(&opened.unwrap(), &model);
                // Nobody has written since it was opened, so a reader must not take a missing block for a sign of that.
                loses_records_and_nothing_else(&open(&with(&place, key, value), Mode::ReadOnly).unwrap(), &model);
                continue;
            }
            if *key == logs[1] {
                // The only value whose end is recorded nowhere else.
                continue;
            }
            // A kill may leave an empty log, or one with a torn end.
            let is_needed = shared.contains(key) || *key == logs[0];
            let is_longer = value.as_ref().is_some_and(|value| value.len() > found[key].len());
            if is_needed && !(key.starts_with("log/") && is_longer) {
                let Err(Error::Corrupt { what }) = opened else { panic!("{key} opens, with {value:?}") };
                let name = key.rsplit_once('.').map_or(key.as_str(), |(name, _)| name);
                assert!(what.contains(name) || key.starts_with("log/") && what.contains("log/"), "{key}: {what}");
            } else {
                let opened = opened.unwrap_or_else(|error| panic!("{key}: {error}"));
                model.clone().settle(&opened.index().unwrap());
                model.verify(&opened.index().unwrap());
            }
        }
    }
}

/// Asking for something in a damaged block names the block, and everything else is unchanged.
fn loses_records_and_nothing_else(stored: &StoredIndex<MemoryStore>, model: &Model) {
    let report = stored.index().unwrap().check().unwrap();
    let (mut lost, mut whole) = (Vec::new(), 0);
    for (id, print) in &model.records {
        match now(stored.get(id, |record| fingerprint(&record.id, record.vector, record.payload))) {
            Err(Error::Corrupt { what }) if what.contains("is not as it was written") => {
                let shown = id.as_text().map_or_else(|| id.to_string(), |text| format!("\"{text}\""));
                lost.push(format!("the record of id {shown} is lost: its block is not as it was written"));
            }
            found => {
                assert_eq!(found, Ok(Some(*print)));
                whole += 1;
            }
        }
    }
    assert!(!lost.is_empty() && whole > 0, "{lost:?} lost, {whole} whole");
    let is_loss = |problem: &String| lost.contains(problem);
    assert!(!report.ok && report.problems.iter().all(is_loss), "{:?}", report.problems);
    assert_eq!(report.problems.len(), lost.len().min(MOST_PROBLEMS));
    let options = SearchOptions::top(model.records.len()).with_ef(2000);
    let hits = now(stored.search(&[1.0; DIMENSIONS], options)).unwrap();
    assert_eq!(hits.len(), model.records.len(), "lost ones are found by their codes");
    assert!(matches!(now(stored.export()), Err(Error::Corrupt { .. })), "an export would lack them");
    if stored.index().unwrap().is_read_only() {
        return;
    }
    let gone = model.records.keys().next().unwrap();
    assert!(stored.change(|index| index.delete(gone)).unwrap());
    now(stored.checkpoint()).unwrap();
}

/// The place continues after falling back, and what was damaged is gone.
#[test]
fn an_index_opened_by_the_older_checkpoint_can_be_used_further() {
    let Scene { place, model, .. } = scene();
    let newest = manifests(&content(&place))[0].0.clone();
    for value in [None, Some(b"not a manifest".to_vec())] {
        let (place, mut model) = (with(&place, &newest, value), model.clone());
        let stored = open(&place, Mode::ReadWrite).unwrap();
        model.verify(&stored.index().unwrap());
        let gone = model.records.keys().next().unwrap().clone();
        assert!(stored.change(|index| index.delete(&gone)).unwrap());
        model.delete(&gone);
        now(stored.commit()).unwrap();
        model.verify(&open(&place, Mode::ReadOnly).unwrap().index().unwrap());
        now(stored.checkpoint()).unwrap();
        assert_eq!(crate::layout::orphans(&place), Vec::<String>::new());
        model.verify(&open(&place, Mode::ReadOnly).unwrap().index().unwrap());
        let newest = manifests(&content(&place))[0].0.clone();
        model.verify(&open(&with(&place, &newest, None), Mode::ReadOnly).unwrap().index().unwrap());
    }
}

#[test]
fn a_torn_log_gives_what_was_whole() {
    let Scene { place, model, logs } = scene();
    let log = content(&place)[&logs[1]].clone();
    let mut lengths = BTreeSet::new();
    for len in 0..=log.len() {
        let opened = open(&with(&place, &logs[1], Some(log[..len].to_vec())), Mode::ReadOnly).unwrap();
        model.clone().settle(&opened.index().unwrap());
        lengths.insert(opened.index().unwrap().len());
    }
    assert_eq!(lengths.len(), 5, "four frames, and none of them");
    // A flipped bit in the last frame is a torn end; an earlier one is damage to what was acknowledged.
    for bit in 0..8 * log.len() {
        let mut flipped = log.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let opened = open(&with(&place, &logs[1], Some(flipped)), Mode::ReadOnly);
        if bit / 8 < log.len() * 3 / 4 {
            assert!(matches!(opened, Err(Error::Corrupt { .. })), "bit {bit}");
        } else {
            assert_eq!(opened.unwrap().index().unwrap().len(), model.records.len() - 1, "bit {bit}");
        }
    }
}

#[test]
fn without_a_manifest_no_new_index_is_created() {
    let Scene { place, .. } = scene();
    let names: Vec<String> = manifests(&content(&place)).into_iter().map(|(name, _)| name).collect();
    for value in [None, Some(b"no manifest".to_vec())] {
        let place = with(&with(&place, &names[0], value.clone()), &names[1], value);
        assert!(matches!(open(&place, Mode::ReadWrite), Err(Error::Corrupt { .. })));
        let made = now(StoredIndex::open(place.clone(), options()));
        assert!(matches!(made, Err(Error::Corrupt { .. })), "{:?}", made.err());
    }
}

/// Corrects the checksum of a manifest.
pub(crate) fn seal(manifest: &mut [u8]) {
    let mut checksum = Xxh64::new(0);
    checksum.update(&manifest[..24]);
    checksum.update(&manifest[32..]);
    manifest[24..32].copy_from_slice(&checksum.digest().to_le_bytes());
}

#[test]
fn a_later_version_is_an_error_that_names_it() {
    let Scene { place, .. } = scene();
    let (newest, _) = manifests(&content(&place))[0].clone();
    let mut manifest = content(&place)[&newest].clone();
    manifest[8] = 2;
    seal(&mut manifest);
    let opened = open(&with(&place, &newest, Some(manifest)), Mode::ReadWrite);
    assert_eq!(opened.err(), Some(Error::UnsupportedVersion { found: 2, supported: 1 }));
}

/// Each word of a manifest in turn has another value, under a valid checksum. The result is an index that passes its
/// own check, or a refusal.
#[test]
fn hostile_manifests_are_refused() {
    let Scene { place, .. } = scene();
    let known = manifests(&content(&place));
    delete(&place, &known[1].0);
    let manifest = content(&place)[&known[0].0].clone();
    let mut refused = 0;
    let mut attempt = |bytes: Vec<u8>| {
        let started = std::time::Instant::now();
        match open(&with(&place, &known[0].0, Some(bytes)), Mode::ReadWrite) {
            Ok(stored) => {
                let problems = stored.index().unwrap().check().unwrap().problems;
                // A forged entry of a block is compared with the block itself.
                assert!(problems.iter().all(|problem| problem.contains("is lost: its block")), "{problems:?}");
            }
            Err(error) => {
                assert!(matches!(error, Error::Corrupt { .. } | Error::UnsupportedVersion { .. }), "{error:?}");
                refused += 1;
            }
        }
        // Not a measurement: work for as many slots or bytes as a forged word claims would take hours.
        assert!(started.elapsed().as_secs() < 60, "a word is believed");
    };
    let words = [0_u32, 1, 2, 0xFFFF, 1 << 20, 1 << 30, u32::MAX - 1, u32::MAX];
    for at in (8..manifest.len()).step_by(2) {
        for word in words {
            let mut forged = manifest.clone();
            let end = (at + 4).min(forged.len());
            forged[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
            seal(&mut forged);
            // Beyond the first 240 bytes the entries repeat, so every fourth offset is enough.
            if at < 240 || at % 8 == 0 {
                attempt(forged);
            }
        }
    }
    // No bytes anywhere, and as many segments as there can be slots for.
    let count = Manifest::read(&manifest).segments.len();
    let mut empty = manifest.clone();
    (0..count).for_each(|number| empty[160 + 32 * number + 16..][..8].fill(0));
    seal(&mut empty);
    attempt(empty);
    assert!(refused > 500, "{refused}");
}

/// A manifest may claim for a segment only what its slots can hold. Here they hold all of it except for the levels, and
/// one byte more is refused before anything is read.
#[test]
fn segments_may_be_as_long_as_their_slots_allow() {
    const RECORDS: usize = 20;
    for quantization in Quantization::ALL {
        let place = MemoryStore::with_value_bytes(700);
        let config = Config { quantization, ..Config::new(DIMENSIONS) };
        let stored =
            now(StoredIndex::open(place.clone(), OpenOptions { config: Some(config), ..Default::default() })).unwrap();
        let mut rng = Rng(4);
        for number in 0..RECORDS {
            let id = Id::from(&*format!("{number:0>width$}", width = Id::MAX_TEXT_BYTES));
            let vector = rng.vector(DIMENSIONS);
            stored.change(|index| index.insert_with_id_expiring(id, &vector, None, Some(1e15))).unwrap();
        }
        now(stored.checkpoint()).unwrap();
        let known = manifests(&content(&place));
        known.iter().skip(1).for_each(|(older, _)| delete(&place, older));
        let (name, newest) = &known[0];
        assert_eq!(open(&place, Mode::ReadOnly).unwrap().index().unwrap().len(), RECORDS);
        for (number, &(kind, .., bytes)) in newest.segments.iter().enumerate() {
            let most = match kind {
                8 => (RECORDS * (8 + Id::MAX_TEXT_BYTES)) as u64,
                12 => RECORDS as u64 * (4 + 8),
                // A level; twice `m` links on the lowest level, and `m` on each of the fifteen above it.
                6 => (RECORDS * (1 + 4 * (2 + 15) * config.m)) as u64,
                _ => bytes,
            };
            // No node reaches that many levels.
            assert!(if kind == 6 { bytes < most } else { bytes == most }, "kind {kind}: {bytes}, {most}");
            let refused = |claimed: u64| {
                let mut forged = content(&place)[name].clone();
                forged[160 + 32 * number + 16..][..8].copy_from_slice(&claimed.to_le_bytes());
                seal(&mut forged);
                open(&with(&place, name, Some(forged)), Mode::ReadOnly).err().map(|error| error.to_string())
            };
            let (at_most, over) = (refused(most), refused(most + 1));
            let is_too_long = |why: &String| why.contains("segments that are too long");
            assert!(over.as_ref().is_some_and(is_too_long), "kind {kind}: {over:?}");
            // The claim is accepted, and the values are looked for.
            let is_sought = |why: &String| why.contains("s/l/") && why.contains("is missing");
            assert!(if kind == 6 { at_most.as_ref().is_some_and(is_sought) } else { at_most.is_none() }, "{at_most:?}");
        }
    }
}

/// However short the values that a store asks for, there are never so many pieces that an opening would refuse them. A
/// manifest that claims shorter pieces is refused before anything is read.
#[test]
fn pieces_are_never_so_short_that_they_are_too_many() {
    /// The number of records in a segment.
    const RECORDS: usize = 1024;
    let place = MemoryStore::with_value_bytes(1);
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    for number in 0..RECORDS {
        let id = Id::from(&*format!("{number:0>width$}", width = Id::MAX_TEXT_BYTES));
        stored.change(|index| index.insert_with_id(id, &[1.0, number as f32, 0.0, 0.0], None)).unwrap();
    }
    now(stored.checkpoint()).unwrap();
    let known = manifests(&content(&place));
    known.iter().skip(1).for_each(|(older, _)| delete(&place, older));
    let (name, newest) = &known[0];
    let longest = newest.segments.iter().map(|&(.., bytes)| bytes).max().unwrap();
    assert_eq!(longest, (RECORDS * (8 + Id::MAX_TEXT_BYTES)) as u64);
    // The least for records, with at most 2^20 pieces. It exceeds the least for segments, with at most 2^16.
    assert_eq!(newest.piece_bytes, 1025);
    let least = longest.div_ceil(1 << 16);
    assert_eq!(open(&place, Mode::ReadOnly).unwrap().index().unwrap().len(), RECORDS);

    for piece_bytes in [1, least as u32 - 1] {
        let mut forged = content(&place)[name].clone();
        forged[56..60].copy_from_slice(&piece_bytes.to_le_bytes());
        seal(&mut forged);
        let refused = open(&with(&place, name, Some(forged)), Mode::ReadOnly).err();
        let why = |error: &Error| error.to_string().contains("segments that are too long");
        assert!(refused.as_ref().is_some_and(why), "{piece_bytes}: {refused:?}");
    }
}

/// Even if nothing is in pieces yet: the next checkpoint would cut values into pieces of length zero.
#[test]
fn pieces_of_no_length_are_refused() {
    let place = MemoryStore::default();
    drop(now(StoredIndex::open(place.clone(), options())).unwrap());
    let known = manifests(&content(&place));
    let (name, newest) = &known[0];
    assert_eq!((known.len(), newest.segments.len()), (1, 0));
    let mut forged = content(&place)[name].clone();
    forged[56..60].copy_from_slice(&[0; 4]);
    seal(&mut forged);
    let refused = open(&with(&place, name, Some(forged)), Mode::ReadWrite).err();
    assert!(matches!(refused, Some(Error::Corrupt { .. })), "{refused:?}");
}

/// The same for records: a long record in a place of short values can be read again.
#[test]
fn records_are_never_in_too_many_pieces_either() {
    const PAYLOAD_BYTES: usize = 69 << 20;
    let place = MemoryStore::with_value_bytes(1);
    let stored = now(StoredIndex::open(place.clone(), options())).unwrap();
    let payload = vec![7; PAYLOAD_BYTES];
    stored.change(|index| index.insert(&[1.0; DIMENSIONS], Some(Payload::Bytes(&payload)))).unwrap();
    now(stored.checkpoint()).unwrap();
    drop(stored);
    let again = open(&place, Mode::ReadWrite).unwrap();
    let is_whole = |record: thermocline::Record<'_>| record.payload == Some(Payload::Bytes(&payload));
    assert_eq!(now(again.get(&Id::Number(0), is_whole)), Ok(Some(true)));
}

#[test]
fn foreign_values_are_left_alone() {
    let Scene { place, model, .. } = scene();
    let foreign = [
        "zz",
        "m/3",
        "log/notes",
        "s/c/1.2.3",
        "s/z/0000000000.00000000000000000001.0000000000",
        "m/x/y",
        "log/18446744073709551615",
        "m/18446744073709551615",
        "s/c/0000000000.18446744073709551615.0000000000",
    ];
    foreign.iter().for_each(|key| put(&place, key, b"somebody else's".to_vec()));
    let stored = open(&place, Mode::ReadWrite).unwrap();
    for _ in 0..3 {
        stored.change(|index| index.insert(&[1.0; DIMENSIONS], None)).unwrap();
        now(stored.checkpoint()).unwrap();
    }
    let opened = open(&place, Mode::ReadOnly).unwrap();
    assert_eq!(opened.index().unwrap().len(), model.records.len() + 3);
    let found = content(&place);
    assert!(foreign.iter().all(|key| found[*key] == b"somebody else's"));
}
