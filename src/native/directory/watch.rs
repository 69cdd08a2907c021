//! What a test does to the operations of a folder: it keeps a record of them, and stops at one, as a kill would. Outside of
//! tests there is nobody watching, and this comes to nothing.

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
        /// Called before an operation, which is not made when this fails.
        pub(in super::super) fn step(&self, _: &str, _: &str) -> Result<(), StoreError> {
            Ok(())
        }

        /// Called before bytes are written: those that are, and whether the operation goes on from there.
        pub(in super::super) fn cut<'a>(&self, _: &str, bytes: &'a [u8]) -> (&'a [u8], Result<(), StoreError>) {
            (bytes, Ok(()))
        }
    }
}

#[cfg(test)]
mod somebody {
    use super::StoreError;
    use std::sync::{Arc, Mutex};

    /// A clone is the same record.
    #[derive(Clone, Debug, Default)]
    pub(in super::super) struct Watch(Arc<Mutex<Record>>);

    #[derive(Debug, Default)]
    struct Record {
        steps: Vec<String>,
        /// How many more steps are made.
        left: Option<usize>,
    }

    impl Watch {
        /// Makes `steps` more steps, then none.
        pub(in super::super) fn stop_after(&self, steps: usize) {
            self.0.lock().unwrap().left = Some(steps);
        }

        /// The steps since this was last asked.
        pub(in super::super) fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap().steps)
        }

        pub(in super::super) fn step(&self, what: &str, name: &str) -> Result<(), StoreError> {
            let mut record = self.0.lock().unwrap();
            match &mut record.left {
                Some(0) => return Err(StoreError::failed(format!("stopped before: {what} {name}"))),
                Some(left) => *left -= 1,
                None => {}
            }
            record.steps.push(format!("{what} {name}"));
            Ok(())
        }

        /// Being stopped here leaves half of the bytes.
        pub(in super::super) fn cut<'a>(&self, name: &str, bytes: &'a [u8]) -> (&'a [u8], Result<(), StoreError>) {
            match self.step("fill", name) {
                Ok(()) => (bytes, Ok(())),
                Err(stopped) => (&bytes[..bytes.len() / 2], Err(stopped)),
            }
        }
    }
}
