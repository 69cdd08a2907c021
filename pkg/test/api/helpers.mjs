// Shared by the tests of the interface. They run in Node and in a browser, always against the installed tarball.
import assert from "node:assert/strict";
import { ThermoclineError, VectorIndex } from "thermocline";

/** Returns a repeatable stream of numbers in [0, 1). */
export function random(seed = 1) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns `count` row-major vectors around a few centres, like embeddings. */
export function flat(count, dimensions, seed = 1) {
  const next = random(seed);
  const centres = Float32Array.from({ length: 16 * dimensions }, () => next() - 0.5);
  return Float32Array.from({ length: count * dimensions }, (_, at) => {
    const row = Math.floor(at / dimensions);
    return centres[(row % 16) * dimensions + (at % dimensions)] + 0.5 * (next() - 0.5);
  });
}

/** Returns the same as one array for each vector. */
export function rowsOf(vectors, dimensions) {
  return Array.from({ length: vectors.length / dimensions }, (_, i) => vectors.subarray(i * dimensions, (i + 1) * dimensions));
}

/** Returns an index of `count` records with ids "r0", "r1", … and payload { n: i }, and its vectors. */
export async function filled(count, options = {}) {
  const dimensions = options.dimensions ?? 16;
  const index = await VectorIndex.memory({ dimensions, ...options });
  const vectors = rowsOf(flat(count, dimensions), dimensions);
  await index.insertMany(vectors.map((vector, i) => ({ id: `r${i}`, vector, payload: { n: i } })));
  return { index, vectors };
}

/** Fails unless the call rejects (or throws) with a ThermoclineError of this code, whose message contains `mention`. */
export async function fails(code, call, mention) {
  let thrown;
  try {
    await call();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown, `expected ${code}, but nothing was thrown`);
  assert.ok(thrown instanceof ThermoclineError, `expected a ThermoclineError, got ${thrown.stack ?? thrown}`);
  assert.equal(thrown.name, "ThermoclineError");
  assert.equal(thrown.code, code, thrown.message);
  assert.ok(thrown.message.length > 8, "a message that says something");
  if (mention) assert.match(thrown.message, mention);
  return thrown;
}

/** Returns everything about an index that a failed call must not change. */
export async function state(index) {
  const { lastCompaction: _, ...stats } = await index.stats();
  const { wasmMemoryBytes: __, ...steady } = stats;
  return { ...steady, threshold: index.compactionThreshold, needs: index.needsCompaction };
}

/** Checks that the structure is sound and has `size` live records. */
export async function whole(index, size) {
  const report = await index.check();
  assert.deepEqual(report, { ok: true, live: size, reachable: size, problems: [] });
  assert.equal(index.size, size);
}

/** Returns the ids of the exact k nearest under cosine. */
export function exact(vectors, query, k, live = () => true) {
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  return vectors
    .map((vector, i) => ({ i, distance: 1 - dot(vector, query) / Math.sqrt(dot(vector, vector) * dot(query, query)) }))
    .filter(({ i }) => live(i))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, k)
    .map(({ i }) => `r${i}`);
}

/** Returns the share of the exact neighbours that `search` finds, over `queries`. */
export async function recall(index, vectors, queries, live, k = 10) {
  let found = 0;
  let wanted = 0;
  for (const query of queries) {
    const truth = new Set(exact(vectors, query, k, live));
    for (const hit of await index.search(query, { k, ef: 100 })) found += truth.has(hit.id) ? 1 : 0;
    wanted += truth.size;
  }
  return found / wanted;
}

/** The name of the method that `await using` calls. */
export const asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");

/** Resolves after other tasks have had their turn. */
export function pause(ms = 0) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves once `condition` holds; fails after `limitMs`. */
export async function until(condition, what, limitMs = 5000) {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `waited in vain for ${what}`);
    await pause(5);
  }
}

/**
 * Records unhandled rejections, in Node and in a browser. Returns a function that stops recording and returns the
 * reasons.
 */
export function unheard() {
  const reasons = [];
  const inNode = typeof process === "object" && process.versions?.node !== undefined;
  const note = (told) => void reasons.push(inNode ? told : told.reason);
  if (inNode) process.on("unhandledRejection", note);
  else addEventListener("unhandledrejection", note);
  return async () => {
    // Both platforms report them in a later turn.
    await pause(20);
    if (inNode) process.off("unhandledRejection", note);
    else removeEventListener("unhandledrejection", note);
    return reasons;
  };
}
