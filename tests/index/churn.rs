//! Recall and reachability through deletes, inserts and compactions, and edge cases of deletion.

use thermocline::{Config, Id, Index, Metric, Quantization, SearchOptions};

use crate::support::{Clusters, METRICS, Model, Rng, build, mean_recall, sound};

const DIMENSIONS: usize = 32;
const EF: usize = 24;

fn config() -> Config {
    Config { ef_construction: 100, ..Config::new(DIMENSIONS) }
}

/// Ten cycles of deleting a fifth and inserting as many, each compared with an index built afresh from the same
/// records.
#[test]
fn recall_stays_that_of_a_fresh_index() {
    let mut clusters = Clusters::new(2024, 60, DIMENSIONS);
    let vectors = clusters.vectors(4000);
    let queries = clusters.vectors(100);
    let mut index = build(config(), &vectors);
    let mut rng = Rng(6);
    for cycle in 0..10 {
        let mut ids: Vec<Id> = index.iter().map(|record| record.id.clone()).collect();
        ids.sort();
        for _ in 0..800 {
            let id = ids.swap_remove(rng.below(ids.len()));
            index.delete(&id).unwrap();
        }
        for vector in clusters.vectors(800) {
            index.insert(&vector, None).unwrap();
        }
        let dirty = mean_recall(&index, &queries, 10, EF);
        let report = index.compact().unwrap();
        assert_eq!((report.tombstones_removed, report.new_size, index.deleted()), (800, 4000, 0));
        sound(&index);
        let kept: Vec<Vec<f32>> = index.iter().map(|record| record.vector.to_vec()).collect();
        let fresh = mean_recall(&build(config(), &kept), &queries, 10, EF);
        let repaired = mean_recall(&index, &queries, 10, EF);
        assert!(fresh > 0.9, "recall {fresh} of the fresh index");
        assert!(repaired >= fresh - 0.02, "cycle {cycle}: recall {repaired}, {fresh} afresh");
        assert!(dirty >= fresh - 0.03, "cycle {cycle}: recall {dirty} before compaction, {fresh} afresh");
    }
}

/// Three fifths of vectors without any structure leave at once, so the surroundings of most nodes leave with them.
/// Means over seeds, because one graph of so few links differs from the next by as much as is lost.
#[test]
fn recall_survives_when_most_neighbours_leave_together() {
    let (mut repaired, mut rebuilt) = (0.0, 0.0);
    for seed in 1..=6 {
        let mut rng = Rng(seed);
        let config = Config { metric: Metric::L2, quantization: Quantization::None, m: 8, seed, ..Config::new(24) };
        let vectors: Vec<Vec<f32>> = (0..1200).map(|_| rng.vector(24)).collect();
        let queries: Vec<Vec<f32>> = (0..100).map(|_| rng.vector(24)).collect();
        let mut index = build(config, &vectors);
        for id in (0..1200).filter(|id| id % 5 < 3) {
            assert!(index.delete(&Id::Number(id)).unwrap());
        }
        index.compact().unwrap();
        sound(&index);
        let kept: Vec<Vec<f32>> = index.iter().map(|record| record.vector.to_vec()).collect();
        repaired += mean_recall(&index, &queries, 10, 32) / 6.0;
        rebuilt += mean_recall(&build(config, &kept), &queries, 10, 32) / 6.0;
    }
    println!("recall {repaired}, {rebuilt} when built afresh");
    assert!(repaired > rebuilt - 0.018, "recall {repaired}, {rebuilt} when built afresh");
}

#[test]
fn two_hundred_cycles_from_empty() {
    for (metric, quantization) in METRICS.into_iter().zip([Quantization::Int8, Quantization::None, Quantization::Int8])
    {
        let config = Config { metric, quantization, m: 4, ef_construction: 16, ..Config::new(5) };
        let mut index = Index::new(config).unwrap();
        let mut rng = Rng(1);
        for cycle in 0..200u64 {
            let vector = rng.vector(5);
            let id = index.insert(&vector, None).unwrap();
            assert_eq!(id, Id::from(cycle));
            let hits = index.search(&vector, SearchOptions::top(3)).unwrap();
            assert_eq!((hits.len(), &hits[0].id), (1, &id));
            sound(&index);
            assert!(index.delete(&id).unwrap() && !index.delete(&id).unwrap());
            assert!(index.search(&vector, SearchOptions::default()).unwrap().is_empty());
            sound(&index);
            if cycle % 50 == 49 {
                assert_eq!(index.compact().unwrap().tombstones_removed, 50);
            }
        }
        assert_eq!((index.len(), index.deleted()), (0, 0));
    }
}

