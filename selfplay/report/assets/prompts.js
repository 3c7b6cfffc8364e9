"use strict";
// The lineage explorer: search, a list, and one prompt with its family, estimates and responses.

let family = { records: new Map(), children: new Map(), texts: [] };

function indexed(records) {
  const children = new Map();
  for (const record of records)
    for (const parent of record.p) children.set(parent, [...(children.get(parent) || []), record.id]);
  return {
    records: new Map(records.map((r) => [r.id, r])), children,
    texts: records.map((r) => `${r.id} ${r.o} ${r.k} ${r.t}`.toLowerCase()),
  };
}

function promptsPart(page) {
  const found = page.prompts;
  family = indexed(found.records);
  const hits = el("ul", { class: "hits", "aria-label": "Prompts found" });
  const status = el("p", { class: "meta", role: "status" });
  const more = el("button", { type: "button", "data-key": "more", onclick: () => { state.shown += 30; list(); } }, "Show 30 more");
  const panel = el("div", { class: "card", id: "prompt", tabindex: -1, "data-key": "prompt", role: "region", "aria-label": "The prompt that is open" });

  function matching() {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = found.records.filter((r, i) =>
      (!state.operator || r.o === state.operator) && words.every((w) => family.texts[i].includes(w)));
    const last = (v) => (v == null ? -Infinity : v);
    const orders = { value: (a, b) => last(b.v) - last(a.v), newest: (a, b) => b.r - a.r, oldest: (a, b) => a.r - b.r };
    return fits.sort(orders[state.order]);
  }
  function list() {
    const fits = matching();
    status.textContent = `${count(fits.length, "prompt")} of ${number(found.records.length)} on this page`;
    put(hits, fits.slice(0, state.shown).map((r) => el("li", null, pick(r, true))));
    more.hidden = fits.length <= state.shown;
  }
  function changed(key) {
    return (value) => { state[key] = value; state.shown = 30; list(); };
  }
  family.show = (id, move) => {
    state.open = id;
    put(panel, promptPanel(page, family.records.get(id)));
    for (const button of hits.querySelectorAll(".pick")) button.setAttribute("aria-current", String(button.dataset.id === id));
    if (move) { panel.focus({ preventScroll: true }); panel.scrollIntoView({ block: "nearest" }); }
  };
  const input = el("input", { type: "search", id: "query", "data-key": "query", value: state.query, oninput: () => changed("query")(input.value) });
  const operators = [...new Set(found.records.map((r) => r.o))].sort();
  list();
  const first = family.records.has(state.open) ? state.open : (matching()[0] || {}).id;
  if (first) family.show(first, false);
  else panel.append(el("p", null, "There are no prompts yet."));
  return [
    el("p", { class: "note" }, coverage(found)),
    folded("reach", "Commands that reach every prompt and response", () => el("ul", { class: "commands" },
      ["search RUN WORDS", "show RUN ID --responses", "descendants RUN ID"].map((rest) => el("li", null, command(page, `prompts ${rest}`))))),
    found.undecoded ? el("p", null, `Responses are shown without their text: ${found.undecoded}`) : null,
    el("search", null, el("div", { class: "controls", role: "search" },
      el("label", null, "Search texts, ids, tasks", input),
      choice("Operator", "operator", [["", "all"], ...operators.map((o) => [o, o])], state.operator, changed("operator")),
      choice("Order", "order", [["value", "highest estimate"], ["newest", "newest"], ["oldest", "oldest"]], state.order, changed("order")))),
    el("div", { class: "split" }, el("div", null, status, hits, more), panel),
  ];
}

function coverage(found) {
  const kinds = found.metrics.length ? ` Estimates: ${found.metrics.join(", ")}` : "";
  const scales = found.scales > 1 ? `; they were made under ${found.scales} judgings or metrics, whose values compare only in part.` : kinds && ".";
  const held = found.whole
    ? `All ${number(found.admitted)} admitted prompts are on this page`
    : `${number(found.records.length)} prompts of ${number(found.admitted)} are on this page: the most valuable and an even sample of the rest, with up to 40 generations of ancestors, within ${number(found.budget / 1e6)} MB`;
  return `${held}. Of the responses to a prompt, the first group and the newest two are here. Prompts are cut at ${number(found.text)} and responses at ${number(found.answer)} characters.${kinds}${scales}`;
}

