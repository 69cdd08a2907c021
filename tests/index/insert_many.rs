//! Many records in one call: the same index on any number of threads, as good as one at a time, and all or none.

use std::error::Error as _;
use thermocline::{Config, Error, Id, Index, Metric, NewRecord, Payload, Quantization, SearchOptions};

use crate::support::{Clusters, METRICS, Model, OwnPayload, QUANTIZATIONS, Rng, build, mean_recall, sound};

const DIMENSIONS: usize = 12;

fn records(vectors: &[Vec<f32>]) -> Vec<NewRecord<'_>> {
    vectors.iter().map(|vector| NewRecord::new(vector)).collect()
}

/// An index with tombstones and free slots: its compaction stopped before closing the gaps.
fn worn(config: Config, vectors: &[Vec<f32>]) -> Index {
    let mut index = build(config, vectors);
    let thin = |index: &mut Index, part: u64| {
        for number in (0..vectors.len() as u64).filter(|number| number % 8 == part) {
            assert!(index.delete(&Id::Number(number)).unwrap());
        }
    };
    thin(&mut index, 1);
    index.compact_start().unwrap();
    while index.compact_progress().unwrap().phase == "graph" {
        assert!(index.compact_step(1).unwrap());
    }
    index.compact_abort();
    thin(&mut index, 3);
    index
}

#[cfg(feature = "rayon")]
fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[cfg(not(feature = "rayon"))]
fn on_threads<T>(_: usize, work: impl FnOnce() -> T) -> T {
    work()
}

#[test]
fn the_index_does_not_depend_on_threads() {
    for (metric, quantization) in METRICS.into_iter().flat_map(|metric| QUANTIZATIONS.map(|one| (metric, one))) {
        let config = Config { metric, quantization, m: 6, ef_construction: 40, ..Config::new(DIMENSIONS) };
        let mut clusters = Clusters::new(5, 20, DIMENSIONS);
        let [before, new] = [700, 1500].map(|count| clusters.vectors(count));
        let inserted = |threads| {
            let mut index = worn(config, &before);
            let mut expected = Model::of(&index);
            let ids = on_threads(threads, || index.insert_many(&records(&new))).unwrap();
            assert_eq!(ids, (700..2200).map(Id::Number).collect::<Vec<_>>());
            expected
                .records
                .extend(ids.into_iter().zip(new.iter().map(|vector| (vector.clone(), OwnPayload::Nothing))));
            expected.verify(&index);
            index.export().unwrap()
        };
        let alone = inserted(1);
        for threads in [2, 4] {
            assert!(inserted(threads) == alone, "{metric:?}, {quantization:?}, {threads} threads");
        }
    }
}

/// More records than are linked one by one where there is no graph yet.
const BULK: usize = 4500;

#[test]
fn a_bulk_build_does_not_depend_on_threads() {
    for metric in METRICS {
        let config = Config { metric, m: 12, ef_construction: 80, ..Config::new(130) };
        let mut vectors = Clusters::new(7, 20, 130).vectors(BULK);
        vectors.extend_from_within(..200);
        let inserted = |threads| {
            let mut index = Index::new(config).unwrap();
            on_threads(threads, || index.insert_many(&records(&vectors))).unwrap();
            sound(&index);
            index.export().unwrap()
        };
        let alone = inserted(1);
        for threads in [2, 4] {
            assert!(inserted(threads) == alone, "{metric:?}, {threads} threads");
        }
    }
}

#[test]
fn recall_of_a_bulk_build_is_that_of_single_inserts() {
    for (metric, dimensions) in METRICS.into_iter().zip([160, 129, 384]) {
        let config = Config { metric, ef_construction: 100, ..Config::new(dimensions) };
        let mut clusters = Clusters::new(9, 60, dimensions);
        let vectors = clusters.vectors(BULK);
        let queries = clusters.vectors(150);
        let mut index = Index::new(config).unwrap();
        index.insert_many(&records(&vectors)).unwrap();
        sound(&index);
        for ef in [10, 48] {
            let [one_by_one, bulk] =
                [&build(config, &vectors), &index].map(|index| mean_recall(index, &queries, 10, ef));
            let what = format!("{metric:?}, {dimensions} dimensions, ef {ef}");
            assert!(bulk > one_by_one - 0.02, "{what}: {bulk}, one by one {one_by_one}");
        }
    }
}

