// A contender's side of the harness: one process, one command at a time. A request is a line of fields separated by
// tabs (the verb, then key=value); the answer is one line of JSON. A process that waits for its next command uses no
// CPU, so contenders can take turns at any granularity.
import { createInterface } from "node:readline";
import { openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { Rows } from "./queries.mjs";

// Standard output carries only answers. Other output of peers goes to standard error.
console.log = console.info = console.debug = (...words) => console.error(...words);

/** Answers commands with the handlers of the same names until the input ends. */
export async function serve(handlers) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [verb, ...fields] = line.split("\t");
    let answer;
    try {
      if (!Object.hasOwn(handlers, verb)) throw new Error(`no such command: ${verb}`);
      answer = (await handlers[verb](Object.fromEntries(fields.map(field)))) ?? {};
    } catch (error) {
      answer = { error: String(error?.stack ?? error) };
    }
    writeSync(1, `${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

/** Parses a field; numeric values become numbers. */
function field(text) {
  const [key, value] = text.split(/=(.*)/s, 2);
  return [key, /^\d+(\.\d+)?$/.test(value) ? Number(value) : value];
}

/** Returns the wall and CPU time of `work`. CPU time is that of the whole process, including the garbage collector. */
export async function timed(work) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wallMs = performance.now() - start;
  const used = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (used.user + used.system) / 1000 };
}

/** Reads all rows of a raw little-endian f32 file into memory. */
export function rowsIn(path, dimensions) {
  const bytes = readFileSync(path);
  return new Rows(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4), dimensions);
}

/** The rows of such a file, read only on request: a million long ones are more than Node can read at once. */
export class FileRows {
  constructor(path, dimensions) {
    this.file = openSync(path);
    this.dimensions = dimensions;
  }

  range(from, to) {
    const out = new Float32Array((to - from) * this.dimensions);
    this.#read(out, from);
    return out;
  }

  gather(numbers) {
    const out = new Float32Array(numbers.length * this.dimensions);
    numbers.forEach((number, at) => this.#read(out.subarray(at * this.dimensions, (at + 1) * this.dimensions), number));
    return out;
  }

  #read(out, row) {
    const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
    const start = row * this.dimensions * 4;
    for (let at = 0; at < bytes.length; ) {
      const read = readSync(this.file, bytes, at, Math.min(bytes.length - at, 2 ** 28), start + at);
      if (read === 0) throw new Error(`there is no row ${row}, or not as many behind it`);
      at += read;
    }
  }
}

/** Reads the row numbers in a raw i32 file. */
export function numbersIn(path) {
  const bytes = readFileSync(path);
  return [...new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
}

/** Returns an answer without its row numbers, which are written to `path`, if given. */
export function keepIds(path, { ids, ...answer }) {
  if (path) writeFileSync(path, new Uint8Array(ids.buffer));
  return answer;
}
