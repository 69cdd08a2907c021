import { load } from "./load.browser.js";
import { loadWith } from "./module.js";
import { keepIn } from "./place.js";
import { places } from "./places.browser.js";

loadWith(load);
keepIn(places);

export * from "./api.js";
