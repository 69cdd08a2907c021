// In headless Firefox.
import { launchFirefox } from "./support/firefox.mjs";
import { testsIn } from "./support/whole-browser.mjs";

testsIn("Firefox", launchFirefox);