/// In a bulk build many of the nearest choose one another, which makes one link of two. Once nodes had too few links
/// for vectors that have neighbours in many directions, and up to a fifth less was found. Evenly random vectors are
/// linked one by one.
#[test]
fn vectors_without_neighbourhoods_are_found_as_after_inserts() {
    const LONG: usize = 136;
    let mut rng = Rng(3);
    let mut random = |len: usize| -> Vec<f32> { (0..len).map(|_| (0..4).map(|_| rng.unit()).sum()).collect() };
    let directions: Vec<Vec<f32>> = (0..40).map(|_| random(LONG)).collect();
    let mut mixed = |count: usize| -> Vec<Vec<f32>> {
        let sum = |shares: &[f32], at: usize| shares.iter().zip(&directions).map(|(share, way)| share * way[at]).sum();
        (0..count)
            .map(|_| random(directions.len()))
            .map(|shares| (0..LONG).map(|at| sum(&shares, at)).collect())
            .collect()
    };
    let sets = [("of 40 directions", mixed(BULK), mixed(100))];
    let mut even = |count: usize| -> Vec<Vec<f32>> { (0..count).map(|_| random(LONG)).collect() };
    let evenly = [("evenly random", even(BULK), even(100))];
    for (what, vectors, queries) in sets.into_iter().chain(evenly) {
        let config = Config { metric: Metric::Cosine, ..Config::new(LONG) };
        let one_by_one = build(config, &vectors);
        let mut bulk = Index::new(config).unwrap();
        bulk.insert_many(&records(&vectors)).unwrap();
        sound(&bulk);
        for ef in [24, 64] {
            let [one_by_one, bulk] = [&one_by_one, &bulk].map(|index| mean_recall(index, &queries, 10, ef));
            assert!(bulk > one_by_one - 0.02, "{what}, ef {ef}: {bulk}, one by one {one_by_one}");
        }
        for (number, vector) in vectors.iter().enumerate().step_by(9) {
            let hits = bulk.search(vector, SearchOptions::top(1)).unwrap();
            assert_eq!(hits[0].id, Id::Number(number as u64), "{what}: its own vector finds {number}");
        }
    }
}

/// The index that a bulk build has made is like any other: records are deleted, compacted away and inserted.
#[test]
fn records_of_all_shapes_are_built_in_bulk() {
    const LONG: usize = 130;
    let along = |values: [f32; 2]| [values.as_slice(), &[0.0; LONG - 2]].concat();
    let shapes: [(&str, Vec<Vec<f32>>); 5] = [
        ("all equal", vec![along([1.0, 0.5]); BULK]),
        ("two, alternating", (0..BULK).map(|at| along([1.0, (at % 2) as f32])).collect()),
        ("all but one equal", (0..BULK).map(|at| along([1.0, f32::from(at == 17)])).collect()),
        ("on a line", (0..BULK).map(|at| along([at as f32 / 1000.0, 1.0])).collect()),
        ("huge and tiny", (0..BULK).map(|at| along([[1e12, 1e-12][at % 2] * (1.0 + at as f32), 1.0])).collect()),
    ];
    for (shape, vectors) in shapes {
        for metric in METRICS {
            let config = Config { metric, m: 12, ef_construction: 80, ..Config::new(LONG) };
            let mut index = Index::new(config).unwrap();
            index.insert_many(&records(&vectors)).unwrap();
            sound(&index);
            for number in (0..BULK as u64).filter(|number| number % 3 == 0) {
                assert!(index.delete(&Id::Number(number)).unwrap(), "{shape}");
            }
            index.compact().unwrap();
            index.insert_many(&records(&vectors[..100])).unwrap();
            sound(&index);
        }
    }
}

