// A process is killed while it writes an index. The next to open it finds everything that was acknowledged.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { VectorIndex } from "thermocline";
import { fails, random } from "./helpers.mjs";
import { found, Ledger } from "./ledger.mjs";
import { fresh } from "./places.mjs";

const WRITER = fileURLToPath(new URL("writing.mjs", import.meta.url));
const KILLS = 100;
/** An index is left for a new one after so many kills, so that the beginning is tested as often. */
const KILLS_OF_AN_INDEX = 10;

/** Starts a writer and collects its output. */
function start(path, round, durability) {
  const child = spawn(process.execPath, [WRITER, path, String(round), durability], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  const opened = new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      text += chunk;
      resolve();
    });
    child.once("exit", () => reject(new Error("the writer ended by itself")));
  });
  const ended = new Promise((resolve) => child.once("close", (_, signal) => resolve(signal)));
  // The last piece has no end of the line: its writer was killed before it did what the line says.
  return { child, opened, ended, lines: () => text.split("\n").slice(1, -1) };
}

test(`${KILLS} kills of a process that writes and compacts: nothing that was acknowledged is lost, and no call is carried out in part`, async (t) => {
  const pick = random(5);
  let path;
  let ledger;
  const acknowledged = {};
  const cut = {};
  const add = (sums, counts) => {
    for (const [kind, count] of Object.entries(counts)) sums[kind] = (sums[kind] ?? 0) + count;
  };
  let checkpoints = 0;
  let [undecided, decided] = [0, 0];
  for (let round = 0; round < KILLS; round++) {
    if (round % KILLS_OF_AN_INDEX === 0) {
      path = fresh();
      ledger = new Ledger();
    }
    const { child, opened, ended, lines } = start(path, round, round % 2 ? "strict" : "relaxed");
    await opened;
    await fails("LOCKED", () => VectorIndex.open(path));
    await new Promise((resolve) => setTimeout(resolve, pick() * 250));
    child.kill("SIGKILL");
    assert.equal(await ended, "SIGKILL");
    for (const line of lines()) ledger.note(line);
    // The files of a checkpoint wait under such names until the journal, a file named "commit", decides it.
    const left = await readdir(path);
    if (left.includes("commit")) decided += 1;
    else if (left.some((name) => name.endsWith("~"))) undecided += 1;
    const reader = await VectorIndex.open(path, { mode: "readonly" });
    const index = await VectorIndex.open(path);
    ledger.compare(await found(index, ledger.ids()), `round ${round}`);
    assert.equal(reader.size, index.size);
    await reader.close();
    await index.close();
    const newest = (await readdir(path)).filter((name) => name.startsWith("m_")).sort().at(-1);
    checkpoints += newest.endsWith("1") ? 0 : 1;
    if (round % KILLS_OF_AN_INDEX !== KILLS_OF_AN_INDEX - 1) continue;
    add(acknowledged, ledger.acknowledged);
    add(cut, ledger.cut);
  }
  // Several times as many were seen on a machine with much else to do.
  const counts = JSON.stringify({ acknowledged, cut, undecided, decided, checkpoints });
  assert.ok(acknowledged.records > 11_000 && acknowledged.delete > 40 && checkpoints > 20, counts);
  assert.ok(cut.compact >= 3 && cut.compact + cut.erase >= 20, `kills in the middle of a compaction: ${counts}`);
  assert.ok(undecided >= 4 && decided >= 1, `kills in the middle of a checkpoint: ${counts}`);
  assert.ok(cut.insert >= 6 && cut.delete >= 1, `kills in the middle of a change of many records: ${counts}`);
  t.diagnostic(counts);
});

test("a killed process whose parent has not read its exit status, as in a container without an init, holds no lock", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux tells");
  const path = fresh();
  // The shell starts the writer and becomes a program that never reads its exit status.
  const script = `"$0" "$@" & echo $!; exec sleep 60`;
  const parent = spawn("sh", ["-c", script, process.execPath, WRITER, path, "0", "relaxed"], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let said = "";
    await new Promise((resolve) =>
      parent.stdout.on("data", (chunk) => {
        said += chunk;
        if (said.includes("open\n")) resolve();
      }));
    const pid = Number(said.match(/^\d+$/m)[0]);
    await fails("LOCKED", () => VectorIndex.open(path));
    process.kill(pid, "SIGKILL");
    const state = async () => (await readFile(`/proc/${pid}/stat`, "latin1")).split(") ")[1][0];
    while ((await state()) !== "Z") await new Promise((resolve) => setTimeout(resolve, 5));
    const index = await VectorIndex.open(path);
    assert.ok((await index.check()).ok);
    await index.close();
    assert.equal(await state(), "Z", "it has still not been asked about");
  } finally {
    parent.kill("SIGKILL");
  }
});
