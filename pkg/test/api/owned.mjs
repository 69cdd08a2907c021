// Counts what a program leaves pending with its platform: timers, idle and other callbacks, tasks, listeners on
// signals, channels of messages, workers. Those that have run, or were cleared, closed or removed, no longer count.

/** Starts watching. Returns what is pending, by kind, and a function that stops watching. */
export function watch() {
  const waiting = new Map();
  const restores = [];
  const replace = (object, name, make) => {
    const original = object[name];
    if (typeof original !== "function") return;
    object[name] = make(original);
    restores.push(() => (object[name] = original));
  };
  const hold = (kind, key) => waiting.set(key, kind);
  // Functions that register a callback that runs once, and those that cancel it.
  for (const [set, clear] of [["setTimeout", "clearTimeout"], ["setImmediate", "clearImmediate"], ["requestIdleCallback", "cancelIdleCallback"]]) {
    replace(globalThis, set, (original) => (run, ...rest) => {
      const key = original((...given) => {
        waiting.delete(key);
        return run(...given);
      }, ...rest);
      hold(set, key);
      return key;
    });
    replace(globalThis, clear, (original) => (key) => {
      waiting.delete(key);
      return original(key);
    });
  }
  replace(globalThis, "setInterval", (original) => (...given) => {
    const key = original(...given);
    hold("setInterval", key);
    return key;
  });
  replace(globalThis, "clearInterval", (original) => (key) => {
    waiting.delete(key);
    return original(key);
  });
  const listen = AbortSignal.prototype.addEventListener;
  replace(AbortSignal.prototype, "addEventListener", (original) => function (type, run, ...rest) {
    hold("listener", run);
    return original.call(this, type, run, ...rest);
  });
  replace(AbortSignal.prototype, "removeEventListener", (original) => function (type, run, ...rest) {
    waiting.delete(run);
    return original.call(this, type, run, ...rest);
  });
  replace(globalThis, "MessageChannel", (original) => class extends original {
    constructor() {
      super();
      // Closing one port closes both.
      hold("MessageChannel", this);
      for (const port of [this.port1, this.port2]) {
        port.close = () => {
          waiting.delete(this);
          MessagePort.prototype.close.call(port);
        };
      }
    }
  });
  // A task counts until it has run, or its signal has taken it back.
  if (globalThis.scheduler) {
    replace(Object.getPrototypeOf(scheduler), "postTask", (original) => function (run, options) {
      const task = {};
      const ended = () => void waiting.delete(task);
      hold("postTask", task);
      if (options?.signal) listen.call(options.signal, "abort", ended);
      return original.call(this, (...given) => (ended(), run(...given)), options);
    });
  }
  // A worker is gone once it is terminated, a channel once it is closed.
  for (const [name, end] of [["Worker", "terminate"], ["SharedWorker", "terminate"], ["BroadcastChannel", "close"]]) {
    replace(globalThis, name, (original) => class extends original {
      constructor(...given) {
        super(...given);
        hold(name, this);
      }
      [end]() {
        waiting.delete(this);
        super[end]?.();
      }
    });
  }
  return {
    /** The kinds, sorted, one entry for each pending item. */
    waiting: () => [...waiting.values()].sort(),
    end: () => restores.forEach((restore) => restore()),
  };
}
