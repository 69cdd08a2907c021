// The thread that has started a worker in Node.
import { parentPort } from "node:worker_threads";
import type { Order } from "./messages.js";
import type { Page } from "./platform.js";

const port = parentPort!;

export const page: Page = {
  post: (news, transfer = []) => port.postMessage(news, transfer as never),
  onOrder: (listener) => void port.on("message", (order: Order) => listener(order)),
  // With nothing to listen for it ends when the last call to the system has: so a directory's lock is given back.
  leave: () => port.close(),
};
