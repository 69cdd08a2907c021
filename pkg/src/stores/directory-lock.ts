// The lock for one writer of a directory. The owner has the only lock file in it: lock.<host>.<pid>.<start>.<random>.
//
// Each process creates its own file before it looks for others, so of several at the same time at most one becomes the
// owner. A process that twice sees a name before its own gives up. The process with the first name looks again for a while,
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
import { isMainThread } from "node:worker_threads";
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
  const owner = thisThread() ?? `${process.pid}.${startIn(await statOf(process.pid))}`;
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
      // At the first look, the number of a thread that has just ended may still be there.
      if ((other < own && looks > 1) || looks === LOOKS) {
        const why = `by the process or thread that the file ${other} in it names: remove that file when it is surely gone`;
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
  const stat = await statOf(Number(pid));
  const now = startIn(stat);
  // A process that has ended, but whose parent has not asked how, holds nothing any more.
  return hasEnded(stat) || (start !== "0" && now !== "0" && start !== now);
}

/**
 * The number and the start time of this worker thread, with a point between them. Undefined for the main thread, whose
 * are those of the process, and where the platform does not tell, or no one could ask for this thread as for a process.
 */
function thisThread(): string | undefined {
  // What Node does not promise of others: that what a thread wrote is written when it is gone.
  if (isMainThread || process.versions["bun"] || process.versions["deno"]) return undefined;
  try {
    // Read by this thread: calls that do not wait run on another one.
    const [pid, thread] = readlinkSync("/proc/thread-self").split("/task/");
    process.kill(Number(thread), 0);
    const start = startIn(readFileSync(`/proc/${thread}/stat`, "latin1"));
    return Number(pid) === process.pid && isOurs() && start !== "0" ? `${thread}.${start}` : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether /proc is of the processes that this one sees. In a /proc of others, this one's number may be a stranger's.
 */
function isOurs(): boolean {
  try {
    return readlinkSync("/proc/self") === String(process.pid);
  } catch {
    return false;
  }
}

/** What the platform tells of a process or a thread; nothing where it does not. */
async function statOf(pid: number): Promise<string> {
  return isOurs() ? readFile(`/proc/${pid}/stat`, "latin1").catch(() => "") : "";
}

/** The fields from the 3rd on. The 2nd is the program's name in brackets, which may contain spaces and brackets. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** The start time, in clock ticks since the machine started, which is the 22nd field; "0" where there is none. */
function startIn(stat: string): string {
  return fieldsOf(stat)[19] ?? "0";
}

function hasEnded(stat: string): boolean {
  return /^[ZX]$/.test(fieldsOf(stat)[0]!);
}
