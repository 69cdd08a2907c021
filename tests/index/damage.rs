//! Every cut and every flipped bit is refused as `Corrupt`, and as nothing else.

use thermocline::{Config, Error, Index, Quantization};

use crate::support::{OwnPayload, QUANTIZATIONS, Rng};

/// Few records, so that each bit can be tried.
fn small(quantization: Quantization) -> Vec<u8> {
    let mut index = Index::new(Config { quantization, m: 4, ef_construction: 8, ..Config::new(3) }).unwrap();
    let mut rng = Rng(31);
    for i in 0..24u64 {
        let vector = rng.vector(3);
        match i % 2 {
            0 => index.insert(&vector, OwnPayload::of(i).borrow()).map(|_| ()),
            _ => index.insert_with_id(format!("id {i}").as_str(), &vector, OwnPayload::of(i).borrow()),
        }
        .unwrap();
    }
    for number in [0u64, 4, 6] {
        index.delete(&number.into()).unwrap();
    }
    index.export().unwrap()
}

#[track_caller]
fn refused(bytes: &[u8], what: impl FnOnce() -> String) {
    match Index::import(bytes) {
        Err(Error::Corrupt { what: reason }) => assert!(!reason.is_empty()),
        Err(error) => panic!("{}: {error}", what()),
        Ok(_) => panic!("{} went unnoticed", what()),
    }
}

#[test]
fn every_cut_is_refused() {
    for quantization in QUANTIZATIONS {
        let bytes = small(quantization);
        assert!(Index::import(&bytes).is_ok());
        for len in 0..bytes.len() {
            refused(&bytes[..len], || format!("{len} of {} bytes", bytes.len()));
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for quantization in QUANTIZATIONS {
        let mut bytes = small(quantization);
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            refused(&bytes, || format!("bit {} of byte {}", bit % 8, bit / 8));
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(Index::import(&bytes).is_ok());
    }
}

#[test]
fn other_bytes_are_refused() {
    let mut rng = Rng(5);
    let noise: Vec<u8> = (0..10_000).map(|_| rng.next() as u8).collect();
    let zeros = vec![0; 10_000];
    let mut long = small(Quantization::Int8);
    long.extend_from_within(..64);
    for (bytes, what) in [(&noise, "noise"), (&zeros, "zeros"), (&long, "more than there should be")] {
        refused(bytes, || what.to_owned());
    }
    refused(b"\x93thermo\n", || "the magic alone".to_owned());
    refused(b"\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'fortran_order': False, 'shape': (5000, 384), }", || {
        "NumPy".into()
    });
}

/// Runs of bytes from elsewhere, as left by a disk that mixes up its sectors.
#[test]
fn misplaced_sectors_are_refused() {
    let bytes = small(Quantization::Int8);
    let mut rng = Rng(8);
    for _ in 0..2000 {
        let mut damaged = bytes.clone();
        let len = 1 + rng.below(200);
        let (from, to) = (rng.below(bytes.len() - len), rng.below(bytes.len() - len));
        damaged.copy_within(from..from + len, to);
        if damaged != bytes {
            refused(&damaged, || format!("{len} bytes from {from} at {to}"));
        }
    }
}
