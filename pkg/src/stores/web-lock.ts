// One writer for a place in a browser, over all its tabs and workers: a Web Lock, which the browser gives back when a tab is
// gone, however it went.
import { fail } from "../guard.js";
import { step } from "./failure.js";

/**
 * Stands in where there are no Web Locks (pages without HTTPS, engines before 2022): it keeps one page from opening a place
 * twice. There two tabs can write to one index, which damages it; nothing that a page has could tell.
 */
const held = /* @__PURE__ */ new Set<string>();

/** Takes the lock of this name, and returns what gives it back. LOCKED while anybody has it, this page too. */
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
