// The lock for one writer in browsers without Web Locks (pages without HTTPS, engines before 2022): whoever wants it
// asks all other pages and workers of the origin, and whoever has it answers.
import { fail } from "../guard.js";
import { nextTurn } from "../turn.js";

/**
 * Time to wait for an answer, in milliseconds. A page that is busy for longer, or frozen by the browser, does not
 * answer, and two pages can then write to one index. There is no other way to detect this.
 */
const ANSWER_MS = 250;

/**
 * How often to ask, if the thread was busy while an answer may have come. A page in the background may look busy at
 * each turn, because its timers are late.
 */
const MAX_ASKS = 5;

/** The locks of this page or worker. */
const held = /* @__PURE__ */ new Set<string>();

/** A message: the random number of the one who asks, or of the one who is refused. */
interface Said {
  readonly asks?: number;
  readonly refuses?: number;
}

/** Takes the lock of this name, and returns a function that releases it. LOCKED while anyone else has it. */
export async function takeAskedLock(name: string): Promise<() => Promise<void>> {
  if (held.has(name)) locked(name, "in this page");
  held.add(name);
  try {
    const giveUp = await askOthers(name);
    return async () => {
      giveUp();
      held.delete(name);
    };
  } catch (error) {
    held.delete(name);
    throw error;
  }
}

/** Asks the others, and from then on answers requests. Returns a function that stops answering. */
async function askOthers(name: string): Promise<() => void> {
  // Only browsers have `isSecureContext`. Elsewhere, where stores are tested, there is nobody to ask.
  if (typeof BroadcastChannel !== "function" || globalThis.isSecureContext === undefined) return () => {};
  const channel = new BroadcastChannel(name);
  const own = Math.random();
  let state: "asking" | "owner" | "refused" = "asking";
  channel.onmessage = ({ data: { asks, refuses } }: MessageEvent<Said>) => {
    // A refusal that comes later is by one who was busy while this one asked. It asks again, and is refused.
    if (refuses === own && state === "asking") state = "refused";
    if (asks === undefined || state === "refused") return;
    // If several ask at the same time, the lowest number wins.
    if (state === "owner" || own < asks) channel.postMessage({ refuses: asks });
    else state = "refused";
  };
  for (let asks = 1, isLate = true; state === "asking" && isLate && asks <= MAX_ASKS; asks++) {
    const began = performance.now();
    channel.postMessage({ asks: own });
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    // An answer may have arrived while this thread was busy and wait behind the timer. After a delay it asks again: who
    // has taken the lock meanwhile answers that.
    await nextTurn();
    await nextTurn();
    isLate = performance.now() - began > 1.5 * ANSWER_MS;
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
