// What all tests of a file share: projects, servers and browsers, which are removed and stopped after the tests.
import { after } from "node:test";
import { launch } from "./chromium.mjs";
import { pack, project, remove } from "./project.mjs";
import { serve } from "./server.mjs";

/** Makes what is shared. Ends all of it after the tests of the file, the last first. */
export function shared() {
  const steps = [];
  after(async () => {
    for (const step of steps.reverse()) await step();
  });
  const made = {
    /** Runs a step after the tests. */
    later: (step) => void steps.push(step),
    /** Returns a folder that is removed after the tests. */
    folder(path) {
      made.later(() => remove(path));
      return path;
    },
    /** Packs the package. Returns the tarball's path. */
    async tarball() {
      const { tarball, folder } = await pack();
      made.folder(folder);
      return tarball;
    },
    /** Creates a project of the files in `source` with the package installed, and returns its folder. */
    project: async (source, tarball, type) => made.folder(await project(source, tarball ?? (await made.tarball()), type)),
    /** Serves a folder, and returns its address. */
    async served(...options) {
      const { url, stop } = await serve(...options);
      made.later(stop);
      return url;
    },
    /** Launches Chromium, or the browser that `start` launches. */
    async browser(start = launch) {
      const browser = await start();
      made.later(() => browser.close());
      return browser;
    },
  };
  return made;
}
