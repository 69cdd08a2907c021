//! The one dispatcher. [`Kernels::detect`] decides once, when an index is made; after that a call is a direct one
//! (WebAssembly, and wherever only the scalar code exists) or one jump through a static table (x86-64).
//!
//! | file       | what                                                                                |
//! |------------|-------------------------------------------------------------------------------------|
//! | `mod`      | the dispatcher; other modules call it, and nothing below it                         |
//! | `scalar`   | the reference, in plain Rust                                                        |
//! | `wasm32`   | WebAssembly simd128                                                                 |
//! | `x86_64`   | AVX2, FMA and POPCNT, taken when the processor has them                             |
//! | `avx512`   | counting bits, and products of packed pairs, where the processor has it             |
//! | `bits`     | counting the bits that a code shares with a query's planes, in plain Rust           |
//! | `parts`    | subvectors of product quantization, on every platform                               |
//! | `line`     | a cache line of stored bytes                                                        |
//! | `gathered` | rows that are found first, then brought in together, and only then read             |
//! | `proof`    | the runner that every implementation passes, natively and inside wasm               |
//!
//! What every implementation promises, and `proof` checks:
//!
//! - A kernel works over the shortest of its arguments, of any length and alignment, and never panics.
//! - An f32 sum differs from the exact one by at most [`Kernels::f32_error`]. The implementations may differ from each
//!   other by that much; on one machine a four-row kernel gives the bits that the one-row kernel gives.
//! - An integer sum is the exact one, wrapped to 32 bits. Where a kernel asks for a range of numbers, a sum of others
//!   is meaningless.

#![allow(unsafe_code, reason = "vector loads take pointers; each one carries the argument for its bounds")]

#[cfg(target_arch = "x86_64")]
mod avx512;
mod bits;
mod gathered;
mod line;
mod parts;
mod proof;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm32;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub(crate) use gathered::{BURST, Gathered};
pub(crate) use line::{LINE_BYTES, Line};
pub(crate) use parts::{Subvector, coded, dots, looked_up, squares};
#[doc(hidden)]
pub use proof::prove;

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
use scalar as only;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use wasm32 as only;

/// How many bytes one [`Kernels::touch`] asks for at most: more lines than this would wait for each other.
const TOUCH_BYTES: usize = 1024;

/// Declares the table of function pointers and the methods of [`Kernels`] that go through it, from one list.
macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident($query:ident: $query_type:ty, $row:ident: $row_type:ty) -> $sum:ty;)*) => {
        /// One implementation of every kernel.
        #[cfg(target_arch = "x86_64")]
        struct Table {
            simd: &'static str,
            $($name: fn($query_type, $row_type) -> $sum,)*
        }

        #[cfg(target_arch = "x86_64")]
        static SCALAR: Table = Table { simd: "scalar", $($name: scalar::$name,)* };

        impl Kernels {
            $($(#[$doc])*
            #[inline]
            #[must_use]
            pub fn $name(self, $query: $query_type, $row: $row_type) -> $sum {
                #[cfg(target_arch = "x86_64")]
                return (self.table.$name)($query, $row);
                #[cfg(not(target_arch = "x86_64"))]
                only::$name($query, $row)
            })*
        }
    };
}

/// The distance arithmetic chosen for this machine. A copy costs two words, or nothing.
#[derive(Clone, Copy)]
pub struct Kernels {
    #[cfg(target_arch = "x86_64")]
    table: &'static Table,
    /// Whether a touch is a load, not a prefetch.
    #[cfg(target_arch = "x86_64")]
    loads: bool,
}

kernels! {
    /// The inner product of two vectors. O(n).
    fn dot_f32(a: &[f32], b: &[f32]) -> f32;
    /// The squared Euclidean distance of two vectors. O(n).
    fn l2_f32(a: &[f32], b: &[f32]) -> f32;
    /// The inner products of one vector with four. Loads of the query are shared.
    fn dot_f32x4(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4];
    /// The squared Euclidean distances of one vector to four. Loads of the query are shared.
    fn l2_f32x4(query: &[f32], rows: [&[f32]; 4]) -> [f32; 4];
    /// The inner products of numbers with four rows of nibbles, in whole blocks: 32 bytes of a row are sixteen
    /// little-endian `i16`, and 64 numbers of the query belong to them: sixteen for these words as they are, sixteen
    /// for the words shifted right by 4 bits, sixteen by 8 and sixteen by 12. Loads of the query are shared. Sums wrap.
    /// O(n).
    fn dot_nibbles_x4(query: &[i16], rows: [&[u8]; 4]) -> [i32; 4];
    /// The inner products of two rows with four turned ones, for comparing many coarse codes with one another. Every
    /// load is shared. A word of a row is `a + 4096 * b` for two components in `-7..=7`; the same word turned is
    /// `b + 4096 * a`. `sums[r][q]` belongs to row `r` and turned row `q`.
    ///
    /// Works in whole groups of [`Kernels::PAIRS_GROUP`] words. Words after the last whole group are not counted, so
    /// rows are padded with zeros. Sums wrap. With components outside the range the result is meaningless, but there is
    /// still no panic. O(n).
    fn dot_pairs_x4(turned: [&[i16]; 4], rows: [&[i16]; 2]) -> [[i32; 4]; 2];
    /// How many bits a row has in common with each of four planes, which count 1, 2, 4 and 8. Sums wrap. O(n).
    fn count_planes(planes: &[[u64; 4]], row: &[u64]) -> u32;
}

