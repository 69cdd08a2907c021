// The list to ask from: filter the glosses as you type, or pick a held-out query. The selection is the question.

import { count } from "../common/format.js";
import { byId, definition, el, marked } from "./dom.js";

const SHOWN = 60;

/**
 * @param {import("../engine.js").Engine} engine
 * @param {(question?: { kind: "gloss" | "query", row: number }) => void} onAsk called whenever the selection changes;
 *   without a question if nothing matches
 */
export function mountAsk(engine, onAsk) {
  const filter = byId("filter");
  const list = byId("choices");
  const status = byId("choice-count");
  let rows = [];
  let selected;

  const kind = () => document.querySelector("input[name=kind]:checked").value;
  const source = () => (kind() === "gloss" ? engine.base : engine.queries);

  function matches(part) {
    const { rows: all } = source();
    const ranked = [[], [], []];
    all.forEach((row, number) => {
      if (kind() === "gloss" && !engine.live[number]) return;
      const word = row.word.toLowerCase();
      if (!part || word.startsWith(part)) ranked[0].push(number);
      else if (word.includes(part)) ranked[1].push(number);
      else if (row.text.toLowerCase().includes(part)) ranked[2].push(number);
    });
    return ranked.flat();
  }

  function render() {
    const part = filter.value.trim().toLowerCase();
    const found = matches(part);
    rows = found.slice(0, SHOWN);
    list.replaceChildren(...rows.map((number) => choice(number, part)));
    const what = kind() === "gloss" ? "live glosses" : "held-out queries";
    const rest = found.length > SHOWN ? `, the first ${SHOWN} listed` : "";
    status.textContent = `${count(found.length)} ${what}${rest}`;
    if (!rows.includes(selected)) selected = undefined;
    mark();
  }

  function choice(number, part) {
    const row = source().rows[number];
    return el(
      "li",
      { role: "option", id: `choice-${number}`, "data-row": number, onclick: () => select(number) },
      el("span", { class: "choice-word" }, ...marked(row.word, part)),
      el("span", { class: "choice-text" }, ...marked(definition(row), part)),
      el("span", { class: "chip" }, row.lexname),
    );
  }

  function mark() {
    for (const option of list.children) option.setAttribute("aria-selected", String(Number(option.dataset.row) === selected));
    if (selected === undefined) filter.removeAttribute("aria-activedescendant");
    else filter.setAttribute("aria-activedescendant", `choice-${selected}`);
  }

  function select(number) {
    selected = number;
    mark();
    if (number !== undefined) reveal(byId(`choice-${number}`));
    onAsk(number === undefined ? undefined : { kind: kind(), row: number });
  }

  /** Scrolls the list, not the page: the focus, or what is being read, may be elsewhere. */
  function reveal(option) {
    const [{ top, bottom }, within] = [option, list].map((element) => element.getBoundingClientRect());
    if (top < within.top) list.scrollTop += top - within.top;
    else if (bottom > within.bottom) list.scrollTop += bottom - within.bottom;
  }

  /** Lists the choices again. If nothing matched before, the first is the question. */
  function refresh() {
    const hadNone = rows.length === 0;
    render();
    if (hadNone && rows.length > 0) select(rows[0]);
  }

  function move(step) {
    if (rows.length === 0) return;
    const at = rows.indexOf(selected);
    select(rows[Math.min(rows.length - 1, Math.max(0, at + step))]);
  }

  function type(text) {
    filter.value = text;
    render();
    select(rows[0]);
  }

  filter.addEventListener("input", () => type(filter.value));
  filter.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in steps) {
      event.preventDefault();
      move(steps[event.key]);
    } else if (event.key === "Enter" && selected !== undefined) {
      select(selected);
    }
  });
  for (const radio of document.querySelectorAll("input[name=kind]")) {
    radio.addEventListener("change", () => {
      filter.placeholder =
        kind() === "gloss" ? "Filter the glosses: try lamp, music, river…" : "Filter the held-out queries…";
      selected = undefined;
      type("");
    });
  }

  return {
    /** Call it after a change of the index. */
    refresh,
    /** Filters as if `text` had been typed. */
    type,
    /** Selects a gloss from elsewhere on the page, listing it if the filter hides it. */
    askGloss(row) {
      document.querySelector("input[name=kind][value=gloss]").checked = true;
      filter.value = engine.base.rows[row].word;
      render();
      select(row);
    },
  };
}