#[test]
fn a_small_index_is_the_one_of_single_inserts() {
    for quantization in QUANTIZATIONS {
        let config = Config { quantization, m: 4, ..Config::new(DIMENSIONS) };
        let vectors = Clusters::new(6, 5, DIMENSIONS).vectors(64);
        let mut index = Index::new(config).unwrap();
        index.insert_many(&records(&vectors[..1])).unwrap();
        index.insert_many(&records(&vectors[1..])).unwrap();
        assert!(index.export().unwrap() == build(config, &vectors).export().unwrap());
    }
}

#[test]
fn recall_is_that_of_single_inserts() {
    let dimensions = 24;
    for (quantization, is_sorted) in QUANTIZATIONS.into_iter().flat_map(|one| [(one, false), (one, true)]) {
        let config = Config { quantization, ef_construction: 60, ..Config::new(dimensions) };
        let mut clusters = Clusters::new(9, 60, dimensions);
        let mut drawn: Vec<_> = (0..2500).map(|_| clusters.draw()).collect();
        if is_sorted {
            // The records of a batch are then nearest to each other.
            drawn.sort_by_key(|(centre, _)| *centre);
        }
        let vectors: Vec<_> = drawn.into_iter().map(|(_, vector)| vector).collect();
        let queries = clusters.vectors(200);
        let mut index = Index::new(config).unwrap();
        index.insert_many(&records(&vectors)).unwrap();
        sound(&index);
        let [one_by_one, many] = [&build(config, &vectors), &index].map(|index| mean_recall(index, &queries, 10, 24));
        assert!(many > one_by_one - 0.01, "{quantization:?}, {is_sorted}: {many}, one by one {one_by_one}");
        assert!(many > 0.8, "{quantization:?}, {is_sorted}: {many}");
    }
}

#[test]
fn equal_vectors_and_new_levels_in_one_batch() {
    for m in [4, 16] {
        let config = Config { m, ef_construction: 16, ..Config::new(2) };
        let mut index = build(config, &vec![vec![1.0, 0.5]; 300]);
        // Repeatedly larger than the index, so that a batch has several nodes higher than all earlier ones.
        for _ in 0..2 {
            let more = vec![vec![1.0, 0.5]; index.len() * 2];
            index.insert_many(&records(&more)).unwrap();
            sound(&index);
        }
    }
}

#[test]
fn into_an_index_of_tombstones_only() {
    let vectors = Clusters::new(2, 4, DIMENSIONS).vectors(400);
    let mut index = build(Config::new(DIMENSIONS), &vectors);
    (0..400).for_each(|number| assert!(index.delete(&Id::Number(number)).unwrap()));
    let ids = index.insert_many(&records(&vectors)).unwrap();
    assert_eq!((ids[0].clone(), index.len(), index.deleted()), (Id::Number(400), 400, 400));
    sound(&index);
    index.compact().unwrap();
    sound(&index);
}

#[test]
fn while_a_compaction_is_under_way() {
    let vectors = Clusters::new(3, 9, DIMENSIONS).vectors(900);
    let mut index = worn(Config { m: 4, ..Config::new(DIMENSIONS) }, &vectors);
    index.compact_start().unwrap();
    let mut expected = Model::of(&index);
    while index.compact_step(40).unwrap() {
        if index.len() < 6000 {
            let ids = index.insert_many(&records(&vectors[..300])).unwrap();
            let own = vectors.iter().map(|vector| (vector.clone(), OwnPayload::Nothing));
            expected.records.extend(ids.into_iter().zip(own));
            sound(&index);
        }
    }
    assert!(index.compact_finish().is_some());
    expected.verify(&index);
}

