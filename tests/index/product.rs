//! Product codes: before, during and after training, with nothing lost on the way.

use crate::forge::{Forge, kind, meta};
use crate::support::{Clusters, Model, mean_recall, sound};
use thermocline::{Config, Error, Id, Index, Metric, NewRecord, Payload, Quantization, SearchOptions};

/// The number that the documentation names.
const ENOUGH: usize = 1024;
/// The size of a codebook of up to 384 dimensions.
const CODEBOOK_BYTES: usize = 64 + 64 * 256 * 16;

fn config(dimensions: usize, metric: Metric) -> Config {
    Config { metric, quantization: Quantization::Product, ef_construction: 40, m: 8, ..Config::new(dimensions) }
}

fn settle(index: &mut Index) {
    index.link_all().unwrap();
}

/// Inserts rows under their numbers.
fn insert(index: &mut Index, vectors: &[Vec<f32>], rows: core::ops::Range<usize>) {
    for row in rows {
        let payload = (row % 3 == 0).then_some(Payload::Json("{}"));
        index.upsert(row as u64, &vectors[row], payload).unwrap();
    }
}

fn filled(dimensions: usize, metric: Metric, count: usize) -> (Index, Vec<Vec<f32>>) {
    let vectors = Clusters::new(5, 40, dimensions).vectors(count);
    let mut index = Index::new(config(dimensions, metric)).unwrap();
    insert(&mut index, &vectors, 0..count);
    (index, vectors)
}

fn compact(index: &mut Index) {
    index.compact_start().unwrap();
    while index.compact_step(2000).unwrap() {}
    index.compact_finish().unwrap();
}

#[test]
fn an_index_is_untrained_until_it_has_enough_records() {
    let (mut index, vectors) = filled(12, Metric::Cosine, ENOUGH - 1);
    settle(&mut index);
    let untrained = index.search(&vectors[0], SearchOptions::default()).unwrap_err();
    assert_eq!((&untrained, untrained.code()), (&Error::Untrained { records: ENOUGH - 1 }, "UNTRAINED"));
    assert!(untrained.to_string().contains("1024") && untrained.to_string().contains("1023"), "{untrained}");
    // An error in the query is reported first.
    assert_eq!(index.search(&[1.0], SearchOptions::default()).unwrap_err().code(), "DIMENSION_MISMATCH");
    assert_eq!(index.get(&Id::from(7)).unwrap().unwrap().vector, vectors[7]);
    assert_eq!(index.pending(), 0);
    sound(&index);

    let again = Index::import(&index.export().unwrap()).unwrap();
    assert!(again.search(&vectors[0], SearchOptions::default()).is_err());
    for mut index in [index, again] {
        index.insert(&vectors[3], None).unwrap();
        settle(&mut index);
        assert_eq!(index.search(&vectors[7], SearchOptions::top(1)).unwrap()[0].id, Id::from(7));
        sound(&index);
    }
}

/// Distances are exact, and recall is what codes of about a byte per component should give.
#[test]
fn recall_is_good_under_every_metric() {
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        for dimensions in [3, 40, 400] {
            let (mut index, _) = filled(dimensions, metric, 2000);
            settle(&mut index);
            assert_eq!(index.pending(), 0);
            sound(&index);
            let queries = Clusters::new(5, 40, dimensions).vectors(2050).split_off(2000);
            let recall = mean_recall(&index, &queries, 10, 100);
            assert!(recall > 0.95, "{metric:?} {dimensions}: {recall}");
        }
    }
}

#[test]
fn codes_are_whole_cache_lines_and_the_vectors_before_training_are_freed() {
    for (dimensions, lines) in [(3, 1), (384, 1), (385, 2)] {
        let (mut index, _) = filled(dimensions, Metric::L2, 1100);
        settle(&mut index);
        let codes = index.stats().bytes.codes - lines * (CODEBOOK_BYTES - 64) - 64;
        let rows = 1100 * lines * 64;
        assert!(codes >= rows && codes < rows + 1024 * lines * 64, "{dimensions}: {codes}");
    }
}

