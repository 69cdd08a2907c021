// A headless Chromium that connects only to this machine.
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const options = (more = []) => ({ executablePath: process.env.CHROME || "/usr/bin/chromium", args: [...FLAGS, ...more] });

export function launch(...flags) {
  return chromium.launch(options(flags));
}

/** Launches a browser that keeps its pages' data in a folder. Returns its only context. */
export function launchOn(folder) {
  return chromium.launchPersistentContext(folder, options());
}

/** Opens the page and waits until it sets `globalThis.result`. An uncaught error in the page is thrown here. */
export async function resultOf(browser, url, timeout = 60_000) {
  const page = await browser.newPage();
  const log = [];
  page.on("console", (message) => log.push(message.text()));
  page.on("requestfailed", (request) => log.push(`failed: ${request.url()}`));
  const failed = new Promise((_, reject) => page.on("pageerror", (error) => reject(error)));
  try {
    await page.goto(url);
    const finished = page.waitForFunction(() => globalThis.result, undefined, { timeout }).then((handle) => handle.jsonValue());
    return await Promise.race([finished, failed]);
  } catch (error) {
    throw new Error(`${url}: ${error.message}\n${log.join("\n")}`, { cause: error });
  } finally {
    await page.close();
  }
}
