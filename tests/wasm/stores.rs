//! The stores of this platform: what every store guarantees, tested on each, and what is special to each. IndexedDB is
//! tested where it exists; elsewhere, opening it must say that it does not.

use js_sys::{Function, Promise, Reflect};
use thermocline::bench_support::{AnyStore, prove_store};
use thermocline::{Batch, Config, Durability, Mode, OpenOptions, Store, StoreError, StoredIndex};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

/// Runs JavaScript, with `name` as its one variable.
fn js(name: &str, body: &str) -> JsValue {
    Function::new_with_args("name", body).call1(&JsValue::NULL, &name.into()).unwrap()
}

async fn js_async(name: &str, body: &str) -> JsValue {
    Promise::resolve(&js(name, &format!("return (async () => {{ {body} }})();"))).await.unwrap()
}

fn has_indexed_db() -> bool {
    js("", "return typeof indexedDB === 'object';").is_truthy()
}

/// Makes an object over a map, as small as the interface allows, with this additional code in it.
fn object(members: &str) -> JsValue {
    let body = "const values = new Map();
        const joined = (key, bytes) => {
          const before = values.get(key) ?? [], all = new Uint8Array(before.length + bytes.length);
          all.set(before);
          all.set(bytes, before.length);
          return all;
        };
        return {
          values,
          read: async (keys) => keys.map((key) => values.get(key)),
          commit: async ({ puts, deletes }) => {
            for (const [key, bytes] of puts) values.set(key, bytes);
            for (const key of deletes) values.delete(key);
          },
          list: async (prefix) => [...values.keys()].filter((key) => key.startsWith(prefix)),
          close: async () => {},";
    js("", &format!("{body} {members} }};"))
}

const APPEND: &str = "append: async (key, bytes) => { values.set(key, joined(key, bytes)); },";

fn keys<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

fn batch<const P: usize, const D: usize>(puts: [(&str, &[u8]); P], deletes: [&str; D]) -> Batch {
    Batch { puts: puts.map(|(key, value)| (key.to_owned(), value.to_vec())).to_vec(), deletes: keys(deletes) }
}

async fn read(store: &impl Store, key: &str) -> Option<Vec<u8>> {
    store.read(&keys([key])).await.unwrap().pop().unwrap()
}

async fn listed(store: &impl Store, prefix: &str) -> Vec<String> {
    let mut keys = store.list(prefix).await.unwrap();
    keys.sort();
    keys
}

async fn indexed_db(name: &str) -> AnyStore {
    all_listed(AnyStore::indexed_db(name, Mode::ReadWrite, Durability::Relaxed).await.unwrap().unwrap()).await
}

/// Lists everything, so that the store knows which of its keys have pieces.
async fn all_listed(store: AnyStore) -> AnyStore {
    store.list("").await.unwrap();
    store
}

#[track_caller]
fn failed<T: core::fmt::Debug>(result: Result<T, StoreError>, why: &str) {
    let Err(StoreError::Failed { why: said }) = result else { panic!("{result:?}, not a failure about {why}") };
    assert!(said.contains(why), "{said:?} is not about {why}");
}

#[wasm_bindgen_test]
async fn an_object_keeps_what_a_store_promises() {
    for members in ["", APPEND, "valueBytes: 1000,"] {
        let object = object(members);
        prove_store(async || Ok(all_listed(AnyStore::js(object.clone())?).await)).await.unwrap();
        assert_eq!(
            Reflect::get(&Reflect::get(&object, &"values".into()).unwrap(), &"size".into()).unwrap(),
            0,
            "left over"
        );
    }
}

#[wasm_bindgen_test]
async fn indexed_db_keeps_what_a_store_promises() {
    for durability in [Durability::Relaxed, Durability::Strict] {
        let open = || AnyStore::indexed_db("contract", Mode::ReadWrite, durability);
        if !has_indexed_db() {
            failed(open().await, "no IndexedDB");
            failed(AnyStore::destroy_indexed_db("contract").await, "no IndexedDB");
            continue;
        }
        AnyStore::destroy_indexed_db("contract").await.unwrap();
        prove_store(async || Ok(all_listed(open().await?.unwrap()).await)).await.unwrap();
        AnyStore::destroy_indexed_db("contract").await.unwrap();
    }
}

#[wasm_bindgen_test]
async fn a_reader_makes_no_database_and_sees_what_is_written_meanwhile() {
    let reader = || AnyStore::indexed_db("reader", Mode::ReadOnly, Durability::Relaxed);
    if !has_indexed_db() {
        return failed(reader().await, "no IndexedDB");
    }
    AnyStore::destroy_indexed_db("reader").await.unwrap();
    assert!(reader().await.unwrap().is_none());
    let there = "return (await indexedDB.databases()).some((found) => found.name === `thermocline:${name}`)";
    assert_eq!(js_async("reader", there).await, false);
    let store = indexed_db("reader").await;
    assert_eq!(js_async("reader", there).await, true);
    let reader = all_listed(reader().await.unwrap().unwrap()).await;
    store.append("log", &[1]).await.unwrap();
    assert_eq!(read(&reader, "log").await, Some(vec![1]));
    store.append("log", &[2]).await.unwrap();
    assert_eq!(read(&reader, "log").await, Some(vec![1, 2]));
    assert_eq!(listed(&reader, "").await, keys(["log"]));
    assert_eq!(reader.commit(batch([("a", &[1])], [])).await, Err(StoreError::ReadOnly));
    assert_eq!(reader.append("log", &[1]).await, Err(StoreError::ReadOnly));
    assert_eq!(read(&store, "log").await, Some(vec![1, 2]));
}

#[wasm_bindgen_test]
async fn deleting_closes_our_connections_and_waits_for_no_other() {
    if !has_indexed_db() {
        return failed(AnyStore::destroy_indexed_db("deleted").await, "no IndexedDB");
    }
    let store = indexed_db("deleted").await;
    store.commit(batch([("a", &[1])], [])).await.unwrap();
    AnyStore::destroy_indexed_db("deleted").await.unwrap();
    failed(store.read(&keys(["a"])).await, "the database is closed");
    failed(store.list("").await, "the database is closed");
    failed(store.append("a", &[1]).await, "the database is closed");
    failed(store.commit(batch([("a", &[2])], [])).await, "the database is closed");
    store.close().await.unwrap();
    assert_eq!(read(&indexed_db("deleted").await, "a").await, None);

    let open = "const request = indexedDB.open(`thermocline:${name}`);
        globalThis.held = await new Promise((resolve) => { request.onsuccess = () => resolve(request.result); });";
    js_async("deleted", open).await;
    assert!(matches!(AnyStore::destroy_indexed_db("deleted").await, Err(StoreError::Locked { .. })));
    js("", "held.close();");
    let again = indexed_db("deleted").await;
    assert_eq!(read(&again, "a").await, None);
    again.close().await.unwrap();
    failed(again.read(&keys(["a"])).await, "the database is closed");
    AnyStore::destroy_indexed_db("deleted").await.unwrap();
}

/// A database of the right name that does not have this layout: another version, or no object store.
#[wasm_bindgen_test]
async fn a_strange_database_is_an_error() {
    if !has_indexed_db() {
        return failed(AnyStore::destroy_indexed_db("strange").await, "no IndexedDB");
    }
    for version in ["1", "9"] {
        AnyStore::destroy_indexed_db("strange").await.unwrap();
        let make = "const request = indexedDB.open('thermocline:strange', Number(name));
            await new Promise((resolve) => { request.onsuccess = resolve; }); request.result.close();";
        js_async(version, make).await;
        let why = if version == "1" { "NotFoundError" } else { "VersionError" };
        let opened = AnyStore::indexed_db("strange", Mode::ReadWrite, Durability::Strict).await;
        match opened {
            Ok(store) => failed(store.unwrap().list("").await, why),
            opened => failed(opened, why),
        }
    }
    AnyStore::destroy_indexed_db("strange").await.unwrap();
}

/// Each object is given with a part of the message that is expected.
#[wasm_bindgen_test]
async fn an_object_that_answers_nonsense_is_an_error() {
    for (members, why) in [
        ("read: async () => undefined", "expected an array, received undefined"),
        ("read: async () => ({ length: 1 })", "expected an array, received object"),
        ("read: async () => []", "a value for each key"),
        ("read: async () => [undefined, undefined]", "a value for each key"),
        ("read: async () => [null]", "a Uint8Array or undefined, received null"),
        ("read: async () => ['text']", "a Uint8Array or undefined, received \"text\""),
        ("read: async () => [new ArrayBuffer(1)]", "a Uint8Array or undefined, received object"),
        ("read: async () => [new Uint16Array(1)]", "a Uint8Array or undefined, received object"),
        ("read: () => 5", "expected an array, received 5"),
        ("read: 5", "a method read, received 5"),
        ("read: () => { throw new TypeError('at once'); }", "TypeError: at once"),
        ("read: async () => { throw new Error('later'); }", "later"),
        ("read: () => Promise.reject('text')", "\"text\""),
        ("read: () => Promise.reject()", "undefined"),
        ("get read() { throw 7; }", "7"),
        ("read: async () => new Proxy([1], { get: () => { throw new Error('trap'); } })", "trap"),
    ] {
        let store = all_listed(AnyStore::js(object(members)).unwrap()).await;
        failed(store.read(&keys(["a"])).await, why);
    }
    for (members, why) in [
        ("list: async () => 'keys'", "expected an array, received \"keys\""),
        ("list: async () => [1]", "keys that begin as asked, received 1"),
        ("list: undefined", "a method list, received undefined"),
    ] {
        let store = AnyStore::js(object(members)).unwrap();
        failed(store.list("").await, why);
        // It must be known which values have pieces before one of them is read or written.
        failed(store.read(&keys(["a"])).await, "not listed");
        failed(store.append("a", &[1]).await, "not listed");
        failed(store.commit(batch([], ["a"])).await, "not listed");
    }
    for (members, why) in
        [("valueBytes: 0", "valueBytes, received 0"), ("valueBytes: '1'", "valueBytes, received \"1\"")]
    {
        failed(AnyStore::js(object(members)), why);
    }
    failed(AnyStore::js(5.into()), "TypeError");
    let store = AnyStore::js(object("list: async () => ['b']")).unwrap();
    failed(store.list("a").await, "keys that begin as asked, received \"b\"");
    let store = all_listed(AnyStore::js(object("append: 5, close: 5, commit: 5")).unwrap()).await;
    failed(store.append("a", &[1]).await, "a method append, received 5");
    failed(store.commit(Batch::default()).await, "a method commit, received 5");
    failed(store.close().await, "a method close, received 5");
}

#[wasm_bindgen_test]
async fn errors_of_an_object_are_known_by_their_codes() {
    let with_code = |code: &str| format!("Object.assign(new Error('who'), {{ code: '{code}' }})");
    for (error, expected) in [
        (with_code("QUOTA_EXCEEDED"), StoreError::QuotaExceeded),
        ("new DOMException('full', 'QuotaExceededError')".to_owned(), StoreError::QuotaExceeded),
        (with_code("LOCKED"), StoreError::Locked { by: "who".to_owned() }),
        (with_code("READ_ONLY"), StoreError::ReadOnly),
        (with_code("OUT_OF_MEMORY"), StoreError::OutOfMemory),
        (with_code("EIO"), StoreError::Failed { why: "who".to_owned() }),
    ] {
        for body in [format!("{{ throw {error}; }}"), format!("Promise.reject({error})")] {
            let store = all_listed(AnyStore::js(object(&format!("commit: () => {body}"))).unwrap()).await;
            assert_eq!(store.commit(Batch::default()).await, Err(expected.clone()), "{error}");
            // Without `append`, appending is a commit.
            assert_eq!(store.append("a", &[1]).await, Err(expected.clone()), "{error}");
        }
    }
}

/// An object gets bytes that it may keep, and returns some from another realm.
#[wasm_bindgen_test]
async fn bytes_are_copied_both_ways() {
    let object = object("");
    let store = all_listed(AnyStore::js(object.clone()).unwrap()).await;
    store.commit(batch([("a", &[1, 2])], [])).await.unwrap();
    let kept = Reflect::get(&object, &"values".into()).unwrap();
    let check = Function::new_with_args("values", "return values.get('a').buffer.byteLength");
    assert_eq!(check.call1(&JsValue::NULL, &kept).unwrap(), 2);
    let foreign =
        "if (globalThis.process?.getBuiltinModule) return process.getBuiltinModule('vm').runInNewContext('Uint8Array');
        if (!globalThis.document) return Uint8Array;
        return document.body.appendChild(document.createElement('iframe')).contentWindow.Uint8Array";
    let set = Function::new_with_args("values, Bytes", "values.set('a', Bytes.of(3, 4, 5))");
    set.call2(&JsValue::NULL, &kept, &js("", foreign)).unwrap();
    assert_eq!(read(&store, "a").await, Some(vec![3, 4, 5]));
}

/// A store of this package is done with its bytes once it has answered. It gets parts of one array, which is used
/// again, and holds nothing meanwhile: it may outlive the records. After a failure it is left to the store.
#[wasm_bindgen_test]
async fn memory_for_a_store_of_this_package_is_used_again() {
    let object = object(
        "takesRoom: true,
        given: [],
        said: '',
        async note(arrays) {
          this.given.push(...arrays);
          this.said += `${arrays.map((bytes) => (bytes.length > 9 ? bytes.length : bytes.join())).join(' ')}; `;
          if (this.fails) throw new Error('no');
        },
        commit({ puts }) { return this.note(puts.map(([, bytes]) => bytes)); },
        append(key, bytes) { return this.note([bytes]); },",
    );
    let store = all_listed(AnyStore::js(object.clone()).unwrap()).await;
    store.commit(batch([("a", &[1, 2]), ("b", &[3])], [])).await.unwrap();
    store.append("log", &[4, 5]).await.unwrap();
    Reflect::set(&object, &"fails".into(), &true.into()).unwrap();
    failed(store.commit(batch([("a", &[6])], [])).await, "no");
    Reflect::set(&object, &"fails".into(), &false.into()).unwrap();
    store.commit(batch([("a", &[7]), ("b", &[])], ["c"])).await.unwrap();
    store.append("log", &[8]).await.unwrap();
    store.commit(batch([("a", &[9; 5 << 20])], [])).await.unwrap();
    store.append("log", &[10]).await.unwrap();
    let seen = Function::new_with_args(
        "object",
        "const buffers = [...new Set(object.given.map(({ buffer }) => buffer))];
        return `${object.said}${object.given.map(({ buffer }) => buffers.indexOf(buffer))}; ${buffers.map((buffer) => new Uint8Array(buffer).slice(0, 4))}`;",
    );
    let seen = seen.call1(&JsValue::NULL, &object).unwrap();
    assert_eq!(seen.as_string().unwrap(), "1,2 3; 4,5; 6; 7 ; 8; 5242880; 10; 0,0,0,0,1,1,1,2,3; 6,0,0,0,9,9,9,9,0");
}

/// Bytes whose buffer was transferred arrive as no bytes, and nothing throws uncaught.
#[wasm_bindgen_test]
async fn an_object_may_give_bytes_that_are_gone() {
    let gone = "read: async () => { const bytes = Uint8Array.of(1, 2); structuredClone(bytes, { transfer: [bytes.buffer] }); return [bytes]; }";
    let store = all_listed(AnyStore::js(object(gone)).unwrap()).await;
    assert_eq!(read(&store, "a").await, Some(vec![]));
}

/// When WebAssembly's memory grows while a store reads values into it, they are read again: otherwise directories could
/// not be opened, and an uncaught exception would end the process. Memory grows when other code runs meanwhile, or to
/// hold values that did not fit.
#[wasm_bindgen_test]
async fn memory_that_grows_while_it_is_read_into_loses_nothing() {
    // Reads every second value into the memory lent to it.
    let object = object(
        "takesRoom: true,
        lent: 0,
        grown: 0,
        again: 0,
        asked: new Set(),
        async commit({ puts, deletes }) {
          for (const [key, bytes] of puts) values.set(key, bytes.slice());
          for (const key of deletes) values.delete(key);
        },
        async read(keys, room) {
          let used = 0;
          if (room) this.asked.add(String(keys));
          else if (this.asked.delete(String(keys))) this.again += 1;
          const found = keys.map((key, at) => {
            const value = values.get(key);
            if (!room || !value || at % 2 === 0 || value.length > room.length - used) return value;
            used += value.length;
            const part = room.subarray(used - value.length, used);
            part.set(value);
            return part;
          });
          if (room) this.lent += 1;
          if (room && this.grows?.()) this.grown += 1;
          return found;
        },",
    );
    let store = all_listed(AnyStore::js(object.clone()).unwrap()).await;
    let config = Some(Config::new(64));
    let index = StoredIndex::open(store, OpenOptions { config, ..Default::default() }).await.unwrap();
    let mut random = super::Random(1);
    for id in 0..3000u64 {
        index.change(|index| index.insert_with_id(id, &random.numbers(64), None)).unwrap();
    }
    index.checkpoint().await.unwrap();
    drop(index);
    let set = |name: &str, value: &JsValue| Reflect::set(&object, &name.into(), value).unwrap();
    let get = |name: &str| Reflect::get(&object, &name.into()).unwrap();
    // No memory can grow once another test of this program has filled it, and the linker decides the order of tests.
    let grows = "return memory.buffer.byteLength < 2 ** 32 - 2 ** 24 ? () => memory.grow(1) + 1 : null";
    let grows = Function::new_with_args("memory", grows).call1(&JsValue::NULL, &wasm_bindgen::memory()).unwrap();
    let is_full = grows.is_null();
    for grows in [JsValue::UNDEFINED, grows].into_iter().filter(|grows| !grows.is_null()) {
        set("grows", &grows);
        for count in ["lent", "again"] {
            set(count, &0.into());
        }
        let store = all_listed(AnyStore::js(object.clone()).unwrap()).await;
        let again = StoredIndex::open(store, OpenOptions::default()).await.unwrap();
        assert_eq!(again.index().unwrap().len(), 3000);
        again.change(|index| index.link_step()).unwrap();
        assert!(again.index().unwrap().check().unwrap().ok);
        assert!(get("lent").as_f64() > Some(0.0), "no memory was lent");
        // Values that have a place in the memory are read only once.
        assert_eq!(
            get("again"),
            if grows.is_undefined() { 0 } else { get("lent").as_f64().unwrap() as u32 },
            "{:?}",
            get("lent")
        );
    }
    assert!(is_full || get("grown").as_f64() > Some(0.0), "it never grew");
}

/// A value whose pieces were written without `append` keeps growing by pieces after the object has gained it.
#[wasm_bindgen_test]
async fn an_object_may_get_append_later() {
    let object = object("");
    all_listed(AnyStore::js(object.clone()).unwrap()).await.append("log", &[1]).await.unwrap();
    let append = "return async () => { throw new Error('not asked'); }";
    Reflect::set(&object, &"append".into(), &js("", append)).unwrap();
    let store = all_listed(AnyStore::js(object).unwrap()).await;
    store.append("log", &[2]).await.unwrap();
    assert_eq!(read(&store, "log").await, Some(vec![1, 2]));
    failed(store.append("other", &[1]).await, "not asked");
}
