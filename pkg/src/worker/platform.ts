// What a platform provides to run the worker of an index.
import type { News, Order } from "./messages.js";

/** A worker, as its page sees it. */
export interface Running {
  /** Sends an order. Throws when it cannot be sent. */
  post(order: Order, transfer?: Transferable[]): void;
  /** Says whether the worker keeps a Node process alive. At first it does. */
  keepAlive(isKept: boolean): void;
  /** Lets a worker go that has given its last answer. Settles when it is gone, or after a while. */
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
  /** To be called when the worker has nothing more to do. */
  leave(): void;
}
