// Headless Chromium on the built page, for the tests.

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { servePage } from "../demo/serve.mjs";

const SHOTS = new URL("../shots/", import.meta.url);
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/**
 * Serves www/dist and opens it. `another` opens it in one more tab of the same browser, with the same stored data.
 * `problems` collects console errors, uncaught errors, failed requests and requests to any other origin, of all tabs.
 */
export async function openPage({ width = 1440, height = 900, colorScheme = "light", javaScriptEnabled = true } = {}) {
  const server = await servePage(0);
  const browser = await chromium.launch({ executablePath: process.env.CHROME || "/usr/bin/chromium", args: FLAGS });
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, javaScriptEnabled });
  const problems = [];
  const another = async () => {
    const page = await context.newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("requestfailed", (request) => problems.push(`${request.url()} failed`));
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith("http") && origin !== new URL(server.url).origin) problems.push(`asked ${request.url()}`);
    });
    await page.goto(server.url);
    return page;
  };
  return {
    page: await another(),
    another,
    problems,
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/** Waits until the index is built and the first question is answered. */
export async function ready(page) {
  await page.locator("body[data-state=ready]").waitFor({ timeout: 60_000 });
  await page.locator("#answers li").first().waitFor();
}

/** Destroys the stored index and starts anew, which the page asks about first. */
export async function restart(page) {
  await page.click("#restart");
  await page.click("#confirm-destroy");
}

/** The id of the element that has the focus; "" if none has it. */
export const focused = (page) => page.evaluate(() => document.activeElement.id);

/** The number in an element's text, thousands separators left out. */
export async function numberIn(page, selector) {
  return Number((await page.locator(selector).textContent()).replace(/[^0-9.]/g, ""));
}

/** Keeps a picture of the page in www/shots, which is not committed. */
export async function shoot(page, name, options = {}) {
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: fileURLToPath(new URL(`${name}.png`, SHOTS)), ...options });
}
