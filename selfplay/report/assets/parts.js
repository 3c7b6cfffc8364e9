"use strict";
// The parts of a report that only show; `page.command` quotes a command for this run.

const state = { metric: "", paint: "", query: "", operator: "", order: "value", shown: 30, open: "", config: "" };

const command = (page, rest) => el("code", null, `selfplay ${rest.replace("RUN", page.narrative.standing.directory)}`);

function storyPart(page) {
  const { sentences, standing: s } = page.narrative;
  return [
    el("div", { class: "story" }, sentences.map((sentence) => el("p", null, sentence))),
    facts([
      ["state", s.state], ["rounds", `${number(s.round)} of ${number(s.rounds)}`],
      ...(s.state === "finished" ? [] : [["last stage done", s.stage]]),
      ["prompts", number(s.prompts)], ["generated tokens", number(s.tokens)],
      ["time", s.time], ["alarms", number(s.alarms)],
    ]),
  ];
}

function curvesPart(page) {
  const { charts, metrics } = page.curves;
  if (!metrics.length) return [el("p", null, "Nothing was measured yet.")];
  const any = el("div");
  const choose = (name) => {
    state.metric = name;
    const series = metrics.find((m) => m.name === name) || metrics[0];
    put(any, lineChart("any", { title: series.name, note: "", series: [series] }));
  };
  const longest = [...metrics].sort((a, b) => b.rounds.length - a.rounds.length)[0];
  choose(state.metric || longest.name);
  return [
    el("div", { class: "grid" }, charts.map((c, i) => lineChart(`curve-${i}`, c))),
    el("h3", { class: "next" }, "Any metric"),
    el("div", { class: "controls" }, choice("Metric (stage/name)", "metric",
      metrics.map((m) => [m.name, m.name]), state.metric, choose)),
    any,
  ];
}

function frontierPart(page) {
  const found = page.frontier;
  if (!found.outcomes.length) return [el("p", null, "No group was trained on yet.")];
  return [el("div", { class: "stack" }, outcomesChart(found), found.rows.length ? heatTable(found) : null)];
}

function mapPart(page) {
  const found = page.map;
  if (found.missing) return [el("p", null, `There is no map. ${found.missing}`)];
  const records = new Map(page.prompts.records.map((r) => [r.id, r]));
  const points = found.points.map(([id, x, y]) => ({ ...records.get(id), x, y })).filter((p) => p.t != null);
  points.sort((a, b) => a.x - b.x);
  const holder = el("div");
  const paint = (by) => {
    state.paint = by;
    put(holder, promptMap(points, by));
  };
  const bornLater = points.some((p) => p.r !== points[0].r);
  paint(state.paint || (bornLater || points.every((p) => p.v == null) ? "round" : "value"));
  const all = page.prompts.records.length;
  const which = points.length < all ? `${number(points.length)} of the ${number(all)} prompts on this page` : count(points.length, "prompt");
  const model = found.model === "packaged" ? "all-MiniLM-L6-v2" : found.model;
  return [
    el("p", { class: "note" }, `${which}, near each other where they mean alike: sentence embeddings (${model}), `
      + `drawn on the two principal components. These hold ${percent(found.share)} of the spread, so near points `
      + "may still differ in the rest. Open a point to read its prompt below."),
    el("div", { class: "controls" }, choice("Colour by", "paint",
      [["round", "round of birth"], ["value", "newest estimate"]], state.paint, paint)),
    holder,
  ];
}

