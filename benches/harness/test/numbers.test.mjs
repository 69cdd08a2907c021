import assert from "node:assert/strict";
import { test } from "node:test";
import { atRecall, median, quantile } from "../lib/numbers.mjs";

test("quantiles lie between the nearest ranks", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(quantile([10, 20, 30, 40, 50], 0.9), 46);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

test("a curve is read between the points around a recall, in any order of points", () => {
  const points = [{ ef: 20, recall: 0.96, qps: 100 }, { ef: 10, recall: 0.92, qps: 400 }, { ef: 40, recall: 0.98, qps: 50 }];
  assert.ok(Math.abs(atRecall(points, 0.94, "qps") - 200) < 1e-9, "half way in recall is half way in log QPS");
  assert.ok(Math.abs(atRecall(points, 0.96, "qps") - 100) < 1e-9);
  assert.equal(atRecall(points, 0.9, "qps"), 400, "the narrowest width has more recall: its value");
  assert.equal(atRecall(points, 0.99, "qps"), undefined, "nothing reaches it");
});
