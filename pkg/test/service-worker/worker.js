// A service worker that uses an index in each store of the browser, and then caches the wasm files. A real one would
// cache them when it is installed, but then it would never fetch them for its own use.
import { ThermoclineError, VectorIndex } from "./node_modules/thermocline/dist/whole.browser.js";

const WASM = ["thermocline.wasm", "thermocline-store.wasm"].map((name) => `./node_modules/thermocline/dist/${name}`);

self.addEventListener("message", (event) => {
  const answer = (said) => event.source.postMessage(said);
  event.waitUntil(everything(event.data).then(answer, (error) => answer(`${error.name} ${error.code}: ${error.message}`)));
});

async function everything(scope) {
  const seen = { indexeddb: await stored(`${scope} indexeddb`, "indexeddb"), opfs: await stored(`${scope} opfs`, "opfs") };
  if (!(await caches.has("wasm"))) await (await caches.open("wasm")).addAll(WASM);
  return seen;
}

async function stored(name, store) {
  const index = await VectorIndex.open(name, { dimensions: 2, store });
  await index.insertWithId("north", [0, 1], { title: "up" });
  await index.insertWithId("east", [1, 0], { title: "right" });
  const filtered = await index.search([1, 0], { filter: { title: "up" } });
  const metrics = (await index.metrics()).includes("thermocline_records 2");
  const error = await index.insert([1]).catch((thrown) => thrown);
  const bytes = await index.export();
  await index.close();
  const again = await VectorIndex.open(name, { store });
  const { size } = again;
  await again.close();
  await VectorIndex.destroy(name, { store });
  const copy = await VectorIndex.import(bytes, { name, store });
  const [{ id: nearest }] = await copy.search([0.1, 0.9], { k: 1 });
  await copy.close();
  await VectorIndex.destroy(name, { store });
  const gone = await VectorIndex.open(name, { store }).catch(({ code }) => code);
  return { filtered: filtered.map(({ id }) => id), metrics, error: [error instanceof ThermoclineError, error.code], size, nearest, gone };
}