function promptMap(points, by) {
  const values = points.map((p) => (by === "round" ? p.r : p.v));
  const known = values.filter((v) => v != null);
  const low = Math.min(...known), high = Math.max(...known);
  const label = (p) => [`${p.id.slice(0, 8)} · ${p.o} · round ${p.r} · estimate ${number(p.v)}`, brief(p.t)];
  const height = 420;
  const tip = el("div", { class: "tip", role: "status", hidden: true });
  let width = 600, here = -1;
  const dots = points.map((p, i) => svg("circle", {
    class: "dot", r: 5,
    css: values[i] == null
      ? { fill: "transparent", strokeWidth: 1 }
      : { fill: ramp(high > low ? (values[i] - low) / (high - low) : 0.5) },
    onpointerenter: () => show(i), onclick: () => openPrompt(p.id),
  }));
  const plot = el("div", {
    class: "plot", tabindex: 0, role: "group", "data-key": "map-plot",
    "aria-label": "Map of prompts. Left and right arrow keys go from point to point, Enter opens one; the part Prompts lists the same prompts.",
    onkeydown: (event) => {
      if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
        event.preventDefault();
        show(Math.max(0, Math.min(points.length - 1, here + (event.key === "ArrowRight" ? 1 : -1))));
      }
      if (event.key === "Enter" && here >= 0) openPrompt(points[here].id);
      if (event.key === "Escape") hide();
    },
    onpointerleave: () => hide(), onblur: () => hide(),
  });
  function place(p) {
    return [((p.x + 1.05) / 2.1) * width, ((1.05 - p.y) / 2.1) * height];
  }
  function show(i) {
    if (here >= 0) dots[here].classList.remove("here");
    here = i;
    dots[i].classList.add("here");
    const [x, y] = place(points[i]);
    tip.hidden = false;
    put(tip, label(points[i]).map((line) => el("div", null, line)));
    const right = x > width / 2;
    Object.assign(tip.style, {
      left: right ? "auto" : `${x + 12}px`, right: right ? `${width - x + 12}px` : "auto", top: `${Math.min(y, height - 90)}px`,
    });
  }
  function hide() {
    if (here >= 0) dots[here].classList.remove("here");
    here = -1;
    tip.hidden = true;
  }
  new ResizeObserver(() => {
    width = Math.max(240, plot.clientWidth);
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" }, dots);
    points.forEach((p, i) => {
      const [x, y] = place(p);
      dots[i].setAttribute("cx", x.toFixed(1));
      dots[i].setAttribute("cy", y.toFixed(1));
    });
    put(plot, drawing, tip);
  }).observe(plot);
  const gone = values.length - known.length;
  return el("figure", null,
    el("p", { class: "legend" },
      known.length ? el("span", null, by === "round" ? "round of birth: " : "newest estimate: ", number(low),
        high > low ? [el("span", { class: "ramp" }), number(high)] : null) : null,
      gone ? el("span", null, `empty rings: ${count(gone, "prompt")} without an estimate`) : null),
    plot);
}

function operatorsPart(page) {
  const found = page.operators;
  const share = (a, b) => (b ? a / b : null);
  const rows = Object.entries(found.operators).map(([name, y]) => [
    name, y.tried, y.admitted, figure(percent(share(y.admitted, y.tried))), y.judged, figure(percent(share(y.learnable, y.judged))), y.solved_later,
  ]);
  const parts = rows.length
    ? [table("What operators yielded", ["operator", "tried", "admitted", "share", "judged", "learnable", "solved later"], rows),
      el("p", { class: "note" }, "Tried: attempts to make a child, of which some were admitted. Learnable: share of the judged children some of whose first responses succeed and some fail. Solved later: fewer than half of the first responses succeeded, half or more in a later round.")]
    : [el("p", null, "No operator made anything in this run.")];
  const turned = found.turned_down.map((t) => [t.operator, t.reason, t.children]);
  const tasks = found.tasks.map((t) => [t.task, t.originals, t.children, t.heldout, t.trained, t.reward]);
  const varied = found.diversity.map((d) => [d.prompts, d.sample, ...d.distinct.map((share) => figure(percent(share)))]);
  return [
    ...parts,
    turned.length ? folded("turned", `Children turned down, by reason (${turned.length})`, () =>
      table("Children turned down", ["operator", "reason", "children"], turned, true)) : null,
    folded("tasks", `Tasks (${tasks.length})`, () =>
      table("Prompts and rewards by task", ["task", "originals", "children", "held out", "groups trained on", "mean reward"], tasks)),
    varied.length ? folded("varied", "How varied the prompts are", () => [
      el("p", { class: "note" }, "Share of their n-grams (n words in a row) that are distinct, in equally many texts of each kind."),
      table("Distinct n-grams", ["prompts", "texts", "1-grams", "2-grams", "3-grams"], varied, true)]) : null,
  ];
}

