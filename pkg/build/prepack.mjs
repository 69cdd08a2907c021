// What `npm pack` and `npm publish` run first: no tarball is made whose entries lead to files that are not there.
import { existsSync, readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** The files that one entry of `exports` leads to. */
function filesOf(entry) {
  return typeof entry === "string" ? [entry] : Object.values(entry).flatMap(filesOf);
}

const missing = Object.entries(manifest.exports)
  .flatMap(([name, entry]) => filesOf(entry).map((file) => ({ name, file })))
  .filter(({ file }) => !existsSync(new URL(`../${file}`, import.meta.url)));

// Threads need a nightly toolchain. A package without them is whole but for that entry, and not for others to install.
const isPublished = process.env.npm_command === "publish";
const needed = missing.filter(({ name }) => isPublished || !name.includes("threads"));
for (const { name, file } of missing) console.error(`thermocline: ${name} leads to ${file}, which is not there`);
if (needed.length) {
  console.error("thermocline: `cargo xtask build` in the folder above makes what is missing");
  process.exitCode = 1;
} else if (missing.length) {
  console.error("thermocline: this package has no entry for threads; `cargo xtask build` says why");
}
