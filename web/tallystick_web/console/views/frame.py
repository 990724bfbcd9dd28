"""Around the tabs: how the node is doing, what can be done about it, and the small dialogs for that."""

from __future__ import annotations

from collections.abc import Callable

from ...figures import clock_time
from ...tree import Node, h
from ...views.parts import button
from ...words import Words
from ..state import Phase, State


def line(state: State, t: Words) -> list[Node]:
    """One line: rents out or not, and since when."""
    if state.phase in (Phase.STARTING, Phase.UNPAIRED):
        return []
    if state.phase is Phase.LOST:
        return [_dot("gone"), t("console.line.lost")]
    node = state.of("state")
    if not node:
        return []
    if node.get("resting") == "paused":
        until = node.get("until")
        when = clock_time(until, state.now, t, state.offset) if until else ""
        return [_dot("idle"), t("console.line.paused_until", time=when) if when else t("console.line.paused")]
    if node.get("resting"):
        return [_dot("idle"), t("console.line.hours")]
    serving = [one for one in node.get("chains", {}).values() if one.get("serving")]
    if not serving:
        return [_dot("idle"), t("console.line.not_serving")]
    requests = sum(int(one["requests"]) for one in serving)
    said = t.plural("console.line.serving", requests) if requests else t("console.line.ready")
    return [_dot("ready"), said]


def _dot(kind: str) -> Node:
    return h("span", class_="dot", data_state=kind, aria_hidden="true")


def actions(state: State, t: Words) -> list[Node]:
    """Pause or resume."""
    node = state.of("state")
    if state.phase is not Phase.PAIRED or not node:
        return []
    if node.get("resting") == "paused":
        return [button(t("console.resume"), "resume", kind="primary", disabled="resume" in state.busy)]
    return [button(t("console.pause"), "open-pause")]


def pausing(state: State, t: Words) -> list[Node]:
    """For how long."""
    spans = [("3600", "hour"), ("14400", "four_hours"), ("43200", "twelve_hours"), ("", "until_resumed")]
    choices = [
        h("button", t(f"console.pausing.{name}"), class_="button", type="button", data_do="pause", data_arg=seconds,
          disabled="pause" in state.busy)
        for seconds, name in spans
    ]  # fmt: skip
    drain = button(t("console.pausing.drain"), "drain", kind="quiet", disabled="drain" in state.busy)
    body = [h("p", t("console.pausing.says")), h("div", choices, class_="choices")]
    return [h("div", body, class_="body"), h("div", drain, class_="foot")]


def wallets(state: State, t: Words) -> list[Node]:
    """Which of several signs."""
    found = [button(name, "pick-wallet", wallet) for wallet, name in state.wallets]
    return [h("div", h("div", found, class_="choices"), class_="body")]


SHEETS: dict[str, Callable[[State, Words], list[Node]]] = {"wallets": wallets, "pause": pausing}
