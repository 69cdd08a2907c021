// The colours of the pictures: each can be seen on its card, and no two are equal, in both themes.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

const PICTURES = [["live", "dead"], ["warm", "codes", "graph", "ids", "cold"], ["hot", "warm", "cold"], ["segments", "cold", "log"]];

/** Relative luminance and contrast as WCAG 2 defines them. */
function luminance(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [dark, bright] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (bright + 0.05) / (dark + 0.05);
}

test("what the pictures show stands out from the card by 3:1", async () => {
  const css = await readFile(new URL("../src/styles/base.css", import.meta.url), "utf8");
  const pairs = css.matchAll(/--(\w+): light-dark\((#\w{6}), (#\w{6})\)/g);
  const colours = Object.fromEntries([...pairs].map(([, name, light, dark]) => [name, { light, dark }]));
  for (const theme of ["light", "dark"]) {
    for (const names of PICTURES) {
      for (const name of names) {
        const found = contrast(colours[name][theme], colours.card[theme]);
        assert.ok(found >= 3, `${name}, ${theme}: ${found.toFixed(2)}`);
      }
    }
    const all = [...new Set(PICTURES.flat())].map((name) => colours[name][theme]);
    assert.equal(new Set(all).size, all.length, `${theme}: two of ${all} are equal`);
  }
});
