"""The table of limits, from `limits.py`, and the shapes of traffic, from `shape.py`."""

from __future__ import annotations

from contracts.reference import table
from tallystick_helper.node.guests import LIMITS as GUESTS
from tallystick_helper.node.rates import Rate
from tallystick_shared.limits import KIB, LIMITS, MIB
from tallystick_shared.services import SERVICES
from tallystick_shared.session.shape import SHAPES, Beat

HEAD = """# Limits

*Made by `./run docs` from `shared/tallystick_shared/limits.py`, the one table that sessions, the node and its settings
read; the test run fails where it is stale.*

In the order in which a connection meets them. Where a setting is named, the node's owner may change the value; what
stands here holds where nothing is set. *Told* is the [error](errors.md) that the other side reads, where it can be told
anything at all.
"""
GUEST = """
## Guests

What a node gives to anybody, for nothing: bytes and seconds of an answer, and how many answers for an IPv4 address, or
an IPv6 /64, and in all. Whoever asks for more is told `TOO_LARGE` or `BUSY`; an answer that takes longer is cut.
"""
SHAPE = """
## Shape of the traffic

While a stream is live, one record of one size leaves at every beat, full or empty; see
[the protocol](../topics/protocol.md#shape).
"""
SERVICE = """
## Services

The class of a connection goes by the service that was asked for; among texts the user chooses in HELLO. A connection
changes its class only at rest. A client does not pay for more units than the bytes that arrived can hold.
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
        (traffic.value, _beat(each.down) + (", more at full rate" if each.full_rate else ""), _beat(each.up))
        for traffic, each in SHAPES.items()
    ]
    services = [
        (f"`{each.name}`", each.input_unit, each.output_unit, each.traffic.value, *_bytes(each.least, each.most))
        for each in SERVICES.values()
    ]
    guests = [
        (f"`{name}`", f"{each.most:,} B", f"{each.seconds:g} s", _rate(each.address), _rate(each.total))
        for name, each in GUESTS.items()
    ]
    parts = (
        HEAD,
        table(("what", "limit", "beyond", "told", "setting"), *rows),
        GUEST,
        table(("service", "at most", "within", "for an address", "in all"), *guests),
        SHAPE,
        table(("class", "down", "up"), *shapes),
        SERVICE,
        table(("service", "input unit", "output unit", "class", "at least, an output unit", "at most"), *services),
    )
    return "\n".join(parts) + "\n"


def _rate(rate: Rate) -> str:
    return f"{rate.burst:g}, then {rate.per_second:g} a second"


def _bytes(*counts: int) -> tuple[str, ...]:
    return tuple(f"{count:,} B" for count in counts)


def _beat(beat: Beat) -> str:
    return f"{beat.size:,} B each {beat.interval * 1000:g} ms"
