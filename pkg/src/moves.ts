// Moves an open index into fresh WebAssembly instances, one move at a time.
import type { Handle } from "./handle.js";
import type { Keeper } from "./stored/keeper.js";
import { moveIndex, type Moved } from "./open.js";

export class Moves {
  readonly #handle: Handle;
  readonly #keeper: Keeper | undefined;
  #moving: Promise<Moved> | undefined;
  /** Settles when the memories of all former instances are overwritten. Never rejects. */
  #overwriting: Promise<void> = Promise.resolve();

  constructor(handle: Handle, keeper: Keeper | undefined) {
    this.#handle = handle;
    this.#keeper = keeper;
  }

  /** Moves into a fresh instance, or joins the running move. */
  async reload(): Promise<{ returnedBytes: number }> {
    return (await (this.#moving ?? this.#move())).report;
  }

  /** Moves into a fresh instance, and waits until the memories of all former instances are overwritten. */
  async renew(): Promise<void> {
    // A move that began before this call may carry along data that is to be erased. Several calls may wait for the same
    // move, so each checks again whether another call has started the next one.
    while (this.#moving) await this.#moving.catch(() => {});
    await (await this.#move()).overwritten;
    await this.#overwriting;
  }

  #move(): Promise<Moved> {
    return (this.#moving = moveIndex(this.#handle, this.#keeper)
      .then((ended) => {
        this.#overwriting = Promise.allSettled([this.#overwriting, ended.overwritten]).then(() => {});
        return ended;
      })
      .finally(() => (this.#moving = undefined)));
  }
}
