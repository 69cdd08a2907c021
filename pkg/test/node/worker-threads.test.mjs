// A thread that ends without closing its index, while its process continues.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { VectorIndex } from "thermocline";
import { fails } from "./helpers.mjs";
import { fresh } from "./places.mjs";

const LINUX = { skip: process.platform === "linux" ? false : "only Linux tells that a thread is gone" };
const OPENS = `
  const { parentPort, workerData } = require("node:worker_threads");
  import(workerData.entry).then(async ({ VectorIndex }) => {
    const index = await VectorIndex.open(workerData.place, { dimensions: 2 });
    await index.insertMany([{ id: "a", vector: [1, 2] }, { id: "b", vector: [2, 1] }]);
    parentPort.once("message", (how) => {
      if (how === "exit") process.exit(3);
      if (how === "throw") throw new Error("uncaught");
      if (how === "write") setInterval(() => index.insert([1, 1]));
    });
    parentPort.postMessage("open");
  });
`;

/** Starts a thread that has an index of this entry open. */
async function opener(place, entry) {
  const worker = new Worker(OPENS, { eval: true, workerData: { place, entry: import.meta.resolve(entry) } });
  worker.on("error", () => {});
  const gone = new Promise((resolve) => worker.once("exit", resolve));
  await Promise.race([new Promise((resolve) => worker.once("message", resolve)), gone.then(() => assert.fail("it has ended"))]);
  return { worker, gone };
}

for (const entry of ["thermocline", "thermocline/worker"]) {
  for (const how of ["terminate", "exit", "throw", "write"]) {
    test(`${entry}, ${how}: a thread has its index while it runs, and when it is gone the next finds everything`, LINUX, async () => {
      const place = fresh();
      const { worker, gone } = await opener(place, entry);
      const error = await fails("LOCKED", () => VectorIndex.open(place));
      const [name] = (await readdir(place)).filter((file) => file.startsWith("lock."));
      assert.ok(error.message.includes(name) && /in this process/.test(error.message), error.message);
      worker.postMessage(how);
      if (how === "write") await new Promise((resolve) => setTimeout(resolve, 30));
      if (how !== "exit" && how !== "throw") worker.terminate();
      await gone;
      const index = await VectorIndex.open(place);
      assert.deepEqual([await index.has("a"), await index.has("b"), (await index.check()).ok], [true, true, true]);
      await index.close();
      assert.deepEqual((await readdir(place)).filter((file) => file.startsWith("lock.")), []);
    });
  }
}
