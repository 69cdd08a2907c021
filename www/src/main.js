// The page: loads the data, opens the stored index or builds it in slices, and connects the panels to it.

import { Engine } from "./engine.js";
import { History } from "./history.js";
import { isKept } from "./kept.js";
import { PauseTicker, QueryLoop } from "./load.js";
import { loadDataset } from "./common/dataset.js";
import { clockMilliseconds, count } from "./common/format.js";
import { mountAnswers } from "./ui/answers.js";
import { mountAsk } from "./ui/ask.js";
import { mountBackground } from "./ui/background.js";
import { byId } from "./ui/dom.js";
import { mountFiles } from "./ui/files.js";
import { chooseAfterFailure, chooseWhenLocked, sayNoStart } from "./ui/notice.js";
import { mountPicture } from "./ui/picture.js";
import { mountTheme } from "./ui/theme.js";
import { mountTiers } from "./ui/tiers.js";
import { mountUpkeep } from "./ui/upkeep.js";

/** A word that several glosses share, so that the first view shows a list, a question and its answers. */
const FIRST_FILTER = "water";

const announce = (text) => (byId("status").textContent = text);

async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** What gets the focus once there is an index, unless something else has it. */
let toFocus;

/**
 * Sets "building", "importing", "locked", "ready" or "failed". All controls of the index are inert while there is none
 * or while it is being replaced.
 */
function setState(state) {
  const work = byId("work");
  if (work.contains(document.activeElement)) toFocus = document.activeElement;
  document.body.dataset.state = state;
  work.inert = state !== "ready";
  byId("build").hidden = state !== "building";
  if (work.inert) return;
  if (document.activeElement === document.body) toFocus?.focus();
  toFocus = undefined;
}

async function buildWithProgress(engine) {
  setState("building");
  byId("build-text").textContent = "Building…";
  const bar = byId("build-progress");
  bar.value = 0;
  const elapsedMs = await engine.build(({ done, total }) => {
    bar.value = done / total;
    byId("build-text").textContent = `Building: ${count(done)} of ${count(total)} glosses`;
  });
  setState("ready");
  const rate = count((engine.base.length * 1000) / elapsedMs);
  byId("origin").textContent =
    `Built and stored in this browser, at ${rate} vectors a second. Load the page again: it will be opened.`;
  announce(`Built from ${count(engine.base.length)} glosses.`);
}

/**
 * Opens the stored index, and says so on the page. If there is none, builds it, or is LOCKED if it is only to be read.
 * `began` is the start of the wait for the first answer.
 */
async function openOrBuild(engine, readOnly, began) {
  byId("build-text").textContent = "Opening the index…";
  const opened = await engine.open({ readOnly });
  if (!opened) {
    if (readOnly) throw Object.assign(new Error("another tab has not completed it"), { code: "LOCKED" });
    return buildWithProgress(engine);
  }
  setState("ready");
  const { records, openMs } = opened;
  const how = engine.readOnly ? "Opened read-only" : "Opened, not built";
  const said = `${how}: ${count(records)} records from this browser's IndexedDB in ${clockMilliseconds(openMs)}`;
  byId("origin").textContent = `${said}.`;
  const { index } = engine;
  engine.addEventListener("first-answer", () => {
    // Another index may have taken its place before anything was asked.
    if (engine.index !== index) return;
    const wait = clockMilliseconds(engine.firstAnswerMs - began.at);
    byId("origin").textContent = `${said}; the first answer came ${wait} after ${began.what}.`;
  }, { once: true });
  announce(`${how}: ${count(records)} records.`);
}

/**
 * Resolves once there is an index: the stored one, or with `anew` one built in its place. If another tab has it open
 * for writing, and after a failure, the user has to choose what to do.
 */
async function obtain(engine, { anew = false } = {}) {
  let readOnly = false;
  let began = { at: 0, what: "the page began to load" };
  for (;;) {
    try {
      return await (anew ? buildWithProgress(engine) : openOrBuild(engine, readOnly, began));
    } catch (error) {
      const choice = await chooseWithout(error, anew ? "built" : "opened or built");
      anew = choice === "anew";
      readOnly = choice === "read";
    }
    began = { at: performance.now(), what: "the click" };
    announce("");
    setState("building");
  }
}

/** Shows why there is no index, and resolves to the action that the user chose. */
function chooseWithout(error, what) {
  const isLocked = error.code === "LOCKED";
  setState(isLocked ? "locked" : "failed");
  // The notice takes the focus, and leaves it nowhere.
  toFocus = byId("filter");
  if (isLocked) {
    announce("Another tab has the index.");
    return chooseWhenLocked(!isKept());
  }
  announce("No index is open.");
  return chooseAfterFailure(`The index could not be ${what}: ${error.message}`);
}

async function main() {
  mountTheme();
  const engine = new Engine(await loadDataset(fetchBytes));
  const loop = new QueryLoop(engine);
  const ticker = new PauseTicker();
  const history = new History(engine, loop);

  mountPicture(history, engine);
  mountTiers(history, engine);
  const background = mountBackground(loop, ticker, announce);
  const answers = mountAnswers(engine, (row) => ask.askGloss(row));
  const ask = mountAsk(engine, (question) => answers.ask(question));
  const upkeep = mountUpkeep(engine, background, announce);

  const replace = (work) => background.paused(async () => {
    await work();
    upkeep.applySettings();
    upkeep.refresh();
  });
  const importing = (work) => replace(async () => {
    setState("importing");
    try {
      await work();
    } finally {
      // A failed import leaves the existing index.
      setState("ready");
    }
  });
  mountFiles(engine, { importing, rebuild: () => replace(() => obtain(engine, { anew: true })), announce });

  await obtain(engine);
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

// Errors that no panel handles are announced all the same.
addEventListener("unhandledrejection", ({ reason }) => announce(`That did not work: ${reason?.message ?? reason}`));

main().catch((error) => {
  setState("failed");
  sayNoStart(`The demo could not start: ${error.message}`);
  console.error(error);
});
