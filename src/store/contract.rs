//! The contract of [`Store`], as one test for all implementations.
//!
//! A map is kept beside the store as a model. Each check changes both and then compares everything: the set of keys,
//! and each value to the last byte. Each check targets a known difference between media: a file system has folders,
//! forbids some names and renames one file at a time; a database stores long values apart from short ones; an append
//! may be a rewrite, or a separate row that a commit must not forget.

use super::{Batch, Mode, Store, StoreError};
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use std::collections::BTreeMap;

/// Checks that a store fulfils the contract of [`Store`]. Each call of `open` opens the same place, which must be empty
/// at first and is left empty.
///
/// # Errors
/// A description of what the store did instead.
pub async fn prove_store<S: Store>(open: impl AsyncFn() -> Result<S, StoreError>) -> Result<(), String> {
    let store = open().await.map_err(|error| format!("opening: {error}"))?;
    let mut proof = StoreProof { open, store, model: BTreeMap::new(), check: "an empty place" };
    proof.takes_changes()?;
    proof.compare().await?;
    proof.reads().await?;
    proof.commits().await?;
    proof.appends().await?;
    proof.replaces_what_was_appended().await?;
    proof.lists().await?;
    proof.takes_every_legal_key().await?;
    proof.takes_values_of_every_length().await?;
    proof.takes_many_keys_at_once().await?;
    proof.begin("closing").await?;
    proof.store.close().await.map_err(|error| proof.wrong(error))
}

/// Lengths around those at which media change how they store a value: pages, the 64 KiB from which Chromium keeps a
/// value in a file of its own, and one of several megabytes.
const LENGTHS: [usize; 15] =
    [0, 1, 2, 7, 8, 511, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, (5 << 20) + 3];

/// The longest value of [`Store::value_bytes`] that is tried.
const LONGEST: usize = 8 << 20;

/// How many keys one check puts into a commit: more than a large index does.
const MANY: usize = 2000;

/// How many keys of a wrong list an error shows.
const SHOWN: usize = 5;

struct StoreProof<S, F> {
    open: F,
    store: S,
    model: BTreeMap<String, Vec<u8>>,
    check: &'static str,
}

impl<S: Store, F: AsyncFn() -> Result<S, StoreError>> StoreProof<S, F> {
    /// An index would never be written to a place that claims to be for reading only.
    fn takes_changes(&self) -> Result<(), String> {
        match self.store.mode() {
            Mode::ReadWrite => Ok(()),
            Mode::ReadOnly => Err(self.wrong("it says that it takes no changes")),
        }
    }

    async fn reads(&mut self) -> Result<(), String> {
        self.begin("reads").await?;
        self.commit(&[("a", b"first"), ("b", b"second"), ("c", b"third")], &[]).await?;
        self.expect(&["c", "none", "a", "c", "b", "a", "a/none"]).await?;
        self.expect(&[]).await?;

        let (some, others) = (owned(&["a", "none", "b"]), owned(&["c", "a"]));
        let (one, two) = both(self.store.read(&some), self.store.read(&others)).await;
        self.judge(&some, &one.map_err(|error| self.wrong(error))?)?;
        self.judge(&others, &two.map_err(|error| self.wrong(error))?)
    }

    async fn commits(&mut self) -> Result<(), String> {
        self.begin("commits").await?;
        self.commit(&[], &[]).await?;
        self.commit(&[("a", b"alone")], &[]).await?;
        self.commit(&[("a", b"shorter")], &[]).await?;
        self.commit(&[("a", b"much longer than it was before")], &[]).await?;
        self.commit(&[], &["a"]).await?;
        self.commit(&[], &["a"]).await?;
        self.commit(&[("a", b"1"), ("b", b"2"), ("c", b"3"), ("d", b"4")], &[]).await?;
        self.commit(&[("b", b"new"), ("e", b"5")], &["a", "never-there"]).await?;
        self.commit(&[("a", b"again")], &["b", "c", "d"]).await?;
        self.commit(&[("a", b""), ("b", b"")], &[]).await?;
        self.reopen().await
    }

