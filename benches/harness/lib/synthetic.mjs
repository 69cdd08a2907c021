// Clustered vectors of low intrinsic dimension, compared by l2. A vector is its cluster's centre, plus an offset along
// a few axes of decaying length, plus a little noise in every dimension:
//
//     x = centre + sum over j of (g_j * j^-1/2 * scale) * axis_j + noise
//
// Centres share a 64-dimensional space, so clusters overlap and have neighbours of their own; their sizes follow a
// power law, so some regions are dense and some sparse. Queries come from the same mixture, from a separate random
// stream.
import { Random } from "./random.mjs";

const SHAPE = { clusters: 400, axes: 24, hub: 64, noise: 0.68, between: 1, spread: 1, sizes: 0.7 };

/** Returns `{ base, queries, dimensions }`, flat and row-major; the same for the same arguments. */
export function synthesize(shape) {
  const { pieces, queries } = synthesizer(shape, shape.rows);
  return { dimensions: shape.dimensions, base: pieces().next().value, queries };
}

/** The same with the base in pieces of `pieceRows` rows, since the whole base may not fit into one array. */
export function synthesizer({ rows, queries, dimensions, seed }, pieceRows) {
  const mixture = makeMixture(dimensions, seed);
  return {
    *pieces() {
      const random = new Random(seed + 1_000_003);
      for (let at = 0; at < rows; at += pieceRows) yield draw(mixture, Math.min(pieceRows, rows - at), dimensions, random);
    },
    queries: draw(mixture, queries, dimensions, new Random(seed + 2_000_003)),
  };
}

function makeMixture(dimensions, seed) {
  const random = new Random(seed);
  const { clusters, axes, hub, between, spread, sizes } = SHAPE;
  const hubAxes = directions(random, Math.min(hub, dimensions), dimensions);
  const lengths = Array.from({ length: axes }, (_, j) => (j + 1) ** -0.5);
  const scale = spread / Math.hypot(...lengths);

  const weights = random.shuffle(Array.from({ length: clusters }, (_, c) => (c + 1) ** -sizes));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let upTo = 0;
  return weights.map((weight) => {
    upTo += weight / total;
    const centre = new Float32Array(dimensions);
    for (const axis of hubAxes) add(centre, axis, (random.normal() * between) / Math.sqrt(hubAxes.length));
    const frame = directions(random, axes, dimensions);
    frame.forEach((axis, j) => axis.forEach((value, i) => (axis[i] = value * lengths[j] * scale)));
    return { upTo, centre, frame };
  });
}

/** Returns random unit vectors, which are almost orthogonal in hundreds of dimensions. */
function directions(random, count, dimensions) {
  return Array.from({ length: count }, () => {
    const axis = Float32Array.from({ length: dimensions }, () => random.normal());
    const length = Math.hypot(...axis);
    return axis.map((value) => value / length);
  });
}

function draw(mixture, count, dimensions, random) {
  const out = new Float32Array(count * dimensions);
  const noise = SHAPE.noise / Math.sqrt(dimensions);
  for (let r = 0; r < count; r++) {
    const x = out.subarray(r * dimensions, (r + 1) * dimensions);
    const at = random.uniform();
    const { centre, frame } = mixture.find((cluster) => at < cluster.upTo) ?? mixture.at(-1);
    for (let i = 0; i < dimensions; i++) x[i] = centre[i] + noise * random.normal();
    for (const axis of frame) add(x, axis, random.normal());
  }
  return out;
}

function add(x, axis, factor) {
  for (let i = 0; i < x.length; i++) x[i] += factor * axis[i];
}
