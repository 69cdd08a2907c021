// Stops waiting for work that may never end.
import { checkAborted } from "./guard.js";
import { onAbort } from "./on-abort.js";

/**
 * Settles as `work` does, or rejects with ABORTED `afterMs` milliseconds after the signal fires, whichever comes first.
 */
export function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>, afterMs = 0): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const giveUp = (): void => {
      try {
        checkAborted(signal);
      } catch (error) {
        reject(error);
      }
    };
    const fired = (): void => {
      if (afterMs) timer = setTimeout(giveUp, afterMs);
      else giveUp();
    };
    const stop = onAbort(signal, fired);
    // The signal may have fired since the caller checked it.
    if (signal.aborted) fired();
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      stop();
    });
  });
}
