// The thread that started the worker, as a worker in Node sees it.
import { parentPort } from "node:worker_threads";
import type { Order } from "./messages.js";
import type { Page } from "./platform.js";

const port = parentPort!;

export const page: Page = {
  post: (news, transfer = []) => port.postMessage(news, transfer as never),
  onOrder: (listener) => void port.on("message", (order: Order) => listener(order)),
  // Without a port to listen to, the worker ends after its last system call, so a directory's lock is released.
  leave: () => port.close(),
};
