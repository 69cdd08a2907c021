// The demo as people start it, in a process of its own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const demo = fileURLToPath(new URL("../demo.mjs", import.meta.url));

/** Where these runs keep their index, so that the index of a person's own runs is not touched. */
const kept = mkdtempSync(join(tmpdir(), "thermocline-demo-"));
after(() => rmSync(kept, { recursive: true, force: true }));

async function run(...args) {
  const child = spawn(process.execPath, [demo, "--keep", join(kept, "index"), ...args], { env: { ...process.env, NO_COLOR: "1" } });
  const text = { out: "", err: "" };
  child.stdout.on("data", (chunk) => (text.out += chunk));
  child.stderr.on("data", (chunk) => (text.err += chunk));
  const [code] = await once(child, "close");
  return { code, ...text };
}

test("--once does the whole job, verifies every claim and exits 0", { timeout: 120_000 }, async () => {
  const { code, out, err } = await run("--once");
  assert.equal(err, "");
  assert.equal(code, 0, out);
  assert.doesNotMatch(out, /NOT TRUE/);
  assert.match(out, /✓ all 23 claims above were verified in this run/);
  assert.match(out, /an earlier run\s+left nothing here/);
  for (const [, recall] of out.matchAll(/recall@10 vs exact\s+(\d\.\d+)/g)) assert.ok(Number(recall) >= 0.9, recall);
  const [, searches] = /(\d[\d,]*) searches ran between the slices/.exec(out);
  assert.ok(Number(searches.replaceAll(",", "")) > 0);
});

test("a smaller category and full-precision codes go the same way", { timeout: 120_000 }, async () => {
  const { code, out } = await run("--once", "--categories", "noun.animal", "--quantization", "none", "--slice-ms", "1");
  assert.equal(code, 0, out);
  assert.match(out, /317 records/);
  assert.match(out, /an earlier run\s+left \d,\d{3} records at 20/, "the second run opens what the first has left");
});

test("options that make no sense are refused with the usage", async () => {
  for (const args of [["--port", "x"], ["--slice-ms", "0"], ["--categories", "noun.unicorn"], ["--what"]]) {
    const { code, err } = await run("--once", ...args);
    assert.equal(code, 2, args.join(" "));
    assert.ok(err.length > 0, args.join(" "));
  }
});

test("without --once the page is served until the process is told to stop", { timeout: 120_000 }, async () => {
  const child = spawn(process.execPath, [demo, "--keep", join(kept, "served"), "--port", "0"], { env: { ...process.env, NO_COLOR: "1" } });
  let out = "";
  let stopped = false;
  const closed = once(child, "close").then(([code]) => ((stopped = true), code));
  child.stdout.on("data", (chunk) => (out += chunk));
  while (!/open\s+http/.test(out) && !stopped) await new Promise((resolve) => setTimeout(resolve, 50));
  const [, url] = /open\s+(http\S+)/.exec(out) ?? [];
  assert.ok(url, out);
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.match(await response.text(), /<title>Thermocline/);
  child.kill("SIGINT");
  assert.equal(await closed, 0);
});
