// The part of node:assert/strict that the interface's tests use, for a page.
function hold(condition, message) {
  if (!condition) throw message instanceof Error ? message : new Error(message ?? "an assertion failed");
}

function shown(value) {
  try {
    return JSON.stringify(value, (_, inner) => (ArrayBuffer.isView(inner) ? [...inner] : inner))?.slice(0, 300) ?? String(value);
  } catch {
    return String(value);
  }
}

function same(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Set) return a.size === b.size && [...a].every((member) => b.has(member));
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

async function thrownBy(promise) {
  try {
    await (typeof promise === "function" ? promise() : promise);
  } catch (error) {
    return { error };
  }
  return undefined;
}

export default {
  ok: hold,
  notEqual: (a, b, message) => hold(!Object.is(a, b), message ?? `expected anything but ${shown(b)}`),
  equal: (a, b, message) => hold(Object.is(a, b), message ?? `expected ${shown(b)}, got ${shown(a)}`),
  deepEqual: (a, b, message) => hold(same(a, b), message ?? `expected ${shown(b)}, got ${shown(a)}`),
  match: (text, pattern) => hold(pattern.test(text), `expected ${pattern}, got ${shown(text)}`),
  doesNotThrow: (call) => call(),
  async rejects(promise, check = () => true, message) {
    const thrown = await thrownBy(promise);
    hold(thrown, message ?? "expected a rejection");
    hold(check(thrown.error), `${message ?? ""} rejected with ${thrown.error}`);
  },
};
