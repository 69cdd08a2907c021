// Export to a file, import from a file, and destroying the stored index to start anew.

import { bytes, clockMilliseconds, count } from "../common/format.js";
import { byId, el } from "./dom.js";

const FILE_NAME = "glosses.thermocline";

/**
 * @param {import("../engine.js").Engine} engine
 * @param {{
 *   importing: (work: () => Promise<void>) => Promise<void>,
 *   rebuild: () => Promise<void>,
 *   announce: (text: string) => void,
 * }} page
 */
export function mountFiles(engine, { importing, rebuild, announce }) {
  const input = byId("import-file");

  byId("export").addEventListener("click", async () => {
    try {
      const { index } = engine;
      const started = performance.now();
      const file = await index.export();
      const elapsed = clockMilliseconds(performance.now() - started);
      const url = URL.createObjectURL(new Blob([file], { type: "application/octet-stream" }));
      el("a", { href: url, download: FILE_NAME }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      announce(`Exported ${count(index.size)} records: ${bytes(file.byteLength)} in ${elapsed}.`);
    } catch (error) {
      announce(`The index could not be exported: ${error.message}`);
    }
  });

  byId("import").addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    announce(`Importing ${file.name}…`);
    try {
      const content = new Uint8Array(await file.arrayBuffer());
      const started = performance.now();
      await importing(() => engine.import(content));
      byId("origin").textContent = `Imported from ${file.name}, and stored in this browser.`;
      const elapsed = clockMilliseconds(performance.now() - started);
      announce(`Imported ${count(engine.index.size)} records from ${file.name} in ${elapsed}.`);
    } catch (error) {
      announce(`${file.name} was not imported: ${error.message}`);
    }
  });

  const dialog = byId("confirm");
  byId("restart").addEventListener("click", () => {
    const [gone, glosses] = [count(engine.index.size), count(engine.base.length)];
    byId("confirm-text").textContent = `Destroy the index with its ${gone} records, and build one of all ${glosses} glosses?`;
    // Escape closes the dialog and leaves the value as it is.
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => dialog.returnValue === "destroy" && rebuild());

  // An index that is open for reading only can be exported, but not replaced.
  engine.addEventListener("change", () => {
    for (const id of ["import", "import-file", "restart"]) byId(id).disabled = engine.readOnly;
  });
}
