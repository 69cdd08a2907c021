// What the page says when another tab has the index open for writing, and what can be done about it.

import { byId } from "./dom.js";

/** Shows the notice until the user has chosen "read" or "again". */
export function chooseWhenLocked() {
  const notice = byId("notice");
  notice.hidden = false;
  return new Promise((resolve) => {
    for (const choice of ["read", "again"]) {
      byId(`notice-${choice}`).onclick = () => {
        notice.hidden = true;
        resolve(choice);
      };
    }
  });
}