/// A caller cannot ask which record is the entry point. Whichever it is, it is deleted at some moment if all records
/// are deleted one by one, always the nearest hit.
#[test]
fn deleting_the_nearest_each_time_until_nothing_is_left() {
    let mut index = build(Config { m: 4, ef_construction: 24, ..Config::new(6) }, &Clusters::new(4, 6, 6).vectors(400));
    let mut model = Model::of(&index);
    let query = Rng(17).vector(6);
    for left in (0..400).rev() {
        let hits = index.search(&query, SearchOptions::top(1).with_ef(2)).unwrap();
        model.verify_hits(Metric::Cosine, &query, &hits, 1, |_| true);
        assert!(index.delete(&hits[0].id).unwrap());
        model.records.remove(&hits[0].id);
        sound(&index);
        assert_eq!(index.len(), left);
        if left % 90 == 0 {
            index.compact().unwrap();
            model.verify(&index);
        }
    }
}

/// Of every two inserted records, one is deleted: the entry point. Compaction then finds another.
#[test]
fn the_entry_point_is_deleted_every_time() {
    let mut rng = Rng(23);
    let mut index = Index::new(Config { m: 4, ef_construction: 16, ..Config::new(4) }).unwrap();
    let mut model = Model::of(&index);
    for round in 1..=300 {
        for _ in 0..2 {
            let id = index.insert(&rng.vector(4), None).unwrap();
            let vector = index.get(&id).unwrap().unwrap().vector.to_vec();
            model.records.insert(id, (vector, crate::support::OwnPayload::Nothing));
        }
        let bytes = index.export().unwrap();
        let forge = crate::forge::Forge::of(&bytes);
        let entry = crate::forge::word32(forge.section(0), crate::forge::meta::ENTRY) as usize;
        let word = crate::forge::word64(forge.section(crate::forge::kind::IDS), 8 * entry);
        assert_ne!(word, u64::MAX, "the entry point is live");
        assert!(index.delete(&Id::from(word)).unwrap());
        model.records.remove(&Id::from(word));
        model.verify(&index);
        index.compact().unwrap();
        model.verify(&index);
        assert_eq!(index.len(), round);
        let query = rng.vector(4);
        let hits = index.search(&query, SearchOptions::top(5).with_ef(1)).unwrap();
        model.verify_hits(Metric::Cosine, &query, &hits, 5, |_| true);
    }
}

#[test]
fn delete_all_then_insert() {
    for compacts in [false, true] {
        let vectors = Clusters::new(12, 10, 8).vectors(500);
        let mut index = build(Config { m: 4, ef_construction: 30, ..Config::new(8) }, &vectors);
        for round in 0..4 {
            let ids: Vec<Id> = index.iter().map(|record| record.id.clone()).collect();
            assert_eq!(ids.len(), 500);
            ids.iter().for_each(|id| assert!(index.delete(id).unwrap()));
            sound(&index);
            assert!(index.search(&vectors[0], SearchOptions::top(500)).unwrap().is_empty());
            if compacts {
                index.compact().unwrap();
            }
            for vector in &vectors {
                index.insert(vector, None).unwrap();
            }
            let model = Model::of(&index);
            model.verify(&index);
            for (i, query) in vectors.iter().enumerate().step_by(41) {
                let hits = index.search(query, SearchOptions::top(1).with_ef(8)).unwrap();
                let recall = model.verify_hits(Metric::Cosine, query, &hits, 1, |_| true);
                assert_eq!(recall, 1.0, "round {round}, query {i}");
            }
            assert_eq!(index.deleted(), if compacts { 0 } else { 500 * (round + 1) });
        }
    }
}

/// With this many tombstones around, an insert stops walking over them and looks at the few live records instead.
#[test]
fn inserts_among_thousands_of_tombstones() {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        let config = Config { quantization, m: 4, ef_construction: 8, ..Config::new(6) };
        let mut clusters = Clusters::new(31, 1, 6);
        let mut index = build(config, &clusters.vectors(3000));
        for number in (0..3000).filter(|number| number % 1000 != 7) {
            index.delete(&Id::from(number)).unwrap();
        }
        let mut model = Model::of(&index);
        assert_eq!(model.records.len(), 3);
        for _ in 0..60 {
            let (_, vector) = clusters.draw();
            let id = index.insert(&vector, None).unwrap();
            model.records.insert(id, (vector.clone(), crate::support::OwnPayload::Nothing));
            model.verify(&index);
            for ef in [1, 10] {
                let hits = index.search(&vector, SearchOptions::top(5).with_ef(ef)).unwrap();
                model.verify_hits(Metric::Cosine, &vector, &hits, 5, |_| true);
            }
        }
        index.compact().unwrap();
        model.verify(&index);
        let queries: Vec<Vec<f32>> = model.records.values().map(|record| record.0.clone()).collect();
        assert_eq!(mean_recall(&index, &queries, 1, 63), 1.0);
    }
}

