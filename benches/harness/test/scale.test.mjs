import assert from "node:assert/strict";
import { test } from "node:test";
import { exponent, exponentOf, slope } from "../lib/fits.mjs";
import { synthesize, synthesizer } from "../lib/synthetic.mjs";
import { scaled } from "../report/scale.mjs";

const near = (value, wanted) => assert.ok(Math.abs(value - wanted) < 1e-9, `${value}, expected ${wanted}`);

test("the slope of a line is found, also among points that scatter, and there is none of one x", () => {
  near(slope([[0, 1], [1, 3], [2, 5]]), 2);
  near(slope([[0, 0], [1, 2], [2, 2], [3, 4]]), 1.2);
  assert.equal(slope([[1, 1], [1, 2]]), undefined);
});

test("an exponent is that of the power law, and n log n shows a little more than 1", () => {
  const points = [1e4, 1e5, 1e6].map((n) => ({ n, cost: 7 * n ** 1.5 }));
  near(exponent(points), 1.5);
  near(exponentOf((n) => n, points), 1);
  const law = exponentOf((n) => n * Math.log(n), points);
  assert.ok(law > 1.05 && law < 1.15);
});

const entry = (rows, contenders) => ({ rows, dimensions: 8, metric: "l2", contenders });
const measured = (rows, buildCost, queryCost) => ({
  name: "a", place: "wasm", build: { perSecondWall: 1 / buildCost, perSecondCpu: 1 / buildCost }, memory: { residentBytes: 100 * rows, bytesPerVector: 40 },
  at: { fixed: { qpsCpu: 1 / queryCost }, 0.95: { qpsWall: 1 / queryCost, qpsCpu: 1 / queryCost } }, store: { reopenMs: 5 },
});

test("growth is fitted over the sizes that were measured, and gaps are listed", () => {
  const entries = [
    entry(1000, [measured(1000, Math.log(1000) / 1e6, Math.log(1000) / 1e4)]),
    entry(10_000, [measured(10_000, Math.log(10_000) / 1e6, Math.log(10_000) / 1e4)]),
    entry(100_000, [{ name: "a", notRun: "memory is full" }]),
  ];
  const text = scaled(entries).join("\n");
  const [, build, law, query, log, at, too] = /\| 8 \| a \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|  \|  \|/.exec(text);
  assert.deepEqual([build, query, at], [law, log, too]);
  assert.match(text, /- 100,000 x 8, a: memory is full/);
  assert.match(text, /\| 10,000 x 8 \| a \| .* \| 100 \| 40 \| 5 \| 42,949,000 \| 107,374,000 \|/);
});

test("rows drawn in pieces are the same as all at once", () => {
  const shape = { rows: 25, queries: 3, dimensions: 8, seed: 3 };
  const { pieces, queries } = synthesizer(shape, 10);
  const all = [...pieces()];
  assert.deepEqual(all.map((piece) => piece.length), [80, 80, 40]);
  assert.deepEqual(all.flatMap((piece) => [...piece]), [...synthesize(shape).base]);
  assert.deepEqual(queries, synthesize(shape).queries);
});
