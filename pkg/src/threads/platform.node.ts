// Threads in Node, in its main thread and in its workers.
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { SCRIPT, type Needed, type Platform } from "./threads.js";

const SOURCE = `const { parentPort, workerData } = require("node:worker_threads"); (${SCRIPT})(workerData, () => parentPort.postMessage(0));`;

export const platform: Platform = {
  cores: availableParallelism,
  start(needed: Needed) {
    // Without what the process was started with: none of it is for a thread that runs nobody's scripts.
    const worker = new Worker(SOURCE, { eval: true, workerData: needed, execArgv: [] });
    const ready = new Promise<void>((resolve, reject) => {
      worker.once("message", resolve);
      worker.on("error", reject);
      worker.once("exit", () => reject(new Error("it has ended")));
    });
    // Not before: nothing else may keep the process alive while it starts.
    return { ready: ready.then(() => worker.unref()), end: () => void worker.terminate() };
  },
};
