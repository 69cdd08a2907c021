//! Every error a caller can cause natively: its variant, a message that names what was expected and what was received,
//! and an index that is unchanged byte for byte.

use thermocline::{Config, Error, Id, Index, Metric, Payload, Quantization, SearchOptions};

use crate::support::{Clusters, METRICS, OwnPayload, QUANTIZATIONS};

const DIMENSIONS: usize = 5;

fn populated(metric: Metric, quantization: Quantization) -> Index {
    let mut index = Index::new(Config { metric, quantization, ..Config::new(DIMENSIONS) }).unwrap();
    let mut clusters = Clusters::new(1, 3, DIMENSIONS);
    for i in 0..40u64 {
        index.insert(&clusters.draw().1, OwnPayload::of(i).borrow()).unwrap();
    }
    index.insert_with_id("taken", &clusters.draw().1, None).unwrap();
    index.delete(&Id::from(7)).unwrap();
    index
}

/// Runs every call that takes a vector, and returns the outcome of each.
fn with_vector(index: &mut Index, vector: &[f32]) -> Vec<Result<(), Error>> {
    vec![
        index.check_vector(vector),
        index.insert(vector, None).map(drop),
        index.insert_with_id("fresh", vector, Some(Payload::Json("{}"))),
        index.upsert("fresh", vector, None),
        index.upsert("taken", vector, None),
        index.search(vector, SearchOptions::default()).map(drop),
    ]
}

/// Asserts that the call fails with this error and message, and changes nothing.
#[track_caller]
fn refused<T: core::fmt::Debug>(
    index: &mut Index,
    code: &str,
    words: &[&str],
    call: impl FnOnce(&mut Index) -> Result<T, Error>,
) {
    let (before, stats) = (index.export().unwrap(), index.stats());
    let error = call(index).unwrap_err();
    let message = error.to_string();
    assert_eq!(error.code(), code, "{message}");
    for word in words {
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
    assert!(index.export().unwrap() == before, "the index is as it was");
    assert_eq!((index.stats().size, index.stats().deleted), (stats.size, stats.deleted));
    assert_eq!(index.stats().bytes.warm, stats.bytes.warm);
}

#[track_caller]
fn vector_refused(index: &mut Index, vector: &[f32], code: &str, words: &[&str]) {
    let before = index.export().unwrap();
    for (call, result) in with_vector(index, vector).into_iter().enumerate() {
        let error = result.expect_err("a call took it");
        assert_eq!(error.code(), code, "call {call}: {error}");
        for word in words {
            assert!(error.to_string().contains(word), "call {call}: {error} lacks {word:?}");
        }
    }
    assert!(index.export().unwrap() == before, "the index is as it was");
    assert!(!index.contains(&Id::from("fresh")).unwrap() && index.contains(&Id::from("taken")).unwrap());
}

#[test]
fn wrong_dimensions() {
    for quantization in QUANTIZATIONS {
        let mut index = populated(Metric::Cosine, quantization);
        for received in [0, 1, 4, 6, 4096] {
            let words = ["5", &received.to_string(), "expected", "received"];
            vector_refused(&mut index, &vec![1.0; received], "DIMENSION_MISMATCH", &words);
            assert_eq!(
                index.check_vector(&vec![1.0; received]),
                Err(Error::DimensionMismatch { expected: DIMENSIONS, received })
            );
        }
    }
}

#[test]
fn components_that_are_not_finite() {
    for (metric, quantization) in METRICS.into_iter().flat_map(|m| QUANTIZATIONS.map(|q| (m, q))) {
        let mut index = populated(metric, quantization);
        for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "infinity"), (f32::NEG_INFINITY, "-infinity")] {
            for at in 0..DIMENSIONS {
                let mut vector = [0.5; DIMENSIONS];
                vector[at] = value;
                let words = ["expected finite", "received", name, &format!("position {at}")];
                vector_refused(&mut index, &vector, "INVALID_VECTOR", &words);
            }
        }
    }
}

