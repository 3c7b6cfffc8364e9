"use strict";
// Following a live run: parts that changed are drawn again, and the reader's place is kept.

function keepingPlace(sections, redraw) {
  const anchor = sections.find((node) => node.getBoundingClientRect().bottom > 0);
  const top = anchor && anchor.getBoundingClientRect().top;
  const active = document.activeElement && document.activeElement.dataset.key;
  const scrolls = [...document.querySelectorAll(".hits, .scroll")].map((node) => node.scrollTop);
  const open = new Map([...document.querySelectorAll("details[data-key]")].map((d) => [d.dataset.key, d.open]));
  redraw();
  for (const node of document.querySelectorAll("details[data-key]"))
    if (open.has(node.dataset.key)) node.open = open.get(node.dataset.key);
  document.querySelectorAll(".hits, .scroll").forEach((node, i) => { node.scrollTop = scrolls[i] || 0; });
  const same = active && [...document.querySelectorAll("[data-key]")].find((node) => node.dataset.key === active);
  if (same && same !== document.activeElement) same.focus({ preventScroll: true });
  if (anchor) window.scrollBy(0, anchor.getBoundingClientRect().top - top);
}

function follow(data, seconds, redraw) {
  const line = document.getElementById("live");
  const words = el("span", null, "Following the run.");
  let paused = false;
  const pause = el("button", { type: "button", "aria-pressed": "false", onclick: () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    words.textContent = paused ? "Paused." : "Following the run.";
  } }, "Pause updates");
  line.hidden = false;
  line.append(words, " ", pause);

  async function look() {
    if (paused) return;
    try {
      const answer = await fetch(`data.json?${new URLSearchParams(data.marks)}`);
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const newer = await answer.json();
      const changed = new Set(Object.keys(newer.sections));
      Object.assign(data.sections, newer.sections);
      data.marks = newer.marks;
      if (changed.size && !paused) redraw(changed);
      words.textContent = `Following the run, looked at ${new Date().toLocaleTimeString()}.`;
    } catch (error) {
      words.textContent = `The server does not answer (${error.message}); this page stays as it is.`;
    }
  }
  (async () => {
    for (;;) {
      await new Promise((done) => setTimeout(done, 1000 * seconds));
      await look();
    }
  })();
}
