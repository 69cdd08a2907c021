// The lock for one writer where a browser has no Web Locks (pages without HTTPS, engines before 2022): whoever wants it
// asks all other pages and workers of the origin, and whoever has it answers.
import { fail } from "../guard.js";
import { nextTurn } from "../turn.js";

/**
 * Time for an answer, in milliseconds. A page that is busy for longer, or that the browser has frozen, does not answer,
 * and two pages can then write to one index. A page has no other means to notice.
 */
const ANSWER_MS = 250;

/** The locks of this page or worker. */
const held = /* @__PURE__ */ new Set<string>();

/** What is said: a number that was drawn for the one who asks, or to whom it is answered. */
interface Said {
  readonly asks?: number;
  readonly refuses?: number;
}

/** Takes the lock of this name, and returns a function that releases it. LOCKED while another has it. */
export async function takeAskedLock(name: string): Promise<() => Promise<void>> {
  if (held.has(name)) locked(name, "in this page");
  held.add(name);
  try {
    const giveUp = await asked(name);
    return async () => {
      giveUp();
      held.delete(name);
    };
  } catch (error) {
    held.delete(name);
    throw error;
  }
}

/** Asks the others, and from then on answers those who ask. Returns a function that ends the answering. */
async function asked(name: string): Promise<() => void> {
  // Only browsers tell whether a context is secure. Elsewhere, where stores are tested, there is nobody else to ask.
  if (typeof BroadcastChannel !== "function" || globalThis.isSecureContext === undefined) return () => {};
  const channel = new BroadcastChannel(name);
  const own = Math.random();
  let state: "asking" | "owner" | "refused" = "asking";
  channel.onmessage = ({ data: { asks, refuses } }: MessageEvent<Said>) => {
    if (refuses === own) state = "refused";
    if (asks === undefined || state === "refused") return;
    // Of several who ask at the same time, the one with the lowest number gets it.
    if (state === "owner" || own < asks) channel.postMessage({ refuses: asks });
    else state = "refused";
  };
  for (let began = -Infinity; state === "asking" && performance.now() - began > 2 * ANSWER_MS; ) {
    began = performance.now();
    channel.postMessage({ asks: own });
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    // An answer may have come while this thread was busy, and wait behind the timer. After long it asks again.
    await nextTurn();
    await nextTurn();
  }
  if ((state as string) === "refused") {
    channel.close();
    locked(name, "in another tab or worker");
  }
  state = "owner";
  return () => channel.close();
}

function locked(name: string, where: string): never {
  fail("LOCKED", `${name} is open for writing ${where}`);
}