#[test]
fn each_gets_its_id_as_if_inserted_alone() {
    let vector = [1.0; DIMENSIONS];
    let with_id = |id: Id| NewRecord { id: Some(id), ..NewRecord::new(&vector) };
    let mut index = Index::new(Config::new(DIMENSIONS)).unwrap();
    let given =
        [NewRecord::new(&vector), with_id(7.into()), NewRecord::new(&vector), with_id("a".into()), with_id(3.into())];
    let ids = index.insert_many(&given).unwrap();
    assert_eq!(ids, [0.into(), 7.into(), 8.into(), "a".into(), 3.into()]);
    assert_eq!(index.insert(&vector, None).unwrap(), Id::Number(9));
    assert_eq!(index.insert_many(&[]).unwrap(), Vec::<Id>::new());
    let last = [with_id(Id::Number(Id::MAX_NUMBER)), NewRecord::new(&vector)];
    let error = index.insert_many(&last).unwrap_err();
    assert!(
        matches!(&error, Error::InRecord { at: 1, error } if matches!(**error, Error::InvalidId { .. })),
        "{error:?}"
    );
    index.insert_many(&last[..1]).unwrap();
}

#[test]
fn one_bad_record_refuses_all() {
    let (good, short, endless) = ([1.0; DIMENSIONS], [1.0; 3], [f32::NAN; DIMENSIONS]);
    let fine = || NewRecord { payload: Some(Payload::Bytes(b"x")), ..NewRecord::new(&good) };
    let with_id = |id: Id| NewRecord { id: Some(id), ..fine() };
    let bad = [
        (NewRecord::new(&short), "DIMENSION_MISMATCH"),
        (NewRecord::new(&endless), "INVALID_VECTOR"),
        (NewRecord::new(&[0.0; DIMENSIONS]), "INVALID_VECTOR"),
        (with_id("".into()), "INVALID_ID"),
        (with_id(u64::MAX.into()), "INVALID_ID"),
        (with_id(5.into()), "DUPLICATE_ID"),
        (with_id("twice".into()), "DUPLICATE_ID"),
        // The number that a record without an id gets.
        (with_id(300.into()), "DUPLICATE_ID"),
        (NewRecord { expires_ms: Some(f64::INFINITY), ..fine() }, "INVALID_OPTION"),
    ];
    for quantization in [Quantization::Int8, Quantization::None] {
        let config = Config { quantization, metric: Metric::Cosine, ..Config::new(DIMENSIONS) };
        let mut index = worn(config, &Clusters::new(4, 6, DIMENSIONS).vectors(300));
        let before = index.export().unwrap();
        for (record, code) in &bad {
            let mut given = vec![fine(); 200];
            given[10].id = Some("twice".into());
            given[120] = record.clone();
            let error = index.insert_many(&given).unwrap_err();
            assert_eq!(error.code(), *code, "{error}");
            assert!(matches!(error, Error::InRecord { at: 120, .. }), "{error:?}");
            assert!(error.to_string().starts_with("record 120: "), "{error}");
            assert_eq!(
                error.source().map(ToString::to_string),
                error.to_string().split_once(": ").map(|(_, rest)| rest.to_owned())
            );
            assert!(index.export().unwrap() == before, "{code}: the index is as it was");
        }
        let mut rng = Rng(1);
        let payload = vec![7u8; 1000];
        let vector = rng.vector(DIMENSIONS);
        let record = NewRecord { payload: Some(Payload::Bytes(&payload)), ..NewRecord::new(&vector) };
        let limited = Config { max_bytes: Some(400_000), ..config };
        let mut index = Index::import(&before).unwrap();
        index.set_options(limited).unwrap();
        assert_eq!(index.insert_many(&vec![record.clone(); 1000]), Err(Error::OverBudget));
        assert!(index.export().unwrap() == before, "there is no room for all of them");
        index.insert_many(&vec![record; 50]).unwrap();
        sound(&index);
    }
}
