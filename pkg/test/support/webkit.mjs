// WebKit, the engine of Safari: the small browser that comes with its GTK port, on a display in memory. It has an
// ordinary session with a profile. Its driver would give it a private one, which has no private file system. So nothing
// controls it: it opens an address, and the page there sends its result (browser/report.html).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** What Safari has and this port has switched off: the private file system, and shared memory for isolated pages. */
const FEATURES = "StorageAPI,StorageAPIEstimate,FileSystem,FileSystemWritableStream,AccessHandle";

/** Starts the display, and the browser for each page. */
export async function launchWebKit() {
  const home = await mkdtemp(join(tmpdir(), "thermocline-webkit-"));
  for (const name of ["tmp", "data", "cache"]) await mkdir(join(home, name));
  // It chooses a number that is free, and writes it to the file with this descriptor. When its last client has gone it
  // would begin anew, and drop those that come meanwhile.
  const display = spawn("Xvfb", ["-displayfd", "3", "-noreset", "-nolisten", "tcp", "-screen", "0", "800x600x24"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const [number] = await Promise.race([once(display.stdio[3], "data"), once(display, "error").then(([error]) => Promise.reject(error))]);
  const env = {
    ...process.env, DISPLAY: `:${String(number).trim()}`, GDK_BACKEND: "x11", LIBGL_ALWAYS_SOFTWARE: "1", NO_AT_BRIDGE: "1",
    JSC_useSharedArrayBuffer: "1", HOME: home, TMPDIR: join(home, "tmp"), XDG_DATA_HOME: join(home, "data"), XDG_CACHE_HOME: join(home, "cache"), XDG_RUNTIME_DIR: join(home, "tmp"),
  };
  const receiver = await receive();
  const opened = new Set();

  /** Opens an address in processes of its own. `kill` ends all of them, in the middle of anything. */
  const open = (url) => {
    const browser = spawn(process.env.WEBKIT || "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser", [`--features=${FEATURES}`, url], { env, detached: true, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    browser.stderr.setEncoding("utf8").on("data", (text) => (said = (said + text).slice(-2000)));
    const ended = new Promise((resolve) => {
      browser.once("error", ({ message }) => resolve(message));
      browser.once("close", (code, signal) => resolve(`the browser has ended (${code ?? signal}): ${said}`));
    });
    const kill = async () => {
      opened.delete(kill);
      try {
        // Its other processes may outlive it.
        if (browser.pid) process.kill(-browser.pid, "SIGKILL");
      } catch (error) {
        // It has ended by itself, with all of them.
        if (error.code !== "ESRCH") throw error;
      }
      await ended;
    };
    opened.add(kill);
    return { kill, ended };
  };

  /** Opens a page of a folder that has browser/report.html, and returns its `globalThis.result`. */
  const resultOf = async (url, timeoutMs = 120_000) => {
    let to;
    const posted = new Promise((resolve) => (to = receiver.listen(resolve)));
    const { kill, ended } = open(`${new URL("/report.html", url)}?${new URLSearchParams({ page: url, to })}`);
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs, `no result within ${timeoutMs} ms`)));
    const failed = Promise.race([ended, late]).then((error) => ({ error }));
    try {
      const { result, error } = await Promise.race([posted, failed]);
      if (error) throw new Error(`${url}: ${error}`);
      return result;
    } finally {
      clearTimeout(timer);
      await kill();
    }
  };

  const close = async () => {
    for (const kill of opened) await kill();
    receiver.stop();
    display.kill();
    await once(display, "exit");
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
  // Shared memory is not only there in isolated pages.
  return { open, resultOf, listen: receiver.listen, close, isolates: false };
}

/** Takes what pages of any origin post. */
async function receive() {
  const listeners = [];
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => undefined);
    // A browser that was killed may have sent a part.
    if (body === undefined) return;
    listeners[request.url.slice(1)](JSON.parse(body));
    response.writeHead(204, { "access-control-allow-origin": "*" }).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  return {
    /** Returns an address. What is posted there goes to `heard` before it is answered. */
    listen: (heard) => `http://127.0.0.1:${port}/${listeners.push(heard) - 1}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
