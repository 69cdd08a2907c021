// The built page in headless Chromium when something fails: it says so, and continues with the existing index.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { VectorIndex } from "thermocline";
import { loadDataset } from "../src/common/dataset.js";
import { focused, openPage, ready, restart, shoot } from "./browser.mjs";

let session;
let page;
let base;

before(async () => {
  ({ base } = await loadDataset((url) => readFile(url)));
  session = await openPage();
  page = session.page;
  page.setDefaultTimeout(20_000);
  await ready(page);
  await page.addInitScript(limitRoom);
  await page.reload();
  await ready(page);
});
after(() => session?.close());

const text = (id) => page.locator(`#${id}`).textContent();
const shows = (id, part) => page.waitForFunction(([id, part]) => document.getElementById(id).textContent.includes(part), [id, part]);
const state = (name) => page.locator(`body[data-state=${name}]`).waitFor();
const databases = () => page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
const oneDatabase = () => page.waitForFunction(async () => (await indexedDB.databases()).length === 1);
const remove = (category) => page.selectOption("#category", category).then(() => page.click("#delete"));

/** Runs in the page: once as many values as sessionStorage's "room" says are stored, the browser has no more room. */
function limitRoom() {
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (...given) {
    const room = sessionStorage.getItem("room") ?? Infinity;
    if (room < 1) throw new DOMException("there is no more room", "QuotaExceededError");
    if (room < Infinity) sessionStorage.setItem("room", room - 1);
    return put.apply(this, given);
  };
}

const limit = (room) => page.evaluate((room) => sessionStorage.setItem("room", room), room);

/** The file of an export. */
async function exported() {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#export")]);
  return download.path();
}

/** Checks that the page has its index and answers from it, also after it is loaded again. */
async function has(records) {
  await state("ready");
  await shows("stat-live", records);
  const before = await text("question-word");
  await page.locator("#filter").fill(before === "music" ? "river" : "music");
  await page.waitForFunction((word) => document.getElementById("question-word").textContent !== word, before);
  await page.reload();
  await ready(page);
  assert.match(await text("origin"), new RegExp(`^Opened, not built: ${records} records`));
}

test("a build for which there is no room says so, and can be tried again", { timeout: 90_000 }, async () => {
  await limit(20);
  await restart(page);
  await state("failed");
  assert.equal(await focused(page), "failure-again");
  assert.match(await text("failure-text"), /^The index could not be built: .*the store has no room left/);
  assert.ok(await page.locator("#failure").isVisible());
  assert.equal(await page.locator("#build").isVisible(), false);
  assert.equal(await page.locator("#work").evaluate((work) => work.inert), true);
  await shoot(page, "10-no-room");

  // Loaded again, it is the first visit with no room.
  await page.reload();
  await state("failed");
  assert.match(await text("failure-text"), /^The index could not be opened or built: .*the store has no room left/);
  await page.click("#failure-anew");
  await shows("failure-text", "could not be built");
  await limit(Infinity);
  await page.click("#failure-again");
  await ready(page);
  assert.equal(await page.locator("#failure").isVisible(), false);
  assert.equal(await focused(page), "filter");
  assert.match(await text("origin"), /^Built and stored/);
  await has("5,000");
});

test("an index that cannot be opened can be built anew", { timeout: 90_000 }, async () => {
  await page.evaluate(() => new Promise((resolve, reject) => {
    const opening = indexedDB.open("thermocline:wordnet glosses");
    opening.onsuccess = () => {
      const change = opening.result.transaction("values", "readwrite");
      const values = change.objectStore("values");
      values.getAllKeys().onsuccess = ({ target }) => target.result.forEach((key) => values.put(new Uint8Array(9), key));
      change.oncomplete = resolve;
      change.onabort = reject;
    };
  }));
  await page.reload();
  await state("failed");
  assert.match(await text("failure-text"), /^The index could not be opened or built: corrupt/);
  await page.click("#failure-again");
  await state("failed");
  await page.click("#failure-anew");
  await ready(page);
  await has("5,000");
});

test("an import for which there is no room leaves the index there is", { timeout: 90_000 }, async () => {
  const file = await exported();
  await remove("lexname:noun.artifact");
  await shows("status", "Deleted");
  await limit(5);
  await page.setInputFiles("#import-file", file);
  await shows("status", "was not imported");
  await state("ready");
  await shows("stat-live", "4,508");
  assert.deepEqual(await databases(), ["thermocline:wordnet glosses"]);
  await limit(Infinity);
  await has("4,508");
  await page.setInputFiles("#import-file", file);
  await shows("status", "Imported");
  await oneDatabase();
  await has("5,000");
});

/** Imports a file that holds the given rows. */
async function importRows(name, options, rows) {
  const index = await VectorIndex.memory(options);
  await index.insertMany(rows);
  const buffer = Buffer.from(await index.export());
  await index.close();
  await page.setInputFiles("#import-file", { name, mimeType: "application/octet-stream", buffer });
}

