// Helpers for creating elements.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Creates an HTML element; attributes named on... are listeners. Text is always text, never markup. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Creates an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** `text` with every occurrence of `part` marked. */
export function marked(text, part) {
  if (!part) return [text];
  const pieces = [];
  const lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(part); at >= 0; at = lower.indexOf(part, from)) {
    pieces.push(text.slice(from, at), el("mark", {}, text.slice(at, at + part.length)));
    from = at + part.length;
  }
  pieces.push(text.slice(from));
  return pieces;
}

/** Returns the gloss without the words it defines: "lamp, light: a source" gives "a source". */
export function definition(row) {
  const at = row.text.indexOf(": ");
  return at < 0 ? row.text : row.text.slice(at + 2);
}
