// Shared by the tests of "thermocline/threads": a project, and scripts in it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before } from "node:test";
import { PKG, run } from "./project.mjs";
import { shared } from "./shared.mjs";

/** The headers that a page needs for shared memory. */
export const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** Creates a project with the tarball for the tests of a file, beside what else they share. */
export function threadsProject() {
  const made = { ...shared(), root: "" };

  before(async () => {
    made.root = await made.project(join(PKG, "packaging/node-esm"));
  });

  /** Returns what a script of the project prints, parsed as JSON. The script must end by itself. */
  made.inNode = async (name, text, ...flags) => {
    await writeFile(join(made.root, name), text);
    return JSON.parse(await run(process.execPath, [...flags, name], { cwd: made.root, timeout: 60_000 }));
  };
  return made;
}
