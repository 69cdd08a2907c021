//! Logs: there and back, torn, damaged, with frames missing or twice, and with impossible contents.

use super::super::entry::IdRef;
use super::super::{FormatError, LogReader, LogWriter, Mark};
use super::frozen::{self, DIMENSIONS, LOG};
use super::{Entry, Reading, Said, read, written};
use crate::types::Id;
use proptest::prelude::*;
use xxhash_rust::xxh64::xxh64;

fn ids() -> impl Strategy<Value = Id> {
    prop_oneof![(0..=Id::MAX_NUMBER).prop_map(Id::Number), ".{1,20}".prop_map(|text| Id::Text(text.into()))]
}

fn entries(dimensions: usize) -> impl Strategy<Value = Said> {
    let payload = prop_oneof![
        Just((0, Vec::new())),
        ".{0,20}".prop_map(|text| (1, text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| (2, bytes)),
    ];
    let expiry = prop::option::of(-1e15..1e15);
    let put = (ids(), expiry, prop::collection::vec(-9.0_f32..9.0, dimensions), payload);
    prop_oneof![
        4 => put.prop_map(|(id, expires_ms, vector, (kind, payload))| {
            Said::Put { id, expires_ms, vector, kind, payload }
        }),
        2 => ids().prop_map(Said::Delete),
        1 => Just(Said::Clear),
    ]
}

fn frames(dimensions: usize) -> impl Strategy<Value = Vec<Vec<Said>>> {
    prop::collection::vec(prop::collection::vec(entries(dimensions), 1..5), 0..5)
}

/// A frame assembled byte for byte, with any contents.
fn forged(sequence: u64, count: u32, body: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    sealed.extend_from_slice(&(body.len() as u32).to_le_bytes());
    sealed.extend_from_slice(&count.to_le_bytes());
    sealed.extend_from_slice(&sequence.to_le_bytes());
    let mut padded = body.to_vec();
    padded.resize(body.len().next_multiple_of(8), 0);
    let checksum = xxh64(&[sealed.as_slice(), &padded].concat(), 0);
    [sealed, checksum.to_le_bytes().to_vec(), padded].concat()
}

/// Where the frames of a log end, the beginning included.
fn ends(frames: &[Vec<Said>], dimensions: usize) -> Vec<usize> {
    (0..=frames.len()).map(|count| written(dimensions, 1, &frames[..count]).len()).collect()
}

fn corrupt<T>(result: &Result<T, FormatError>) -> bool {
    matches!(result, Err(FormatError::Corrupt { .. }))
}

#[test]
fn cut_anywhere_the_whole_frames_are_there() {
    let ends = ends(&frozen::log(), DIMENSIONS);
    for len in 0..=LOG.len() {
        let whole = ends.iter().rposition(|end| *end <= len).unwrap();
        let frames = (1..).zip(frozen::log()).take(whole).collect();
        let expected = Reading { frames, at: ends[whole], torn: ends[whole] < len };
        assert_eq!(read(&LOG[..len], DIMENSIONS, 1), Ok(expected), "{len} bytes");
    }
}

#[test]
fn a_cut_end_may_be_filled_with_anything() {
    let ends = ends(&frozen::log(), DIMENSIONS);
    for fill in [0, 0xff, b'x'] {
        for len in ends[2] + 1..LOG.len() {
            let mut bytes = LOG[..len].to_vec();
            bytes.resize(LOG.len() + 100, fill);
            if bytes.starts_with(LOG) {
                continue;
            }
            let reading = read(&bytes, DIMENSIONS, 1).unwrap();
            assert_eq!((reading.frames.len(), reading.at, reading.torn), (2, ends[2], true), "{len} bytes, {fill}");
        }
    }
}

/// In a store that cannot append, each frame is a value of its own, and one that was cut short by any number of bytes
/// shifts all that follow. A search only at multiples of eight would miss them, and the log would seem to end there.
#[test]
fn a_frame_cut_short_before_another_is_corrupt() {
    let ends = ends(&frozen::log(), DIMENSIONS);
    for cut in 1..=ends[1] {
        let bytes = [&LOG[..ends[1] - cut], &LOG[ends[1]..]].concat();
        assert!(corrupt(&read(&bytes, DIMENSIONS, 1)), "{cut} bytes");
    }
}

/// In the last frame, a flipped bit cannot be told from a torn end. In an earlier one, no kill can have caused it.
#[test]
fn a_flipped_bit_is_corrupt_or_the_end() {
    let ends = ends(&frozen::log(), DIMENSIONS);
    for bit in 0..LOG.len() * 8 {
        let mut bytes = LOG.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let reading = read(&bytes, DIMENSIONS, 1);
        if bit / 8 < ends[2] {
            assert!(corrupt(&reading), "bit {bit}: {reading:?}");
        } else {
            let frames = (1..).zip(frozen::log()).take(2).collect();
            assert_eq!(reading, Ok(Reading { frames, at: ends[2], torn: true }), "bit {bit}");
        }
    }
}

#[test]
fn known_frames_are_passed_over() {
    for next in 1..=4 {
        let reading = read(LOG, DIMENSIONS, next).unwrap();
        let expected: Vec<_> = (1..).zip(frozen::log()).skip(next as usize - 1).collect();
        assert_eq!((reading.frames, reading.at, reading.torn), (expected, LOG.len(), false));
    }
    assert_eq!(read(&[LOG, LOG].concat(), DIMENSIONS, 1).unwrap().frames.len(), 3, "the second time they are known");
    let strange = [forged(3, 9, b"no entry"), written(DIMENSIONS, 4, &[vec![Said::Clear]])].concat();
    assert_eq!(read(&strange, DIMENSIONS, 4).unwrap().frames.len(), 1, "what is known is not looked at");
}

#[test]
fn a_missing_frame_is_corrupt() {
    let ends = ends(&frozen::log(), DIMENSIONS);
    assert!(corrupt(&read(&LOG[ends[1]..], DIMENSIONS, 1)), "the first");
    let without = [&LOG[..ends[1]], &LOG[ends[2]..]].concat();
    let mut reader = LogReader::new(&without, DIMENSIONS, 1);
    assert!(reader.next_frame().unwrap().is_some());
    assert!(corrupt(&reader.next_frame()) && corrupt(&reader.next_frame()), "the second, however often it is asked");
    assert_eq!((reader.at(), reader.next_sequence()), (ends[1], 2));
}

#[test]
fn the_last_number_is_nobodys() {
    let last = written(DIMENSIONS, u64::MAX, &[vec![Said::Clear]]);
    assert!(corrupt(&read(&last, DIMENSIONS, u64::MAX)), "there is none to follow it");
    let before = written(DIMENSIONS, u64::MAX - 1, &[vec![Said::Clear]]);
    assert_eq!(read(&before, DIMENSIONS, u64::MAX - 1).unwrap().frames.len(), 1);
    assert_eq!(read(&forged(0, 1, &[3]), DIMENSIONS, 1).unwrap().frames.len(), 0, "before the first");
}

#[test]
fn impossible_contents_are_corrupt_under_a_right_checksum() {
    let number = [&[0][..], &7_u64.to_le_bytes()].concat();
    let text = |len: u16, bytes: &[u8]| [&[2, 1][..], &len.to_le_bytes(), bytes].concat();
    let put = |header: u32, rest: &[u8]| [&[1][..], &number, &header.to_le_bytes(), &[0; 12], rest].concat();
    let expiring = |at: f64| [&[4][..], &at.to_le_bytes(), &number, &[0; 16]].concat();
    let good: [(&str, u32, Vec<u8>); 5] = [
        ("a delete", 1, text(1, b"a")),
        ("two", 2, [text(1, b"a"), vec![3]].concat()),
        ("a put", 1, put(1 << 30 | 2, b"{}")),
        ("an expiring put", 1, expiring(-1.0)),
        ("the longest text", 1, text(4096, &[b'a'; 4096])),
    ];
    for (name, count, body) in good {
        assert_eq!(read(&forged(1, count, &body), DIMENSIONS, 1).map(|reading| reading.frames.len()), Ok(1), "{name}");
    }
    let bad: [(&str, u32, Vec<u8>); 19] = [
        ("no entry", 0, vec![]),
        ("an entry and none said", 0, vec![3]),
        ("more than said", 1, vec![3, 3]),
        ("fewer than said", 3, vec![3, 3]),
        ("fewer than said, by far", u32::MAX, vec![3, 3]),
        ("tag 0", 1, vec![0]),
        ("tag 5", 1, vec![5]),
        ("id tag 2", 1, vec![2, 2, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("a number too large", 1, [&[2, 0][..], &(1_u64 << 53).to_le_bytes()].concat()),
        ("an empty text", 1, text(0, b"")),
        ("a text too long", 1, text(4097, &[b'a'; 4097])),
        ("a text that ends early", 1, text(2, b"a")),
        ("a text that is not UTF-8", 1, text(1, &[0xff])),
        ("payload kind 3", 1, put(3 << 30, b"")),
        ("bytes of no kind", 1, put(1, b"a")),
        ("JSON that is not UTF-8", 1, put(1 << 30 | 1, &[0xff])),
        ("a payload that ends early", 1, put(2 << 30 | 2, b"a")),
        ("never expiring, said at length", 1, expiring(f64::INFINITY)),
        ("an expiry that is no number", 1, expiring(f64::NAN)),
    ];
    for (name, count, body) in bad {
        let result = read(&forged(1, count, &body), DIMENSIONS, 1);
        assert!(corrupt(&result), "{name}: {result:?}");
    }
    assert!(corrupt(&read(LOG, DIMENSIONS + 1, 1)), "another index's");
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let mut log = LogWriter::new(DIMENSIONS, 1);
    log.push(&Entry::Clear).unwrap();
    let before = log.mark();
    let put = |kind, vector: &[f32], payload: &[u8], expires_ms| Said::Put {
        id: Id::Number(1),
        expires_ms,
        vector: vector.to_vec(),
        kind,
        payload: payload.to_vec(),
    };
    let bad = [
        Said::Delete(Id::Number(Id::MAX_NUMBER + 1)),
        Said::Delete(Id::from("")),
        Said::Delete(Id::Text("a".repeat(Id::MAX_TEXT_BYTES + 1).into())),
        put(0, &[0.0; 2], b"", None),
        put(0, &[0.0; 3], b"a", None),
        put(1, &[0.0; 3], &[0xff], None),
        put(3, &[0.0; 3], b"a", None),
        put(2, &[0.0; 3], b"a", Some(f64::NAN)),
    ];
    for entry in bad {
        assert!(corrupt(&log.push(&entry.lend())), "{entry:?}");
        assert_eq!(log.mark(), before);
    }
}

#[test]
fn an_entry_can_be_taken_back_until_its_frame_is_sealed() {
    let mut log = LogWriter::new(DIMENSIONS, 1);
    let empty = log.mark();
    log.push(&Entry::Delete(IdRef::Number(1))).unwrap();
    assert!(log.rewind(empty));
    assert_eq!((log.seal(), log.sealed_bytes()), (None, 0), "nothing is left to seal");
    log.push(&Entry::Delete(IdRef::Number(2))).unwrap();
    let one: Mark = log.mark();
    log.push(&Entry::Delete(IdRef::Text("three"))).unwrap();
    assert!(log.rewind(one) && log.rewind(one));
    log.push(&Entry::Clear).unwrap();
    assert_eq!((log.seal(), log.next_sequence()), (Some(1), 2));
    log.push(&Entry::Delete(IdRef::Number(4))).unwrap();
    log.push(&Entry::Delete(IdRef::Number(5))).unwrap();
    assert!(!log.rewind(one) && !log.rewind(empty), "that frame is sealed");
    log.seal();
    let expected = vec![vec![Said::Delete(Id::Number(2)), Said::Clear], {
        vec![Said::Delete(Id::Number(4)), Said::Delete(Id::Number(5))]
    }];
    assert_eq!(read(&log.take().unwrap(), DIMENSIONS, 1).unwrap().frames, (1..).zip(expected).collect::<Vec<_>>());
}

/// The room of frames that a checkpoint contains is given back even if records were inserted while it was written.
#[test]
fn frames_that_a_store_has_leave_no_room_behind() {
    let mut log = LogWriter::new(DIMENSIONS, 1);
    for _ in 0..1000 {
        log.push(&Entry::Delete(IdRef::Text("a frame of its own"))).unwrap();
        log.seal();
    }
    let known = log.sealed_bytes();
    log.push(&Entry::Delete(IdRef::Number(1))).unwrap();
    log.seal();
    log.push(&Entry::Delete(IdRef::Number(2))).unwrap();
    log.forget(known);
    assert!(log.sealed_bytes() > 0 && log.resident_bytes() < 200, "{}", log.resident_bytes());
    log.seal();
    let expected = [1, 2].map(|number| vec![Said::Delete(Id::Number(number))]);
    let found = read(&log.take().unwrap(), DIMENSIONS, 1001).unwrap().frames;
    assert_eq!(found, (1001..).zip(expected).collect::<Vec<_>>());
}

#[test]
fn a_frame_that_looks_like_many_is_looked_through_in_time() {
    // Every eighth byte could begin a frame that reaches to the end. The search is bounded: the log is refused as
    // quickly as it is read.
    let mut bytes = Vec::new();
    for left in (0..200_000_u64).rev().step_by(2) {
        bytes.extend_from_slice(&(1 << 32 | (left * 8).saturating_sub(1_000)).to_le_bytes());
        bytes.extend_from_slice(&(1 + left / 4).to_le_bytes());
    }
    assert!(corrupt(&read(&bytes, DIMENSIONS, 1)));
}

proptest! {
    #[test]
    fn frames_go_there_and_back(frames in frames(DIMENSIONS), first in 1_u64..1 << 63) {
        let bytes = written(DIMENSIONS, first, &frames);
        prop_assert_eq!(bytes.len() % 8, 0);
        let expected = Reading { frames: (first..).zip(frames).collect(), at: bytes.len(), torn: false };
        prop_assert_eq!(read(&bytes, DIMENSIONS, first), Ok(expected));
    }

    /// Frames taken in pieces, with a frame open in between, are the same as those of a writer that takes them at once.
    #[test]
    fn what_is_taken_piece_by_piece_is_the_whole(frames in frames(2), every in 1_usize..4) {
        let (mut log, mut taken) = (LogWriter::new(2, 1), Vec::new());
        for (at, entry) in frames.iter().flat_map(|frame| {
            frame.iter().enumerate().map(|(at, entry)| (at + 1 == frame.len(), entry))
        }).enumerate() {
            log.push(&entry.1.lend()).unwrap();
            let waiting = log.sealed_bytes();
            if at % every == 0 {
                let piece = log.take().unwrap();
                prop_assert_eq!((piece.len(), log.sealed_bytes()), (waiting, 0));
                taken.extend(piece);
            }
            if entry.0 {
                log.seal();
            }
        }
        taken.extend(log.take().unwrap());
        prop_assert_eq!(taken, written(2, 1, &frames));
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), dimensions in 0_usize..9000) {
        if let Ok(reading) = read(&bytes, dimensions, 1) {
            prop_assert_eq!((reading.frames.len(), reading.torn), (0, !bytes.is_empty()));
        }
    }

    /// Correct checksums let the changed bytes through. What is read from them is written back identically.
    #[test]
    fn arbitrary_entries_are_read_or_refused(
        body in prop::collection::vec(prop_oneof![3 => 0_u8..6, 1 => any::<u8>()], 0..60),
        count in 0_u32..5,
        dimensions in 0_usize..3,
    ) {
        match read(&forged(1, count, &body), dimensions, 1) {
            Ok(reading) => {
                let said: Vec<_> = reading.frames.into_iter().map(|(_, entries)| entries).collect();
                prop_assert_eq!(written(dimensions, 1, &said), forged(1, count, &body));
            }
            Err(error) => prop_assert!(corrupt::<()>(&Err(error))),
        }
    }
}
