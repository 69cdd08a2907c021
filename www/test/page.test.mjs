// The built page in headless Chromium, through the whole flow.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { focused, numberIn, openPage, ready, restart, shoot } from "./browser.mjs";

const CATEGORY = "noun.artifact";
let session;
let page;

before(async () => {
  session = await openPage();
  page = session.page;
});
after(() => session?.close());

const hitIds = () => page.locator("#answers li").evaluateAll((items) => items.map((item) => item.dataset.id));
const hitLexnames = () => page.locator("#answers li").evaluateAll((items) => items.map((item) => item.dataset.lexname));
const question = () => page.locator("#question-word").textContent();

test("the page builds the index in slices, with a bar that moves", { timeout: 90_000 }, async () => {
  const seen = await page.evaluate(async () => {
    const bar = document.getElementById("build-progress");
    const values = new Set();
    while (document.body.dataset.state === "building") {
      values.add(bar.value);
      await new Promise(requestAnimationFrame);
    }
    return [...values];
  });
  await ready(page);
  assert.ok(seen.length >= 5, `frames were drawn with ${seen.length} different values of the bar`);
  assert.equal(await page.locator("#build").isVisible(), false);
  await page.waitForFunction(() => document.getElementById("stat-live").textContent === "5,000");
  assert.ok((await numberIn(page, "#stat-wasm")) > 0);
  assert.match(await page.locator("#stat-simd").textContent(), /simd/);
  await shoot(page, "1-ready");
});

