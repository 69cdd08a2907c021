// Threads in browsers: workers that are started by the worker of the index.
import { SCRIPT, type Needed, type Platform } from "./threads.js";

const SOURCE = `onmessage = ({ data }) => (${SCRIPT})(data, () => postMessage(0));`;

export const platform: Platform = {
  // Some browsers do not report the number.
  cores: () => navigator.hardwareConcurrency || 1,
  start(needed: Needed) {
    const url = URL.createObjectURL(new Blob([SOURCE], { type: "text/javascript" }));
    const worker = new Worker(url);
    const ready = new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = ({ message }) =>
        reject(new Error(message || "its script is refused; does a content security policy lack worker-src blob:?"));
    });
    worker.postMessage(needed);
    return { ready: ready.finally(() => URL.revokeObjectURL(url)), end: () => worker.terminate() };
  },
};
