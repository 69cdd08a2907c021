//! The crate inside WebAssembly: in Node with `wasm-pack test --node`, in a browser with `wasm-pack test --headless`.
//! This file does not fix where it runs, so that the same tests serve both.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/fixture.rs"]
mod frozen;
#[path = "wasm/stores.rs"]
mod stores;

use thermocline::bench_support::{Kernels, prove, prove_store};
use thermocline::{Config, Error, Id, Index, MemoryStore, Metric, Payload, Quantization, SearchOptions};
use wasm_bindgen_test::wasm_bindgen_test;

const DIMENSIONS: usize = 24;
const QUANTIZATIONS: [Quantization; 3] = [Quantization::None, Quantization::Int8, Quantization::Binary];

/// Vectors in -1 to 1 from a seed, by Vigna's xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn vector(&mut self) -> Vec<f32> {
        self.numbers(DIMENSIONS)
    }

    fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }
}

fn config(metric: Metric, quantization: Quantization) -> Config {
    Config { metric, quantization, m: 8, ef_construction: 60, ..Config::new(DIMENSIONS) }
}

fn small() -> Config {
    config(Metric::Cosine, Quantization::Int8)
}

fn build(config: Config, count: usize, seed: u64) -> (Index, Vec<Vec<f32>>) {
    let mut random = Random(seed);
    let vectors: Vec<Vec<f32>> = (0..count).map(|_| random.vector()).collect();
    let mut index = Index::new(config).unwrap();
    for (number, vector) in vectors.iter().enumerate() {
        let payload = format!(r#"{{"n":{number}}}"#);
        let id = index.insert(vector, Some(Payload::Json(&payload))).unwrap();
        assert_eq!(id, Id::from(number as u64));
    }
    (index, vectors)
}

#[track_caller]
fn sound(index: &Index, live: usize) {
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    assert_eq!((report.live, report.reachable, index.len()), (live, live, live));
}

fn compact(index: &mut Index) -> thermocline::CompactionReport {
    index.compact_start().unwrap();
    while index.compact_step(1000).unwrap() {}
    index.compact_finish().unwrap()
}

/// The exact distance that `Index::search` should return, in double precision.
fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    match metric {
        Metric::Cosine => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
        Metric::L2 => dot(a, a) + dot(b, b) - 2.0 * dot(a, b),
        Metric::Dot => -dot(a, b),
    }
}

/// Returns the share of the ten nearest live records that a search finds. Every hit must be live and its distance
/// right.
#[track_caller]
fn recall(index: &Index, vectors: &[Vec<f32>], query: &[f32]) -> f64 {
    let metric = index.config().metric;
    let mut exact: Vec<(f64, Id)> = vectors
        .iter()
        .enumerate()
        .map(|(number, vector)| (distance(metric, query, vector), Id::from(number as u64)))
        .filter(|(_, id)| index.contains(id).unwrap())
        .collect();
    exact.sort_by(|a, b| a.0.total_cmp(&b.0));
    exact.truncate(10);
    let hits = index.search(query, SearchOptions::top(10).with_ef(80)).unwrap();
    assert_eq!(hits.len(), exact.len());
    for hit in &hits {
        let Id::Number(number) = hit.id else { panic!("{} was never inserted", hit.id) };
        let expected = distance(metric, query, &vectors[number as usize]);
        assert!((f64::from(hit.distance) - expected).abs() < 1e-4, "{}: {} for {expected}", hit.id, hit.distance);
        assert!(index.contains(&hit.id).unwrap(), "{} is deleted", hit.id);
    }
    assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance));
    let found = exact.iter().filter(|(_, id)| hits.iter().any(|hit| hit.id == *id)).count();
    found as f64 / exact.len().max(1) as f64
}

#[track_caller]
fn mean_recall(index: &Index, vectors: &[Vec<f32>], seed: u64) -> f64 {
    let mut random = Random(seed);
    (0..40).map(|_| recall(index, vectors, &random.vector())).sum::<f64>() / 40.0
}

#[wasm_bindgen_test]
fn kernels_are_vector_instructions_and_right() {
    for kernels in Kernels::available() {
        prove(kernels).unwrap();
    }
    assert_eq!(Kernels::detect().simd(), "simd128");
}

#[wasm_bindgen_test]
async fn a_store_in_memory_keeps_the_contract() {
    let place = MemoryStore::default();
    prove_store(async || Ok(place.clone())).await.unwrap();
}

#[wasm_bindgen_test]
fn stats_name_the_instructions() {
    for quantization in QUANTIZATIONS {
        let stats = Index::new(config(Metric::L2, quantization)).unwrap().stats();
        assert_eq!(stats.simd, "simd128");
    }
}

