// The built page in headless Chromium, loaded again and in several tabs: what it stores, and who may change it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { focused, numberIn, openPage, ready, restart, shoot } from "./browser.mjs";

let session;
let page;

before(async () => {
  session = await openPage();
  page = session.page;
});
after(() => session?.close());

const origin = (on = page) => on.locator("#origin").textContent();
const hitIds = (on = page) => on.locator("#answers li").evaluateAll((items) => items.map((item) => item.dataset.id));
const shows = (on, id, text) => on.waitForFunction(([id, text]) => document.getElementById(id).textContent.includes(text), [id, text]);
const named = (id, on = page) => on.locator(`#${id}`).getAttribute("aria-label");
/** Bytes as the page shows them. */
const bytesIn = async (selector) => {
  const text = await page.locator(selector).textContent();
  return parseFloat(text) * { B: 1, KiB: 1024, MiB: 1024 * 1024 }[text.split(" ")[1]];
};

test("at the first visit the page builds and stores the index, and shows where its bytes are", { timeout: 90_000 }, async () => {
  await ready(page);
  assert.match(await origin(), /^Built and stored/);
  await shows(page, "stat-live", "5,000");
  // A checkpoint in idle time moves the records of the log into segments.
  await page.waitForFunction(() => /^[\d.]+ (B|KiB)$/.test(document.getElementById("tier-log").textContent), undefined, { timeout: 30_000 });
  const [hot, warm, segments, stored] = [await bytesIn("#tier-hot"), await bytesIn("#tier-warm-tier"), await bytesIn("#tier-segments"), await bytesIn("#tier-total")];
  const parts = (await bytesIn("#bytes-codes")) + (await bytesIn("#bytes-graph")) + (await bytesIn("#bytes-ids"));
  assert.ok(Math.abs(hot - parts) < 0.02 * parts, `hot is codes, graph and ids: ${hot}, ${parts}`);
  assert.equal(warm, await bytesIn("#bytes-warm"));
  // The records are in blocks, which are stored beside the segments: compressed if that pays on this machine.
  assert.ok(segments > 5000 * 384 && stored > segments + 0.5 * 5000 * 384 * 4, `${segments} bytes of segments, ${stored} stored`);
  assert.deepEqual([await page.locator("#tier-cold-cache").textContent(), await page.locator("#tier-hit-rate").textContent()], ["0 B", "no reads"], "nothing is only in the store");
  const widths = await page.locator("#bar-memory i").evaluateAll((parts) => parts.map((part) => part.getBoundingClientRect().width));
  assert.ok(widths[1] > widths[0] && widths[0] > 0, `most of it is warm: ${widths}`);
  const size = String.raw`[\d.]+ \w+`;
  assert.match(await named("bar-memory"), new RegExp(`^Tiers in memory: hot ${size}, warm ${size}, cold cache ${size}$`));
  assert.match(await named("bar-store"), new RegExp(`^Stored in this browser: segments ${size}, cold blocks ${size}, log ${size}$`));
  await page.waitForTimeout(500);
  await shoot(page, "6-built");
});

