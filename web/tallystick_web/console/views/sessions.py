"""Who is connected, what runs, what waits."""

from __future__ import annotations

from typing import Any

from ...figures import span
from ...tree import Children, Node, h
from ...views.parts import button
from ...words import Words
from ..state import State
from .pieces import hashed, headline, none, panel, said_sum, sum_of, table


def view(state: State, t: Words) -> list[Node]:
    found = state.of("sessions")
    rows = found.get("sessions", [])
    denied = state.of("state").get("denied", [])
    parts: list[Node] = [headline(t("console.tab.sessions"))]
    parts.append(panel(t("console.sessions.connected"), listed(state, t) if rows else none(t("console.sessions.none"))))
    parts.append(panel(t("console.sessions.queue"), queue(state, t)))
    parts.append(panel(t("console.sessions.denied"), _denied(denied, t)))
    return [parts[0], h("div", parts[1:], class_="panels one")]


def listed(state: State, t: Words) -> Node:
    """One line for each deposit in use."""
    found = state.of("sessions")
    heads = [(t(f"console.sessions.{name}"), figures) for name, figures in (
        ("payer", False), ("runs", False), ("owed", True), ("paid", True), ("since", True), ("act", True))]  # fmt: skip
    rows = [_row(row, found["symbols"].get(row["chain"], ""), state, t) for row in found["sessions"]]
    return table(t("console.sessions.connected"), heads, rows)


def _row(row: dict[str, Any], symbol: str, state: State, t: Words) -> list[Children]:
    runs = [
        t("console.sessions.made", model=one["model"], units=one["units"])
        if one["began"] else t("console.sessions.waits", model=one["model"])
        for one in row["requests"]
    ]  # fmt: skip
    since = t("console.now") if row["seconds"] < 60 else span(row["seconds"], t)
    return [
        hashed(row["payer"]),
        ", ".join(runs) or h("span", t("console.sessions.idle"), class_="quiet"),
        sum_of(row["owed"], row["token"], symbol, t),
        h("span", said_sum(row["paid"], row["token"], symbol, t), class_="quiet"),
        since,
        button(t("console.sessions.deny"), "deny", row["payer"], disabled="deny" in state.busy),
    ]


def queue(state: State, t: Words) -> Node:
    """Of each model: how many run, and how many wait."""
    rows = state.of("sessions").get("queue", [])
    if not rows:
        return none(t("console.models.none"))
    heads = [(t("console.models.model"), False)]
    heads += [(t(f"console.sessions.{name}"), True) for name in ("busy", "waiting")]
    cells: list[list[Children]] = [
        [row["model"], f"{row['running']} / {row['slots']}", f"{row['waiting']} / {row['queue']}"] for row in rows
    ]
    return table(t("console.sessions.queue"), heads, cells)


def _denied(denied: list[str], t: Words) -> list[Node]:
    field = h("label", t("console.sessions.wallet"),
              h("input", name="account", autocomplete="off", spellcheck="false", placeholder="0x…", required=True),
              class_="field")  # fmt: skip
    form = h("form", field, h("button", t("console.sessions.deny"), class_="button", type="submit"),
             class_="denying", data_submit="deny")  # fmt: skip
    if not denied:
        return [none(t("console.sessions.denied_none")), form]
    rows: list[list[Children]] = [[hashed(one), button(t("console.sessions.allow"), "allow", one)] for one in denied]
    return [table(t("console.sessions.denied"), [(t("console.sessions.payer"), False), ("", True)], rows), form]
