//! The runner that every implementation passes: one body of checks against sums computed in f64 and i64.
//!
//! It draws its own numbers, so that it needs only the kernels and runs unchanged inside wasm. Nothing in the product
//! calls it, and the linker leaves it out of the shipped file.

use super::Kernels;

/// Every length up to this one is checked: two steps of the widest unrolled loop, and every tail after them.
const LAST_LEN: usize = 130;
/// Lengths that real embeddings have, and the largest one that an index takes.
const LONG_LENS: [usize; 6] = [300, 384, 768, 1000, 1536, 8192];
/// Lengths around whole groups of pairs: none, one, two, three, and many.
const PAIR_LENS: [usize; 13] = [0, 1, 63, 64, 65, 127, 128, 129, 192, 200, 256, 384, 1000];
/// How far from the start of an allocation a slice begins, in elements; each gives another alignment.
const STARTS: [usize; 4] = [0, 1, 3, 7];

/// Compares `kernels` with exact sums, over every length from 0 to 130 and some long ones, unaligned starts, extreme
/// values and arguments of unequal length. The error says which kernel was wrong, on what, and by how much.
#[doc(hidden)]
pub fn prove(kernels: Kernels) -> Result<(), String> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for len in (0..=LAST_LEN).chain(LONG_LENS) {
        for start in STARTS {
            for fill in FILLS_F32 {
                let vectors: [Vec<f32>; 5] = core::array::from_fn(|_| random.vector(start + len, fill));
                let [query, rows @ ..] = &vectors;
                check_f32(kernels, &query[start..], [0, 1, 2, 3].map(|i| &rows[i][start..]))?;
            }
            for fill in FILLS_I8 {
                let factors: Vec<i16> = (0..start + len).map(|i| as_factor(fill(&mut random, i))).collect();
                let rows: [Vec<u8>; 4] =
                    core::array::from_fn(|_| (0..start + len).map(|i| fill(&mut random, i).cast_unsigned()).collect());
                check_nibbles(kernels, &factors[start..], [0, 1, 2, 3].map(|i| &rows[i][start..]))?;
                check_planes(kernels, &rows)?;
            }
        }
    }
    check_pairs(kernels, &mut random)?;
    check_unequal(kernels, &mut random)?;
    check_overflow(kernels)
}

/// Compares the f32 kernels with sums in f64, and the four-row kernels, bit for bit, with the one-row ones.
pub(super) fn check_f32(kernels: Kernels, query: &[f32], rows: [&[f32]; 4]) -> Result<(), String> {
    let four = [kernels.dot_f32x4(query, rows), kernels.l2_f32x4(query, rows)];
    for (i, row) in rows.into_iter().enumerate() {
        let one = [kernels.dot_f32(query, row), kernels.l2_f32(query, row)];
        for (kind, name) in ["dot_f32", "l2_f32"].into_iter().enumerate() {
            let (mut exact, mut magnitude) = (0.0f64, 0.0f64);
            for (&x, &y) in query.iter().zip(row) {
                let (x, y) = (f64::from(x), f64::from(y));
                let summand = if kind == 0 { x * y } else { (x - y) * (x - y) };
                exact += summand;
                magnitude += summand.abs();
            }
            let len = query.len().min(row.len());
            let allowed = Kernels::f32_error(len, magnitude);
            let error = (f64::from(one[kind]) - exact).abs();
            // Written so that a NaN fails.
            let within = error <= allowed;
            if !within {
                let got = one[kind];
                return Err(format!("{name} of {len}: {got:e} for {exact:e}, off by {error:e}, allowed {allowed:e}"));
            }
            if four[kind][i].to_bits() != one[kind].to_bits() {
                return Err(format!("{name}x4 of {len}, row {i}: {:e}, but {name}: {:e}", four[kind][i], one[kind]));
            }
        }
    }
    Ok(())
}

/// Compares the bit counts with counts taken one bit at a time.
fn check_planes(kernels: Kernels, bytes: &[Vec<u8>; 4]) -> Result<(), String> {
    let words = |bytes: &Vec<u8>| bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let [row, rest @ ..]: [Vec<u64>; 4] = bytes.each_ref().map(words);
    let planes: Vec<[u64; 4]> =
        (0..row.len()).map(|i| [rest[0][i], rest[1][i], rest[2][i], !row[i] ^ rest[0][i]]).collect();
    let mut exact = 0;
    for (planes, word) in planes.iter().zip(&row) {
        for bit in (0..64).filter(|bit| word >> bit & 1 == 1) {
            exact += planes.iter().enumerate().map(|(i, plane)| (plane >> bit & 1) << i).sum::<u64>();
        }
    }
    // The shorter of planes and row decides how many words count.
    for (planes, row) in [(&planes[..], &row[..]), (&planes, &[&row[..], &[u64::MAX]].concat())] {
        let got = kernels.count_planes(planes, row);
        if u64::from(got) != exact {
            return Err(format!("count_planes of {} words: {got}, but exactly {exact}", planes.len()));
        }
    }
    Ok(())
}