impl Kernels {
    /// How many words [`Kernels::dot_pairs_x4`] takes at a time: rows of pairs are padded with zeros to whole groups.
    pub const PAIRS_GROUP: usize = 64;

    /// The fastest kernels that this machine can run. Cheap, but meant to be called once for each index.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        return Self::of(avx512::table().or_else(x86_64::table).unwrap_or(&SCALAR));
        #[cfg(not(target_arch = "x86_64"))]
        Self {}
    }

    /// Every implementation that this machine can run, slowest first; for tests and benchmarks.
    #[doc(hidden)]
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        return core::iter::once(&SCALAR).chain(x86_64::table()).chain(avx512::table()).map(Self::of).collect();
        #[cfg(not(target_arch = "x86_64"))]
        vec![Self {}]
    }

    #[cfg(target_arch = "x86_64")]
    fn of(table: &'static Table) -> Self {
        Self { table, loads: x86_64::loads_are_faster() }
    }

    /// Which instruction set is in use: `"scalar"`, `"simd128"`, `"avx2"` or `"avx512"`.
    #[must_use]
    pub fn simd(self) -> &'static str {
        #[cfg(target_arch = "x86_64")]
        return self.table.simd;
        #[cfg(not(target_arch = "x86_64"))]
        only::SIMD
    }

    /// Whether [`Kernels::prefetch`] does anything.
    pub(crate) const PREFETCHES: bool = cfg!(target_arch = "x86_64");

    /// Starts bringing in a row that is about to be read, and does not wait for it: by a plain load from each of its
    /// lines, or by a prefetch on x86-64 processors other than AMD's. Never changes a result.
    #[inline]
    pub fn touch(self, row: &[u8]) {
        for line in row[..row.len().min(TOUCH_BYTES)].chunks(LINE_BYTES) {
            self.touch_line(line);
        }
    }

    /// [`Kernels::touch`] of whole lines.
    #[inline]
    pub(crate) fn touch_lines(self, lines: &[Line]) {
        lines.iter().for_each(|line| self.touch_line(bytemuck::bytes_of(line)));
    }

    /// Touches the line that `bytes` begins in.
    #[inline(always)]
    fn touch_line(self, bytes: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if !self.loads {
            return x86_64::prefetch(bytes);
        }
        if let Some(first) = bytes.first() {
            // SAFETY: a reference is valid to read. Volatile, because only the load is wanted, not the value: the
            // compiler would drop an ordinary one.
            let _ = unsafe { core::ptr::read_volatile(first) };
        }
    }

    /// Asks for what may be read later. Where there is no prefetch it does nothing: a load that nobody needs may hold
    /// up everything behind it.
    #[inline]
    pub(crate) fn prefetch<T: bytemuck::NoUninit>(self, row: &[T]) {
        #[cfg(target_arch = "x86_64")]
        bytemuck::must_cast_slice::<T, u8>(row)
            .chunks(LINE_BYTES)
            .take(TOUCH_BYTES / LINE_BYTES)
            .for_each(x86_64::prefetch);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = row;
    }

    /// The most that an f32 kernel over `len` components may differ from the exact sum, where `magnitude` is the sum
    /// of the absolute values of its summands, and is far enough below `f32::MAX` for no partial sum to overflow.
    ///
    /// A summand takes at most three roundings: one of its product, and one of its difference, which the square counts
    /// twice. It then goes through at most `len / 16` additions and one more in its lane, four where lanes are folded,
    /// and three for the components after the last whole block. Each costs one part in 2^24. A product below the
    /// normal range loses up to half of the smallest subnormal besides.
    #[must_use]
    pub fn f32_error(len: usize, magnitude: f64) -> f64 {
        let roundings = (len / 16 + 12) as f64;
        let unit = f64::from(f32::EPSILON) / 2.0;
        let smallest = f64::from(f32::from_bits(1));
        roundings * unit / (1.0 - roundings * unit) * magnitude + len as f64 * smallest
    }
}

impl core::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Kernels").field(&self.simd()).finish()
    }
}
