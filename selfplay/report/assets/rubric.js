"use strict";
// How the criteria changed, and why.

function rubricPart(page) {
  const found = page.rubric;
  if (!found.total) return [el("p", null, "This run has no rubric: its rewards come from elsewhere, or its criteria are fixed.")];
  const cut = found.events.length < found.total ? ` The newest ${found.events.length} of ${found.total} events.` : "";
  return [
    el("p", { class: "note" }, `${found.in_force == null ? "No version is in force" : `Version ${found.in_force} is in force`}${found.frozen ? ", and reviews may change nothing" : ""}.${cut} In full: `, command(page, "rubric list RUN"), ", ", command(page, "reviews RUN")),
    el("ol", { class: "events" }, found.events.map((e, i) => rubricEvent(e, i))),
    found.reviews_total ? folded("reviews", `All reviews (${number(found.reviews_total)})`, () =>
      el("ol", { class: "events" }, found.reviews.map(reviewEvent))) : null,
  ];
}

const outcomeWords = { accepted: "adopted", rejected: "rejected", none: "nothing changed" };

function reviewEvent(r) {
  const candidate = r.version == null ? "" : `, candidate version ${r.version}`;
  const cost = r.tokens ? `, ${count(r.tokens, "token")}` : "";
  return el("li", null,
    el("p", null, el("b", null, `Round ${r.round}: ${outcomeWords[r.outcome] || r.outcome}`), `${candidate}${cost}`),
    reasons([r.cause, r.reason].filter(Boolean).join(" | ")));
}

// Why a review, why this candidate, why the gate let it pass: a line each.
function reasons(text) {
  const parts = visible(text).split(" | ");
  return el("div", { dir: "auto" }, el("b", null, "Why"), el("ul", null, parts.map((part) => el("li", null, part))));
}

function rubricEvent(event, i) {
  const line = (l) => {
    const text = `${l.cluster ? `${l.cluster}: ` : ""}${visible(l.text)}`;
    if (l.kind === "added") return el("ins", null, "+ ", text);
    if (l.kind === "removed") return el("del", null, "− ", text);
    return el("div", { class: "change" }, "± ", text);
  };
  return el("li", null,
    el("h3", null, `Version ${event.version}, round ${event.round} `,
      el("span", { class: `badge ${event.status}` }, event.status.replace("_", " ")),
      event.standing === "in force" && event.status === "accepted" ? [" ", el("span", { class: "badge accepted" }, "in force")] : null),
    event.reason ? reasons(event.reason) : null,
    event.lines.length
      ? el("div", { role: "group", "aria-label": `What version ${event.version} changes in version ${event.parent}` }, event.lines.map(line))
      : null,
    folded(`rubric-${i}`, "The whole rubric", () => said(event.text, "pre")));
}
