//! How many pieces each value has that grew by appending, where the medium itself cannot append.

use crate::store::Batch;
use core::cell::RefCell;

/// The keys whose values have pieces. There are few: an index appends to its log only.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Each key, with a number above those of all its pieces. It may have fewer of them: a number is used up even if
    /// writing its piece fails, since it may be there all the same.
    counts: RefCell<Vec<(String, u32)>>,
}

impl Pieces {
    /// A number above those of all pieces that the key may have; 0 when it has none.
    pub(super) fn count(&self, key: &str) -> u32 {
        self.counts.borrow().iter().find(|(known, _)| known == key).map_or(0, |&(_, count)| count)
    }

    /// The number of a new piece.
    pub(super) fn next(&self, key: &str) -> u32 {
        let number = self.count(key);
        self.found(key, number);
        number
    }

    /// Takes down that there is a piece of this number.
    fn found(&self, key: &str, number: u32) {
        let mut counts = self.counts.borrow_mut();
        let above = number.saturating_add(1);
        match counts.iter_mut().find(|(known, _)| known == key) {
            Some((_, count)) => *count = above.max(*count),
            None => counts.push((key.to_owned(), above)),
        }
    }

    /// The keys whose pieces go with this batch.
    pub(super) fn replaced_by(&self, batch: &Batch) -> Vec<String> {
        let keys = batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes);
        keys.filter(|key| self.count(key) > 0).cloned().collect()
    }

    /// The pieces of these keys are gone.
    pub(super) fn forget(&self, keys: &[String]) {
        self.counts.borrow_mut().retain(|(known, _)| !keys.contains(known));
    }

    /// The keys that these entries belong to, each once. An entry is a value, or the piece of that number.
    pub(super) fn keys_of(&self, entries: Vec<(String, Option<u32>)>) -> Vec<String> {
        let (mut keys, mut appended) = (Vec::new(), Vec::new());
        for (key, piece) in entries {
            match piece {
                None => keys.push(key),
                Some(number) => {
                    self.found(&key, number);
                    if !appended.contains(&key) {
                        appended.push(key);
                    }
                }
            }
        }
        appended.retain(|key| !keys.contains(key));
        keys.append(&mut appended);
        keys
    }
}
