"""What the page knows of the market beside the chain's list: what it saw of each provider, and how people look at it.

Times are Unix seconds, durations milliseconds; providers are 20 bytes, choices go by `Choice.id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

ROWS = 60
"""How many rows are drawn at first, and how many more each time the end comes into sight."""


class Standing(Enum):
    """How a provider was when it was last asked. JOINING: it registered a short while ago and does not answer yet."""

    UNASKED = "unasked"
    JOINING = "joining"
    READY = "ready"
    BUSY = "busy"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True)
class Sight:
    """What one look at a provider told, and how often it answered so far. `fault` is the name of a code.

    `round_ms` is the time for connecting, proving the key and one answer. The limits are what it promises: bytes of
    an input, streams on a connection, seconds of a connection.
    """

    standing: Standing
    at: float
    round_ms: int | None = None
    fault: str = ""
    slots: int = 0
    running: int = 0
    queue: int = 0
    waiting: int = 0
    max_input: int = 0
    streams: int = 0
    session: int = 0
    asked: int = 1
    answered: int = 0


@dataclass(frozen=True)
class Speed:
    """Own answers from a model, the latest `samples` of them: medians weighted by what was paid, and when the last
    one came. `first_ms` is None where no answer had a first word.
    """

    samples: int
    first_ms: int | None
    per_second: float
    at: float


class Sort(Enum):
    """What rows are ordered by. BEST is the formula of `order`."""

    BEST = "best"
    PRICE_IN = "read"
    PRICE_OUT = "written"
    CONTEXT = "context"
    FIRST = "first"
    SPEED = "speed"
    NAME = "name"


@dataclass(frozen=True)
class Filters:
    """How the table is looked at: these go into the address of the page."""

    text: str = ""
    model: str = ""
    ready: bool = False
    free: bool = False
    tried: bool = False
    sort: Sort = Sort.BEST
    turned: bool = False


@dataclass(frozen=True)
class Shop:
    """Everything of it. `shown` is the choice whose sheet is open; `rows` of the table are drawn; `asking` are the
    providers that are being asked now.
    """

    sights: Mapping[bytes, Sight] = field(default_factory=dict)
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    filters: Filters = field(default_factory=Filters)
    shown: str = ""
    rows: int = ROWS
    asking: frozenset[bytes] = frozenset()