#[test]
fn vectors_without_direction_or_too_long() {
    let mut index = populated(Metric::Cosine, Quantization::Int8);
    vector_refused(&mut index, &[0.0; 5], "INVALID_VECTOR", &["expected", "direction", "received all zeros"]);
    vector_refused(&mut index, &[-0.0; 5], "INVALID_VECTOR", &["expected", "received all zeros"]);
    vector_refused(&mut index, &[1e-38, 0.0, 0.0, 0.0, 0.0], "INVALID_VECTOR", &["expected", "almost no length"]);
    vector_refused(&mut index, &[f32::MAX; 5], "INVALID_VECTOR", &["expected", "too long"]);
    for metric in [Metric::L2, Metric::Dot] {
        let mut index = populated(metric, Quantization::None);
        vector_refused(&mut index, &[1e17; 5], "INVALID_VECTOR", &["expected", "too long"]);
        vector_refused(&mut index, &[f32::MAX; 5], "INVALID_VECTOR", &["expected", "too long"]);
        index.insert(&[0.0; 5], None).unwrap();
    }
}

/// At the limits of the allowed range, distances are still numbers.
#[test]
fn the_longest_and_the_shortest_that_are_allowed() {
    for quantization in QUANTIZATIONS {
        for (metric, edges) in
            [(Metric::Cosine, [1.1e-18f32, 9e16]), (Metric::L2, [1e-38, 9e16]), (Metric::Dot, [1e-38, 9e16])]
        {
            let mut index = populated(metric, quantization);
            for edge in edges {
                let mut vector = [0.0; DIMENSIONS];
                vector[2] = edge;
                let id = index.insert(&vector, None).unwrap();
                vector[2] = -edge;
                index.insert(&vector, None).unwrap();
                for ef in [1, 100] {
                    let found = index.search(&vector, SearchOptions::top(100).with_ef(ef));
                    if quantization == Quantization::Product {
                        assert_eq!(found.unwrap_err().code(), "UNTRAINED");
                        continue;
                    }
                    let hits = found.unwrap();
                    if metric == Metric::Cosine {
                        let worst = hits.last().unwrap();
                        assert!(
                            worst.id == id && worst.distance > 1.99,
                            "the opposite direction is farthest: {hits:?}"
                        );
                        assert!(hits[0].distance < 0.01, "its own direction is nearest: {hits:?}");
                    }
                    assert!(
                        hits.iter().all(|hit| hit.distance.is_finite()),
                        "{metric:?} {quantization:?} {edge}: {hits:?}"
                    );
                    assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance));
                }
                assert!(index.delete(&id).unwrap());
            }
            assert!(index.check().unwrap().ok);
        }
    }
}

#[test]
fn invalid_ids_are_refused() {
    let mut index = populated(Metric::Cosine, Quantization::Int8);
    let (long, longer) = ("x".repeat(Id::MAX_TEXT_BYTES + 1), "é".repeat(3000));
    let largest = Id::MAX_NUMBER;
    let bad = [
        (Id::from(""), "an empty string"),
        (Id::from(long.as_str()), "a string of 4097 bytes"),
        (Id::from(longer.as_str()), "a string of 6000 bytes"),
        (Id::from(largest + 1), "9007199254740992"),
        (Id::from(u64::MAX), "18446744073709551615"),
    ];
    let vector = [1.0; DIMENSIONS];
    for (id, received) in bad {
        let received = format!("as id, received {received}");
        let words = ["expected a whole number from 0 to 2^53 - 1 or a string of 1 to 4096 bytes", &received];
        refused(&mut index, "INVALID_ID", &words, |index| index.insert_with_id(id.clone(), &vector, None));
        refused(&mut index, "INVALID_ID", &words, |index| index.upsert(id.clone(), &vector, None));
        refused(&mut index, "INVALID_ID", &words, |index| index.delete(&id));
        refused(&mut index, "INVALID_ID", &words, |index| index.contains(&id));
        refused(&mut index, "INVALID_ID", &words, |index| index.get(&id).map(|record| record.is_some()));
        refused(&mut index, "INVALID_ID", &words, |index| index.check_new_id(&id));
        refused(&mut index, "INVALID_ID", &words, |_| Index::check_id(&id));
    }
}

