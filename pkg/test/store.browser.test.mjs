// The stores of a browser, in headless Chromium.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { storePages } from "./store/bundle.mjs";
import { resultOf } from "./support/chromium.mjs";
import { shared } from "./support/shared.mjs";

const own = shared();
let browser;
let url;

before(async () => {
  url = await own.served(own.folder(await storePages()));
  browser = await own.browser();
});

test("OPFS and Web Locks in a page", async (t) => {
  const outcomes = await resultOf(browser, `${url}/?file=opfs.page.mjs`, 180_000);
  assert.ok(outcomes.length >= 20, `${outcomes.length} tests ran`);
  for (const { name, error, ms } of outcomes) {
    await t.test(`${name} (${Math.round(ms)} ms there)`, () => {
      if (error) throw new Error(error);
    });
  }
});

/** Runs `body`, which sees the stores as `stores` and the model as `model`, in a page that the caller must close. */
async function inPage(context, body) {
  const page = await context.newPage();
  await page.goto(`${url}/`);
  const result = page.evaluate(`(async () => { const [stores, model] = await Promise.all([import("/stores.js"), import("/model.mjs")]); ${body} })()`);
  return { page, result };
}

test("another tab is LOCKED, and takes over when the first is closed midway, with everything or nothing of each commit", async () => {
  const context = await browser.newContext();
  // Each value holds a serial number as 32-bit words, so that no machine is fast enough for it to wrap around.
  const writing = `
    const store = await stores.openOpfs("shared");
    const [mark] = await store.read(["mark/0"]);
    let serial = mark ? new Uint32Array(mark.buffer)[0] : 0;
    const keys = Array.from({ length: 12 }, (_, i) => "mark/" + i);
    const commit = async () => {
      const value = new Uint8Array(new Uint32Array(500).fill(serial + 1).buffer);
      await store.commit({ puts: keys.map((key) => [key, value]), deletes: [] });
      serial += 1;
    };
    await commit();
    const acknowledged = serial;
    (async () => { for (;;) await commit(); })();
    return acknowledged;
  `;
  // The browser releases the lock when it notices that the page is gone, which may be after it reports the page as
  // closed.
  const reading = `
    const end = performance.now() + 20_000;
    let code;
    do {
      code = await stores.openOpfs("shared").then((store) => store.close(), (error) => error.code);
    } while (code === "LOCKED" && performance.now() < end);
    const store = await stores.openOpfs("shared", { mode: "readonly" });
    const keys = await store.list("");
    const values = await store.read(keys);
    return { code, keys: keys.length, serials: [...new Set(values.flatMap((value) => [...new Uint32Array(value.buffer)]))] };
  `;
  try {
    const other = await inPage(context, "return (await stores.openOpfs('other')).close();");
    await other.result;
    for (let round = 0; round < 12; round++) {
      const writer = await inPage(context, writing);
      const acknowledged = await writer.result;
      const second = await other.page.evaluate(`import("/stores.js").then(({ openOpfs }) => openOpfs("shared")).catch((error) => error.code)`);
      assert.equal(second, "LOCKED");
      await writer.page.close();
      const { page, result } = await inPage(context, reading);
      const found = await result;
      await page.close();
      assert.equal(found.code, undefined, "the lock is free");
      assert.equal(found.keys, 12);
      assert.equal(found.serials.length, 1, `of one commit: ${found.serials}`);
      assert.ok(found.serials[0] >= acknowledged, `${acknowledged} was acknowledged, got ${found.serials}`);
    }
  } finally {
    await context.close();
  }
});
