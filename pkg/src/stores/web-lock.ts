// The lock for one writer of a place among all tabs and workers of a browser: a Web Lock, which the browser releases
// when a tab ends for whatever reason.
import { fail } from "../guard.js";
import { step } from "./failure.js";

/**
 * The locks of this page, where there are no Web Locks (pages without HTTPS, engines before 2022). They only keep one
 * page from opening a place twice. Two tabs can then write to one index, which damages it, and a page has no means to
 * notice.
 */
const held = /* @__PURE__ */ new Set<string>();

/** Takes the lock of this name, and returns a function that releases it. LOCKED while this or another page has it. */
export function takeWebLock(name: string): Promise<() => Promise<void>> {
  return step(`locking ${name}`, async () => (globalThis.navigator?.locks ? takeReal(name) : takeHere(name)));
}

function takeReal(name: string): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    const given = navigator.locks.request(name, { ifAvailable: true, mode: "exclusive" }, (lock) => {
      if (!lock) locked(name, "in this or another tab or worker");
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

function takeHere(name: string): () => Promise<void> {
  if (held.has(name)) locked(name, "in this page");
  held.add(name);
  return async () => void held.delete(name);
}

function locked(name: string, where: string): never {
  fail("LOCKED", `${name} is open for writing ${where}`);
}
