//! Real embeddings, as shipped in the repository: recall, filters, tombstones, determinism, threads.

use std::sync::LazyLock;

use thermocline::{Config, Hit, Id, Index, Metric, Quantization, SearchOptions};

use crate::support::{METRICS, Rng, build, exact, mean_recall};

const K: usize = 10;
const EF: usize = 64;

struct Data {
    base: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
    /// For each query, all rows ordered by exact distance.
    truth: Vec<Vec<(f64, u64)>>,
}

static DATA: LazyLock<Data> = LazyLock::new(|| {
    let (base, queries) = (read_f16("base", 5000), read_f16("queries", 200));
    let rows: Vec<u64> = (0..base.len() as u64).collect();
    let rows = || rows.iter().zip(base.iter().map(Vec::as_slice));
    let truth = queries.iter().step_by(4).map(|query| exact(Metric::Cosine, query, rows())).collect();
    let queries = queries.iter().step_by(4).cloned().collect();
    Data { base, queries, truth }
});

static INT8: LazyLock<Index> = LazyLock::new(|| build(config(Quantization::Int8), &DATA.base));

fn config(quantization: Quantization) -> Config {
    Config { quantization, ..Config::new(384) }
}

/// Reads one of the shipped `.npy` files: version 1, little-endian float16, rows of 384.
fn read_f16(name: &str, rows: usize) -> Vec<Vec<f32>> {
    let path = format!("{}/data/wordnet/{name}.f16.npy", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = str::from_utf8(&bytes[10..start]).unwrap();
    assert!(header.contains("'<f2'") && header.contains(&format!("({rows}, 384)")), "{header}");
    assert_eq!(bytes.len() - start, rows * 384 * 2);
    let half = |word: &[u8]| from_half(u16::from_le_bytes([word[0], word[1]]));
    bytes[start..].chunks_exact(768).map(|row| row.chunks_exact(2).map(half).collect()).collect()
}

/// IEEE 754 half precision. The data contains no infinities.
fn from_half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    assert!(exponent < 31, "not a number");
    let magnitude =
        if exponent == 0 { fraction / (1 << 24) as f32 } else { (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15) };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[test]
fn halves_are_read_right() {
    for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0, 0.0)] {
        assert_eq!(from_half(bits), value, "{bits:#x}");
    }
    for vector in &DATA.base {
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-3, "rows have unit length");
    }
}

/// Mean recall among the rows that pass the filter.
fn filtered_recall(index: &Index, passes: impl Fn(u64) -> bool) -> f64 {
    let mut sum = 0.0;
    for (query, truth) in DATA.queries.iter().zip(&DATA.truth) {
        let mut filter = |id: &Id| matches!(id, Id::Number(row) if passes(*row));
        let hits = index.search(query, SearchOptions::top(K).with_ef(EF).with_filter(&mut filter)).unwrap();
        sum += share(&hits, truth, &passes);
    }
    sum / DATA.queries.len() as f64
}

/// Asserts that there are as many hits as possible, all passing. Returns the share that is among the nearest.
fn share(hits: &[Hit], truth: &[(f64, u64)], passes: impl Fn(u64) -> bool) -> f64 {
    let nearest: Vec<Id> =
        truth.iter().filter(|(_, row)| passes(*row)).take(K).map(|(_, row)| Id::from(*row)).collect();
    assert_eq!(hits.len(), nearest.len(), "k live hits");
    assert!(hits.iter().all(|hit| matches!(hit.id, Id::Number(row) if passes(row))));
    assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance));
    hits.iter().filter(|hit| nearest.contains(&hit.id)).count() as f64 / nearest.len() as f64
}

fn plain_recall(index: &Index, ef: usize, rerank: bool) -> f64 {
    let of = |(query, truth): (&Vec<f32>, &Vec<(f64, u64)>)| {
        let options = SearchOptions::top(K).with_ef(ef).with_rerank(rerank);
        share(&index.search(query, options).unwrap(), truth, |_| true)
    };
    DATA.queries.iter().zip(&DATA.truth).map(of).sum::<f64>() / DATA.queries.len() as f64
}

