// Adapts the interface's tests to run against "thermocline/worker".
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PKG } from "./project.mjs";

/** Changes the imports of the test files in a folder. */
export async function onWorker(folder) {
  await cp(join(PKG, "test/worker"), folder, { recursive: true });
  for (const name of await readdir(join(PKG, "test/api"))) {
    const text = await readFile(join(PKG, "test/api", name), "utf8");
    const changed = text.replaceAll('from "thermocline"', 'from "thermocline/worker"').replaceAll('from "node:test"', `from "./skipping.mjs?file=${name}"`);
    await writeFile(join(folder, name), changed);
  }
}
