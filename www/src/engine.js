// The page's one index, which this browser keeps, and what the page knows about it: which rows are live, and what is
// going on.

import { VectorIndex } from "thermocline";
import { exactNearest, recall } from "./common/exact.js";

export const K = 10;

/** What the index is called in this browser. */
const NAME = "wordnet glosses";
/** Key in localStorage that says that the whole index is stored. An index whose making was cut off is made anew. */
const WHOLE = `thermocline: ${NAME}`;
/** After a reload, the lock may be taken until the browser has ended the page that was there before. */
const LOCK_TRIES = 6;
const LOCK_PAUSE_MS = 200;

/**
 * Events: "change" after anything that alters the index; "first-answer" after the first search of one that was opened
 * or made; "compaction" with `detail` { report } when a compaction ended. `startedAt`/`endedAt` of `compactions` are
 * performance.now() values; `endedAt` is Infinity while one runs.
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

  /** Milliseconds from the start of the page to the first answer of the index that is open. */
  firstAnswerMs;
  /** True when another tab writes: the index is open for reading only. */
  readOnly = false;

  /**
   * Opens the index that this browser keeps. Returns its number of records and the time that opening took; undefined
   * when there is no whole index. LOCKED while another tab has it open for writing, unless it is opened for reading
   * only.
   */
  async open({ readOnly = false } = {}) {
    const started = performance.now();
    const index = await this.#openKept(readOnly ? "readonly" : "readwrite");
    if (!index) return undefined;
    const openMs = performance.now() - started;
    this.readOnly = readOnly;
    await this.#adopt(index);
    return { records: index.size, openMs };
  }

  async #openKept(mode) {
    for (let tries = 1; ; tries++) {
      try {
        const index = await VectorIndex.open(NAME, { mode });
        if (localStorage.getItem(WHOLE) || mode === "readonly") return index;
        await index.close();
        return undefined;
      } catch (error) {
        if (error.code === "NOT_FOUND") return undefined;
        if (error.code !== "LOCKED" || tries === LOCK_TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
      }
    }
  }

  /**
   * Makes the index from the whole sample, in place of the one there is. Returns the milliseconds it took, storing
   * included.
   */
  async build(onProgress) {
    await this.#destroy();
    const index = await VectorIndex.open(NAME, { dimensions: this.base.dimensions, metric: "cosine", seed: 1 });
    const started = performance.now();
    await index.insertMany(this.base.toInsert(), { onProgress });
    await index.flush();
    const elapsedMs = performance.now() - started;
    await this.#stored(index);
    return elapsedMs;
  }

  async #destroy() {
    this.stopCompactingWhenIdle();
    const { index } = this;
    this.index = undefined;
    await index?.close();
    localStorage.removeItem(WHOLE);
    await VectorIndex.destroy(NAME);
  }

  async #stored(index) {
    localStorage.setItem(WHOLE, new Date().toISOString());
    await this.#adopt(index);
  }

  async #adopt(index) {
    const live = new Uint8Array(this.base.length);
    for (let row = 0; row < live.length; row++) live[row] = (await index.has(this.base.rows[row].id)) ? 1 : 0;
    this.live = live;
    this.index = index;
    this.firstAnswerMs = undefined;
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
    const ended = performance.now();
    if (this.firstAnswerMs === undefined) {
      this.firstAnswerMs = ended;
      this.dispatchEvent(new Event("first-answer"));
    }
    return { hits, elapsedMs: ended - started };
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
    const isWanted = (number) => this.live[number] && this.base.rows[number][field] === value;
    const rows = this.base.rows.map((_, number) => number).filter(isWanted);
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

  /** Replaces the index by one read from exported bytes; on bytes that are none it rejects and nothing changes. */
  async import(bytes) {
    const tried = await VectorIndex.import(bytes);
    const { dimensions } = tried;
    await tried.close();
    if (dimensions !== this.base.dimensions) {
      throw new Error(`it has ${dimensions} dimensions, and the glosses ${this.base.dimensions}`);
    }
    await this.#destroy();
    await this.#stored(await VectorIndex.import(bytes, { name: NAME }));
  }
}
