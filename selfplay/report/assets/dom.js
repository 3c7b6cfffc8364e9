"use strict";
// Everything on the page is made here, from text nodes: no text is ever read as markup.

// Children as given, nested or not, without the absent ones.
const kept = (children) => children.flat(Infinity).filter((child) => child != null && child !== false);
const put = (node, ...children) => node.replaceChildren(...kept(children));

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "css") Object.assign(node.style, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, String(value));
  }
  node.append(...kept(children));
  return node;
}

const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

const digits = (value) => {
  if (Number.isInteger(value)) return (value || 0).toLocaleString("en");
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return size !== 0 && size < 0.001 ? value.toExponential(1) : String(Number(value.toFixed(3)));
};
const number = (value) => (value == null || Number.isNaN(value) ? "–" : digits(value).replaceAll("-", "−"));
// In a column with fractions, all have as many places.
const aligned = (value) =>
  value != null && (value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1000)) ? value.toFixed(3).replace("-", "−") : number(value);
// A cell of a table that is a number, though written as text.
const figure = (text) => ({ figure: text });
const percent = (share) => (share == null ? "–" : `${(100 * share).toFixed(0)} %`);

const count = (n, noun, many = `${noun}s`) => `${number(n)} ${n === 1 ? noun : many}`;

// Text of a model: apart from ours, whatever its direction, control characters made visible.
const VISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const visible = (text) =>
  text.replace(VISIBLE, (c) => (c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : "\ufffd"));
const said = (text, tag = "span") => el(tag, { class: "said", dir: "auto" }, visible(text));
const brief = (text, length = 160) => {
  const line = visible(text.slice(0, 4 * length)).replace(/\s+/g, " ");
  return line.length > length ? `${line.slice(0, length)}…` : line;
};

const LONG = 24;

// Rows of cells; a cell is text, a number or a node. The first column heads its row. A `quiet`
// caption is for those who cannot see the heading above; a long table scrolls by itself.
function table(caption, heads, rows, quiet = false) {
  const numeric = (value) => value === null || typeof value === "number" || value.figure != null;
  const broken = heads.map((_, i) => rows.some((row) => typeof row[i] === "number" && !Number.isInteger(row[i])));
  const cell = (value, i) => {
    const text = !numeric(value) ? value : value && value.figure || (broken[i] ? aligned(value) : number(value));
    const right = numeric(value) ? "n" : null;
    return i ? el("td", { class: right }, text) : el("th", { scope: "row", class: right }, text);
  };
  return el(
    "div",
    { class: rows.length > LONG ? "scroll long" : "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el(
      "table",
      null,
      el("caption", { class: quiet ? "hush" : null }, caption),
      el("thead", null, el("tr", null, heads.map((h, i) =>
        el("th", { scope: "col", class: rows.length && rows.every((row) => numeric(row[i])) ? "n" : null }, h)))),
      el("tbody", null, rows.map((row) => el("tr", null, row.map(cell)))),
    ),
  );
}

// A part that is built when it is first opened. `key` tells it again when the page is renewed.
function folded(key, title, build, open = false) {
  const node = el("details", { "data-key": key }, el("summary", null, title));
  const fillIn = () => {
    if (node.open && node.children.length === 1) node.append(...[build()].flat());
  };
  node.addEventListener("toggle", fillIn);
  node.open = open;
  if (open) fillIn();
  return node;
}

function choice(label, key, options, value, changed) {
  const select = el("select", { "data-key": key, onchange: () => changed(select.value) },
    options.map(([id, name]) => el("option", { value: id, selected: id === value }, name)));
  return el("label", null, label, select);
}

// Ascending rounds with runs drawn together: 1–3, 7.
function ranges(rounds) {
  const found = [];
  for (const t of rounds) {
    const last = found.at(-1);
    if (last && t <= last[1] + 1) last[1] = t;
    else found.push([t, t]);
  }
  return found.map(([a, b]) => (a === b ? String(a) : `${a}–${b}`));
}

const facts = (pairs) =>
  el("dl", { class: "facts" }, pairs.map(([name, value]) =>
    el("div", null, el("dt", null, name), el("dd", null, value))));

const color = (i) => `var(--c${(i % 6) + 1})`;
const ramp = (share) => `color-mix(in oklab, var(--low), var(--high) ${Math.round(100 * share)}%)`;
