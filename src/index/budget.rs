//! How much memory goes to what: a pure function, with no opinion on how.

/// What the policy looks at, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    /// What the index may take; none for as much as it needs.
    pub(super) max: Option<usize>,
    /// Codes, links, ids, tables: what is always held.
    pub(super) hot: usize,
    /// Records in memory that are not from a block.
    pub(super) warm: usize,
    /// Whether warm records can be given up for stored ones.
    pub(super) is_stored: bool,
}

/// Beyond this part of the budget more records are given up at once.
const PRESSED: f64 = 0.9;

/// What may be held of records, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Warm records beyond this are too many.
    pub(super) most_warm: usize,
    /// How many are left when they were: fewer, so that not every insert is one too many.
    pub(super) warm: usize,
    /// Blocks that were read.
    pub(super) cache: usize,
}

impl Holding {
    /// Warm records may take three quarters of what is left beside the hot part, and are brought down to a half; to a quarter,
    /// when hot and warm together are nearly all there may be, so that what comes next is not one too many again. Blocks that
    /// were read have the rest, which is all of it while nothing is warm.
    pub(super) fn shares(self) -> Shares {
        let Some(max) = self.max else {
            return Shares { most_warm: usize::MAX, warm: usize::MAX, cache: usize::MAX };
        };
        let left = max.saturating_sub(self.hot);
        let warm = if self.pressure() > PRESSED { left / 4 } else { left / 2 };
        Shares { most_warm: left / 4 * 3, warm, cache: left.saturating_sub(self.warm).max(left / 4) }
    }

    /// Hot bytes and warm records as a part of what the index may take; 0 when it may take anything.
    pub(super) fn pressure(self) -> f64 {
        self.max.map_or(0.0, |max| (self.hot + self.warm) as f64 / max.max(1) as f64)
    }

    /// Whether a record of so many bytes, hot and warm, can be held, with all others in the store only if there is one.
    pub(super) fn has_room(self, bytes: usize) -> bool {
        let others = if self.is_stored { self.hot } else { self.hot + self.warm };
        self.max.is_none_or(|max| others.saturating_add(bytes) <= max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_shares() {
        let of = |max, hot, warm| Holding { max, hot, warm, is_stored: true }.shares();
        let all = usize::MAX;
        assert_eq!(of(None, 50, 10), Shares { most_warm: all, warm: all, cache: all });
        assert_eq!(of(Some(1000), 200, 0), Shares { most_warm: 600, warm: 400, cache: 800 });
        assert_eq!(of(Some(1000), 200, 500), Shares { most_warm: 600, warm: 400, cache: 300 });
        assert_eq!(of(Some(1000), 200, 700), Shares { most_warm: 600, warm: 400, cache: 200 });
        assert_eq!(of(Some(1000), 200, 701), Shares { most_warm: 600, warm: 200, cache: 200 });
        assert_eq!(of(Some(1000), 900, 1), Shares { most_warm: 75, warm: 25, cache: 99 });
        assert_eq!(of(Some(1000), 1200, 700), Shares { most_warm: 0, warm: 0, cache: 0 });
    }

    #[test]
    fn pressure_is_a_part_of_the_budget() {
        let holding = Holding { max: Some(1000), hot: 600, warm: 150, is_stored: true };
        assert_eq!(holding.pressure(), 0.75);
        assert_eq!(Holding { max: None, ..holding }.pressure(), 0.0);
        assert_eq!(Holding { max: Some(0), ..holding }.pressure(), 750.0);
    }

    #[test]
    fn room_is_for_what_is_always_held() {
        let holding = Holding { max: Some(1000), hot: 900, warm: 50, is_stored: true };
        assert!(holding.has_room(100) && !holding.has_room(101));
        let alone = Holding { is_stored: false, ..holding };
        assert!(alone.has_room(50) && !alone.has_room(51));
        assert!(Holding { max: None, ..holding }.has_room(usize::MAX));
    }
}
