// In WebKit, the engine of Safari. And WebKit that is killed while a page writes: the next to open the index finds
// everything that was acknowledged.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Ledger } from "./node/ledger.mjs";
import { random } from "./store/model.mjs";
import { launchWebKit } from "./support/webkit.mjs";
import { testsIn } from "./support/whole-browser.mjs";

/** How often the browser is killed, per store. */
const KILLED = 15;
/** When, in turns, as in closed-pages.test.mjs. */
const MOMENTS = [[() => true, 800], [({ compacts }) => compacts, 40], [({ changesMany }) => changesMany, 20]];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const seen = testsIn("WebKit", launchWebKit, ["webkit/killed.html", "node/endless.mjs", "node/ledger.mjs"]);

for (const store of ["indexeddb", "opfs"]) {
  test(`${store}: WebKit is killed ${KILLED} times while a page writes and compacts; the next finds all that was acknowledged, and no call in part`, async (t) => {
    const ledger = new Ledger();
    const pick = random(9);
    for (let round = 0; round < KILLED; round++) {
      let lines = 0;
      let failed;
      let isKilled = false;
      const to = seen.browser.listen((line) => {
        // What was on its way is not acknowledged.
        if (isKilled) return;
        lines += 1;
        if (line.startsWith("failed")) failed = line;
        else ledger.note(line);
      });
      const { kill } = seen.browser.open(`${seen.url}/killed.html?${new URLSearchParams({ store, round, to })}`);
      const [hasBegun, mostMs] = MOMENTS[round % MOMENTS.length];
      for (const end = performance.now() + 10_000; !(lines > 0 && hasBegun(ledger)) && performance.now() < end; ) await pause(1);
      await pause(pick() * mostMs);
      isKilled = true;
      await kill();
      assert.ok(lines > 0 && !failed, `round ${round}: ${failed ?? "it has written nothing"}`);
      await writeFile(join(seen.folder, "ids.json"), JSON.stringify(ledger.ids()));
      const there = await seen.browser.resultOf(`${seen.url}/killed.html?${new URLSearchParams({ store, ids: `./ids.json?${round}` })}`);
      assert.equal(typeof there, "object", `round ${round}: ${there}`);
      ledger.compare(there, `round ${round}`);
    }
    const { acknowledged, cut } = ledger;
    const counts = JSON.stringify({ acknowledged, cut });
    t.diagnostic(counts);
    assert.ok(acknowledged.records > 1000 && acknowledged.delete > 5 && acknowledged.compact + acknowledged.erase > 0, counts);
    assert.ok(cut.compact + cut.erase >= 2 && cut.insert + cut.delete >= 2, `killed in the middle of a compaction, and of a change: ${counts}`);
  });
}
