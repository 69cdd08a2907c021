// Line and point charts as SVG, for light and dark pages: a media query sets the colour of axes and text, and each
// series has a colour that stands out on both and its own mark, so that series differ by more than colour.
const WIDTH = 900;
const HEIGHT = 460;
const AREA = { left: 70, right: 630, top: 46, bottom: 400 };
const COLOURS = ["#d9480f", "#1c7ed6", "#2f9e44", "#ae3ec9", "#e8a200", "#0c8599", "#e64980", "#868e96", "#74b816", "#5c7cfa"];
const MARKS = ["circle", "square", "triangle", "diamond", "wedge"];
const STYLE = `
    .ink { fill: #24292f; font: 12px system-ui, sans-serif } .title { font-size: 15px; font-weight: 600 } .grid { stroke: #d0d7de } .axis { stroke: #57606a }
    @media (prefers-color-scheme: dark) { .ink { fill: #d1d7e0 } .grid { stroke: #3d444d } .axis { stroke: #9198a1 } }`;

/**
 * Draws `{ title, x, y, series }`. An axis is `{ label, log, min, max, ticks, name }`; missing ends are those of the
 * data, and ticks are at round values. A series is `{ name, points: [[x, y], …], line, hollow, colour }`. Points that
 * are not numbers, or not above zero on a logarithmic axis, are left out. Series with the same number `colour` share a
 * colour and a mark.
 */
export function plot({ title, x, y, series }) {
  const drawn = series.map((one) => ({ ...one, points: one.points.filter(([a, b]) => fits(a, x) && fits(b, y)) })).filter((one) => one.points.length);
  const across = scale(x, drawn.flatMap((one) => one.points.map(([a]) => a)), AREA.left, AREA.right);
  const up = scale(y, drawn.flatMap((one) => one.points.map(([, b]) => b)), AREA.bottom, AREA.top);
  const body = [
    text(AREA.left, 24, title, { class: "ink title" }),
    ...across.ticks.flatMap((tick) => [
      line(across.at(tick), AREA.top, across.at(tick), AREA.bottom, "grid"),
      text(across.at(tick), AREA.bottom + 18, across.name(tick), { "text-anchor": "middle" }),
    ]),
    ...up.ticks.flatMap((tick) => [
      line(AREA.left, up.at(tick), AREA.right, up.at(tick), "grid"),
      text(AREA.left - 8, up.at(tick) + 4, up.name(tick), { "text-anchor": "end" }),
    ]),
    line(AREA.left, AREA.bottom, AREA.right, AREA.bottom, "axis"),
    line(AREA.left, AREA.top, AREA.left, AREA.bottom, "axis"),
    text((AREA.left + AREA.right) / 2, AREA.bottom + 42, x.label, { "text-anchor": "middle" }),
    text(0, 0, y.label, { "text-anchor": "middle", transform: `translate(16 ${(AREA.top + AREA.bottom) / 2}) rotate(-90)` }),
    ...drawn.flatMap((one, i) => drawSeries(one, one.colour ?? i, across, up)),
    ...drawn.flatMap((one, i) => legend(one, one.colour ?? i, AREA.top + 8 + i * Math.min(20, 400 / drawn.length))),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escape(title)}">
  <style>${STYLE}
  </style>
${body.map((element) => `  ${element}`).join("\n")}
</svg>
`;
}

const fits = (value, { log }) => Number.isFinite(value) && (!log || value > 0);

/** Returns the mapping from values to positions between two ends, and the values of the ticks. */
function scale({ log, min, max, ticks: given, name }, values, from, to) {
  const forth = log ? Math.log10 : (value) => value;
  let [low, high] = [min ?? Math.min(...values), max ?? Math.max(...values)].map(forth);
  if (!Number.isFinite(low) || !Number.isFinite(high)) [low, high] = [0, 1];
  // A margin, so that no mark lies on an axis, and some width if all values are equal.
  const room = (high - low || Math.abs(high) || 1) * 0.05;
  if (min === undefined) low -= room;
  if (max === undefined) high += room;
  const ticks = (given ?? (log ? logTicks(low, high) : linearTicks(low, high))).filter((tick) => forth(tick) >= low - 1e-9 && forth(tick) <= high + 1e-9);
  return { ticks, at: (value) => round(from + ((forth(value) - low) / (high - low)) * (to - from)), name: name ?? shortName };
}

/** Returns 1, 2 and 5 times the powers of ten; only the powers if that would be too many. */
export function logTicks(low, high) {
  const factors = high - low > 3 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power++) ticks.push(...factors.map((factor) => factor * 10 ** power));
  return ticks;
}

/** Returns round values for about five to ten steps. */
export function linearTicks(low, high) {
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Formats 20000 as 20k. */
function shortName(value) {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1e4 ? `${value / 1000}k` : String(value);
}

function drawSeries({ points, line: joined, hollow }, colour, across, up) {
  const places = points.map(([x, y]) => [across.at(x), up.at(y)]);
  const path = `<polyline points="${places.map((place) => place.join(",")).join(" ")}" fill="none" stroke="${paint(colour)}" stroke-width="1.8"/>`;
  return [...(joined ? [path] : []), ...places.map(([x, y]) => mark(x, y, colour, hollow))];
}

function legend({ name, hollow }, colour, place) {
  const y = round(place);
  return [mark(AREA.right + 22, y, colour, hollow), text(AREA.right + 34, y + 4, name)];
}

const paint = (colour) => COLOURS[colour % COLOURS.length];

function mark(x, y, colour, hollow) {
  const look = `fill="${hollow ? "none" : paint(colour)}" stroke="${paint(colour)}" stroke-width="1.6"`;
  const r = 3.6;
  const outline = (...corners) => `<polygon points="${corners.map(([dx, dy]) => `${round(x + dx * r)},${round(y + dy * r)}`).join(" ")}" ${look}/>`;
  // The mark shifts by one each time the palette is used up, so that series that share a colour differ by their mark.
  switch (MARKS[(colour + Math.floor(colour / COLOURS.length)) % MARKS.length]) {
    case "square": return outline([-1, -1], [1, -1], [1, 1], [-1, 1]);
    case "triangle": return outline([0, -1.2], [1.1, 0.9], [-1.1, 0.9]);
    case "diamond": return outline([0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]);
    case "wedge": return outline([0, 1.2], [1.1, -0.9], [-1.1, -0.9]);
    default: return `<circle cx="${x}" cy="${y}" r="${r}" ${look}/>`;
  }
}

const round = (value) => Math.round(value * 10) / 10;
const line = (x1, y1, x2, y2, look) => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" class="${look}"/>`;

function text(x, y, words, more = {}) {
  const attributes = Object.entries({ x, y, class: "ink", ...more }).map(([key, value]) => `${key}="${value}"`);
  return `<text ${attributes.join(" ")}>${escape(words)}</text>`;
}

const escape = (words) => String(words).replace(/[&<>"]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter]);
