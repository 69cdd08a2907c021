//! Rows from all over an array, which are found first, then brought in together, and only then read.
//!
//! A processor waits for many lines at once only as far as it looks ahead, which is some hundred instructions. Finding
//! a row takes about thirty, so all rows are found first; touching them is then a load for each line and little else.

use super::{Kernels, LINE_BYTES};
use bytemuck::Pod;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

/// How many rows are brought in together: more than a processor has lines under way at once.
pub(crate) const BURST: usize = 64;

/// Up to [`BURST`] rows of equally many values.
///
/// The first `count` places, at most [`BURST`], hold the starts of rows that have at least `len` values each and are
/// borrowed for `'a`.
pub(crate) struct Gathered<'a, T> {
    firsts: [MaybeUninit<*const T>; BURST],
    count: usize,
    len: usize,
    rows: PhantomData<&'a [T]>,
}

impl<'a, T: Pod> Gathered<'a, T> {
    /// Room for rows of `len` values.
    #[inline(always)]
    pub(crate) const fn new(len: usize) -> Self {
        Self { firsts: [const { MaybeUninit::uninit() }; BURST], count: 0, len, rows: PhantomData }
    }

    /// Replaces the held rows by the first [`BURST`] of `rows`. If the shortest is shorter than `len`, its length
    /// becomes `len`. Fills this value in place: returning one would copy a whole array.
    #[inline(always)]
    pub(crate) fn gather(&mut self, rows: impl Iterator<Item = &'a [T]>) {
        // The iterator may panic, so no row counts until the last one is in its place.
        self.count = 0;
        let (mut count, mut len) = (0, self.len);
        for (row, first) in rows.zip(&mut self.firsts) {
            first.write(row.as_ptr());
            len = len.min(row.len());
            count += 1;
        }
        (self.count, self.len) = (count, len);
    }

    /// Starts bringing in every line of every row (see [`Kernels::touch`]).
    #[inline(always)]
    pub(crate) fn touch(&self, kernels: Kernels) {
        // Codes of 384 dimensions are the most common. For them, a nested loop would take twice the instructions.
        if self.len * size_of::<T>() == 3 * LINE_BYTES {
            for at in 0..self.count {
                self.touch_lines_of(at, [0, 1, 2], kernels);
            }
        } else {
            for line in 0..(self.len * size_of::<T>()).div_ceil(LINE_BYTES) {
                (0..self.count).for_each(|at| self.touch_lines_of(at, [line], kernels));
            }
        }
    }

    /// Starts bringing in the first line of every row only.
    #[inline(always)]
    pub(crate) fn touch_firsts(&self, kernels: Kernels) {
        if self.len * size_of::<T>() > 0 {
            (0..self.count).for_each(|at| self.touch_lines_of(at, [0], kernels));
        }
    }

    /// Touches lines of row `at`, which must exist.
    #[inline(always)]
    fn touch_lines_of<const N: usize>(&self, at: usize, lines: [usize; N], kernels: Kernels) {
        debug_assert!(at < self.count && lines.iter().all(|line| line * LINE_BYTES < self.len * size_of::<T>()));
        for line in lines {
            // SAFETY: every caller keeps `at` below `count`, so the place holds the start of a row of at least `len`
            // values, and passes only lines that begin within those. Their first byte may be read: `T` is `Pod`, so
            // each has been written.
            kernels.touch_line(unsafe {
                let first = self.firsts.get_unchecked(at).assume_init().cast::<u8>();
                core::slice::from_raw_parts(first.add(line * LINE_BYTES), 1)
            });
        }
    }

    /// A row; empty if it does not exist.
    #[inline(always)]
    pub(crate) fn row(&self, at: usize) -> &'a [T] {
        if at < self.count { self.row_of(at) } else { &[] }
    }

    /// Four rows from `at` on. Beyond the last row, it is repeated, so that four can be read at a time to the end.
    #[inline(always)]
    pub(crate) fn four(&self, at: usize) -> [&'a [T]; 4] {
        let Some(last) = self.count.checked_sub(1) else { return [&[]; 4] };
        [0, 1, 2, 3].map(|i| self.row_of((at + i).min(last)))
    }

    /// Row `at`, which must exist.
    #[inline(always)]
    fn row_of(&self, at: usize) -> &'a [T] {
        debug_assert!(at < self.count);
        // SAFETY: both callers pass a place below `count`, which holds the start of a row of at least `len` values that
        // is borrowed for `'a`.
        unsafe { core::slice::from_raw_parts(self.firsts.get_unchecked(at).assume_init(), self.len) }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_they_were_gathered() {
        let values: Vec<u32> = (0..700).collect();
        for (rows, len) in [(0, 3), (1, 3), (4, 48), (7, 48), (10, 70), (BURST, 10), (BURST, 0)] {
            let mut gathered = Gathered::new(len);
            gathered.gather(values.chunks(len.max(1)).map(|row| &row[..len]).take(rows));
            gathered.touch(Kernels::detect());
            gathered.touch_firsts(Kernels::detect());
            for at in 0..rows {
                assert_eq!(gathered.row(at), &values[at * len..(at + 1) * len], "row {at} of {rows} of {len}");
            }
            assert!(gathered.row(rows).is_empty());
            for at in (0..rows).step_by(4) {
                let four: [&[u32]; 4] = core::array::from_fn(|i| gathered.row((at + i).min(rows - 1)));
                assert_eq!(gathered.four(at), four, "{at} of {rows}");
            }
        }
    }

    #[test]
    fn what_was_gathered_before_is_gone() {
        let values: Vec<u32> = (0..100).collect();
        let mut gathered = Gathered::new(8);
        gathered.gather(values.chunks_exact(8));
        gathered.gather(values[50..].chunks_exact(8).take(3));
        assert_eq!(gathered.row(2), &values[66..74]);
        assert!(gathered.row(3).is_empty());
        let short = values[..2].chunks(2).chain(core::iter::from_fn(|| panic!("half-way")));
        let gathering = std::panic::AssertUnwindSafe(|| gathered.gather(short));
        assert!(std::panic::catch_unwind(gathering).is_err());
        gathered.touch(Kernels::detect());
        assert!(gathered.row(0).is_empty());
        let mut nothing = Gathered::new(3);
        nothing.gather([[(); 3]].iter().map(<[_; 3]>::as_slice));
        nothing.touch(Kernels::detect());
        nothing.touch_firsts(Kernels::detect());
        assert_eq!(nothing.row(0), [(); 3]);
    }

    #[test]
    fn there_are_no_more_than_fit_and_none_is_longer_than_the_shortest() {
        let values: Vec<u32> = (0..100).collect();
        let mut gathered = Gathered::new(8);
        gathered.gather((0..BURST + 9).map(|at| &values[at..at + if at == 3 { 2 } else { 8 }]));
        assert_eq!(gathered.row(BURST - 1), &values[BURST - 1..BURST + 1]);
        assert!(gathered.row(BURST).is_empty());
        gathered.gather(core::iter::empty());
        assert_eq!(gathered.four(0), [&[0u32; 0][..]; 4]);
    }
}
