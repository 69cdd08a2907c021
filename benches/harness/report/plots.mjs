// The plots of a set: `{ title, file, svg() }`. Each contender has the same colour in all of them.
import { plot } from "./plot.mjs";

const LEVEL = 0.95;
/** The range of recall that is drawn. Beyond it, a curve is determined by a handful of misses. */
const [FROM, TO] = [0.85, 0.9995];
const MARKED = [0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999];

export function plotsOf(set) {
  const measured = set.contenders.map((one, colour) => ({ ...one, colour })).filter((one) => one.curve);
  if (!measured.length) return [];
  const shape = `${set.name}, ${set.rows.toLocaleString("en")} x ${set.dimensions}`;
  const recall = `Recall and queries per second: ${shape}`;
  const bytes = `Bytes and queries per second at recall ${LEVEL}: ${shape}`;
  return [
    { title: recall, file: `${set.name}-recall.svg`, svg: () => recallPlot(recall, measured) },
    { title: bytes, file: `${set.name}-bytes.svg`, svg: () => bytesPlot(bytes, set, measured) },
  ];
}

const QPS = { label: "queries per second, one thread", log: true };

/** Stretches recall towards 1, where the differences are. */
const spread = (recall) => 1 / (1 - recall);

function recallPlot(title, measured) {
  const series = measured.map(({ name, colour, curve }) => ({
    name, colour, line: true, points: curve.filter(({ recall }) => recall >= FROM && recall <= TO).map(({ recall, qpsWall }) => [spread(recall), qpsWall]),
  }));
  const nameOf = (value) => String(Number((1 - 1 / value).toPrecision(4)));
  const x = { label: "recall@10", log: true, min: spread(FROM), max: spread(TO), ticks: MARKED.map(spread), name: nameOf };
  return plot({ title, x, y: QPS, series });
}

/** Filled marks show all resident bytes; hollow ones only codes, links and ids, as with cold full vectors. */
function bytesPlot(title, set, measured) {
  const reaching = measured.filter(({ at }) => at[LEVEL]?.qpsWall);
  const series = reaching.map(({ name, colour, memory, at }) => ({ name, colour, points: [[memory.residentBytes / set.rows, at[LEVEL].qpsWall]] }));
  const cold = reaching.filter(({ memory }) => memory.bytesPerVector);
  series.push(...cold.map(({ name, colour, memory, at }) => ({
    name: `${name}, cold`, colour, hollow: true, points: [[memory.bytesPerVector, at[LEVEL].qpsWall]],
  })));
  return plot({ title, x: { label: "resident bytes a vector", log: true }, y: QPS, series });
}
