// A caller's own Store for the index in the worker: each call is sent to the page, which makes it.
import type { Store } from "../store.js";
import { errorOf, type ErrorParts } from "./error-parts.js";
import type { Asked } from "./messages.js";

type Ask = (number: number, asked: Asked, transfer: Transferable[]) => void;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export class HostStore {
  readonly #ask: Ask;
  readonly #waiting = new Map<number, Waiting>();
  #count = 0;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Returns the store for the index. `appends` says whether the caller's store has `append`. */
  ofPage(appends: boolean): Store {
    const store: Store = {
      read: (keys) => this.#call({ method: "read", keys: [...keys] }),
      commit: ({ puts, deletes }) => {
        // Copies, because each value is a view of the index's memory, which would be sent as a whole.
        const own = puts.map(([key, bytes]): [string, Uint8Array<ArrayBuffer>] => [key, new Uint8Array(bytes)]);
        return this.#call({ method: "commit", batch: { puts: own, deletes: [...deletes] } }, own.map(([, { buffer }]) => buffer));
      },
      list: (prefix) => this.#call({ method: "list", prefix }),
      close: () => this.#call({ method: "close" }),
    };
    if (appends) {
      store.append = (key, bytes) => {
        const own = new Uint8Array(bytes);
        return this.#call({ method: "append", key, bytes: own }, [own.buffer]);
      };
    }
    return store;
  }

  answered(number: number, value: unknown, error: ErrorParts | undefined): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (error) waiting?.reject(errorOf(error));
    else waiting?.resolve(value);
  }

  #call<T>(asked: Asked, transfer: Transferable[] = []): Promise<T> {
    const number = ++this.#count;
    this.#ask(number, asked, transfer);
    return new Promise<unknown>((resolve, reject) => this.#waiting.set(number, { resolve, reject })) as Promise<T>;
  }
}
