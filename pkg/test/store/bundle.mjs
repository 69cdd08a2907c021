// Bundles the stores, which the package does not export, as one module for tests.
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { PKG } from "../support/project.mjs";

const SOURCES = { node: ["errors", "stores/directory"], browser: ["errors", "stores/opfs", "stores/web-lock"] };

/** Writes the stores of a platform, and the error class, to a file. */
export async function bundle(platform, outfile) {
  const contents = SOURCES[platform].map((name) => `export * from "./src/${name}.js";`).join("\n");
  await build({ stdin: { contents, resolveDir: PKG, loader: "ts" }, outfile, bundle: true, platform, format: "esm", target: "es2022", logLevel: "warning" });
}

/** Returns a folder to serve: the test pages, their scripts, and the stores of a browser. The caller removes it. */
export async function storePages() {
  const folder = await mkdtemp(join(tmpdir(), "thermocline-pages-"));
  for (const source of ["test/browser", "test/store"]) await cp(join(PKG, source), folder, { recursive: true });
  await bundle("browser", join(folder, "stores.js"));
  return folder;
}

/**
 * Creates a folder for one test file, with the stores of Node. `folder()` returns a new name inside; call `tidy` at the
 * end.
 */
export async function nodeStores() {
  const root = await mkdtemp(join(tmpdir(), "thermocline-store-"));
  const script = join(root, "stores.mjs");
  await bundle("node", script);
  let made = 0;
  return {
    ...(await import(pathToFileURL(script).href)),
    script,
    folder: () => join(root, `place-${made++}`),
    tidy: () => rm(root, { recursive: true, force: true }),
  };
}