    async fn appends(&mut self) -> Result<(), String> {
        self.begin("appends").await?;
        self.append("log", b"to nothing").await?;
        self.append("log", b", to what was appended").await?;
        self.append("log", b"").await?;
        self.append("nothing", b"").await?;
        self.commit(&[("log2", b"put")], &[]).await?;
        self.append("log2", b", appended to what was put").await?;
        self.append("log2", b", and once more").await?;
        self.commit(&[("empty", b"")], &[]).await?;
        self.append("empty", b"no more").await?;
        self.reopen().await?;
        self.append("log", b", after opening again").await?;
        self.append("long", &pattern(3 << 20, 1)).await?;
        self.append("long", &pattern(70_000, 2)).await?;
        for number in 0..40_u8 {
            self.append_unseen("log", &[number; 33]).await?;
        }
        self.compare().await?;
        self.reopen().await
    }

    /// What was appended to a key must not reappear after the key was put or deleted.
    async fn replaces_what_was_appended(&mut self) -> Result<(), String> {
        self.begin("commits of keys that were appended to").await?;
        for key in ["put-alone", "put", "deleted", "kept"] {
            self.append(key, b"one").await?;
            self.append(key, b"two").await?;
        }
        self.commit(&[("put-alone", b"x")], &[]).await?;
        self.commit(&[("put", b"")], &["deleted"]).await?;
        self.reopen().await?;
        for key in ["put-alone", "put", "deleted", "kept"] {
            self.append(key, b"three").await?;
        }
        self.reopen().await
    }

    async fn lists(&mut self) -> Result<(), String> {
        self.begin("lists").await?;
        self.commit(&[("a", b"1"), ("a/b", b"2"), ("a/bc", b"3"), ("ab", b"4"), ("b/a", b""), ("a-b", b"5")], &[])
            .await?;
        self.append("a/appended", b"6").await?;
        self.append("appended", b"7").await?;
        self.commit(&[], &["a-b"]).await?;
        for prefix in ["a", "a/", "a/b", "a/bc", "a/bcd", "a-", "b", "b/", "app", "none"] {
            self.expect_list(prefix).await?;
        }
        Ok(())
    }

    async fn takes_every_legal_key(&mut self) -> Result<(), String> {
        self.begin("legal keys").await?;
        let longest = ["abcdefghijklmnopqrstuvwxyz", "0123456789-", "a.b-c.d", "0/1/2/3/4/5/6/7"].join("/");
        let longest = longest.clone() + &"z".repeat(64 - longest.len());
        let keys = [&longest, "0", "-", "z", "a", "a/b", "a.b", "a-b", "ab", "a/b/c", "a/b-c", "--", "-/-", "commit/a"];
        let keys = keys.into_iter().chain(["commits", "lock", "con/a", "a/lock.b", "0.0/0.0", "1e9", "null"]);
        // Endings that a store could give to names of its own, and as many parts as fit.
        let parts = ["x/"; 31].concat() + "yz";
        let keys = keys.chain([parts.as_str(), "a.p0", "a.pp0", "a.p", "p0", "a.p0.p1"]);
        let values: Vec<(&str, Vec<u8>)> = keys.map(|key| (key, key.as_bytes().to_vec())).collect();
        let puts: Vec<(&str, &[u8])> = values.iter().map(|(key, value)| (*key, value.as_slice())).collect();
        self.commit(&puts, &[]).await?;
        for (key, _) in &puts {
            self.append_unseen(key, b"+").await?;
        }
        self.compare().await?;
        for (key, value) in &puts {
            self.commit_unseen(&[(key, value)], &[]).await?;
        }
        self.reopen().await
    }

    async fn takes_values_of_every_length(&mut self) -> Result<(), String> {
        self.begin("values of every length").await?;
        let limit = self.store.value_bytes().min(LONGEST);
        for length in LENGTHS.into_iter().chain([limit, limit + 1]) {
            let (value, other) = (pattern(length, 1), pattern(length, 2));
            self.commit(&[("value", &value)], &[]).await?;
            self.commit(&[("value", &other), ("another", &value)], &[]).await?;
            self.reopen().await?;
        }
        Ok(())
    }

    async fn takes_many_keys_at_once(&mut self) -> Result<(), String> {
        self.begin("many keys in one commit").await?;
        let values: Vec<(String, Vec<u8>)> = (0..MANY).map(|n| (format!("many/{n}"), pattern(n % 200, n))).collect();
        let puts: Vec<(&str, &[u8])> = values.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
        self.commit(&puts, &[]).await?;
        self.reopen().await?;
        let deletes: Vec<&str> = puts.iter().skip(1).map(|(key, _)| *key).collect();
        self.commit(&[("one", b"left")], &deletes).await?;
        self.reopen().await
    }

