// Tests pages under a content security policy.
import { serve } from "./server.mjs";

/**
 * Returns the payload that a search finds in a stored index with this script of the package, in a page with this
 * policy.
 */
export async function policed(browser, folder, script, policy) {
  const server = await serve(folder, {}, { "content-security-policy": policy });
  const page = await browser.newPage();
  try {
    await page.goto(`${server.url}/`);
    return await page.evaluate(async (from) => {
      const { VectorIndex } = await import(from);
      const index = await VectorIndex.open("policed", { dimensions: 2 });
      await index.insert([1, 2], { n: 3 });
      const [hit] = await index.search([1, 2], { filter: { n: 3 } });
      await index.close();
      await VectorIndex.destroy("policed");
      return hit.payload;
    }, `/node_modules/thermocline/dist/${script}`);
  } finally {
    await page.close();
    await server.stop();
  }
}
