"""A console that is not paired: why, and what to do."""

from __future__ import annotations

from ...tree import Node, h
from ...words import Words
from ..state import State

COMMAND = "tallystick console"


def view(state: State, t: Words) -> list[Node]:
    """One sentence, one command."""
    over = state.why == "PAIRING_OVER"
    kind = "over" if over else "gone" if state.why == "NO_NODE" else "none"
    return [
        h(
            "div",
            h("h1", t(f"console.pair.{kind}_title")),
            h("p", t(f"console.pair.{kind}"), class_="lead"),
            h("div", h("code", COMMAND),
              h("button", t("console.copy"), class_="button", type="button", data_do="copy", data_arg=COMMAND),
              class_="command"),
            h("p", t("console.pair.why"), class_="aside"),
            class_="unpaired",
        )
    ]  # fmt: skip
