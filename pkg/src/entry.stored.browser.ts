// The script of indexes in a store, which open.ts loads.
import { keepIn } from "./place.js";
import { places } from "./places.browser.js";

keepIn(places);

export { destroyed, imported, opened } from "./stored.js";
