//! How a memory budget is divided: a pure function.

/// What an index holds and may hold, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) struct Holding {
    /// The budget; `None`: no limit.
    pub(in crate::index) max: Option<usize>,
    /// Codes, links, ids and tables, which are always held.
    pub(in crate::index) hot: usize,
    /// Warm records. Cached blocks are not among them.
    pub(in crate::index) warm: usize,
    /// Changes that are in no log yet. Only a commit or a checkpoint frees them: evicting records would not help.
    pub(in crate::index) unlogged: usize,
    /// Buffers of searches and inserts, including those that there was no room to keep.
    pub(in crate::index) scratch: usize,
    /// Whether the index is stored, so that warm records can be evicted.
    pub(in crate::index) is_stored: bool,
}

/// When hot and warm bytes exceed this share of the budget, more records are evicted at a time.
const NEARLY_FULL: f64 = 0.9;

/// How many bytes of records may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) struct Shares {
    /// Bytes available for warm records and cached blocks together.
    pub(in crate::index) left: usize,
    /// Warm records are evicted when they take more than this.
    pub(in crate::index) most_warm: usize,
    /// Bytes of warm records after an eviction: less than `most_warm`, so that not every insert evicts some.
    pub(in crate::index) warm: usize,
    /// Bytes available for cached blocks.
    pub(in crate::index) cache: usize,
}

impl Holding {
    /// Divides what the budget leaves after the hot bytes and the buffers. Buffers that would take more than half of
    /// that are not kept while there are records to hold: each call allocates its own.
    ///
    /// Warm records may take three quarters, and are brought down to a half, or to a quarter when hot and warm bytes
    /// nearly reach the budget, so that the next insert does not exceed it again. Cached blocks get what warm records
    /// do not take.
    #[inline(never)]
    pub(in crate::index) fn shares(self) -> Shares {
        let Some(max) = self.max else {
            return Shares { left: usize::MAX, most_warm: usize::MAX, warm: usize::MAX, cache: usize::MAX };
        };
        let left = max.saturating_sub(self.hot);
        let left = if self.scratch <= left / 2 { left - self.scratch } else { left };
        let warm = if self.pressure() > NEARLY_FULL { left / 4 } else { left / 2 };
        Shares { left, most_warm: left / 4 * 3, warm, cache: left.saturating_sub(self.warm + self.unlogged) }
    }

    /// Whether the warm records do not fit, even without cached blocks.
    pub(in crate::index) fn is_too_warm(self) -> bool {
        self.warm > self.shares().left
    }

    /// Whether a checkpoint would free too much to be put off.
    pub(in crate::index) fn is_over_budget(self) -> bool {
        self.warm + self.unlogged > self.shares().most_warm
    }

    /// Hot and warm bytes as a share of the budget; 0 without a budget.
    pub(in crate::index) fn pressure(self) -> f64 {
        self.max.map_or(0.0, |max| (self.hot + self.warm) as f64 / max.max(1) as f64)
    }

    /// Whether a record of `bytes` hot and warm bytes fits. In a stored index all other records may be in the store
    /// only, so they do not count.
    pub(in crate::index) fn has_room(self, bytes: usize) -> bool {
        let others = if self.is_stored { self.hot } else { self.hot + self.warm };
        self.max.is_none_or(|max| others.saturating_add(bytes) <= max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_shares() {
        let of = |max, hot, warm, scratch| Holding { max, hot, warm, unlogged: 0, scratch, is_stored: true }.shares();
        let all = usize::MAX;
        assert_eq!(of(None, 50, 10, 9), Shares { left: all, most_warm: all, warm: all, cache: all });
        assert_eq!(of(Some(1000), 200, 0, 0), Shares { left: 800, most_warm: 600, warm: 400, cache: 800 });
        assert_eq!(of(Some(1000), 200, 500, 0), Shares { left: 800, most_warm: 600, warm: 400, cache: 300 });
        assert_eq!(of(Some(1000), 200, 700, 0), Shares { left: 800, most_warm: 600, warm: 400, cache: 100 });
        assert_eq!(of(Some(1000), 200, 701, 0), Shares { left: 800, most_warm: 600, warm: 200, cache: 99 });
        assert_eq!(of(Some(1000), 200, 801, 0), Shares { left: 800, most_warm: 600, warm: 200, cache: 0 });
        assert_eq!(of(Some(1000), 200, 500, 80), Shares { left: 720, most_warm: 540, warm: 360, cache: 220 });
        assert_eq!(of(Some(1000), 200, 500, 400), Shares { left: 400, most_warm: 300, warm: 200, cache: 0 });
        assert_eq!(of(Some(1000), 200, 500, 401), Shares { left: 800, most_warm: 600, warm: 400, cache: 300 });
        assert_eq!(of(Some(1000), 900, 1, 0), Shares { left: 100, most_warm: 75, warm: 25, cache: 99 });
        assert_eq!(of(Some(1000), 1200, 700, 5), Shares { left: 0, most_warm: 0, warm: 0, cache: 0 });
    }

    #[test]
    fn warm_records_may_take_what_is_left() {
        let holding = Holding { max: Some(1000), hot: 600, warm: 300, unlogged: 0, scratch: 100, is_stored: true };
        assert!(!holding.is_too_warm() && Holding { warm: 301, ..holding }.is_too_warm());
        assert!(
            Holding { scratch: 101, ..holding }.is_too_warm() && !Holding { scratch: 201, ..holding }.is_too_warm()
        );
        assert!(!Holding { max: None, ..holding }.is_too_warm());
    }

    #[test]
    fn unlogged_changes_take_room_from_the_cache_and_evict_no_records() {
        let holding = Holding { max: Some(1000), hot: 200, warm: 300, unlogged: 300, scratch: 0, is_stored: true };
        assert_eq!(holding.shares().cache, 200);
        assert!(!holding.is_over_budget() && Holding { unlogged: 301, ..holding }.is_over_budget());
        assert!(!Holding { unlogged: 9000, ..holding }.is_too_warm());
    }

    #[test]
    fn pressure_is_a_part_of_the_budget() {
        let holding = Holding { max: Some(1000), hot: 600, warm: 150, unlogged: 0, scratch: 40, is_stored: true };
        assert_eq!(holding.pressure(), 0.75);
        assert_eq!(Holding { max: None, ..holding }.pressure(), 0.0);
        assert_eq!(Holding { max: Some(0), ..holding }.pressure(), 750.0);
    }

    #[test]
    fn room_is_for_what_is_always_held() {
        let holding = Holding { max: Some(1000), hot: 900, warm: 50, unlogged: 0, scratch: 40, is_stored: true };
        assert!(holding.has_room(100) && !holding.has_room(101));
        let alone = Holding { is_stored: false, ..holding };
        assert!(alone.has_room(50) && !alone.has_room(51));
        assert!(Holding { max: None, ..holding }.has_room(usize::MAX));
    }
}
