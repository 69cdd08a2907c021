// The page: loads the data, builds the index in slices, and connects the panels to it.

import { Engine } from "./engine.js";
import { History } from "./history.js";
import { PauseTicker, QueryLoop } from "./load.js";
import { loadDataset } from "./common/dataset.js";
import { count } from "./common/format.js";
import { mountAnswers } from "./ui/answers.js";
import { mountAsk } from "./ui/ask.js";
import { mountBackground } from "./ui/background.js";
import { byId } from "./ui/dom.js";
import { mountFiles } from "./ui/files.js";
import { mountPicture } from "./ui/picture.js";
import { mountTheme } from "./ui/theme.js";
import { mountUpkeep } from "./ui/upkeep.js";

/** A word that several glosses share, so that the first view shows a list, a question and its answers. */
const FIRST_FILTER = "water";

const announce = (text) => (byId("status").textContent = text);

async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Everything that acts on the index is inert while there is none. */
function setBusy(busy) {
  document.body.dataset.state = busy ? "building" : "ready";
  byId("work").inert = busy;
  byId("build").hidden = !busy;
}

async function buildWithProgress(engine) {
  setBusy(true);
  const bar = byId("build-progress");
  const elapsedMs = await engine.build(({ done, total }) => {
    bar.value = done / total;
    byId("build-text").textContent = `Building: ${count(done)} of ${count(total)} glosses`;
  });
  setBusy(false);
  announce(`Built from ${count(engine.base.length)} glosses at ${count((engine.base.length * 1000) / elapsedMs)} vectors a second.`);
}

async function main() {
  mountTheme();
  const engine = new Engine(await loadDataset(fetchBytes));
  const loop = new QueryLoop(engine);
  const ticker = new PauseTicker();
  const history = new History(engine, loop);

  mountPicture(history, engine);
  const background = mountBackground(loop, ticker);
  const answers = mountAnswers(engine, (row) => ask.askGloss(row));
  const ask = mountAsk(engine, (question) => answers.ask(question));
  const upkeep = mountUpkeep(engine, background, announce);

  const replace = (work) => background.paused(async () => {
    await work();
    upkeep.applySettings();
    upkeep.refresh();
  });
  mountFiles(engine, { replace, rebuild: () => replace(() => buildWithProgress(engine)), announce });

  await buildWithProgress(engine);
  upkeep.applySettings();
  engine.addEventListener("change", () => {
    ask.refresh();
    upkeep.refresh();
    answers.refresh();
    history.sample();
  });
  upkeep.refresh();
  ask.type(FIRST_FILTER);
  ticker.start();
  history.start();
}

main().catch((error) => {
  document.body.dataset.state = "failed";
  byId("build-text").textContent = `The demo could not start: ${error.message}`;
  throw error;
});
