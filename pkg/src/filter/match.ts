// Compiles a checked filter into a function that matches payloads by MongoDB's rules.
//
// A path leads to values. Within an array, a name leads into each object, and a number into one element. An array at
// the end of the path stands for its elements and for itself. A condition holds if it holds for one of those values. A
// negating condition ($ne, $nin, $not, $nor, $exists: false) holds if the condition that it negates does not.
import { COMBINING, isObject, isOperators } from "./check.js";

/** A payload, or an object in one. */
export type Fields = { readonly [name: string]: unknown };
/** A test of one value. `undefined` stands for a missing value. */
type Test = (value: unknown) => boolean;
/** The values that a condition applies to. Returns true if the test holds for one of them. */
type Values = (test: Test) => boolean;
type Condition = (values: Values) => boolean;

/** Compiles a filter that has passed `checkFilter` and was parsed from JSON. */
export function matcher(filter: Fields): (payload: Fields) => boolean {
  const parts = Object.entries(filter).map(([field, condition]): ((payload: Fields) => boolean) => {
    if (COMBINING.includes(field)) return combined(field, (condition as Fields[]).map(matcher));
    const path = field.split(".");
    const holds = isOperators(condition) ? all(condition as Fields, leaf) : one(leaf(equalTo(condition)));
    return (payload) => holds((test) => reached(payload, path, 0, test));
  });
  return (payload) => parts.every((holds) => holds(payload));
}

function combined(operator: string, parts: readonly ((payload: Fields) => boolean)[]): (payload: Fields) => boolean {
  if (operator === "$and") return (payload) => parts.every((holds) => holds(payload));
  const any = (payload: Fields): boolean => parts.some((holds) => holds(payload));
  return operator === "$or" ? any : (payload) => !any(payload);
}

/**
 * Returns true if the test holds for a value that the rest of the path leads to from `value`. Inherited members do not
 * count, and a string has no members.
 */
function reached(value: unknown, path: readonly string[], at: number, test: Test): boolean {
  const name = path[at];
  if (name === undefined) return test(value);
  if (isObject(value)) return Object.hasOwn(value, name) ? reached((value as Fields)[name], path, at + 1, test) : test(undefined);
  if (!Array.isArray(value)) return test(undefined);
  if (/^(0|[1-9]\d*)$/.test(name) && Number(name) < value.length) {
    const element: unknown = value[Number(name)];
    // From an element that is neither object nor array, the rest of a path leads nowhere, not even to a missing value.
    const leads = at + 1 === path.length || (typeof element === "object" && element !== null);
    if (leads && reached(element, path, at + 1, test)) return true;
  }
  return value.some((element) => isObject(element) && reached(element, path, at, test));
}

/** For a value at the end of a path: an array stands for its elements and for itself. */
const leaf = (test: Test): Test => (value) => (Array.isArray(value) && value.some(test)) || test(value);
/** For an element that $elemMatch tests: it stands only for itself. */
const itself = (test: Test): Test => test;

const one = (test: Test): Condition => (values) => values(test);
const none = (test: Test): Condition => (values) => !values(test);

/** Combines conditions on the same values; all of them must hold. */
function all(operators: Fields, around: (test: Test) => Test): Condition {
  const conditions = Object.entries(operators).map(([operator, operand]) => conditionOf(operator, operand, operators, around));
  return (values) => conditions.every((holds) => holds(values));
}

function conditionOf(operator: string, operand: unknown, beside: Fields, around: (test: Test) => Test): Condition {
  switch (operator) {
    case "$eq":
      return one(around(equalTo(operand)));
    case "$ne":
      return none(around(equalTo(operand)));
    case "$in":
      return one(around(among(operand as unknown[])));
    case "$nin":
      return none(around(among(operand as unknown[])));
    case "$all": {
      const tests = (operand as unknown[]).map((each) => around(equalTo(each)));
      return (values) => tests.every(values);
    }
    case "$exists":
      return operand ? one(isThere) : none(isThere);
    case "$size":
      return one((value) => Array.isArray(value) && value.length === operand);
    case "$elemMatch": {
      const element = elementOf(operand as Fields);
      return one((value) => Array.isArray(value) && value.some(element));
    }
    case "$not": {
      const denied = all(operand as Fields, around);
      return (values) => !denied(values);
    }
    case "$regex": {
      const expression = new RegExp(operand as string, beside["$options"] as string | undefined);
      return one(around((value) => typeof value === "string" && expression.test(value)));
    }
    case "$options":
      return () => true;
    default:
      return one(around(ordered(operator, operand as string | number)));
  }
}

const isThere: Test = (value) => value !== undefined;

/** Compares numbers with numbers and strings with strings. Values of other types never pass. */
function ordered(operator: string, operand: string | number): Test {
  const kind = typeof operand;
  const compared: Readonly<Record<string, (value: string | number) => boolean>> = {
    $gt: (value) => value > operand,
    $gte: (value) => value >= operand,
    $lt: (value) => value < operand,
    $lte: (value) => value <= operand,
  };
  const holds = compared[operator]!;
  return (value) => typeof value === kind && holds(value as string | number);
}

/** Returns the test that $elemMatch applies to an element. Conditions on fields require an object or an array. */
function elementOf(operand: Fields): Test {
  if (isOperators(operand)) {
    const holds = all(operand, itself);
    return (element) => holds((test) => test(element));
  }
  const matches = matcher(operand);
  return (element) => {
    if (typeof element !== "object" || element === null) return false;
    return matches(Array.isArray(element) ? { ...element } : (element as Fields));
  };
}

/** Tests for a value that equals one of the operands. The lookup among strings and numbers is O(1). */
function among(operands: readonly unknown[]): Test {
  const plain = new Set(operands.filter((operand) => typeof operand !== "object" || operand === null));
  const others = operands.filter((operand) => typeof operand === "object" && operand !== null).map(equalTo);
  return (value) => plain.has(value === undefined ? null : value) || others.some((test) => test(value));
}

/** Tests for a value that equals the operand. A missing value equals null. */
function equalTo(operand: unknown): Test {
  if (operand === null) return (value) => value === null || value === undefined;
  return (value) => equal(operand, value);
}

/** Returns true if two JSON values are equal, regardless of the order of members. */
function equal(left: unknown, right: unknown): boolean {
  if (typeof left !== "object" || left === null) return left === right;
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length && left.every((element, i) => equal(element, right[i]));
  }
  if (!isObject(right)) return false;
  const members = Object.entries(left);
  if (members.length !== Object.keys(right).length) return false;
  return members.every(([name, member]) => Object.hasOwn(right, name) && equal(member, (right as Fields)[name]));
}
