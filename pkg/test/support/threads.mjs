// Shared by the tests of "thermocline/threads": a project, and scripts in it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { PKG, pack, project, remove, run } from "./project.mjs";

/** The headers that a page needs for shared memory. */
export const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** Creates a project with the tarball for the tests of a file. The steps in `tidy` run after the tests, last first. */
export function threadsProject() {
  const tidy = [];
  const made = { folder: "", tidy };

  before(async () => {
    const packed = await pack();
    tidy.push(() => remove(packed.folder));
    made.folder = await project(join(PKG, "packaging/node-esm"), packed.tarball);
    tidy.push(() => remove(made.folder));
  });

  after(async () => {
    for (const step of tidy.reverse()) await step();
  });

  /** Returns what a script of the project prints, parsed as JSON. The script must end by itself. */
  made.inNode = async (name, text, ...flags) => {
    await writeFile(join(made.folder, name), text);
    return JSON.parse(await run(process.execPath, [...flags, name], { cwd: made.folder, timeout: 60_000 }));
  };
  return made;
}
