// What is known of an index whose writer is ended in the middle of its calls. The writer tells of each call in lines:
//
//     insert CALL ID...     delete CALL ID...     compact CALL     erase CALL     before a call
//     done CALL                                                                   after it
//
// The ids of one call are one change of the index.
import assert from "node:assert/strict";

export class Ledger {
  /** The ids that are in the index, and those that are deleted, according to acknowledged calls. */
  #there = new Set();
  #gone = new Set();
  /** The calls that are not acknowledged, by number. */
  #open = new Map();
  /** What was acknowledged: inserted or deleted records, and calls by kind. */
  acknowledged = { records: 0, insert: 0, delete: 0, compact: 0, erase: 0 };
  /** Calls that were under way at an end, by kind; of inserts and deletes, those of several ids. */
  cut = { insert: 0, delete: 0, compact: 0, erase: 0 };

  note(line) {
    const [kind, call, ...ids] = line.split(" ");
    if (kind !== "done") {
      assert.ok(kind in this.cut, line);
      this.#open.set(call, { kind, ids });
      return;
    }
    const done = this.#open.get(call);
    this.#open.delete(call);
    this.acknowledged[done.kind] += 1;
    this.acknowledged.records += done.ids.length;
    this.#settle(done.kind, done.ids);
  }

  /** From here on these ids are there, or deleted. */
  #settle(kind, ids) {
    for (const id of ids) {
      (kind === "insert" ? this.#there : this.#gone).add(id);
      (kind === "insert" ? this.#gone : this.#there).delete(id);
    }
  }

  /** Whether a compaction is under way. */
  get compacts() {
    return [...this.#open.values()].some(({ kind }) => kind === "compact" || kind === "erase");
  }

  /** Whether a change of many records is under way. */
  get changesMany() {
    return [...this.#open.values()].some(({ ids }) => ids.length > 1);
  }

  /** Every id that a call has named. */
  ids() {
    return [...this.#there, ...this.#gone, ...[...this.#open.values()].flatMap(({ ids }) => ids)];
  }

  /**
   * Checks what is found in an index after the end of its writer: it has every record that was inserted and none that
   * was deleted, each call under way at the end was carried out as a whole or not at all, and there is nothing else.
   * What is found is the result of `found`, with all `ids()`.
   */
  compare({ there, size, report }, when) {
    const has = Set.prototype.has.bind(new Set(there));
    for (const { kind, ids } of this.#open.values()) {
      if (kind === "compact" || kind === "erase" || ids.length > 1) this.cut[kind] += 1;
      const found = ids.filter((id) => has(id)).length;
      assert.ok(found === 0 || found === ids.length, `${when}: ${found} of ${ids.length} ids of one ${kind} are there`);
      this.#settle(found ? "insert" : "delete", ids);
    }
    this.#open.clear();
    assert.deepEqual([...this.#there].filter((id) => !has(id)), [], `${when}: these were acknowledged`);
    assert.deepEqual([...this.#gone].filter((id) => has(id)), [], `${when}: these were deleted`);
    assert.equal(size, this.#there.size, when);
    assert.ok(report.ok, `${when}: ${report.problems.join()}`);
  }
}

/** Returns what `compare` takes: which of the ids are in an index, its size and its report. */
export async function found(index, ids) {
  const there = [];
  for (const id of ids) if (await index.has(id)) there.push(id);
  return { there, size: index.size, report: await index.check() };
}