/// Compares the kernel of nibbles with its definition, computed in i64 and truncated to 32 bits, over the shortest of
/// the slices.
pub(super) fn check_nibbles(kernels: Kernels, query: &[i16], rows: [&[u8]; 4]) -> Result<(), String> {
    let blocks = rows.iter().fold(query.len() / 64, |blocks, row| blocks.min(row.len() / 32));
    for (i, (row, got)) in rows.into_iter().zip(kernels.dot_nibbles_x4(query, rows)).enumerate() {
        let mut exact = 0i64;
        for (block, bytes) in query.chunks_exact(64).zip(row.chunks_exact(32)).take(blocks) {
            for (j, &q) in block.iter().enumerate() {
                let word = i16::from_le_bytes([bytes[2 * (j % 16)], bytes[2 * (j % 16) + 1]]);
                exact += i64::from(q) * i64::from(word >> (4 * (j / 16)));
            }
        }
        if got != exact as i32 {
            return Err(format!("dot_nibbles_x4 of {blocks} blocks, row {i}: {got}, but exactly {exact}"));
        }
    }
    Ok(())
}

/// Checks the kernel of packed pairs: with six slices of one length, and with each of them as the shortest.
fn check_pairs(kernels: Kernels, random: &mut Random) -> Result<(), String> {
    for len in PAIR_LENS {
        for start in STARTS {
            for fill in FILLS_PAIRS {
                let all: [Vec<[i8; 2]>; 6] = core::array::from_fn(|slice| {
                    (0..start + len).map(|i| [0, 1].map(|place| fill(random, slice, 2 * i + place))).collect()
                });
                let mut pairs = all.each_ref().map(Vec::as_slice);
                check_six(kernels, start, pairs)?;
                for shortest in 0..6 {
                    let whole = pairs[shortest];
                    pairs[shortest] = &whole[..start + len.saturating_sub(65)];
                    check_six(kernels, start, pairs)?;
                    pairs[shortest] = whole;
                }
            }
        }
        // Words that no pair of components makes: nothing is said of the sums, but that they are returned.
        for word in [i16::MIN, i16::MAX, 0x0800] {
            let _ = kernels.dot_pairs_x4([&vec![word; len]; 4], [&vec![word; len], &vec![i16::MIN; len]]);
        }
    }
    Ok(())
}

/// Compares the kernel of packed pairs with sums over the components, in i64: of four turned rows, then two rows, from
/// `start` on.
fn check_six(kernels: Kernels, start: usize, pairs: [&[[i8; 2]]; 6]) -> Result<(), String> {
    let pack = |pair: &[i8; 2]| i16::from(pair[0]) + 4096 * i16::from(pair[1]);
    let turned = [0, 1, 2, 3].map(|q| pairs[q].iter().map(|&[a, b]| pack(&[b, a])).collect::<Vec<i16>>());
    let rows = [4, 5].map(|r| pairs[r].iter().map(pack).collect::<Vec<i16>>());
    let sums = kernels.dot_pairs_x4(turned.each_ref().map(|words| &words[start..]), [0, 1].map(|r| &rows[r][start..]));
    let len = pairs.iter().fold(usize::MAX, |n, pairs| n.min(pairs.len())) - start;
    let end = start + len / 64 * 64;
    for (r, sums) in sums.into_iter().enumerate() {
        for (q, sum) in sums.into_iter().enumerate() {
            let (row, other) = (pairs[4 + r][start..end].as_flattened(), pairs[q][start..end].as_flattened());
            let exact: i64 = row.iter().zip(other).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
            if i64::from(sum) != exact {
                return Err(format!("dot_pairs_x4 of {len}, row {r} with {q}: {sum}, but exactly {exact}"));
            }
        }
    }
    Ok(())
}

/// Checks that the shortest argument, whichever it is, decides the length, and that nothing beyond it counts.
fn check_unequal(kernels: Kernels, random: &mut Random) -> Result<(), String> {
    for shortest in [0, 1, 7, 16, 33, 64, 100] {
        for place in 0..5 {
            let len = |i: usize| {
                if i == place { shortest } else { shortest + 1 + i * 9 }
            };
            let full: [Vec<f32>; 5] = core::array::from_fn(|i| random.vector(len(i), near_one));
            let rows = [1, 2, 3, 4].map(|i| full[i].as_slice());
            let cut = rows.map(|row| &row[..shortest]);
            let same = kernels.dot_f32x4(&full[0], rows) == kernels.dot_f32x4(&full[0][..shortest], cut)
                && kernels.l2_f32x4(&full[0], rows) == kernels.l2_f32x4(&full[0][..shortest], cut)
                && kernels.dot_f32(&full[0], rows[0]) == kernels.dot_f32(rows[0], &full[0])
                && kernels.l2_f32(&full[0], rows[0]) == kernels.l2_f32(rows[0], &full[0]);
            if !same {
                return Err(format!("argument {place} is the shortest, {shortest}: components beyond it counted"));
            }

            // As many blocks, and a different part of one behind them.
            let numbers: Vec<i16> = (0..64 * len(0) + 63).map(|i| as_factor(any_code(random, i))).collect();
            let bytes: [Vec<u8>; 4] = core::array::from_fn(|row| {
                (0..32 * len(row + 1) + row).map(|i| any_code(random, i).cast_unsigned()).collect()
            });
            check_nibbles(kernels, &numbers, bytes.each_ref().map(Vec::as_slice))?;
        }
    }
    Ok(())
}

