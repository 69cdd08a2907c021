// Makes the calls to a caller's own Store, on the page, for the index in a worker. The store is locked with the first
// call, since by then the worker has checked the other options. It is given back after the worker is gone and the last
// call has ended, and is closed then if there was an index.
import { claim, type Release } from "../stored/claim.js";
import { typedArrayName } from "../guard.js";
import type { Mode, Store } from "../store.js";
import { keptPartsOf, type ErrorParts } from "./error-parts.js";
import type { Asked } from "./messages.js";

export interface Answer {
  readonly value?: unknown;
  readonly error?: ErrorParts;
  readonly transfer?: Transferable[];
}

export class StoreServer {
  readonly #store: Store;
  readonly #mode: Mode;
  #release: Release | undefined;
  #hasIndex = false;
  /** Why the store could not be locked. */
  #refusal: unknown;
  #isOver = false;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(store: Store, mode: Mode | undefined) {
    this.#store = store;
    this.#mode = mode ?? "readwrite";
  }

  /** Makes the call. Never rejects. */
  async answer(asked: Asked): Promise<Answer> {
    try {
      if (this.#isOver) return {};
      const called = this.#call(asked);
      this.#underWay.add(called);
      const value = await called.finally(() => this.#underWay.delete(called));
      if (asked.method !== "read" || !Array.isArray(value)) return { value: asked.method === "list" ? value : undefined };
      const transfer: Transferable[] = [];
      return { value: value.map((found) => copyOf(found, transfer)), transfer };
    } catch (error) {
      return { error: keptPartsOf(error) };
    }
  }

  /** Call once there is an index: it closes the store. */
  opened(): void {
    this.#hasIndex = true;
  }

  /** Gives the store back. Call it when the worker is gone. Never rejects. */
  async end(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await Promise.allSettled(this.#underWay);
    await this.#release?.(this.#hasIndex).catch(() => {});
  }

  async #call(asked: Asked): Promise<unknown> {
    const store = this.#store;
    if (!this.#release) this.#take();
    switch (asked.method) {
      case "read": return store.read(asked.keys);
      case "commit": return store.commit(asked.batch);
      case "append": return store.append!(asked.key, asked.bytes);
      case "list": return store.list(asked.prefix);
      case "close": return this.#release!(true);
    }
  }

  #take(): void {
    if (this.#refusal) throw this.#refusal;
    try {
      const release = claim(this.#store, this.#mode);
      let released: Promise<void> | undefined;
      this.#release = (closes) => (released ??= release(closes));
    } catch (error) {
      // Another index has the store and will close it.
      this.#refusal = error;
      throw error;
    }
  }
}

/** Copies bytes for a transfer. Any other value is returned unchanged: the index reports what is wrong with it. */
function copyOf(found: unknown, transfer: Transferable[]): unknown {
  if (typedArrayName(found) !== "Uint8Array") return found;
  const copy = new Uint8Array(found as Uint8Array);
  transfer.push(copy.buffer);
  return copy;
}