function pick(record, wide) {
  const meta = `${record.id.slice(0, 8)} · ${record.o} · round ${record.r}${record.v == null ? "" : ` · estimate ${number(record.v)}`}`;
  return el("button", {
    type: "button", class: "pick", "data-id": record.id, "data-key": `${wide ? "hit" : "kin"}-${record.id}`,
    "aria-current": String(record.id === state.open), onclick: () => family.show(record.id, true),
  }, el("span", { class: "meta" }, meta), " ", el(wide ? "span" : "bdi", { class: wide ? "text" : null, dir: "auto" }, brief(record.t, wide ? 200 : 60)));
}

function openPrompt(id) {
  family.show(id, true);
}

function promptPanel(page, record) {
  const levels = Object.entries(record.l).map(([name, level]) => `${name} ${level}`).join(", ");
  return [
    el("h3", null, `Prompt ${record.id}`),
    el("pre", { class: "said", dir: "auto", tabindex: 0, "aria-label": "Text of the prompt" }, visible(record.t) + (record.x ? " … (cut)" : "")),
    facts([
      ["operator", record.o], ["round of birth", number(record.r)], ["task", record.k],
      ...(levels ? [["levels", levels]] : []), ...(record.m ? [["written by", record.m]] : []),
      ["newest estimate", number(record.v)], ["children", number(record.c)],
      ...(record.a == null ? [] : [["right answer", said(record.a)]]),
    ]),
    el("h4", null, "Family"), ...familyOf(page, record),
    ...(record.e ? detailsOf(record) : [el("p", { class: "note" }, "On this page as an ancestor only: ", command(page, `prompts show RUN ${record.id} --responses`))]),
    el("button", { type: "button", onclick: () => document.getElementById("query").focus() }, "Back to the search"),
  ];
}

function familyOf(page, record) {
  const seen = new Set([record.id]);
  const up = branch(record, (r) => r.p, seen, 0, "older ones are not on this page, or not in this run");
  const down = branch(record, (r) => family.children.get(r.id) || [], seen, 0);
  const unseen = record.c - (family.children.get(record.id) || []).length;
  return [
    up ? [el("p", { class: "meta" }, "comes from"), el("div", { class: "tree" }, up)]
      : el("p", { class: "meta" }, record.p.length ? "its parents are not on this page, or not in this run" : "has no parents"),
    down ? [el("p", { class: "meta" }, "led to"), el("div", { class: "tree" }, down)] : null,
    unseen > 0 ? el("p", { class: "note" }, `${down ? "and " : ""}${count(unseen, "child", "children")} not on this page: `, command(page, `prompts descendants RUN ${record.id}`)) : null,
  ].flat();
}

// Nested lists of relatives, each prompt once, as many as can be read.
function branch(record, next, seen, depth, beyond) {
  const kin = next(record).filter((id) => family.records.has(id) && !seen.has(id));
  const lost = beyond && depth && next(record).some((id) => !family.records.has(id));
  if (lost && !kin.length) return el("ul", null, el("li", { class: "meta" }, beyond));
  if (!kin.length || depth >= 40 || seen.size > 120) return null;
  kin.forEach((id) => seen.add(id));
  return el("ul", null, kin.slice(0, 40).map((id) => {
    const member = family.records.get(id);
    return el("li", null, pick(member, false), branch(member, next, seen, depth + 1, beyond));
  }));
}

function detailsOf(record) {
  const estimates = record.e.length
    ? table("Estimates, oldest first", ["for round", "metric", "value", "responses", "policy version"], record.e, true)
    : el("p", { class: "note" }, "Nothing was estimated of it.");
  const groups = record.g.map((g, i) => folded(`group-${record.id}-${i}`, groupTitle(g), () =>
    table("Responses and verdicts", ["response", "reward", "ended by", "scores and violations"],
      g.n.map((a) => [said(a.t + (a.x ? " … (cut)" : "") || "(empty)"), a.w, a.f, verdictWords(a)]), true), i === record.g.length - 1));
  return [el("h4", null, "Estimates"), estimates, el("h4", null, "Responses and verdicts"),
    ...(groups.length ? groups : [el("p", { class: "note" }, "Nothing was answered yet.")])];
}

function groupTitle(group) {
  const known = group.n.map((a) => a.w).filter((w) => w != null);
  const mean = known.length ? number(known.reduce((a, b) => a + b, 0) / known.length) : "–";
  const purpose = { train: "trained on", estimate: "asked for an estimate", evaluate: "evaluated" }[group.u];
  return `Round ${group.r}, ${purpose}, policy version ${group.v}: ${count(group.n.length, "response")}, mean reward ${mean}`;
}

const verdictWords = (answer) =>
  said([answer.y, ...answer.s.map(([name, score]) => `${name} ${number(score)}`),
    ...answer.b.map((name) => `breaks ${name}`)].filter(Boolean).join("; ") || "–");
