// Listening to a signal. Many calls may share one, and Node warns of more than ten listeners.

/** What to do when a signal fires, for all who wait for that, and the one listener that does it. */
interface Listening {
  readonly runs: Set<() => void>;
  readonly listener: () => void;
}

const listening = new WeakMap<AbortSignal, Listening>();

/** Runs `run` when the signal fires. Returns a function that prevents that; call it once nothing waits any longer. */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (!signal) return () => {};
  let found = listening.get(signal);
  if (!found) {
    const runs = new Set<() => void>();
    found = { runs, listener: () => runs.forEach((each) => each()) };
    listening.set(signal, found);
  }
  const { runs, listener } = found;
  if (!runs.size) signal.addEventListener("abort", listener);
  runs.add(run);
  return () => {
    if (runs.delete(run) && !runs.size) signal.removeEventListener("abort", listener);
  };
}
