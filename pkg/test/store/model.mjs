// Shared by the tests of stores: bytes, and a map to compare a store with. Runs in Node and in a page.
import assert from "node:assert/strict";

/** Returns a repeatable stream of numbers in [0, 1). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns bytes that differ for each seed. */
export function bytes(seed, length) {
  const all = new Uint8Array(length);
  for (let i = 0, state = seed * 2654435761; i < length; i++) all[i] = (state = Math.imul(state ^ (state >>> 13), 1597334677) + i) >>> 24;
  return all;
}

export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equal(a, b) {
  return a === b || (a?.length === b?.length && a.every((byte, i) => byte === b[i]));
}

/** Returns everything in a store, using list and read. */
export async function contents(store) {
  const keys = (await store.list("")).sort();
  const values = await store.read(keys);
  return new Map(keys.map((key, i) => [key, values[i]]));
}

/** Returns how two maps of values differ; undefined if they are equal. */
export function difference(actual, expected) {
  for (const key of new Set([...actual.keys(), ...expected.keys()])) {
    const [a, b] = [actual.get(key), expected.get(key)];
    if (!equal(a, b)) return `${key}: expected ${b ? `${b.length} bytes` : "none"}, got ${a ? `${a.length} bytes` : "none"}`;
  }
  return undefined;
}

export async function holds(store, expected, when = "") {
  const found = difference(await contents(store), expected);
  assert.ok(!found, `${when} ${found}`);
}

/** Fails unless the call rejects with a ThermoclineError of this code. Returns the error. */
export async function fails(code, call) {
  const error = await call().then(() => undefined, (error) => error);
  assert.ok(error, `expected ${code}, but nothing was thrown`);
  assert.equal(error.name, "ThermoclineError");
  assert.equal(error.code, code, `expected ${code}, got ${error.code}: ${error.stack}`);
  return error;
}

const KEYS = ["a", "a/1", "a/2", "b", "log/1", "log/2", "c-3.x"];

/** Returns a random step: a commit or an append. It depends only on `next` and `serial`. */
export function randomStep(next, serial, longest = 3000) {
  const pick = () => KEYS[Math.floor(next() * KEYS.length)];
  const value = (i) => bytes(serial * 31 + i, Math.floor(next() * next() * longest));
  if (next() < 0.4) return { append: pick(), bytes: value(0) };
  const changed = [...new Set(Array.from({ length: 1 + Math.floor(next() * 4) }, pick))];
  const puts = changed.filter(() => next() < 0.7);
  return { puts: puts.map((key, i) => [key, value(i)]), deletes: changed.filter((key) => !puts.includes(key)) };
}

/** Applies a step to a store. */
export function take(store, step) {
  return step.append ? store.append(step.append, step.bytes) : store.commit(step);
}

/** Returns the map after a step. */
export function after(map, step) {
  const next = new Map(map);
  if (step.append) return next.set(step.append, joined(next.get(step.append) ?? new Uint8Array(), step.bytes));
  for (const key of step.deletes) next.delete(key);
  for (const [key, value] of step.puts) next.set(key, value);
  return next;
}

/**
 * Returns true if `actual` is the map before or after the step or, for an append, with a prefix of its bytes appended.
 */
export function isBeforeOrAfter(actual, map, step) {
  if (!difference(actual, map) || !difference(actual, after(map, step))) return true;
  if (!step.append) return false;
  const added = (actual.get(step.append)?.length ?? 0) - (map.get(step.append)?.length ?? 0);
  return added >= 0 && !difference(actual, after(map, { ...step, bytes: step.bytes.slice(0, added) }));
}
