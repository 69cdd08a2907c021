// Waiting until an index has moved into another instance: a change made meanwhile would be lost.
import { unlessAborted } from "./abort.js";
import type { Handle } from "./handle.js";

/** Waits until the index does not move. Rejects if the index is closed, or the signal fires. */
export async function unmoved(handle: Handle, signal?: AbortSignal): Promise<void> {
  while (handle.isMoving) await unlessAborted(signal, handle.moveEnded());
  handle.checkOpen();
}
