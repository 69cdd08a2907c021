//! An index that was reopened at any moments equals, byte for byte, one that never was: the log holds the changes in
//! order, and links, draws of levels and slots follow from that order and from a checkpoint's contents. Compaction is
//! not in the log, so this holds if a checkpoint follows it.

use thermocline::{Config, Error, Index, MemoryStore, Metric, OpenOptions, Payload, Quantization, StoredIndex};

use crate::support::{Rng, now};

fn change(index: &mut Index, rng: &mut Rng) -> Result<(), Error> {
    let vector = rng.vector(index.config().dimensions);
    let number = rng.below(200) as u64;
    let bytes = vec![7; number as usize % 9];
    match rng.below(10) {
        0..=4 => index.insert(&vector, Some(Payload::Bytes(&bytes))).map(drop),
        5 | 6 => index.upsert(format!("n {number}").as_str(), &vector, None),
        7 => index.upsert(number, &vector, None),
        _ => index.delete(&number.into()).map(drop),
    }
}

#[test]
fn opening_again_changes_no_byte() {
    for seed in 0..24 {
        let mut rng = Rng(seed);
        let config = Config {
            metric: rng.pick(&[Metric::Cosine, Metric::L2, Metric::Dot]),
            quantization: if seed % 4 == 0 { Quantization::None } else { Quantization::Int8 },
            m: 4,
            ef_construction: 40,
            ..Config::new(6)
        };
        let place = MemoryStore::with_value_bytes(3000);
        let open = || {
            let options = OpenOptions { config: Some(config), ..Default::default() };
            now(StoredIndex::open(place.clone(), options)).unwrap()
        };
        let (mut never, mut stored) = (Index::new(config).unwrap(), open());
        for _ in 0..40 {
            for _ in 0..rng.below(60) {
                let mut same = rng.clone();
                change(&mut never, &mut rng).unwrap();
                stored.change(|index| change(index, &mut same)).unwrap();
            }
            match rng.below(12) {
                0 => {
                    never.compact().unwrap();
                    stored.change(Index::compact).unwrap();
                    now(stored.checkpoint()).unwrap();
                }
                1 => {
                    never.clear().unwrap();
                    stored.change(Index::clear).unwrap();
                    now(stored.commit()).unwrap();
                }
                2..=4 => now(stored.checkpoint()).unwrap(),
                _ => now(stored.commit()).unwrap(),
            }
            if rng.one_in(2) {
                stored = open();
            }
            assert!(never.export().unwrap() == stored.index().unwrap().export().unwrap(), "seed {seed}");
        }
    }
}
