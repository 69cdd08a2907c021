// A worker in Node.
import { Worker } from "node:worker_threads";
import type { Heard, Running } from "./platform.js";

/**
 * Longest wait for the end of a worker that has sent its last answer or was terminated, in milliseconds. A worker with
 * a directory ends after its last system call.
 */
const LEAVING_MS = 1000;

export function running(script: string | URL, heard: Heard): Running {
  // The process's options and input are not passed on: they are not meant for a thread that runs no script of the
  // program.
  const worker = new Worker(script, { execArgv: [], stdin: false, name: "thermocline" });
  let error: unknown;
  worker.on("message", (news) => heard.news(news));
  worker.on("messageerror", (thrown) => {
    error ??= thrown;
    void worker.terminate();
  });
  worker.on("error", (thrown) => (error ??= thrown));
  worker.once("exit", (code) => heard.ended(error ?? `it has ended with code ${code}`));
  const gone = (): Promise<void> => {
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
  };
  return {
    post: (order, transfer = []) => worker.postMessage(order, transfer as never),
    keepAlive: (isKept) => (isKept ? worker.ref() : worker.unref()),
    leave: gone,
    end() {
      void worker.terminate();
      return gone();
    },
  };
}
