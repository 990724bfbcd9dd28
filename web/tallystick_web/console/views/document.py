"""The document's regions: which view fills which element of console.html."""

from __future__ import annotations

from collections.abc import Callable

from ...tree import Node, h
from ...views.parts import cross
from ...words import Words
from ..state import TABS, Phase, State
from . import earnings, frame, hardware, logs, models, overview, provide, sessions, unpaired

View = Callable[[State, Words], list[Node]]
PAGES: dict[str, View] = {
    "overview": overview.view,
    "provide": provide.view,
    "models": models.view,
    "sessions": sessions.view,
    "earnings": earnings.view,
    "hardware": hardware.view,
    "logs": logs.view,
}


def main(state: State, t: Words) -> list[Node]:
    """What the tab shows; without a pairing, how to get one."""
    if state.phase is Phase.STARTING:
        return [h("p", t("console.starting"), class_="starting")]
    if state.phase is Phase.UNPAIRED:
        return unpaired.view(state, t)
    if not state.of("state"):
        return [h("p", t("console.reading"), class_="starting")]
    return PAGES[state.tab](state, t)


def tabs(state: State, t: Words) -> list[Node]:
    """Where one can go."""
    if state.phase in (Phase.STARTING, Phase.UNPAIRED):
        return []
    return [_tab(name, state, t) for name in TABS if name in PAGES]


def _tab(name: str, state: State, t: Words) -> Node:
    current = "page" if state.tab == name else None
    return h("button", t(f"console.tab.{name}"), type="button", data_do="tab", data_arg=name, aria_current=current,
             class_="tab", key=name)  # fmt: skip


def notices(state: State, t: Words) -> list[Node]:
    """What went wrong, or right."""
    held = state.notice
    if held is None:
        return []
    said = h("div", h("span", held.says, class_="says"), h("span", held.step, class_="next") if held.step else None)
    kind = "error" if held.kind == "bad" else "quiet"
    return [h("div", said, cross("close-notice", t("console.close")), class_="notice", data_kind=kind)]


def sheet(state: State, t: Words) -> list[Node]:
    """The dialog that is open."""
    view = frame.SHEETS.get(state.sheet)
    if view is None:
        return []
    bar = h("div", h("h2", t(f"console.sheet.{state.sheet}"), id="sheet-title"),
            cross("close-sheet", t("console.close")), class_="bar")  # fmt: skip
    return [bar, *view(state, t)]


REGIONS: dict[str, View] = {
    "state": frame.line,
    "actions": frame.actions,
    "tabs": tabs,
    "main": main,
    "notices": notices,
    "sheet": sheet,
}
