// The interface between a platform and the worker of an index.
import type { News, Order } from "./messages.js";

/** A worker, as its page sees it. */
export interface Running {
  /** Sends an order. Throws if it cannot be sent. */
  post(order: Order, transfer?: Transferable[]): void;
  /** Sets whether the worker keeps a Node process alive. Initially it does. */
  keepAlive(isKept: boolean): void;
  /** Releases a worker that has sent its last answer. Settles when it is gone, or after a while. */
  leave(): Promise<void>;
  /** Ends the worker at once. Settles when it is gone, or after a while. */
  end(): Promise<void>;
}

/** Callbacks of the page that starts a worker. */
export interface Heard {
  news(news: News): void;
  /** Called once when the worker has ended by itself or cannot be started. No other callback follows. */
  ended(why: unknown): void;
}

export type Start = (heard: Heard) => Running;

/** The page, as its worker sees it. */
export interface Page {
  post(news: News, transfer?: Transferable[]): void;
  onOrder(listener: (order: Order) => void): void;
  /** Call this when the worker has nothing more to do. */
  leave(): void;
}
