// Exact search by brute force, in float64, to compare the index's answers with.

/** 1 - cos of two unit vectors, summed in float64. */
export function cosineDistance(a, b) {
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += a[i] * b[i];
  return 1 - dot;
}

/**
 * The k nearest rows of `data`, nearest first (ties to the lower row).
 * @param {(row: number) => boolean} allowed which rows take part; all by default
 * @returns {{ row: number, distance: number }[]}
 */
export function exactNearest(data, query, k, allowed = () => true) {
  const best = [];
  for (let row = 0; row < data.length; row++) {
    if (!allowed(row)) continue;
    const distance = cosineDistance(data.vector(row), query);
    if (best.length === k && distance >= best[k - 1].distance) continue;
    let at = best.length;
    while (at > 0 && best[at - 1].distance > distance) at--;
    best.splice(at, 0, { row, distance });
    if (best.length > k) best.pop();
  }
  return best;
}

/** The share of the exact neighbours (by id) that the hits contain; 1 when there are none to find. */
export function recall(hits, exact, data) {
  if (exact.length === 0) return 1;
  const found = new Set(hits.map((hit) => hit.id));
  return exact.filter(({ row }) => found.has(data.rows[row].id)).length / exact.length;
}
