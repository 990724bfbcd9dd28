"""The table of limits, from `limits.py`, and the shapes of traffic, from `shape.py`."""

from __future__ import annotations

from contracts.reference import table
from tallystick_shared.limits import KIB, LIMITS, MIB
from tallystick_shared.session import shape
from tallystick_shared.session.shape import Shape

HEAD = """# Limits

*Made by `./run docs` from `shared/tallystick_shared/limits.py`, the one table that sessions, the node and its settings
read; the test run fails where it is stale.*

In the order in which a connection meets them. Where a setting is named, the node's owner may change the value; what
stands here holds where nothing is set. *Told* is the [error](errors.md) that the other side reads, where it can be told
anything at all.
"""
SHAPES = """
## Shape of the traffic

While a stream is live, one record of one size leaves at every beat, full or empty; see
[the protocol](../topics/protocol.md#shape).
"""


def _amount(value: float, unit: str) -> str:
    if unit == "B" and value >= MIB and value % MIB == 0:
        return f"{value // MIB:g} MiB"
    if unit == "B" and value >= KIB and value % KIB == 0:
        return f"{value // KIB:g} KiB"
    return f"{value:,g} {unit}" if value < 10_000 else f"{int(value):,} {unit}"


def page() -> str:
    """The whole page."""
    rows = [
        (
            each.what,
            _amount(each.value, each.unit),
            each.beyond,
            f"`{each.code.name}`" if each.code else "",
            f"`{each.setting}`" if each.setting else "",
        )
        for each in LIMITS
    ]
    shapes = [
        (name.lower().replace("_", " "), f"{each.down.size:,} B each {each.down.interval * 1000:g} ms",
         f"{each.up.size:,} B each {each.up.interval * 1000:g} ms")
        for name, each in vars(shape).items()
        if isinstance(each, Shape)
    ]  # fmt: skip
    limits = table(("what", "limit", "beyond", "told", "setting"), *rows)
    return f"{HEAD}\n{limits}\n{SHAPES}\n{table(('class', 'down', 'up'), *shapes)}\n"
