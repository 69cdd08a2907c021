// Light, dark, or the system's theme; the choice is stored if the browser allows it.

import { byId } from "./dom.js";

const NEXT = { system: "light", light: "dark", dark: "system" };
const KEY = "thermocline-theme";

export function mountTheme() {
  const button = byId("theme");
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[theme];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Storage may be forbidden. The choice then lasts as long as the page.
    }
  };
  let stored;
  try {
    stored = localStorage.getItem(KEY);
  } catch {
    stored = undefined;
  }
  apply(stored in NEXT ? stored : "system");
  button.addEventListener("click", () => apply(NEXT[document.documentElement.dataset.theme]));
}
