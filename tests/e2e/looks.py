"""Looks at a page as it stands, in every light, width and language: nothing sticks out or is cut, axe finds nothing.

The short form looks once: axe in light at 1,280 px and in dark at 390 px, the layout in English and in the long
language at 320, 390 and 1,280 px. The long form (`./run test --full`) takes every pair, and 2,560 px. With
TALLYSTICK_SHOTS set to a folder (`./run shots`) it keeps a picture of each pair of light and width, and no more.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.conftest import is_full
from tests.e2e.stack import ROOT

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
LIGHTS = ("light", "dark")
HEIGHTS = {320: 640, 390: 844, 1280: 800, 2560: 1300}
USUAL = 1280
LONG = "en-XA"
SETTLED = """Promise.all(document.getAnimations()
  .filter((one) => one.effect?.getComputedTiming().iterations !== Infinity)
  .map((one) => one.finished.catch(() => {})))"""
"""Resolves when no colour is on its way to another: in between, contrasts are those of neither theme."""
RULES = "axe.run(document, {resultTypes: ['violations'], rules: {'target-size': {enabled: true}}})"
SPEAK = """language => {
  const field = document.createElement("input");
  field.dataset.input = "language";
  field.hidden = true;
  field.value = language;
  document.body.append(field);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.remove();
}"""
SPOKEN = "language => document.documentElement.lang === language"
MEASURE = r"""() => {
  const found = [];
  const say = (element, what) => {
    const classes = typeof element.className === "string" ? element.className.trim().replace(/\s+/g, ".") : "";
    const name = element.tagName.toLowerCase() + (classes && "." + classes);
    found.push(`${what}: <${name}> ${element.textContent.trim().slice(0, 60)}`);
  };
  const beyond = document.documentElement.scrollWidth - innerWidth;
  if (beyond > 0) found.push(`${beyond} px beyond the edge`);
  const own = ".chat .name, .snippet, .provider .label, .chain .label, .line > span, .chips .name, .offer-who .title, "
    + ".offer-who .sub, .model"; // names that somebody else gave may end in dots
  const apart = ".visually-hidden, .skip, svg, [inert], .side-shade, .katex, pre";
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest(apart) || !element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const wide = element.scrollWidth - element.clientWidth;
    if (style.overflowX === "hidden" || style.overflowX === "clip") {
      if (wide > 1 && element.clientWidth && !element.matches(own)) say(element, `${wide} px cut`);
    }
    if (element.matches("button, .button, .chip, .tag, select") && element.clientWidth && !element.querySelector(own)) {
      const tall = element.scrollHeight - element.clientHeight;
      if (wide > 2 || tall > 3) say(element, `${Math.max(wide, tall)} px out of its box`);
    }
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const place = element.getBoundingClientRect();
    if (place.right <= innerWidth + 1 && place.left >= -1) continue;
    let holder = element.parentElement;
    while (holder && !["auto", "scroll"].includes(getComputedStyle(holder).overflowX)) holder = holder.parentElement;
    if (!holder || holder === document.documentElement) say(element, "beyond the edge");
  }
  return found;
}"""


class Photographer:
    """Looks at the page as it stands. `faults` are sentences."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.folder = os.environ.get("TALLYSTICK_SHOTS")
        self.faults: list[str] = []
        page.evaluate(AXE)

    def look(self, station: str, *, answers: bool = True) -> None:
        """Pictures where they are wanted, else measures and axe's rules. Leaves the page as it was. `answers` is false
        where Python does not, so that no other language can be had.
        """
        if self.folder:
            self._shoot(station, Path(self.folder))
        elif is_full():
            self._measure(station, (320, 390, 1280, 2560), answers)
            for light in LIGHTS:
                for width in (390, 1280):
                    self._axe(station, light, width)
        else:
            self._measure(station, (320, 390, 1280), answers)
            self._axe(station, "dark", 390)
            self._axe(station, "light", 1280)
        self._set("light", USUAL)

    def speak(self, language: str) -> None:
        """Changes the page's language in place."""
        self.page.evaluate(SPEAK, language)
        self.page.wait_for_function(SPOKEN, arg=language)

    def measure(self, station: str, widths: tuple[int, ...]) -> None:
        """Whether anything sticks out or is cut, in the language that is spoken."""
        for width in widths:
            self._set("light", width)
            self.page.evaluate(SETTLED)
            found: list[str] = self.page.evaluate(MEASURE)
            self.faults += [f"{station} {width}: {fault}" for fault in found]

    def _measure(self, station: str, widths: tuple[int, ...], answers: bool) -> None:
        self.measure(station, widths)
        if not answers:
            return
        self.speak(LONG)
        self.measure(f"{station} {LONG}", widths)
        self.speak("en")

    def _set(self, light: str, width: int) -> None:
        self.page.evaluate("light => { document.documentElement.dataset.theme = light }", light)
        self.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})

    def _shoot(self, station: str, folder: Path) -> None:
        for light in LIGHTS:
            for width in (390, 1280):
                self._set(light, width)
                self.page.evaluate(SETTLED)
                self.page.screenshot(path=folder / f"{station}-{light}-{width}.png")

    def _axe(self, station: str, light: str, width: int) -> None:
        self._set(light, width)
        self.page.evaluate(SETTLED)
        found: list[dict[str, Any]] = self.page.evaluate(f"{RULES}.then((result) => result.violations)")
        for violation in found:
            nodes = json.dumps([node["html"][:120] for node in violation["nodes"][:3]])
            self.faults.append(f"{station} {light} {width}: {violation['id']}: {violation['help']} {nodes}")
