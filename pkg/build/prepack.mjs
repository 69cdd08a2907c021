// Run first by `npm pack` and `npm publish`: refuses to build a tarball whose entries point to missing files.
import { existsSync, readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** Returns the files that one entry of `exports` points to. */
function filesOf(entry) {
  return typeof entry === "string" ? [entry] : Object.values(entry).flatMap(filesOf);
}

const missing = Object.entries(manifest.exports)
  .flatMap(([name, entry]) => filesOf(entry).map((file) => ({ name, file })))
  .filter(({ file }) => !existsSync(new URL(`../${file}`, import.meta.url)));

// Threads need a nightly toolchain. A package without them lacks only that entry, but must not be published.
const isPublished = process.env.npm_command === "publish";
const needed = missing.filter(({ name }) => isPublished || !name.includes("threads"));
for (const { name, file } of missing) console.error(`thermocline: ${name} leads to ${file}, which is not there`);
if (needed.length) {
  console.error("thermocline: `cargo xtask build` in the folder above makes what is missing");
  process.exitCode = 1;
} else if (missing.length) {
  console.error("thermocline: this package has no entry for threads; `cargo xtask build` says why");
}
