// Serves a folder on a free port of this machine.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".wasm": "application/wasm",
};

/**
 * `types` overrides content types; undefined sends none. `headers` are sent with every file. Returns the address and a
 * function that stops the server.
 */
export async function serve(folder, types = {}, headers = {}) {
  const server = createServer(async (request, response) => {
    const path = join(folder, normalize(decodeURIComponent(new URL(request.url, "http://local").pathname)));
    const found = await stat(path).catch(() => undefined);
    const file = found?.isDirectory() ? join(path, "index.html") : path;
    if (found === undefined) {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found");
      return;
    }
    const type = { ...TYPES, ...types }[extname(file)];
    response.writeHead(200, { ...headers, ...(type ? { "content-type": type } : {}) });
    createReadStream(file).on("error", () => response.destroy()).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