function alarmsPart(page) {
  const found = page.alarms;
  if (!found.total) return [el("p", null, found.watched ? "No monitor raised an alarm." : "No monitor was on in this run.")];
  const last = page.narrative.standing.round;
  const leads = { tell: "nothing more", review: "a review", pause: "a pause" };
  const rows = found.monitors.map((m) => [m.monitor, leads[m.action] || m.action, m.rounds.length, strip(m.rounds, last)]);
  const shown = found.alarms.length < found.total ? `, the newest ${number(found.alarms.length)}` : "";
  return [
    table("Alarms by monitor", ["monitor", "leads to", "alarms", "rounds"], rows),
    folded("alarms", `Each alarm (${number(found.total)}${shown})`, () =>
      table("Alarms", ["round", "monitor", "what", "value", "reference", "p", "suspects"],
        found.alarms.map((a) => [a.round, a.monitor, said(a.text), a.value, a.reference, a.p, a.suspects]), true)),
    found.anchors.length ? folded("anchors", "Anchored responses", () => [
      el("p", { class: "note" }, "Trusted, scored responses that rubrics are tried on: those of the part 'propose' may be seen by whoever proposes a rubric, the gate decides by 'gate', and 'report' is only reported. Suspects come from alarms."),
      table("Anchored responses", ["part", "origin", "responses"],
        found.anchors.map((a) => [a.part, a.origin, a.responses]), true)]) : null,
  ];
}

// When something happened, as marks along the rounds; the words say the same.
function strip(rounds, last) {
  const width = 220;
  const marks = rounds.map((t) => svg("rect", {
    x: ((t - 1) / Math.max(1, last)) * width, y: 2, width: Math.max(2, width / Math.max(1, last) - 1), height: 12,
    css: { fill: "var(--c2)" },
  }));
  const spans = ranges(rounds);
  const words = spans.slice(0, 12).join(", ") + (spans.length > 12 ? ", …" : "");
  return [
    svg("svg", { class: "strip", viewBox: `0 0 ${width} 16`, preserveAspectRatio: "none", height: 16, "aria-hidden": "true" },
      svg("rect", { x: 0, y: 7, width, height: 2, css: { fill: "var(--line)" } }), marks),
    el("div", { class: "meta" }, words),
  ];
}

function spendingPart(page) {
  const found = page.spending;
  const tenths = (seconds) => figure(seconds.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 }));
  const total = found.stages.reduce((sum, s) => sum + s.seconds, 0) || 1;
  const bar = (share) => [el("span", { class: "bar", css: { width: `${Math.max(0.1, 6 * share)}rem` } }), ` ${percent(share)}`];
  const servers = found.servers.map((s) => [s.role, s.model, s.server, s.requests, s.retries, s.cached, s.unanswered, s.tokens_in, s.tokens_out, s.money]);
  return [
    el("div", { class: "grid" },
      el("div", { class: "card" }, table("Wall-clock time by stage", ["stage", "seconds", "rounds", "share"],
        found.stages.map((s) => [s.stage, tenths(s.seconds), s.rounds, bar(s.seconds / total)]))),
      found.chart.series[0].rounds.length ? lineChart("seconds", found.chart) : null),
    found.peak == null ? null : el("p", null, `Learning took ${number(Math.round(found.peak / 2 ** 20))} MiB at most.`),
    folded("work", "Within the stages, by role", () => table("Within the stages", ["stage", "role", "seconds", "tokens generated"],
      found.work.map((w) => [w.what, w.role, tenths(w.seconds), w.tokens]))),
    servers.length
      ? table("Models behind servers", ["role", "model", "server", "requests", "retries", "cached", "unanswered", "tokens in", "tokens out", "money"], servers)
      : el("p", null, "No model behind a server was asked."),
  ];
}

const flat = (value, before = "") =>
  Object.entries(value).flatMap(([key, member]) =>
    member && typeof member === "object" && !Array.isArray(member) && Object.keys(member).length
      ? flat(member, `${before}${key}.`) : [[`${before}${key}`, JSON.stringify(member)]]);

function configurationPart(page) {
  const rows = flat(page.configuration.settings);
  const holder = el("div");
  const filter = (text) => {
    state.config = text;
    const kept = rows.filter(([key, value]) => `${key} ${value}`.toLowerCase().includes(text.toLowerCase()));
    put(holder, table(`${count(kept.length, "setting")} of ${number(rows.length)}`, ["setting", "value"],
      kept.map(([key, value]) => [key, said(value)])));
  };
  const input = el("input", { type: "search", "data-key": "config", value: state.config, oninput: () => filter(input.value) });
  filter(state.config);
  return [
    el("div", { class: "controls" }, el("label", null, "Show settings that contain", input)), holder,
    folded("environment", "Environment the run was created in", () => table("Environment", ["what", "value"],
      flat(page.configuration.environment).map(([key, value]) => [key, said(value)]), true)),
  ];
}
