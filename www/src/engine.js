// The page's one index and what the page knows about it: which rows are live, and what is going on.

import { VectorIndex } from "thermocline";
import { exactNearest, recall } from "./common/exact.js";

export const K = 10;

/**
 * Events: "change" after anything that alters the index; "compaction" with `detail` { report } when a compaction ended.
 * `startedAt`/`endedAt` of `compactions` are performance.now() values; `endedAt` is Infinity while one runs.
 */
export class Engine extends EventTarget {
  index;
  compactions = [];
  #stopIdle;

  constructor({ base, queries }) {
    super();
    this.base = base;
    this.queries = queries;
    this.live = new Uint8Array(base.length);
  }

  /** Builds a fresh index from the whole sample. Returns the time it took in milliseconds. */
  async build(onProgress) {
    const index = await VectorIndex.memory({ dimensions: this.base.dimensions, metric: "cosine", seed: 1 });
    const started = performance.now();
    await index.insertMany(this.base.toInsert(), { onProgress });
    const elapsedMs = performance.now() - started;
    await this.#adopt(index);
    return elapsedMs;
  }

  async #adopt(index) {
    this.stopCompactingWhenIdle();
    const before = this.index;
    const live = new Uint8Array(this.base.length);
    for (let row = 0; row < live.length; row++) live[row] = (await index.has(this.base.rows[row].id)) ? 1 : 0;
    this.live = live;
    this.index = index;
    await before?.close();
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** The hits for a vector and the time of the call. `exceptId` leaves one record out, as "more like this" does. */
  async search(vector, exceptId) {
    const filter = exceptId === undefined ? undefined : (id) => id !== exceptId;
    const started = performance.now();
    const hits = await this.index.search(vector, { k: K, filter });
    return { hits, elapsedMs: performance.now() - started };
  }

  /** Exact search over the same live records, and the share of it that `hits` found. */
  compareWithExact(vector, hits, exceptId) {
    const started = performance.now();
    const exact = exactNearest(this.base, vector, K, (row) => this.live[row] && this.base.rows[row].id !== exceptId);
    const elapsedMs = performance.now() - started;
    const found = new Set(hits.map((hit) => hit.id));
    const missed = exact.filter(({ row }) => !found.has(this.base.rows[row].id));
    return { recall: recall(hits, exact, this.base), missed, elapsedMs };
  }

  /** Live rows per category: every lexname, and every part of speech. */
  categories() {
    const counts = { lexname: new Map(), pos: new Map() };
    this.base.rows.forEach((row, number) => {
      if (!this.live[number]) return;
      for (const field of ["lexname", "pos"]) counts[field].set(row[field], (counts[field].get(row[field]) ?? 0) + 1);
    });
    return counts;
  }

  /** Deletes every live record whose `field` is `value`; returns how many. */
  async deleteCategory(field, value) {
    const rows = this.base.rows.map((_, number) => number).filter((number) => this.live[number] && this.base.rows[number][field] === value);
    const deleted = await this.index.deleteMany(rows.map((number) => this.base.rows[number].id));
    for (const number of rows) this.live[number] = 0;
    this.#changed();
    return deleted;
  }

  /** Compacts in slices; rejects with ABORTED when `signal` fires. */
  async compact({ sliceMs, onProgress, signal }) {
    const span = { startedAt: performance.now(), endedAt: Infinity };
    this.compactions.push(span);
    try {
      const report = await this.index.compact({ sliceMs, onProgress, signal });
      this.#finished(report);
      return report;
    } finally {
      span.endedAt = performance.now();
      this.#changed();
    }
  }

  #finished(report) {
    this.dispatchEvent(new CustomEvent("compaction", { detail: { report } }));
  }

  /** From here on the index compacts itself in idle time whenever its tombstone ratio is above the threshold. */
  compactWhenIdle(sliceMs) {
    this.stopCompactingWhenIdle();
    this.#stopIdle = this.index.compactWhenIdle({
      sliceMs,
      onReport: (report) => {
        const endedAt = performance.now();
        this.compactions.push({ startedAt: endedAt - report.durationMs, endedAt });
        this.#finished(report);
        this.#changed();
      },
    });
  }

  stopCompactingWhenIdle() {
    this.#stopIdle?.();
    this.#stopIdle = undefined;
  }

  /** Replaces the index by one read from exported bytes; on bad bytes it rejects and nothing changes. */
  async import(bytes) {
    await this.#adopt(await VectorIndex.import(bytes));
  }
}
