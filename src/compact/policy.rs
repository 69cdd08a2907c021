//! When to compact: a pure function.

/// What the policy looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measure {
    pub(crate) live: usize,
    pub(crate) deleted: usize,
    /// Share of tombstones above which the graph is worth repairing.
    pub(crate) threshold: f64,
    pub(crate) warm_stale_bytes: usize,
    pub(crate) warm_resident_bytes: usize,
    /// Hot and warm bytes as a share of the memory budget; 0 without a budget.
    pub(crate) pressure: f64,
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

/// From this pressure on, a share of the budget, less garbage than usual is worth collecting…
const PRESSURE_FROM: f64 = 0.75;
/// …and at the whole budget, this share of the usual amount.
const LEAST_EASE: f64 = 0.25;

/// The share of the usual amount at which garbage is worth collecting: 1 while there is room, and less the nearer the
/// budget is.
fn ease(pressure: f64) -> f64 {
    let over = ((pressure - PRESSURE_FROM) / (1.0 - PRESSURE_FROM)).clamp(0.0, 1.0);
    1.0 - (1.0 - LEAST_EASE) * over
}

/// Chooses what to compact.
pub(crate) fn choose(measure: Measure) -> Choice {
    let slots = measure.live + measure.deleted;
    let ratio = if slots == 0 { 0.0 } else { measure.deleted as f64 / slots as f64 };
    let ease = ease(measure.pressure);
    if ratio > measure.threshold * ease {
        return Choice::Everything;
    }
    let stale = measure.warm_stale_bytes as f64;
    let is_much = stale >= WARM_FLOOR_BYTES as f64 * ease && stale > measure.warm_resident_bytes as f64 / 2.0 * ease;
    if is_much { Choice::Warm } else { Choice::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_choices() {
        let none =
            Measure { live: 0, deleted: 0, threshold: 0.3, warm_stale_bytes: 0, warm_resident_bytes: 0, pressure: 0.0 };
        let pressed = Measure { pressure: 1.0, ..none };
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
            // The nearer the budget, the less garbage is enough. Without garbage, pressure changes nothing.
            (pressed, Choice::Nothing),
            (Measure { live: 100, ..pressed }, Choice::Nothing),
            (Measure { live: 92, deleted: 8, ..pressed }, Choice::Everything),
            (Measure { live: 92, deleted: 8, pressure: 9.0, ..none }, Choice::Everything),
            (Measure { live: 93, deleted: 7, ..pressed }, Choice::Nothing),
            (Measure { live: 80, deleted: 20, pressure: 0.875, ..none }, Choice::Everything),
            (Measure { live: 82, deleted: 18, pressure: 0.875, ..none }, Choice::Nothing),
            (Measure { live: 71, deleted: 29, pressure: 0.75, ..none }, Choice::Nothing),
            (Measure { live: 9, warm_stale_bytes: 300 << 10, warm_resident_bytes: 2 << 20, ..pressed }, Choice::Warm),
            (
                Measure { live: 9, warm_stale_bytes: 200 << 10, warm_resident_bytes: 1 << 20, ..pressed },
                Choice::Nothing,
            ),
            (
                Measure { live: 9, warm_stale_bytes: 300 << 10, warm_resident_bytes: 3 << 20, ..pressed },
                Choice::Nothing,
            ),
        ];
        for (measure, choice) in cases {
            assert_eq!(choose(measure), choice, "{measure:?}");
        }
    }
}
