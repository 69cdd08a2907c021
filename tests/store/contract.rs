//! The one contract, checked for every store that a native program has.

use thermocline::bench_support::{FaultStore, prove_store};
use thermocline::{Batch, MemoryStore, Mode, Store, StoreError, block_on};

use crate::support::{Place, RELAXED, STRICT};

#[test]
fn memory() {
    let place = MemoryStore::default();
    block_on(prove_store(async || Ok(place.clone()))).unwrap();
}

#[test]
fn a_store_of_faults_without_a_plan() {
    let place = MemoryStore::with_value_bytes(7);
    block_on(prove_store(async || Ok(FaultStore::new(place.clone(), None)))).unwrap();
}

#[test]
fn a_relaxed_directory() {
    let place = Place::new();
    block_on(prove_store(async || place.open(RELAXED))).unwrap();
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn a_strict_directory() {
    let place = Place::new();
    block_on(prove_store(async || place.open(STRICT))).unwrap();
    assert!(place.names().is_empty(), "{:?}", place.names());
}

/// One way of breaking the contract.
#[derive(Clone, Copy, Debug)]
enum Defect {
    ForgetsOnClose,
    ReadsOutOfOrder,
    KeepsWhatWasDeleted,
    LosesEmptyValues,
    PutsBesideWhatWasAppended,
    AppendsOverWhatWasPut,
    ListsFoldersOnly,
    ListsTwice,
    TakesHalfOfMany,
    CutsLongValues,
    TakesNoDots,
    SaysItIsReadOnly,
}

/// Each defect, and the check that finds it.
const DEFECTS: [(Defect, &str); 12] = [
    (Defect::ForgetsOnClose, "commits: "),
    (Defect::ReadsOutOfOrder, "reads: "),
    (Defect::KeepsWhatWasDeleted, "commits: "),
    (Defect::LosesEmptyValues, "commits: "),
    (Defect::PutsBesideWhatWasAppended, "appends: "),
    (Defect::AppendsOverWhatWasPut, "appends: "),
    (Defect::ListsFoldersOnly, "lists: "),
    (Defect::ListsTwice, "reads: "),
    (Defect::TakesHalfOfMany, "many keys in one commit: "),
    (Defect::CutsLongValues, "values of every length: "),
    (Defect::TakesNoDots, "legal keys: "),
    (Defect::SaysItIsReadOnly, "an empty place: "),
];

struct Defective {
    inner: MemoryStore,
    appended: MemoryStore,
    defect: Defect,
}

impl Store for Defective {
    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut values = self.inner.read(keys).await?;
        match self.defect {
            Defect::ReadsOutOfOrder => values.reverse(),
            Defect::LosesEmptyValues => values.iter_mut().for_each(|value| {
                value.take_if(|value| value.is_empty());
            }),
            Defect::CutsLongValues => values.iter_mut().flatten().for_each(|value| value.truncate(5 << 20)),
            Defect::PutsBesideWhatWasAppended => {
                for (value, appended) in values.iter_mut().zip(self.appended.read(keys).await?) {
                    *value = match (value.take(), appended) {
                        (Some(put), Some(appended)) => Some([put, appended].concat()),
                        (put, appended) => put.or(appended),
                    };
                }
            }
            _ => {}
        }
        Ok(values)
    }

    async fn commit(&self, mut batch: Batch) -> Result<(), StoreError> {
        match self.defect {
            Defect::KeepsWhatWasDeleted if !batch.puts.is_empty() => batch.deletes.clear(),
            Defect::TakesHalfOfMany => batch.puts.truncate(1000),
            Defect::TakesNoDots => batch.puts.iter_mut().for_each(|(key, _)| *key = key.replace('.', "-")),
            _ => {}
        }
        batch.puts.sort();
        batch.puts.dedup_by(|a, b| a.0 == b.0);
        self.inner.commit(batch).await
    }

    async fn append(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        match self.defect {
            Defect::PutsBesideWhatWasAppended => self.appended.append(key, bytes).await,
            Defect::AppendsOverWhatWasPut => {
                self.inner.commit(Batch { puts: vec![(key.into(), bytes.into())], deletes: vec![] }).await
            }
            _ => self.inner.append(key, bytes).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = self.inner.list(prefix).await?;
        match self.defect {
            Defect::ListsFoldersOnly if !prefix.is_empty() => {
                let folder = format!("{}/", prefix.trim_end_matches('/'));
                keys.retain(|key| key.starts_with(&folder));
            }
            Defect::ListsTwice => keys.extend(keys.clone()),
            Defect::PutsBesideWhatWasAppended => {
                keys.extend(self.appended.list(prefix).await?);
                keys.sort();
                keys.dedup();
            }
            _ => {}
        }
        Ok(keys)
    }

    async fn close(&self) -> Result<(), StoreError> {
        if let Defect::ForgetsOnClose = self.defect {
            let deletes = self.inner.list("").await?;
            self.inner.commit(Batch { puts: vec![], deletes }).await?;
        }
        Ok(())
    }

    fn mode(&self) -> Mode {
        if let Defect::SaysItIsReadOnly = self.defect { Mode::ReadOnly } else { Mode::ReadWrite }
    }

    fn value_bytes(&self) -> usize {
        self.inner.value_bytes()
    }
}

/// A suite that nothing can fail proves nothing.
#[test]
fn every_defect_is_found_and_named() {
    for (defect, check) in DEFECTS {
        let (inner, appended) = (MemoryStore::default(), MemoryStore::default());
        let open = async || Ok(Defective { inner: inner.clone(), appended: appended.clone(), defect });
        let found = block_on(prove_store(open)).expect_err(&format!("{defect:?} passes"));
        assert!(found.starts_with(check) && found.len() < 300, "{defect:?}: {found}");
    }
}
