// Running queries one at a time: what every contender in JavaScript does, in Node and in a page.

/** Rows of an array of f32, one behind the other. */
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

  /** The rows of these numbers, side by side in a fresh array. */
  gather(numbers) {
    const out = new Float32Array(numbers.length * this.dimensions);
    numbers.forEach((number, at) => out.set(this.row(number), at * this.dimensions));
    return out;
  }
}

/**
 * `{ wallMs, cpuMs, count, ids }` of `count` queries, all of them once by default, around and around if that is more.
 * `one(query, out, at)` writes the k row numbers it found to `out[at..at + k]`; `latencies` adds every query's time.
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
