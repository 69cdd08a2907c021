//! Tests of states that can only be reached from inside a stored index.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{OpenOptions, StoredIndex};
use crate::index::{Config, Error};
use crate::store::{MemoryStore, Mode};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

mod waiting;

const DIMENSIONS: usize = 4;

/// Returns the output of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Otherwise the checkpoint would contain half of the open frame.
#[test]
fn no_checkpoint_ends_while_a_frame_is_held_open() {
    let place = MemoryStore::default();
    let open = || {
        let options =
            OpenOptions { config: Some(Config::new(DIMENSIONS)), mode: Mode::ReadWrite, ..Default::default() };
        now(StoredIndex::open(place.clone(), options)).unwrap()
    };
    let stored = open();
    let insert = |id: u64| stored.change(|index| index.insert_with_id(id, &[1.0; DIMENSIONS], None)).unwrap();
    let hold = |holds| {
        stored.change(|index| {
            index.journal_mut().unwrap().hold(holds);
            Ok(())
        })
    };
    insert(1);
    hold(true).unwrap();
    insert(2);
    assert_eq!(now(stored.checkpoint()), Err(Error::Busy));
    now(stored.commit()).unwrap();
    assert_eq!(open().index().unwrap().len(), 1);
    insert(3);
    hold(false).unwrap();
    now(stored.checkpoint()).unwrap();
    assert_eq!(open().index().unwrap().len(), 3);
}
