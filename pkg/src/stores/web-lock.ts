// The lock for one writer of a place among all tabs and workers of a browser: a Web Lock, which the browser releases
// when a tab ends for any reason.
import { fail } from "../guard.js";
import { takeAskedLock } from "./asked-lock.js";
import { step } from "./failure.js";

/** Takes the lock of this name, and returns a function that releases it. LOCKED while this or another page has it. */
export function takeWebLock(name: string): Promise<() => Promise<void>> {
  return step(`locking ${name}`, async () => (globalThis.navigator?.locks ? takeReal(name) : takeAskedLock(name)));
}

function takeReal(name: string): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    const given = navigator.locks.request(name, { ifAvailable: true, mode: "exclusive" }, (lock) => {
      if (!lock) fail("LOCKED", `${name} is open for writing in this or another tab or worker`);
      return new Promise<void>((release) =>
        resolve(() => {
          release();
          return given;
        }),
      );
    }) as Promise<void>;
    given.catch(reject);
  });
}