/// Training blocks nobody: each insert does a little of it, and records inserted meanwhile are linked afterwards.
#[test]
fn inserts_alone_complete_the_training_and_give_the_same_bytes() {
    let (mut alone, vectors) = filled(8, Metric::Cosine, 2600);
    let mut settled = Index::new(config(8, Metric::Cosine)).unwrap();
    insert(&mut settled, &vectors, 0..ENOUGH);
    settle(&mut settled);
    insert(&mut settled, &vectors, ENOUGH..2600);
    assert!(alone.search(&vectors[0], SearchOptions::default()).is_ok(), "{} wait", alone.pending());
    settle(&mut alone);
    assert!(alone.export().unwrap() == settled.export().unwrap());
}

/// A call with enough records trains by itself.
#[test]
fn one_call_with_enough_records_trains() {
    let vectors = Clusters::new(5, 40, 16).vectors(1600);
    for count in [ENOUGH, 1600] {
        let mut index = Index::new(config(16, Metric::Cosine)).unwrap();
        let records: Vec<_> = vectors[..count].iter().map(|vector| NewRecord::new(vector)).collect();
        index.insert_many(&records).unwrap();
        assert_eq!(index.pending(), 0);
        assert!(mean_recall(&index, &vectors[..40], 10, 100) > 0.95);
        sound(&index);
    }
}

/// The codebook is permanent, so it must not be trained on the few records left by a large deletion.
#[test]
fn training_uses_the_records_that_made_it_due() {
    let (mut index, vectors) = filled(16, Metric::Cosine, ENOUGH);
    (3..ENOUGH).for_each(|id| assert!(index.delete(&Id::from(id as u64)).unwrap()));
    insert(&mut index, &vectors, 3..ENOUGH);
    settle(&mut index);
    let recall = mean_recall(&index, &vectors[..40], 10, 100);
    assert!(recall > 0.95, "{recall}");
    sound(&index);
}

#[test]
fn an_index_may_be_changed_during_training() {
    let (mut index, vectors) = filled(10, Metric::L2, ENOUGH);
    let later = Clusters::new(8, 40, 10).vectors(ENOUGH + 600);
    for step in 0..600 {
        match step % 6 {
            0 => assert!(index.delete(&Id::from(step as u64)).unwrap()),
            1 => index.upsert(step as u64, &later[step], None).unwrap(),
            2 => index.insert_with_id((ENOUGH + step) as u64, &later[ENOUGH + step], None).unwrap(),
            3 => assert!(
                index.search(&vectors[0], SearchOptions::default()).is_err() || index.pending() > 0 || step > 300
            ),
            _ => {
                index.link_step().unwrap();
            }
        }
        assert_eq!(index.export().is_err(), index.link_step().unwrap() || index.export().is_err());
    }
    let model = Model::of(&index);
    compact(&mut index);
    assert_eq!((index.deleted(), index.pending()), (0, 0));
    sound(&index);
    model.verify(&index);
    assert!(mean_recall(&index, &later[..40], 10, 100) > 0.95);
}

#[test]
fn an_export_includes_its_codebook() {
    let (mut index, vectors) = filled(24, Metric::Cosine, 1500);
    settle(&mut index);
    for row in (0..1500).step_by(5) {
        index.delete(&Id::from(row as u64)).unwrap();
    }
    let bytes = index.export().unwrap();
    let forge = Forge::of(&bytes);
    assert_eq!(forge.section(kind::LOWER_CODES).len(), CODEBOOK_BYTES);
    assert_eq!(forge.section(kind::META)[meta::QUANTIZATION], 4);
    let mut again = Index::import(&bytes).unwrap();
    assert!(again.export().unwrap() == bytes);
    for query in &vectors[..50] {
        let [expected, found] = [&index, &again].map(|index| index.search(query, SearchOptions::top(5)).unwrap());
        assert_eq!(found, expected);
    }
    compact(&mut again);
    sound(&again);
    assert!(mean_recall(&again, &vectors[..40], 10, 100) > 0.95);
}

