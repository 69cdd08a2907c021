// The part of node:test that the interface's tests use, for a page.
const tests = [];

export function test(name, run) {
  tests.push({ name, run });
}

/** Runs all tests, one after the other. Returns for each its name, its duration, and its error, if any. */
export async function outcomes() {
  const results = [];
  for (const { name, run } of tests) {
    const began = performance.now();
    const result = { name };
    try {
      await run({ skip: (why) => (result.skipped = why) });
    } catch (error) {
      result.error = `${error}\n${error?.stack}`;
    }
    result.ms = performance.now() - began;
    results.push(result);
  }
  return results;
}
