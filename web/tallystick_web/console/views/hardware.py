"""The machine: now, and a day of it."""

from __future__ import annotations

from typing import Any

from ...figures import clock_time
from ...tree import Element, Node
from ...words import Words
from ..state import State
from .charts import captioned, trace
from .pieces import headline, none, pairs, panel

GIB = 2**30
SHOWN = (("cpu", "%", 100.0), ("memory", "%", 100.0), ("rate", "", 0.0), ("running", "", 0.0), ("waiting", "", 0.0))
OF_GPU = (("load", "%", 100.0), ("memory", "%", 100.0), ("temperature", " °C", 100.0), ("watts", " W", 0.0))


def view(state: State, t: Words) -> list[Node]:
    found = state.of("hardware")
    title = headline(t("console.tab.hardware"))
    if not found.get("at"):
        return [title, none(t("console.hardware.soon"))]
    machine = found["now"]
    parts: list[Node] = [title]
    figures = [drawn(found, name, t(f"console.hardware.{name}"), unit, top, state, t) for name, unit, top in SHOWN]
    about = pairs([
        (t("console.hardware.cores"), t.say(machine["cores"])),
        (t("console.hardware.memory_now"), _of(machine["memory_total"] - machine["memory_available"],
                                               machine["memory_total"], t)),
        (t("console.hardware.process"), t("console.gib", size=t.decimal(machine["process_memory"] / GIB, 1))),
    ])  # fmt: skip
    groups = [panel(t("console.hardware.machine"), about, figures)]
    for gpu in machine["gpus"]:
        lines = [
            drawn(found, f"gpu{gpu['index']}_{name}", t(f"console.hardware.gpu_{name}"), unit, top, state, t)
            for name, unit, top in OF_GPU
            if f"gpu{gpu['index']}_{name}" in found["series"]
        ]
        memory = _of(gpu["memory_used"], gpu["memory_total"], t)
        groups.append(panel(gpu["name"], pairs([(t("console.hardware.memory_now"), memory)]), lines))
    parts.append(Element("div", (("class", "panels"),), tuple(groups)))
    if not machine["gpus"]:
        parts.append(none(t("console.hardware.no_gpu")))
    return parts


def _of(used: int, total: int, t: Words) -> str:
    return t("console.gib_of", used=t.decimal(used / GIB, 1), total=t.decimal(total / GIB, 1))


def drawn(
    found: dict[str, Any], name: str, label: str, unit: str, top: float, state: State, t: Words
) -> Element | None:
    """One figure over the day; None where it was never told."""
    values = found["series"].get(name)
    if values is None:
        return None
    latest = next((value for value in reversed(values) if value is not None), 0.0)
    most = max([value for value in values if value is not None] + [0.0])
    now = t.decimal(latest, 1 if name == "rate" else 0) + unit
    start = clock_time(found["at"][0], state.now, t, state.offset)
    picture = trace(values, top or max(most, 1.0), t("console.hardware.over_time", name=label, now=now))
    return captioned(label, now, picture, start, t("console.now"))
