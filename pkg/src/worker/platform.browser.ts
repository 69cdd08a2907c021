// A worker of a browser. Its script holds all that an index needs, since bundlers allow a worker's script no parts, and it is
// named in the one form that they know.
import type { News, Order } from "./messages.js";
import type { Start } from "./platform.js";

/** As in ../load.browser.ts: where Vite 5 to 7 keeps scripts, and where it leaves the files beside them. */
const MOVED = "/.vite/deps/";
const HOME = "/thermocline/dist/";

export const start: Start = (heard) => {
  /** What is to be sent once the script has said that it runs; undefined from then on. */
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
    heard.ended((event as ErrorEvent).message || (waiting ? "its script is missing, or refused; does a content security policy lack worker-src?" : "it has failed"));
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
    hold() {},
    leave: async () => worker.terminate(),
    end: () => worker.terminate(),
  };
};
