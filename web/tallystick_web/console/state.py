"""What the console knows: one frozen structure, replaced whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

TABS = ("overview", "provide", "models", "sessions", "earnings", "hardware", "logs")


class Phase(Enum):
    """Whether this console may speak to its node."""

    STARTING = "starting"
    UNPAIRED = "unpaired"
    PAIRED = "paired"
    LOST = "lost"


@dataclass(frozen=True)
class Notice:
    """One sentence and a next step. `kind` is `bad` or `good`."""

    says: str
    step: str = ""
    kind: str = "bad"


@dataclass(frozen=True)
class State:
    """`data` has the node's last answer to each question, by the path below `/api`; times are Unix seconds."""

    phase: Phase = Phase.STARTING
    why: str = ""
    """Of UNPAIRED: the error's name."""
    tab: str = TABS[0]
    data: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    now: float = 0.0
    offset: int = 0
    busy: frozenset[str] = frozenset()
    """What was asked for and is not answered yet, by its intent."""
    notice: Notice | None = None
    sheet: str = ""
    wallets: tuple[tuple[str, str], ...] = ()
    """Of this browser, (id, name), where one has to be chosen."""
    days: int = 30
    """How far back the earnings go."""
    device: str = ""
    level: str = "info"
    """The least of the log's lines that are shown."""
    search: str = ""

    def of(self, name: str) -> dict[str, Any]:
        """The node's last answer, empty where there is none yet."""
        return self.data.get(name, {})
