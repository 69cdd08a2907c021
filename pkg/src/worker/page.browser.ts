// The page, as a worker in a browser sees it.
import type { Order } from "./messages.js";
import type { Page } from "./platform.js";

/** The global object of a worker, which TypeScript's library for pages does not declare. */
declare const self: { onmessage: unknown; postMessage(message: unknown, transfer: Transferable[]): void };

export const page: Page = {
  post: (news, transfer = []) => self.postMessage(news, transfer),
  onOrder(listener) {
    self.onmessage = ({ data }: MessageEvent<Order>) => listener(data);
  },
  // The page ends the worker.
  leave() {},
};
