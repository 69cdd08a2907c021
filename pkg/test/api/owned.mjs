// Counts what a program leaves pending with its platform: timers, idle and other callbacks, listeners on signals,
// workers. Those that have run, or were cleared or removed, no longer count.

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
  replace(AbortSignal.prototype, "addEventListener", (original) => function (type, run, ...rest) {
    hold("listener", run);
    return original.call(this, type, run, ...rest);
  });
  replace(AbortSignal.prototype, "removeEventListener", (original) => function (type, run, ...rest) {
    waiting.delete(run);
    return original.call(this, type, run, ...rest);
  });
  for (const name of ["Worker", "SharedWorker", "BroadcastChannel"]) {
    replace(globalThis, name, (original) => class extends original {
      constructor(...given) {
        super(...given);
        hold(name, this);
      }
      terminate() {
        waiting.delete(this);
        super.terminate();
      }
    });
  }
  return {
    /** The kinds, sorted, one entry for each pending item. */
    waiting: () => [...waiting.values()].sort(),
    end: () => restores.forEach((restore) => restore()),
  };
}