#[test]
fn ids_that_are_taken() {
    let mut index = populated(Metric::Cosine, Quantization::Int8);
    for (id, shown) in [(Id::from("taken"), "id \"taken\" is"), (Id::from(3), "id 3 is")] {
        let words = [shown, "already", "upsert"];
        refused(&mut index, "DUPLICATE_ID", &words, |index| index.insert_with_id(id.clone(), &[1.0; 5], None));
        refused(&mut index, "DUPLICATE_ID", &words, |index| index.check_new_id(&id));
        assert_eq!(index.check_new_id(&id), Err(Error::DuplicateId { id: id.clone() }));
        // A number and its text are two different ids.
        index.check_new_id(&Id::from(format!("{id} ").as_str())).unwrap();
    }
    index.insert_with_id("3", &[1.0; 5], None).unwrap();
    index.insert_with_id(7, &[1.0; 5], None).expect("a deleted id is free at once");
}

#[test]
fn numbers_run_out() {
    let mut index = Index::new(Config::new(2)).unwrap();
    index.insert_with_id(Id::MAX_NUMBER, &[1.0, 0.0], None).unwrap();
    refused(&mut index, "INVALID_ID", &["largest"], |index| index.insert(&[1.0, 1.0], None));
    index.delete(&Id::from(Id::MAX_NUMBER)).unwrap();
    refused(&mut index, "INVALID_ID", &["largest"], |index| index.insert(&[1.0, 1.0], None));
    index.insert_with_id(5, &[1.0, 1.0], None).expect("ids of one's own are still taken");
}

#[test]
fn options_out_of_range() {
    type Change = fn(Config, usize) -> Config;
    let options: [(&str, Change, &[usize], &str); 4] = [
        ("dimensions", |config, dimensions| Config { dimensions, ..config }, &[0, 8193, usize::MAX], "1 to 8192"),
        ("m", |config, m| Config { m, ..config }, &[0, 3, 65, usize::MAX], "4 to 64"),
        (
            "efConstruction",
            |config, ef_construction| Config { ef_construction, ..config },
            &[0, 7, 4097, usize::MAX],
            "8 to 4096",
        ),
        ("ef", |config, ef| Config { ef, ..config }, &[0, 10_001, usize::MAX], "1 to 10000"),
    ];
    for (name, change, values, range) in options {
        for &value in values {
            let error = Index::new(change(Config::new(3), value)).unwrap_err();
            let Error::InvalidOption { option, expected, received } = &error else { panic!("{error}") };
            assert_eq!((*option, received), (name, &value.to_string()));
            assert!(expected.contains(range), "{error}");
            assert_eq!(error.code(), "INVALID_OPTION");
            if name != "dimensions" && name != "m" {
                let mut index = Index::new(Config::new(3)).unwrap();
                assert_eq!(index.set_options(change(Config::new(3), value)).unwrap_err(), error);
                assert_eq!(*index.config(), Config::new(3));
            }
        }
    }
    let error = Index::new(Config { compaction_threshold: f64::NAN, ..Config::new(3) }).unwrap_err();
    assert!(error.to_string().contains("compactionThreshold") && error.to_string().contains("NaN"), "{error}");
}

#[test]
fn options_at_the_edges_are_taken() {
    for config in [
        Config { m: 4, ef_construction: 8, ef: 1, ..Config::new(1) },
        Config { m: 64, ef_construction: 4096, ef: 10_000, ..Config::new(8192) },
    ] {
        let mut index = Index::new(config).unwrap();
        for i in 0..20 {
            let mut vector = vec![0.5; config.dimensions];
            vector[0] = 1.0 + i as f32;
            index.insert(&vector, None).unwrap();
        }
        let hits = index.search(&vec![1.0; config.dimensions], SearchOptions::top(10_000)).unwrap();
        assert_eq!(hits.len(), 20);
        assert!(index.check().unwrap().ok);
    }
}

#[test]
fn fixed_options_cannot_be_changed() {
    let mut index = populated(Metric::Dot, Quantization::None);
    let (before, bytes) = (*index.config(), index.export().unwrap());
    let asked = Config { ef_construction: 77, ef: 5, seed: 9, compaction_threshold: 0.5, ..before };
    let others = [
        ("metric", Config { metric: Metric::L2, ..asked }),
        ("quantization", Config { quantization: Quantization::Int8, ..asked }),
        ("m", Config { m: 8, ..asked }),
        ("m", Config { m: 0, ..asked }),
    ];
    for (name, other) in others {
        let error = index.set_options(other).unwrap_err();
        assert!(matches!(&error, Error::InvalidOption { option, .. } if *option == name), "{error}");
    }
    let other = Config { dimensions: DIMENSIONS + 1, ..asked };
    let expected = Error::DimensionMismatch { expected: DIMENSIONS, received: DIMENSIONS + 1 };
    assert_eq!(index.set_options(other), Err(expected));
    assert_eq!(*index.config(), before);

    index.set_options(asked).unwrap();
    assert_eq!(*index.config(), asked);
    index.set_options(before).unwrap();
    assert!(index.export().unwrap() == bytes);
}

