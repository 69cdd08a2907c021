// The lock for one writer of a directory. The owner has the only lock file in it: lock.<host>.<pid>.<start>.<random>.
//
// Each process creates its own file before it looks for others, so of several at the same time at most one becomes the
// owner. A process that sees a name before its own gives up. The process with the first name looks again for a while,
// until the others have given up; the file of an owner stays. The next writer removes the file of a process on the same
// host that no longer runs.
//
// A worker thread can end without its process, and then cannot remove its file. On Linux each thread has a number of
// the same kind as a process, and the same questions can be asked of it: so there the file names the thread. By the time
// a thread is gone, its calls to the system have ended.
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { fail } from "../guard.js";
import type { Files } from "./directory-files.js";

const PREFIX = "lock.";
/**
 * How often the process with the first name looks whether the others have given up, and the pause between two looks.
 */
const LOOKS = 20;
const PAUSE_MS = 10;

/** A lock that has been taken. */
export interface Lock {
  release(): Promise<void>;
  /** The names in the directory when the lock was taken. */
  readonly names: readonly string[];
}

/** Takes the lock. LOCKED while another process, another thread, or another index of this thread has it. */
export async function takeLock(files: Files): Promise<Lock> {
  const host = hostname().toLowerCase().replace(/[^a-z0-9-]/g, "") || "unknown";
  const owner = thisThread() ?? `${process.pid}.${await startOf(process.pid)}`;
  const own = `${PREFIX}${host}.${owner}.${randomBytes(4).toString("hex")}`;
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
        const why = `as the file ${other} in it says: remove that file when nobody is there`;
        fail("LOCKED", `${files.path} is open for writing elsewhere, ${why}`);
      }
      await pause(PAUSE_MS);
    }
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
}

/**
 * True when the process or thread that made this lock file ran on this host and is gone, or another one has its number
 * now.
 */
async function isStale(name: string, thisHost: string): Promise<boolean> {
  const [, host, pid, start, random, ...more] = name.split(".");
  if (host !== thisHost || !random || more.length || !/^[1-9]\d*$/.test(pid!)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    // EPERM means that the process exists and belongs to another user.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const now = await startOf(Number(pid));
  return start !== "0" && now !== "0" && start !== now;
}

/**
 * The number and the start time of this thread, with a point between them; those of the main thread are the process's.
 * Undefined where the platform does not tell.
 */
function thisThread(): string | undefined {
  try {
    // Read by this thread: calls that do not wait run on another one.
    const [pid, thread] = readlinkSync("/proc/thread-self").split("/task/");
    const start = startIn(readFileSync("/proc/thread-self/stat", "latin1"));
    // In a /proc of other processes than this one sees, threads have other numbers too.
    return Number(pid) === process.pid && thread && start !== "0" ? `${thread}.${start}` : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The start time of a process or a thread, in clock ticks since the machine started; "0" where the platform does not
 * tell.
 */
async function startOf(pid: number): Promise<string> {
  return startIn(await readFile(`/proc/${pid}/stat`, "latin1").catch(() => ""));
}

function startIn(stat: string): string {
  // The start time is the 22nd field. The 2nd is the program's name in brackets, which may contain spaces and brackets.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "0";
}