test("pictures have names and announcements a place before there is anything to say", async () => {
  const markup = await (await fetch(page.url())).text();
  const pictures = [...markup.matchAll(/<[^>]*role="img"[^>]*>/g)];
  assert.equal(pictures.length, 5);
  for (const [element] of pictures) assert.match(element, /aria-label="\w/);
  assert.notEqual(await page.locator("#status").evaluate((status) => (status.replaceChildren(), getComputedStyle(status).display)), "none");
});

test("typing filters the glosses, and the arrow keys ask for more like one", async () => {
  const filter = page.getByRole("combobox", { name: "Filter the list" });
  await filter.fill("music");
  await page.waitForFunction(() => document.querySelectorAll("#choices li").length > 2);
  for (const text of await page.locator("#choices li").allTextContents()) assert.match(text.toLowerCase(), /music/);
  const first = await question();
  await filter.press("ArrowDown");
  await page.waitForFunction((word) => document.getElementById("question-word").textContent !== word, first);
  const chosen = page.locator("#choices [aria-selected=true]");
  assert.equal(await chosen.locator(".choice-word").textContent(), await question());
  assert.equal(await filter.getAttribute("aria-activedescendant"), await chosen.getAttribute("id"));

  const hits = await hitIds();
  assert.equal(new Set(hits).size, 10);
  const distances = (await page.locator("#answers .distance").allTextContents()).map(Number);
  assert.deepEqual(distances, [...distances].sort((a, b) => a - b));
  assert.ok(distances[0] > 0, "the gloss itself is left out");
});

test("choosing an answer asks for more like it, and the focus stays among the answers", async () => {
  const answer = page.locator("#answers .answer").nth(2);
  const word = await answer.locator(".answer-word").textContent();
  await answer.press("Enter");
  await page.waitForFunction((wanted) => document.getElementById("question-word").textContent === wanted, word);
  assert.equal(await page.locator("#answers li").count(), 10);
  assert.ok(await answer.evaluate((button) => button === document.activeElement));
  assert.equal(await page.locator("#answer-count").textContent(), `10 answers nearest to ${word}`);
});

test("a filter that nothing matches leaves neither question nor answers", async () => {
  await page.locator("#filter").fill("no gloss says this");
  await page.waitForFunction(() => document.querySelectorAll("#answers li").length === 0);
  assert.equal((await page.locator("#answers-title").innerText()).trim(), "Nothing matches");
  assert.equal(await page.locator("#question-text").textContent(), "");
  assert.equal(await page.locator("#answer-recall").textContent(), "–");
  assert.equal(await page.locator("#answer-count").textContent(), "No answers");
  await page.locator("#filter").fill("music");
  await page.waitForFunction(() => document.querySelectorAll("#answers li").length === 10);
});

test("held-out queries reach a mean recall of 0.9 against exact search", { timeout: 60_000 }, async () => {
  await page.getByText("Held-out queries", { exact: true }).click();
  await page.waitForFunction(() => document.getElementById("question-kind").textContent === "Held-out query");
  const recalls = [];
  for (let i = 0; i < 30; i++) {
    const word = await question();
    recalls.push(await numberIn(page, "#answer-recall"));
    await page.locator("#filter").press("ArrowDown");
    await page.waitForFunction((before) => document.getElementById("question-word").textContent !== before, word);
  }
  const mean = recalls.reduce((sum, value) => sum + value, 0) / recalls.length;
  assert.ok(mean >= 0.9, `mean recall ${mean}`);
  await page.getByText("More like a gloss", { exact: true }).click();
});

test("a deleted category disappears from the list, the answers and the menu", async () => {
  await page.locator("#filter").fill("lamp");
  await page.waitForFunction(() => document.querySelector("#choices li .choice-text mark"));
  assert.ok((await hitLexnames()).includes(CATEGORY), "the question has answers of the category");
  await page.selectOption("#category", `lexname:${CATEGORY}`);
  await page.click("#delete");
  await page.waitForFunction((name) => document.getElementById("status").textContent.includes(name), CATEGORY);
  await page.waitForFunction((name) => ![...document.querySelectorAll("#answers li")].some((item) => item.dataset.lexname === name), CATEGORY);
  assert.equal((await hitIds()).length, 10);
  assert.ok(!(await page.locator("#choices .chip").allTextContents()).includes(CATEGORY));
  assert.equal(await page.locator(`#category option[value="lexname:${CATEGORY}"]`).count(), 0);
  await page.waitForFunction(() => document.getElementById("stat-dead").textContent === "492");
  assert.equal(await numberIn(page, "#stat-live"), 4508);
});

test("compaction reaches 100 % while background queries are answered", { timeout: 60_000 }, async () => {
  await page.selectOption("#category", "pos:adj");
  await page.click("#delete");
  await page.check("#background");
  await page.waitForFunction(() => Number(document.getElementById("bg-total").textContent) > 20);
  await page.selectOption("#slice-ms", "1");
  const residentBefore = await numberIn(page, "#stat-resident");

  await page.evaluate(() => {
    window.seen = [];
    const bar = document.getElementById("compact-progress");
    new MutationObserver(() => window.seen.push(bar.value)).observe(document.getElementById("compact-phase"), { childList: true, characterData: true, subtree: true });
  });
  await page.click("#compact");
  await page.waitForTimeout(30);
  await shoot(page, "2-compacting");
  await page.waitForFunction(() => document.getElementById("compact-phase").textContent === "done");
  const values = await page.evaluate(() => window.seen);
  assert.equal(await page.locator("#compact-progress").evaluate((bar) => bar.value), 1);
  assert.ok(new Set(values).size >= 4, `the bar took the values ${values}`);
  assert.deepEqual(values, [...values].sort((a, b) => a - b), "the bar never goes back");

  const report = Object.fromEntries(await page.locator("#report dt").evaluateAll((terms) => terms.map((term) => [term.textContent, term.nextElementSibling.textContent])));
  const gone = 492 + 776;
  assert.equal(report["Tombstones removed"], gone.toLocaleString("en-US"));
  assert.ok(Number(report["Queries meanwhile"]) > 0, `queries meanwhile: ${report["Queries meanwhile"]}`);
  assert.ok(parseFloat(report["Longest pause"]) < 500, report["Longest pause"]);
  await page.waitForFunction(() => document.getElementById("stat-dead").textContent === "0");
  assert.equal(await numberIn(page, "#stat-live"), 5000 - gone);
  assert.ok((await numberIn(page, "#stat-resident")) < residentBefore);
  assert.ok((await numberIn(page, "#answer-recall")) >= 0.9);
  await page.waitForTimeout(1000);
  await shoot(page, "3-compacted");
});

test("above the threshold the index compacts itself when idle", { timeout: 60_000 }, async () => {
  await page.uncheck("#background");
  await page.locator("#threshold").fill("5");
  await page.check("#idle");
  await page.selectOption("#category", "lexname:noun.person");
  await page.click("#delete");
  await page.waitForFunction(() => document.querySelector("#report dd").textContent === "472");
  await page.waitForFunction(() => document.getElementById("stat-dead").textContent === "0");
  await page.uncheck("#idle");
});

test("an exported index comes back from its file, after starting over", { timeout: 90_000 }, async () => {
  const live = await page.locator("#stat-live").textContent();
  const hits = await hitIds();
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#export")]);
  const file = await download.path();

  await restart(page);
  await page.waitForFunction(() => document.getElementById("stat-live").textContent === "5,000");
  await ready(page);
  assert.equal(await focused(page), "restart");
  await page.focus("#import");
  await page.setInputFiles("#import-file", file);
  await page.waitForFunction((wanted) => document.getElementById("stat-live").textContent === wanted, live);
  await page.waitForFunction(() => document.getElementById("status").textContent.startsWith("Imported"));
  assert.match(await page.locator("#origin").textContent(), /^Imported from .*stored in this browser/);
  assert.equal(await focused(page), "import");
  await page.waitForFunction((wanted) => [...document.querySelectorAll("#answers li")].map((item) => item.dataset.id).join() === wanted, hits.join());

  await page.setInputFiles("#import-file", { name: "other.bin", mimeType: "application/octet-stream", buffer: Buffer.from("not an index") });
  await page.waitForFunction(() => document.getElementById("status").textContent.includes("was not imported"));
  assert.equal(await page.locator("#stat-live").textContent(), live);
});

test("the page can be read with a dark theme and on a phone", async () => {
  await page.emulateMedia({ colorScheme: "dark" });
  await page.evaluate(() => scrollTo(0, 0));
  await shoot(page, "4-dark");
  await page.emulateMedia({ colorScheme: "light" });
  for (const [width, height] of [[1000, 800], [390, 844]]) {
    await page.setViewportSize({ width, height });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, `at ${width} px the page scrolls sideways by ${overflow} px`);
    const hidden = await page.evaluate(() => {
      document.getElementById("delete").scrollIntoView({ block: "start" });
      return document.querySelector(".top").getBoundingClientRect().bottom - document.getElementById("delete").getBoundingClientRect().top;
    });
    assert.ok(hidden <= 0, `at ${width} px the header covers ${hidden} px of what was scrolled to`);
    await page.evaluate(() => scrollTo(0, 0));
    await page.waitForTimeout(300);
    await shoot(page, `5-${width}`, { fullPage: true });
  }
});

test("without JavaScript the page says that it needs it, and what it is", async () => {
  const plain = await openPage({ javaScriptEnabled: false });
  try {
    assert.match(await plain.page.locator("body").innerText(), /is a vector index.*needs JavaScript/s);
    for (const id of ["build", "work"]) assert.equal(await plain.page.locator(`#${id}`).isVisible(), false, id);
    await shoot(plain.page, "13-no-script");
  } finally {
    await plain.close();
  }
});

test("nothing went wrong on the console, and nothing was asked of another origin", () => {
  assert.deepEqual(session.problems, []);
});
