// node:test for the interface's tests against "thermocline/worker": skips, with the reason, the tests that cannot
// apply. The file is named in this module's address.
import { test as run } from "node:test";
import { REASONS } from "./reasons.mjs";

const reasons = REASONS[new URL(import.meta.url).searchParams.get("file")] ?? [];
const unused = new Set(reasons);

export function test(name, ...rest) {
  const entry = reasons.find(([pattern]) => pattern.test(name));
  if (!entry) return run(name, ...rest);
  unused.delete(entry);
  return run(name, (t) => t.skip(entry[1]));
}

run("every test that is skipped is there", () => {
  if (unused.size) throw new Error(`no test is called ${[...unused].map(([pattern]) => pattern).join(", ")}`);
});
