// Runs queries one at a time, for every contender in JavaScript, in Node and in a page.

/** Consecutive rows of an array of f32. */
export class Rows {
  constructor(flat, dimensions) {
    this.flat = flat;
    this.dimensions = dimensions;
    this.count = flat.length / dimensions;
  }

  row(index) {
    return this.flat.subarray(index * this.dimensions, (index + 1) * this.dimensions);
  }

  range(from, to) {
    return this.flat.subarray(from * this.dimensions, to * this.dimensions);
  }

  /** Returns the rows of these numbers, one after the other in a new array. */
  gather(numbers) {
    const out = new Float32Array(numbers.length * this.dimensions);
    numbers.forEach((number, at) => out.set(this.row(number), at * this.dimensions));
    return out;
  }
}

/**
 * Runs `count` queries, by default all of them once, repeating them if there are fewer. Returns `{ wallMs, cpuMs,
 * count, ids }`. `one(query, out, at)` writes the k row numbers it found to `out[at..at + k]`; `latencies` adds every
 * query's time.
 */
export async function runQueries(queries, { count = queries.count, k, latencies }, timed, one) {
  const ids = new Int32Array(count * k).fill(-1);
  const clocked = latencies ? new Float64Array(count) : undefined;
  const times = await timed(async () => {
    for (let i = 0; i < count; i++) {
      const start = clocked && performance.now();
      const pending = one(queries.row(i % queries.count), ids, i * k);
      if (pending) await pending;
      if (clocked) clocked[i] = performance.now() - start;
    }
  });
  return { ...times, count, ids, ...(clocked && { latenciesMs: [...clocked] }) };
}
