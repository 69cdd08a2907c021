// One writer for a directory: whoever owns the only lock file in it, lock.<host>.<pid>.<start>.<random>.
//
// Each creates its own before it looks for others, so of those who come together at most one owns. Who sees a name before its own
// gives up, and who has the first name looks again for a while, until the others have given up; an owner's file stays. The file of a
// process that is gone is removed by the next writer: on the same host one can tell.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { fail } from "../guard.js";
import type { Files } from "./directory-files.js";

const PREFIX = "lock.";
/** How often, and after how many milliseconds, the first of several looks whether the others have given up. */
const LOOKS = 20;
const PAUSE_MS = 10;

/** What gives a lock back, and the names of the files that were there when it was taken. */
export interface Lock {
  release(): Promise<void>;
  readonly names: readonly string[];
}

/** Takes the lock. LOCKED while somebody else has it, in this process too. */
export async function takeLock(files: Files): Promise<Lock> {
  const host = hostname().toLowerCase().replace(/[^a-z0-9-]/g, "") || "unknown";
  const own = `${PREFIX}${host}.${process.pid}.${await startOf(process.pid)}.${randomBytes(4).toString("hex")}`;
  const release = () => files.remove(own);
  await (await files.open(own, "wx")).close();
  try {
    for (let looks = 1; ; looks += 1) {
      const names = await files.names();
      if (!names) fail("STORE_FAILED", `${files.path} has been removed`);
      const others: string[] = [];
      for (const name of names) {
        if (!name.startsWith(PREFIX) || name === own) continue;
        if (await isStale(name, host)) await files.remove(name);
        else others.push(name);
      }
      const [other] = others.sort();
      if (other === undefined) return { release, names };
      if (other < own || looks === LOOKS) {
        fail("LOCKED", `${files.path} is open for writing elsewhere, as the file ${other} in it says: remove that file when nobody is there`);
      }
      await pause(PAUSE_MS);
    }
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
}

/** True when the process that made this file on this host is gone, or another has its number now. */
async function isStale(name: string, thisHost: string): Promise<boolean> {
  const [, host, pid, start, random, ...more] = name.split(".");
  if (host !== thisHost || !random || more.length || !/^[1-9]\d*$/.test(pid!)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    // EPERM is somebody else's process, which is one.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const now = await startOf(Number(pid));
  return start !== "0" && now !== "0" && start !== now;
}

/** When a process began, in ticks since the machine did; "0" where the platform does not say. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
  // The 22nd field. The second is a name in brackets, with anything in it.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "0";
}
