// Third-party consumers of metrics(): the parser of Prometheus' own client, and the Grafana dashboard.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { PKG } from "./support/project.mjs";

const MODULES = join(PKG, "python_modules");
const DASHBOARD = join(PKG, "../docs/grafana-dashboard.json");

const PARSE = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
print(json.dumps([{ "name": f.name, "type": f.type, "unit": f.unit, "help": f.documentation,
    "samples": [[s.name, s.labels, s.value] for s in f.samples] } for f in families(sys.stdin.read())]))
`;

/** Returns the families that the parser reads from a text. Fails if the parser rejects it. */
async function parsed(text) {
  assert.ok(existsSync(MODULES), "the parser is missing: python3 -m pip install --no-deps --require-hashes --target pkg/python_modules -r pkg/test/requirements.txt");
  const child = spawn("python3", ["-c", PARSE], { env: { ...process.env, PYTHONPATH: MODULES } });
  child.stdin.end(text);
  const [out, error] = await Promise.all([child.stdout, child.stderr].map(async (stream) => (await stream.setEncoding("utf8").toArray()).join("")));
  if (!out) throw new Error(error.trim().split("\n").at(-1));
  return JSON.parse(out);
}

let fresh;
let compacted;

before(async () => {
  const { VectorIndex } = await import("../dist/index.node.js");
  const index = await VectorIndex.memory({ dimensions: 4 });
  await index.insertMany(Array.from({ length: 300 }, (_, i) => ({ vector: [1, i, i % 7, 2] })));
  fresh = await index.metrics();
  await index.deleteMany(Array.from({ length: 100 }, (_, i) => i));
  await index.compact();
  compacted = await index.metrics();
  await index.close();
});

test("Prometheus' parser reads the text, before the first compaction and after", async () => {
  for (const [text, records] of [[fresh, 300], [compacted, 200]]) {
    const families = await parsed(text);
    assert.ok(families.length >= 15, `${families.length} families`);
    for (const { name, type, unit, help } of families) {
      assert.match(name, /^thermocline_[a-z_]+$/);
      assert.ok(["gauge", "counter", "histogram"].includes(type), `${name} is a ${type}`);
      assert.ok(help.length > 10 && (unit === "" || name.endsWith(`_${unit}`)), name);
    }
    const find = (name) => families.find((family) => family.name === name);
    assert.deepEqual(find("thermocline_records").samples, [["thermocline_records", {}, records]]);
    assert.equal(find("thermocline_compaction_duration_seconds").type, "histogram");
    assert.deepEqual(find("thermocline_resident_bytes").samples.map(([, { part }]) => part), ["codes", "graph", "ids", "warm", "cold_cache", "other"]);
  }
});

test("the parser refuses what is not OpenMetrics", async () => {
  for (const [from, to] of [["# EOF", ""], ["_total", ""], ['le="+Inf"', 'le="7.0"'], ["# UNIT thermocline_log_bytes bytes", "# UNIT thermocline_log_bytes seconds"]]) {
    assert.ok(compacted.includes(from), from);
    await assert.rejects(parsed(compacted.replaceAll(from, to)), from);
  }
});

test("the dashboard shows every metric in the text, and asks for no other", async () => {
  const dashboard = JSON.parse(await readFile(DASHBOARD, "utf8"));
  const there = new Set((await parsed(compacted)).flatMap(({ samples }) => samples.map(([name]) => name)));
  const asked = new Set();
  for (const { title, targets } of dashboard.panels) {
    assert.ok(title && targets.length > 0, `a panel with a title and a query: ${title}`);
    for (const { expr } of targets) for (const name of expr.match(/thermocline_\w+/g) ?? assert.fail(`${title}: ${expr}`)) asked.add(name);
  }
  for (const name of asked) assert.ok(there.has(name), name);
  const shown = [...there].filter((name) => !asked.has(name) && !/_(sum|count)$/.test(name));
  assert.deepEqual(shown, [], "what the text has and no panel shows");
});
