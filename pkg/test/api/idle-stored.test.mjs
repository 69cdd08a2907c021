// Automatic compaction of an index in a store.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VectorIndex } from "thermocline";
import { flat, random, rowsOf, until, whole } from "./helpers.mjs";
import { KINDS } from "./places.mjs";

const DIMENSIONS = 16;
const COUNT = 800;
const KEPT = 250;
const pick = random(2);
const rows = rowsOf(flat(COUNT, DIMENSIONS), DIMENSIONS).map((vector, i) => ({ id: `r${i}`, vector, payload: Uint8Array.from({ length: 400 }, () => 256 * pick()) }));

for (const { label, place } of KINDS) {
  test(`${label}: what is fragmented when it is opened is compacted by compactWhenIdle alone, in the store too`, async () => {
    const at = place();
    const open = () => {
      const [name, options] = at();
      return VectorIndex.open(name, { ...options, dimensions: DIMENSIONS });
    };
    const first = await open();
    await first.insertMany(rows);
    // Writes all of them out of the log.
    await first.compact({ erase: true });
    await first.deleteMany(rows.slice(KEPT).map(({ id }) => id));
    await first.close();

    const index = await open();
    const before = await index.stats();
    assert.deepEqual([before.size, before.deletedCount], [KEPT, COUNT - KEPT]);
    const reports = [];
    const stop = index.compactWhenIdle({ onReport: (report) => reports.push(report) });
    await until(() => reports.length === 1, "a report");
    assert.deepEqual([reports[0].tombstonesRemoved, index.deletedCount], [COUNT - KEPT, 0]);
    stop();
    await index.close();

    const again = await open();
    const after = await again.stats();
    assert.equal(after.deletedCount, 0);
    for (const part of ["segments", "cold", "total"]) {
      const [now, then] = [after.storedBytes[part], before.storedBytes[part]];
      assert.ok(now > 0 && now < then / 2, `${part}: ${now} of ${then} bytes`);
    }
    await whole(again, KEPT);
    await again.close();
  });
}
