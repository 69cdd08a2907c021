// What the files of a place in OPFS are called, and what a table of values says; see opfs.ts for the layout.

/** One value, as the table that counts has it. */
export interface Value {
  /** What a commit put there. */
  readonly file: string;
  /** What earlier openings have appended, as much of it as counts. */
  readonly kept: readonly Part[];
  /** How many pieces this table's own opening has appended. */
  pieces: number;
  /** Bytes in the last of them; Infinity when no more should go in. */
  filled: number;
}

/** A file, and how many bytes of it count: all without a number. */
export type Part = readonly [name: string, bytes?: number];

/** A table by its name: the higher the number, the later; `opening` is the one that wrote it. */
export interface TableName {
  readonly name: string;
  readonly number: number;
  readonly opening: string;
}

const TABLE = /^table\.(\d{1,15})\.(\w+)$/;

export function tableName(number: number, opening: string): TableName {
  return { name: `table.${number}.${opening}`, number, opening };
}

/** The tables among these names, whether anything is in them or not; the last written first. */
export function tablesIn(names: Iterable<string>): TableName[] {
  const tables = Array.from(names, (name) => TABLE.exec(name)).filter((match) => match !== null);
  return tables.map((match) => tableName(Number(match[1]), match[2]!)).sort((a, b) => b.number - a.number);
}

/** In no name of an opening before or after. */
export function freshOpening(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (word) => word.toString(36)).join("");
}

/** A value that was just put, or whose pieces are not counted yet. */
export function valueOf(file: string, kept: readonly Part[] = []): Value {
  return { file, kept, pieces: 0, filled: Infinity };
}

export function pieceName(file: string, opening: string, piece: number): string {
  return `${file}.${opening}.${piece}`;
}

/** All that makes up a value, in order. */
export function partsOf({ file, kept, pieces }: Value, opening: string): Part[] {
  return [[file], ...kept, ...Array.from({ length: pieces }, (_, i): Part => [pieceName(file, opening, i + 1)])];
}

/** A table's bytes. The pieces of its own opening are not in it: they are found by their names. */
export function bytesOf(values: ReadonlyMap<string, Value>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(Object.fromEntries([...values].map(([key, { file, kept }]) => [key, [file, ...kept]]))));
}

/** The values of a table; undefined when this is none, as when it was made and never written. */
export function valuesIn(text: string): Map<string, Value> | undefined {
  try {
    const table = JSON.parse(text) as Record<string, unknown> | unknown[] | null;
    if (typeof table !== "object" || table === null || Array.isArray(table)) return undefined;
    const values = new Map<string, Value>();
    for (const [key, parts] of Object.entries(table)) {
      if (!Array.isArray(parts)) return undefined;
      const [file, ...kept] = parts as [unknown, ...unknown[]];
      if (typeof file !== "string" || !kept.every(isKept)) return undefined;
      values.set(key, valueOf(file, kept));
    }
    return values;
  } catch {
    return undefined;
  }
}

function isKept(part: unknown): part is Part {
  return Array.isArray(part) && typeof part[0] === "string" && Number.isSafeInteger(part[1]) && part[1] >= 0;
}