test("after a reload the page opens the stored index, says so, and answers the same", { timeout: 90_000 }, async () => {
  const hits = await hitIds();
  await page.reload();
  await ready(page);
  await shows(page, "origin", "first answer came");
  assert.match(await origin(), /^Opened, not built: 5,000 records from this browser's IndexedDB in [\d.]+ ms; the first answer came [\d.]+ ms after the page began to load\.$/);
  assert.deepEqual(await hitIds(), hits);
  assert.ok((await numberIn(page, "#answer-recall")) >= 0.9);
  await shows(page, "stat-live", "5,000");
  await page.waitForTimeout(500);
  await shoot(page, "7-opened");
});

test("the page shows that records are read from the store, into which cache, and how often a read found its block there", { timeout: 60_000 }, async () => {
  const rate = async () => {
    const [, share, reads] = (await page.locator("#tier-hit-rate").textContent()).match(/^([\d.]+) % of ([\d,]+)$/);
    return { share: Number(share), reads: Number(reads.replace(",", "")) };
  };
  // Idle time reads all of the records ahead.
  const cached = async () => (await bytesIn("#tier-cold-cache")) > 5000 * 384 * 4;
  for (const end = Date.now() + 20_000; !(await cached()); ) {
    assert.ok(Date.now() < end, `cold cache: ${await page.locator("#tier-cold-cache").textContent()}`);
    await page.waitForTimeout(50);
  }
  const first = await rate();
  assert.ok(first.reads > 0 && first.share < 100, `the first answer had to read: ${JSON.stringify(first)}`);
  assert.ok((await bytesIn("#tier-warm-tier")) < 5000 * 384 * 4 / 10, "few records are warm");
  const [hot, warm, cold] = await page.locator("#bar-memory i").evaluateAll((parts) => parts.map((part) => part.getBoundingClientRect().width));
  assert.ok(cold > hot && hot > warm, `most of it is the cache: ${[hot, warm, cold]}`);
  assert.match(await named("bar-memory"), /, cold cache [\d.]+ MiB$/);

  const [word, figures] = [await page.locator("#question-word").textContent(), await page.locator("#tier-hit-rate").textContent()];
  await page.locator("#filter").press("ArrowDown");
  await page.waitForFunction((before) => document.getElementById("question-word").textContent !== before, word);
  await page.waitForFunction((before) => document.getElementById("tier-hit-rate").textContent !== before, figures);
  const next = await rate();
  assert.ok(next.reads > first.reads && next.share > first.share, `another question finds what it reads in the cache: ${JSON.stringify([first, next])}`);
  await shoot(page, "7-cold-cache");
});

test("what was deleted stays deleted", { timeout: 60_000 }, async () => {
  await page.selectOption("#category", "lexname:noun.artifact");
  await page.click("#delete");
  await shows(page, "status", "Deleted");
  await page.reload();
  await ready(page);
  assert.match(await origin(), /^Opened, not built: 4,508 records/);
  await shows(page, "stat-dead", "492");
});

test("a second tab is told that the first has the index, and reads it", { timeout: 60_000 }, async () => {
  const second = await session.another();
  await second.locator("body[data-state=locked]").waitFor();
  assert.match(await second.locator("#notice").textContent(), /Another tab has this index open/);
  assert.equal(await second.locator("#work").evaluate((work) => work.inert), true);
  assert.equal(await focused(second), "notice-read");
  await shoot(second, "8-second-tab");
  await second.click("#notice-again");
  await second.locator("body[data-state=building]").waitFor();
  await second.locator("body[data-state=locked]").waitFor();

  await second.click("#notice-read");
  await ready(second);
  assert.equal(await focused(second), "filter");
  await shows(second, "origin", "after the click");
  assert.match(await origin(second), /^Opened read-only: 4,508 records/);
  assert.deepEqual(await hitIds(second), await hitIds());
  for (const id of ["delete", "compact", "idle", "threshold", "import", "restart"]) assert.ok(await second.locator(`#${id}`).isDisabled(), id);
  assert.ok(await second.locator("#export").isEnabled());
  assert.match(await second.locator("#read-only").innerText(), /another tab had this index open.*close the other tab and load this page again/);
  await second.waitForTimeout(500);
  assert.equal(await named("bar-store", second), "Stored in this browser: segments –, cold blocks –, log –");
  await shoot(second, "9-read-only");
  await second.close();
});

test("a second tab does not read what the first is still building, and builds nothing itself", { timeout: 60_000 }, async () => {
  // What another tab can see of a build: the index is locked, and localStorage does not name it.
  const mark = "thermocline: wordnet glosses";
  const name = await page.evaluate((mark) => localStorage.getItem(mark), mark);
  await page.evaluate((mark) => localStorage.removeItem(mark), mark);
  const second = await session.another();
  await second.locator("#notice-building").waitFor();
  assert.equal(await second.locator("#notice-locked").isVisible(), false);
  assert.equal(await second.locator("#notice-read").isVisible(), false, "there is nothing to read");
  await second.waitForFunction(() => document.activeElement.id === "notice-again");
  assert.match(await second.locator("#notice").innerText(), /is being built in another tab.*try again/);
  assert.equal(await second.locator("body").getAttribute("data-state"), "locked");

  await page.evaluate(([mark, name]) => localStorage.setItem(mark, name), [mark, name]);
  await second.click("#notice-again");
  await second.locator("#notice-locked").waitFor();
  await second.click("#notice-read");
  await ready(second);
  assert.match(await origin(second), /^Opened read-only: 4,508 records/);
  await second.close();
});

test("the second tab has it once the first is closed", { timeout: 60_000 }, async () => {
  const second = await session.another();
  await second.locator("body[data-state=locked]").waitFor();
  await page.close();
  page = second;
  await page.click("#notice-again");
  await ready(page);
  assert.match(await origin(), /^Opened, not built: 4,508 records/);
  assert.ok(await page.locator("#delete").isEnabled());
  assert.equal(await page.locator("#read-only").isVisible(), false);
});

test("destroying is asked about first, and can be left", { timeout: 60_000 }, async () => {
  await page.click("#restart");
  const dialog = page.getByRole("dialog", { name: /^Destroy the index with its 4,508 records/ });
  await dialog.waitFor();
  await shoot(page, "12-destroy");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
  assert.equal(await focused(page), "restart");
  await page.click("#restart");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await page.waitForTimeout(100);
  assert.equal(await page.locator("body").getAttribute("data-state"), "ready");
  assert.equal(await numberIn(page, "#stat-live"), 4508);
});

test("destroying builds the index anew, and an interrupted build is not taken for an index", { timeout: 120_000 }, async () => {
  await restart(page);
  await page.waitForFunction(() => document.getElementById("build-progress").value > 0.2 && document.body.dataset.state === "building");
  await page.reload();
  await ready(page);
  assert.match(await origin(), /^Built and stored/);
  await shows(page, "stat-live", "5,000");
  await page.reload();
  await ready(page);
  assert.match(await origin(), /^Opened, not built: 5,000 records/);
});

test("nothing went wrong on the console", () => {
  assert.deepEqual(session.problems, []);
});
