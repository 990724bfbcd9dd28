"""What is offered, and how full it is."""

from __future__ import annotations

from typing import Any

from ...tree import Children, Node, h
from ...words import Words
from ..state import State
from .pieces import ZERO, headline, none, pairs, panel, said_sum, table


def view(state: State, t: Words) -> list[Node]:
    found = state.of("models")
    rows = found.get("models", [])
    parts: list[Node] = [headline(t("console.tab.models"))]
    if not rows:
        return [*parts, none(t("console.models.none"))]
    symbol = found.get("symbol", "")
    heads = [(t(f"console.models.{name}"), figures) for name, figures in (
        ("model", False), ("state", False), ("engine", False), ("context", True), ("busy", True), ("waiting", True),
        ("price_in", True), ("price_out", True))]  # fmt: skip
    listed = table(t("console.tab.models"), heads, [_row(row, symbol, t) for row in rows])
    told = h("p", t("console.models.change"), class_="aside")
    command = h("div", h("code", COMMAND), h("button", t("console.copy"), class_="button", type="button",
                data_do="copy", data_arg=COMMAND), class_="command")  # fmt: skip
    offered = panel(t("console.models.offered"), listed, told, command, wide=True)
    chains = [
        panel(name or t("console.first_chain"), _chain(one, t)) for name, one in state.of("state")["chains"].items()
    ]
    return [*parts, h("div", offered, chains, class_="panels")]


COMMAND = "tallystick provide --key-file KEY --price-in … --price-out …"


def _row(row: dict[str, Any], symbol: str, t: Words) -> list[Children]:
    known = row["state"].replace(" ", "_")
    said = t("console.models.not_announced") if not row["announced"] else t(f"console.models.is_{known}")
    return [
        row["model"],
        said,
        h("span", " ".join(part for part in (row["engine"], row["quantisation"]) if part), class_="quiet"),
        t.say(row["context"]),
        f"{row['running']} / {row['slots']}",
        f"{row['waiting']} / {row['queue']}",
        said_sum(row["price_in"], ZERO, symbol, t),
        said_sum(row["price_out"], ZERO, symbol, t),
    ]


def _chain(one: dict[str, Any], t: Words) -> Node:
    if not one["serving"]:
        return none(t("console.line.not_serving"))
    return pairs(
        [
            (t("console.chain.provider"), h("span", one["provider"], class_="hash")),
            (t("console.chain.operator"), h("span", one["operator"], class_="hash")),
            (t("console.chain.endpoints"), ", ".join(one["endpoints"])),
            (t("console.chain.block"), t.say(one["block"])),
            (t("console.chain.connections"), t.say(one["connections"])),
        ]
    )
