// The 5,000 glosses and 200 held-out queries of data/wordnet, for Node and the page. `new URL(..., import.meta.url)` is
// a file: URL in Node, and an asset that Vite ships with the page.

import { decodeNpy, normalizeRows } from "./npy.js";

const FILES = {
  baseVectors: new URL("../../../data/wordnet/base.f16.npy", import.meta.url),
  baseRows: new URL("../../../data/wordnet/base.jsonl", import.meta.url),
  queryVectors: new URL("../../../data/wordnet/queries.f16.npy", import.meta.url),
  queryRows: new URL("../../../data/wordnet/queries.jsonl", import.meta.url),
};

/** Rows with their unit vectors: `vector(i)` is a view of row i of `vectors`. */
export class Dataset {
  /** @param {object[]} rows @param {Float32Array} vectors row-major @param {number} dimensions */
  constructor(rows, vectors, dimensions) {
    this.rows = rows;
    this.vectors = vectors;
    this.dimensions = dimensions;
    this.rowOfId = new Map(rows.map((row, number) => [row.id, number]));
  }

  get length() {
    return this.rows.length;
  }

  vector(row) {
    return this.vectors.subarray(row * this.dimensions, (row + 1) * this.dimensions);
  }

  /** Everything in the form for `insertMany`: flat vectors, the synset as id, and the readable part as payload. */
  toInsert() {
    return { vectors: this.vectors, ids: this.rows.map((row) => row.id), payloads: this.rows.map(payloadOf) };
  }
}

/** The payload of a gloss. */
export function payloadOf({ word, text, lexname, pos }) {
  return { word, text, lexname, pos };
}

function assemble(vectorBytes, rowBytes) {
  const { rows: count, columns, values } = decodeNpy(vectorBytes);
  const rows = new TextDecoder().decode(rowBytes).trimEnd().split("\n").map((line) => JSON.parse(line));
  if (rows.length !== count) throw new Error(`${count} vectors but ${rows.length} rows`);
  return new Dataset(rows, normalizeRows(values, columns), columns);
}

/**
 * Loads both parts.
 * @param {(url: URL) => Promise<Uint8Array>} read how this platform gets the bytes behind a URL
 * @returns {Promise<{ base: Dataset, queries: Dataset }>}
 */
export async function loadDataset(read) {
  const [baseVectors, baseRows, queryVectors, queryRows] = await Promise.all(
    [FILES.baseVectors, FILES.baseRows, FILES.queryVectors, FILES.queryRows].map(read),
  );
  return { base: assemble(baseVectors, baseRows), queries: assemble(queryVectors, queryRows) };
}
