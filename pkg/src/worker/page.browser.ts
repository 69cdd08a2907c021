// The page of a worker in a browser.
import type { Order } from "./messages.js";
import type { Page } from "./platform.js";

/** What a worker's global object is besides, which the library of pages does not know. */
declare const self: { onmessage: unknown; postMessage(message: unknown, transfer: Transferable[]): void };

export const page: Page = {
  post: (news, transfer = []) => self.postMessage(news, transfer),
  onOrder(listener) {
    self.onmessage = ({ data }: MessageEvent<Order>) => listener(data);
  },
  // The page ends it.
  leave() {},
};
