// A worker of Node.
import { Worker } from "node:worker_threads";
import type { Heard, Running } from "./platform.js";

/** So long it is waited for the end of one that has said all: that of one in a directory ends with the last call to the system. */
const LEAVING_MS = 1000;

export function running(script: string | URL, heard: Heard): Running {
  // Without what the process was started with, and without its input: none of that is for a thread that runs nobody's scripts.
  const worker = new Worker(script, { execArgv: [], stdin: false, name: "thermocline" });
  let error: unknown;
  worker.on("message", (news) => heard.news(news));
  worker.on("messageerror", (thrown) => {
    error ??= thrown;
    void worker.terminate();
  });
  worker.on("error", (thrown) => (error ??= thrown));
  worker.once("exit", (code) => heard.ended(error ?? `it has ended with code ${code}`));
  return {
    post: (order, transfer = []) => worker.postMessage(order, transfer as never),
    hold: (isHeld) => (isHeld ? worker.ref() : worker.unref()),
    leave() {
      worker.ref();
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          worker.unref();
          resolve();
        }, LEAVING_MS);
        worker.once("exit", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
    end: () => void worker.terminate(),
  };
}
