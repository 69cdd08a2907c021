//! The reference: plain Rust that says what the other implementations compute, and what runs where none of them can.
//!
//! The f32 sums are kept in sixteen lanes, as simd128 keeps them in four registers, and folded in the same order. So
//! the two agree bit for bit, the compiler can vectorize this file too, and errors grow with `len / 16`, not `len`.

pub(super) use super::bits::count_planes;

/// What [`super::Kernels::simd`] says.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const SIMD: &str = "scalar";

/// How many partial sums an f32 kernel keeps.
const LANES: usize = 16;

/// The inner product of two f32 slices.
pub(super) fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    sum_f32(a, b, |x, y| x * y)
}

/// The squared Euclidean distance of two f32 slices.
pub(super) fn l2_f32(a: &[f32], b: &[f32]) -> f32 {
    sum_f32(a, b, |x, y| (x - y) * (x - y))
}

/// [`dot_f32`] of one slice with each of four.
pub(super) fn dot_f32x4(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    let n = shortest(query.len(), &rows);
    rows.map(|row| dot_f32(&query[..n], row))
}

/// [`l2_f32`] of one slice with each of four.
pub(super) fn l2_f32x4(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    let n = shortest(query.len(), &rows);
    rows.map(|row| l2_f32(&query[..n], row))
}

/// The inner product of numbers with nibbles: one row of [`super::Kernels::dot_nibbles_x4`].
fn dot_nibbles(query: &[i16], row: &[u8]) -> i32 {
    let mut sum = 0i32;
    for (query, words) in query.as_chunks::<64>().0.iter().zip(row.as_chunks::<32>().0) {
        for (lane, word) in words.as_chunks::<2>().0.iter().enumerate() {
            let word = i16::from_le_bytes(*word);
            for shift in 0..4 {
                let product = i32::from(query[16 * shift + lane]) * i32::from(word >> (4 * shift));
                sum = sum.wrapping_add(product);
            }
        }
    }
    sum
}

/// [`dot_nibbles`] of numbers with each of four rows.
pub(super) fn dot_nibbles_x4(query: &[i16], rows: [&[u8]; 4]) -> [i32; 4] {
    let n = shortest(usize::MAX, &rows);
    rows.map(|row| dot_nibbles(query, &row[..n]))
}

/// The inner products of packed pairs: [`super::Kernels::dot_pairs_x4`].
///
/// It takes the components out of the words and multiplies them one by one. The other implementations multiply whole
/// words, and this is what says that they may.
pub(super) fn dot_pairs_x4(turned: [&[i16]; 4], rows: [&[i16]; 2]) -> [[i32; 4]; 2] {
    let n = turned.iter().chain(&rows).fold(usize::MAX, |n, words| n.min(words.len()));
    let n = n - n % super::Kernels::PAIRS_GROUP;
    rows.map(|row| {
        turned.map(|turned| {
            turned[..n].iter().zip(&row[..n]).fold(0i32, |sum, (&turned, &word)| {
                let ([a, b], [turned_b, turned_a]) = (components(word), components(turned));
                sum.wrapping_add(a * turned_a + b * turned_b)
            })
        })
    })
}

/// The two components of a word: the signed number in its low 12 bits, and what is left above them.
fn components(word: i16) -> [i32; 2] {
    let low = (word << 4) >> 4;
    [i32::from(low), i32::from(word.wrapping_sub(low) >> 12)]
}

/// The length that a four-row kernel works over.
fn shortest<T>(query: usize, rows: &[&[T]; 4]) -> usize {
    rows.iter().fold(query, |n, row| n.min(row.len()))
}

fn sum_f32(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let n = a.len().min(b.len());
    // Blocks of four go round the lanes; what is left after the last whole block is added one by one at the end.
    let whole = n - n % 4;
    let (a, a_rest) = a[..n].split_at(whole);
    let (b, b_rest) = b[..n].split_at(whole);
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for (lane, (&x, &y)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += term(x, y);
        }
    }
    let quarter = |i: usize| (lanes[i] + lanes[i + 4]) + (lanes[i + 8] + lanes[i + 12]);
    let sum = (quarter(0) + quarter(2)) + (quarter(1) + quarter(3));
    a_rest.iter().zip(b_rest).fold(sum, |sum, (&x, &y)| sum + term(x, y))
}
