// Keeping the index in a directory: what an earlier run left is opened first, then this run leaves its own.

import { VectorIndex } from "thermocline";
import { bytes, count, milliseconds } from "../src/common/format.js";
import { sameAnswers, searchAll } from "./measure.mjs";
import { bold, dim, figure, heading } from "./print.mjs";

/** The record by which a later run knows when this one was. */
const MARK = "demo: kept";

/** Opens what an earlier run left, if there is any, and leaves this run's index in its place. */
export async function keep({ index, queries, claims, options }) {
  heading(`Keep: in the directory ${options.keep}`);
  await openEarlier(queries, claims, options);
  await VectorIndex.destroy(options.keep);
  const started = performance.now();
  const kept = await VectorIndex.import(await index.export(), { name: options.keep });
  figure("stored", `${count(kept.size)} records in ${milliseconds(performance.now() - started)}, ${bytes((await kept.stats()).storedBytes.total)}`);
  const marked = performance.now();
  await kept.upsert(MARK, queries.vector(0), { at: new Date().toISOString() });
  figure("one more record", `acknowledged after ${milliseconds(performance.now() - marked)}, ${bytes((await kept.stats()).storedBytes.log)} written`);
  const answers = await searchAll(kept, queries);
  await kept.close();

  const { again, firstMs } = await openAndAsk(queries, options);
  figure("opened again", `${bold(count(again.size))} records, the first answer after ${bold(milliseconds(firstMs))}`);
  claims.check(again.size === index.size + 1 && (await again.check()).ok, "all that was stored is there again, and check() agrees");
  claims.check(sameAnswers(await searchAll(again, queries), answers), `${queries.length} queries: the same ids at the same distances as before`);
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
  figure("an earlier run", `left ${bold(count(again.size))} records at ${mark?.payload?.at}; the first answer after ${bold(milliseconds(firstMs))}`);
  claims.check(mark !== undefined && (await again.check()).ok, "what the earlier run left is whole");
  await again.close();
}

async function openAndAsk(queries, options) {
  const started = performance.now();
  const again = await VectorIndex.open(options.keep);
  await again.search(queries.vector(0));
  return { again, firstMs: performance.now() - started };
}
