"use strict";
// Charts over the rounds. Each can be read by pointer, by arrow keys and as a table.

const HEIGHT = 220;
const EDGE = { left: 46, right: 12, top: 10, bottom: 26 };
const DASHES = [null, "8 3", "3 3", "10 3 3 3", "14 4", "6 2 2 2"];

function ticks(low, high, wanted) {
  const raw = (high - low) / wanted || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * size).find((s) => s >= 0.75 * raw);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(at);
  return found;
}

function span(values) {
  let low = Infinity, high = -Infinity;
  for (const v of values) {
    if (v == null) continue;
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (low === Infinity) return [0, 1];
  if (low >= 0 && (low < 0.7 * high || high <= 1)) low = 0;
  if (low === high) [low, high] = high > 0 ? [0, high] : [high, high ? 0 : 1];
  return [low, high + (high - low) * 0.05];
}

// The frame that all charts share: caption, legend, axes, reading positions, table.
// plan: {key, title, note, legend, xs, ys: [low, high], draw(at) -> nodes, say(i) -> lines, table()}
function chart(plan) {
  const tip = el("div", { class: "tip", role: "status", hidden: true });
  const guide = svg("line", { class: "guide", visibility: "hidden" });
  const plot = el("div", {
    class: "plot", tabindex: 0, role: "group", "data-key": `${plan.key}-plot`,
    "aria-label": `Chart: ${plan.title}. Left and right arrow keys read the values; a table follows.`,
  });
  let at = null, here = -1;

  function redraw() {
    const width = Math.max(240, plot.clientWidth || 480);
    const [first, last] = [plan.xs[0], plan.xs.at(-1)];
    // A single round stands in the middle.
    const [x0, x1] = last > first ? [first, last] : [first - 1, first + 1];
    const [y0, y1] = plan.ys;
    at = {
      left: EDGE.left, right: width - EDGE.right,
      x: (v) => EDGE.left + ((v - x0) / (x1 - x0)) * (width - EDGE.left - EDGE.right),
      y: (v) => HEIGHT - EDGE.bottom - ((v - y0) / (y1 - y0)) * (HEIGHT - EDGE.top - EDGE.bottom),
    };
    const grid = ticks(y0, y1, 4).map((v) => [
      svg("line", { class: "axis", x1: EDGE.left, x2: width - EDGE.right, y1: at.y(v), y2: at.y(v) }),
      svg("text", { x: EDGE.left - 6, y: at.y(v) + 4, "text-anchor": "end" }, number(Number(v.toPrecision(6)))),
    ]);
    const below = ticks(first, last, Math.max(2, width / 90)).filter(Number.isInteger).map((v) =>
      svg("text", { x: at.x(v), y: HEIGHT - 8, "text-anchor": "middle" }, number(v)));
    below.push(svg("text", { x: 0, y: HEIGHT - 8 }, "round"));
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, "aria-hidden": "true" },
      grid, below, plan.draw(at), guide);
    put(plot, drawing, tip);
    if (here >= 0) show(here);
  }

  function show(i) {
    here = Math.max(0, Math.min(plan.xs.length - 1, i));
    const x = at.x(plan.xs[here]);
    fill(guide, { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom, visibility: "visible" }, []);
    tip.hidden = false;
    put(tip, plan.say(here).map((line) => el("div", null, line)));
    const right = x > plot.clientWidth / 2;
    tip.style.left = right ? "auto" : `${x + 10}px`;
    tip.style.right = right ? `${plot.clientWidth - x + 10}px` : "auto";
  }

  function hide() {
    here = -1;
    tip.hidden = true;
    guide.setAttribute("visibility", "hidden");
  }

  function nearest(event) {
    const x = event.clientX - plot.getBoundingClientRect().left;
    let best = 0;
    plan.xs.forEach((v, i) => {
      if (Math.abs(at.x(v) - x) < Math.abs(at.x(plan.xs[best]) - x)) best = i;
    });
    show(best);
  }

  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 };
  plot.addEventListener("pointermove", nearest);
  plot.addEventListener("pointerdown", nearest);
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    if (!(event.key in steps)) return;
    event.preventDefault();
    show(here < 0 && event.key !== "End" ? 0 : here + steps[event.key]);
  });
  new ResizeObserver(redraw).observe(plot);

  return el("figure", null,
    el("figcaption", null, el("h3", null, plan.title), plan.note && el("p", null, plan.note)),
    plan.legend.length > 1 ? legend(plan.legend) : null, plot,
    folded(`${plan.key}-table`, "The same as a table", plan.table));
}

// Entries: {name, paint} for an area, with a `line`'s class and dashes for a line.
const legend = (entries) =>
  el("ul", { class: "legend" }, entries.map(({ name, paint, line, dashes }) =>
    el("li", null, line
      ? svg("svg", { width: 26, height: 8, "aria-hidden": "true" },
        svg("path", { class: line, d: "M0 4H26", "stroke-dasharray": dashes, css: { stroke: paint } }))
      : el("i", { css: { background: paint } }), name)));

