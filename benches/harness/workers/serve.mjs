// A contender's side of the harness: one process, one command at a time. A request is a line of fields separated by tabs
// (the verb, then key=value); the answer is one line of JSON. While a process waits for its next command it uses no CPU, so
// contenders can take turns as finely as the harness likes.
import { createInterface } from "node:readline";
import { readFileSync, writeFileSync, writeSync } from "node:fs";

// Standard output carries answers only. Peers that chat are heard on standard error.
console.log = console.info = console.debug = (...words) => console.error(...words);

/** Answers commands by the handlers of the same names until the input ends. */
export async function serve(handlers) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [verb, ...fields] = line.split("\t");
    const given = Object.fromEntries(fields.map((field) => field.split(/=(.*)/s, 2)));
    let answer;
    try {
      if (!Object.hasOwn(handlers, verb)) throw new Error(`no such command: ${verb}`);
      answer = (await handlers[verb](given)) ?? {};
    } catch (error) {
      answer = { error: String(error?.stack ?? error) };
    }
    writeSync(1, `${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

/** Wall and CPU time of what `work` does. CPU time is the whole process's: its garbage collector counts. */
export async function timed(work) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wallMs = performance.now() - start;
  const used = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (used.user + used.system) / 1000 };
}

/** The rows of a raw little-endian f32 file. */
export class Rows {
  constructor(path, dimensions) {
    const bytes = readFileSync(path);
    this.dimensions = dimensions;
    this.flat = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    this.count = this.flat.length / dimensions;
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

/** The row numbers in a raw i32 file. */
export function numbersIn(path) {
  const bytes = readFileSync(path);
  return [...new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
}

/**
 * Runs `given.count` queries one at a time, all of them once by default, around and around if that is more.
 * `one(query, out, at)` writes the k row numbers it found to `out[at..at + k]`. The row numbers go to the file `given.ids`,
 * if named; `given.latencies` adds every query's time.
 */
export async function runQueries(queries, given, one) {
  const count = Number(given.count ?? queries.count);
  const k = Number(given.k);
  const ids = new Int32Array(count * k).fill(-1);
  const latencies = given.latencies ? new Float64Array(count) : undefined;
  const times = await timed(async () => {
    for (let i = 0; i < count; i++) {
      const start = latencies && performance.now();
      const pending = one(queries.row(i % queries.count), ids, i * k);
      if (pending) await pending;
      if (latencies) latencies[i] = performance.now() - start;
    }
  });
  if (given.ids) writeFileSync(given.ids, new Uint8Array(ids.buffer));
  return { ...times, count, ...(latencies && { latenciesMs: [...latencies] }) };
}
