//! Any sequence of calls, compared with a plain map from ids to what was inserted.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use thermocline::{Config, Error, Id, Index, Metric, Payload, Quantization, SearchOptions};

const DIMENSIONS: usize = 4;

/// One call. Ids come from a small range, so that they repeat.
#[derive(Arbitrary, Debug)]
enum Operation {
    Insert([i8; DIMENSIONS]),
    InsertWithId(u8, [i8; DIMENSIONS]),
    Upsert(u8, [i8; DIMENSIONS], Vec<u8>),
    Delete(u8),
    Search([i8; DIMENSIONS], u8, u8, Option<u8>),
    /// Any numbers: NaN, infinities, and values whose distances overflow.
    Raw([f32; DIMENSIONS]),
    Start,
    Step(u8),
    Abort,
    Finish,
    RoundTrip,
    Reserve(u8),
    Clear,
}

#[derive(Arbitrary, Debug)]
struct Options {
    metric: u8,
    codes: u8,
    m: u8,
    ef: u8,
    seed: u64,
}

type Model = BTreeMap<Id, (Vec<f32>, Option<Vec<u8>>)>;

/// Reads options and calls from `data` and makes them, checking the index after each.
pub fn run(data: &[u8]) {
    let mut data = Unstructured::new(data);
    let Ok(options) = Options::arbitrary(&mut data) else { return };
    let config = Config {
        metric: Metric::ALL[usize::from(options.metric % 3)],
        quantization: [Quantization::Int8, Quantization::None, Quantization::Binary][usize::from(options.codes % 3)],
        m: 4 + usize::from(options.m % 8),
        ef_construction: 8 + usize::from(options.ef % 32),
        seed: options.seed,
        ..Config::new(DIMENSIONS)
    };
    let mut index = Index::new(config).unwrap();
    let mut model = Model::new();
    for _ in 0..300 {
        let Ok(operation) = Operation::arbitrary(&mut data) else { break };
        apply(&mut index, &mut model, &operation);
        verify(&index, &model);
        if data.is_empty() {
            break;
        }
    }
    // Whatever was left unfinished, a new compaction completes and leaves no tombstone.
    index.compact_abort();
    index.compact_start().unwrap();
    while index.compact_step(100).unwrap() {}
    index.compact_finish().unwrap();
    assert_eq!(index.deleted(), 0);
    verify(&index, &model);
}

fn id_of(number: u8) -> Id {
    if number % 4 == 3 { Id::from(format!("{}", number % 64).as_str()) } else { Id::from(u64::from(number % 64)) }
}

fn vector_of(components: &[i8; DIMENSIONS]) -> Vec<f32> {
    components.iter().map(|&x| f32::from(x) / 16.0).collect()
}

fn apply(index: &mut Index, model: &mut Model, operation: &Operation) {
    match operation {
        Operation::Insert(components) => {
            let vector = vector_of(components);
            let known = index.check_vector(&vector).is_ok();
            let inserted = index.insert(&vector, None);
            assert_eq!(inserted.is_ok(), known);
            if let Ok(id) = inserted {
                assert!(model.insert(id, (vector, None)).is_none(), "an id was given twice");
            }
        }
        Operation::InsertWithId(number, components) => {
            let (id, vector) = (id_of(*number), vector_of(components));
            match index.insert_with_id(id.clone(), &vector, None) {
                Ok(()) => assert!(model.insert(id, (vector, None)).is_none()),
                Err(Error::DuplicateId { .. }) => assert!(model.contains_key(&id)),
                Err(error) => assert!(index.check_vector(&vector).is_err(), "{error}"),
            }
        }
        Operation::Upsert(number, components, bytes) => {
            let (id, vector) = (id_of(*number), vector_of(components));
            if index.upsert(id.clone(), &vector, Some(Payload::Bytes(bytes))).is_ok() {
                model.insert(id, (vector, Some(bytes.clone())));
            } else {
                assert!(index.check_vector(&vector).is_err());
            }
        }
        Operation::Delete(number) => {
            let id = id_of(*number);
            assert_eq!(index.delete(&id).unwrap(), model.remove(&id).is_some());
        }
        Operation::Search(components, k, ef, divisor) => {
            search(index, model, &vector_of(components), (*k, *ef, *divisor))
        }
        Operation::Raw(vector) => {
            let known = index.check_vector(vector).is_ok();
            let options = SearchOptions::top(3);
            assert_eq!(index.search(vector, options).is_ok(), known);
            assert_eq!(index.upsert("raw", vector, None).is_ok(), known);
            if known {
                model.insert(Id::from("raw"), (vector.to_vec(), None));
            }
        }
        Operation::Start => index.compact_start().unwrap(),
        Operation::Step(budget_us) => {
            index.compact_step(usize::from(*budget_us)).unwrap();
        }
        Operation::Abort => index.compact_abort(),
        Operation::Finish => {
            while index.compact_step(20).unwrap() {}
            if let Some(report) = index.compact_finish() {
                assert_eq!(report.new_size, model.len());
            }
        }
        Operation::RoundTrip => {
            let bytes = index.export().unwrap();
            *index = Index::import(&bytes).unwrap();
            assert_eq!(index.export().unwrap(), bytes);
        }
        Operation::Reserve(count) => index.reserve(usize::from(*count)).unwrap(),
        Operation::Clear => {
            index.clear().expect("an index in memory takes any change");
            model.clear();
        }
    }
}

fn search(index: &Index, model: &Model, query: &[f32], (k, ef, divisor): (u8, u8, Option<u8>)) {
    if index.check_vector(query).is_err() {
        return assert!(index.search(query, SearchOptions::top(1)).is_err());
    }
    let divisor = u64::from(divisor.unwrap_or(0) % 4) + 1;
    let passes = |id: &Id| matches!(id, Id::Number(number) if number % divisor == 0) || divisor == 1;
    let mut filter = passes;
    let (k, ef) = (usize::from(k) + 1, usize::from(ef) + 1);
    let options = SearchOptions::top(k).with_ef(ef);
    let hits = if divisor == 1 {
        index.search(query, options).unwrap()
    } else {
        index.search(query, options.with_filter(&mut filter)).unwrap()
    };
    assert_eq!(hits.len(), k.min(model.keys().filter(|id| passes(id)).count()));
    assert!(hits.iter().all(|hit| model.contains_key(&hit.id) && passes(&hit.id)));
    assert!(hits.is_sorted_by(|a, b| a.distance <= b.distance));
    let mut ids: Vec<&Id> = hits.iter().map(|hit| &hit.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), hits.len(), "a record was found twice");
}

fn verify(index: &Index, model: &Model) {
    let report = index.check().unwrap();
    assert!(report.ok, "{:?}", report.problems);
    assert_eq!((report.live, report.reachable, index.len()), (model.len(), model.len(), model.len()));
    for (id, (vector, payload)) in model {
        let record = index.get(id).unwrap().unwrap();
        assert!(record.vector.iter().map(|x| x.to_bits()).eq(vector.iter().map(|x| x.to_bits())), "{id}");
        assert_eq!(record.payload, payload.as_deref().map(Payload::Bytes), "{id}");
    }
}
