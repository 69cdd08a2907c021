// Watches which workers are started, in Node and in a browser.
const inNode = typeof process === "object" && process.versions?.node !== undefined;

/** Starts watching. Returns the workers started since then, those running, and a function that stops watching. */
export async function watchWorkers() {
  const started = [];
  const running = new Set();
  const seen = (worker) => void (started.push(worker), running.add(worker));
  if (inNode) {
    const channel = await import("node:diagnostics_channel");
    const listener = ({ worker }) => {
      seen(worker);
      worker.once("exit", () => running.delete(worker));
    };
    channel.subscribe("worker_threads", listener);
    return { started, running, end: () => channel.unsubscribe("worker_threads", listener) };
  }
  const real = globalThis.Worker;
  globalThis.Worker = class extends real {
    constructor(...given) {
      super(...given);
      seen(this);
    }
    terminate() {
      running.delete(this);
      super.terminate();
    }
  };
  return { started, running, end: () => (globalThis.Worker = real) };
}

export { inNode };
