// How cost grows with size.

/** The slope of the straight line with the least squares through points `[x, y]`; undefined of fewer than two different x. */
export function slope(points) {
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x0, y0] = [mean(([x]) => x), mean(([, y]) => y)];
  const spread = points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
  return spread > 0 ? points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0) / spread : undefined;
}

/** The b of `cost ~ n^b` through `{ n, cost }`. */
export function exponent(points) {
  return slope(points.map(({ n, cost }) => [Math.log(n), Math.log(cost)]));
}

/** The b that `law(n)` would show over the same sizes, with which the measured one is compared. */
export function exponentOf(law, points) {
  return exponent(points.map(({ n }) => ({ n, cost: law(n) })));
}
