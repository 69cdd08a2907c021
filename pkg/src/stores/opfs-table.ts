// The names of the files of a place in OPFS, and the content of a table of values. The layout is in opfs.ts.

/** One value in the valid table. */
export interface Value {
  /** The file that a commit wrote. */
  readonly file: string;
  /** The pieces in the table, and their valid lengths. */
  readonly kept: readonly Part[];
  /** Number of pieces that were appended since: those named after the table's opening. */
  pieces: number;
}

/** A file and the number of its valid bytes; all of them if no number is given. */
export type Part = readonly [name: string, bytes?: number];

/** The parts of a table's name. A later table has a higher number. `opening` is the opening that wrote it. */
export interface TableName {
  readonly name: string;
  readonly number: number;
  readonly opening: string;
}

const TABLE = /^table\.(\d{1,15})\.(\w+)$/;

export const isTable = (name: string) => name.startsWith("table.");

export function tableName(number: number, opening: string): TableName {
  return { name: `table.${number}.${opening}`, number, opening };
}

/** Returns the tables among these names, including empty ones, latest first. */
export function tablesIn(names: Iterable<string>): TableName[] {
  const tables = Array.from(names, (name) => TABLE.exec(name)).filter((match) => match !== null);
  return tables.map((match) => tableName(Number(match[1]), match[2]!)).sort((a, b) => b.number - a.number);
}

/** Returns a unique name for an opening. */
export function freshOpening(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (word) => word.toString(36)).join("");
}

/** Creates a value without pieces named after the table's opening. */
export function valueOf(file: string, kept: readonly Part[] = []): Value {
  return { file, kept, pieces: 0 };
}

export function pieceName(file: string, opening: string, piece: number): string {
  return `${file}.${opening}.${piece}`;
}

/** Returns how many of these names are alike but for what follows their last period, such as the pieces of a value. */
export function countsOf(names: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    const start = name.slice(0, name.lastIndexOf("."));
    counts.set(start, (counts.get(start) ?? 0) + 1);
  }
  return counts;
}

/** Returns the files of a value, in order. */
export function partsOf({ file, kept, pieces }: Value, opening: string): Part[] {
  return [[file], ...kept, ...Array.from({ length: pieces }, (_, i): Part => [pieceName(file, opening, i + 1)])];
}

/** Encodes a table, without the pieces of its own opening: they are found by their names. */
export function bytesOf(values: ReadonlyMap<string, Value>): Uint8Array {
  const table = Object.fromEntries([...values].map(([key, { file, kept }]) => [key, [file, ...kept]]));
  return new TextEncoder().encode(JSON.stringify(table));
}

/** Decodes a table. Undefined if the text is not a table, such as that of a file that was created but never written. */
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