/// Without records there is nothing to store a codebook with.
#[test]
fn an_empty_index_stores_no_codebook() {
    let (mut index, vectors) = filled(5, Metric::Dot, 1100);
    settle(&mut index);
    for row in 0..1100 {
        index.delete(&Id::from(row as u64)).unwrap();
    }
    assert_eq!(index.search(&vectors[0], SearchOptions::default()), Ok(Vec::new()));
    compact(&mut index);
    let again = Index::import(&index.export().unwrap()).unwrap();
    for mut index in [index, again] {
        insert(&mut index, &vectors, 0..10);
        assert!(index.search(&vectors[0], SearchOptions::default()).is_err());
        insert(&mut index, &vectors, 10..1100);
        settle(&mut index);
        assert!(index.search(&vectors[3], SearchOptions::default()).is_ok());
        sound(&index);
    }

    let (mut index, _) = filled(5, Metric::Dot, 1100);
    index.clear().unwrap();
    assert_eq!(index.search(&vectors[0], SearchOptions::default()).unwrap_err().code(), "UNTRAINED");
}

/// A record that expires after enough have come to train, but before the next insert, is the first pending one.
#[test]
fn a_record_may_expire_when_training_has_just_come_due() {
    let vectors = Clusters::new(5, 40, 6).vectors(1300);
    let mut index = Index::new(config(6, Metric::L2)).unwrap();
    for (row, vector) in (0u64..).zip(&vectors[..ENOUGH]) {
        index.insert_with_id_expiring(row, vector, None, (row == 5).then_some(1e12)).unwrap();
    }
    index.expire(2e12);
    insert(&mut index, &vectors, ENOUGH..1300);
    settle(&mut index);
    sound(&index);
    assert!(mean_recall(&index, &vectors[..40], 10, 100) > 0.95);
}

/// Rows a thousand times longer than the others, among those that the codebook is trained on.
fn with_long_rows(metric: Metric, long: &[usize]) -> (Index, Vec<Vec<f32>>) {
    let mut vectors = Clusters::new(5, 40, 24).vectors(2050);
    for &row in long {
        vectors[row].iter_mut().for_each(|x| *x *= 1000.0);
    }
    let queries = vectors.split_off(2000);
    let mut index = Index::new(config(24, metric)).unwrap();
    insert(&mut index, &vectors, 0..2000);
    settle(&mut index);
    sound(&index);
    (index, queries)
}

/// All components share one scale. If the longest vector set it, all others would become zeros, with an estimated error
/// of zero.
#[test]
fn a_few_far_longer_vectors_do_not_make_the_others_alike() {
    for metric in [Metric::L2, Metric::Dot] {
        for long in [&[700][..], &[3, 77, 401, 700, 701, 900, 901, 902, 903, 1000, 1500, 1900]] {
            let (index, queries) = with_long_rows(metric, long);
            let recall = mean_recall(&index, &queries, 10, 100);
            assert!(recall > 0.9, "{metric:?}, {} long ones: {recall}", long.len());
            let hits = index.search(&queries[0], SearchOptions::top(2000).with_ef(2000).with_rerank(false)).unwrap();
            let distances = hits.iter().map(|hit| hit.distance.to_bits()).collect::<std::collections::HashSet<_>>();
            assert!(distances.len() > 1000, "{metric:?}: {} distances by codes", distances.len());
        }
    }
}

/// The squares of such components are zeros in single precision.
#[test]
fn tiny_components_are_told_apart() {
    let mut vectors = Clusters::new(5, 40, 24).vectors(1150);
    let queries = vectors.split_off(1100);
    vectors.iter_mut().flatten().for_each(|x| *x *= 1e-26);
    let mut index = Index::new(config(24, Metric::Dot)).unwrap();
    insert(&mut index, &vectors, 0..1100);
    settle(&mut index);
    sound(&index);
    // As wide as the index, so that all records are compared: the distances by which they were linked are zeros.
    let mut found = 0;
    for query in &queries {
        let mut exact: Vec<usize> = (0..1100).collect();
        let product =
            |row: usize| vectors[row].iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        exact.sort_by(|&a, &b| product(b).total_cmp(&product(a)));
        let hits = index.search(query, SearchOptions::top(10).with_ef(1100).with_rerank(false)).unwrap();
        found += hits.iter().filter(|hit| exact[..30].iter().any(|&row| hit.id == Id::from(row as u64))).count();
    }
    assert!(found > 450, "{found} of 500");
}

