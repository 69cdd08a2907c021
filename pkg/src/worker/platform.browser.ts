// A worker in a browser. Its script contains everything that an index needs, since bundlers cannot split a worker's
// script. The script is named in the only form that bundlers recognize.
import type { News, Order } from "./messages.js";
import type { Start } from "./platform.js";

/**
 * The folders where Vite 5 to 7 keeps bundled scripts, and where a package's other files stay; see ../load.browser.ts.
 */
const MOVED = "/.vite/deps/";
const HOME = "/thermocline/dist/";

export const start: Start = (heard) => {
  /** Orders to send once the script has reported that it runs; undefined from then on. */
  let waiting: [Order, Transferable[]][] | undefined = [];
  let worker = new Worker(new URL("./worker-host.browser.js", import.meta.url), { type: "module" });
  const listen = (otherwise: (event: Event) => void): void => {
    worker.onmessage = ({ data }: MessageEvent<News>) => {
      for (const [order, transfer] of waiting ?? []) worker.postMessage(order, transfer);
      waiting = undefined;
      heard.news(data);
    };
    worker.onerror = otherwise;
    worker.onmessageerror = (event) => ended(event);
  };
  const ended = (event: Event): void => {
    worker.terminate();
    const unknown = waiting
      ? "its script is missing, or refused; does a content security policy lack worker-src?"
      : "it has failed";
    heard.ended((event as ErrorEvent).message || unknown);
  };
  listen((event) => {
    const at = import.meta.url.indexOf(MOVED);
    if (at < 0 || !waiting) return ended(event);
    worker.terminate();
    worker = new Worker(`${import.meta.url.slice(0, at)}${HOME}worker-host.browser.js`, { type: "module" });
    listen(ended);
  });
  return {
    post: (order, transfer = []) => (waiting ? void waiting.push([order, transfer]) : worker.postMessage(order, transfer)),
    keepAlive() {},
    leave: async () => worker.terminate(),
    end: async () => worker.terminate(),
  };
};
