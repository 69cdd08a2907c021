// The directory store: its files, its lock, its errors, and closing it.
import assert from "node:assert/strict";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { chmod, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { after as atEnd, test } from "node:test";
import { nodeStores } from "./bundle.mjs";
import { bytes, equal, fails, holds } from "./model.mjs";
import { Faulty, materialize, snapshot } from "./stopping.mjs";

const { openDirectory, openIndexDirectory, destroyDirectory, folder, tidy } = await nodeStores();
atEnd(tidy);

const [a, b] = [bytes(1, 10), bytes(2, 20)];
const HOST = hostname().toLowerCase().replace(/[^a-z0-9-]/g, "") || "unknown";
const put = (...puts) => ({ puts, deletes: [] });

/** Id and start time of a process that has ended. */
const GONE = `${2 ** 22 - 7}.12345`;

test("a value is a file of the key's name, and an open directory has one lock", async () => {
  const path = join(folder(), "made/with it");
  const store = await openDirectory(path);
  await store.commit(put(["a/b/c-1.x", a], ["log", b]));
  await store.append("log", a);
  const [lock, ...others] = (await readdir(path)).sort((x, y) => y.startsWith("lock.") - x.startsWith("lock."));
  const start = (await readFile(`/proc/${process.pid}/stat`, "latin1").catch(() => "")).split(") ")[1]?.split(" ")[19] ?? "0";
  assert.match(lock, new RegExp(`^lock\\.${HOST}\\.${process.pid}\\.${start}\\.[0-9a-f]{8}$`));
  assert.deepEqual(others.sort(), ["a_b_c-1.x", "log"]);
  assert.ok(equal(await readFile(join(path, "a_b_c-1.x")), a));
  assert.ok(equal(await readFile(join(path, "log")), new Uint8Array([...b, ...a])));
  await store.close();
  assert.deepEqual((await readdir(path)).sort(), ["a_b_c-1.x", "log"]);
});

test("the steps of a commit, in their order", async () => {
  const fs = new Faulty();
  const store = await openDirectory(folder(), {}, fs);
  await store.commit(put(["b", b]));
  const steps = [];
  // Records only the content of the journal, and no name of the directory itself.
  fs.onStep = (kind, name, more) => {
    const shown = kind === "syncdir" ? [] : kind === "write" && name !== "commit~" ? [name] : [name, more ?? []].flat();
    steps.push([kind, ...shown].join(" "));
  };
  await store.commit(put(["x/y", a]));
  assert.deepEqual(steps.splice(0), ["open x_y~ w", "write x_y~", "sync x_y~", "rename x_y~ x_y", "syncdir"]);
  await store.commit({ puts: [["x/y", b]], deletes: ["b"] });
  assert.deepEqual(steps, [
    "open x_y~ w", "write x_y~", "sync x_y~",
    "open commit~ w", "write commit~ thermocline commit 1\nput x_y\ndelete b\nend 2\n", "sync commit~", "syncdir",
    "rename commit~ commit", "syncdir", "rename x_y~ x_y", "unlink b", "syncdir", "unlink commit", "syncdir",
  ]);
  await store.close();
});

test("appends keep the file open, and wait for the medium with strict durability only", async () => {
  for (const [durability, expected] of [["relaxed", ["open", "write", "write"]], ["strict", ["open", "syncdir", "write", "sync", "write", "sync"]]]) {
    const fs = new Faulty();
    const store = await openDirectory(folder(), { durability }, fs);
    const steps = [];
    fs.onStep = (kind) => steps.push(kind);
    await store.append("log", a);
    await store.append("log", a);
    assert.deepEqual(steps, expected, durability);
    await store.close();
  }
});

// An owner that is killed between an append and its sync leaves a log that only the page cache holds. If the next owner
// continued it in a new log and synced only that one, a power failure could lose frames between the two logs, and the
// index would not open.
test("logs are on the medium before a new one continues them", async () => {
  const [first, second] = [1, 2].map((number) => `log/${String(number).padStart(20, "0")}`);
  const [name, next] = [first, second].map((key) => key.replace("/", "_"));
  const path = folder();
  const left = await openDirectory(path, {});
  await left.append(first, a);
  await left.close();
  const fs = new Faulty();
  const steps = [];
  fs.onStep = (kind, name = "") => {
    if (kind !== "mkdir" && !name.startsWith("lock.")) steps.push(kind === "syncdir" ? kind : `${kind} ${name}`);
  };
  const store = await openDirectory(path, {}, fs);
  assert.deepEqual(steps.splice(0), [`sync ${name}`, "syncdir"]);
  await store.append(first, b);
  await store.append(second, b);
  await store.append(second, b);
  assert.deepEqual(steps, [
    `open ${name}`, `write ${name}`, `sync ${name}`, "syncdir", `open ${next}`, `write ${next}`, `write ${next}`,
  ]);
  await store.close();
});

test("a log that this user may not write does not prevent opening and destroying the directory", async () => {
  const path = folder();
  const key = `log/${"1".padStart(20, "0")}`;
  const name = key.replace("/", "_");
  const left = await openDirectory(path, {});
  await left.append(key, a);
  await left.close();
  await chmod(join(path, name), 0o444);
  const fs = new Faulty();
  const { open } = fs;
  const flags = [];
  fs.open = (file, how) => {
    if (file.endsWith(name)) flags.push(how);
    return open(file, how);
  };
  const store = await openDirectory(path, {}, fs);
  await holds(store, new Map([[key, a]]));
  await store.close();
  // Root may write any file, so for root only the flags show it.
  assert.deepEqual(flags, [process.platform === "win32" ? "r+" : "r"]);
  await destroyDirectory(path);
  assert.deepEqual(await readdir(path).catch(() => []), []);
});

test("a complete journal is carried out, an incomplete one is dropped, and values waiting without one are removed", async () => {
  const journal = "thermocline commit 1\nput x\nput y\ndelete z\nend 3\n";
  const files = { "x~": a, y: b, z: a, "stray~": a };
  const done = new Map([["x", a], ["y", b]]);
  const dropped = new Map([["y", b], ["z", a]]);
  const cases = [[journal, done], ["", dropped], ["\0\0", dropped], [`${journal}x`, dropped], ["thermocline commit 1\nput x\nend 3", dropped]];
  for (let length = 1; length < journal.length; length++) cases.push([journal.slice(0, length), dropped]);
  for (const [text, expected] of cases) {
    const path = folder();
    await mkdir(path);
    for (const [name, content] of Object.entries({ ...files, commit: text, "commit~": "x", "notes TXT~": "not ours" })) await writeFile(join(path, name), content);
    await holds(await openDirectory(path, { mode: "readonly" }), expected, JSON.stringify(text));
    const store = await openDirectory(path);
    await holds(store, expected, JSON.stringify(text));
    await store.close();
    assert.deepEqual((await readdir(path)).sort(), [...expected.keys(), "notes TXT~"].sort());
  }
});

test("a journal that is not understood is neither followed nor removed", async () => {
  const damaged = ["put ../x\nput y\ndelete z\nend 3\n", "put x\nput y\nerase z\nend 3\n", "put x\nput y\ndelete lock.z\nend 3\n", "put x extra\nput y\ndelete z\nend 3\n"];
  const texts = ["Add the gloss", "thermocline commit 7\nput x\nend 1\n", "thermocline commit 10\npu", ...damaged.map((rest) => `thermocline commit 1\n${rest}`)];
  for (const text of texts) {
    const path = folder();
    await mkdir(path);
    for (const [name, content] of Object.entries({ "x~": "a", z: "b", commit: text })) await writeFile(join(path, name), content);
    const reader = await openDirectory(path, { mode: "readonly" });
    for (const call of [() => openDirectory(path), () => reader.list("")]) assert.match((await fails("STORE_FAILED", call)).message, /cannot be followed/);
    assert.deepEqual((await readdir(path)).sort(), ["commit", "x~", "z"]);
  }
});

test("a text that is not a key is refused, and nothing changes", async () => {
  const path = folder();
  const store = await openDirectory(path);
  await store.commit(put(["a", a]));
  const none = ["", "/", "a/", "/a", "a//b", ".a", "a/.b", "..", "../a", "A", "a_b", "a~", "a b", "é", "a\\b", "a\0", "a\n", "k".repeat(65), "commit", "lock.", "lock.a"];
  for (const key of none) {
    await fails("STORE_FAILED", () => store.read([key]));
    await fails("STORE_FAILED", () => store.commit(put(["b", b], [key, b])));
    await fails("STORE_FAILED", () => store.commit({ puts: [["b", b]], deletes: [key] }));
    await fails("STORE_FAILED", () => store.append(key, b));
  }
  await holds(store, new Map([["a", a]]));
  await store.close();
});

test("other files are left alone and are not listed as keys", async () => {
  const path = folder();
  await mkdir(join(path, "Folder"), { recursive: true });
  for (const name of ["README.md", ".hidden", "a b", "UPPER~", "k".repeat(65)]) await writeFile(join(path, name), "not ours");
  const before = (await readdir(path)).sort();
  const store = await openDirectory(path);
  await store.commit(put(["a", a], ["b", b]));
  await holds(store, new Map([["a", a], ["b", b]]));
  await store.close();
  assert.deepEqual((await readdir(path)).sort(), [...before, "a", "b"].sort());
});

test("the lock of a process that is gone is removed", async () => {
  const names = [`lock.${HOST}.${GONE}.0123abcd`, `lock.${HOST}.${GONE.split(".")[0]}.0.0123abcd`];
  // Only Linux can tell that the id has been reused.
  if (process.platform === "linux") names.push(`lock.${HOST}.${process.pid}.1.0123abcd`);
  for (const name of names) {
    const path = folder();
    await mkdir(path);
    await writeFile(join(path, name), "");
    const store = await openDirectory(path);
    assert.ok(!(await readdir(path)).includes(name), name);
    await store.close();
    assert.deepEqual(await readdir(path), []);
  }
});

test("any other lock is LOCKED, which names the file, and our own lock file is removed", async () => {
  const others = [
    `lock.${HOST}x.${GONE}.0123abcd`, `lock.${HOST}.${process.pid}.0.0123abcd`, `lock.${HOST}.1.0.0123abcd`, "lock.something", `lock.${HOST}.x.0.0123abcd`,
    `lock.${HOST}.${GONE}.0123abcd.more`, `lock.${HOST}.0.0.0123abcd`,
  ];
  for (const name of others) {
    const path = folder();
    await mkdir(path);
    for (const [file, content] of Object.entries({ [name]: "", "a~": "x" })) await writeFile(join(path, file), content);
    const error = await fails("LOCKED", () => openDirectory(path));
    assert.ok(error.message.includes(name) && error.message.includes(path) && /readonly/.test(error.message), error.message);
    // A file that this process may still need is not one to remove.
    assert.match(error.message, name.includes(`.${process.pid}.`) ? /in this process.*close that index/ : /elsewhere.*remove/);
    assert.deepEqual((await readdir(path)).sort(), ["a~", name].sort(), "nothing was touched");
    await holds(await openDirectory(path, { mode: "readonly" }), new Map());
  }
});

// If all gave up, the errors would name lock files that are already gone.
test("of several that open a directory at the same time, one succeeds", async () => {
  for (let round = 0; round < 30; round++) {
    const path = folder();
    if (round % 2) await mkdir(path);
    const outcomes = await Promise.allSettled(Array.from({ length: 2 + (round % 5) }, () => openDirectory(path)));
    const owners = outcomes.filter(({ status }) => status === "fulfilled");
    assert.equal(owners.length, 1, `round ${round}`);
    for (const { status, reason } of outcomes) if (status === "rejected") assert.equal(reason.code, "LOCKED", String(reason));
    await owners[0].value.commit(put(["a", a]));
    await owners[0].value.close();
    assert.deepEqual(await readdir(path), ["a"]);
  }
});

test("a directory that was created and not used is removed, and one that existed before stays", async () => {
  const path = folder();
  await (await openDirectory(path)).close();
  await assert.rejects(() => readdir(path), { code: "ENOENT" });
  await mkdir(path);
  await (await openDirectory(path)).close();
  assert.deepEqual(await readdir(path), []);
});

test("an opening while an unused directory is being removed creates it again, or is LOCKED", async () => {
  for (let round = 0; round < 40; round++) {
    const path = folder();
    const first = await openDirectory(path);
    const [, second] = await Promise.allSettled([first.close(), openDirectory(path)]);
    const names = async () => readdir(path).catch((error) => error.code);
    if (second.status === "fulfilled") {
      await second.value.commit(put(["a", a]));
      await second.value.close();
      assert.deepEqual(await names(), ["a"]);
    } else {
      assert.equal(second.reason.code, "LOCKED", String(second.reason));
      // The second's lock file may have existed when the first removed the directory. The directory then stays, empty.
      assert.ok(["", "ENOENT"].includes(String(await names())), String(await names()));
    }
  }
});

test("an append to a file that somebody has removed is refused", { skip: process.platform === "win32" }, async () => {
  const path = folder();
  const store = await openDirectory(path);
  await store.append("log", a);
  await rm(path, { recursive: true });
  await fails("STORE_FAILED", () => store.append("log", b), /removed/);
  await store.close();
});

test("a path that is no directory is STORE_FAILED, which names it", async () => {
  const path = folder();
  await writeFile(path, "a file");
  const reader = await openDirectory(path, { mode: "readonly" });
  for (const call of [() => openDirectory(path), () => reader.list(""), () => reader.read(["a"])]) {
    const error = await fails("STORE_FAILED", call);
    assert.ok(error.message.includes(path) && error.cause.code, error.message);
  }
});

// The waiting values of a commit get their names, and another commit has a value waiting under the same name, which
// does not count yet.
test("a reader does not take a value that waits for another commit", async () => {
  const path = folder();
  await mkdir(path);
  const journal = "thermocline commit 1\nput x\nput y\nend 2\n";
  for (const [name, content] of Object.entries({ x: "1", y: "1", "x~": "2", "y~": "2", commit: journal })) {
    await writeFile(join(path, name), content);
  }
  const fs = new Faulty();
  const reader = await openDirectory(path, { mode: "readonly" }, fs);
  const read = fs.readFile;
  let isFirst = true;
  fs.readFile = (file) => {
    const bytes = read(file);
    if (isFirst) {
      for (const name of ["x", "y"]) renameSync(join(path, `${name}~`), join(path, name));
      rmSync(join(path, "commit"));
      writeFileSync(join(path, "y~"), "3");
    }
    isFirst = false;
    return bytes;
  };
  const values = await reader.read(["x", "y"]);
  assert.deepEqual(values.map((bytes) => Buffer.from(bytes).toString()), ["2", "2"]);
});

test("a reader gives up when the journal changes each time it looks", async () => {
  const path = folder();
  const writer = await openDirectory(path);
  await writer.commit(put(["x", a]));
  const fs = new Faulty();
  const reader = await openDirectory(path, { mode: "readonly" }, fs);
  const read = fs.readFile;
  let times = 0;
  fs.readFile = (file) => {
    if (times++ % 2) rmSync(join(path, "commit"));
    else writeFileSync(join(path, "commit"), "thermocline commit 1\nend 0\n");
    return read(file);
  };
  assert.match((await fails("STORE_FAILED", () => reader.read(["x"]))).message, /changes faster than it can be read/);
  await writer.close();
});

test("an opening that fails midway releases the lock", async () => {
  const path = folder();
  await mkdir(path);
  for (const [name, content] of Object.entries({ "x~": "x", commit: "thermocline commit 1\nput x\nend 1\n" })) await writeFile(join(path, name), content);
  const fs = new Faulty();
  fs.plan(1, { once: Object.assign(new Error("EIO"), { code: "EIO" }) });
  await fails("STORE_FAILED", () => openDirectory(path, {}, fs));
  const store = await openDirectory(path);
  assert.deepEqual(await store.list(""), ["x"]);
  await store.close();
});

const MANIFEST = `m/${"1".padStart(20, "0")}`;

test("destroying removes an index and its directory, and nothing while there is a writer", async () => {
  const path = folder();
  await destroyDirectory(path);
  const store = await openIndexDirectory(path);
  const log = `log/${"2".padStart(20, "0")}`;
  const values = [[MANIFEST, a], ["s/c/0000000000.00000000000000000001.0000000000", b], ["b/0000000000.0000000000", a]];
  await store.commit(put(...values));
  await store.append(log, a);
  await fails("LOCKED", () => destroyDirectory(path));
  await holds(store, new Map([...values, [log, a]]));
  await store.close();
  await destroyDirectory(path);
  await assert.rejects(() => readdir(path), { code: "ENOENT" });
});

/** Destroys an index of these files on a full disk, where `left` steps still succeed, and returns the steps taken. */
async function destroyedWhenFull(path, left = Infinity) {
  const fs = new Faulty();
  const { open } = fs;
  fs.open = async (file, flags) => {
    const handle = await open(file, flags);
    const writeFile = () => Promise.reject(Object.assign(new Error("ENOSPC: no room"), { code: "ENOSPC" }));
    return { ...handle, writeFile };
  };
  const steps = [];
  fs.onStep = (kind, name) => {
    if (!name?.startsWith("lock.")) steps.push(kind === "unlink" ? `${kind} ${name}` : kind);
  };
  fs.plan(left);
  const error = await destroyDirectory(path, fs).then(() => undefined, (error) => error);
  await fs.abandon();
  return { error, steps };
}

const digits = (number, length = 20) => String(number).padStart(length, "0");

// The journal of the commit that removes everything needs room too.
test("destroying succeeds on a full disk, and when it is stopped after any of its steps it can be repeated", async () => {
  const manifests = [digits(8), digits(9)].map((number) => `m_${number}`);
  const logs = [digits(3), digits(4)].map((number) => `log_${number}`);
  const pieces = [`s_c_0000000000.${digits(9)}.0000000000`, "b_0000000000.0000000000"];
  const all = new Map([...manifests, ...logs, ...pieces].map((name, i) => [name, bytes(i, 10)]));
  const [older, newest] = manifests;
  const order = [older, ...pieces, ...logs, newest];
  const whole = folder();
  await materialize(whole, all);
  const { error, steps } = await destroyedWhenFull(whole);
  assert.equal(error, undefined);
  assert.deepEqual(steps.slice(-order.length - 2), [...order.map((name) => `unlink ${name}`), "syncdir", "rmdir"]);
  await assert.rejects(() => readdir(whole), { code: "ENOENT" });

  const left = new Set();
  for (let count = 0; left.size < order.length; count++) {
    const path = folder();
    await materialize(path, all);
    assert.ok((await destroyedWhenFull(path, count)).error);
    // The process that held the lock has ended.
    for (const name of await readdir(path)) if (name.startsWith("lock.")) await rm(join(path, name));
    const kept = [...(await snapshot(path)).keys()].filter((name) => name !== "commit~");
    assert.deepEqual(kept, order.slice(order.length - kept.length).sort(), `${count} steps`);
    left.add(kept.length);
    await writeFile(join(path, "somebody's"), "");
    assert.equal((await destroyedWhenFull(path)).error, undefined);
    assert.deepEqual(await readdir(path), ["somebody's"]);
  }
});

test("a failure other than a full disk ends destroying before anything is removed", async () => {
  const path = folder();
  await materialize(path, new Map([[MANIFEST.replace("/", "_"), a]]));
  const fs = new Faulty();
  const { open } = fs;
  fs.open = async (file, flags) => ({ ...(await open(file, flags)), writeFile: () => Promise.reject(new Error("EIO")) });
  await fails("STORE_FAILED", () => destroyDirectory(path, fs));
  await fs.abandon();
  assert.deepEqual(await readdir(path), [MANIFEST.replace("/", "_")]);
});

test("a directory of other files is refused, and one that may hold an index is accepted", async () => {
  const manifest = MANIFEST.replace("/", "_");
  const journal = `thermocline commit 1\nput ${manifest}\nend 1\n`;
  const strangers = [{ "package.json": "{}" }, { "x~": "" }, { commit: "not a journal" }, { m_1: "" }, { [manifest.replace("m", "n")]: "" }];
  for (const files of strangers) {
    const path = folder();
    await mkdir(path);
    for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
    const [name] = Object.keys(files);
    for (const call of [() => openIndexDirectory(path), () => destroyDirectory(path)]) assert.ok((await fails("INVALID_OPTION", call)).message.includes(name));
    const reader = await openIndexDirectory(path, { mode: "readonly" });
    if (name === "commit") await fails("STORE_FAILED", () => reader.list(""));
    else await holds(reader, new Map(name === "x~" ? [] : [[name.replaceAll("_", "/"), Buffer.from(files[name])]]));
    assert.deepEqual(await readdir(path), [name]);
  }
  const own = [{}, { [`lock.${HOST}.${GONE}.0123abcd`]: "" }, { [`${manifest}~`]: "" }, { [`${manifest}~`]: "", commit: journal }, { [manifest]: "", "package.json": "{}" }];
  for (const files of own) {
    const path = folder();
    await mkdir(path);
    for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
    await (await openIndexDirectory(path)).close();
    await destroyDirectory(path);
    // An empty directory may belong to whoever created it.
    const left = await readdir(path).catch(({ code }) => code);
    const expected = files["package.json"] ? ["package.json"] : files[manifest] === undefined && !files.commit ? [] : "ENOENT";
    assert.deepEqual(left, expected, JSON.stringify(files));
  }
});
