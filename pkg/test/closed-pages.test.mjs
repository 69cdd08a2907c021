// Pages in headless Chromium that are closed while they write an index. The next to open it finds everything that was
// acknowledged.
import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { Ledger } from "./node/ledger.mjs";
import { random } from "./store/model.mjs";
import { PKG } from "./support/project.mjs";
import { shared } from "./support/shared.mjs";

/** How often a page is closed, per store. */
const CLOSED = 21;
/**
 * When pages are closed, in turns: at any time; soon after a compaction has begun; soon after a change of many records
 * has. Each is what to wait for, and the most milliseconds to wait then.
 */
const MOMENTS = [[() => true, 800], [({ compacts }) => compacts, 40], [({ changesMany }) => changesMany, 20]];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const own = shared();
let browser;
let url;

before(async () => {
  const folder = await own.project(join(PKG, "test/browser"));
  for (const name of ["api/helpers.mjs", "node/endless.mjs", "node/ledger.mjs"]) await cp(join(PKG, "test", name), join(folder, name.split("/")[1]));
  url = await own.served(folder);
  browser = await own.browser();
});

for (const store of ["indexeddb", "opfs"]) {
  test(`${store}: ${CLOSED} times a page is closed while it writes and compacts; another is LOCKED until then, and finds all that was acknowledged, and no call in part`, async (t) => {
    const context = await browser.newContext();
    const ledger = new Ledger();
    /** The round whose writer is heard. Lines may still come after their page is closed. */
    let heard;
    await context.exposeFunction("said", (round, line) => {
      if (round === heard) ledger.note(line);
    });
    const opened = async () => {
      const page = await context.newPage();
      await page.goto(`${url}/`);
      return page;
    };
    const run = (page, body) => page.evaluate(`(async () => {
      const { VectorIndex } = await import("thermocline");
      const open = (options) => VectorIndex.open("closed midway", { store: "${store}", ...options });
      ${body}
    })()`);
    const writing = (round) => `
      const { changeEndlessly, DIMENSIONS } = await import("./endless.mjs");
      const index = await open({ dimensions: DIMENSIONS });
      index.compactWhenIdle();
      void changeEndlessly(index, ${round}, (line) => said(${round}, line));
    `;
    const second = `return open().then(() => "opened", (error) => error.code);`;
    // The browser releases the lock when it notices that the page is gone, which may be after it reports the page as
    // closed.
    const reading = (ids) => `
      const { found } = await import("./ledger.mjs");
      const end = performance.now() + 20_000;
      const opening = () => open().catch((error) => {
        if (error.code !== "LOCKED" || performance.now() > end) throw error;
        return opening();
      });
      const index = await opening();
      const all = await found(index, ${JSON.stringify(ids)});
      await index.close();
      return all;
    `;
    const pick = random(9);
    try {
      const other = await opened();
      for (let round = 0; round < CLOSED; round++) {
        const writer = await opened();
        heard = round;
        await run(writer, writing(round));
        assert.equal(await run(other, second), "LOCKED");
        const [hasBegun, mostMs] = MOMENTS[round % MOMENTS.length];
        for (const end = performance.now() + 10_000; !hasBegun(ledger) && performance.now() < end; ) await pause(1);
        await pause(pick() * mostMs);
        await writer.close();
        heard = undefined;
        ledger.compare(await run(other, reading(ledger.ids())), `round ${round}`);
      }
    } finally {
      await context.close();
    }
    const { acknowledged, cut } = ledger;
    const counts = JSON.stringify({ acknowledged, cut });
    t.diagnostic(counts);
    assert.ok(acknowledged.records > 1000 && acknowledged.delete > 5 && acknowledged.compact + acknowledged.erase > 0, counts);
    assert.ok(cut.compact + cut.erase >= 2 && cut.insert + cut.delete >= 2, `closed in the middle of a compaction, and of a change: ${counts}`);
  });
}
