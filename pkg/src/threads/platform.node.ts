// Threads in Node: workers that are started by the main thread or by another worker.
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { SCRIPT, type Needed, type Platform } from "./threads.js";

const SOURCE =
  `const { parentPort, workerData } = require("node:worker_threads"); (${SCRIPT})(workerData, () => parentPort.postMessage(0));`;

export const platform: Platform = {
  cores: availableParallelism,
  start(needed: Needed) {
    // The process's options are not passed on: they are not meant for a thread that runs no script of the program.
    const worker = new Worker(SOURCE, { eval: true, workerData: needed, execArgv: [] });
    const ready = new Promise<void>((resolve, reject) => {
      worker.once("message", resolve);
      worker.on("error", reject);
      worker.once("exit", () => reject(new Error("it has ended")));
    });
    // Unreferenced only once it is ready: while it starts, there may be nothing else to keep the process alive.
    return { ready: ready.then(() => worker.unref()), end: () => void worker.terminate() };
  },
};
