"""The first tab: the node at a glance."""

from __future__ import annotations

from ...tree import Node, h
from ...words import Words
from ..state import State
from . import earnings, hardware, sessions
from .pieces import headline, none, panel


def view(state: State, t: Words) -> list[Node]:
    """Sums, who is connected, the machine, the next claim."""
    parts: list[Node] = [headline(t("console.tab.overview"))]
    if state.of("earnings"):
        parts += earnings.sums(state, t)
    rows = state.of("sessions").get("sessions", [])
    connected = sessions.listed(state, t) if rows else none(t("console.sessions.none"))
    panels: list[Node] = [panel(t("console.sessions.connected"), connected, wide=True)]
    found = state.of("hardware")
    if found.get("at"):
        names = [("cpu", "%", 100.0), ("memory", "%", 100.0), ("rate", "", 0.0)]
        if found["now"]["gpus"]:
            names = [("gpu0_load", "%", 100.0), ("gpu0_memory", "%", 100.0), ("rate", "", 0.0)]
        labels = {"gpu0_load": "gpu_load", "gpu0_memory": "gpu_memory"}
        drawn = [
            hardware.drawn(found, name, t(f"console.hardware.{labels.get(name, name)}"), unit, top, state, t)
            for name, unit, top in names
        ]
        panels.append(panel(t("console.tab.hardware"), drawn))
    panels += earnings.claims(state, t)
    return [*parts, h("div", panels, class_="panels")]
