// The ten nearest records, with distances, and a comparison with exact search.

import { clockMilliseconds } from "../common/format.js";
import { byId, definition, el } from "./dom.js";

/**
 * @param {import("../engine.js").Engine} engine
 * @param {(row: number) => void} onMore asked for more like one of the hits
 */
export function mountAnswers(engine, onMore) {
  const items = byId("answers");
  let asked = 0;
  let question;

  function answer(hit) {
    const row = engine.base.rowOfId.get(hit.id);
    // Not from the payload of the hit: the glosses of an imported index need not have any.
    const gloss = engine.base.rows[row];
    const { word, lexname } = gloss;
    // Cosine distances of glosses lie mostly below 1: the bar is full at 0 and empty at 1.
    const closeness = Math.max(0, 1 - hit.distance);
    const bar = el("span", { class: "bar", style: `--closeness: ${closeness.toFixed(3)}` });
    return el(
      "li",
      { "data-id": hit.id, "data-lexname": lexname },
      el(
        "button",
        {
          type: "button",
          class: "answer",
          title: `More like “${word}”: ${definition(gloss)}`,
          onclick: () => onMore(row),
        },
        el("span", { class: "distance" }, bar, hit.distance.toFixed(3)),
        el("span", { class: "answer-word" }, word),
        el("span", { class: "chip" }, lexname),
        el("span", { class: "answer-text" }, definition(gloss)),
      ),
    );
  }

  /** Shows the answers in place of those before, and says how many there are. */
  function list(hits, said) {
    const focused = [...items.children].findIndex((item) => item.contains(document.activeElement));
    items.replaceChildren(...hits.map(answer));
    // The button that had the focus is gone.
    items.children[focused]?.querySelector("button").focus({ preventScroll: true });
    items.setAttribute("aria-label", said);
    // Setting it again would repeat it.
    if (byId("answer-count").textContent !== said) byId("answer-count").textContent = said;
  }

  function clear() {
    byId("question-kind").textContent = "Nothing matches";
    for (const id of ["question-word", "question-text", "missed"]) byId(id).textContent = "";
    for (const id of ["answer-time", "exact-time", "answer-recall"]) byId(id).textContent = "–";
    delete byId("answer-recall").dataset.full;
    list([], "No answers");
  }

  /** Answers the question; without one, clears the answers. */
  async function ask(next) {
    question = next;
    const mine = ++asked;
    if (!question) return clear();
    const data = question.kind === "gloss" ? engine.base : engine.queries;
    const row = data.rows[question.row];
    const vector = data.vector(question.row);
    const exceptId = question.kind === "gloss" ? row.id : undefined;
    const { hits, elapsedMs } = await engine.search(vector, exceptId);
    // A newer question may have been asked while this one was answered.
    if (mine !== asked) return;
    const exact = engine.compareWithExact(vector, hits, exceptId);

    byId("question-word").textContent = row.word;
    byId("question-text").textContent = definition(row);
    byId("question-kind").textContent = questionKind(question);
    byId("answer-time").textContent = clockMilliseconds(elapsedMs);
    byId("exact-time").textContent = clockMilliseconds(exact.elapsedMs);
    byId("answer-recall").textContent = exact.recall.toFixed(2);
    byId("answer-recall").dataset.full = String(exact.recall === 1);
    const missed = exact.missed.map(({ row: number, distance }) => `${engine.base.rows[number].word} (${distance.toFixed(3)})`);
    byId("missed").textContent = missed.length ? `Exact search also has: ${missed.join(", ")}` : "";
    list(hits, `${hits.length === 1 ? "1 answer" : `${hits.length} answers`} nearest to ${row.word}`);
  }

  function questionKind({ kind, row }) {
    if (kind === "query") return "Held-out query";
    return engine.live[row] ? "More like" : "More like (deleted)";
  }

  return {
    ask,
    /** Repeats the question, for example after a change of the index. */
    refresh: () => question && ask(question),
  };
}
