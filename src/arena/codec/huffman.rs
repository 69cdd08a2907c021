//! Huffman codes: short codes for frequent symbols.

/// Size of the largest alphabet: literals, the end, and lengths.
pub(super) const MOST_SYMBOLS: usize = 288;
/// The longest code that deflate has.
pub(super) const MOST_BITS: usize = 15;

/// Sets the number of bits of each symbol's code, at most `most_bits`; 0 for a symbol that does not occur. The codes
/// fill their space: if fewer than two symbols occur, the first ones get a code too. There must be no more symbols than
/// codes of `most_bits`.
///
/// The two lightest are joined again and again (Huffman, 1952). They are found by scanning: they are few, and keeping
/// them sorted would take kilobytes of WebAssembly. If a code comes out too long, the frequencies are made more alike
/// until none is.
pub(super) fn code_lengths(frequencies: &[u32], most_bits: usize, lengths: &mut [u8]) {
    let count = frequencies.len();
    // Symbols, followed by the joined pairs. `joined` has the place of the pair that each is part of; 0 for none.
    let mut weights = [0_u32; 2 * MOST_SYMBOLS];
    let mut joined = [0_u16; 2 * MOST_SYMBOLS];
    let mut alike = 0;
    loop {
        for (weight, &frequency) in weights.iter_mut().zip(frequencies) {
            *weight = (frequency >> alike) + u32::from(frequency > 0 && alike > 0);
        }
        if frequencies.iter().filter(|&&frequency| frequency > 0).count() < 2 {
            for first in weights.iter_mut().take(2) {
                *first = (*first).max(1);
            }
        }
        let mut end = count;
        while let Some(two) = least_two(&weights[..end]) {
            weights[end] = two.map(|at| core::mem::take(&mut weights[at])).iter().sum();
            for at in two {
                joined[at] = end as u16;
            }
            end += 1;
        }
        // A code is one bit longer than that of the pair it is part of: from the last pair down.
        let mut bits = [0_u8; 2 * MOST_SYMBOLS];
        for at in (0..end).rev().filter(|&at| joined[at] > 0) {
            bits[at] = bits[usize::from(joined[at])] + 1;
        }
        joined.fill(0);
        lengths.copy_from_slice(&bits[..count]);
        if lengths.iter().all(|&bits| usize::from(bits) <= most_bits) {
            return;
        }
        weights.fill(0);
        alike += 1;
    }
}

/// Places of the two least weights that are not 0; `None` if there are fewer than two.
fn least_two(weights: &[u32]) -> Option<[usize; 2]> {
    let (mut least, mut next) = ((u32::MAX, 0), (u32::MAX, 0));
    for (at, &weight) in weights.iter().enumerate() {
        if weight == 0 || weight >= next.0 {
            continue;
        }
        if weight < least.0 {
            (least, next) = ((weight, at), least);
        } else {
            next = (weight, at);
        }
    }
    (next.0 < u32::MAX).then_some([least.1, next.1])
}

/// By number of bits, the first code of each length and the number of codes.
pub(super) fn first_codes(lengths: &[u8]) -> ([u32; MOST_BITS + 1], [u32; MOST_BITS + 1]) {
    let (mut counts, mut firsts) = ([0; MOST_BITS + 1], [0; MOST_BITS + 1]);
    for &bits in lengths.iter().filter(|&&bits| bits > 0) {
        counts[usize::from(bits)] += 1;
    }
    let mut code = 0;
    for bits in 1..=MOST_BITS {
        code = (code + counts[bits - 1]) << 1;
        firsts[bits] = code;
    }
    (firsts, counts)
}

/// Sets the code of each symbol as it is written: the first bit lowest.
pub(super) fn codes(lengths: &[u8], codes: &mut [u16]) {
    let (mut next, _) = first_codes(lengths);
    for (code, &bits) in codes.iter_mut().zip(lengths) {
        let of_length = &mut next[usize::from(bits)];
        if bits > 0 {
            *code = (*of_length as u16).reverse_bits() >> (u16::BITS - u32::from(bits));
            *of_length += 1;
        }
    }
}
