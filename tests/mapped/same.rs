//! A mapped index compared with an import of the same bytes.

use crate::support::{DIMENSIONS, LATER_MS, Rng, index, mapped};
use thermocline::{Error, Id, Index, Metric, NewRecord, Payload, Quantization, SearchOptions};

fn settle(index: &mut Index) {
    index.link_all().unwrap();
}

fn compact(index: &mut Index) {
    index.compact_start().unwrap();
    while index.compact_step(1000).unwrap() {}
    index.compact_finish().unwrap();
}

/// Asks both indexes everything there is to ask.
fn is_the_same(mapped: &Index, imported: &Index, rng: &mut Rng) {
    assert_eq!((mapped.len(), mapped.deleted()), (imported.len(), imported.deleted()));
    assert_eq!(mapped.next_expiry_ms(), imported.next_expiry_ms());
    let check = mapped.check().unwrap();
    assert!(check.ok, "{:?}", check.problems);
    for _ in 0..8 {
        let (query, ef) = (rng.vector(), 10 + rng.below(60));
        let [found, expected] =
            [mapped, imported].map(|index| index.search(&query, SearchOptions::top(7).with_ef(ef)).unwrap());
        assert_eq!(found, expected);
        for hit in found {
            assert_eq!(mapped.get(&hit.id).unwrap(), imported.get(&hit.id).unwrap());
        }
    }
    let all = |index: &Index| {
        let mut all: Vec<_> = index.iter().map(|record| format!("{record:?}")).collect();
        all.sort();
        all
    };
    assert_eq!(all(mapped), all(imported));
}

#[test]
fn every_answer_equals_that_of_an_import() {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        for metric in Metric::ALL {
            for records in [1, 60, 1500] {
                let bytes = index(metric, quantization, records).export().unwrap();
                let [mut mapped, imported] = [mapped(&bytes), Index::import(&bytes).unwrap()];
                is_the_same(&mapped, &imported, &mut Rng(3));
                // Links that were never checked must not be handed out.
                assert_eq!(mapped.export(), Err(Error::Unlinked));
                settle(&mut mapped);
                assert_eq!(mapped.export().unwrap(), bytes, "{metric:?} {quantization:?} {records}");
            }
        }
    }
}

#[test]
fn an_empty_index_is_mapped_and_filled() {
    let empty = Index::new(thermocline::Config::new(DIMENSIONS)).unwrap().export().unwrap();
    let mut index = mapped(&empty);
    assert!(index.is_empty());
    index.insert(&[1.0; DIMENSIONS], None).unwrap();
    assert!(index.check().unwrap().ok);
}

/// The same changes are made to both in the same order. In the end both give the same bytes.
#[test]
fn the_same_changes_give_the_same_bytes() {
    for (quantization, seed) in
        [(Quantization::Int8, 1), (Quantization::Int8, 2), (Quantization::None, 3), (Quantization::Binary, 4)]
    {
        let bytes = index(Metric::ALL[seed % 3], quantization, 1400).export().unwrap();
        let mut both = [mapped(&bytes), Index::import(&bytes).unwrap()];
        let mut rng = Rng(seed as u64);
        for round in 0..12 {
            for _ in 0..25 {
                let (choice, id, vector) = (rng.below(8), rng.id(1700), rng.vector());
                let payload = (choice % 2 == 0).then_some(Payload::Json("[1]"));
                let results = both.each_mut().map(|index| match choice {
                    0..4 => index.upsert(id.clone(), &vector, payload).map(|()| true),
                    4 => index.insert(&vector, payload).map(|_| true),
                    5 => index.insert_with_id(id.clone(), &vector, payload).map(|()| true),
                    _ => index.delete(&id),
                });
                assert_eq!(results[0], results[1]);
            }
            if round == 3 {
                both.iter_mut().for_each(|index| assert!(index.expire(LATER_MS + 300.0) > 0));
            }
            if round % 5 == 2 {
                both.iter_mut().for_each(settle);
                both.iter_mut().for_each(compact);
            }
            if round % 4 == 0 {
                both.iter_mut().for_each(settle);
                let [mapped, imported] = &both;
                is_the_same(mapped, imported, &mut rng);
            }
        }
        both.iter_mut().for_each(settle);
        let [mapped, imported] = both.map(|index| index.export().unwrap());
        assert!(mapped == imported, "{quantization:?}, seed {seed}");
    }
}

#[test]
fn many_records_in_one_call_give_the_same_bytes() {
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        let bytes = index(Metric::Cosine, quantization, 1500).export().unwrap();
        let mut rng = Rng(3);
        let vectors: Vec<_> = (0..1000).map(|_| rng.vector()).collect();
        let records: Vec<_> = vectors.iter().map(|vector| NewRecord::new(vector)).collect();
        let inserted = |mut index: Index| {
            index.insert_many(&records).unwrap();
            assert!(index.check().unwrap().ok);
            index.export().unwrap()
        };
        assert!(inserted(mapped(&bytes)) == inserted(Index::import(&bytes).unwrap()), "{quantization:?}");
    }
}

#[test]
fn a_mapped_index_takes_no_memory_until_it_changes() {
    let bytes = index(Metric::L2, Quantization::Int8, 6000).export().unwrap();
    let (mut mapped, imported) = (mapped(&bytes), Index::import(&bytes).unwrap());
    let total = |index: &Index| {
        let held = index.stats().bytes;
        held.codes + held.graph + held.ids + held.warm
    };
    let whole = total(&imported);
    assert!(total(&mapped) * 20 < whole, "{} of {whole}", total(&mapped));
    mapped.search(&[0.5; DIMENSIONS], SearchOptions::default()).unwrap();
    assert!(total(&mapped) * 20 < whole);
    // Only what changes is copied: one of six segments of codes.
    let before = mapped.stats().bytes.codes;
    mapped.insert(&[1.0; DIMENSIONS], None).unwrap();
    settle(&mut mapped);
    assert!(mapped.stats().bytes.codes > before);
    assert!(mapped.stats().bytes.codes * 3 < imported.stats().bytes.codes);
    mapped.clear().unwrap();
    assert_eq!(mapped.len(), 0);
    let _: Id = mapped.insert(&[1.0; DIMENSIONS], None).unwrap();
}
