//! What a commit changes.

use crate::wipe::wipe;

/// Values to put and keys to delete, all together or not at all. No key is named twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// New values. Each replaces the value of its key, if there is one.
    pub puts: Vec<(String, Vec<u8>)>,
    /// Keys whose values are deleted. A key without a value may be among them.
    pub deletes: Vec<String>,
}

impl Batch {
    /// Overwrites the values before the batch is dropped, because they may contain records that are deleted later.
    pub(crate) fn wipe(&mut self) {
        for (_, value) in &mut self.puts {
            wipe(value);
        }
    }
}
