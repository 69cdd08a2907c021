// A contender's process, as the harness sees it: commands go in one at a time, answers come out.
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { availableParallelism } from "node:os";

/** Contenders share the last core; the harness and everything else may use the others. */
const CORE = availableParallelism() - 1;
const PINNED = availableParallelism() > 1 && spawnSync("taskset", ["-c", String(CORE), "true"]).status === 0;

/** How processes are pinned, for the record. */
export const pinning = PINNED ? `core ${CORE} by taskset` : "not pinned";

export class Contender {
  #process;
  #lines;

  /** `command` is the program and its arguments. */
  constructor(name, command) {
    this.name = name;
    const [program, ...args] = PINNED ? ["taskset", "-c", String(CORE), ...command] : command;
    this.#process = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    // A process that has ended is noticed when its answer is missing.
    this.#process.stdin.on("error", () => {});
    this.#process.on("error", () => {});
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Sends one command and waits for its answer. An error on the other side is thrown here. */
  async ask(verb, fields = {}) {
    const words = Object.entries(fields).filter(([, value]) => value !== undefined).map(([key, value]) => `${key}=${value}`);
    this.#process.stdin.write(`${[verb, ...words].join("\t")}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended while it was asked to ${verb}`);
    const answer = JSON.parse(value);
    if (answer.error) throw new Error(`${this.name}, asked to ${verb}: ${answer.error}`);
    return answer;
  }

  /** Lets the process and its engine's threads use every core from now on. */
  unpin() {
    if (PINNED) spawnSync("taskset", ["-apc", `0-${CORE}`, String(this.#process.pid)]);
  }

  async close() {
    this.#process.stdin.end();
    // Without a process id it never started.
    if (this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null) {
      await new Promise((resolve) => this.#process.once("exit", resolve));
    }
  }
}
