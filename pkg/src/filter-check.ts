// Checks a filter object in full before anything is asked of it, so that a slip of the pen is an error and not an answer to another question.
import { fail, shown } from "./guard.js";

type Check = (operand: unknown, at: string) => void;

/** What each operator takes. Those that combine filters are apart, as they stand where fields do. */
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
  $size: (operand, at) => (Number.isInteger(operand) && (operand as number) >= 0) || bad(at, "a whole number, 0 or more", operand),
  $elemMatch: (operand, at) => (isOperators(operand) ? operators(operand, at) : filterAt(operand, at)),
  $not: (operand, at) => (isOperators(operand) ? operators(operand, at) : bad(at, "an object of operators", operand)),
  $regex: (operand, at) => typeof operand === "string" || bad(at, "the source of a regular expression, a string", operand),
  $options: (operand, at) => (typeof operand === "string" && /^[imsu]*$/.test(operand)) || bad(at, 'some of the letters of "imsu"', operand),
};
export const COMBINING: readonly string[] = ["$and", "$or", "$nor"];

/** The filter as JSON, which is the same for the same filter, and what that is. INVALID_FILTER, which says where and what. */
export function checkFilter(filter: unknown): { text: string; plain: { readonly [field: string]: unknown } } {
  if (!isObject(filter)) bad("filter", "a function or an object", filter);
  try {
    filterAt(filter, "filter");
    const text = jsonOf(filter);
    const plain: unknown = JSON.parse(text);
    // Once more, since what was looked at may have answered differently.
    filterAt(plain, "filter");
    return { text, plain: plain as { readonly [field: string]: unknown } };
  } catch (error) {
    // Firefox has a class of its own for too deep a recursion.
    if (error instanceof RangeError || (error as Error | undefined)?.name === "InternalError") fail("INVALID_FILTER", "filter: it is nested too deep, or contains itself", error);
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

/** A field's conditions, all of which must hold. */
function operators(conditions: object, at: string): void {
  for (const [operator, operand] of Object.entries(conditions)) {
    const here = `${at}.${operator}`;
    if (!Object.hasOwn(OPERANDS, operator)) fail("INVALID_FILTER", `${here}: expected one of ${Object.keys(OPERANDS).join(", ")}`);
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

/** What JSON can carry: a payload has nothing else. */
function value(operand: unknown, at: string): void {
  if (operand === null || typeof operand === "string" || typeof operand === "boolean" || Number.isFinite(operand)) return;
  if (Array.isArray(operand)) return values(operand, at);
  if (!isObject(operand)) bad(at, "a value that JSON can carry", operand);
  for (const [name, member] of Object.entries(operand)) {
    if (name.startsWith("$")) fail("INVALID_FILTER", `${at}.${name}: expected no operator here`);
    value(member, `${at}.${name}`);
  }
}

function values(operand: unknown, at: string): void {
  if (!Array.isArray(operand)) bad(at, "an array of values", operand);
  // A hole in it is to be looked at as well.
  Array.from(operand, (member, i) => value(member, `${at}[${i}]`));
}

function ordered(operand: unknown, at: string): void {
  if (typeof operand !== "string" && !Number.isFinite(operand)) bad(at, "a finite number or a string", operand);
}

/** With a member that is an operator of a field. Among them may be none that is not: that is for `operators` to say. */
export function isOperators(condition: unknown): condition is object {
  return isObject(condition) && Object.keys(condition).some((key) => key.startsWith("$") && !COMBINING.includes(key));
}

/** An object as braces make it, from any realm: one of a class may have a toJSON, and be something else as JSON. */
export function isObject(operand: unknown): operand is object {
  if (typeof operand !== "object" || operand === null) return false;
  const prototype: unknown = Object.getPrototypeOf(operand);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function bad(at: string, expected: string, got: unknown): never {
  fail("INVALID_FILTER", `${at}: expected ${expected}, got ${shown(got)}`);
}
