"""What the tests of pages ask of a browser: finding, waiting, and rules of accessibility."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

SECONDS = 20
TAB, ENTER, ESCAPE, SPACE = "\ue004", "\ue007", "\ue00c", " "
LEFT, RIGHT, HOME, END, DOWN = "\ue012", "\ue014", "\ue011", "\ue010", "\ue015"

_ACTIVE = "return document.activeElement"
_NAMES = """
const named = (e) => e.textContent.trim() || e.getAttribute("aria-label")
  || e.closest("label") || document.getElementById(e.getAttribute("aria-labelledby"));
return [...document.querySelectorAll(
  "a, button, input, select, summary, section, nav, [tabindex='0'], [role='region']")]
  .filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 90));
"""
_HEADINGS = """
return [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((h) => Number(h.tagName[1]));
"""
_TABLES = """
const whole = (t) => t.caption && t.caption.textContent.trim()
  && [...t.tHead.rows[0].cells].every((c) => c.scope === "col" && c.textContent.trim())
  && [...t.tBodies[0].rows].every((r) => r.cells[0].tagName === "TH" && r.cells[0].scope === "row");
return [...document.querySelectorAll("table")].filter((t) => !whole(t))
  .map((t) => t.outerHTML.slice(0, 120));
"""
# A drawing is hidden from screen readers; words beside it, or a table, say the same.
_DRAWINGS = """
const told = (s) => s.getAttribute("aria-hidden") === "true" && (s.closest("td, li")
  || s.matches(".legend svg") || (s.closest(".plot").getAttribute("aria-label")
    && (s.closest("figure").querySelector("details") || s.closest("#part-map"))));
return [...document.querySelectorAll("svg")].filter((s) => !told(s))
  .map((s) => s.outerHTML.slice(0, 120));
"""
_CONTRAST = """
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 1;
const paper = canvas.getContext("2d", { willReadFrequently: true });
function rgba(color) {
  paper.clearRect(0, 0, 1, 1);
  paper.fillStyle = color;
  paper.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = paper.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}
function light([r, g, b]) {
  const [x, y, z] = [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function ratio(a, b) {
  const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
  return (bright + 0.05) / (dark + 0.05);
}
function ground(element) {
  for (let e = element; e; e = e.parentElement) {
    const found = rgba(getComputedStyle(e).backgroundColor);
    if (found[3] > 0.99) return found;
  }
  return rgba("white");
}
const low = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim(), e = walker.currentNode.parentElement;
  const style = getComputedStyle(e);
  if (!text || ["SCRIPT", "STYLE", "NOSCRIPT", "TITLE"].includes(e.tagName)) continue;
  if (!e.getClientRects().length || e.closest(".hush")) continue;
  const found = ratio(rgba(e.closest("svg") ? style.fill : style.color), ground(e));
  if (found < 4.5) low.add(`${found.toFixed(2)} ${e.tagName}.${e.className} ${text.slice(0, 30)}`);
}
for (const e of document.querySelectorAll("path.line, path.level, circle:not(.dot)")) {
  const style = getComputedStyle(e), paint = e.tagName === "path" ? style.stroke : style.fill;
  if (ratio(rgba(paint), ground(e)) < 3) low.add(`drawing ${e.outerHTML.slice(0, 60)}`);
}
return [...low];
"""
_FOCUS = """
const lost = [];
const all = "a, button, input, select, summary, [tabindex='0']";
for (const e of document.querySelectorAll(all)) {
  if (!e.getClientRects().length) continue;
  e.focus({ focusVisible: true, preventScroll: true });
  const style = getComputedStyle(e);
  if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2)
    lost.push(e.outerHTML.slice(0, 90));
}
return lost;
"""
RULES = {
    "every part and control has a name": _NAMES,
    "every table has a caption, and heads of columns and rows": _TABLES,
    "every drawing has words beside it": _DRAWINGS,
    "text has a contrast of 4.5, and what is drawn one of 3": _CONTRAST,
    "what has the focus is seen to have it": _FOCUS,
}


def one(driver: Any, css: str) -> Any:
    return driver.find_element("css selector", css)


def every(driver: Any, css: str) -> list[Any]:
    found: list[Any] = driver.find_elements("css selector", css)
    return found


def active(driver: Any) -> Any:
    return driver.execute_script(_ACTIVE)


def press(driver: Any, *keys: str) -> Any:
    """Presses keys where the focus is; the element that has it then."""
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver, duration=0).send_keys(*keys).perform()
    return active(driver)


def tab_to(driver: Any, css: str, most: int = 400) -> Any:
    """Presses Tab until what `css` selects has the focus."""
    script = "return document.activeElement.matches(arguments[0])"
    for _ in range(most):
        if driver.execute_script(script, css):
            return active(driver)
        press(driver, TAB)
    raise AssertionError(f"expected Tab to reach {css}, found it out of {most} steps' reach")


def wait_until(driver: Any, holds: Callable[[Any], object], why: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, SECONDS, 0.05).until(holds, why)


def unfold(driver: Any) -> None:
    """Opens all that can be unfolded."""
    script = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
    driver.execute_script(script)
    # What is unfolded is built by an event that comes later.
    built = "return [...document.querySelectorAll('details')].every((d) => d.children.length > 1)"
    wait_until(driver, lambda d: d.execute_script(built), "all is built")


def faults(driver: Any) -> dict[str, list[str]]:
    """What breaks a rule of accessibility, by rule."""
    found = {rule: driver.execute_script(script) for rule, script in RULES.items()}
    levels = driver.execute_script(_HEADINGS)
    if levels[0] != 1 or levels.count(1) != 1:
        found["one first heading"] = [str(levels)]
    if any(after > before + 1 for before, after in pairwise(levels)):
        found["no level of headings is skipped"] = [str(levels)]
    if driver.execute_script("return document.documentElement.lang") != "en":
        found["the page tells its language"] = ["<html>"]
    return {rule: elements for rule, elements in found.items() if elements}


def too_wide(driver: Any, width: int) -> list[str]:
    """What makes the page wider than the screen, of `width` pixels."""
    script = """
    if (document.documentElement.scrollWidth <= arguments[0]) return [];
    return [...document.querySelectorAll("body *")].filter((e) => !e.closest(".scroll, .tree")
      && e.getBoundingClientRect().right > arguments[0] + 1).map((e) => e.outerHTML.slice(0, 90));
    """
    found: list[str] = driver.execute_script(script, width)
    return found
