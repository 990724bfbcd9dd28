"""The first tab: the node at a glance."""

from __future__ import annotations

from ...tree import Node, h
from ...words import Words
from ..state import State


def view(state: State, t: Words) -> list[Node]:
    """What serves where."""
    node = state.of("state")
    rows = [
        h("tr", h("th", name or t("console.first_chain"), scope="row"), h("td", one.get("provider") or "–"))
        for name, one in node["chains"].items()
    ]
    return [h("h1", t("console.tab.overview")), h("table", h("tbody", rows))]
