"""The last lines of the log, with filters, and the bundle for whoever helps."""

from __future__ import annotations

from typing import Any

from ...tree import Node, h
from ...views.parts import button
from ...words import Words
from ..state import State
from .pieces import headline

LEVELS = ("debug", "info", "warning", "error")


def view(state: State, t: Words) -> list[Node]:
    title = headline(t("console.tab.logs"), button(t("console.logs.bundle"), "bundle", disabled="bundle" in state.busy))
    options = [h("option", t(f"console.logs.{level}"), value=level, selected=state.level == level) for level in LEVELS]
    filters = h(
        "div",
        h("select", options, data_change="level", aria_label=t("console.logs.level")),
        h("input", type="search", data_input="search", value=state.search, autocomplete="off",
          placeholder=t("console.logs.search"), aria_label=t("console.logs.search")),
        class_="filters", key="filters",
    )  # fmt: skip
    words = state.search.lower().split()
    lines = [one for one in reversed(state.of("logs").get("lines", [])) if _has(one, words)]
    shown = [_line(one) for one in lines[:300]] or h("p", t("console.logs.none"), class_="none")
    about = h("p", t("console.logs.about"), class_="none", key="about")
    return [title, filters, h("div", shown, class_="log", role="log", tabindex="0",
                              aria_label=t("console.tab.logs"), key="log"), about]  # fmt: skip


def _has(one: dict[str, Any], words: list[str]) -> bool:
    values = " ".join(f"{name}={value}" for name, value in one["values"].items())
    text = f"{one['says']} {one['level']} {values}".lower()
    return all(word in text for word in words)


def _line(one: dict[str, Any]) -> Node:
    values = "  ".join(f"{name}={value}" for name, value in one["values"].items())
    said = h("span", one["says"], h("span", values, class_="values") if values else None, class_="said")
    return h("div", h("span", one["at"][11:19], class_="when"), h("span", one["level"], class_="level"), said,
             class_="line", data_level=one["level"], key=str(one["number"]))  # fmt: skip
