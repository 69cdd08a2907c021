// Checks a filter object completely before it is used, so that a typo is an error instead of a different query.
import { fail, shown } from "../guard.js";

type Check = (operand: unknown, at: string) => void;

/**
 * The check of each operator's operand. The operators that combine filters are not included: they take the place of a
 * field.
 */
const OPERANDS: Readonly<Record<string, Check>> = {
  $eq: value,
  $ne: value,
  $gt: ordered,
  $gte: ordered,
  $lt: ordered,
  $lte: ordered,
  $in: values,
  $nin: values,
  $all: (operand, at) => {
    values(operand, at);
    if (!(operand as unknown[]).length) bad(at, "at least one value", operand);
  },
  $exists: (operand, at) => typeof operand === "boolean" || bad(at, "true or false", operand),
  $size: (operand, at) =>
    (Number.isInteger(operand) && (operand as number) >= 0) || bad(at, "a whole number, 0 or more", operand),
  $elemMatch: (operand, at) => (isOperators(operand) ? operators(operand, at) : filterAt(operand, at)),
  $not: (operand, at) => (isOperators(operand) ? operators(operand, at) : bad(at, "an object of operators", operand)),
  $regex: (operand, at) => typeof operand === "string" || bad(at, "the source of a regular expression, a string", operand),
  $options: (operand, at) =>
    (typeof operand === "string" && /^[imsu]*$/.test(operand)) || bad(at, 'some of the letters of "imsu"', operand),
};
/** The operators that combine filters. */
export const COMBINING: readonly string[] = ["$and", "$or", "$nor"];

/**
 * Checks a filter. Returns its JSON text, by which filters are compared, and the parsed text. INVALID_FILTER says where
 * the filter is wrong and what was expected there.
 */
export function checkFilter(filter: unknown): { text: string; plain: { readonly [field: string]: unknown } } {
  if (!isObject(filter)) bad("filter", "a function or an object", filter);
  try {
    filterAt(filter, "filter");
    const text = jsonOf(filter);
    const plain: unknown = JSON.parse(text);
    // The copy is checked too: the caller's object may have getters or a toJSON that returned something else this time.
    filterAt(plain, "filter");
    return { text, plain: plain as { readonly [field: string]: unknown } };
  } catch (error) {
    // Firefox reports too deep a recursion as an InternalError.
    if (error instanceof RangeError || (error as Error | undefined)?.name === "InternalError") {
      fail("INVALID_FILTER", "filter: it is nested too deep, or contains itself", error);
    }
    throw error;
  }
}

function jsonOf(filter: object): string {
  try {
    return JSON.stringify(filter);
  } catch (error) {
    fail("INVALID_FILTER", `filter: JSON cannot carry it: ${(error as Error)?.message ?? error}`, error);
  }
}

function filterAt(filter: unknown, at: string): void {
  if (!isObject(filter)) bad(at, "an object", filter);
  for (const [field, condition] of Object.entries(filter)) {
    const here = `${at}.${field}`;
    if (COMBINING.includes(field)) {
      if (!Array.isArray(condition) || !condition.length) bad(here, "an array of filters, at least one", condition);
      Array.from(condition, (part, i) => filterAt(part, `${here}[${i}]`));
    } else if (field.startsWith("$")) {
      fail("INVALID_FILTER", `${here}: expected a field or one of ${COMBINING.join(", ")}`);
    } else {
      if (field.split(".").includes("")) fail("INVALID_FILTER", `${here}: expected the name of a field, got an empty one`);
      if (isOperators(condition)) operators(condition, here);
      else value(condition, here);
    }
  }
}

/** Checks the conditions on a field. */
function operators(conditions: object, at: string): void {
  for (const [operator, operand] of Object.entries(conditions)) {
    const here = `${at}.${operator}`;
    if (!Object.hasOwn(OPERANDS, operator)) {
      fail("INVALID_FILTER", `${here}: expected one of ${Object.keys(OPERANDS).join(", ")}`);
    }
    OPERANDS[operator]!(operand, here);
  }
  const { $regex, $options } = conditions as { $regex?: string; $options?: string };
  if ($regex === undefined && $options !== undefined) fail("INVALID_FILTER", `${at}.$options: expected only beside $regex`);
  try {
    if ($regex !== undefined) new RegExp($regex, $options);
  } catch (error) {
    fail("INVALID_FILTER", `${at}.$regex: ${(error as Error).message}`, error);
  }
}

/** Checks that an operand is a value that JSON can carry, since payloads have no others. */
function value(operand: unknown, at: string): void {
  if (operand === null || typeof operand === "string" || typeof operand === "boolean" || Number.isFinite(operand)) return;
  if (Array.isArray(operand)) return values(operand, at);
  if (!isObject(operand)) badValue(at, "a value that JSON can carry", operand);
  for (const [name, member] of Object.entries(operand)) {
    if (name.startsWith("$")) fail("INVALID_FILTER", `${at}.${name}: expected no operator here`);
    value(member, `${at}.${name}`);
  }
}

function values(operand: unknown, at: string): void {
  if (!Array.isArray(operand)) bad(at, "an array of values", operand);
  // `Array.from` also visits holes in the array, which `forEach` skips.
  Array.from(operand, (member, i) => value(member, `${at}[${i}]`));
}

function ordered(operand: unknown, at: string): void {
  if (typeof operand !== "string" && !Number.isFinite(operand)) badValue(at, "a finite number or a string", operand);
}

/** Returns true for an object with a member that is an operator of a field. `operators` checks that all members are. */
export function isOperators(condition: unknown): condition is object {
  return isObject(condition) && Object.keys(condition).some((key) => key.startsWith("$") && !COMBINING.includes(key));
}

/**
 * Returns true for a plain object of any realm. An instance of a class may have a toJSON that turns it into something
 * else.
 */
export function isObject(operand: unknown): operand is object {
  if (typeof operand !== "object" || operand === null) return false;
  const prototype: unknown = Object.getPrototypeOf(operand);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** As `bad`. A Date is the text of its toISOString() in a payload, so that is what a filter has to compare with. */
function badValue(at: string, expected: string, got: unknown): never {
  bad(at, got instanceof Date ? "its toISOString()" : expected, got);
}

function bad(at: string, expected: string, got: unknown): never {
  fail("INVALID_FILTER", `${at}: expected ${expected}, got ${shown(got)}`);
}
