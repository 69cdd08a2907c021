// Rows that stream in, pulled on the page as the worker takes them.
import { naming } from "../insert-many.js";
import { nextTurn } from "../turn.js";
import type { Row } from "../types.js";
import type { Thrown } from "./call.js";
import type { SentRows } from "./messages.js";
import { Gathered } from "./rows.js";

/** So many rows go together, or so many bytes, or what has come when the source lets others have their turn. */
const TOGETHER = 256;
const TOGETHER_BYTES = 1 << 20;
/** So many of these are under way before the source is asked for more. */
const AHEAD = 2;

/** Where they go; none at the end, and with `broken` the end has come too early. */
export type Feed = (rows: SentRows | undefined, transfer: Transferable[], broken?: Thrown) => void;

export class Pull {
  readonly #dimensions: number;
  #feed: Feed = () => {};
  #gathered: Gathered | undefined;
  /** Rows that were fed. */
  #fed = 0;
  #underWay = 0;
  #isOver = false;
  /** Wakes the loop that waits for the worker, or for a source. */
  #wake = (): void => {};

  constructor(dimensions: number) {
    this.#dimensions = dimensions;
  }

  /** The worker has taken what was fed. */
  more(): void {
    this.#underWay -= 1;
    this.#wake();
  }

  /** No more rows are wanted. */
  stop(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Pulls until the source ends, or no more is wanted. Never rejects: what goes wrong is fed as well. */
  async run(source: AsyncIterator<Row>, feed: Feed): Promise<void> {
    this.#feed = feed;
    let done = false;
    try {
      for (;;) {
        while (this.#underWay >= AHEAD && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve));
        if (this.#isOver) return;
        const next = await new Promise<IteratorResult<Row> | undefined>((resolve, reject) => {
          this.#wake = () => this.#isOver && resolve(undefined);
          source.next().then(resolve, reject);
        });
        if (this.#isOver) return;
        // One that gives nothing is at fault, and is told so as without a worker.
        done = next!.done === true;
        if (done) break;
        this.#add(next!.value);
      }
      this.#flush();
      feed(undefined, []);
    } catch (error) {
      this.#flush();
      feed(undefined, [], { error });
    } finally {
      // Not awaited: a source that never answers must not hold up anybody.
      if (!done) void (async () => source.return?.())().catch(() => {});
    }
  }

  #add(row: Row): void {
    const first = !this.#gathered;
    const gathered = (this.#gathered ??= new Gathered(this.#dimensions, TOGETHER));
    naming(this.#fed + gathered.count, () => gathered.add(row));
    if (gathered.count >= TOGETHER || gathered.bytes >= TOGETHER_BYTES) this.#flush();
    else if (first) void nextTurn().then(() => this.#gathered === gathered && this.#flush());
  }

  #flush(): void {
    const gathered = this.#gathered;
    this.#gathered = undefined;
    if (!gathered?.count || this.#isOver) return;
    this.#fed += gathered.count;
    this.#underWay += 1;
    const rows = gathered.sent();
    this.#feed(rows, [rows.vectors.buffer]);
  }
}
