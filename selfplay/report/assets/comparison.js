"use strict";
// Runs side by side.

const COMPARISON = [
  ["figures", "Figures", ["comparison"], ({ comparison: c }) => [
    c.same_heldout ? null : el("p", null, el("b", null, "Not all runs asked the same held-out prompts: their accuracies compare only in part.")),
    table("Newest figures of each run", ["figure", ...c.names], c.rows),
    el("p", { class: "note" }, "In brackets: 95 % intervals over held-out prompts. They say nothing about other seeds of the same runs; ", el("code", null, "selfplay ablate"), " compares over seeds."),
    folded("directories", "Where the runs are", () => table("Directories", ["run", "directory"], c.names.map((n, i) => [n, c.directories[i]]))),
  ]],
  ["curves", "Curves", ["comparison"], ({ comparison: c }) =>
    [el("div", { class: "grid" }, c.charts.map((given, i) => lineChart(`curve-${i}`, given)))]],
  ["settings", "Settings that differ", ["comparison"], ({ comparison: c }) => [
    c.settings.length ? table("Settings that are not the same in all runs", ["setting", ...c.names], c.settings) : el("p", null, "The configurations are the same."),
  ]],
];
