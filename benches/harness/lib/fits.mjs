// How cost grows with size.

/** Returns the slope of the least-squares line through points `[x, y]`; undefined for fewer than two different x. */
export function slope(points) {
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x0, y0] = [mean(([x]) => x), mean(([, y]) => y)];
  const spread = points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
  return spread > 0 ? points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0) / spread : undefined;
}

/** Returns the b of `cost ~ n^b` fitted to `{ n, cost }`. */
export function exponent(points) {
  return slope(points.map(({ n, cost }) => [Math.log(n), Math.log(cost)]));
}

/** Returns the b that `law(n)` would have over the same sizes, to compare the measured one with. */
export function exponentOf(law, points) {
  return exponent(points.map(({ n }) => ({ n, cost: law(n) })));
}
