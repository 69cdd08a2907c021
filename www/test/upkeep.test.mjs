// The controls of upkeep, with elements that only keep what is set and an index that only counts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mountUpkeep } from "../src/ui/upkeep.js";

class Element extends EventTarget {
  options = [];
  append() {}
  setAttribute() {}
  replaceChildren() {}
}

function elements(t) {
  const byId = new Map();
  t.after(() => delete globalThis.document);
  globalThis.document = {
    createElement: () => new Element(),
    getElementById: (id) => byId.get(id) ?? byId.set(id, new Element()).get(id),
  };
  return (id, values) => Object.assign(document.getElementById(id), values).dispatchEvent(new Event("change"));
}

test("a slice chosen later counts for compactions in idle time as well", (t) => {
  const change = elements(t);
  const slices = [];
  const engine = Object.assign(new EventTarget(), {
    compactWhenIdle: (sliceMs) => slices.push(sliceMs),
    stopCompactingWhenIdle: () => slices.push("none"),
  });
  mountUpkeep(engine, {}, () => {});
  change("slice-ms", { value: "4" });
  change("idle", { checked: true });
  change("slice-ms", { value: "8" });
  assert.deepEqual(slices, ["none", 4, 8]);
  engine.readOnly = true;
  change("slice-ms", { value: "1" });
  assert.equal(slices.at(-1), "none");
});