test("an import of another kind of index leaves the index there is", { timeout: 60_000 }, async () => {
  const vectors = base.vectors.subarray(0, 2 * base.dimensions);
  const ids = base.rows.slice(0, 2).map((row) => row.id);
  const { dimensions } = base;
  await importRows("short", { dimensions: 3 }, [{ vector: [1, 2, 3] }]);
  await shows("status", "short was not imported: it has 3 dimensions, and the glosses 384");
  await importRows("far", { dimensions, metric: "l2" }, { vectors, ids });
  await shows("status", "far was not imported: its metric is l2, and that of the glosses cosine");
  await importRows("foreign", { dimensions }, { vectors, ids: [ids[0], "mine"], payloads: [{}, { word: 5 }] });
  await shows("status", "foreign was not imported: 1 of its records are not glosses of this page");
  await importRows("numbered", { dimensions }, { vectors });
  await shows("status", "numbered was not imported: 2 of its records are not glosses of this page");
  assert.deepEqual(await databases(), ["thermocline:wordnet glosses, beside"]);
  await has("5,000");
});

test("glosses without payloads can be imported, searched and opened again", { timeout: 90_000 }, async () => {
  const numbers = [...base.rows.keys()].filter((number) => /water|music|river/.test(base.rows[number].text));
  const rows = numbers.map((number) => ({ id: base.rows[number].id, vector: base.vector(number) }));
  assert.ok(rows.length > 20, `${rows.length} rows`);
  await importRows("bare", { dimensions: base.dimensions }, rows);
  await shows("status", `Imported ${rows.length} records`);
  await has(String(rows.length));
  const [first] = await page.locator("#answers li").evaluateAll((items) => items.map((item) => item.dataset.id));
  assert.equal(await page.locator("#answers .answer-word").first().textContent(), base.rows[base.rowOfId.get(first)].word);
  await restart(page);
  await shows("stat-live", "5,000");
  await ready(page);
});

test("one of the two indexes is complete when the tab ends in the middle of an import", { timeout: 90_000 }, async () => {
  const file = await exported();
  await remove("lexname:noun.artifact");
  await shows("status", "Deleted");
  /** Imports until the page sets `isStored`, and loads it again. */
  const cutOff = async () => {
    await page.setInputFiles("#import-file", file);
    await page.waitForFunction(() => window.isStored);
    assert.equal((await databases()).length, 2);
    await page.reload();
    await ready(page);
    await oneDatabase();
  };

  // Before the switch: the import is stored, but localStorage does not name it yet.
  await page.evaluate(() => {
    IDBFactory.prototype.deleteDatabase = new Proxy(IDBFactory.prototype.deleteDatabase, {
      apply: (remove, on, names) => (window.isStored ? {} : Reflect.apply(remove, on, names)),
    });
    Storage.prototype.setItem = () => {
      window.isStored = true;
      throw new Error("this is the end");
    };
  });
  await cutOff();
  await has("4,508");

  // After the switch: the replaced index is not removed yet.
  await page.evaluate(() => {
    const { setItem } = Storage.prototype;
    Storage.prototype.setItem = function (...given) {
      setItem.apply(this, given);
      IDBFactory.prototype.deleteDatabase = () => ({});
      window.isStored = true;
    };
  });
  await cutOff();
  await has("5,000");
});

test("a second tab finds an imported index", { timeout: 60_000 }, async () => {
  const second = await session.another();
  await second.locator("body[data-state=locked]").waitFor();
  await second.click("#notice-read");
  await ready(second);
  assert.match(await second.locator("#origin").textContent(), /^Opened read-only: 5,000 records/);
  await second.close();
});

test("what cannot be stored is not deleted, and an export that fails says so", { timeout: 60_000 }, async () => {
  await limit(0);
  await remove("lexname:noun.artifact");
  await shows("status", "noun.artifact could not be deleted");
  await page.evaluate(() => (URL.createObjectURL = () => { throw new Error("no room for a file"); }));
  await page.click("#export");
  await shows("status", "could not be exported: no room for a file");
  await shoot(page, "11-not-exported");
  await limit(Infinity);
  await page.reload();
  await has("5,000");
});

test("background queries wait while the index is replaced", { timeout: 90_000 }, async () => {
  await page.check("#background");
  await remove("lexname:noun.artifact");
  await shows("stat-dead", "492");
  await page.click("#compact");
  await shows("compact-phase", "done");
  await restart(page);
  await shows("status", "Built from");
  await ready(page);
  const answered = Number((await text("bg-total")).replaceAll(",", ""));
  await page.waitForFunction((answered) => Number(document.getElementById("bg-total").textContent.replaceAll(",", "")) > answered + 20, answered);
  assert.ok(await page.locator("#background").isChecked());
});

test("a compaction that ends because the index is replaced has not failed", { timeout: 90_000 }, async () => {
  await remove("lexname:noun.artifact");
  await shows("stat-dead", "492");
  await shows("status", "Deleted");
  await page.locator("#compact:enabled").waitFor();
  await page.evaluate(() => {
    const status = document.getElementById("status");
    window.said = [];
    new MutationObserver(() => window.said.push(status.textContent)).observe(status, { childList: true });
    for (const id of ["compact", "restart", "confirm-destroy"]) document.getElementById(id).click();
  });
  await shows("status", "Built from");
  await ready(page);
  assert.deepEqual(await page.evaluate(() => window.said), ["Built from 5,000 glosses."]);
  assert.equal(await text("compact-phase"), "not started");
});

test("an error that no panel expects is announced", async () => {
  await page.evaluate(() => void Promise.reject(new Error("nobody has expected this")));
  await shows("status", "That did not work: nobody has expected this");
});

test("nothing else went wrong on the console", () => {
  assert.deepEqual(session.problems, ["Error: nobody has expected this"]);
});
