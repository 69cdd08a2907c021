import assert from "node:assert/strict";
import { test } from "node:test";
import { linearTicks, logTicks, plot } from "../report/plot.mjs";
import { plotsOf } from "../report/plots.mjs";
import { render } from "../report/tables.mjs";

const axes = { x: { label: "x (bytes)" }, y: { label: "y", log: true } };

test("a plot has its texts, a mark for every valid point, and no invalid number", () => {
  const series = [
    { name: "one <1>", line: true, points: [[1, 10], [2, 1000], [3, 0], [NaN, 5], [4, undefined]] },
    { name: "empty", points: [[1, 0]] },
    { name: "other", hollow: true, points: [[1.5, 100]] },
  ];
  const svg = plot({ title: "a & b", ...axes, series });
  assert.match(svg, /^<svg [^>]*aria-label="a &amp; b"/);
  assert.ok(svg.includes(">x (bytes)</text>") && svg.includes(">one &lt;1&gt;</text>") && !svg.includes("empty"));
  assert.ok(!/NaN|Infinity|undefined/.test(svg));
  assert.equal(svg.match(/<circle/g).length, 3, "two points and the one of the legend");
  assert.equal(svg.match(/<polygon/g).length, 2, "a triangle, and the one of the legend");
  assert.equal(svg.match(/<polyline points="([^"]*)"/)[1].split(" ").length, 2);
  assert.match(svg, /prefers-color-scheme: dark/);
});

test("larger values are higher up and further right; a single point, or none, can be drawn", () => {
  const svg = plot({ title: "t", ...axes, series: [{ name: "s", line: true, points: [[1, 10], [2, 100]] }] });
  const [[x1, y1], [x2, y2]] = svg.match(/<polyline points="([^"]*)"/)[1].split(" ").map((place) => place.split(",").map(Number));
  assert.ok(x2 > x1 && y2 < y1);
  for (const points of [[[5, 5]], []]) assert.ok(!/NaN|Infinity/.test(plot({ title: "t", ...axes, series: [{ name: "s", points }] })));
});

test("marked values are round", () => {
  assert.deepEqual(logTicks(2, 3).filter((tick) => tick >= 100 && tick <= 1000), [100, 200, 500, 1000]);
  assert.deepEqual(logTicks(0, 4), [1, 10, 100, 1000, 10_000]);
  assert.deepEqual(linearTicks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(linearTicks(-0.05, 31), [0, 10, 20, 30]);
});

test("recall too near to 1 is not drawn, so that every mark is inside", () => {
  const [recall] = plotsOf(set(contender("a", { curve: [...curve, { ef: 80, recall: 0.9999, qpsWall: 1 }] })));
  assert.equal(recall.svg().match(/<circle/g).length, 3, "two points and the one of the legend");
});

const curve = [{ ef: 10, recall: 0.9, qpsWall: 100 }, { ef: 20, recall: 0.96, qpsWall: 50 }, { ef: 40, recall: 1, qpsWall: 25 }];
const at = Object.fromEntries([0.9, 0.95, 0.99].map((level) => [level, { qpsWall: 60, qpsCpu: 61, rounds: { wall: [60], cpu: [61] } }]));
const contender = (name, more) => ({ name, curve, at, memory: { residentBytes: 1000, how: "counted" }, ...more });
const set = (...contenders) => ({ name: "s", rows: 10, dimensions: 4, metric: "l2", queries: 5, contenders });

test("a set's plots leave out contenders without a curve, and show bytes twice where full vectors can be cold", () => {
  const [recall, bytes] = plotsOf(set(contender("a"), { name: "gone", notRun: "ended" }, contender("b", { memory: { residentBytes: 1000, bytesPerVector: 20 } })));
  assert.deepEqual([recall.file, bytes.file], ["s-recall.svg", "s-bytes.svg"]);
  assert.ok(!recall.svg().includes("gone") && recall.svg().includes("recall@10"));
  assert.ok(bytes.svg().includes(">b, cold<") && !bytes.svg().includes(">a, cold<"));
  assert.deepEqual(plotsOf(set({ name: "gone" })), []);
});

test("a report is written of a run with gaps", () => {
  const machine = { cpu: "c", cores: 2, node: "20", rustc: "r", pinning: "not pinned", load: { before: 0, after: 0 } };
  const options = { m: 16, efConstruction: 200, k: 10, builds: 1, rounds: 1 };
  const deletes = { deleted: 3, perSecondWall: 10, before: { recall: 0.9, qpsWall: 5 }, compaction: { notRun: "takes minutes" } };
  const text = render({ date: "d", commit: "c", machine, options, sets: [set(contender("a", { deletes }), { name: "gone", notRun: "it ended" })] });
  assert.match(text, /- gone: it ended/);
  assert.match(text, /!\[[^\]]*\]\(plots\/s-recall\.svg\)/);
  assert.match(text, /\| a \| 3 \| 10 \| 5 \| 0\.9000 \| takes minutes \|  \|  \|/);
  assert.match(text, /not run/);
});
