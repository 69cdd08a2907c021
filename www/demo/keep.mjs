// Keeps the index in a directory: opens the one that an earlier run has left, and then leaves that of this run.

import { setTimeout } from "node:timers/promises";
import { VectorIndex } from "thermocline";
import { bytes, count, milliseconds } from "../src/common/format.js";
import { sameAnswers, searchAll } from "./measure.mjs";
import { bold, dim, figure, heading } from "./print.mjs";

/** The id of a record that tells a later run when this one was. */
const MARK = "demo: kept";

/** Opens the index of an earlier run, if there is one, and leaves that of this run in its place. */
export async function keep({ index, queries, claims, options }) {
  heading(`Keep: in the directory ${options.keep}`);
  await openEarlier(queries, claims, options);
  await VectorIndex.destroy(options.keep);
  const started = performance.now();
  const kept = await VectorIndex.import(await index.export(), { name: options.keep });
  const storedMs = performance.now() - started;
  figure("stored", `${count(kept.size)} records in ${milliseconds(storedMs)}, ${bytes((await kept.stats()).storedBytes.total)}`);
  const marked = performance.now();
  await kept.upsert(MARK, queries.vector(0), { at: new Date().toISOString() });
  const markedMs = performance.now() - marked;
  const written = bytes((await kept.stats()).storedBytes.log);
  figure("one more record", `acknowledged after ${milliseconds(markedMs)}, ${written} written`);
  const answers = await searchAll(kept, queries);
  await kept.close();

  const { again, firstMs } = await openAndAsk(queries, options);
  figure("opened again", `${bold(count(again.size))} records, the first answer after ${bold(milliseconds(firstMs))}`);
  const isWhole = again.size === index.size + 1 && (await again.check()).ok;
  claims.check(isWhole, "all that was stored is there again, and check() agrees");
  // The record from the log is compared beside every walk at first. Linked in idle time, it is part of some walks
  // again.
  while ((await again.stats()).pending) await setTimeout(10);
  const isSame = sameAnswers(await searchAll(again, queries), answers);
  claims.check(isSame, `${queries.length} queries: the same ids at the same distances as before`);
  await again.close();
}

async function openEarlier(queries, claims, options) {
  let opened;
  try {
    opened = await openAndAsk(queries, options);
  } catch (error) {
    if (error.code !== "NOT_FOUND") throw error;
    figure("an earlier run", dim("left nothing here: the next one will find this one's"));
    return;
  }
  const { again, firstMs } = opened;
  const mark = await again.get(MARK);
  const left = `left ${bold(count(again.size))} records at ${mark?.payload?.at}`;
  figure("an earlier run", `${left}; the first answer after ${bold(milliseconds(firstMs))}`);
  claims.check(mark !== undefined && (await again.check()).ok, "what the earlier run left is whole");
  await again.close();
}

async function openAndAsk(queries, options) {
  const started = performance.now();
  const again = await VectorIndex.open(options.keep);
  await again.search(queries.vector(0));
  return { again, firstMs: performance.now() - started };
}
