// Recall, counted in one place for every contender.
import { readFileSync } from "node:fs";

export function readIds(path) {
  const bytes = readFileSync(path);
  return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** The true neighbours of every query: `depth` row numbers each, nearest first. */
export class Truth {
  constructor(ids, queries) {
    this.ids = ids;
    this.queries = queries;
    this.depth = ids.length / queries;
  }

  /**
   * Returns the first k of a query's neighbours among the rows for which `alive` is true. Throws if the list is not
   * deep enough.
   */
  nearest(query, k, alive) {
    const found = [];
    for (let i = query * this.depth; i < (query + 1) * this.depth && found.length < k; i++) {
      if (!alive || alive[this.ids[i]]) found.push(this.ids[i]);
    }
    if (found.length < k) throw new Error(`the true neighbours of query ${query} are known ${this.depth} deep, too little after these deletes`);
    return found;
  }

  /**
   * Returns the mean share of the k true neighbours that were found. `ids` holds k row numbers per query, -1 for none.
   */
  recall(ids, k, alive) {
    const queries = ids.length / k;
    let hits = 0;
    for (let q = 0; q < queries; q++) {
      const near = new Set(this.nearest(q, k, alive));
      for (let i = q * k; i < (q + 1) * k; i++) if (near.delete(ids[i])) hits += 1;
    }
    return hits / (queries * k);
  }
}
