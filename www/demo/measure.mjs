// Measuring an index against exact search: recall, speed, and whether what is stored is what was given.

import { isDeepStrictEqual } from "node:util";
import { exactNearest, recall } from "../src/common/exact.js";
import { payloadOf } from "../src/common/dataset.js";

export const K = 10;
const TIMED_PASSES = 5;

/** For each held-out query, the K nearest rows among those that `isLive` allows. */
export function exactAnswers(base, queries, isLive) {
  return Array.from({ length: queries.length }, (_, i) => exactNearest(base, queries.vector(i), K, isLive));
}

/** One search per held-out query, in order; with a filter if one is given. */
export async function searchAll(index, queries, filter) {
  const answers = [];
  for (let i = 0; i < queries.length; i++) answers.push(await index.search(queries.vector(i), { k: K, filter }));
  return answers;
}

/** Mean recall@K of answers that `searchAll` gave. */
export function meanRecall(answers, exact, base) {
  return answers.reduce((sum, hits, i) => sum + recall(hits, exact[i], base), 0) / answers.length;
}

/** Searches per second, one after the other, over several passes of the held-out queries after one to warm up. */
export async function searchRate(index, queries) {
  await searchAll(index, queries);
  const started = performance.now();
  for (let pass = 0; pass < TIMED_PASSES; pass++) await searchAll(index, queries);
  return (TIMED_PASSES * queries.length * 1000) / (performance.now() - started);
}

/** Reads every row back by id and counts those whose presence, payload or vector is not as it should be. */
export async function countMismatches(index, base, isLive) {
  let wrong = 0;
  for (let row = 0; row < base.length; row++) {
    const id = base.rows[row].id;
    const record = await index.get(id);
    const right = isLive(row)
      ? record?.id === id &&
        isDeepStrictEqual(record.payload, payloadOf(base.rows[row])) &&
        sameVector(record.vector, base.vector(row))
      : record === undefined && !(await index.has(id));
    if (!right) wrong += 1;
  }
  return wrong;
}

function sameVector(stored, given) {
  return stored.length === given.length && stored.every((value, i) => value === given[i]);
}

/** True when two lists of answers name the same ids at the same distances, in the same order. */
export function sameAnswers(left, right) {
  const plain = (answers) => answers.map((hits) => hits.map(({ id, distance }) => [id, distance]));
  return isDeepStrictEqual(plain(left), plain(right));
}
