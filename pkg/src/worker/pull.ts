// Pulls async rows on the page, as fast as the worker accepts them.
import { leave, nextOf } from "../async-source.js";
import { naming } from "../guard.js";
import { nextTurn } from "../turn.js";
import type { Row } from "../types.js";
import type { Thrown } from "./call.js";
import type { SentRows } from "./messages.js";
import { Gathered } from "./rows.js";

/** Most rows, and most bytes, that are sent together. Fewer are sent if the source yields to the event loop. */
const MAX_ROWS = 256;
const MAX_BYTES = 1 << 20;
/** Most such messages in flight before the source is asked for more rows. */
const MAX_UNDER_WAY = 2;

/** Sends rows to the worker. Undefined means that there are no more, and `broken` that they ended early. */
export type Feed = (rows: SentRows | undefined, transfer: Transferable[], broken?: Thrown) => void;

export class Pull {
  readonly #dimensions: number;
  #feed: Feed = () => {};
  #gathered: Gathered | undefined;
  /** Number of rows sent. */
  #fed = 0;
  /** Number of messages that the worker has not accepted yet. */
  #underWay = 0;
  #isOver = false;
  /** Wakes the loop that waits for the worker, or for a source. */
  #wake = (): void => {};

  constructor(dimensions: number) {
    this.#dimensions = dimensions;
  }

  /** Called when the worker has accepted a message of rows. */
  more(): void {
    this.#underWay -= 1;
    this.#wake();
  }

  /** Stops pulling: no more rows are wanted. */
  stop(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Pulls rows until the source ends or `stop` is called. Never rejects: an error of the source is sent as well. */
  async run(source: AsyncIterator<Row>, feed: Feed): Promise<void> {
    this.#feed = feed;
    /** True when the source has ended or failed by itself. */
    let isSourceOver = false;
    try {
      for (;;) {
        while (this.#underWay >= MAX_UNDER_WAY && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve));
        if (this.#isOver) return;
        const next = await new Promise<IteratorResult<Row> | undefined>((resolve, reject) => {
          this.#wake = () => this.#isOver && resolve(undefined);
          nextOf(source).then(resolve, (error) => {
            isSourceOver = true;
            reject(error);
          });
        });
        if (this.#isOver) return;
        // Throws if the source returns undefined, as it would without a worker.
        isSourceOver = Boolean(next!.done);
        if (isSourceOver) break;
        this.#add(next!.value);
      }
      this.#flush();
      feed(undefined, []);
    } catch (error) {
      this.#fail(error);
    } finally {
      if (!isSourceOver) leave(source);
    }
  }

  #add(row: Row): void {
    const first = !this.#gathered;
    const gathered = (this.#gathered ??= new Gathered(this.#dimensions, MAX_ROWS));
    naming(this.#fed + gathered.count, () => gathered.add(row));
    if (gathered.count >= MAX_ROWS || gathered.bytes >= MAX_BYTES) this.#flush();
    else if (first) void nextTurn().then(() => this.#gathered === gathered && this.#flush()).catch((error) => this.#fail(error));
  }

  /** Stops pulling with this error, after sending the rows before it if possible. */
  #fail(error: unknown): void {
    try {
      this.#flush();
    } catch {}
    this.#feed(undefined, [], { error });
    this.stop();
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