#[test]
fn recall_with_int8_codes() {
    assert!(INT8.check().unwrap().ok);
    let (narrow, at_64, wide) =
        (plain_recall(&INT8, 10, true), plain_recall(&INT8, EF, true), plain_recall(&INT8, 300, true));
    assert!(at_64 >= 0.95, "recall@10 {at_64} at ef 64");
    assert!(wide >= 0.99, "recall@10 {wide} at ef 300");
    assert!(narrow < wide, "a wider search finds more: {narrow}, {wide}");
}

#[test]
fn recall_without_quantization() {
    let index = build(config(Quantization::None), &DATA.base);
    assert!(index.check().unwrap().ok);
    let (at_64, wide) = (plain_recall(&index, EF, true), plain_recall(&index, 300, true));
    assert!(at_64 >= 0.95 && wide >= 0.99, "recall@10 {at_64} at ef 64, {wide} at 300");
    // Without codes there is nothing to correct.
    let hits = |rerank| index.search(&DATA.queries[0], SearchOptions::top(K).with_rerank(rerank)).unwrap();
    assert_eq!(hits(true), hits(false));
}

#[test]
fn reranking_corrects_the_order_by_codes() {
    let (without, with) = (plain_recall(&INT8, EF, false), plain_recall(&INT8, EF, true));
    assert!(without >= 0.93 && with >= without, "recall {without} by the codes alone, {with} reranked");
    let distances = |rerank| -> Vec<f32> {
        let hits = INT8.search(&DATA.queries[0], SearchOptions::top(K).with_rerank(rerank)).unwrap();
        hits.iter().map(|hit| hit.distance).collect()
    };
    let (rough, exact) = (distances(false), distances(true));
    assert_ne!(rough, exact, "the codes' own distances");
    assert!(rough.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 0.02), "{rough:?} {exact:?}");
}

#[test]
fn filters_of_any_selectivity() {
    for (one_in, least) in [(2, 0.95), (20, 0.97), (1000, 1.0)] {
        let passes = |row: u64| (row * 7919 % 5000) < 5000 / one_in;
        let found = filtered_recall(&INT8, passes);
        assert!(found >= least, "one in {one_in} passes: recall {found}");
    }
    assert_eq!(hits_among(|_| false), 0);
    assert_eq!(hits_among(|row| row == 4321), 1);
    assert_eq!(hits_among(|row| row < 9), 9);
}

fn hits_among(passes: impl Fn(u64) -> bool) -> usize {
    let mut filter = |id: &Id| matches!(id, Id::Number(row) if passes(*row));
    INT8.search(&DATA.queries[0], SearchOptions::top(K).with_filter(&mut filter)).unwrap().len()
}

#[test]
fn live_hits_whatever_the_tombstones() {
    let mut index = Index::import(&INT8.export().unwrap()).unwrap();
    let mut rows: Vec<u64> = (0..5000).collect();
    let mut rng = Rng(12);
    for share_deleted in [30, 60, 90, 99] {
        while rows.len() > 5000 * (100 - share_deleted) / 100 {
            let row = rows.swap_remove(rng.below(rows.len()));
            assert!(index.delete(&Id::from(row)).unwrap());
        }
        assert_eq!((index.len(), index.deleted()), (rows.len(), 5000 - rows.len()));
        rows.sort_unstable();
        let is_live = |row: u64| rows.binary_search(&row).is_ok();
        let unfiltered = |(query, truth): (&Vec<f32>, &Vec<(f64, u64)>)| {
            share(&index.search(query, SearchOptions::top(K).with_ef(EF)).unwrap(), truth, is_live)
        };
        let found = DATA.queries.iter().zip(&DATA.truth).map(unfiltered).sum::<f64>() / DATA.queries.len() as f64;
        assert!(found >= 0.95, "{share_deleted} per cent deleted: recall {found}");
        // A filter in addition to the tombstones.
        let found = filtered_recall(&index, |row| row % 3 == 0 && is_live(row));
        assert!(found >= 0.95, "{share_deleted} per cent deleted, filtered: recall {found}");
        // A narrow search, too, returns as many hits as asked for.
        for query in &DATA.queries {
            assert_eq!(index.search(query, SearchOptions::top(3).with_ef(1)).unwrap().len(), 3);
        }
    }
}

#[test]
fn the_same_input_order_and_seed_give_the_same_bytes() {
    let some = &DATA.base[..800];
    let bytes = |seed| build(Config { seed, ..config(Quantization::Int8) }, some).export().unwrap();
    let first = bytes(1);
    assert!(first == bytes(1));
    assert!(first != bytes(2), "another seed, another graph");
}

