// The notices for when there is no index, with the possible actions.

import { byId } from "./dom.js";

/**
 * Another tab has the index open for writing, or with `isBuilding` has not completed it, so that there is nothing to
 * read. Shows the notice until the user has chosen "read" or "again".
 */
export function chooseWhenLocked(isBuilding) {
  byId("notice-locked").hidden = isBuilding;
  byId("notice-building").hidden = !isBuilding;
  byId("notice-read").hidden = isBuilding;
  return choose("notice", isBuilding ? ["again"] : ["read", "again"]);
}

/** Shows why there is no index, until the user has chosen "again", to open it, or "anew", to build it. */
export function chooseAfterFailure(text) {
  byId("failure-text").textContent = text;
  return choose("failure", ["again", "anew"]);
}

/** Shows why the page could not start. It can only be reloaded. */
export function sayNoStart(text) {
  byId("failure-text").textContent = text;
  byId("failure-anew").hidden = true;
  choose("failure", ["again"]).then(() => location.reload());
}

/** Gives the first choice the focus. Once one is chosen, the focus is nowhere. */
function choose(id, choices) {
  const card = byId(id);
  card.hidden = false;
  byId(`${id}-${choices[0]}`).focus();
  return new Promise((resolve) => {
    for (const choice of choices) {
      byId(`${id}-${choice}`).onclick = () => {
        card.hidden = true;
        resolve(choice);
      };
    }
  });
}