/// Neighbours deleted together leave holes that repair must bridge.
#[test]
fn whole_clusters_are_deleted() {
    let mut clusters = Clusters::new(77, 20, DIMENSIONS);
    let mut index = Index::new(config()).unwrap();
    let mut of_cluster: Vec<Vec<Id>> = vec![Vec::new(); 20];
    for _ in 0..3000 {
        let (at, vector) = clusters.draw();
        of_cluster[at].push(index.insert(&vector, None).unwrap());
    }
    for round in 0..5 {
        for ids in &of_cluster[3 * round..3 * round + 3] {
            ids.iter().for_each(|id| assert!(index.delete(id).unwrap()));
        }
        sound(&index);
        let queries: Vec<Vec<f32>> = (0..60).map(|i| clusters.around(3 * round + i % (20 - 3 * round))).collect();
        let before = mean_recall(&index, &queries, 10, 40);
        index.compact().unwrap();
        sound(&index);
        let after = mean_recall(&index, &queries, 10, 40);
        assert!(before > 0.95 && after > 0.95, "round {round}: recall {before} and {after}");
    }
}

#[test]
fn identical_vectors() {
    for metric in METRICS {
        for quantization in [Quantization::None, Quantization::Int8, Quantization::Binary] {
            let mut index =
                Index::new(Config { metric, quantization, m: 4, ef_construction: 16, ..Config::new(7) }).unwrap();
            for i in 0..700 {
                let vector = if i % 100 == 99 { vec![-0.5; 7] } else { vec![0.5, 0.25, 1.0, 0.0, 0.0, 0.0, 0.125] };
                index.insert(&vector, None).unwrap();
                if i % 50 == 0 {
                    sound(&index);
                }
            }
            let mut model = Model::of(&index);
            for one_in in [2, 3, 2] {
                let ids: Vec<Id> = model.records.keys().cloned().collect();
                let mut rng = Rng(ids.len() as u64);
                for id in ids.into_iter().filter(|_| rng.below(one_in) == 0) {
                    index.delete(&id).unwrap();
                    model.records.remove(&id);
                }
                model.verify(&index);
                index.compact().unwrap();
                model.verify(&index);
                let query = [-0.5; 7];
                for ef in [1, 4, 40, 1000] {
                    let hits = index.search(&query, SearchOptions::top(20).with_ef(ef)).unwrap();
                    model.verify_hits(metric, &query, &hits, 20, |_| true);
                }
            }
        }
    }
}

#[test]
fn collinear_points() {
    for metric in [Metric::L2, Metric::Dot] {
        let config = Config { metric, m: 4, ef_construction: 24, ..Config::new(3) };
        let vectors: Vec<Vec<f32>> = (0..600).map(|i| vec![i as f32, 2.0 * i as f32, -0.5 * i as f32]).collect();
        let mut index = build(config, &vectors);
        for number in (0..600).filter(|number| number % 4 != 1) {
            index.delete(&Id::from(number)).unwrap();
        }
        let model = Model::of(&index);
        for compacted in [false, true] {
            if compacted {
                index.compact().unwrap();
            }
            model.verify(&index);
            for at in [0.0f32, 13.2, 250.0, 599.0] {
                let query = [at, 2.0 * at, -0.5 * at];
                let hits = index.search(&query, SearchOptions::top(4).with_ef(8)).unwrap();
                model.verify_hits(metric, &query, &hits, 4, |_| true);
            }
        }
    }
}

/// Corners of a simplex: all distances are equal, so the heuristic has nothing to choose by.
#[test]
fn all_distances_equal() {
    const N: usize = 128;
    for (metric, quantization) in METRICS.into_iter().flat_map(|m| [(m, Quantization::None), (m, Quantization::Int8)]) {
        let corner = |i: usize| (0..N).map(|j| f32::from(u8::from(i == j))).collect::<Vec<f32>>();
        let config = Config { metric, quantization, m: 4, ef_construction: 16, ..Config::new(N) };
        let mut index = build(config, &(0..N).map(corner).collect::<Vec<_>>());
        sound(&index);
        for number in (0..N as u64).step_by(2) {
            index.delete(&Id::from(number)).unwrap();
        }
        sound(&index);
        index.compact().unwrap();
        let model = Model::of(&index);
        model.verify(&index);
        for i in (1..N).step_by(14) {
            let hits = index.search(&corner(i), SearchOptions::top(1).with_ef(100)).unwrap();
            assert_eq!(hits[0].id, Id::from(i as u64));
            let hits = index.search(&corner(0), SearchOptions::top(9).with_ef(1)).unwrap();
            model.verify_hits(metric, &corner(0), &hits, 9, |_| true);
        }
    }
}
