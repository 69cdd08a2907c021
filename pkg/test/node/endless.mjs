// Changes of an index without an end, for a process or a page that is ended in the middle of them.
import { random } from "./helpers.mjs";

export const DIMENSIONS = 16;
const PAYLOAD = new Uint8Array(1000).fill(7);
/** Rows of a call of `insertMany`, and most ids of a call of `deleteMany`: both are one change. */
const MANY = 200;

/**
 * Changes an index, and compacts it, until the program ends. It deletes about as much as it inserts, also what was
 * there before. Awaits `say` with a line before and after each call; the lines are those of ledger.mjs. `round` is a
 * number that no other run on this index has.
 */
export async function changeEndlessly(index, round, say) {
  const next = random(round + 1);
  const vector = () => Float32Array.from({ length: DIMENSIONS }, () => next() - 0.5);
  const before = await index.search(vector(), { k: MANY, include: { payload: false } });
  const live = before.map(({ id }) => id);
  let calls = 0;
  const called = async (kind, ids, run) => {
    const call = calls++;
    await say([kind, call, ...ids].join(" "));
    await run();
    await say(`done ${call}`);
  };
  const put = (id) => called("insert", [id], () => index.upsert(id, vector(), PAYLOAD));
  const compact = (options) => called(options.erase ? "erase" : "compact", [], () => index.compact({ sliceMs: 1, ...options }));
  let compacting;
  for (let serial = 0; ; serial++) {
    const ids = (count) => Array.from({ length: count }, (_, i) => `${round}-${serial}-${i}`);
    const kind = next();
    if (kind < 0.4) {
      const added = ids(kind < 0.2 ? 1 : 8);
      await Promise.all(added.map(put));
      live.push(...added);
    } else if (kind < 0.6) {
      const added = ids(MANY);
      await called("insert", added, () => index.insertMany(added.map((id) => ({ id, vector: vector(), payload: PAYLOAD }))));
      live.push(...added);
    } else if (kind < 0.85) {
      const gone = live.splice(Math.floor(next() * Math.max(1, live.length - MANY)), Math.ceil(next() * MANY));
      await called("delete", gone, () => index.deleteMany(gone));
    } else {
      await compacting;
      compacting = compact({ erase: kind > 0.92 });
      // Half of them run beside the next calls.
      if (next() < 0.5) await compacting;
    }
  }
}
