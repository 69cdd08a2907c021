//! What a commit changes.

/// Values to be put and keys to be deleted, all together or not at all. No key is in it twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// New values, each in place of the one there was.
    pub puts: Vec<(String, Vec<u8>)>,
    /// Keys that have no value any more. A key without a value may be among them.
    pub deletes: Vec<String>,
}
