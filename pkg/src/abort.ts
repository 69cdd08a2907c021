// Giving up what may never end.
import { checkAborted } from "./guard.js";

/** What the work comes to, or ABORTED so many milliseconds after the signal has fired, whether or not the work has ended by then. */
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
    signal.addEventListener("abort", fired);
    // It may have fired since it was looked at.
    if (signal.aborted) fired();
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", fired);
    });
  });
}
