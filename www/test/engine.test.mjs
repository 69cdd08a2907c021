// The page's knowledge of its index, with an index that only says that it was compacted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "../src/engine.js";
import { WINDOW_MS } from "../src/history.js";

test("compactions that the charts no longer show are dropped, and one that runs is not", async (t) => {
  let now = 1000;
  t.mock.method(performance, "now", () => now);
  const engine = new Engine({ base: { length: 1 }, queries: [] });
  let report;
  let end;
  engine.index = {
    compactWhenIdle: ({ onReport }) => ((report = () => onReport({ durationMs: 5 })), () => {}),
    compact: () => new Promise((resolve) => (end = resolve)),
  };
  const compacting = engine.compact({});
  engine.compactWhenIdle(4);
  for (let i = 0; i < 100; i++) {
    report();
    now += WINDOW_MS / 10;
  }
  assert.ok(engine.compactions.length <= 12, `${engine.compactions.length} compactions`);
  assert.deepEqual(engine.compactions[0], { startedAt: 1000, endedAt: Infinity });
  end({});
  await compacting;
  now += WINDOW_MS + 1;
  report();
  assert.deepEqual(engine.compactions, [{ startedAt: now - 5, endedAt: now }]);
});