#[test]
fn names_are_read_as_they_are_written() {
    for metric in Metric::ALL {
        assert_eq!(metric.to_string().parse(), Ok(metric));
    }
    for quantization in Quantization::ALL {
        assert_eq!(quantization.to_string().parse(), Ok(quantization));
    }
    assert_eq!((Metric::default(), Quantization::default()), (Config::new(3).metric, Config::new(3).quantization));
    for name in ["", "Cosine", "cosine ", "int8", "euclidean"] {
        let unknown = name.parse::<Metric>().unwrap_err();
        assert_eq!(unknown.to_string(), format!("metric: expected one of cosine, l2, dot, received {name}"));
        let error = Error::from(unknown.clone());
        assert_eq!((error.code(), error.to_string()), ("INVALID_OPTION", unknown.to_string()));
    }
    let error = Error::from("f32".parse::<Quantization>().unwrap_err());
    assert!(
        matches!(&error, Error::InvalidOption { option: "quantization", received, .. } if received == "f32"),
        "{error}"
    );
}

#[test]
fn payloads_that_are_too_long() {
    let mut index = populated(Metric::L2, Quantization::Int8);
    // Untouched zeros: the operating system provides no memory for them.
    let payload = vec![0; 1 << 30];
    let words = ["payload: expected at most 1073741823 bytes", "received 1073741824 bytes"];
    let vector = [1.0; DIMENSIONS];
    let call = |id: &'static str| {
        let payload = Some(Payload::Bytes(&payload));
        move |index: &mut Index| index.upsert(id, &vector, payload)
    };
    refused(&mut index, "INVALID_OPTION", &words, call("fresh"));
    refused(&mut index, "INVALID_OPTION", &words, call("taken"));
    assert!(index.contains(&Id::from("taken")).unwrap());
}

#[test]
fn search_options_out_of_range() {
    let mut index = populated(Metric::L2, Quantization::Int8);
    let query = [0.5; DIMENSIONS];
    for k in [0, 10_001, usize::MAX] {
        let words = ["k: expected a whole number from 1 to 10000", "received", &k.to_string()];
        refused(&mut index, "INVALID_OPTION", &words, |index| index.search(&query, SearchOptions::top(k)));
    }
    for ef in [0, 10_001, usize::MAX] {
        let words = ["ef: expected a whole number from 1 to 10000", "received", &ef.to_string()];
        refused(&mut index, "INVALID_OPTION", &words, |index| index.search(&query, SearchOptions::top(1).with_ef(ef)));
    }
    // The same for an empty index.
    let empty = Index::new(Config::new(DIMENSIONS)).unwrap();
    assert!(empty.search(&query, SearchOptions::top(0)).is_err());
    assert!(empty.search(&query, SearchOptions::top(1).with_ef(0)).is_err());
    assert!(empty.search(&query[1..], SearchOptions::top(1)).is_err());
    assert!(empty.search(&query, SearchOptions::top(10_000).with_ef(10_000)).unwrap().is_empty());
}

#[test]
fn a_threshold_that_is_not_a_number_is_refused() {
    let mut index = populated(Metric::Cosine, Quantization::Int8);
    let words = ["compactionThreshold", "expected a number", "received NaN"];
    refused(&mut index, "INVALID_OPTION", &words, |index| index.set_compaction_threshold(f64::NAN));
    assert_eq!(index.compaction_threshold(), 0.3);
}

#[test]
fn reserving_more_memory_than_there_is_is_an_error() {
    let mut index = populated(Metric::Cosine, Quantization::Int8);
    for count in [1 << 30, 1 << 40, usize::MAX - 100, usize::MAX] {
        refused(&mut index, "OUT_OF_MEMORY", &["out of memory"], |index| index.reserve(count));
    }
    index.insert(&[1.0; DIMENSIONS], None).unwrap();
    assert!(index.check().unwrap().ok);
}