/// Identical vectors, and one far longer than those that the codebook was trained on.
#[test]
fn identical_vectors_can_be_trained_on() {
    let mut index = Index::new(config(6, Metric::L2)).unwrap();
    for _ in 0..1100 {
        index.insert(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], None).unwrap();
    }
    settle(&mut index);
    let far = [1e9, -1e9, 0.0, 1.0, 2.0, 3.0];
    index.insert_with_id("far", &far, None).unwrap();
    sound(&index);
    // Its code is that of the others, the nearest there is.
    assert_eq!(index.search(&far, SearchOptions::top(1101)).unwrap()[0].id, Id::from("far"));
    assert_eq!(index.search(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], SearchOptions::top(9)).unwrap()[8].distance, 0.0);

    let mut zeros = Index::new(config(6, Metric::L2)).unwrap();
    for _ in 0..1100 {
        zeros.insert(&[0.0; 6], None).unwrap();
    }
    settle(&mut zeros);
    assert_eq!(zeros.search(&[1.0; 6], SearchOptions::top(3)).unwrap().len(), 3);
}

#[test]
fn an_impossible_codebook_is_refused() {
    let (mut index, _) = filled(4, Metric::Cosine, ENOUGH);
    settle(&mut index);
    let forge = Forge::of(&index.export().unwrap());
    assert!(Index::import(&forge.seal()).is_ok());
    type Damage = fn(&mut Forge);
    let damages: [(&str, Damage); 11] = [
        ("a number beyond its range", |forge| {
            forge.section_mut(kind::LOWER_CODES)[64..66].copy_from_slice(&8192i16.to_le_bytes())
        }),
        ("numbers whose sums do not fit", |forge| {
            for number in forge.section_mut(kind::LOWER_CODES)[64..].chunks_mut(2) {
                number.copy_from_slice(&8191i16.to_le_bytes());
            }
        }),
        ("a scale that is none", |forge| {
            forge.section_mut(kind::LOWER_CODES)[..4].copy_from_slice(&f32::NAN.to_le_bytes())
        }),
        ("a scale whose square is none", |forge| {
            forge.section_mut(kind::LOWER_CODES)[..4].copy_from_slice(&f32::MAX.to_le_bytes())
        }),
        ("a scale of zero", |forge| forge.section_mut(kind::LOWER_CODES)[..4].fill(0)),
        ("something where zeros are", |forge| forge.section_mut(kind::LOWER_CODES)[20] = 1),
        ("a residual below zero", |forge| {
            forge.section_mut(kind::LOWER_CODES)[4..8].copy_from_slice(&(-1f32).to_le_bytes())
        }),
        ("one cut short", |forge| forge.section_mut(kind::LOWER_CODES).truncate(CODEBOOK_BYTES - 16)),
        ("none", |forge| forge.section_mut(kind::LOWER_CODES).clear()),
        ("one, and codes that are not by it", |forge| forge.section_mut(kind::META)[meta::QUANTIZATION] = 3),
        ("a quantization that there is not", |forge| forge.section_mut(kind::META)[meta::QUANTIZATION] = 5),
    ];
    for (name, damage) in damages {
        let mut forge = forge.clone();
        damage(&mut forge);
        assert!(matches!(Index::import(&forge.seal()), Err(Error::Corrupt { .. })), "{name}");
    }
    let mut empty = Forge::of(&Index::new(config(4, Metric::Cosine)).unwrap().export().unwrap());
    empty.section_mut(kind::META)[meta::QUANTIZATION] = 4;
    assert!(matches!(Index::import(&empty.seal()), Err(Error::Corrupt { .. })), "one, and no slot");
}
