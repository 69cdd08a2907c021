//! Bytes that were changed after they were written. Mapping does not verify the checksums of sections, so any bytes may
//! come.

use crate::support::{Aligned, Rng, index, mapped};
use thermocline::{Error, Index, Metric, Quantization, SearchOptions};

/// Whatever the bytes, the result is a refusal, or an index whose every call ends with an answer or an error.
fn holds(bytes: &[u8], rng: &mut Rng) -> bool {
    let mut index = match Index::map(Aligned::new(bytes)) {
        Ok(index) => index,
        Err(Error::Corrupt { .. }) => return false,
        Err(error) => panic!("{error:?}"),
    };
    for _ in 0..3 {
        let query = rng.vector();
        let hits = index.search(&query, SearchOptions::top(6).with_ef(20)).unwrap();
        for hit in hits {
            match index.get(&hit.id) {
                Ok(_) | Err(Error::Corrupt { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    assert!(index.iter().count() <= index.len());
    let ok = index.check().unwrap().ok;
    for _ in 0..4 {
        let (vector, id) = (rng.vector(), rng.id(900));
        assert!(matches!(index.upsert(id, &vector, None), Ok(()) | Err(Error::Corrupt { .. })));
        assert!(matches!(index.delete(&rng.id(900)), Ok(_) | Err(Error::Corrupt { .. })));
    }
    let compacted = index.compact_start().and_then(|()| {
        while index.compact_step(1000)? {}
        Ok(())
    });
    assert!(matches!(compacted, Ok(()) | Err(Error::Corrupt { .. })), "{compacted:?}");
    index.search(&rng.vector(), SearchOptions::top(6)).unwrap();
    ok
}

/// Records may expire before any call has looked up an id, and expiry cannot fail. So ids must be known to be fit for
/// it when the file is mapped: otherwise those that cannot be looked up stay with deleted records.
#[test]
fn ids_of_records_that_expire_can_be_looked_up() {
    let mut index = index(Metric::Cosine, Quantization::Int8, 10);
    let ids = [0xABC_DEF1_u64, 0xABC_DEF2];
    for id in ids {
        index.insert_with_id_expiring(id, &Rng(id).vector(), None, Some(5.0)).unwrap();
    }
    let mut bytes = index.export().unwrap();
    let [first, second] = ids.map(u64::to_le_bytes);
    let at = bytes.windows(8).position(|word| word == second).unwrap();
    bytes[at..at + 8].copy_from_slice(&first);
    let refused = Index::map(Aligned::new(&bytes)).map(|mut mapped| {
        assert_eq!(mapped.expire(9.0), 2);
        mapped.ids().filter(|id| *id == ids[0].into()).count()
    });
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?} ids are left");
}

#[test]
fn any_bytes_behind_the_table_are_an_index_or_refused() {
    let mut rng = Rng(7);
    for quantization in [Quantization::Int8, Quantization::Binary, Quantization::None] {
        let bytes = index(Metric::Cosine, quantization, 700).export().unwrap();
        let (mut sound, mut wrong) = (0, 0);
        for _ in 0..400 {
            let mut forged = bytes.clone();
            for _ in 0..1 + rng.below(40) {
                let at = 480 + rng.below((forged.len() - 488) / 4) * 4;
                let word = match rng.below(4) {
                    0 => u32::MAX,
                    1 => rng.next() as u32,
                    2 => rng.below(800) as u32,
                    _ => 1 << rng.below(32),
                };
                forged[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            if holds(&forged, &mut rng) { sound += 1 } else { wrong += 1 }
        }
        assert!(wrong > 50, "{sound} of 400 are sound");
    }
}

#[test]
fn files_that_are_cut_or_out_of_place_are_refused() {
    let bytes = index(Metric::L2, Quantization::Int8, 300).export().unwrap();
    let mut rng = Rng(9);
    for _ in 0..200 {
        let cut = &bytes[..rng.below(bytes.len())];
        assert!(matches!(Index::map(Aligned::new(cut)), Err(Error::Corrupt { .. })));
    }
    for at in 0..448 {
        let mut forged = bytes.clone();
        forged[at] ^= 1 << rng.below(8);
        let refused = Index::map(Aligned::new(&forged));
        assert!(matches!(refused, Err(Error::Corrupt { .. } | Error::UnsupportedVersion { .. })), "byte {at}");
    }
    // With an offset of one byte, lines of codes would be misaligned.
    let mut shifted = vec![0; bytes.len() + 65];
    let start = shifted.as_ptr().align_offset(64) + 1;
    shifted[start..start + bytes.len()].copy_from_slice(&bytes);
    struct From1(Vec<u8>, usize, usize);
    impl AsRef<[u8]> for From1 {
        fn as_ref(&self) -> &[u8] {
            &self.0[self.1..self.1 + self.2]
        }
    }
    let refused = Index::map(From1(shifted, start, bytes.len()));
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
    assert!(mapped(&bytes).check().unwrap().ok);
}
