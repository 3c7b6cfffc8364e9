"use strict";
// The page: its parts in order, each with what it needs of the data.

const REPORT = [
  ["story", "Story", ["narrative"], storyPart],
  ["curves", "Curves", ["curves"], curvesPart],
  ["frontier", "Frontier", ["frontier"], frontierPart],
  ["operators", "Operators", ["operators"], operatorsPart],
  ["rubric", "Rubric", ["rubric"], rubricPart],
  ["alarms", "Alarms", ["alarms"], alarmsPart],
  ["map", "Map of prompts", ["map", "prompts"], mapPart],
  ["prompts", "Prompts and families", ["prompts"], promptsPart],
  ["cost", "Cost and time", ["spending"], spendingPart],
  ["configuration", "Configuration", ["configuration"], configurationPart],
];

(function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const parts = data.kind === "comparison" ? COMPARISON : REPORT;
  const bodies = parts.map(([id, title, needs, render]) => {
    const body = el("div");
    const draw = () => put(body, render(data.sections));
    draw();
    const section = el("section", { id: `part-${id}`, "aria-labelledby": `head-${id}` },
      el("h2", { id: `head-${id}` }, title), body);
    document.getElementById("main").append(section);
    document.getElementById("parts").append(el("li", null, el("a", { href: `#part-${id}` }, title)));
    return { section, needs, draw };
  });
  const seconds = Number(document.body.dataset.follow);
  if (!seconds) return;
  follow(data, seconds, (changed) => keepingPlace(bodies.map((b) => b.section), () => {
    for (const { needs, draw } of bodies) if (needs.some((name) => changed.has(name))) draw();
  }));
})();
