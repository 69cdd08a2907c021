// A process is killed while it writes an index. The next to open it finds everything that was acknowledged.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { VectorIndex } from "thermocline";
import { fails, random } from "./helpers.mjs";
import { MANY } from "./many.mjs";
import { fresh } from "./places.mjs";

const WRITER = fileURLToPath(new URL("writing.mjs", import.meta.url));
const KILLS = 40;

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
  // The last line may be cut off, but it was printed after the fact.
  return { child, opened, ended, lines: () => text.split("\n").filter(Boolean) };
}

test(`${KILLS} kills of a process that writes: nothing that was acknowledged is lost, and no call of insertMany is there in part`, async () => {
  let path = fresh();
  const pick = random(5);
  const expected = new Set();
  const open = new Set();
  let acknowledged = 0;
  let checkpoints = 0;
  let cut = 0;
  for (let round = 0; round < KILLS; round++) {
    // Starts a new index now and then: verifying a large one takes long, and the beginning should be tested too.
    if (round % 8 === 0) {
      path = fresh();
      expected.clear();
    }
    const { child, opened, ended, lines } = start(path, round, round % 2 ? "strict" : "relaxed");
    await opened;
    await fails("LOCKED", () => VectorIndex.open(path));
    await new Promise((resolve) => setTimeout(resolve, pick() * 250));
    child.kill("SIGKILL");
    assert.equal(await ended, "SIGKILL");
    const many = new Set();
    for (const line of lines().slice(1)) {
      const id = line.slice(1);
      if (line[0] === "*") many.add(id);
      else if (line[0] === ".") many.delete(id);
      else if (line[0] === "+") {
        expected.add(id);
        acknowledged += 1;
      } else if (line[0] === "?") {
        expected.delete(id);
        open.add(id);
      } else open.delete(id);
    }
    const reader = await VectorIndex.open(path, { mode: "readonly" });
    const index = await VectorIndex.open(path);
    for (const id of expected) assert.ok(await index.has(id), `round ${round}: ${id} was acknowledged`);
    for (const serial of many) {
      let there = 0;
      for (let i = 0; i < MANY; i++) if (await index.has(`${round}-${serial}-${i}`)) there += 1;
      assert.ok(there === 0 || there === MANY, `round ${round}: ${there} of ${MANY} rows of one call`);
      cut += 1;
    }
    const report = await index.check();
    assert.ok(report.ok, report.problems.join());
    assert.equal(reader.size, index.size);
    // An operation in progress at the kill is either there or not, from here on permanently.
    for (const id of open) if (await index.has(id)) expected.add(id);
    open.clear();
    const unacknowledged = index.size - expected.size;
    assert.ok(unacknowledged >= 0 && unacknowledged <= MANY * ((round % 8) + 1));
    await reader.close();
    await index.close();
    const newest = (await readdir(path)).filter((name) => name.startsWith("m_")).sort().at(-1);
    checkpoints += newest.endsWith("1") ? 0 : 1;
  }
  assert.ok(acknowledged > 10 * KILLS, `${acknowledged} acknowledged`);
  assert.ok(cut > 3, `${cut} calls of insertMany were cut off`);
  assert.ok(checkpoints > 5, `after ${checkpoints} rounds there had been a checkpoint`);
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
