// Builds the page and serves it from this machine only.

import { fileURLToPath } from "node:url";
import { build, preview } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Builds into www/dist. */
export async function buildPage() {
  await build({ root, logLevel: "warn" });
}

/** Serves what was built; returns its address and a way to stop. */
export async function servePage(port) {
  const server = await preview({ root, logLevel: "warn", preview: { port, host: "127.0.0.1" } });
  return { url: server.resolvedUrls.local[0], close: () => server.close() };
}
