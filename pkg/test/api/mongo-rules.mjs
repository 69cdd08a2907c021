// A slow and literal implementation of the rules of MongoDB's operators, value by value, to compare the package with.
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isConditions = (condition) => isObject(condition) && Object.keys(condition).some((key) => key.startsWith("$"));
const MISSING = Symbol("missing");
const kind = (value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value);

/** Returns whether two values are equal as JSON, regardless of the order of members. */
function equal(left, right) {
  if (kind(left) !== kind(right)) return false;
  if (Array.isArray(left)) return left.length === right.length && left.every((element, i) => equal(element, right[i]));
  if (!isObject(left)) return left === right;
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every((name) => Object.hasOwn(right, name) && equal(left[name], right[name]));
}

/** Yields the values that a path leads to. It descends into arrays on the way, but not into those at the end. */
function* reached(payload, [name, ...rest]) {
  const value = Object.hasOwn(payload, name) ? payload[name] : MISSING;
  if (!rest.length) yield value;
  else if (isObject(value)) yield* reached(value, rest);
  else if (!Array.isArray(value)) yield MISSING;
  else {
    for (const [i, element] of value.entries()) {
      if (isObject(element)) yield* reached(element, rest);
      if (String(i) !== rest[0]) continue;
      if (rest.length === 1) yield element;
      else if (typeof element === "object" && element !== null) yield* reached({ element }, ["element", ...rest.slice(1)]);
    }
  }
}

/** Returns whether one value satisfies a non-negating operator. */
function satisfies(operator, operand, value, beside) {
  if (operator === "$eq") return value === MISSING ? operand === null : equal(operand, value);
  if (operator === "$in") return operand.some((each) => satisfies("$eq", each, value));
  if (operator === "$regex") return typeof value === "string" && new RegExp(operand, beside.$options).test(value);
  if (typeof value !== typeof operand) return false;
  return { $gt: value > operand, $gte: value >= operand, $lt: value < operand, $lte: value <= operand }[operator];
}

/** Returns whether conditions hold for values; `spread` returns what an array among them stands for. */
function hold(conditions, values, spread) {
  const some = (operator, operand) => values.flatMap(spread).some((value) => satisfies(operator, operand, value, conditions));
  const holds = {
    $options: () => true,
    $ne: (operand) => !some("$eq", operand),
    $nin: (operand) => !some("$in", operand),
    $all: (operand) => operand.every((each) => some("$eq", each)),
    $exists: (operand) => values.some((value) => value !== MISSING) === operand,
    $size: (operand) => values.some((value) => Array.isArray(value) && value.length === operand),
    $not: (operand) => !hold(operand, values, spread),
    $elemMatch: (operand) => values.some((value) => Array.isArray(value) && value.some((element) => ofElement(operand, element))),
  };
  return Object.entries(conditions).every(([operator, operand]) => holds[operator]?.(operand) ?? some(operator, operand));
}

const itselfOnly = (value) => [value];
const elementsAndItself = (value) => (Array.isArray(value) ? [...value, value] : [value]);

function ofElement(operand, element) {
  if (isConditions(operand)) return hold(operand, [element], itselfOnly);
  return typeof element === "object" && element !== null && matches(operand, { ...element });
}

export function matches(filter, payload) {
  return Object.entries(filter).every(([field, condition]) => {
    if (field === "$and") return condition.every((part) => matches(part, payload));
    if (field === "$or") return condition.some((part) => matches(part, payload));
    if (field === "$nor") return !condition.some((part) => matches(part, payload));
    return hold(isConditions(condition) ? condition : { $eq: condition }, [...reached(payload, field.split("."))], elementsAndItself);
  });
}
