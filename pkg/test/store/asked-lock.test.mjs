// The lock where a browser has no Web Locks. Node has broadcast channels, too.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { PKG } from "../support/project.mjs";

const folder = await mkdtemp(join(tmpdir(), "thermocline-asked-"));
after(() => rm(folder, { recursive: true }));
const outfile = join(folder, "asked-lock.mjs");
await build({ entryPoints: ["src/stores/asked-lock.ts"], bundle: true, format: "esm", outfile, absWorkingDir: PKG });
globalThis.isSecureContext = false;
const { takeAskedLock } = await import(pathToFileURL(outfile));

/** Another page: what it has heard, and a function by which it speaks. */
function page(name) {
  const channel = new BroadcastChannel(name);
  const heard = [];
  channel.onmessage = ({ data }) => heard.push(data);
  const until = async (isIt) => {
    while (!heard.some(isIt)) await new Promise((resolve) => setTimeout(resolve, 5));
    return heard.find(isIt);
  };
  return { heard, until, say: (data) => channel.postMessage(data), close: () => channel.close() };
}

test("the owner refuses others, until it releases the lock", async () => {
  const other = page("one");
  const release = await takeAskedLock("one");
  other.say({ asks: 0.5 });
  await other.until(({ refuses }) => refuses === 0.5);
  await assert.rejects(() => takeAskedLock("one"), { code: "LOCKED" });
  await release();
  const again = await takeAskedLock("one");
  await again();
  other.close();
});

test("one that is refused is LOCKED", async () => {
  const other = page("two");
  const taking = takeAskedLock("two");
  const { asks } = await other.until(({ asks }) => asks !== undefined);
  other.say({ refuses: asks });
  await assert.rejects(() => taking, { code: "LOCKED" });
  other.close();
});

// A page that was busy while another asked answers once that has the lock. The owner took this for a refusal, answered
// nobody from then on, and the other page became an owner, too.
test("an owner stays the owner although a refusal comes late", async () => {
  const other = page("three");
  const release = await takeAskedLock("three");
  const { asks } = await other.until(({ asks }) => asks !== undefined);
  other.say({ refuses: asks });
  other.say({ asks: 0 });
  await other.until(({ refuses }) => refuses === 0);
  await release();
  other.close();
});

test("a thread that was busy while it asked asks again", async () => {
  const other = page("four");
  const taking = takeAskedLock("four");
  await other.until(({ asks }) => asks !== undefined);
  for (const end = performance.now() + 450; performance.now() < end; );
  await other.until(() => other.heard.filter(({ asks }) => asks !== undefined).length > 1);
  await (await taking)();
  other.close();
});
