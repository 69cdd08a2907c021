//! Tests of states that can only be reached from inside a stored index.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{OpenOptions, StoredIndex};
use crate::index::{Config, Error};
use crate::store::{MemoryStore, Mode};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

const DIMENSIONS: usize = 4;

/// Returns the output of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Nodes that wait are in no array of links, so the checkpoint would have fewer links than levels. An insert of many
/// that fails leaves such nodes.
#[test]
fn no_checkpoint_ends_while_nodes_wait() {
    const LONG: usize = 132;
    let place = MemoryStore::default();
    let options = OpenOptions { config: Some(Config::new(LONG)), mode: Mode::ReadWrite, ..Default::default() };
    let stored = now(StoredIndex::open(place, options)).unwrap();
    let begun = stored.change(|index| {
        let generation = index.checkpoint_begin()?;
        assert!(index.begin_bulk());
        index.insert(&[1.0; LONG], None)?;
        index.end_bulk();
        Ok(generation)
    });
    let step = stored.change(|index| index.checkpoint_step(begun.unwrap(), 1 << 20).map(drop));
    assert_eq!(step, Err(Error::Unlinked));
    now(stored.checkpoint()).unwrap();
    assert_eq!(stored.index().unwrap().pending(), 0);
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