function lineChart(key, given) {
  const xs = [...new Set(given.series.flatMap((s) => s.rounds))].sort((a, b) => a - b);
  const lookup = given.series.map((s) => new Map(s.rounds.map((t, i) => [t, s.values[i]])));
  const levels = Object.entries(given.levels || {}).map(([name, value]) =>
    ({ name, value, paint: color(Math.max(0, given.series.findIndex((s) => s.name === name))) }));
  const width = Math.max(1, ...given.series.map((s) => s.width));
  const note = width > 1 ? `${given.note} Each point is the mean of ${width} rounds.` : given.note;
  const draw = (at) => [
    levels.map(({ value, paint }) => svg("line", {
      class: "level", x1: at.left, x2: at.right, y1: at.y(value), y2: at.y(value), css: { stroke: paint },
    })),
    given.series.map((s, i) => linesThrough(s, at, i)),
  ];
  return chart({
    key, title: given.title, note, xs, draw,
    ys: span([...given.series.flatMap((s) => s.values), ...levels.map((level) => level.value)]),
    legend: [
      ...given.series.map((s, i) => ({ name: s.name, paint: color(i), line: "line", dashes: DASHES[i % 6] })),
      ...levels.map(({ name, value, paint }) => ({ name: `${name}, supervised: ${number(value)}`, paint, line: "level" })),
    ],
    say: (i) => [`Round ${number(xs[i])}`, ...given.series.flatMap((s, k) =>
      lookup[k].has(xs[i]) ? [`${s.name}: ${number(lookup[k].get(xs[i]))}`] : [])],
    table: () => table(given.title, ["round", ...given.series.map((s) => s.name)],
      xs.map((x) => [x, ...lookup.map((known) => known.get(x) ?? null)]), true),
  });
}

// A line that is broken where a value is missing; few points are marked.
function linesThrough(series, at, i) {
  const paint = color(i);
  let path = "", pen = "M";
  const dots = [];
  series.values.forEach((v, k) => {
    if (v == null) {
      pen = "M";
      return;
    }
    const [x, y] = [at.x(series.rounds[k]).toFixed(1), at.y(v).toFixed(1)];
    path += `${pen}${x} ${y}`;
    pen = "L";
    if (series.values.length <= 30) dots.push(svg("circle", { cx: x, cy: y, r: 3, css: { fill: paint } }));
  });
  return [svg("path", { class: "line", d: path, "stroke-dasharray": DASHES[i % 6], css: { stroke: paint } }), dots];
}

function outcomesChart(found) {
  const kinds = [
    ["none", "no response succeeds", "var(--none)"],
    ["some", "some succeed: these teach", "var(--some)"],
    ["all", "all succeed", "var(--all)"],
  ];
  const rows = found.outcomes;
  const draw = (at) => {
    // The area of a single round takes the whole width.
    const places = rows.length > 1 ? rows.map((row) => [row, at.x(row.round)]) : [[rows[0], at.left], [rows[0], at.right]];
    const base = places.map(() => 0);
    const edge = () => places.map(([, x], i) => `${x.toFixed(1)} ${at.y(base[i]).toFixed(1)}`);
    return kinds.map(([kind, , paint]) => {
      const below = edge();
      places.forEach(([row], i) => (base[i] += row[kind]));
      const above = edge();
      return svg("path", { d: `M${above.join("L")}L${below.reverse().join("L")}Z`, css: { fill: paint } });
    });
  };
  return chart({
    key: "outcomes", title: "What the training groups were like",
    note: `Share of a round's groups in which no, some or all responses succeed; a response succeeds with a reward from ${(100 * found.success).toFixed(0)} % of the judge's scale on.${found.rubric}`,
    xs: rows.map((row) => row.round), ys: [0, 1], draw,
    legend: kinds.map(([, name, paint]) => ({ name, paint })),
    say: (i) => [`Round ${number(rows[i].round)}`, ...kinds.map(([kind, name]) =>
      `${name}: ${percent(rows[i][kind])}`).reverse()],
    table: () => table("Shares of groups", ["round", "none succeeds", "some succeed", "all succeed"],
      rows.map((row) => [row.round, ...kinds.map(([kind]) => figure(percent(row[kind])))]), true),
  });
}

// Success by difficulty (or task) and rounds: a table whose cells are coloured.
function heatTable(found) {
  const cells = new Map(found.cells.map((c) => [`${c.row}/${c.column}`, c]));
  const order = found.rows.map((_, i) => i);
  if (found.kind === "difficulty") order.reverse();
  const used = order.filter((r) => found.cells.some((c) => c.row === r));
  const body = used.map((r) => el("tr", null, el("th", { scope: "row" }, found.rows[r]),
    found.columns.map((name, c) => heatCell(cells.get(`${r}/${c}`), name))));
  const title = `Success rate (%) by ${found.kind} and round`;
  return el("figure", null,
    el("figcaption", null, el("h3", null, title),
      el("p", null, found.kind === "difficulty"
        ? "Hardest on top: 0 is the easiest level of every attribute, 1 the hardest. The frontier is where high rates meet low ones. Empty cells, and difficulties left out, were not asked."
        : "Empty cells were not asked.")),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
      el("table", { class: "heat" }, el("caption", { class: "hush" }, title),
        el("thead", null, el("tr", null, el("th", { scope: "col" }, `${found.kind} ↓ round →`),
          found.columns.map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", null, body))));
}

function heatCell(cell, rounds) {
  if (!cell) return el("td", null, el("span", { class: "hush" }, "not asked"));
  return el("td", {
    class: cell.success > 0.58 ? "high" : cell.success > 0.29 ? "half" : null, css: { background: ramp(cell.success) },
    title: `${rounds.includes("–") ? "rounds" : "round"} ${rounds}: ${(100 * cell.success).toFixed(1)} % of responses succeed, ${count(cell.groups, "group")}`,
  }, (100 * cell.success).toFixed(0));
}
