// A headless Firefox that connects only to this machine, controlled through its driver: the needed part of the
// WebDriver protocol.
import { spawn } from "node:child_process";
import { createServer } from "node:net";

const START_MS = 30_000;

/** Starts the driver, and the browser through it. */
export async function launchFirefox() {
  const port = await freePort();
  const driver = spawn(process.env.GECKODRIVER || "geckodriver", ["--port", String(port), "--log", "fatal"], { stdio: ["ignore", "ignore", "inherit"] });
  const failed = new Promise((_, reject) => driver.once("error", reject));
  failed.catch(() => {});
  const ask = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${value?.error}: ${value?.message}`);
    return value;
  };
  try {
    await Promise.race([listening(ask), failed]);
    const prefs = {
      // No requests to other hosts: no updates, no lists of malicious sites, no welcome pages.
      "app.update.auto": false, "browser.safebrowsing.malware.enabled": false, "browser.safebrowsing.phishing.enabled": false,
      "datareporting.policy.dataSubmissionEnabled": false, "network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false,
    };
    const options = { args: ["-headless"], prefs, ...(process.env.FIREFOX && { binary: process.env.FIREFOX }) };
    const { sessionId } = await ask("POST", "/session", {
      capabilities: { alwaysMatch: { browserName: "firefox", "moz:firefoxOptions": options } },
    });
    const within = (method, path, body) => ask(method, `/session/${sessionId}${path}`, body);
    return {
      isolates: true,
      /** Opens a page, and returns its `globalThis.result` once it is set. */
      async resultOf(url, timeoutMs = 120_000) {
        await within("POST", "/url", { url });
        for (const end = performance.now() + timeoutMs; performance.now() < end; ) {
          const result = await within("POST", "/execute/sync", { script: "return globalThis.result ?? null", args: [] });
          if (result) return result;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        throw new Error(`${url}: no result within ${timeoutMs} ms`);
      },
      async close() {
        await within("DELETE", "").catch(() => {});
        driver.kill();
      },
    };
  } catch (error) {
    driver.kill();
    throw error;
  }
}

async function listening(ask) {
  for (const end = performance.now() + START_MS; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const status = await ask("GET", "/status").catch(() => undefined);
    if (status?.ready) return;
    if (performance.now() > end) throw new Error(`the driver does not answer within ${START_MS} ms`);
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