#[test]
fn threads_search_at_once() {
    let alone: Vec<Vec<Hit>> =
        DATA.queries.iter().map(|query| INT8.search(query, SearchOptions::top(K)).unwrap()).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let alone = &alone;
            scope.spawn(move || {
                for round in 0..4 {
                    for i in 0..DATA.queries.len() {
                        let i = (i * (thread + 1) + round) % DATA.queries.len();
                        let hits = INT8.search(&DATA.queries[i], SearchOptions::top(K)).unwrap();
                        assert_eq!(hits, alone[i]);
                    }
                }
            });
        }
    });
}

/// Where upper halves of int8 codes distinguish little, answers must still be as good as without codes.
#[test]
fn few_dimensions_and_one_sided_components() {
    for (dimensions, far) in [(2, 0.0), (3, 0.0), (8, 0.0), (8, 5.0), (16, 0.0), (64, 2.0), (200, 0.0), (200, 2.0)] {
        for metric in METRICS {
            for n in [100, 3000] {
                let mut rng = Rng(dimensions as u64);
                let mut vector = || (0..dimensions).map(|_| far + rng.normal()).collect::<Vec<f32>>();
                let vectors: Vec<_> = (0..n).map(|_| vector()).collect();
                let queries: Vec<_> = (0..40).map(|_| vector()).collect();
                let [int8, none] = [Quantization::Int8, Quantization::None].map(|quantization| {
                    let index = build(Config { metric, quantization, ..Config::new(dimensions) }, &vectors);
                    mean_recall(&index, &queries, 10, 64)
                });
                let what = format!("{dimensions} dimensions {far} off, {metric:?}, {n} records");
                // Components of a single sign leave half of the codes unused.
                let allowed = if far > 0.0 { 0.06 } else { 0.03 };
                assert!(int8 >= none - allowed, "{what}: {int8}, and {none} without codes");
            }
        }
    }
}

/// A scan uses whole codes: here all components except one are so small that their upper halves are equal.
#[test]
fn a_scan_tells_apart_what_upper_halves_do_not() {
    for dimensions in [8, 200] {
        let at = |i: u32| {
            let mut vector = vec![0.0; dimensions];
            (vector[0], vector[1]) = (100.0, i as f32);
            vector
        };
        let mut index = Index::new(Config { metric: Metric::L2, ..Config::new(dimensions) }).unwrap();
        for i in 0..100 {
            index.insert(&at(i), None).unwrap();
        }
        for k in [1, 10] {
            let hits = index.search(&at(99), SearchOptions::top(k)).unwrap();
            let expected: Vec<Id> = (0..k as u64).map(|i| Id::from(99 - i)).collect();
            assert_eq!(hits.into_iter().map(|hit| hit.id).collect::<Vec<_>>(), expected, "{dimensions} dimensions");
        }
    }
}

/// Scaling by a power of two is exact, so it must not change which records are found, however short or long the vectors
/// are: with errors of distances squared as `f32`, those of short vectors were 0, and next to nothing was reranked.
#[test]
fn the_unit_of_the_vectors_does_not_matter() {
    let mut rng = Rng(11);
    let vectors: Vec<Vec<f32>> = (0..1300).map(|_| (0..136).map(|_| rng.normal()).collect()).collect();
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::Product] {
        for metric in [Metric::L2, Metric::Dot] {
            let found = |power: i32| -> Vec<Vec<Id>> {
                let scaled = |vector: &Vec<f32>| vector.iter().map(|x| x * 2f32.powi(power)).collect::<Vec<f32>>();
                let records: Vec<_> = vectors[..1200].iter().map(scaled).collect();
                let mut index = build(Config { metric, quantization, ..Config::new(136) }, &records);
                index.link_all().unwrap();
                let search = |query| index.search(&scaled(query), SearchOptions::top(10).with_ef(100)).unwrap();
                let hits = vectors[1200..].iter().map(search);
                hits.map(|hits| hits.into_iter().map(|hit| hit.id).collect()).collect()
            };
            let expected = found(0);
            for power in [-50, 50] {
                let differing =
                    found(power).iter().zip(&expected).filter(|(found, expected)| found != expected).count();
                assert!(differing == 0, "{differing} of 100 queries, {quantization:?}, {metric:?}, 2^{power}");
            }
        }
    }
}
