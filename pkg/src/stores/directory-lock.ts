// The lock for one writer of a directory. The only lock file in it belongs to the owner:
// lock.<host>.<pid>.<start>.<random>.
//
// Each process creates its own file before it looks for others, so at most one of several becomes the owner. A process
// that sees a name that sorts before its own gives up, unless it is its first look. The process whose name sorts first
// looks again for a while, until the others have given up; the file of an owner stays. The next writer removes the file
// of a process on the same host that no longer runs.
//
// A worker thread can end without its process, and then cannot remove its file. On Linux a thread has an id of the same
// kind as a process and can be queried like one, so there the file names the thread. By the time a thread is gone, its
// system calls have ended.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import { fail } from "../guard.js";
import type { Files } from "./directory-files.js";

const PREFIX = "lock.";
/**
 * How often the process whose name sorts first checks whether the others have given up, and the pause between checks.
 */
const LOOKS = 20;
const PAUSE_MS = 10;

/** A lock that is held. */
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
      // At the first look, a thread that has just ended may still be listed.
      if ((other < own && looks > 1) || looks === LOOKS) {
        const why = isHere(other, host)
          ? `in this process, as its file ${other} says: close that index, or open this one with mode "readonly"`
          : `elsewhere, by the process or thread that its file ${other} names: open it with mode "readonly", or remove ` +
            "that file when its owner is surely gone";
        fail("LOCKED", `${files.path} is open for writing ${why}`);
      }
      await pause(PAUSE_MS);
    }
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
}

/**
 * Returns true if the process or thread that created this lock file ran on this host and is gone, or if its id has been
 * reused.
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
  // A zombie process, whose parent has not read its exit status, holds nothing.
  return hasEnded(stat) || (start !== "0" && now !== "0" && start !== now);
}

/** Returns true if the lock file names this process or one of its threads. */
function isHere(name: string, thisHost: string): boolean {
  const [, host, pid] = name.split(".");
  return host === thisHost && (pid === String(process.pid) || existsSync(`/proc/self/task/${pid}`));
}

/**
 * Returns the id and the start time of this worker thread, separated by a dot. Undefined for the main thread, which has
 * those of the process, and where the platform does not report them or a thread cannot be queried like a process.
 */
function thisThread(): string | undefined {
  // Only Node guarantees that the writes of a thread are done once the thread is gone.
  if (isMainThread || process.versions["bun"] || process.versions["deno"]) return undefined;
  try {
    // Read synchronously: asynchronous calls run on another thread.
    const [pid, thread] = readlinkSync("/proc/thread-self").split("/task/");
    process.kill(Number(thread), 0);
    const start = startIn(readFileSync(`/proc/${thread}/stat`, "latin1"));
    return Number(pid) === process.pid && isOurs() && start !== "0" ? `${thread}.${start}` : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns whether /proc lists the processes of this one's namespace. In a /proc of another namespace, the same id may
 * belong to an unrelated process.
 */
function isOurs(): boolean {
  try {
    return readlinkSync("/proc/self") === String(process.pid);
  } catch {
    return false;
  }
}

/** Returns the status line that the platform reports for a process or thread, or an empty string. */
async function statOf(pid: number): Promise<string> {
  return isOurs() ? readFile(`/proc/${pid}/stat`, "latin1").catch(() => "") : "";
}

/**
 * Returns the fields from the 3rd on. The 2nd is the program's name in parentheses, which may itself contain spaces and
 * parentheses.
 */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Returns the start time in clock ticks since the machine started, which is the 22nd field; "0" if there is none. */
function startIn(stat: string): string {
  return fieldsOf(stat)[19] ?? "0";
}

function hasEnded(stat: string): boolean {
  return /^[ZX]$/.test(fieldsOf(stat)[0]!);
}