#[wasm_bindgen_test]
fn finds_what_exact_search_finds() {
    for metric in Metric::ALL {
        for quantization in QUANTIZATIONS {
            let (mut index, vectors) = build(config(metric, quantization), 1500, 7);
            sound(&index, 1500);
            // Binary codes do not suit so few dimensions: many records share a code.
            let least = if quantization == Quantization::Binary { 0.92 } else { 0.97 };
            let recalled = mean_recall(&index, &vectors, 99);
            assert!(recalled >= least, "{metric:?} {quantization:?}: recall {recalled}");
            for number in (0..1500u64).step_by(3) {
                assert!(index.delete(&Id::from(number)).unwrap());
            }
            assert_eq!((index.len(), index.deleted(), index.needs_compaction()), (1000, 500, true));
            let tombstoned = mean_recall(&index, &vectors, 98);
            assert!(tombstoned >= least, "{metric:?} {quantization:?}: recall {tombstoned} past tombstones");
        }
    }
}

#[wasm_bindgen_test]
fn answers_while_it_compacts() {
    for quantization in QUANTIZATIONS {
        let (mut index, vectors) = build(config(Metric::Cosine, quantization), 1200, 3);
        for number in (0..1200u64).filter(|number| number % 5 < 2) {
            index.delete(&Id::from(number)).unwrap();
        }
        let held = index.stats().bytes.total();
        let mut random = Random(1);
        let (mut slices, mut recalled, mut late) = (0, 0.0, 0);
        index.compact_start().unwrap();
        while index.compact_step(300).unwrap() {
            slices += 1;
            recalled += recall(&index, &vectors, &random.vector());
            // Deleting and replacing are allowed between slices; the tombstones they leave wait for the next job.
            if slices % 4 == 0 {
                let number = 1199 - 5 * (slices / 4);
                late += usize::from(index.delete(&Id::from(number)).unwrap());
                index.upsert(4u64, &vectors[4], None).unwrap();
                late += 1;
            }
            let report = index.check().unwrap();
            assert!(report.ok, "after slice {slices}: {:?}", report.problems);
        }
        let report = index.compact_finish().unwrap();
        assert!(slices >= 8, "{slices} slices");
        assert_eq!((report.tombstones_removed, report.new_size), (480, index.len()));
        assert_eq!(index.deleted(), late);
        assert!(recalled / slices as f64 >= 0.95, "recall {} between slices", recalled / slices as f64);
        compact(&mut index);
        assert_eq!((index.deleted(), index.needs_compaction()), (0, false));
        sound(&index, index.len());
        assert!(index.stats().bytes.total() < held);
        let after = mean_recall(&index, &vectors, 97);
        assert!(after >= 0.97, "recall {after} after compaction");
        let kept = index.get(&Id::from(7)).unwrap().unwrap();
        assert_eq!((kept.vector, kept.payload), (vectors[7].as_slice(), Some(Payload::Json(r#"{"n":7}"#))));
    }
}

#[wasm_bindgen_test]
fn a_compaction_may_be_dropped_after_any_slice() {
    for slices in 0..12 {
        let (mut index, vectors) = build(small(), 400, 5);
        for number in 100..300u64 {
            index.delete(&Id::from(number)).unwrap();
        }
        index.compact_start().unwrap();
        for _ in 0..slices {
            index.compact_step(100).unwrap();
        }
        index.compact_abort();
        assert_eq!(index.compact_progress(), None);
        sound(&index, 200);
        assert!(mean_recall(&index, &vectors, 11) >= 0.97, "dropped after {slices} slices");
        compact(&mut index);
        assert_eq!(index.deleted(), 0);
        sound(&index, 200);
    }
}

#[wasm_bindgen_test]
fn deleting_the_entry_point_leaves_the_rest_in_reach() {
    let (mut index, vectors) = build(small(), 300, 13);
    // Whichever record the walk enters by is soon among them.
    for number in 0..290u64 {
        index.delete(&Id::from(number)).unwrap();
        sound(&index, 299 - number as usize);
        assert_eq!(recall(&index, &vectors, &vectors[number as usize]), 1.0, "after {number}");
        if number % 50 == 49 {
            compact(&mut index);
            sound(&index, 299 - number as usize);
        }
    }
}

#[wasm_bindgen_test]
fn deleting_all_and_inserting_again() {
    let (mut index, vectors) = build(small(), 200, 17);
    for compacted in [false, true] {
        let ids: Vec<Id> = index.iter().map(|record| record.id.clone()).collect();
        for id in &ids {
            assert!(index.delete(id).unwrap() && !index.delete(id).unwrap());
        }
        assert!(index.is_empty());
        assert_eq!(index.search(&vectors[0], SearchOptions::top(5)).unwrap(), []);
        if compacted {
            let report = compact(&mut index);
            assert_eq!((report.tombstones_removed, report.new_size, index.deleted()), (400, 0, 0));
        }
        sound(&index, 0);
        for (number, vector) in vectors.iter().enumerate() {
            index.insert_with_id(number as u64, vector, None).unwrap();
        }
        sound(&index, 200);
        assert!(mean_recall(&index, &vectors, 19) >= 0.99);
    }
}

#[wasm_bindgen_test]
fn two_hundred_cycles_of_delete_and_insert_from_empty() {
    let mut index = Index::new(small()).unwrap();
    let mut random = Random(23);
    for cycle in 0..200 {
        let vector = random.vector();
        index.insert_with_id("only", &vector, Some(Payload::Bytes(&[cycle]))).unwrap();
        let hits = index.search(&random.vector(), SearchOptions::top(3)).unwrap();
        assert_eq!(hits.iter().map(|hit| hit.id.clone()).collect::<Vec<_>>(), [Id::from("only")]);
        let record = index.get(&Id::from("only")).unwrap().unwrap();
        assert_eq!((record.vector, record.payload), (vector.as_slice(), Some(Payload::Bytes(&[cycle]))));
        sound(&index, 1);
        assert!(index.delete(&Id::from("only")).unwrap());
        sound(&index, 0);
    }
    assert_eq!(index.deleted(), 200);
    compact(&mut index);
    assert_eq!(index.deleted(), 0);
    sound(&index, 0);
}

#[wasm_bindgen_test]
fn exports_come_back_as_they_were() {
    for quantization in QUANTIZATIONS {
        let (mut index, vectors) = build(config(Metric::Dot, quantization), 300, 29);
        index.insert_with_id("ünï", &vectors[0], Some(Payload::Bytes(&[0, 255]))).unwrap();
        for number in 40..90u64 {
            index.delete(&Id::from(number)).unwrap();
        }
        let bytes = index.export().unwrap();
        let again = Index::import(&bytes).unwrap();
        assert_eq!(again.export().unwrap(), bytes);
        assert_eq!((again.len(), again.deleted(), again.config()), (251, 50, index.config()));
        let ask = |index: &Index| index.search(&vectors[5], SearchOptions::top(20)).unwrap();
        assert_eq!(ask(&again), ask(&index));
        let record = again.get(&Id::from("ünï")).unwrap().unwrap();
        assert_eq!((record.vector, record.payload), (vectors[0].as_slice(), Some(Payload::Bytes(&[0, 255]))));
        for at in (0..bytes.len()).step_by(997) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(matches!(Index::import(&damaged), Err(Error::Corrupt { .. })), "a bit flipped at {at}");
            assert!(matches!(Index::import(&bytes[..at]), Err(Error::Corrupt { .. })), "cut at {at}");
        }
    }
}

/// The frozen file was written natively. The same index built here must give its bytes; reading it must give its
/// records.
#[wasm_bindgen_test]
fn bytes_are_those_of_a_native_build() {
    let bytes = include_bytes!("fixtures/v1/index.thermo");
    let built = frozen::build().unwrap();
    assert!(built.export().unwrap() == bytes, "the bytes differ");
    let expiring = include_bytes!("fixtures/v1/expiring.thermo");
    let binary = include_bytes!("fixtures/v1/binary.thermo");
    assert!(
        frozen::build_of(Quantization::Binary).unwrap().export().unwrap() == binary,
        "the bytes of binary codes differ"
    );
    let product = include_bytes!("fixtures/v1/product.thermo");
    assert!(frozen::build_product().unwrap().export().unwrap() == product, "the bytes of product codes differ");
    assert!(frozen::build_expiring().unwrap().export().unwrap() == expiring, "the bytes differ where records expire");
    let read = Index::import(bytes).unwrap();
    let live: Vec<u32> = frozen::rows().filter(|&row| frozen::is_live(row)).collect();
    sound(&read, live.len());
    assert_eq!(read.deleted(), frozen::deleted());
    for row in live {
        let id = frozen::id(row);
        let (json, raw) = frozen::payload(row);
        let payload = json.as_deref().map(Payload::Json).or(raw.as_deref().map(Payload::Bytes));
        let record = read.get(&id).unwrap().unwrap();
        assert_eq!((record.vector, record.payload), (frozen::vector(row).as_slice(), payload), "{id}");
        let hits = read.search(&frozen::vector(row), SearchOptions::top(5)).unwrap();
        assert_eq!(hits, built.search(&frozen::vector(row), SearchOptions::top(5)).unwrap());
    }
}

/// More records than there are numbers, slots, or bytes in a 32-bit address space.
#[wasm_bindgen_test]
fn reserving_too_much_is_an_error_and_changes_nothing() {
    let (mut index, vectors) = build(small(), 100, 31);
    let (before, held) = (index.export().unwrap(), index.stats().bytes.total());
    for count in [usize::MAX, 1 << 30, (1 << 30) - 100, 30_000_000] {
        assert_eq!(index.reserve(count), Err(Error::OutOfMemory), "{count}");
        assert!(index.stats().bytes.total() <= held, "{count} records reserved in vain are given back");
    }
    assert_eq!(index.export().unwrap(), before);
    sound(&index, 100);
    index.reserve(1000).unwrap();
    for vector in &vectors {
        index.insert(vector, None).unwrap();
    }
    sound(&index, 200);
}

/// A search of the greatest width for the greatest number of hits reserves no more memory than there are records.
#[wasm_bindgen_test]
fn the_widest_search_takes_what_it_needs() {
    let (index, vectors) = build(small(), 100, 37);
    let options = SearchOptions::top(Config::MAX_EF).with_ef(Config::MAX_EF);
    assert_eq!(index.search(&vectors[0], options).unwrap().len(), 100);
    assert!(index.stats().bytes.scratch < 1 << 20);
}

/// Adds payloads until the heap, which ends at 4 GiB, is full. What was inserted before the refusal stays and keeps
/// working.
#[wasm_bindgen_test]
fn a_full_heap_refuses_and_lives_on() {
    let mut index = Index::new(small()).unwrap();
    let mut random = Random(41);
    let payload = vec![0x5a; 256 << 20];
    let refused = (0..20u64).find_map(|number| {
        let vector = random.vector();
        index.insert_with_id(number, &vector, Some(Payload::Bytes(&payload))).err().map(|error| (number, error))
    });
    let (held, error) = refused.unwrap();
    assert_eq!(error, Error::OutOfMemory);
    assert!(held >= 4, "refused after {held} payloads");
    // There is no memory for so many either; what was allocated for them is freed again.
    let before = index.stats().bytes.total();
    assert_eq!(index.reserve(2_000_000), Err(Error::OutOfMemory));
    assert!(index.stats().bytes.total() <= before);
    sound(&index, held as usize);
    assert!(!index.contains(&Id::from(held)).unwrap());
    assert_eq!(index.search(&random.vector(), SearchOptions::top(30)).unwrap().len(), held as usize);
    let last = index.get(&Id::from(held - 1)).unwrap().unwrap();
    assert_eq!(last.payload, Some(Payload::Bytes(&payload)));
    drop(payload);
    for number in 0..held {
        assert!(index.delete(&Id::from(number)).unwrap());
    }
    compact(&mut index);
    assert!(index.stats().bytes.total() < 1 << 20);
    index.insert_with_id("after", &random.vector(), Some(Payload::Bytes(&[1; 1000]))).unwrap();
    sound(&index, 1);
}

/// Bytes that begin at a multiple of 64, the only property of a mapping that other memory lacks.
#[cfg(feature = "mmap")]
struct Mapping {
    room: Vec<u8>,
    start: usize,
    len: usize,
}

#[cfg(feature = "mmap")]
impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.room[self.start..self.start + self.len]
    }
}

#[cfg(feature = "mmap")]
#[wasm_bindgen_test]
fn an_export_is_searched_where_it_lies() {
    for quantization in QUANTIZATIONS {
        let mut random = Random(29);
        let mut index = Index::new(config(Metric::Cosine, quantization)).unwrap();
        for number in 0..1500_u64 {
            index.insert_with_id(number, &random.vector(), Some(Payload::Json("{}"))).unwrap();
        }
        let bytes = index.export().unwrap();
        let mut room = vec![0; bytes.len() + 64];
        let start = room.as_ptr().align_offset(64);
        room[start..start + bytes.len()].copy_from_slice(&bytes);
        let mut mapped = Index::map(Mapping { room, start, len: bytes.len() }).unwrap();
        for _ in 0..5 {
            let query = random.vector();
            let [found, expected] = [&mapped, &index].map(|index| index.search(&query, SearchOptions::top(8)).unwrap());
            assert_eq!(found, expected);
        }
        for index in [&mut mapped, &mut index] {
            index.delete(&7_u64.into()).unwrap();
            index.insert_with_id("new", &[1.0; DIMENSIONS], None).unwrap();
            while index.link_step().unwrap() {}
        }
        assert!(mapped.check().unwrap().ok);
        assert!(mapped.export().unwrap() == index.export().unwrap());
    }
}
