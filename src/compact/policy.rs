//! When to compact: a pure function, with no opinion on how.

/// What the policy looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measure {
    pub(crate) live: usize,
    pub(crate) deleted: usize,
    /// Share of tombstones above which the graph is worth repairing.
    pub(crate) threshold: f64,
    pub(crate) warm_stale_bytes: usize,
    pub(crate) warm_resident_bytes: usize,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Nothing,
    /// Repair the graph and reclaim the records' stale bytes with it.
    Everything,
    /// Too few tombstones to matter, but many stale bytes: records replaced, or payloads of very different sizes.
    Warm,
}

/// Stale bytes below this are not worth moving records for.
const WARM_FLOOR_BYTES: usize = 1 << 20;

/// Chooses.
pub(crate) fn choose(measure: Measure) -> Choice {
    let slots = measure.live + measure.deleted;
    let ratio = if slots == 0 { 0.0 } else { measure.deleted as f64 / slots as f64 };
    if ratio > measure.threshold {
        return Choice::Everything;
    }
    let stale = measure.warm_stale_bytes;
    if stale >= WARM_FLOOR_BYTES && stale > measure.warm_resident_bytes / 2 { Choice::Warm } else { Choice::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_choices() {
        let none = Measure { live: 0, deleted: 0, threshold: 0.3, warm_stale_bytes: 0, warm_resident_bytes: 0 };
        let cases = [
            (none, Choice::Nothing),
            (Measure { live: 100, ..none }, Choice::Nothing),
            (Measure { live: 70, deleted: 30, ..none }, Choice::Nothing),
            (Measure { live: 69, deleted: 31, ..none }, Choice::Everything),
            (Measure { deleted: 1, ..none }, Choice::Everything),
            (Measure { live: 99, deleted: 1, threshold: 0.01, ..none }, Choice::Nothing),
            (Measure { live: 98, deleted: 2, threshold: 0.01, ..none }, Choice::Everything),
            (Measure { live: 9, warm_stale_bytes: 3 << 20, warm_resident_bytes: 5 << 20, ..none }, Choice::Warm),
            (Measure { live: 9, warm_stale_bytes: 3 << 20, warm_resident_bytes: 6 << 20, ..none }, Choice::Nothing),
            (Measure { live: 9, warm_stale_bytes: 1000, warm_resident_bytes: 1001, ..none }, Choice::Nothing),
        ];
        for (measure, choice) in cases {
            assert_eq!(choose(measure), choice, "{measure:?}");
        }
    }
}
