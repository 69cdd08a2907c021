//! Lets a test record the operations of a folder and stop at one of them like a kill would. Outside of tests all of
//! this does nothing.

use crate::store::StoreError;

#[cfg(not(test))]
pub(super) use nobody::Watch;
#[cfg(test)]
pub(super) use somebody::Watch;

#[cfg(not(test))]
mod nobody {
    use super::StoreError;

    #[derive(Debug, Default)]
    pub(in super::super) struct Watch {}

    impl Watch {
        /// Called before an operation. If it returns an error, the operation is not performed.
        pub(in super::super) fn step(&self, _: &str, _: &str) -> Result<(), StoreError> {
            Ok(())
        }

        /// Called before bytes are written. Returns the bytes to write, and whether the operation continues afterwards.
        pub(in super::super) fn cut<'a>(&self, _: &str, bytes: &'a [u8]) -> (&'a [u8], Result<(), StoreError>) {
            (bytes, Ok(()))
        }
    }
}

#[cfg(test)]
mod somebody {
    use super::StoreError;
    use std::sync::{Arc, Mutex};

    /// A record of steps. A clone is the same record.
    #[derive(Clone, Debug, Default)]
    pub(in super::super) struct Watch(Arc<Mutex<Record>>);

    /// What is done, to which file, and the bytes if some are written.
    pub(in super::super) type Step = (String, Vec<u8>);

    #[derive(Debug, Default)]
    struct Record {
        steps: Vec<Step>,
        /// How many more steps may be made; `None` for no limit.
        left: Option<usize>,
    }

    impl Watch {
        /// Allows `steps` more steps, then none.
        pub(in super::super) fn stop_after(&self, steps: usize) {
            self.0.lock().unwrap().left = Some(steps);
        }

        /// Returns the steps since the last call.
        pub(in super::super) fn take(&self) -> Vec<String> {
            self.take_with_bytes().into_iter().map(|(step, _)| step).collect()
        }

        /// Returns the steps since the last call, and the bytes that each writes.
        pub(in super::super) fn take_with_bytes(&self) -> Vec<Step> {
            std::mem::take(&mut self.0.lock().unwrap().steps)
        }

        pub(in super::super) fn step(&self, what: &str, name: &str) -> Result<(), StoreError> {
            self.note(what, name, &[])
        }

        fn note(&self, what: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
            let mut record = self.0.lock().unwrap();
            match &mut record.left {
                Some(0) => return Err(StoreError::failed(format!("stopped before: {what} {name}"))),
                Some(left) => *left -= 1,
                None => {}
            }
            record.steps.push((format!("{what} {name}"), bytes.to_vec()));
            Ok(())
        }

        /// If it stops here, half of the bytes are written.
        pub(in super::super) fn cut<'a>(&self, name: &str, bytes: &'a [u8]) -> (&'a [u8], Result<(), StoreError>) {
            match self.note("fill", name, bytes) {
                Ok(()) => (bytes, Ok(())),
                Err(stopped) => (&bytes[..bytes.len() / 2], Err(stopped)),
            }
        }
    }
}