    /// Begins a check in an emptied place.
    async fn begin(&mut self, check: &'static str) -> Result<(), String> {
        let keys: Vec<String> = self.model.keys().cloned().collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.commit(&[], &keys).await?;
        self.check = check;
        Ok(())
    }

    async fn commit(&mut self, puts: &[(&str, &[u8])], deletes: &[&str]) -> Result<(), String> {
        self.commit_unseen(puts, deletes).await?;
        self.compare().await
    }

    async fn commit_unseen(&mut self, puts: &[(&str, &[u8])], deletes: &[&str]) -> Result<(), String> {
        let puts: Vec<(String, Vec<u8>)> =
            puts.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect();
        let batch = Batch { puts: puts.clone(), deletes: owned(deletes) };
        self.store.commit(batch).await.map_err(|error| self.wrong(error))?;
        for key in deletes {
            self.model.remove(*key);
        }
        self.model.extend(puts);
        Ok(())
    }

    async fn append(&mut self, key: &str, bytes: &[u8]) -> Result<(), String> {
        self.append_unseen(key, bytes).await?;
        self.compare().await
    }

    async fn append_unseen(&mut self, key: &str, bytes: &[u8]) -> Result<(), String> {
        self.store.append(key, bytes).await.map_err(|error| self.wrong(error))?;
        self.model.entry(key.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }

    /// Closes the place and opens it again, so that nothing can be in the memory of this store only.
    async fn reopen(&mut self) -> Result<(), String> {
        self.store.close().await.map_err(|error| self.wrong(error))?;
        self.store = (self.open)().await.map_err(|error| self.wrong(format!("opening again: {error}")))?;
        self.compare().await
    }

    /// Checks that the store holds what the model holds, and nothing else.
    async fn compare(&self) -> Result<(), String> {
        self.expect_list("").await?;
        let keys: Vec<&str> = self.model.keys().map(String::as_str).collect();
        self.expect(&keys).await
    }

    async fn expect_list(&self, prefix: &str) -> Result<(), String> {
        let mut keys = self.store.list(prefix).await.map_err(|error| self.wrong(error))?;
        keys.sort();
        let mut expected: Vec<&String> = self.model.keys().filter(|key| key.starts_with(prefix)).collect();
        let same = keys.iter().zip(&expected).take_while(|(found, expected)| found == *expected).count();
        if same == keys.len() && same == expected.len() {
            return Ok(());
        }
        // The first few differing keys are enough; there may be thousands.
        let (of, instead_of) = (keys.len(), expected.len());
        keys.drain(..same);
        keys.truncate(SHOWN);
        expected.drain(..same);
        expected.truncate(SHOWN);
        Err(self.wrong(format!("a list of {prefix:?} has {of} keys for {instead_of}: {keys:?} for {expected:?}")))
    }

    async fn expect(&self, keys: &[&str]) -> Result<(), String> {
        let keys = owned(keys);
        let values = self.store.read(&keys).await.map_err(|error| self.wrong(error))?;
        self.judge(&keys, &values)
    }

    fn judge(&self, keys: &[String], values: &[Option<Vec<u8>>]) -> Result<(), String> {
        if values.len() != keys.len() {
            return Err(self.wrong(format!("{} values for {} keys", values.len(), keys.len())));
        }
        for (key, value) in keys.iter().zip(values) {
            let (found, expected) = (value.as_deref(), self.model.get(key).map(Vec::as_slice));
            if found != expected {
                return Err(self.wrong(format!("{key} is {} for {}", shown(found), shown(expected))));
            }
        }
        Ok(())
    }

    fn wrong(&self, what: impl core::fmt::Display) -> String {
        format!("{}: {what}", self.check)
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// Bytes whose pattern does not repeat with the length of a page, a block or a chunk.
fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) ^ (at >> 8).wrapping_mul(17) ^ seed) as u8).collect()
}

/// Describes a value: its length, its beginning and its end.
fn shown(value: Option<&[u8]>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let (first, last) = (&value[..value.len().min(24)], &value[value.len().saturating_sub(8)..]);
    format!("{} bytes \"{}\"..\"{}\"", value.len(), first.escape_ascii(), last.escape_ascii())
}

/// Runs two futures at the same time.
async fn both<A, B>(one: impl Future<Output = A>, two: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut two) = (pin!(one), pin!(two));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(output) = one.as_mut().poll(context)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = two.as_mut().poll(context)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(two)) => Poll::Ready((one, two)),
            (one, two) => {
                (first, second) = (one, two);
                Poll::Pending
            }
        }
    })
    .await
}
