// A process is killed while it writes. The next one finds everything that was acknowledged, and the interrupted step
// completely or not at all, or in part if it was an append.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after as atEnd, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { nodeStores } from "./bundle.mjs";
import { after, contents, difference, fails, isBeforeOrAfter, random, randomStep } from "./model.mjs";

const { openDirectory, folder, script, tidy } = await nodeStores();
atEnd(tidy);

const WRITER = fileURLToPath(new URL("writer.mjs", import.meta.url));
const ROUNDS = 36;

/** Starts a writer and counts its output lines. */
function start(path, seed, durability) {
  const child = spawn(process.execPath, [WRITER, pathToFileURL(script).href, path, String(seed), durability], { stdio: ["ignore", "pipe", "inherit"] });
  const said = { lines: 0 };
  child.stdout.on("data", (chunk) => (said.lines += chunk.filter((byte) => byte === 10).length));
  const opened = new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", () => reject(new Error("the writer ended by itself")));
  });
  const ended = new Promise((resolve) => child.once("close", (_, signal) => resolve(signal)));
  return { child, said, opened, ended };
}

test(`${ROUNDS} kills of a process that holds the lock and commits`, async () => {
  const path = folder();
  const pick = random(11);
  let model = new Map();
  let steps = 0;
  let midway = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { child, said, opened, ended } = start(path, 100 + round, round % 2 ? "strict" : "relaxed");
    await opened;
    await fails("LOCKED", () => openDirectory(path));
    await new Promise((resolve) => setTimeout(resolve, pick() * 80));
    child.kill("SIGKILL");
    assert.equal(await ended, "SIGKILL");

    const next = random(100 + round);
    const acknowledged = said.lines - 1;
    for (let serial = 1; serial <= acknowledged; serial++) model = after(model, randomStep(next, serial, 60_000));
    const reader = await openDirectory(path, { mode: "readonly" });
    const seen = await contents(reader);
    const store = await openDirectory(path);
    assert.equal(difference(await contents(store), seen), undefined, "a writer sees what a reader sees");
    assert.ok(isBeforeOrAfter(seen, model, randomStep(next, acknowledged + 1, 60_000)), `round ${round}, ${acknowledged} steps: ${difference(seen, model)}`);
    steps += acknowledged;
    midway += difference(seen, model) ? 1 : 0;
    model = seen;
    await store.close();
  }
  assert.ok(steps > ROUNDS, `${steps} steps were acknowledged, ${midway} more were done`);
});
