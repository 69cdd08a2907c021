// What a platform has to run an index's worker with.
import type { News, Order } from "./messages.js";

/** A worker, as its page sees it. */
export interface Running {
  /** Throws what cannot be sent. */
  post(order: Order, transfer?: Transferable[]): void;
  /** Whether it keeps a Node process alive. At first it does. */
  hold(isHeld: boolean): void;
  /** It has said all: settles when it is gone, or when that takes long. */
  leave(): Promise<void>;
  /** Ends it at once. */
  end(): void;
}

/** What whoever starts one is told. */
export interface Heard {
  news(news: News): void;
  /** It has ended by itself, or cannot be started. Once, and after it nothing. */
  ended(why: unknown): void;
}

export type Start = (heard: Heard) => Running;

/** The page, as its worker sees it. */
export interface Page {
  post(news: News, transfer?: Transferable[]): void;
  onOrder(listener: (order: Order) => void): void;
  /** The worker has nothing more to do. */
  leave(): void;
}