/// Checks that positive f32 sums out of range are infinite, never NaN.
fn check_overflow(kernels: Kernels) -> Result<(), String> {
    for len in 1..=LAST_LEN {
        let (high, low) = (vec![f32::MAX; len], vec![f32::MIN; len]);
        let sums = [kernels.dot_f32(&high, &high), -kernels.dot_f32(&high, &low), kernels.l2_f32(&high, &low)];
        if sums != [f32::INFINITY; 3] {
            return Err(format!("f32 sums of {len} beyond the range: {sums:?} instead of infinities"));
        }
    }
    Ok(())
}

/// A small deterministic generator (xorshift64*), the same on every platform.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// Uniform in -1..1.
    fn unit(&mut self) -> f32 {
        self.next() as f32 / 2_147_483_648.0 - 1.0
    }

    fn vector(&mut self, len: usize, fill: FillF32) -> Vec<f32> {
        (0..len).map(|i| fill(self, i)).collect()
    }
}

type FillF32 = fn(&mut Random, usize) -> f32;
type FillI8 = fn(&mut Random, usize) -> i8;
/// Takes the number of the slice and the place in it.
type FillPairs = fn(&mut Random, usize, usize) -> i8;

/// Components of one scale; of all scales; near the largest whose sums stay in range; near the smallest, subnormals
/// and zeros of both signs among them; large ones that nearly cancel; and a different one in every place.
const FILLS_F32: [FillF32; 6] = [
    near_one,
    |random, _| random.unit() * 2.0f32.powi((random.next() % 61) as i32 - 30),
    |random, _| random.unit() * 1e17,
    |random, _| f32::from_bits(random.next() & 0x80FF_FFFF),
    |random, i| {
        if i % 2 == 0 { 1e9 + random.unit() } else { -1e9 + random.unit() }
    },
    |_, i| i as f32 + 1.0,
];

const FILLS_I8: [FillI8; 5] = [
    any_code,
    |_, _| -128,
    |_, _| 127,
    |random, _| if random.next() % 2 == 0 { -127 } else { 127 },
    |_, i| (i % 128) as i8,
];

/// Any components; the largest of one sign in each slice, so that sums are the largest of either sign; the same with
/// the second components of turned rows negative, so that the sums are zero beside the largest of what is rounded away;
/// the largest of either sign; and a different one in every place.
const FILLS_PAIRS: [FillPairs; 5] = [
    |random, _, _| (random.next() % 15) as i8 - 7,
    |_, slice, _| if slice % 2 == 0 { 7 } else { -7 },
    |_, slice, i| if (slice < 4 && i % 2 == 1) != (slice % 2 == 1) { -7 } else { 7 },
    |random, _, _| if random.next() % 2 == 0 { 7 } else { -7 },
    |_, slice, i| ((slice + i) % 15) as i8 - 7,
];

fn near_one(random: &mut Random, _: usize) -> f32 {
    random.unit()
}

fn any_code(random: &mut Random, _: usize) -> i8 {
    random.next() as i8
}

/// As large as the factors that a code is multiplied by.
fn as_factor(code: i8) -> i16 {
    17 * i16::from(code)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_available_implementation_passes() {
        for kernels in Kernels::available() {
            if let Err(what) = prove(kernels) {
                panic!("{}: {what}", kernels.simd());
            }
        }
    }

    #[test]
    fn detection_takes_the_fastest() {
        let fastest = Kernels::available().pop().expect("there is always one");
        assert_eq!(Kernels::detect().simd(), fastest.simd());
    }

    proptest! {
        #[test]
        fn f32_sums_are_within_the_stated_error(
            pool in prop::collection::vec(-1e15f32..1e15, 5 * 140),
            len in 0usize..=LAST_LEN,
            start in 0usize..10,
        ) {
            let part = |i: usize| &pool[140 * i + start..140 * i + start + len];
            for kernels in Kernels::available() {
                prop_assert_eq!(check_f32(kernels, part(0), [part(1), part(2), part(3), part(4)]), Ok(()));
            }
        }

        #[test]
        fn sums_of_nibbles_are_exact(
            query in prop::collection::vec(any::<i16>(), 4 * 64 + 10),
            pool in prop::collection::vec(any::<u8>(), 4 * (4 * 32 + 10)),
            blocks in 0usize..=4,
            start in 0usize..10,
        ) {
            let part = |i: usize| &pool[138 * i + start..][..32 * blocks];
            for kernels in Kernels::available() {
                let rows = [part(0), part(1), part(2), part(3)];
                prop_assert_eq!(check_nibbles(kernels, &query[start..][..64 * blocks], rows), Ok(()));
            }
        }
    }
}
